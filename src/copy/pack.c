/*
 * A tree of the host as an archive for the guest, made piece by piece as it is sent. The tree may
 * be one that a guest has written into (a share): a link is sent as a link and never followed, and
 * only regular files are opened.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "copy/copy.h"

#define DEPTH_MAX 128

/* A directory that is being gone through, and how long its path is. */
struct frame {
	DIR *dir;
	size_t path;
};

struct pack {
	struct copy_limits limits;
	struct copy_report report;
	struct frame frames[DEPTH_MAX];
	size_t depth;
	struct strbuf path;    /* of the present entry */
	struct strbuf pending; /* headers and padding that are to go out, from … */
	size_t sent;	       /* … here on */
	int file;	       /* whose content is being sent, or -1 */
	uint64_t left;	       /* bytes of it */
	size_t padding;	       /* behind it */
	bool ended;
};

void pack_free(struct pack *pack)
{
	if (!pack)
		return;
	while (pack->depth)
		closedir(pack->frames[--pack->depth].dir);
	cleanup_close(&pack->file);
	strbuf_done(&pack->path);
	strbuf_done(&pack->pending);
	copy_report_done(&pack->report);
	free(pack);
}

const struct copy_report *pack_report(const struct pack *pack)
{
	return &pack->report;
}

static int check_limits(const struct pack *pack, uint64_t size, struct error *err)
{
	const struct copy_report *report = &pack->report;

	if (report->files + report->directories + report->links + report->skipped >=
	    pack->limits.entries) {
		error_set(err, EX_DATAERR, "more than %" PRIu64 " entries", pack->limits.entries);
		return error_hint(err, "--max-files N allows more");
	}
	if (size > pack->limits.bytes - report->bytes) {
		error_set(err, EX_DATAERR, "more than %" PRIu64 " MiB: '%s' has %" PRIu64 " MiB",
			  pack->limits.bytes >> 20, strbuf_text(&pack->path), size >> 20);
		return error_hint(err, "--max-size SIZE allows more");
	}
	return 0;
}

static void add_header(struct pack *pack, enum tar_type type, const struct stat *status,
		       const char *link)
{
	const struct tar_entry entry = {
		.type = type,
		.path = strbuf_text(&pack->path),
		.link = link,
		.size = type == TAR_FILE ? (uint64_t)status->st_size : 0,
		.mode = status->st_mode & 0777,
		.modified = status->st_mtime,
	};

	tar_write_header(&pack->pending, &entry);
}

/* Takes @fd, which is of the kind that @status says. */
static int add_file(struct pack *pack, int fd, const struct stat *status, struct error *err)
{
	if (check_limits(pack, (uint64_t)status->st_size, err) < 0) {
		cleanup_close(&fd);
		return -1;
	}
	add_header(pack, TAR_FILE, status, NULL);
	pack->report.files++;
	pack->report.bytes += (uint64_t)status->st_size;
	pack->left = (uint64_t)status->st_size;
	pack->padding = tar_padding(pack->left);
	pack->file = fd;
	return 0;
}

static int add_directory(struct pack *pack, int fd, const struct stat *status, struct error *err)
{
	DIR *dir = NULL;

	if (pack->depth == DEPTH_MAX)
		error_set(err, EX_DATAERR, "'%s' lies too deep", strbuf_text(&pack->path));
	else if (check_limits(pack, 0, err) == 0 && !(dir = fdopendir(fd)))
		error_errno(err, EX_IOERR, "'%s'", strbuf_text(&pack->path));
	if (!dir) {
		cleanup_close(&fd);
		return -1;
	}
	add_header(pack, TAR_DIRECTORY, status, NULL);
	pack->report.directories++;
	pack->frames[pack->depth++] = (struct frame){dir, pack->path.length};
	return 0;
}

static int add_link(struct pack *pack, int parent, const char *name, const struct stat *status,
		    struct error *err)
{
	char target[TAR_PATH_MAX + 1];
	ssize_t length = readlinkat(parent, name, target, sizeof(target) - 1);

	if (length < 0)
		return error_errno(err, EX_IOERR, "'%s'", strbuf_text(&pack->path));
	if (check_limits(pack, 0, err) < 0)
		return -1;
	target[length] = '\0';
	add_header(pack, TAR_SYMLINK, status, target);
	pack->report.links++;
	return 0;
}

