/*
 * What the guest's tar unpacks. Where a name, a link or a size does not fit into ustar's fields, a
 * pax header carries it; owners are left out, for the guest's user will own it all.
 */
#include <string.h>

#include "base/text.h"
#include "copy/tar.h"

#define NAME_FIELD 100
#define SIZE_FIELD 077777777777 /* the largest number in eleven octal digits */

static const char type_flags[] = {
	[TAR_FILE] = '0',      [TAR_DIRECTORY] = '5', [TAR_SYMLINK] = '2',
	[TAR_HARD_LINK] = '1', [TAR_DEVICE] = '3',    [TAR_FIFO] = '6',
};

size_t tar_padding(uint64_t size)
{
	return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

static void put(char *field, const char *text, size_t room)
{
	size_t length = strlen(text);

	memcpy(field, text, length < room ? length : room);
}

static void put_octal(char *field, size_t digits, uint64_t number)
{
	for (size_t i = digits; i-- > 0; number /= 8)
		field[i] = (char)('0' + number % 8);
}

/* Offsets of POSIX.1-2017, pax, "ustar Header Block". */
static void add_block(struct strbuf *out, const struct tar_entry *entry, char flag)
{
	char block[TAR_BLOCK] = {0};
	uint64_t sum = 0;

	put(block, entry->path, NAME_FIELD);
	put_octal(block + 100, 7, entry->mode & 07777);
	put_octal(block + 108, 7, 0);
	put_octal(block + 116, 7, 0);
	put_octal(block + 124, 11, entry->size > SIZE_FIELD ? 0 : entry->size);
	put_octal(block + 136, 11,
		  entry->modified > 0 && entry->modified < SIZE_FIELD ? (uint64_t)entry->modified
								      : 0);
	memset(block + 148, ' ', 8);
	block[156] = flag;
	if (entry->link)
		put(block + 157, entry->link, NAME_FIELD);
	put(block + 257, "ustar", 6);
	put(block + 263, "00", 2);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	put_octal(block + 148, 6, sum);
	block[154] = '\0';
	strbuf_add(out, block, sizeof(block));
}

/* "LENGTH key=value\n", where the length counts its own digits. */
static void add_record(struct strbuf *out, const char *key, const char *value)
{
	size_t length = strlen(key) + strlen(value) + 3;
	size_t digits = 1;

	for (size_t bound = 10; length + digits >= bound; bound *= 10)
		digits++;
	strbuf_addf(out, "%zu %s=%s\n", length + digits, key, value);
}

static void add_padding(struct strbuf *out, uint64_t size)
{
	static const char zeros[TAR_BLOCK];

	strbuf_add(out, zeros, tar_padding(size));
}

void tar_write_header(struct strbuf *out, const struct tar_entry *entry)
{
	_cleanup_strbuf_ struct strbuf extended = STRBUF_INIT;
	_cleanup_free_ char *size = text_format("%llu", (unsigned long long)entry->size);

	if (strlen(entry->path) > NAME_FIELD)
		add_record(&extended, "path", entry->path);
	if (entry->link && strlen(entry->link) > NAME_FIELD)
		add_record(&extended, "linkpath", entry->link);
	if (entry->size > SIZE_FIELD)
		add_record(&extended, "size", size);
	if (extended.length) {
		const struct tar_entry header = {
			.path = "pax",
			.size = extended.length,
			.mode = 0644,
		};

		add_block(out, &header, 'x');
		strbuf_add(out, extended.text, extended.length);
		add_padding(out, extended.length);
	}
	add_block(out, entry, type_flags[entry->type]);
}

void tar_write_end(struct strbuf *out)
{
	static const char zeros[2 * TAR_BLOCK];

	strbuf_add(out, zeros, sizeof(zeros));
}
