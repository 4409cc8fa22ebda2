/*
 * A guest that is asked for files answers with this. It may send anything for as long as it likes,
 * so nothing is believed, what is kept has a bound, and there is one way to say each thing.
 */
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "copy/tar.h"

#define EXTENDED_MAX 65536 /* bytes of one pax header */
#define ZEROS_MAX    4096  /* blocks at the end, which tar fills up to its record: 20 of them */

/* The fields of a header (POSIX.1-2017, pax, "ustar Interchange Format"). */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type[1];
	char link[100], magic[6], version[2], user[32], group[32], major[8], minor[8];
	char prefix[155], unused[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK, "the header is a block");

static int broken(struct error *err, const char *what)
{
	return error_set(err, EX_DATAERR,
			 "what the guest sends is not a tar archive as it was "
			 "asked for: %s",
			 what);
}

void tar_reader_done(struct tar_reader *reader)
{
	strbuf_done(&reader->text);
	free(reader->path);
	free(reader->link);
	reader->path = reader->link = NULL;
}

/* Octal digits, ended by NUL or space; an empty field is 0. */
static int parse_octal(const char *field, size_t length, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t at = 0;

	for (; at < length && field[at] >= '0' && field[at] <= '7'; at++)
		number = number * 8 + (uint64_t)(field[at] - '0');
	for (size_t rest = at; rest < length; rest++)
		if (field[rest] != '\0' && field[rest] != ' ')
			return -1;
	*ret_number = number; /* at most 12 digits: 36 bits */
	return 0;
}

static bool checksum_holds(const struct header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	size_t begin = offsetof(struct header, checksum);
	uint64_t wanted = 0;
	uint64_t sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= begin && i < begin + sizeof(header->checksum) ? ' ' : bytes[i];
	return parse_octal(header->checksum, sizeof(header->checksum), &wanted) == 0 &&
	       sum == wanted;
}

static char *header_path(const struct header *header)
{
	_cleanup_free_ char *name =
		text_dup_n(header->name, strnlen(header->name, sizeof(header->name)));
	_cleanup_free_ char *prefix =
		text_dup_n(header->prefix, strnlen(header->prefix, sizeof(header->prefix)));

	return *prefix ? text_format("%s/%s", prefix, name) : take_ptr(name);
}

static int set_text(char **slot, const char *value, size_t length, struct error *err)
{
	if (*slot)
		return broken(err, "a pax header says something twice");
	if (!length || length > TAR_PATH_MAX || memchr(value, '\0', length))
		return broken(err, "a path of no sensible length");
	*slot = text_dup_n(value, length);
	return 0;
}

static int set_size(struct tar_reader *reader, const char *value, size_t length, struct error *err)
{
	_cleanup_free_ char *text = text_dup_n(value, length);

	if (reader->has_size || parse_number(text, 0, INT64_MAX, &reader->size) < 0)
		return broken(err, "a size that is none");
	reader->has_size = true;
	return 0;
}

/* One "key=value" of a pax header. Times, owners and the like are not ours to take over. */
static int read_record(struct tar_reader *reader, const char *record, size_t length,
		       struct error *err)
{
	const char *equals = memchr(record, '=', length);
	const char *value = equals ? equals + 1 : NULL;
	size_t rest = value ? (size_t)(record + length - value) : 0;

	if (!equals)
		return broken(err, "a pax header without a value");
	if (reader->ignored)
		return 0;
	if (text_starts(record, "path="))
		return set_text(&reader->path, value, rest, err);
	if (text_starts(record, "linkpath="))
		return set_text(&reader->link, value, rest, err);
	if (text_starts(record, "size="))
		return set_size(reader, value, rest, err);
	if (text_starts(record, "GNU.sparse."))
		return broken(err, "a file with holes in a form of GNU's own");
	return 0;
}

/* "LENGTH key=value\n", the length that of the whole. */
static int read_extended(struct tar_reader *reader, struct error *err)
{
	const char *at = strbuf_text(&reader->text);
	size_t left = reader->text.length;

	while (left) {
		size_t digits = strspn(at, "0123456789");
		_cleanup_free_ char *number = text_dup_n(at, digits > 6 ? 0 : digits);
		uint64_t length = 0;

		if (parse_number(number, digits + 3, left, &length) < 0 || at[digits] != ' ' ||
		    at[length - 1] != '\n')
			return broken(err, "a pax header of no sensible length");
		if (read_record(reader, at + digits + 1, length - digits - 2, err) < 0)
			return -1;
		at += length;
		left -= length;
	}
	strbuf_truncate(&reader->text, 0);
	return 0;
}

static int begin_extended(struct tar_reader *reader, uint64_t size, bool is_global,
			  struct error *err)
{
	if (size > EXTENDED_MAX)
		return broken(err, "a pax header without end");
	if (is_global ? reader->has_global : reader->has_extended)
		return broken(err, "two pax headers where there is one");
	reader->has_global = reader->has_global || is_global;
	reader->extended = true;
	reader->ignored = is_global;
	reader->has_extended = reader->has_extended || !is_global;
	reader->content = size;
	reader->padding = tar_padding(size);
	return size == 0 ? broken(err, "an empty pax header") : 0;
}

