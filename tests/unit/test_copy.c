/* Copying trees: what a hostile stream can do to the host, and what comes through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "copy/copy.h"

/* "in" is where things are unpacked; what else appears in the directory has got out. */
struct place {
	char path[32];
	int fd, in;
};

static void place_make(struct place *place)
{
	*place = (struct place){"/tmp/migrant-test-XXXXXX", -1, -1};
	assert_non_null(mkdtemp(place->path));
	place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(place->fd, "in", 0755), 0);
	place->in = openat(place->fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(place->in >= 0);
}

static void place_remove(struct place *place)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	close(place->fd);
	close(place->in);
	assert_int_equal(file_remove_tree(AT_FDCWD, place->path, &err), 0);
}

static void place_write(const struct place *place, const char *name, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(file_replace(place->fd, name, text, strlen(text), 0644, &err), 0);
}

static void place_reads(const struct place *place, const char *name, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *content = NULL;

	if (file_read(place->fd, name, 65536, &content, NULL, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(content, text);
}

static bool place_has(const struct place *place, const char *name)
{
	struct stat status;

	return fstatat(place->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static size_t count_entries(int fd)
{
	_cleanup_closedir_ DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY));
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	return count - 2;
}

static struct unpack unpacking(const struct place *place, const char *root, const char *name)
{
	struct unpack unpack = UNPACK_INIT;

	unpack.top = place->in;
	unpack.root = root;
	unpack.name = name;
	unpack.limits = (struct copy_limits){100, 100000};
	return unpack;
}

/* All at once and byte by byte: it must not matter how a stream is cut. */
static int take_all(struct unpack *unpack, const struct strbuf *stream, size_t piece,
		    struct error *err)
{
	for (size_t at = 0; at < stream->length; at += piece) {
		size_t length = stream->length - at < piece ? stream->length - at : piece;

		if (unpack_take(unpack, stream->text + at, length, err) < 0)
			return -1;
	}
	return unpack_end(unpack, err);
}

static void add_entry(struct strbuf *out, enum tar_type type, const char *path, const char *content)
{
	const struct tar_entry entry = {
		.type = type,
		.path = path,
		.link = type == TAR_SYMLINK || type == TAR_HARD_LINK ? content : NULL,
		.size = type == TAR_FILE ? strlen(content) : 0,
		.mode = 04755,
	};
	static const char zeros[TAR_BLOCK];

	tar_write_header(out, &entry);
	if (type != TAR_FILE)
		return;
	strbuf_add_text(out, content);
	strbuf_add(out, zeros, tar_padding(entry.size));
}

/* A pax header of the whole archive: an entry of another kind (POSIX.1-2017, pax). */
static void add_global(struct strbuf *out)
{
	const size_t at = out->length;
	unsigned long sum;

	add_entry(out, TAR_FILE, "pax", "8 a=bcd\n");
	sum = strtoul(out->text + at + 148, NULL, 8) + 'g' - '0';
	out->text[at + 156] = 'g';
	snprintf(out->text + at + 148, 7, "%06lo", sum);
}

/* Sends the stream to root "a" and expects an error with @message, and that nothing got out. */
static void refuse(const struct strbuf *stream, int code, const char *message)
{
	for (size_t piece = 1; piece <= 4096; piece += 4095) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct place place;

		place_make(&place);
		{
			_cleanup_unpack_ struct unpack unpack = unpacking(&place, "a", "a");

			if (take_all(&unpack, stream, piece, &err) == 0)
				fail_msg("taken, but expected: %s", message);
		}
		assert_int_equal(err.code, code);
		if (!strstr(err.message, message))
			fail_msg("'%s', but expected '%s'", err.message, message);
		assert_int_equal(count_entries(place.fd), 1);
		place_remove(&place);
	}
}

static void a_tree_comes_through(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_pack_ struct pack *pack = NULL;
	_cleanup_strbuf_ struct strbuf stream = STRBUF_INIT;
	_cleanup_free_ char *deep = text_format("tree/%0150d", 7);
	_cleanup_free_ char *copied = text_format("in/new/%0150d", 7);
	const struct copy_limits limits = {100, 100000};
	char piece[700];
	struct place place;
	ssize_t got;

	(void)state;
	place_make(&place);
	assert_int_equal(mkdirat(place.fd, "tree", 0755), 0);
	assert_int_equal(mkdirat(place.fd, "tree/sub", 0500), 0);
	place_write(&place, "tree/one", "1\n");
	place_write(&place, "tree/empty", "");
	place_write(&place, "tree/\x1b]0;x\x07\n-rf", "odd");
	place_write(&place, deep, "deep");
	assert_int_equal(fchmodat(place.fd, "tree/one", 04711, 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", place.fd, "tree/link"), 0);
	assert_int_equal(mkfifoat(place.fd, "tree/fifo", 0644), 0);
	assert_int_equal(pack_new(openat(place.fd, "tree", O_RDONLY | O_CLOEXEC), "tree", &limits,
				  &pack, &err),
			 0);
	while ((got = pack_give(pack, piece, sizeof(piece), &err)) > 0)
		strbuf_add(&stream, piece, (size_t)got);
	assert_int_equal(got, 0);
	assert_int_equal(pack_report(pack)->files, 4);
	assert_int_equal(pack_report(pack)->links, 1);
	assert_int_equal(pack_report(pack)->skipped, 1);
	{
		_cleanup_unpack_ struct unpack unpack = unpacking(&place, "tree", "new");

		if (take_all(&unpack, &stream, 333, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(unpack.report.files, 4);
		assert_int_equal(unpack.report.directories, 2);
		assert_string_equal(unpack.report.named[0], "tree/link: a symbolic link");
		assert_null(unpack.report.named[1]);
	}
	place_reads(&place, "in/new/one", "1\n");
	place_reads(&place, "in/new/empty", "");
	place_reads(&place, "in/new/\x1b]0;x\x07\n-rf", "odd");
	place_reads(&place, copied, "deep");
	assert_false(place_has(&place, "in/new/link"));
	assert_false(place_has(&place, "in/new/fifo"));
	assert_int_equal(count_entries(place.in), 1);
	place_remove(&place);
}

/* What GNU tar writes when it is asked as `migrant cp` asks the guest's. */
static void gnu_tar_is_understood(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf stream = STRBUF_INIT;
	_cleanup_free_ char *name = text_format("tree/%0200d", 1);
	_cleanup_free_ char *copied = text_format("in/tree/%0200d", 1);
	struct process process = PROCESS_INIT;
	struct place place;
	const char *const argv[] = {
		"tar",	       "--create", "--file=-", "--format=posix", "--hard-dereference",
		"--directory", place.path, "--",       "tree",		 NULL};

	(void)state;
	place_make(&place);
	assert_int_equal(mkdirat(place.fd, "tree", 0755), 0);
	place_write(&place, name, "long");
	assert_int_equal(linkat(place.fd, name, place.fd, "tree/hard", 0), 0);
	assert_int_equal(symlinkat("x", place.fd, "tree/link"), 0);
	process.argv = argv;
	assert_int_equal(process_capture(&process, 1 << 20, &stream, &err), 0);
	{
		_cleanup_unpack_ struct unpack unpack = unpacking(&place, "tree", "tree");

		if (take_all(&unpack, &stream, 1, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(unpack.report.files, 2);
		assert_int_equal(unpack.report.skipped, 1);
	}
	place_reads(&place, copied, "long");
	place_reads(&place, "in/tree/hard", "long");
	place_remove(&place);
}

static void paths_that_lead_out_are_refused(void **state)
{
	static const char *const paths[] = {
		"b",  "ab",	     "../b", "a/../../b", "a/..",     "..",
		"/a", "/etc/passwd", "a//b", "a/./b",	  "a/b/../c",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_strbuf_ struct strbuf stream = STRBUF_INIT;

		add_entry(&stream, TAR_DIRECTORY, "a", NULL);
		add_entry(&stream, TAR_FILE, paths[i], "evil");
		tar_write_end(&stream);
		refuse(&stream, EX_DATAERR, "which was not asked for");
	}
}

static void streams_that_lie_are_refused(void **state)
{
	_cleanup_strbuf_ struct strbuf stream = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf huge = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf many = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf zeros = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf global = STRBUF_INIT;
	const struct tar_entry large = {.path = "a", .size = INT64_MAX, .mode = 0644};

	(void)state;
	refuse(&stream, EX_DATAERR, "it is cut off");
	add_entry(&stream, TAR_FILE, "a", "content");
	refuse(&stream, EX_DATAERR, "it is cut off");
	tar_write_end(&stream);
	add_entry(&stream, TAR_FILE, "a", "again");
	refuse(&stream, EX_DATAERR, "something behind its end");
	stream.text[150] ^= 1;
	refuse(&stream, EX_DATAERR, "a header that is none");
	for (int i = 0; i < 4096; i++)
		tar_write_end(&zeros);
	refuse(&zeros, EX_DATAERR, "zeros without end");
	add_global(&global);
	add_global(&global);
	refuse(&global, EX_DATAERR, "two pax headers");
	/* 8 EiB, which no guest needs to send to say so */
	tar_write_header(&huge, &large);
	refuse(&huge, EX_DATAERR, "the guest sends more than 0 MiB: 'a' has 8796093022207 MiB");
	add_entry(&many, TAR_DIRECTORY, "a", NULL);
	for (int i = 0; i < 100; i++)
		add_entry(&many, TAR_FILE, "a/x", "x");
	tar_write_end(&many);
	refuse(&many, EX_DATAERR, "the guest sends more than 100 entries");
}

static void links_are_neither_made_nor_followed(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf stream = STRBUF_INIT;
	struct place place;

	(void)state;
	add_entry(&stream, TAR_DIRECTORY, "a", NULL);
	add_entry(&stream, TAR_SYMLINK, "a/out", "../..");
	add_entry(&stream, TAR_HARD_LINK, "a/hard", "/etc/passwd");
	add_entry(&stream, TAR_DEVICE, "a/disk", NULL);
	add_entry(&stream, TAR_FILE, "a/out/evil", "evil");
	tar_write_end(&stream);
	refuse(&stream, EX_CANTCREAT, "cannot go into 'a/out'");

	/* The same with links that lie there already: the user's, or those of a guest in a share.
	 */
	place_make(&place);
	place_write(&place, "victim", "safe");
	assert_int_equal(mkdirat(place.fd, "elsewhere", 0755), 0);
	assert_int_equal(mkdirat(place.in, "a", 0755), 0);
	assert_int_equal(symlinkat("../../elsewhere", place.in, "a/dir"), 0);
	assert_int_equal(symlinkat("../../victim", place.in, "a/file"), 0);
	strbuf_truncate(&stream, 0);
	add_entry(&stream, TAR_DIRECTORY, "a", NULL);
	add_entry(&stream, TAR_FILE, "a/file", "evil");
	add_entry(&stream, TAR_DIRECTORY, "a/dir", NULL);
	tar_write_end(&stream);
	{
		_cleanup_unpack_ struct unpack unpack = unpacking(&place, "a", "a");

		assert_int_equal(take_all(&unpack, &stream, 512, &err), -1);
		assert_string_equal(err.message,
				    "'a/dir' is there and no directory: Too many levels of "
				    "symbolic links");
	}
	place_reads(&place, "victim", "safe");
	place_reads(&place, "in/a/file", "evil"); /* the link gave way to the file */
	assert_int_equal(count_entries(place.fd), 3);
	place_remove(&place);
}

static void a_file_is_there_when_it_is_complete(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf stream = STRBUF_INIT;
	struct stat status;
	struct place place;

	(void)state;
	place_make(&place);
	place_write(&place, "in/a", "old");
	add_entry(&stream, TAR_FILE, "a", "new");
	{
		_cleanup_unpack_ struct unpack unpack = unpacking(&place, "a", "a");

		assert_int_equal(unpack_take(&unpack, stream.text, 514, &err), 0);
	}
	place_reads(&place, "in/a", "old");
	assert_int_equal(count_entries(place.in), 1);
	{
		_cleanup_unpack_ struct unpack unpack = unpacking(&place, "a", "a");

		assert_int_equal(unpack_take(&unpack, stream.text, stream.length, &err), 0);
	}
	place_reads(&place, "in/a", "new");
	assert_int_equal(fstatat(place.in, "a", &status, 0), 0);
	assert_int_equal(status.st_mode & 07022, 0); /* no setuid, and the umask holds */
	place_remove(&place);
}

static void names_are_those_of_cp(void **state)
{
	static const struct {
		const char *path, *name, *parent;
	} cases[] = {
		{"a", "a", "."},     {"a/b", "b", "a/"},     {"/a", "a", "/"}, {"a/b//", "b", "a/"},
		{".", ".", "."},     {"a/..", ".", "a/.."},  {"/", ".", "/"},  {"", ".", "."},
		{"a/.", ".", "a/."}, {"-x/-y", "-y", "-x/"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *name = copy_name(cases[i].path);
		_cleanup_free_ char *parent = copy_parent(cases[i].path);

		assert_string_equal(name, cases[i].name);
		assert_string_equal(parent, cases[i].parent);
	}
}

static void a_link_on_the_host_is_not_followed(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *link = NULL;
	_cleanup_free_ char *through = NULL;
	struct place place;
	int fd;

	(void)state;
	place_make(&place);
	assert_int_equal(symlinkat("in", place.fd, "link"), 0);
	place_write(&place, "in/file", "");
	link = text_format("%s/link", place.path);
	through = text_format("%s/link/file", place.path);
	assert_int_equal(copy_open(link, O_RDONLY, &err), -1);
	assert_int_equal(err.code, EX_NOPERM);
	assert_non_null(strstr(err.hint, "/in"));
	assert_int_equal(copy_open(through, O_RDONLY, &err), -1);
	assert_int_equal(err.code, EX_NOPERM);
	assert_int_equal(copy_open(through, O_PATH, &err), -1);
	assert_int_equal(err.code, EX_NOPERM);
	fd = copy_open(place.path, O_PATH, &err);
	assert_true(fd >= 0);
	close(fd);
	place_remove(&place);
}

static void what_stays_behind_is_named(void **state)
{
	_cleanup_copy_report_ struct copy_report report = {.files = 1, .bytes = 1025};
	_cleanup_close_ int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	_cleanup_close_ int file = -1;
	struct place place;

	(void)state;
	place_make(&place);
	file = openat(place.fd, "said", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	copy_skip(&report, "a\033b", "a FIFO");
	for (int i = 0; i < 11; i++)
		copy_skip(&report, "c", "a device");
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	copy_report_tell(&report, "/etc/x");
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	place_reads(&place, "said",
		    "warning: not copied: a\\x1bb: a FIFO\n"
		    "warning: not copied: c: a device\nwarning: not copied: c: a device\n"
		    "warning: not copied: c: a device\nwarning: not copied: c: a device\n"
		    "warning: not copied: c: a device\nwarning: not copied: c: a device\n"
		    "warning: not copied: c: a device\nwarning: not copied: c: a device\n"
		    "warning: not copied: c: a device\nwarning: not copied: 2 more\n"
		    "    /etc/x: 1 file, 2 KiB\n");
	place_remove(&place);
}

static void what_is_no_file_is_not_replaced(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *file = NULL;
	_cleanup_free_ char *fifo = NULL;
	bool is_directory = false;
	struct place place;

	(void)state;
	place_make(&place);
	place_write(&place, "file", "");
	file = text_format("%s/file", place.path);
	fifo = text_format("%s/fifo", place.path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(copy_find_target(place.path, &is_directory, &err), 0);
	assert_true(is_directory);
	assert_int_equal(copy_find_target(file, &is_directory, &err), 0);
	assert_false(is_directory);
	assert_int_equal(copy_find_target(fifo, &is_directory, &err), -1);
	assert_int_equal(err.code, EX_CANTCREAT);
	assert_int_equal(copy_find_target("/dev/null", &is_directory, &err), -1);
	assert_string_equal(err.message, "/dev/null is neither a file nor a directory");
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(copy_find_target(fifo, &is_directory, &err), 0);
	assert_false(is_directory);
	place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_comes_through),
		cmocka_unit_test(gnu_tar_is_understood),
		cmocka_unit_test(paths_that_lead_out_are_refused),
		cmocka_unit_test(streams_that_lie_are_refused),
		cmocka_unit_test(links_are_neither_made_nor_followed),
		cmocka_unit_test(a_file_is_there_when_it_is_complete),
		cmocka_unit_test(names_are_those_of_cp),
		cmocka_unit_test(a_link_on_the_host_is_not_followed),
		cmocka_unit_test(what_stays_behind_is_named),
		cmocka_unit_test(what_is_no_file_is_not_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
