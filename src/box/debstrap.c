/*
 * mmdebstrap makes the box's root from signed packages, as root or, in a user namespace, as
 * anybody. The last hook turns that root into a file system; see boxes/image.sh for why it is our
 * standard input that it writes to.
 */
#include "box/debstrap.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "box/scratch.h"

#define TAIL_MAX      4096
#define END_WAIT_MS   30000 /* for mmdebstrap's own cleanup after a signal */
#define LINE_MAX_SIZE 1024

struct argv {
	char **list;
	size_t count;
};

static void add(struct argv *argv, char *text)
{
	argv->list = xreallocarray(argv->list, argv->count + 2, sizeof(char *));
	argv->list[argv->count++] = text;
	argv->list[argv->count] = NULL;
}

static char *join(char *const *words)
{
	struct strbuf text = STRBUF_INIT;

	for (; *words; words++)
		strbuf_addf(&text, "%s%s", text.length ? "," : "", *words);
	return strbuf_take(&text);
}

/* A hook script of the recipe; there need not be one. */
static void add_script(struct argv *argv, const struct debstrap *debstrap, const char *hook,
		       const char *name)
{
	_cleanup_free_ char *path = text_format("%s/%s", debstrap->scripts, name);

	if (access(path, X_OK) == 0)
		add(argv, text_format("--%s-hook=%s", hook, path));
}

static void add_hooks(struct argv *argv, const struct debstrap *debstrap)
{
	_cleanup_free_ char *kernel = scratch_path(debstrap->kernel);
	_cleanup_free_ char *initrd = scratch_path(debstrap->initrd);

	add_script(argv, debstrap, "essential", "essential.sh");
	add_script(argv, debstrap, "customize", "customize.sh");
	add(argv, text_format("--customize-hook=download /vmlinuz %s", kernel));
	add(argv, text_format("--customize-hook=download /initrd.img %s", initrd));
	add(argv, text_format("--customize-hook=%s", debstrap->image_script));
}

char **debstrap_argv(const struct debstrap *debstrap)
{
	static const char *const fixed[] = {
		"--variant=minbase",
		"--format=null",
		"--skip=cleanup",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-include=/usr/share/doc/*/copyright",
		"--dpkgopt=path-exclude=/usr/share/info/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/man/*",
	};
	_cleanup_free_ char *packages = join(debstrap->description->packages);
	struct argv argv = {0};

	add(&argv, text_dup("mmdebstrap"));
	add(&argv, text_dup(debstrap->as_root ? "--mode=root" : "--mode=unshare"));
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		add(&argv, text_dup(fixed[i]));
	add(&argv, text_format("--keyring=%s", DEBIAN_KEYRING));
	for (const char *const *option = debstrap->options; option && *option; option++)
		add(&argv, text_format("--aptopt=%s", *option));
	add(&argv, text_format("--include=%s", packages));
	add_hooks(&argv, debstrap);
	add(&argv, text_dup("--"));
	add(&argv, text_dup(debstrap->description->suite));
	add(&argv, text_dup("/dev/null"));
	for (size_t i = 0; i < debstrap->sources->count; i++)
		add(&argv, text_dup(debstrap->sources->lines[i]));
	return argv.list;
}

char **debstrap_apt_options(const char *dump)
{
	static const char *const wanted[] = {
		"Acquire::http::Proxy",	       "Acquire::https::Proxy", "Acquire::https::CAInfo",
		"Acquire::Check-Valid-Until ", "Acquire::Check-Date ",	"Acquire::ForceIPv",
	};
	struct argv options = {.list = xcalloc(1, sizeof(char *))};

	for (const char *line = dump; *line; line += *line == '\n') {
		size_t length = strcspn(line, "\n");

		for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
			if (text_starts(line, wanted[i]))
				add(&options, text_dup_n(line, length));
		line += length;
	}
	return options.list;
}

struct output {
	struct strbuf line;
	struct strbuf tail; /* the last lines that speak of an error */
};

static void end_line(struct output *output)
{
	static const char *const steps[] = {"I: downloading", "I: extracting", "I: installing"};
	const char *text = strbuf_text(&output->line);

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (text_starts(text, steps[i]))
			log_info("%s", text + 3);
	if (text_starts(text, "E: ")) {
		if (output->tail.length < TAIL_MAX)
			strbuf_addf(&output->tail, "%s%s", output->tail.length ? "; " : "",
				    text + 3);
	}
	strbuf_truncate(&output->line, 0);
}

static void add_output(struct output *output, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\n')
			end_line(output);
		else if (output->line.length < LINE_MAX_SIZE)
			strbuf_add_char(&output->line, bytes[i]);
	}
}

/* Reads @fd to its end. A signal is passed on once; -1 when what it ends takes too long. */
static int follow(const struct process *process, int fd, struct output *output)
{
	int64_t deadline = 0;
	char chunk[4096];

	for (;;) {
		struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
				       {.fd = deadline ? -1 : interrupt_fd(), .events = POLLIN}};
		ssize_t got;

		if (deadline && clock_ms() > deadline)
			return -1;
		if (poll(fds, ARRAY_SIZE(fds), deadline ? 500 : -1) < 0 && errno != EINTR)
			return -1;
		if (!deadline && interrupt_pending()) {
			kill(-process->pid, SIGTERM);
			deadline = clock_ms() + END_WAIT_MS;
		}
		if (!(fds[0].revents & (POLLIN | POLLHUP)))
			continue;
		got = read(fd, chunk, sizeof(chunk));
		if (got <= 0)
			return 0;
		add_output(output, chunk, (size_t)got);
	}
}

/* Proxies by environment are as good as those in apt.conf. The caller frees the array. */
static const char **proxies(void)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "no_proxy"};
	static char *texts[ARRAY_SIZE(names)];
	const char **list = xcalloc(ARRAY_SIZE(names) + 1, sizeof(*list));
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		free(texts[i]);
		texts[i] = value ? text_format("%s=%s", names[i], value) : NULL;
		if (texts[i])
			list[count++] = texts[i];
	}
	return list;
}

static int finish(struct process *process, bool ended, struct output *output, struct error *err)
{
	int status;

	if (!ended) {
		process_kill(process);
		return interrupt_error(err);
	}
	if (process_wait(process, &status, err) < 0)
		return -1;
	if (interrupt_pending())
		return interrupt_error(err);
	if (status == 0)
		return 0;
	error_set(err, EX_SOFTWARE, "mmdebstrap failed: %s",
		  output->tail.length ? output->tail.text : "see above");
	return error_hint(err, "is the mirror reachable? apt-get update tells");
}

int debstrap_run(const struct debstrap *debstrap, struct error *err)
{
	_cleanup_list_ char **argv = debstrap_argv(debstrap);
	_cleanup_free_ const char **env = proxies();
	_cleanup_close_ int read_end = -1, write_end = -1;
	struct process process = PROCESS_INIT;
	struct output output = {0};
	int pipes[2], result;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	read_end = pipes[0];
	write_end = pipes[1];
	process.argv = (const char *const *)argv;
	process.env = env;
	process.directory = "/";
	process.input = debstrap->image;
	process.output = process.errors = write_end;
	if (process_start(&process, err) < 0)
		return -1;
	cleanup_close(&write_end);
	result = follow(&process, read_end, &output);
	result = finish(&process, result == 0, &output, err);
	strbuf_done(&output.line);
	strbuf_done(&output.tail);
	return result;
}
