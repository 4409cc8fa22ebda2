/*
 * What lies in a user's directories is looked up as that user. Root would see less there (a FUSE
 * mount, NFS with root squashed) and could be led to more (a link into a directory that the user
 * cannot even read).
 */
#include "share/identity.h"

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/process.h"
#include "base/text.h"

#define TIMEOUT_MS 30000
#define TEXT_MAX   1024

/* What the child says: one datagram, with the descriptor beside it. */
struct answer {
	int code; /* 0: it worked */
	int err;
	char message[TEXT_MAX];
	char hint[TEXT_MAX];
};

/* Read as files: NSS would load whatever the host has configured into a root process. */
static int find_user(struct identity *identity, char **ret_name, struct error *err)
{
	_cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	if (!file)
		return error_errno(err, EX_OSERR, "/etc/passwd");
	while (!*ret_name && (entry = fgetpwent(file))) {
		if (entry->pw_uid != identity->uid)
			continue;
		*ret_name = text_dup(entry->pw_name);
		identity->gid = entry->pw_gid;
	}
	rewind(file);
	while ((entry = fgetpwent(file)))
		if (entry->pw_gid == identity->gid && entry->pw_uid != identity->uid)
			identity->gid_is_private = false;
	return 0;
}

static void read_group(const struct group *group, const char *name, struct identity *identity)
{
	bool own = group->gr_gid == identity->gid;

	for (char **member = group->gr_mem; *member; member++) {
		bool self = text_equal(*member, name);

		if (own && !self)
			identity->gid_is_private = false;
		if (!own && self && identity->group_count < IDENTITY_GROUPS_MAX)
			identity->groups[identity->group_count++] = group->gr_gid;
	}
}

static int find_groups(const char *name, struct identity *identity, struct error *err)
{
	_cleanup_fclose_ FILE *file = fopen("/etc/group", "re");
	const struct group *entry;

	if (!file)
		return error_errno(err, EX_OSERR, "/etc/group");
	while ((entry = fgetgrent(file)))
		read_group(entry, name, identity);
	return 0;
}

int identity_find(uid_t uid, struct identity *ret_identity, struct error *err)
{
	struct identity identity = {.uid = uid, .gid = (gid_t)uid, .gid_is_private = true};
	_cleanup_free_ char *name = NULL;

	if (find_user(&identity, &name, err) < 0 || (name && find_groups(name, &identity, err) < 0))
		return -1;
	*ret_identity = identity;
	return 0;
}

static int become(const struct identity *identity)
{
	if (setgroups(identity->group_count, identity->groups) < 0 ||
	    setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
	    setresuid(identity->uid, identity->uid, identity->uid) < 0)
		return -1;
	return prctl(PR_SET_DUMPABLE, 0); /* the user may not look into it */
}

static void send_answer(int socket, const struct answer *answer, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec data = {(void *)(uintptr_t)answer, sizeof(*answer)};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *header;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	(void)!sendmsg(socket, &message, MSG_NOSIGNAL);
}

static _Noreturn void run_child(const struct identity *identity,
				int (*work)(const void *data, int *ret_fd, struct error *err),
				const void *data, int socket)
{
	struct error err = ERROR_INIT;
	struct answer answer = {0};
	int fd = -1;
	int result = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	process_let_go(&socket);
	if (become(identity) < 0)
		error_errno(&err, EX_OSERR, "cannot become the user %u", identity->uid);
	else
		result = work(data, &fd, &err);
	if (result < 0) {
		answer.code = err.code;
		answer.err = err.err;
		snprintf(answer.message, TEXT_MAX, "%s", err.message ? err.message : "failed");
		snprintf(answer.hint, TEXT_MAX, "%s", err.hint ? err.hint : "");
	}
	send_answer(socket, &answer, result < 0 ? -1 : fd);
	_exit(0);
}

/* Takes the descriptor out of the message; -1 when there is none. */
static int received_fd(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

static int receive_answer(int socket, int *ret_fd, struct error *err)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct answer answer = {0};
	struct iovec data = {&answer, sizeof(answer)};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct pollfd wait = {.fd = socket, .events = POLLIN};

	if (poll(&wait, 1, TIMEOUT_MS) <= 0)
		return error_set(err, EX_TEMPFAIL,
				 "the file system of the project does not answer");
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != sizeof(answer))
		return error_set(err, EX_OSERR, "the look-up as the user has ended early");
	if (answer.code) {
		error_set(err, answer.code, "%.*s", TEXT_MAX - 1, answer.message);
		err->err = answer.err;
		if (*answer.hint)
			error_hint(err, "%.*s", TEXT_MAX - 1, answer.hint);
		return -1;
	}
	*ret_fd = received_fd(&message);
	return 0;
}

int identity_open(const struct identity *identity,
		  int (*work)(const void *data, int *ret_fd, struct error *err), const void *data,
		  int *ret_fd, struct error *err)
{
	_cleanup_close_ int near = -1, far = -1;
	int sockets[2];
	pid_t child;
	int result;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(err, EX_OSERR, "cannot make a socket");
	near = sockets[0];
	far = sockets[1];
	child = fork();
	if (child == 0)
		run_child(identity, work, data, far);
	cleanup_close(&far);
	if (child < 0)
		return error_errno(err, EX_OSERR, "cannot start a process");
	result = receive_answer(near, ret_fd, err);
	kill(child, SIGKILL);
	/* One that hangs in the kernel cannot be waited for: it ends with its mount. */
	if (result == 0 || err->code != EX_TEMPFAIL)
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	return result;
}
