/*
 * Downloading with libcurl. What begins with https stays with it over every redirection; sizes,
 * redirections and waiting are bounded; the certificate store is the host's.
 */
#include "box/download.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"

#define REDIRECTIONS_MAX 5L
#define CONNECT_TIMEOUT	 30L  /* seconds */
#define STALL_SPEED	 256L /* bytes a second, below which … */
#define STALL_TIME	 60L  /* … for so long a transfer is dead */
#define CHUNK		 (1024 * 1024)

struct transfer {
	const struct download *download;
	struct progress progress;
	bool shown;
	int fd;
	uint64_t done;
	int write_errno;
	bool too_large;
};

static size_t write_bytes(char *bytes, size_t size, size_t count, void *data)
{
	struct transfer *transfer = data;
	size_t length = size * count;

	if (length > transfer->download->max - transfer->done) {
		transfer->too_large = true;
		return 0;
	}
	if (file_write_fd(transfer->fd, bytes, length) < 0) {
		transfer->write_errno = errno;
		return 0;
	}
	transfer->done += length;
	return length;
}

static int show_progress(void *data, curl_off_t total, curl_off_t done, curl_off_t upload_total,
			 curl_off_t upload_done)
{
	struct transfer *transfer = data;

	(void)upload_total;
	(void)upload_done;
	if (interrupt_pending())
		return 1;
	if (!transfer->download->what || done <= 0)
		return 0;
	if (!transfer->shown)
		progress_begin(&transfer->progress, transfer->download->what,
			       total > 0 ? (uint64_t)total : 0);
	transfer->shown = true;
	progress_update(&transfer->progress, (uint64_t)done);
	return 0;
}

static int exit_code(CURLcode code, long status)
{
	switch ((int)code) {
	case CURLE_HTTP_RETURNED_ERROR:
		return status == 404 || status == 410 ? EX_NOINPUT : EX_UNAVAILABLE;
	case CURLE_FILE_COULDNT_READ_FILE:
	case CURLE_REMOTE_FILE_NOT_FOUND:
		return EX_NOINPUT;
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return EX_DATAERR;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return status ? EX_UNAVAILABLE
			      : EX_USAGE; /* a redirection, or what was asked for */
	case CURLE_OPERATION_TIMEDOUT:
		return EX_TEMPFAIL;
	default:
		return EX_UNAVAILABLE;
	}
}

static int fail(const struct transfer *transfer, CURL *curl, CURLcode code, struct error *err)
{
	const char *url = transfer->download->url;
	long status = 0;

	if (transfer->write_errno) {
		errno = transfer->write_errno;
		return error_errno(err, EX_IOERR, "cannot store what %s sends", url);
	}
	if (transfer->too_large || code == CURLE_FILESIZE_EXCEEDED)
		return error_set(err, EX_DATAERR, "%s is larger than %llu MiB", url,
				 (unsigned long long)(transfer->download->max >> 20));
	if (interrupt_pending())
		return interrupt_error(err);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	error_set(err, exit_code(code, status), "cannot fetch %s: %s", url,
		  curl_easy_strerror(code));
	if (code == CURLE_HTTP_RETURNED_ERROR)
		error_set(err, err->code, "cannot fetch %s: the server answers %ld", url, status);
	return -1;
}

/*
 * libcurl takes the proxies of the environment. What this machine itself serves is never fetched by
 * way of another: a file of checksums from here is believed without encryption.
 */
static void set_proxy(CURL *curl)
{
	const char *others = getenv("no_proxy");
	_cleanup_free_ char *direct = NULL;

	if (!others)
		others = getenv("NO_PROXY");
	if (text_equal(others, "*"))
		return;
	direct =
		text_format("localhost,127.0.0.1,::1%s%s", others ? "," : "", others ? others : "");
	curl_easy_setopt(curl, CURLOPT_NOPROXY, direct);
}

static void set_options(CURL *curl, struct transfer *transfer)
{
	const char *url = transfer->download->url;
	bool is_https = strncasecmp(url, "https:", 6) == 0;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http,file");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, is_https ? "https" : "https,http");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTIONS_MAX);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)transfer->download->max);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_SPEED);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_TIME);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "migrant/" MIGRANT_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, show_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
}

int download_url(const struct download *download, int fd, struct error *err)
{
	struct transfer transfer = {.download = download, .fd = fd};
	CURL *curl = curl_easy_init();
	CURLcode code;
	int result = 0;

	if (!curl)
		return error_set(err, EX_SOFTWARE, "cannot use libcurl");
	set_options(curl, &transfer);
	set_proxy(curl);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		result = fail(&transfer, curl, code, err);
	else if (transfer.shown)
		progress_end(&transfer.progress);
	curl_easy_cleanup(curl);
	return result;
}

static int copy_all(int from, uint64_t length, int fd, struct error *err)
{
	_cleanup_free_ char *chunk = xcalloc(1, CHUNK);
	uint64_t done = 0;
	ssize_t got;

	while ((got = read(from, chunk, CHUNK)) > 0) {
		done += (uint64_t)got;
		if (done > length)
			break;
		if (interrupt_pending())
			return interrupt_error(err);
		if (file_write_fd(fd, chunk, (size_t)got) < 0)
			return error_errno(err, EX_IOERR, "cannot store a copy");
	}
	if (got < 0)
		return error_errno(err, EX_IOERR, "cannot read");
	if (done != length)
		return error_set(err, EX_DATAERR, "it changes while it is read");
	return 0;
}

int download_file(const char *path, uint64_t max, int fd, struct error *err)
{
	_cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (from < 0)
		return error_errno(err, errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s", path);
	if (fstat(from, &status) < 0)
		return error_errno(err, EX_IOERR, "%s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, EX_DATAERR, "%s: not a regular file", path);
	if ((uint64_t)status.st_size > max)
		return error_set(err, EX_DATAERR, "%s is larger than %llu MiB", path,
				 (unsigned long long)(max >> 20));
	if (copy_all(from, (uint64_t)status.st_size, fd, err) < 0)
		return error_prefix(err, "%s", path);
	return 0;
}