static int entry_type(char flag, enum tar_type *ret_type)
{
	static const struct {
		char flag;
		enum tar_type type;
	} types[] = {
		{'0', TAR_FILE},   {'\0', TAR_FILE},  {'1', TAR_HARD_LINK}, {'2', TAR_SYMLINK},
		{'3', TAR_DEVICE}, {'4', TAR_DEVICE}, {'5', TAR_DIRECTORY}, {'6', TAR_FIFO},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].flag != flag)
			continue;
		*ret_type = types[i].type;
		return 0;
	}
	return -1;
}

static void forget_extended(struct tar_reader *reader)
{
	free(reader->path);
	free(reader->link);
	reader->path = reader->link = NULL;
	reader->has_size = reader->has_extended = false;
}

static int begin_entry(struct tar_reader *reader, const struct header *header, uint64_t size,
		       struct error *err)
{
	_cleanup_free_ char *path = reader->path ? text_dup(reader->path) : header_path(header);
	_cleanup_free_ char *link =
		reader->link
			? text_dup(reader->link)
			: text_dup_n(header->link, strnlen(header->link, sizeof(header->link)));
	struct tar_entry entry = {.path = path, .link = *link ? link : NULL, .size = size};
	uint64_t mode = 0;

	if (entry_type(header->type[0], &entry.type) < 0)
		return broken(err, "an entry of an unknown kind");
	if (parse_octal(header->mode, sizeof(header->mode), &mode) < 0)
		return broken(err, "permissions that are none");
	entry.mode = (mode_t)(mode & 07777);
	if (reader->has_size)
		entry.size = reader->size;
	if (entry.type != TAR_FILE && entry.size)
		return broken(err, "content where there can be none");
	forget_extended(reader);
	reader->content = entry.size;
	reader->padding = tar_padding(entry.size);
	if (reader->handler->entry(reader->data, &entry, err) < 0)
		return -1;
	return entry.type == TAR_FILE && !entry.size ? reader->handler->complete(reader->data, err)
						     : 0;
}

static bool is_zero(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i])
			return false;
	return true;
}

static int read_block(struct tar_reader *reader, struct error *err)
{
	struct header header;
	uint64_t size = 0;

	if (is_zero(reader->block, TAR_BLOCK)) {
		if (reader->has_extended)
			return broken(err, "a pax header without an entry");
		return ++reader->zeros > ZEROS_MAX ? broken(err, "zeros without end") : 0;
	}
	if (reader->zeros)
		return broken(err, "something behind its end");
	memcpy(&header, reader->block, sizeof(header));
	if (memcmp(header.magic, "ustar", sizeof(header.magic)) != 0 || !checksum_holds(&header))
		return broken(err, "a header that is none");
	if (parse_octal(header.size, sizeof(header.size), &size) < 0)
		return broken(err, "a size that is none");
	if (header.type[0] == 'x' || header.type[0] == 'g')
		return begin_extended(reader, size, header.type[0] == 'g', err);
	return begin_entry(reader, &header, size, err);
}

static int take_content(struct tar_reader *reader, const char *bytes, size_t length,
			struct error *err)
{
	reader->content -= length;
	if (reader->extended) {
		strbuf_add(&reader->text, bytes, length);
		if (reader->content)
			return 0;
		reader->extended = false;
		return read_extended(reader, err);
	}
	if (reader->handler->content(reader->data, bytes, length, err) < 0)
		return -1;
	return reader->content ? 0 : reader->handler->complete(reader->data, err);
}

/* Takes as much as belongs together; *ret_taken is at least 1. */
static int read_some(struct tar_reader *reader, const char *bytes, size_t length, size_t *ret_taken,
		     struct error *err)
{
	size_t room = TAR_BLOCK - reader->filled;

	if (reader->content) {
		*ret_taken = length < reader->content ? length : (size_t)reader->content;
		return take_content(reader, bytes, *ret_taken, err);
	}
	if (reader->padding) {
		*ret_taken = length < reader->padding ? length : (size_t)reader->padding;
		reader->padding -= *ret_taken;
		return 0;
	}
	*ret_taken = length < room ? length : room;
	memcpy(reader->block + reader->filled, bytes, *ret_taken);
	reader->filled += *ret_taken;
	if (reader->filled < TAR_BLOCK)
		return 0;
	reader->filled = 0;
	return read_block(reader, err);
}

int tar_read(struct tar_reader *reader, const char *bytes, size_t length, struct error *err)
{
	while (length) {
		size_t taken = 0;

		if (read_some(reader, bytes, length, &taken, err) < 0)
			return -1;
		bytes += taken;
		length -= taken;
	}
	return 0;
}

int tar_read_end(const struct tar_reader *reader, struct error *err)
{
	if (reader->zeros < 2 || reader->filled || reader->content || reader->padding)
		return broken(err, "it is cut off");
	return 0;
}
