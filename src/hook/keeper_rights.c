/*
 * Becoming the sandbox's owner, with less than he has: no capability, not even in the bounding set
 * (the owner may be root), no way to get any, no other process, no file beyond a log's size, and no
 * system call but those that relaying and logging take. A fault in the keeper then costs its
 * sockets, which is what the guest was given anyway.
 */
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/text.h"
#include "hook/keeper_parts.h"

#define NOGROUP 65534

/* /etc/passwd as a file: NSS would load whatever the host has configured into a root process. */
int keeper_find_group(uid_t owner, gid_t *ret_group, struct error *err)
{
	_cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	if (!file)
		return error_errno(err, EX_OSERR, "/etc/passwd");
	*ret_group = NOGROUP;
	while ((entry = fgetpwent(file)))
		if (entry->pw_uid == owner) {
			*ret_group = entry->pw_gid;
			break;
		}
	return 0;
}

/* Where the kernel knows fewer capabilities the rest is EINVAL, and the end. */
static int drop_bounding_set(void)
{
	for (unsigned long number = 0; number < 64; number++)
		if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0)
			return errno == EINVAL && number ? 0 : -1;
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	return (int)syscall(SYS_capset, &header, none);
}

static void limit(__rlimit_resource_t resource, rlim_t value)
{
	const struct rlimit limit = {value, value};

	/* In a container that lets none be raised the old one stays; what fails then is met. */
	(void)setrlimit(resource, &limit);
}

static void set_limits(void)
{
	signal(SIGXFSZ, SIG_IGN);
	limit(RLIMIT_NOFILE, KEEPER_FILES_MAX);
	limit(RLIMIT_FSIZE, NETWORK_LOG_FILE_MAX);
	limit(RLIMIT_NPROC, 0);
#ifndef __SANITIZE_ADDRESS__ /* which maps terabytes */
	limit(RLIMIT_AS, KEEPER_ADDRESS_SPACE);
#endif
}

int keeper_drop_rights(uid_t owner, gid_t group, struct error *err)
{
	if (drop_bounding_set() < 0)
		return error_errno(err, EX_OSERR, "cannot give up capabilities");
	set_limits();
	if (setgroups(0, NULL) < 0 || setresgid(group, group, group) < 0 ||
	    setresuid(owner, owner, owner) < 0)
		return error_errno(err, EX_OSERR, "cannot become user %u", owner);
	if (drop_capabilities() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, EX_OSERR, "cannot give up capabilities");
	if (owner != 0 && (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0))
		return error_set(err, EX_OSERR, "root's rights come back");
	return 0;
}

/* The filter. seccomp(2); a plain list, for libseccomp would be one more library in root's
 * programs. */

#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCHITECTURE AUDIT_ARCH_RISCV64
#endif

#if defined(NATIVE_ARCHITECTURE) && !defined(__SANITIZE_ADDRESS__)

static const unsigned int allowed_calls[] = {
	/* the work */
	SYS_read,
	SYS_write,
	SYS_recvfrom,
	SYS_recvmsg,
	SYS_sendto,
	SYS_sendmsg,
	SYS_accept4,
	SYS_connect,
	SYS_shutdown,
	SYS_close,
	SYS_getsockopt,
	SYS_setsockopt,
	SYS_getsockname,
	SYS_getpeername,
	SYS_epoll_ctl,
	SYS_epoll_pwait,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
	SYS_fstat,
	SYS_newfstatat,
	SYS_ftruncate,
	SYS_lseek,
	SYS_clock_gettime,
	SYS_gettimeofday,
	/* the C library's memory, and abort() */
	SYS_brk,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_futex,
	SYS_getrandom,
	SYS_getpid,
	SYS_gettid,
	SYS_tgkill,
	SYS_rt_sigprocmask,
	SYS_rt_sigaction,
	SYS_rt_sigreturn,
	SYS_restart_syscall,
	SYS_exit_group,
};

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned int)offsetof(struct seccomp_data, field))
#define RETURN(action)		     BPF_STMT(BPF_RET | BPF_K, (action))
#define IF_EQUAL(value, then, other) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (other))
#define IF_SET(bits, then, other)    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (then), (other))
#define REFUSED			     (SECCOMP_RET_ERRNO | EPERM)

/* What depends on arguments: sockets of IPv4 alone, memory that is not executable. */
static const struct sock_filter conditions[] = {
	LOAD(arch),
	IF_EQUAL(NATIVE_ARCHITECTURE, 1, 0),
	RETURN(SECCOMP_RET_KILL_PROCESS),
	LOAD(nr),
	IF_EQUAL(SYS_socket, 0, 4),
	LOAD(args[0]),
	IF_EQUAL(AF_INET, 0, 1),
	RETURN(SECCOMP_RET_ALLOW),
	RETURN(REFUSED),
	IF_EQUAL(SYS_mmap, 1, 0),
	IF_EQUAL(SYS_mprotect, 0, 4),
	LOAD(args[2]),
	IF_SET(PROT_EXEC, 0, 1),
	RETURN(REFUSED),
	RETURN(SECCOMP_RET_ALLOW),
};

int keeper_restrict_calls(struct error *err)
{
	struct sock_filter filter[ARRAY_SIZE(conditions) + 2 * ARRAY_SIZE(allowed_calls) + 1];
	size_t count = ARRAY_SIZE(conditions);
	struct sock_fprog program = {.filter = filter};

	memcpy(filter, conditions, sizeof(conditions));
	for (size_t i = 0; i < ARRAY_SIZE(allowed_calls); i++) {
		filter[count++] = (struct sock_filter)IF_EQUAL(allowed_calls[i], 0, 1);
		filter[count++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	}
	filter[count++] = (struct sock_filter)RETURN(REFUSED);
	program.len = (unsigned short)count;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 && errno != EINVAL)
		return error_errno(err, EX_OSERR, "cannot restrict system calls");
	return 0; /* EINVAL: a kernel without it, on which the rest must do */
}

#else

int keeper_restrict_calls(struct error *err)
{
	(void)err;
	return 0;
}

#endif
