/*
 * Volumes cannot be renamed, so the disk that a sandbox writes to has another name after each
 * snapshot: the root side lets any of the sandbox's own be its disk, and any sandbox's lie below.
 */
#include "hook/disks.h"

#include "base/parse.h"
#include "base/text.h"

#define PREFIX "disk-"
#define SUFFIX ".qcow2"

#define LAYER	    "/var/lib/libvirt/images/migrant/layer-"
#define HEX	    "0123456789abcdef"
#define KEY_LENGTH  64
#define NAME_LENGTH (KEY_LENGTH + 1 + 16) /* the key, '-', random digits */

bool disk_is_layer(const char *path)
{
	const char *key = path + strlen(LAYER);

	return text_starts(path, LAYER) && strspn(key, HEX) == KEY_LENGTH &&
	       key[KEY_LENGTH] == '-' &&
	       strspn(key + KEY_LENGTH + 1, HEX) == NAME_LENGTH - KEY_LENGTH - 1 &&
	       text_equal(key + NAME_LENGTH, SUFFIX);
}

bool disk_name_parse(const char *name, const char *uuid, uint64_t *ret_number)
{
	const char *own = name + strlen(PREFIX);
	_cleanup_free_ char *found = NULL;
	_cleanup_free_ char *digits = NULL;
	uint64_t number = 0;

	if (!text_starts(name, PREFIX) || !text_ends(name, SUFFIX) ||
	    strlen(own) < UUID_TEXT_LENGTH + strlen(SUFFIX))
		return false;
	found = text_dup_n(own, UUID_TEXT_LENGTH);
	if (uuid ? !text_equal(found, uuid) : !uuid_is_valid(found))
		return false;
	own += UUID_TEXT_LENGTH;
	digits = text_dup_n(own, strlen(own) - strlen(SUFFIX));
	if (*digits && (digits[0] != '-' || digits[1] == '0' ||
			parse_number(digits + 1, 1, DISK_NUMBER_MAX, &number) < 0))
		return false;
	if (ret_number)
		*ret_number = number;
	return true;
}
