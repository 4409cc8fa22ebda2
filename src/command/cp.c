/*
 * `migrant cp`: files between host and guest, over SSH. On the guest's side tar does it; on this
 * side nothing that the guest has a hand in is followed, opened or shown as it is (copy/).
 */
#include <fcntl.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/text.h"
#include "command/named.h"
#include "copy/copy.h"
#include "provision/remote.h"

#define ENTRIES_DEFAULT 100000
#define BYTES_DEFAULT	(UINT64_C(10) << 30)

/* What tar in the guest complained of first; what follows are its consequences. */
static int guest_failed(int status, const struct strbuf *errors, struct error *err)
{
	const char *text = strbuf_text(errors);

	if (!*text)
		return error_set(err, EX_IOERR, "tar in the guest ended with status %d", status);
	return error_set(err, EX_IOERR, "the guest says: %.*s", (int)strcspn(text, "\n"), text);
}

static int take(void *data, const char *bytes, size_t length, struct error *err)
{
	return unpack_take(data, bytes, length, err);
}

/* Where it goes: into a directory that is there, else under a new name. */
static int open_target(const char *target, struct unpack *unpack, int *ret_top, char **ret_name,
		       struct error *err)
{
	_cleanup_free_ char *parent = copy_parent(target);
	bool is_directory = false;

	if (copy_find_target(target, &is_directory, err) < 0)
		return -1;
	if (is_directory) {
		*ret_name = text_equal(unpack->root, ".") ? NULL : text_dup(unpack->root);
		*ret_top = copy_open(target, O_RDONLY | O_DIRECTORY, err);
	} else {
		*ret_name = copy_name(target);
		*ret_top = copy_open(parent, O_RDONLY | O_DIRECTORY, err);
	}
	return *ret_top < 0 ? -1 : 0;
}

/* Whatever the user's own shell is. */
static char *for_any_shell(const char *script)
{
	_cleanup_free_ char *quoted = text_shell_quote(script);

	return text_format("exec sh -c %s", quoted);
}

static int from_guest(const struct guest_access *access, const char *source, const char *target,
		      const struct copy_limits *limits, struct error *err)
{
	_cleanup_free_ char *root = copy_name(source);
	_cleanup_free_ char *parent = copy_parent(source);
	_cleanup_free_ char *quoted_root = text_shell_quote(root);
	_cleanup_free_ char *quoted_parent = text_shell_quote(parent);
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *script =
		text_format("LC_ALL=C exec tar --create --file=- --format=posix --hard-dereference "
			    "--directory=%s -- %s",
			    quoted_parent, quoted_root);
	_cleanup_free_ char *command = for_any_shell(script);
	_cleanup_unpack_ struct unpack unpack = UNPACK_INIT;
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	_cleanup_close_ int top = -1;
	const struct ssh_streams streams = {.consume = take, .data = &unpack, .errors = &errors};
	const struct ssh_request request = {
		.access = access, .command = command, .streams = &streams};
	int status = 0;

	unpack.root = root;
	unpack.limits = *limits;
	if (open_target(target, &unpack, &top, &name, err) < 0)
		return -1;
	unpack.top = top;
	unpack.name = name;
	if (ssh_run(&request, &status, err) < 0)
		return -1;
	if (unpack.report.files + unpack.report.skipped || status == 0)
		copy_report_tell(&unpack.report, NULL);
	if (status != 0)
		return guest_failed(status, &errors, err);
	if (unpack_end(&unpack, err) < 0)
		return -1;
	if (unpack.report.files + unpack.report.directories == 0)
		return error_set(err, EX_NOINPUT, "nothing was copied");
	return 0;
}

static ssize_t give(void *data, char *buffer, size_t room, struct error *err)
{
	return pack_give(data, buffer, room, err);
}

/*
 * Into a directory that is there, else under a new name, which appears when all of it is there. The
 * guest's shell knows which it is.
 */
