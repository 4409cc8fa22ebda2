/*
 * A script goes to the guest as the input of a shell there, which puts it into a file of its own
 * and starts that: so its first line names the interpreter, no argument list shows its text, and
 * what it reads from its input is not the rest of itself.
 */
#include "provision/shell.h"

#include <string.h>

#include "base/text.h"
#include "provision/output.h"

/* What runs in the guest. Its two streams become one, in the order in which things were said. */
#define RUN_IN_GUEST                                                                         \
	"umask 077; d=$(mktemp -d /tmp/migrant-provision.XXXXXX) || exit; "                  \
	"trap 'rm -rf \"$d\"' EXIT; cat >\"$d/script\" && chmod 700 \"$d/script\" || exit; " \
	"umask 022; \"$d/script\" </dev/null"

struct script {
	const char *text; /* what is left of it */
	size_t length;
	struct output output;
};

static ssize_t give(void *data, char *buffer, size_t room, struct error *err)
{
	struct script *script = data;
	size_t length = script->length < room ? script->length : room;

	(void)err;
	memcpy(buffer, script->text, length);
	script->text += length;
	script->length -= length;
	return (ssize_t)length;
}

static int take(void *data, const char *bytes, size_t length, struct error *err)
{
	struct script *script = data;

	(void)err;
	output_add(&script->output, bytes, length);
	return 0;
}

/* For the login shell of the guest's user, whichever it is. */
static char *command(bool as_user)
{
	_cleanup_free_ char *inner = text_shell_quote(RUN_IN_GUEST);
	_cleanup_free_ char *whole =
		text_format("exec 2>&1; exec %senv DEBIAN_FRONTEND=noninteractive sh -c %s",
			    as_user ? "" : "sudo -n -H ", inner);
	_cleanup_free_ char *quoted = text_shell_quote(whole);

	return text_format("exec sh -c %s", quoted);
}

int shell_run(const char *title, const char *text, size_t length, bool as_user,
	      const struct guest_access *access, struct error *err)
{
	_cleanup_free_ char *line = command(as_user);
	struct script script = {.text = text, .length = length, .output.title = title};
	const struct ssh_streams streams = {.produce = give, .consume = take, .data = &script};
	const struct ssh_request request = {.access = access, .command = line, .streams = &streams};
	int status = 0;
	int result = ssh_run(&request, &status, err);

	output_end(&script.output);
	output_done(&script.output);
	if (result < 0)
		return error_prefix(err, "%s", title);
	if (status == 0)
		return 0;
	error_set(err, EX_SOFTWARE, "%s ended with status %d", title, status);
	return error_hint(err, "the guest runs on: 'migrant provision' tries again, 'migrant ssh' "
			       "looks inside");
}
