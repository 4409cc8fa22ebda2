/*
 * The hook's side of the keeper: starting it, giving its work to another, ending it.
 *
 * libvirt waits for the end of the hook's output, and every command of ours waits for the lock on
 * RUN_DIR: a process that stays behind must hold neither. So the child keeps no descriptor but a
 * pipe in place of its stderr, on which it says "ok" or its error, and then lets that go too.
 */
#include "hook/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "hook/keeper_config.h"
#include "hook/keeper_process.h"
#include "hook/network_log.h"

#define START_TIMEOUT_MS 10000
#define ANSWER_MAX	 8192
#define CONFIG_MAX	 65536

static char *config_path(const char *name)
{
	return text_format(RUN_DIR "/%s/" KEEPER_CONFIG_FILE, name);
}

static _Noreturn void run_child(const char *name, int answer)
{
	static char argv0[] = KEEPER_ARGV0, option[] = KEEPER_OPTION;
	static char path[] = "PATH=" PROCESS_PATH, locale[] = "LC_ALL=C";
	_cleanup_free_ char *operand = text_dup(name);
	char *const argv[] = {argv0, option, operand, NULL};
	char *const env[] = {path, locale, NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(answer, STDERR_FILENO) < 0 || syscall(SYS_close_range, 3U, ~0U, 0U) < 0)
		_exit(EX_OSERR);
	execve(HOOK_PATH, argv, env);
	_exit(EX_UNAVAILABLE);
}

/* Reads the child's answer to its end, as long as there is time. */
static void read_answer(int fd, struct strbuf *answer)
{
	const int64_t deadline = clock_ms() + START_TIMEOUT_MS;
	char chunk[1024];

	while (answer->length < ANSWER_MAX) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		const int64_t left = deadline - clock_ms();
		ssize_t got;

		if (left <= 0 || poll(&poll_fd, 1, (int)left) <= 0)
			return;
		got = read(fd, chunk, sizeof(chunk));
		if (got <= 0)
			return;
		strbuf_add(answer, chunk, (size_t)got);
	}
}

static int check_answer(const char *answer, struct error *err)
{
	if (text_equal(answer, "ok\n"))
		return 0;
	if (!error_from_hook(answer, err))
		error_set(err, EX_OSERR, "it does not answer");
	return error_prefix(err, "the keeper did not start");
}

/* Starts one. @ret_pid is a child of ours that works; on failure there is none. */
static int spawn(const char *name, pid_t *ret_pid, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_close_ int output = -1, input = -1;
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	input = pipes[0];
	output = pipes[1];
	pid = fork();
	if (pid == 0)
		run_child(name, output);
	if (pid < 0)
		return error_errno(err, EX_OSERR, "cannot start the keeper");
	cleanup_close(&output);
	read_answer(input, &answer);
	if (check_answer(strbuf_text(&answer), err) == 0 && keeper_note(name, pid, err) == 0) {
		*ret_pid = pid;
		return 0;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

static char *config_text(const struct metadata *metadata, const struct address *control)
{
	_cleanup_free_ struct keeper_config *config = xcalloc(1, sizeof(*config));

	keeper_config_make(metadata, control, config);
	return keeper_config_format(config);
}

int keeper_start(const struct metadata *metadata, const struct address *control, struct error *err)
{
	_cleanup_free_ char *path = config_path(metadata->name);
	_cleanup_free_ char *text = config_text(metadata, control);
	pid_t pid;

	if (network_log_prepare(metadata->name, metadata->owner, err) < 0 ||
	    file_replace(AT_FDCWD, path, text, strlen(text), 0600, err) < 0)
		return -1;
	return spawn(metadata->name, &pid, err);
}

bool keeper_is_running(const char *name)
{
	_cleanup_free_ char *path = config_path(name);
	_cleanup_close_ int fd = keeper_open_noted(name);

	return fd >= 0 || access(path, F_OK) < 0;
}

int keeper_repair(const char *name, struct error *err)
{
	pid_t pid;

	if (keeper_is_running(name))
		return 0;
	if (keeper_end(name, err) < 0)
		return -1;
	return spawn(name, &pid, err);
}

/* Puts the old orders back: whoever is started again later must do what is being done now. */
static void restore_config(const char *path, const char *text)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;

	if (text)
		(void)!file_replace(AT_FDCWD, path, text, strlen(text), 0600, &ignored);
	else
		unlink(path);
}

int keeper_restart(const struct metadata *metadata, const struct address *control,
		   struct error *err)
{
	_cleanup_free_ char *path = config_path(metadata->name);
	_cleanup_free_ char *text = config_text(metadata, control);
	_cleanup_close_ int running = keeper_open_noted(metadata->name);
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *before = NULL;
	pid_t pid = 0;

	(void)!file_read(AT_FDCWD, path, CONFIG_MAX, &before, NULL, &ignored);
	if (running >= 0 && text_equal(before, text))
		return 0;
	/* One that nobody noted would have what the new one needs, and gives nothing away. */
	if (running < 0 && keeper_end(metadata->name, err) < 0)
		return -1;
	if (network_log_prepare(metadata->name, metadata->owner, err) < 0 ||
	    file_replace(AT_FDCWD, path, text, strlen(text), 0600, err) < 0)
		return -1;
	if (spawn(metadata->name, &pid, err) < 0) {
		restore_config(path, before);
		return -1;
	}
	return keeper_end_others(metadata->name, pid, err);
}

int keeper_end(const char *name, struct error *err)
{
	return keeper_end_others(name, 0, err);
}
