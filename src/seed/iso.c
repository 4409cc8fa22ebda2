/*
 * The seed as an ISO 9660 image, by genisoimage. It holds the guest's private host key, so nothing
 * of it touches a disk of ours: the documents lie in memory files, which genisoimage reads through
 * our descriptors, and the image comes back through a pipe.
 */
#include "seed/seed.h"

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

#define ISO_MAX	    (8 * 1024 * 1024)
#define ISO_TIMEOUT 60 /* seconds */
#define SYSTEM_AREA (16 * 2048)

/* genisoimage's operand by which the text held by @fd becomes the file @name of the image. */
static char *graft(const char *name, const char *text, int *ret_fd)
{
	*ret_fd = file_memory(name, text, strlen(text));
	return text_format("%s=/proc/%d/fd/%d", name, (int)getpid(), *ret_fd);
}

static int make_iso(const char *const grafts[3], struct strbuf *iso, struct error *err)
{
	const char *const argv[] = {
		"genisoimage",	  "-quiet",	   "-volid",	    "cidata",  "-joliet",
		"-rational-rock", "-follow-links", "-graft-points", "-output", "-",
		grafts[0],	  grafts[1],	   grafts[2],	    NULL,
	};
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.timeout = ISO_TIMEOUT;
	return process_capture(&process, ISO_MAX, iso, err);
}

/* An empty file is as good as none. */
static bool has_user_data(const struct seed *seed)
{
	return seed->user_data && seed->user_data[strspn(seed->user_data, " \t\r\n")];
}

/* Into the system area, which genisoimage leaves empty. What does not fit is left to cloud-init. */
static void add_first_script(const struct seed *seed, struct strbuf *iso)
{
	char *script = seed_first_script(seed);
	size_t length = strlen(script);

	if (length <= SYSTEM_AREA && iso->length > SYSTEM_AREA)
		memcpy(iso->text, script, length);
	explicit_bzero(script, length);
	free(script);
}

int seed_iso(const struct seed *seed, void **ret_bytes, size_t *ret_length, struct error *err)
{
	_cleanup_free_ char *user_data = NULL;
	_cleanup_free_ char *meta_data = seed_meta_data(seed);
	_cleanup_free_ char *network_config = seed_network_config(seed);
	_cleanup_free_ char *user_graft = NULL, *meta_graft = NULL, *network_graft = NULL;
	_cleanup_close_ int user_fd = -1, meta_fd = -1, network_fd = -1;
	_cleanup_strbuf_ struct strbuf iso = STRBUF_INIT;

	if (seed_user_data(seed, &user_data, err) < 0)
		return -1;
	user_graft = graft("user-data", user_data, &user_fd);
	meta_graft = graft("meta-data", meta_data, &meta_fd);
	network_graft = graft("network-config", network_config, &network_fd);
	if (user_fd < 0 || meta_fd < 0 || network_fd < 0)
		return error_errno(err, EX_OSERR, "cannot hold the seed in memory");
	if (make_iso((const char *const[]){user_graft, meta_graft, network_graft}, &iso, err) < 0)
		return error_prefix(err, "cannot make the seed");
	if (!has_user_data(seed))
		add_first_script(seed, &iso);
	*ret_length = iso.length;
	*ret_bytes = strbuf_take(&iso);
	return 0;
}