static char *unpack_command(const char *target, const char *name)
{
	_cleanup_free_ char *quoted_target = text_shell_quote(target);
	_cleanup_free_ char *quoted_name = text_shell_quote(name);
	_cleanup_free_ char *script = text_format(
		"export LC_ALL=C; target=%s; name=%s; "
		"unpack() { tar --extract --file=- --no-same-owner --directory=\"$1\"; }; "
		"if [ -d \"$target\" ]; then unpack \"$target\"; exit; fi; "
		"parent=$(dirname -- \"$target\"); if [ ! -d \"$parent\" ]; then "
		"printf 'there is no directory %%s\\n' \"$parent\" >&2; exit 1; fi; "
		"new=$(mktemp -d -- \"$parent/.migrant-cp.XXXXXX\") || exit; "
		"if [ \"$name\" = . ]; then from=$new; else from=$new/$name; fi; "
		"unpack \"$new\" && { [ \"$name\" != . ] || chmod 755 \"$new\"; } && "
		"mv -T -- \"$from\" \"$target\"; status=$?; rm -rf -- \"$new\"; exit $status",
		quoted_target, quoted_name);

	return for_any_shell(script);
}

static int to_guest(const struct guest_access *access, const char *source, const char *target,
		    const struct copy_limits *limits, struct error *err)
{
	_cleanup_free_ char *name = copy_name(source);
	_cleanup_free_ char *command = unpack_command(target, name);
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	_cleanup_pack_ struct pack *pack = NULL;
	struct ssh_streams streams = {.produce = give, .errors = &errors};
	const struct ssh_request request = {
		.access = access, .command = command, .streams = &streams};
	int fd = copy_open(source, O_RDONLY, err);
	int status = 0;

	if (fd < 0 || pack_new(fd, name, limits, &pack, err) < 0)
		return -1;
	streams.data = pack;
	if (ssh_run(&request, &status, err) < 0)
		return -1;
	if (status != 0)
		return guest_failed(status, &errors, err);
	copy_report_tell(pack_report(pack), NULL);
	return 0;
}

static int read_limits(const struct invocation *invocation, struct copy_limits *limits,
		       struct error *err)
{
	const char *size = option_text(invocation, "max-size");

	limits->entries = option_number(invocation, "max-files", ENTRIES_DEFAULT);
	limits->bytes = BYTES_DEFAULT;
	if (size && parse_size(size, &limits->bytes) < 0) {
		error_set(err, EX_USAGE, "'%s' is no size", size);
		return error_hint(err, "--max-size 20G, say");
	}
	return 0;
}

/* Of the sandbox that is named, or of the directory's. */
static int open_running(struct project *project, const struct invocation *invocation,
			const char *name, struct error *err)
{
	if (*name ? named_load(project, name, err) < 0 : project_load(project, invocation, err) < 0)
		return -1;
	if (project_connect(project, err) < 0 || project_find(project, err) < 0)
		return -1;
	return project_require_running(project, err);
}

static int run(const struct invocation *invocation, struct error *err)
{
	const char *source = invocation->argv[0];
	const char *target = invocation->argv[1];
	_cleanup_free_ char *from = named_path(source, &source);
	_cleanup_free_ char *to = named_path(target, &target);
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_access_ struct project_access access = {0};
	struct copy_limits limits;

	if (!from == !to) {
		error_set(err, EX_USAGE,
			  "one of the two is in the guest and begins with ':' or 'NAME:'");
		return error_hint(err, "migrant cp :notes.txt .   or   migrant cp ./notes.txt :");
	}
	if (read_limits(invocation, &limits, err) < 0 ||
	    open_running(&project, invocation, from ? from : to, err) < 0 ||
	    project_find_access(&project, &access, err) < 0)
		return -1;
	interrupt_catch();
	if (from)
		return from_guest(&access.access, remote_path(source), target, &limits, err);
	return to_guest(&access.access, source, remote_path(target), &limits, err);
}

static const struct option options[] = {
	{0, "max-files", OPTION_NUMBER, "N", "copy at most N entries (100000)"},
	{0, "max-size", OPTION_TEXT, "SIZE", "copy at most SIZE (10G)"},
	{0},
};

const struct command command_cp = {
	.name = "cp",
	.group = "access",
	.operands = "SRC DST",
	.summary = "copy files between host and guest; ':path', 'NAME:path' is in the guest",
	.example = "migrant cp :report.txt .",
	.details = "Directories are copied with all that is in them. A relative path in the guest "
		   "begins at\n"
		   "its user's home directory. Into a directory that exists, the copy goes under "
		   "its own\n"
		   "name. On the host no symbolic link is followed; from the guest come only files "
		   "and\n"
		   "directories, and links, devices and FIFOs are named and left. A file of the "
		   "host with a\n"
		   "colon in its name is written './a:b'.\n"
		   "\n"
		   "  migrant cp my-project:report.txt .    from any directory\n",
	.options = options,
	.operands_min = 2,
	.operands_max = 2,
	.run = run,
};
