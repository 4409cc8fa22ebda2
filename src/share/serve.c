/*
 * A virtiofsd that a guest has taken over must be nobody, and must find nothing.
 *
 * libvirt starts virtiofsd as root. Here root takes the one mount that root's own record names,
 * goes into namespaces where there is little else, and becomes the guest's user in a user namespace
 * in which no id is anybody on the host (but for a plain directory: there it is the user). Its
 * capabilities count in that namespace alone. What remains is virtiofsd's own sandbox, which it
 * makes out of this one.
 *
 * All files of a share belong to the guest's user, whoever makes them there: the calls by which
 * virtiofsd takes the identity of the guest's process, and those that change a file's owner, do
 * nothing and succeed. So nobody in the guest can leave files behind that the host's user could not
 * read, rename or delete; and who may do what to a file among the guest's users is decided by the
 * guest's kernel, which asks its modes.
 */
#include "share/serve.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/mount.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "share/made.h"
#include "share/muffle.h"
#include "share/userns.h"

#define RUN_DIR "/run/migrant"
/* One for each file that the guest remembers; virtiofsd would ask for as many itself. */
#define FILES_MAX    1000000
#define MESSAGES_MAX 65536 /* bytes in the log that libvirt keeps of it */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
/* cppcheck-suppress preprocessorErrorDirective */
#error "which AUDIT_ARCH_ is this?"
#endif

/*
 * QEMU's own, before QEMU 8.0 (Debian 12), and the one that followed it: Debian 13, Ubuntu, Fedora;
 * Arch. Both know the options that are given here.
 */
static const char *const programs[] = {"/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd",
				       "/usr/lib/virtiofsd"};

/* The command line. */

/* "/run/migrant/NAME/shares/INDEX" */
static int parse_source(const char *path, struct serving *serving, struct error *err)
{
	const char *name = path + strlen(RUN_DIR "/");
	const char *end = text_starts(path, RUN_DIR "/") ? strchr(name, '/') : NULL;
	uint64_t index;

	if (!end || !text_starts(end, "/shares/") ||
	    parse_number(end + strlen("/shares/"), 0, SHARE_MAX - 1, &index) < 0)
		return error_set(err, EX_USAGE, "not the source of a share: %.128s", path);
	free(serving->name);
	serving->name = text_dup_n(name, (size_t)(end - name));
	serving->index = (size_t)index;
	if (!name_is_valid(serving->name))
		return error_set(err, EX_USAGE, "not the source of a share: %.128s", path);
	return 0;
}

/* Options that change nothing about who may do what. */
static bool is_harmless(const char *option)
{
	static const char *const harmless[] = {
		"cache=auto",	 "cache=always", "cache=none",	      "writeback",
		"no_writeback",	 "flock",	 "no_flock",	      "posix_lock",
		"no_posix_lock", "no_xattr",	 "sandbox=namespace",
	};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (text_equal(option, harmless[i]))
			return true;
	return false;
}

static int parse_options(const char *text, struct serving *serving, struct error *err)
{
	_cleanup_strbuf_ struct strbuf rest = STRBUF_INIT;

	while (*text) {
		size_t length = strcspn(text, ",");
		_cleanup_free_ char *option = text_dup_n(text, length);

		text += length + (text[length] == ',');
		if (text_starts(option, "source=")) {
			if (parse_source(option + strlen("source="), serving, err) < 0)
				return -1;
		} else if (!is_harmless(option)) {
			return error_set(err, EX_USAGE, "virtiofsd may not be given %.64s", option);
		} else {
			strbuf_addf(&rest, ",%s", option);
		}
	}
	free(serving->options);
	serving->options = strbuf_take(&rest);
	return 0;
}

static int parse_argument(const char *argument, struct serving *serving, struct error *err)
{
	uint64_t number;

	if (text_starts(argument, "--fd=") &&
	    parse_number(argument + strlen("--fd="), 3, 65535, &number) == 0) {
		serving->socket = (int)number;
		return 0;
	}
	if (text_starts(argument, "--thread-pool-size=") &&
	    parse_number(argument + strlen("--thread-pool-size="), 0, 1024, &number) == 0) {
		text_replace(&serving->pool_size, argument);
		return 0;
	}
	return error_set(err, EX_USAGE, "virtiofsd may not be given %.64s", argument);
}

int serving_parse(int argc, char *const *argv, struct serving *ret_serving, struct error *err)
{
	_cleanup_(serving_done) struct serving serving = {.socket = -1};

	for (int i = 1; i < argc; i++) {
		bool options = text_equal(argv[i], "-o") && i + 1 < argc;
		int result = options ? parse_options(argv[++i], &serving, err)
				     : parse_argument(argv[i], &serving, err);

		if (result < 0)
			return -1;
	}
	if (serving.socket < 0 || !serving.name)
		return error_set(err, EX_USAGE, "virtiofsd needs --fd and -o source");
	*ret_serving = serving;
	serving = (struct serving){0};
	return 0;
}

void serving_done(struct serving *serving)
{
	free(serving->name);
	free(serving->options);
	free(serving->pool_size);
	*serving = (struct serving){0};
}

/* Where nothing else is. */

