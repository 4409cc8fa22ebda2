/*
 * A terminal that is left in raw mode is broken to whoever comes next: no echo, no Ctrl-C. Signals
 * that want us to stop or to look at the size are therefore read as data between two pieces of
 * output; those that end us at once have a handler that does what may be done in one.
 */
#include "terminal/screen.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>

#include "base/cleanup.h"

static const int fatal[] = {SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGALRM};
static struct sigaction handlers_before[ARRAY_SIZE(fatal)];
static struct termios before, raw;
static volatile sig_atomic_t is_raw;
static sigset_t mask_before;
static int signals = -1;

bool screen_is_there(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

bool screen_is_ascii(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *locale = getenv(names[i]);
		const char *set = locale ? strchr(locale, '.') : NULL;

		if (!locale || !*locale)
			continue;
		return !set || (strncasecmp(set + 1, "utf-8", 5) != 0 &&
				strncasecmp(set + 1, "utf8", 4) != 0);
	}
	return true;
}

/* What a guest may have switched on is off again, as far as that is known without a look. */
static void on_fatal(int number)
{
	static const char off[] = "\033[?9l\033[?1000l\033[?1002l\033[?1003l\033[?1004l\033[?1006l"
				  "\033[?1015l\033[?2004l\033[?25h\033[m\r\n";

	if (is_raw) {
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
		if (write(STDOUT_FILENO, off, sizeof(off) - 1) < 0) { /* there is no other way */
		}
	}
	raise(number); /* with its default by now (SA_RESETHAND) */
}

static void catch_fatal(void)
{
	const struct sigaction action = {.sa_handler = on_fatal,
					 .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &action, &handlers_before[i]);
}

static int open_signals(struct error *err)
{
	sigset_t watched;

	sigemptyset(&watched);
	sigaddset(&watched, SIGWINCH);
	sigaddset(&watched, SIGTSTP);
	sigaddset(&watched, SIGCONT);
	signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return error_errno(err, EX_OSERR, "cannot watch the terminal");
	sigprocmask(SIG_BLOCK, &watched, &mask_before);
	return 0;
}

int screen_enter(struct termios *ret_before, struct error *err)
{
	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return error_errno(err, EX_OSERR, "cannot read the terminal's mode");
	if (open_signals(err) < 0)
		return -1;
	*ret_before = before;
	raw = before;
	cfmakeraw(&raw);
	catch_fatal();
	is_raw = true;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	return 0;
}

void screen_leave(bool discard)
{
	if (!is_raw)
		return;
	tcsetattr(STDIN_FILENO, discard ? TCSAFLUSH : TCSADRAIN, &before);
	is_raw = false;
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &handlers_before[i], NULL);
	cleanup_close(&signals);
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

int screen_fd(void)
{
	return signals;
}

bool screen_look(void)
{
	struct signalfd_siginfo info;
	bool changed = false;

	while (signals >= 0 && read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		changed = true;
		if (info.ssi_signo == SIGTSTP) {
			tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
			raise(SIGSTOP);
		}
		if (info.ssi_signo != SIGWINCH)
			tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	return changed;
}

struct winsize screen_size(void)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	return size;
}
