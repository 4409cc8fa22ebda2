/*
 * The program's side of migrant-helper: one verb, one name, one answer.
 */
#include "command/helper.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "hook/network_log.h"
#include "hook/protocol.h"

#define ANSWER_MAX     (1 << 20) /* the rules of 256 grants */
#define HELPER_SECONDS 60

static int run(const char *verb, const char *name, int input, struct strbuf *output,
	       struct error *err)
{
	const char *const argv[] = {HELPER_PATH, verb, name, NULL};
	struct process process = PROCESS_INIT;
	_cleanup_error_ struct error own = ERROR_INIT;

	process.argv = argv;
	process.input = input;
	process.timeout = HELPER_SECONDS;
	if (process_capture(&process, ANSWER_MAX, output, err) == 0)
		return 0;
	if (err->code == EX_UNAVAILABLE)
		return error_hint(err, "run: sudo migrant setup");
	if (err->message && error_from_hook(err->message, &own))
		error_move(err, &own);
	if (err->code == EX_USAGE) /* a verb that it does not know: it is older than we are */
		error_hint(err, "run: sudo migrant setup");
	return -1;
}

int helper_run(const char *verb, const char *name, struct strbuf *output, struct error *err)
{
	return run(verb, name, PROCESS_NULL, output, err);
}

int helper_tell(const char *verb, const char *name, const char *input, struct strbuf *output,
		struct error *err)
{
	_cleanup_close_ int fd = file_memory("migrant-helper", input, strlen(input));

	if (fd < 0)
		return error_errno(err, EX_OSERR, "cannot make a memory file");
	return run(verb, name, fd, output, err);
}

char *helper_leftover(const char *name)
{
	char *paths[] = {text_format(RUN_DIR "/%s", name),
			 text_format(NETNS_DIR "/" SANDBOX_PREFIX "%s", name),
			 text_format(NETWORK_LOG_DIR "/%s", name)};
	char *found = NULL;
	struct stat status;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!found && lstat(paths[i], &status) == 0)
			found = take_ptr(paths[i]);
		free(paths[i]);
	}
	return found;
}

int helper_cleanup(const char *name, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;

	if (helper_run("cleanup", name, &answer, err) < 0)
		return error_prefix(err, "cannot take away what is left on the root side");
	return 0;
}
