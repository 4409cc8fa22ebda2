/*
 * libvirt's daemon: which one this host has, whether it answers and lets group libvirt in, whether
 * it has seen the hook, which it looks up when it starts. Works with the monolithic libvirtd and
 * with virtqemud, with systemd and without.
 */
#include "command/host.h"

#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/process.h"
#include "base/text.h"
#include "domain/libvirt.h"

#define HOOK_LINK	"/etc/libvirt/hooks/qemu.d/migrant"
#define SYSTEM_BUS	"/run/dbus/system_bus_socket"
#define CONF_MAX	(1 << 20)
#define START_TIMEOUT	60 /* seconds for a daemon to start, or to answer */
#define STOP_TIMEOUT_MS 20000
#define CLOCK_SLACK	0.02 /* seconds: a process's start is known to 10 ms, a change to 4 ms */

struct daemon {
	const char *name;
	const char *socket;
	const char *units[3];	 /* with systemd; the first is the daemon's own */
	const char *confs[3];	 /* where access is configured; NULL-terminated */
	const char *programs[4]; /* what is started without systemd, in order */
};

static const struct daemon daemons[] = {
	{
		.name = "virtqemud",
		.socket = "/run/libvirt/virtqemud-sock",
		.units = {"virtqemud.service", "virtstoraged.service"},
		.confs = {"/etc/libvirt/virtqemud.conf", "/etc/libvirt/virtstoraged.conf"},
		.programs = {"virtlogd", "virtstoraged", "virtqemud"},
	},
	{
		.name = "libvirtd",
		.socket = "/run/libvirt/libvirt-sock",
		.units = {"libvirtd.service"},
		.confs = {"/etc/libvirt/libvirtd.conf"},
		.programs = {"virtlogd", "libvirtd"},
	},
};

/* The one whose socket is there, in libvirt's own order; else the one that is installed, or NULL.
 */
static const struct daemon *find_daemon(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(daemons); i++)
		if (access(daemons[i].socket, F_OK) == 0)
			return &daemons[i];
	for (size_t i = ARRAY_SIZE(daemons); i-- > 0;) {
		_cleanup_free_ char *path = process_find(daemons[i].name);

		if (path)
			return &daemons[i];
	}
	return NULL;
}

/* Pid of the running daemon @name by /run/NAME.pid, or 0: the file may be stale, the pid another's.
 */
