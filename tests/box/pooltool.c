/*
 * box/pool.h on the command line, so that pytest can try it against a real libvirtd:
 *
 *   pooltool store NAME FILE | replace NAME FILE | upload NAME FILE | load NAME MAX | has NAME |
 *            overlay NAME BASE FORMAT BYTES | delete NAME | list PREFIX | box NAME
 *
 * Errors are printed and coded as the program does it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "box/box.h"
#include "domain/libvirt.h"

static int store(virStoragePoolPtr pool, const char *const *argv, bool replace, struct error *err)
{
	_cleanup_free_ char *bytes = NULL;
	size_t length;

	if (file_read(AT_FDCWD, argv[3], 1 << 20, &bytes, &length, err) < 0)
		return -1;
	return pool_store(pool, argv[2], bytes, length, 0444, replace, err);
}

static int upload(virStoragePoolPtr pool, const char *const *argv, struct error *err)
{
	_cleanup_close_ int fd = open(argv[3], O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, EX_NOINPUT, "%s", argv[3]);
	return pool_store_fd(pool, argv[2], fd, (uint64_t)status.st_size, 0444, "uploading", err);
}

static int load(virStoragePoolPtr pool, const char *const *argv, struct error *err)
{
	_cleanup_free_ char *bytes = NULL;
	size_t length;
	uint64_t max;

	if (parse_number(argv[3], 0, INT32_MAX, &max) < 0)
		return error_set(err, EX_USAGE, "%s", argv[3]);
	if (pool_load(pool, argv[2], (size_t)max, &bytes, &length, err) < 0)
		return -1;
	fwrite(bytes, 1, length, stdout);
	return 0;
}

static int list(virStoragePoolPtr pool, const char *prefix, struct error *err)
{
	_cleanup_list_ char **names = NULL;

	if (pool_list(pool, prefix, &names, err) < 0)
		return -1;
	for (char **name = names; *name; name++)
		puts(*name);
	return 0;
}

static int load_box(virStoragePoolPtr pool, const char *name, struct error *err)
{
	_cleanup_box_ struct box box = {0};

	if (box_load(pool, name, &box, err) < 0)
		return -1;
	puts(box.image);
	return 0;
}

static int run(virStoragePoolPtr pool, int argc, const char *const *argv, struct error *err)
{
	uint64_t bytes;

	if (argc == 4 && text_equal(argv[1], "store"))
		return store(pool, argv, false, err);
	if (argc == 4 && text_equal(argv[1], "replace"))
		return store(pool, argv, true, err);
	if (argc == 4 && text_equal(argv[1], "upload"))
		return upload(pool, argv, err);
	if (argc == 4 && text_equal(argv[1], "load"))
		return load(pool, argv, err);
	if (argc == 3 && text_equal(argv[1], "has")) {
		puts(pool_has(pool, argv[2]) ? "yes" : "no");
		return 0;
	}
	if (argc == 6 && text_equal(argv[1], "overlay") && parse_size(argv[5], &bytes) == 0)
		return pool_make_overlay(pool, argv[2], argv[3], argv[4], bytes, err);
	if (argc == 3 && text_equal(argv[1], "delete"))
		return pool_delete(pool, argv[2], err);
	if (argc == 3 && text_equal(argv[1], "list"))
		return list(pool, argv[2], err);
	if (argc == 3 && text_equal(argv[1], "box"))
		return load_box(pool, argv[2], err);
	return error_set(err, EX_USAGE, "unknown arguments");
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_pool_ virStoragePoolPtr pool = NULL;

	if (libvirt_connect(&connection, &err) == 0 && pool_open(connection, &pool, &err) == 0)
		(void)run(pool, argc, (const char *const *)argv, &err);
	if (error_is_set(&err))
		log_error(&err);
	return err.code;
}