/* Opened after it was looked at, so it is looked at again. */
static int open_same(struct pack *pack, int parent, const char *name, struct stat *status,
		     struct error *err)
{
	mode_t kind = status->st_mode & S_IFMT;
	int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno == EACCES ? EX_NOPERM : EX_IOERR, "'%s'",
				   strbuf_text(&pack->path));
	if (fstat(fd, status) == 0 && (status->st_mode & S_IFMT) == kind)
		return fd;
	close(fd);
	return error_set(err, EX_IOERR, "'%s' changes while it is read", strbuf_text(&pack->path));
}

static int add_child(struct pack *pack, int parent, const char *name, struct error *err)
{
	struct stat status;
	int fd;

	if (pack->path.length > TAR_PATH_MAX)
		return error_set(err, EX_DATAERR, "a path of more than %d bytes", TAR_PATH_MAX);
	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0; /* gone meanwhile */
		return error_errno(err, EX_IOERR, "'%s'", strbuf_text(&pack->path));
	}
	if (S_ISLNK(status.st_mode))
		return add_link(pack, parent, name, &status, err);
	if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
		copy_skip(&pack->report, strbuf_text(&pack->path), "no file or directory");
		return check_limits(pack, 0, err);
	}
	fd = open_same(pack, parent, name, &status, err);
	if (fd < 0)
		return -1;
	return S_ISDIR(status.st_mode) ? add_directory(pack, fd, &status, err)
				       : add_file(pack, fd, &status, err);
}

/* Goes on to the next entry; without any the archive ends. */
static int next_entry(struct pack *pack, struct error *err)
{
	while (pack->depth) {
		struct frame *frame = &pack->frames[pack->depth - 1];
		struct dirent *entry = readdir(frame->dir);

		strbuf_truncate(&pack->path, frame->path);
		if (!entry) {
			closedir(frame->dir);
			pack->depth--;
			continue;
		}
		if (text_equal(entry->d_name, ".") || text_equal(entry->d_name, ".."))
			continue;
		strbuf_addf(&pack->path, "/%s", entry->d_name);
		return add_child(pack, dirfd(frame->dir), entry->d_name, err);
	}
	tar_write_end(&pack->pending);
	pack->ended = true;
	return 0;
}

int pack_new(int fd, const char *name, const struct copy_limits *limits, struct pack **ret_pack,
	     struct error *err)
{
	_cleanup_pack_ struct pack *pack = xcalloc(1, sizeof(*pack));
	struct stat status;
	int result;

	pack->limits = *limits;
	pack->file = -1;
	strbuf_add_text(&pack->path, name);
	if (fstat(fd, &status) < 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))) {
		close(fd);
		return error_set(err, EX_DATAERR, "'%s' is neither a file nor a directory", name);
	}
	result = S_ISDIR(status.st_mode) ? add_directory(pack, fd, &status, err)
					 : add_file(pack, fd, &status, err);
	if (result < 0)
		return -1;
	*ret_pack = take_ptr(pack);
	return 0;
}

static size_t give_pending(struct pack *pack, char *buffer, size_t room)
{
	size_t length = pack->pending.length - pack->sent;

	if (length > room)
		length = room;
	memcpy(buffer, pack->pending.text + pack->sent, length);
	pack->sent += length;
	if (pack->sent == pack->pending.length) {
		strbuf_truncate(&pack->pending, 0);
		pack->sent = 0;
	}
	return length;
}

static void end_file(struct pack *pack)
{
	static const char zeros[TAR_BLOCK];

	strbuf_add(&pack->pending, zeros, pack->padding);
	cleanup_close(&pack->file);
}

/* The size was announced: what a file has lost meanwhile becomes zeros, what it has won stays. */
static ssize_t give_content(struct pack *pack, char *buffer, size_t room, struct error *err)
{
	size_t wanted = pack->left < room ? (size_t)pack->left : room;
	ssize_t got = read(pack->file, buffer, wanted);

	if (got < 0 && errno == EINTR)
		return give_content(pack, buffer, room, err);
	if (got < 0)
		return error_errno(err, EX_IOERR, "cannot read '%s'", strbuf_text(&pack->path));
	if (got == 0) {
		memset(buffer, 0, wanted);
		got = (ssize_t)wanted;
	}
	pack->left -= (size_t)got;
	return got;
}

ssize_t pack_give(struct pack *pack, char *buffer, size_t room, struct error *err)
{
	for (;;) {
		if (pack->pending.length)
			return (ssize_t)give_pending(pack, buffer, room);
		if (pack->file >= 0 && pack->left)
			return give_content(pack, buffer, room, err);
		if (pack->file >= 0)
			end_file(pack);
		else if (pack->ended)
			return 0;
		else if (next_entry(pack, err) < 0)
			return -1;
	}
}