static pid_t daemon_pid(const char *name)
{
	_cleanup_free_ char *file = text_format("/run/%s.pid", name);
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL, *comm_file = NULL, *comm = NULL;
	uint64_t pid;

	if (file_read(AT_FDCWD, file, 64, &text, NULL, &err) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (parse_number(text, 2, INT32_MAX, &pid) < 0)
		return 0;
	comm_file = text_format("/proc/%s/comm", text);
	if (file_read(AT_FDCWD, comm_file, 64, &comm, NULL, &err) < 0)
		return 0;
	comm[strcspn(comm, "\n")] = '\0';
	return text_equal(comm, name) ? (pid_t)pid : 0;
}

static double seconds(struct timespec time)
{
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* How long ago the process was started, in seconds; -1: it cannot be told. */
static double process_age(pid_t pid)
{
	_cleanup_free_ char *path = text_format("/proc/%d/stat", (int)pid);
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	const char *field;
	struct timespec now;

	if (file_read(AT_FDCWD, path, 4096, &text, NULL, &err) < 0 || !(field = strrchr(text, ')')))
		return -1;
	for (int number = 2; number < 22 && field; number++) /* starttime is field 22 (proc(5)) */
		field = strchr(field + 1, ' ');
	if (!field || clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		return -1;
	return seconds(now) - strtod(field, NULL) / (double)sysconf(_SC_CLK_TCK);
}

/* How long ago the file or link was changed, in seconds; negative: it cannot be told, as when the
 * clock was put back. */
static double change_age(const char *path)
{
	struct stat status;
	struct timespec now;

	if (lstat(path, &status) < 0 || clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -1;
	return seconds(now) - seconds(status.st_ctim);
}

/*
 * True unless the file or link was there, as it is, before the process was started. What cannot be
 * told apart is newer: a daemon that is started once more costs nothing, one that does not know our
 * hook runs no guest.
 */
static bool is_newer(const char *path, pid_t pid)
{
	double process = process_age(pid), change = change_age(path);

	return process >= 0 && change >= 0 && change < process + CLOCK_SLACK;
}

/* -- access -- */

/* polkit answers over the system bus; without a bus nobody does. */
static bool has_polkit(void)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un bus = {.sun_family = AF_UNIX, .sun_path = SYSTEM_BUS};

	if (access("/usr/lib/polkit-1/polkitd", X_OK) < 0 &&
	    access("/usr/libexec/polkitd", X_OK) < 0)
		return false;
	return fd >= 0 && connect(fd, (const struct sockaddr *)&bus, sizeof(bus)) == 0;
}

static bool conf_grants(const char *path)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *conf = NULL;

	return file_read(AT_FDCWD, path, CONF_MAX, &conf, NULL, &err) == 0 &&
	       daemon_conf_grants(conf);
}

void host_access_check(struct host_finding *found)
{
	const struct daemon *daemon = find_daemon();

	if (!daemon) {
		finding_set(found, HOST_ERROR, "libvirt's daemon is not installed");
		return finding_hint(found, "install it (Debian: libvirt-daemon-system)");
	}
	if (has_polkit())
		return finding_set(found, HOST_OK, "polkit lets group libvirt in");
	for (size_t i = 0; daemon->confs[i]; i++) {
		if (conf_grants(daemon->confs[i]))
			continue;
		finding_set(found, HOST_ERROR,
			    "there is no polkit, and %s does not let group libvirt in",
			    daemon->confs[i]);
		return;
	}
	finding_set(found, HOST_OK, "%s lets group libvirt in (there is no polkit)",
		    daemon->confs[0]);
}

static int grant_access(const char *path, struct error *err)
{
	_cleanup_error_ struct error missing = ERROR_INIT;
	_cleanup_free_ char *conf = NULL, *granting = NULL;

	if (file_read(AT_FDCWD, path, CONF_MAX, &conf, NULL, &missing) < 0) {
		if (missing.code != EX_NOINPUT) {
			error_move(err, &missing);
			return -1;
		}
		conf = text_dup("");
	}
	granting = daemon_conf_grant(conf);
	return file_replace(AT_FDCWD, path, granting, strlen(granting), 0644, err);
}

int host_access_fix(struct error *err)
{
	const struct daemon *daemon = find_daemon();

	if (!daemon)
		return error_set(err, EX_UNAVAILABLE, "libvirt's daemon is not installed");
	if (host_has_systemd()) {
		/* systemd owns the socket and its mode: without polkit it would be open to all */
		error_set(err, EX_UNAVAILABLE, "polkit, which lets group libvirt in, does not run");
		return error_hint(err, "install it (Debian: polkitd)");
	}
	for (size_t i = 0; daemon->confs[i]; i++)
		if (!conf_grants(daemon->confs[i]) && grant_access(daemon->confs[i], err) < 0)
			return -1;
	return 0;
}

static int restore_access(const char *path, bool *ret_changed, struct error *err)
{
	_cleanup_error_ struct error missing = ERROR_INIT;
	_cleanup_free_ char *conf = NULL, *restored = NULL;

	if (file_read(AT_FDCWD, path, CONF_MAX, &conf, NULL, &missing) < 0)
		return 0;
	restored = daemon_conf_restore(conf);
	if (text_equal(conf, restored))
		return 0;
	*ret_changed = true;
	return file_replace(AT_FDCWD, path, restored, strlen(restored), 0644, err);
}

int host_access_remove(struct host_finding *found, struct error *err)
{
	const struct daemon *daemon = find_daemon();
	bool changed = false;

	for (size_t i = 0; daemon && daemon->confs[i]; i++)
		if (restore_access(daemon->confs[i], &changed, err) < 0)
			return -1;
	if (changed)
		finding_set(found, HOST_CHANGED,
			    "%s is as it was; its daemon reads it when it starts",
			    daemon->confs[0]);
	else
		finding_set(found, HOST_OK, "libvirt's configuration was not changed");
	return 0;
}

/* -- daemon -- */

bool host_daemon_lacks_hook(void)
{
	const struct daemon *daemon = find_daemon();
	pid_t pid = daemon ? daemon_pid(daemon->name) : 0;
	struct stat status;

	return lstat(HOOK_LINK, &status) < 0 || (pid && is_newer(HOOK_LINK, pid));
}

static bool is_stale(const struct daemon *daemon)
{
	pid_t pid = daemon_pid(daemon->name);

	if (!pid)
		return false;
	return is_newer(HOOK_LINK, pid) ||
	       (!has_polkit() && conf_grants(daemon->confs[0]) && is_newer(daemon->confs[0], pid));
}

static void describe_daemon(const struct daemon *daemon, virConnectPtr connection,
			    struct host_finding *found)
{
	unsigned long libvirt = 0, qemu = 0; /* major * 1,000,000 + minor * 1,000 + release */

	if (virConnectGetLibVersion(connection, &libvirt) < 0 ||
	    virConnectGetVersion(connection, &qemu) < 0)
		return finding_set(found, HOST_ERROR, "%s does not know a QEMU", daemon->name);
	/* a daemon of its own where libvirt's daemons are modular */
	if (virConnectListAllStoragePools(connection, NULL, 0) < 0)
		return finding_set(found, HOST_ERROR, "libvirt's storage daemon does not answer");
	finding_set(found, HOST_OK, "%s answers: libvirt %lu.%lu.%lu, QEMU %lu.%lu.%lu",
		    daemon->name, libvirt / 1000000, libvirt / 1000 % 1000, libvirt % 1000,
		    qemu / 1000000, qemu / 1000 % 1000, qemu % 1000);
}

void host_daemon_check(struct host_finding *found)
{
	const struct daemon *daemon = find_daemon();
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!daemon) {
		finding_set(found, HOST_ERROR, "libvirt's daemon is not installed");
		return finding_hint(found, "install it (Debian: libvirt-daemon-system)");
	}
	if (libvirt_connect(&connection, &err) < 0)
		return finding_from_error(found, &err);
	if (is_stale(daemon)) {
		finding_set(found, HOST_ERROR, "%s has not looked for hooks since ours was linked",
			    daemon->name);
		return;
	}
	describe_daemon(daemon, connection, found);
}

static int run_systemctl(const char *verb, const char *option, const char *unit, struct error *err)
{
	const char *const argv[] = {"systemctl", verb, unit, option, NULL};
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.timeout = START_TIMEOUT;
	return process_run(&process, err);
}

/* Ends a daemon by its own pid and waits. Guests go on running. */
static int stop_program(const char *name, struct error *err)
{
	pid_t pid = daemon_pid(name);
	struct pollfd end = {.events = POLLIN};
	_cleanup_close_ int pidfd = -1;

	if (!pid)
		return 0;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0 || daemon_pid(name) != pid)
		return 0;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0)
		return error_errno(err, EX_OSERR, "cannot stop %s", name);
	end.fd = pidfd;
	if (poll(&end, 1, STOP_TIMEOUT_MS) > 0)
		return 0;
	return error_set(err, EX_TEMPFAIL, "%s (pid %d) does not end", name, (int)pid);
}

