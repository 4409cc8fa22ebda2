/*
 * gpgv checks a signature against one keyring and knows no web of trust: what it accepts was signed
 * by a key that the host's administrator installed as that vendor's.
 */
#include "box/signature.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "box/download.h"
#include "box/scratch.h"

#define SIGNATURE_MAX (64 * 1024)
#define GPGV_TIMEOUT  60

static int read_all(int fd, size_t max, struct strbuf *text, struct error *err)
{
	_cleanup_free_ char *bytes = NULL;
	size_t length;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, EX_IOERR, "cannot read the checksums");
	if (file_read_fd(fd, max, &bytes, &length, err) < 0)
		return -1;
	strbuf_add(text, bytes, length);
	return 0;
}

/* True when this host can check it; otherwise says what it lacks. */
static bool can_check(const struct description *description)
{
	_cleanup_free_ char *gpgv = process_find("gpgv");

	if (gpgv && access(description->keyring, R_OK) == 0)
		return true;
	log_warning("the signature is not checked: %s is not installed%s%s%s; "
		    "the checksum comes over https alone",
		    gpgv ? description->keyring : "gpgv",
		    gpgv && description->package ? " (package " : "",
		    gpgv && description->package ? description->package : "",
		    gpgv && description->package ? ")" : "");
	return false;
}

static int run_gpgv(const char *const *operands, const char *keyring, struct strbuf *output,
		    struct error *err)
{
	const char *const argv[] = {"gpgv", "--keyring", keyring,     "--output",
				    "-",    operands[0], operands[1], NULL};
	const char *const detached[] = {"gpgv",	     "--keyring", keyring,
					operands[0], operands[1], NULL};
	struct process process = PROCESS_INIT;
	struct strbuf ignored = STRBUF_INIT;
	int result;

	process.argv = operands[1] ? detached : argv;
	process.timeout = GPGV_TIMEOUT;
	result = process_capture(&process, 1 << 20, output ? output : &ignored, err);
	strbuf_done(&ignored);
	if (result == 0)
		return 0;
	err->code = EX_DATAERR;
	return error_prefix(err, "the checksums are not signed as they should be");
}

/* The text is inside of the signature: what gpgv puts out is what was signed. */
static int check_inline(int fd, const struct description *description, struct strbuf *text,
			struct error *err)
{
	_cleanup_free_ char *path = scratch_path(fd);
	const char *const operands[] = {path, NULL};

	return run_gpgv(operands, description->keyring, text, err);
}

static int check_detached(int fd, const struct description *description, size_t max,
			  struct strbuf *text, struct error *err)
{
	const struct download download = {.url = description->signature, .max = SIGNATURE_MAX};
	_cleanup_close_ int signature = scratch_file(err);
	_cleanup_free_ char *signature_path = NULL, *path = scratch_path(fd);
	const char *operands[2];

	if (signature < 0 || download_url(&download, signature, err) < 0)
		return -1;
	signature_path = scratch_path(signature);
	operands[0] = signature_path;
	operands[1] = path;
	if (run_gpgv(operands, description->keyring, NULL, err) < 0)
		return -1;
	return read_all(fd, max, text, err);
}

int signature_check(int fd, const struct description *description, size_t max, struct strbuf *text,
		    struct error *err)
{
	if (!description->signature || !can_check(description))
		return read_all(fd, max, text, err);
	if (text_equal(description->signature, "inline"))
		return check_inline(fd, description, text, err);
	return check_detached(fd, description, max, text, err);
}
