/*
 * The mark is the name that the kernel keeps with a loop device. Only root can give one.
 */
#include "share/mark.h"

#include <string.h>

#include "base/parse.h"
#include "base/text.h"

#define PREFIX "migrant:"

void mark_format(const char *name, size_t index, uid_t owner, char mark[LOOP_MARK_MAX])
{
	snprintf(mark, LOOP_MARK_MAX, PREFIX "%s/%zu/%u", name, index, owner);
}

/* True when the mark is one of sandbox @name's. */
static bool read_mark(const char *mark, const char *name, uid_t *ret_owner)
{
	_cleanup_free_ char *prefix = text_format(PREFIX "%s/", name);
	const char *owner = strrchr(mark, '/');
	uint64_t uid;

	if (!text_starts(mark, prefix) || !owner ||
	    parse_number(owner + 1, 0, (uid_t)-1 - UINT64_C(1), &uid) < 0)
		return false;
	*ret_owner = (uid_t)uid;
	return true;
}

int mark_find(const char *name, unsigned int **ret_numbers, size_t *ret_count, uid_t *ret_owner,
	      struct error *err)
{
	_cleanup_loops_ struct loop_list loops = {0};
	unsigned int *numbers = NULL;
	size_t count = 0;

	if (loop_list(&loops, err) < 0)
		return -1;
	for (size_t i = 0; i < loops.count; i++) {
		if (!read_mark(loops.items[i].mark, name, ret_owner))
			continue;
		numbers = xreallocarray(numbers, count + 1, sizeof(*numbers));
		numbers[count++] = loops.items[i].number;
	}
	*ret_numbers = numbers;
	*ret_count = count;
	return 0;
}
