/*
 * What a share may be called and where its parts lie. The root side gets its shares from the
 * domain's metadata, which anybody in group libvirt can write, so the rules of the Migrantfile that
 * matter to it stand here once more.
 */
#include "share/share.h"

#include <string.h>

#include "base/text.h"

#define BAD	 EX_DATAERR
#define PATH_LEN 1024

void share_tag(size_t index, char tag[SHARE_TAG_MAX])
{
	snprintf(tag, SHARE_TAG_MAX, "share%zu", index);
}

char *share_source(const char *name, size_t index)
{
	return text_format("/run/migrant/%s/shares/%zu", name, index);
}

bool share_paths_overlap(const char *a, const char *b)
{
	size_t shorter = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

	return strncmp(a, b, shorter) == 0 && (!a[shorter] || a[shorter] == '/') &&
	       (!b[shorter] || b[shorter] == '/');
}

/* True for a '/'-separated text of components other than "", "." and "..", no longer than a file's
 * name can be. */
static bool is_clean(const char *path)
{
	for (;;) {
		size_t length = strcspn(path, "/");

		if (!length || length > 255 || (length <= 2 && strncmp(path, "..", length) == 0))
			return false;
		if (!path[length])
			return true;
		path += length + 1;
	}
}

static bool is_printable(const char *text)
{
	size_t length = strlen(text);

	if (length >= PATH_LEN || !text_is_utf8(text, length))
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static int validate_one(const struct share *share, size_t index, struct error *err)
{
	char tag[SHARE_TAG_MAX];

	share_tag(index, tag);
	if (!text_equal(share->tag, tag))
		return error_set(err, BAD, "share %zu has the wrong tag", index);
	if (!share->host || !is_printable(share->host) || !is_clean(share->host))
		return error_set(err, BAD, "%s: not a path inside the project", tag);
	if (!share->guest || !is_printable(share->guest) || share->guest[0] != '/' ||
	    !is_clean(share->guest + 1))
		return error_set(err, BAD, "%s: not a path of the guest", tag);
	if (share->size < SHARE_SIZE_MIN || share->size > SHARE_SIZE_MAX)
		return error_set(err, BAD, "%s: size is out of range", tag);
	if (share->reserve && !share->isolate)
		return error_set(err, BAD, "%s: nothing to reserve without isolation", tag);
	return 0;
}

int share_validate(const struct share *shares, size_t count, struct error *err)
{
	if (count > SHARE_MAX)
		return error_set(err, BAD, "more than %d shares", SHARE_MAX);
	for (size_t i = 0; i < count; i++) {
		if (validate_one(&shares[i], i, err) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (share_paths_overlap(shares[i].host, shares[j].host) ||
			    share_paths_overlap(shares[i].guest, shares[j].guest))
				return error_set(err, BAD, "share%zu and share%zu overlap", j, i);
	}
	return 0;
}

bool image_id_is_valid(const char *text)
{
	return strlen(text) == IMAGE_ID_LENGTH &&
	       strspn(text, "0123456789abcdef") == IMAGE_ID_LENGTH;
}

void share_done(struct share *share)
{
	free(share->host);
	free(share->guest);
	*share = (struct share){0};
}
