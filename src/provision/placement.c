/*
 * Files of the host in the guest, by the archive that `migrant cp` sends. In the guest a file takes
 * its place by a rename, so that nobody there reads a half; its name in the archive is ours, so
 * that the host's names are no part of any command.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/text.h"
#include "copy/copy.h"
#include "provision/shell.h"

#define IN_ARCHIVE "content"

/* In the guest: $1 is where it goes, $2 a file's mode or nothing. */
#define PLACE_FILE                                                                         \
	"export LC_ALL=C; d=$(dirname -- \"$1\"); mkdir -p -- \"$d\" && "                  \
	"n=$(mktemp -d -- \"$d/.migrant.XXXXXX\") || exit; trap 'rm -rf -- \"$n\"' EXIT; " \
	"tar --extract --file=- --no-same-owner --directory=\"$n\" && "                    \
	"{ [ -z \"$2\" ] || chmod -- \"$2\" \"$n/" IN_ARCHIVE "\"; } && "                  \
	"mv -fT -- \"$n/" IN_ARCHIVE "\" \"$1\""
#define PLACE_DIRECTORY                           \
	"export LC_ALL=C; mkdir -p -- \"$1\" && " \
	"tar --extract --file=- --no-same-owner --directory=\"$1\""

static char *command(const struct placement *placement, bool is_directory)
{
	_cleanup_free_ char *script = text_shell_quote(is_directory ? PLACE_DIRECTORY : PLACE_FILE);
	_cleanup_free_ char *to = text_shell_quote(placement->to);
	_cleanup_free_ char *mode = text_shell_quote(placement->mode ? placement->mode : "");
	_cleanup_free_ char *whole = text_format(
		"exec %ssh -c %s sh %s %s", placement->as_user ? "" : "sudo -n ", script, to, mode);
	_cleanup_free_ char *quoted = text_shell_quote(whole);

	return text_format("exec sh -c %s", quoted); /* whatever the user's own shell is */
}

static ssize_t give(void *data, char *buffer, size_t room, struct error *err)
{
	return pack_give(data, buffer, room, err);
}

static int send(const struct placement *placement, struct pack *pack, bool is_directory,
		const struct guest_access *access, struct error *err)
{
	_cleanup_free_ char *line = command(placement, is_directory);
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	const struct ssh_streams streams = {.produce = give, .data = pack, .errors = &errors};
	const struct ssh_request request = {.access = access, .command = line, .streams = &streams};
	const char *reason;
	int status = 0;

	if (ssh_run(&request, &status, err) < 0)
		return -1;
	if (status == 0)
		return 0;
	reason = strbuf_text(&errors);
	return error_set(err, EX_SOFTWARE, "%s cannot be made in the guest: %.*s", placement->to,
			 (int)strcspn(reason, "\n"), *reason ? reason : "it gives no reason");
}

int placement_run(const struct placement *placement, const struct guest_access *access,
		  struct error *err)
{
	const struct copy_limits limits = {UINT64_MAX, UINT64_MAX};
	_cleanup_pack_ struct pack *pack = NULL;
	int fd = copy_open(placement->from, O_RDONLY, err);
	struct stat status;
	bool is_directory;

	if (fd < 0)
		return -1;
	is_directory = fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
	if (pack_new(fd, is_directory ? "." : IN_ARCHIVE, &limits, &pack, err) < 0 ||
	    send(placement, pack, is_directory, access, err) < 0)
		return -1;
	copy_report_tell(pack_report(pack), placement->to);
	return 0;
}