static int start_program(const char *name, struct error *err)
{
	const char *const argv[] = {name, "-d", NULL};
	struct process process = PROCESS_INIT;

	if (daemon_pid(name))
		return 0;
	process.argv = argv;
	process.timeout = START_TIMEOUT;
	return process_run(&process, err);
}

static int start_by_hand(const struct daemon *daemon, struct error *err)
{
	if (is_stale(daemon) && stop_program(daemon->name, err) < 0)
		return -1;
	if (mkdir("/run/libvirt", 0755) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make /run/libvirt");
	for (size_t i = 0; daemon->programs[i]; i++)
		if (start_program(daemon->programs[i], err) < 0)
			return -1;
	return 0;
}

/* A daemon that was just started may take a moment until it answers. */
static int wait_for_answer(struct error *err)
{
	const struct timespec moment = {.tv_nsec = 100000000};

	for (int tries = START_TIMEOUT * 10;; tries--) {
		_cleanup_connection_ virConnectPtr connection = NULL;

		error_done(err);
		if (libvirt_connect(&connection, err) == 0)
			return 0;
		if (tries == 0)
			return -1;
		nanosleep(&moment, NULL);
	}
}

static int start_by_systemd(const struct daemon *daemon, struct error *err)
{
	for (size_t i = 0; daemon->units[i]; i++)
		if (run_systemctl("enable", "--now", daemon->units[i], err) < 0)
			return -1;
	return is_stale(daemon) ? run_systemctl("restart", "--quiet", daemon->units[0], err) : 0;
}

/* Waits until a process that starts now is told to be younger than the file. */
static void settle(const char *path)
{
	const struct timespec moment = {.tv_nsec = (long)(2 * CLOCK_SLACK * 1e9)};
	double age = change_age(path);

	if (age >= 0 && age < 2 * CLOCK_SLACK)
		nanosleep(&moment, NULL);
}

int host_daemon_fix(struct error *err)
{
	const struct daemon *daemon = find_daemon();

	if (!daemon)
		return error_set(err, EX_UNAVAILABLE, "libvirt's daemon is not installed");
	settle(HOOK_LINK);
	settle(daemon->confs[0]);
	if ((host_has_systemd() ? start_by_systemd(daemon, err) : start_by_hand(daemon, err)) < 0)
		return -1;
	return wait_for_answer(err);
}
