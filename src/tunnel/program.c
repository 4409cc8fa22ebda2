/*
 * The process reads packets of the Internet and of the guest, so it gets what it cannot do without:
 * the right to make its interface. It is no user's, keeps no descriptor of ours (libvirt would wait
 * for its end, and everybody for the lock), and its socket is made here, so that only root can ask
 * it for keys and `wg` need not wait for anything to appear.
 */
#include "tunnel/program.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/text.h"
#include "tunnel/tunnel.h"

#define PROGRAM	    "wireguard-go"
#define SOCKET_DIR  "/var/run/wireguard" /* where wg(8) and wireguard-go look */
#define SOCKET_END  ".sock"
#define SOCKET_FD   3
#define CMDLINE_MAX 4096
#define NOBODY	    UINT32_C(4141285376) /* of no range that anybody gives users from */

/* The socket. */

static int make_directory(struct error *err)
{
	struct stat status;

	if (mkdir(SOCKET_DIR, 0755) < 0 && errno != EEXIST)
		return error_errno(err, EX_CANTCREAT, "cannot make " SOCKET_DIR);
	if (lstat(SOCKET_DIR, &status) < 0)
		return error_errno(err, EX_CANTCREAT, SOCKET_DIR);
	if (!S_ISDIR(status.st_mode) || status.st_uid != 0 || status.st_mode & 022)
		return error_set(err, EX_NOPERM, SOCKET_DIR " is not a directory of root alone");
	return 0;
}

static int socket_address(const char *file, struct sockaddr_un *address)
{
	int length = snprintf(address->sun_path, sizeof(address->sun_path), SOCKET_DIR "/%s", file);

	address->sun_family = AF_UNIX;
	return length > 0 && (size_t)length < sizeof(address->sun_path) ? 0 : -1;
}

/* Others may look at it, which the program does to see it go, but not connect. */
static int make_socket(const char *link, int *ret_fd, struct error *err)
{
	_cleanup_free_ char *file = text_format("%s" SOCKET_END, link);
	struct sockaddr_un address = {0};
	_cleanup_close_ int fd = -1;

	if (make_directory(err) < 0)
		return -1;
	if (socket_address(file, &address) < 0)
		return error_set(err, EX_SOFTWARE, "the name %s is too long", file);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || (unlink(address.sun_path) < 0 && errno != ENOENT) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0644) < 0 || listen(fd, 8) < 0)
		return error_errno(err, EX_CANTCREAT, "cannot make %s", address.sun_path);
	*ret_fd = take_fd(&fd);
	return 0;
}

static void clear_socket(const char *file)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {0};

	if (fd >= 0 && socket_address(file, &address) == 0 &&
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
	    errno == ECONNREFUSED)
		unlink(address.sun_path);
}

static void clear_sockets(void)
{
	_cleanup_closedir_ DIR *directory = opendir(SOCKET_DIR);
	const struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory)))
		if (text_starts(entry->d_name, TUNNEL_LINK) && text_ends(entry->d_name, SOCKET_END))
			clear_socket(entry->d_name);
	rmdir(SOCKET_DIR); /* stays while somebody else has a socket there */
}

bool tunnel_program_made(const char *link)
{
	_cleanup_free_ char *path = text_format(SOCKET_DIR "/%s" SOCKET_END, link);

	return access(path, F_OK) == 0;
}

/* The process. */

static int keep_one_capability(void)
{
	const uint32_t bit = UINT32_C(1) << CAP_NET_ADMIN;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{.effective = bit, .permitted = bit, .inheritable = bit},
	};

	if (syscall(SYS_capset, &header, data) < 0)
		return -1;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0);
}

static int shrink_bounding_set(void)
{
	for (int number = 0; prctl(PR_CAPBSET_READ, number) >= 0; number++)
		if (number != CAP_NET_ADMIN && prctl(PR_CAPBSET_DROP, number) < 0)
			return -1;
	return 0;
}

/* Where only root opens the device (some containers), root it is, with one capability. */
static void leave_root(void)
{
	struct stat status;

	if (stat("/dev/net/tun", &status) < 0 || (status.st_mode & 06) != 06)
		return;
	/* A user namespace without that number keeps it root as well. */
	if (setresgid(NOBODY, NOBODY, NOBODY) == 0)
		(void)!setresuid(NOBODY, NOBODY, NOBODY);
}

static int confine(void)
{
	const struct rlimit no_files = {0, 0};

	if (shrink_bounding_set() < 0 || setgroups(0, NULL) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_FSIZE, &no_files) < 0)
		return -1;
	leave_root();
	if (keep_one_capability() < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static _Noreturn void run_child(const char *path, char *const *argv, int listener)
{
	static char search[] = "PATH=" PROCESS_PATH, locale[] = "LC_ALL=C";
	static char log_level[] = "LOG_LEVEL=silent", socket_fd[] = "WG_UAPI_FD=3";
	char *const env[] = {search, locale, log_level, socket_fd, NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Out of the way of the numbers that are given now. */
	int from = fcntl(listener, F_DUPFD_CLOEXEC, SOCKET_FD + 1);

	setsid();
	if (null < 0 || from < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0 || dup2(from, SOCKET_FD) < 0 ||
	    syscall(SYS_close_range, SOCKET_FD + 1U, ~0U, 0U) < 0 || confine() < 0)
		_exit(EX_OSERR);
	execve(path, argv, env);
	_exit(EX_UNAVAILABLE);
}

int tunnel_program_start(const char *owner, const char *link, struct error *err)
{
	_cleanup_free_ char *path = process_find(PROGRAM);
	_cleanup_free_ char *name = text_dup(owner), *operand = text_dup(link);
	static char foreground[] = "-f";
	char *const argv[] = {name, foreground, operand, NULL};
	_cleanup_close_ int listener = -1;
	pid_t pid;

	if (!path) {
		error_set(err, EX_UNAVAILABLE,
			  "this kernel has no WireGuard, and " PROGRAM " is not installed");
		return error_hint(err, "install the package wireguard-go");
	}
	if (make_socket(link, &listener, err) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		run_child(path, argv, listener);
	if (pid < 0)
		return error_errno(err, EX_OSERR, "cannot start " PROGRAM);
	return 0;
}

/* Anybody can call a process so; what merely looks like one of ours is only ever ended. */
static bool is_program_of(pid_t pid, const void *owner)
{
	_cleanup_free_ char *path = text_format("/proc/%d/cmdline", (int)pid);
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *arguments = NULL;

	return proc_is_program(pid, PROGRAM) &&
	       file_read(AT_FDCWD, path, CMDLINE_MAX, &arguments, NULL, &err) == 0 &&
	       text_equal(arguments, owner);
}

int tunnel_program_is_running(const char *owner, bool *ret_running, struct error *err)
{
	_cleanup_pids_ struct pids pids = {0};

	if (proc_find(is_program_of, owner, &pids, err) < 0)
		return -1;
	*ret_running = pids.count;
	return 0;
}

int tunnel_program_end(const char *owner, struct error *err)
{
	_cleanup_pids_ struct pids pids = {0};

	if (proc_find(is_program_of, owner, &pids, err) < 0)
		return -1;
	pids_end(&pids);
	clear_sockets();
	return 0;
}
