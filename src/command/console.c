/*
 * `migrant console`: the guest's serial console, for when nothing else answers. What it prints is
 * filtered like all of a guest's; Ctrl+] leads out, as with virsh and telnet.
 */
#include <string.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "command/console.h"
#include "domain/libvirt.h"
#include "domain/streams.h"
#include "terminal/filter.h"
#include "terminal/screen.h"

#define LEAVE 0x1d /* Ctrl+] */

struct console {
	struct reader reader;
	struct filter filter;
	struct strbuf text; /* the piece that is being shown */
	bool is_raw;
	bool has_left, has_ended;
};

static void show(struct console *console)
{
	/* A terminal that takes nothing holds this up: a console that is not read loses nothing. */
	if (file_write_fd(STDOUT_FILENO, strbuf_text(&console->text), console->text.length) < 0)
		console->has_left = true;
	strbuf_truncate(&console->text, 0);
}

static void on_output(void *sink, const char *bytes, size_t length)
{
	struct console *console = sink;

	if (console->is_raw)
		strbuf_add(&console->text, bytes, length);
	else
		filter_add(&console->filter, bytes, length, &console->text);
	show(console);
}

/* Keys go to the guest up to the one that leads out. */
static void on_keys(int watch, int fd, int events, void *data)
{
	struct console *console = data;
	char keys[256];
	ssize_t got = read(fd, keys, sizeof(keys));
	const char *leave = got > 0 ? memchr(keys, LEAVE, (size_t)got) : NULL;
	size_t count = leave ? (size_t)(leave - keys) : (size_t)(got > 0 ? got : 0);

	(void)watch;
	(void)events;
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	console->has_left |= leave || got <= 0;
	/* What the guest does not take now is lost: a serial line has no other way to say so. */
	if (count && virStreamSend(console->reader.stream, keys, count) == -1)
		console->has_ended = true;
}

static void on_screen(int watch, int fd, int events, void *data)
{
	(void)watch;
	(void)fd;
	(void)events;
	(void)data;
	screen_look();
}

static bool is_over(void *data)
{
	const struct console *console = data;

	return console->has_left || console->has_ended || console->reader.has_ended;
}

static int attend(const struct project *project, struct console *console, struct error *err)
{
	int keys =
		virEventAddHandle(STDIN_FILENO, VIR_EVENT_HANDLE_READABLE | VIR_EVENT_HANDLE_HANGUP,
				  on_keys, console, NULL);
	int screen =
		virEventAddHandle(screen_fd(), VIR_EVENT_HANDLE_READABLE, on_screen, NULL, NULL);
	int result = wait_until(project->connection, is_over, console, 0, err);

	virEventRemoveHandle(keys);
	virEventRemoveHandle(screen);
	return result;
}

static int attach(const struct project *project, struct console *console, struct error *err)
{
	struct termios before;
	int result;

	console->reader.add = on_output;
	console->reader.sink = console;
	if (reader_open(&console->reader, project->domain.handle, NULL, err) < 0)
		return -1;
	log_step("%s: its console; Ctrl+] leaves it, Enter asks for a login", project->config.name);
	interrupt_catch();
	if (screen_enter(&before, err) < 0) {
		reader_close(&console->reader);
		return -1;
	}
	result = attend(project, console, err);
	reader_close(&console->reader);
	filter_end(&console->filter, &console->text);
	show(console);
	screen_leave(true);
	log_step("%s", console->has_left ? "left the console" : "the console has ended");
	return result;
}

int console_show(const struct project *project, bool is_raw, struct error *err)
{
	struct console console = {.is_raw = is_raw};
	int result;

	filter_init(&console.filter, screen_is_ascii());
	result = attach(project, &console, err);
	strbuf_done(&console.text);
	return result;
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;

	if (project_load(&project, invocation, err) < 0)
		return -1;
	if (!screen_is_there()) {
		error_set(err, EX_USAGE, "a console needs a terminal");
		return error_hint(err, "'migrant logs' shows what the guest has printed on it");
	}
	if (project_connect(&project, err) < 0 || project_find(&project, err) < 0 ||
	    project_require_running(&project, err) < 0)
		return -1;
	return console_show(&project, option_flag(invocation, "raw"), err);
}

static const struct option options[] = {
	{0, "raw", OPTION_FLAG, NULL, "let the guest have your terminal: nothing is filtered"},
	{0},
};

const struct command command_console = {
	.name = "console",
	.group = "access",
	.operands = "[NAME]",
	.summary = "attach to the guest's serial console; Ctrl+] leaves it",
	.example = "migrant console",
	.details = "It works while the guest boots, and when its network or SSH does not. Another "
		   "console\n"
		   "that is open on the same guest is ended.\n",
	.options = options,
	.operands_max = 1,
	.takes_name = true,
	.run = run,
};