/* A copy of the share's mount, attached nowhere; it must be the very one that was made. */
static int copy_mount(const struct serving *serving, const struct made *made, int *ret_mount,
		      struct error *err)
{
	_cleanup_free_ char *path = share_source(serving->name, serving->index);
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || mount_id(fd) != made->source_id)
		return error_set(err, EX_SOFTWARE, "%s is not what was mounted for the guest",
				 path);
	*ret_mount = (int)syscall(SYS_open_tree, fd, "",
				  AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (*ret_mount < 0)
		return error_errno(err, EX_OSERR, "cannot copy the mount of a share");
	return 0;
}

/*
 * The mount goes over the directory of all sandboxes, in a mount namespace of its own. Slaves of
 * the host's mounts, so that what is unmounted there goes here as well.
 */
static int leave_mounts(int mount_fd, struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
	    syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, RUN_DIR, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, EX_OSERR, "cannot make a mount namespace for virtiofsd");
	return 0;
}

/* As nobody. */

static int keep_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, sets) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = sets[i].permitted;
	}
	if (syscall(SYS_capset, &header, sets) < 0)
		return -1;
	for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return -1;
	return 0;
}

/* The guest's user, with every right over what belongs to that user namespace and no other. */
static int become_guest(const struct made *made, struct error *err)
{
	const int bits = SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS;
	_cleanup_close_ int userns = -1;

	if (userns_make(made->uid, made->gid, &userns, err) < 0)
		return -1;
	if (setns(userns, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0 ||
	    prctl(PR_SET_SECUREBITS, bits) < 0 ||
	    setresgid(SHARE_GUEST_ID, SHARE_GUEST_ID, SHARE_GUEST_ID) < 0 ||
	    setresuid(SHARE_GUEST_ID, SHARE_GUEST_ID, SHARE_GUEST_ID) < 0 ||
	    keep_capabilities() < 0)
		return error_errno(err, EX_OSERR, "cannot become nobody for virtiofsd");
	return 0;
}

/* seccomp(2): a call that "fails" with the error 0 has succeeded without having been made. */
#define SUCCEED_WITHOUT(call)                              \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO)

static int keep_one_owner(struct error *err)
{
	static const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#if defined(__x86_64__)
		/* The x32 calls are others (syscall(2)); virtiofsd has none. */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		SUCCEED_WITHOUT(SYS_chown),
		SUCCEED_WITHOUT(SYS_lchown),
#endif
		SUCCEED_WITHOUT(SYS_fchown),
		SUCCEED_WITHOUT(SYS_fchownat),
		SUCCEED_WITHOUT(SYS_setresuid),
		SUCCEED_WITHOUT(SYS_setresgid),
		SUCCEED_WITHOUT(SYS_setgroups),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = ARRAY_SIZE(filter),
		.filter = (struct sock_filter *)(uintptr_t)filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return error_errno(err, EX_OSERR, "cannot confine virtiofsd");
	return 0;
}

/* As many descriptors as the kernel lets one have, up to what virtiofsd would take. */
static rlim_t raise_files(void)
{
	struct rlimit limit = {FILES_MAX, FILES_MAX};

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_max;
}

static const char *find_program(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (access(programs[i], X_OK) == 0)
			return programs[i];
	return NULL;
}

static int not_installed(struct error *err)
{
	error_set(err, EX_UNAVAILABLE, "virtiofsd is not installed, which shares need");
	return error_hint(err, "install the package virtiofsd (Debian 12: qemu-system-common)");
}

int serve_check(struct error *err)
{
	if (access(SHARE_VIRTIOFSD, X_OK) < 0) {
		error_set(err, EX_UNAVAILABLE, SHARE_VIRTIOFSD " is not installed");
		return error_hint(err, "run: sudo migrant setup");
	}
	return find_program() ? 0 : not_installed(err);
}

char *serve_title(const char *name, size_t index)
{
	return text_format("virtiofsd %s/%zu", name, index);
}

static int become_virtiofsd(const struct serving *serving, rlim_t files, struct error *err)
{
	_cleanup_free_ char *title = serve_title(serving->name, serving->index);
	_cleanup_free_ char *socket = text_format("--fd=%d", serving->socket);
	_cleanup_free_ char *limit = text_format("--rlimit-nofile=%llu", (unsigned long long)files);
	_cleanup_free_ char *options =
		text_format("source=" RUN_DIR ",no_xattr,sandbox=namespace%s", serving->options);
	const char *const argv[] = {title, socket, limit, "-o", options, serving->pool_size, NULL};
	static char *const environment[] = {NULL};
	const char *program;

	if (fcntl(serving->socket, F_SETFD, 0) < 0)
		return error_errno(err, EX_USAGE, "there is no descriptor %d", serving->socket);
	program = find_program();
	if (!program)
		return not_installed(err);
	execve(program, (char *const *)(uintptr_t)argv, environment);
	return error_errno(err, EX_UNAVAILABLE, "cannot start %s", program);
}

int serve(const struct serving *serving, struct error *err)
{
	_cleanup_made_ struct made_list list = {0};
	_cleanup_close_ int mount = -1;
	rlim_t files;

	if (made_load(serving->name, &list, err) < 0)
		return -1;
	if (serving->index >= list.count)
		return error_set(err, EX_SOFTWARE, "%s has no share %zu", serving->name,
				 serving->index);
	if (muffle(MESSAGES_MAX, err) < 0)
		return -1;
	files = raise_files();
	if (copy_mount(serving, &list.items[serving->index], &mount, err) < 0 ||
	    leave_mounts(mount, err) < 0 || become_guest(&list.items[serving->index], err) < 0 ||
	    keep_one_owner(err) < 0)
		return -1;
	return become_virtiofsd(serving, files, err);
}
