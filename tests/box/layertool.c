/*
 * layer/layer.h on the command line, so that pytest can try it against a real libvirtd:
 *
 *   layertool publish KEY DISK BASE | check KEY | verify KEY | leftovers | hold KEY
 *
 * `hold` says so once it has the lock, and keeps it until its input ends. Errors are printed and
 * coded as the program does it.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "box/pool.h"
#include "domain/libvirt.h"
#include "layer/layer.h"

static int publish(virStoragePoolPtr pool, const char *const *argv, struct error *err)
{
	_cleanup_close_ int fd = layer_fetch(pool, argv[3], argv[4], err);
	_cleanup_layer_ struct layer layer = {
		.key = text_dup(argv[2]),
		.base = text_dup(argv[4]),
		.base_format = text_dup("raw"),
		.sandbox = text_dup("demo"),
		.directory = text_dup("/home/dev/demo"),
	};

	if (fd < 0)
		return -1;
	puts("copied");
	fflush(stdout);
	if (layer_publish(pool, fd, &layer, err) < 0)
		return -1;
	puts(layer.volume);
	return 0;
}

static int look(virStoragePoolPtr pool, const char *key, bool whole, struct error *err)
{
	_cleanup_layer_ struct layer layer = {0};

	if (layer_find(pool, key, &layer, err) < 0)
		return -1;
	return whole ? layer_verify(pool, &layer, err) : layer_check(pool, &layer, err);
}

static int leftovers(virStoragePoolPtr pool, struct error *err)
{
	_cleanup_layer_list_ struct layer_list list = {0};
	_cleanup_list_ char **names = NULL;

	if (layer_list_load(pool, &list, err) < 0 || layer_leftovers(pool, &list, &names, err) < 0)
		return -1;
	for (char **name = names; *name; name++)
		puts(*name);
	return 0;
}

static int hold(const char *key, struct error *err)
{
	_cleanup_close_ int lock = layer_lock(key);

	if (lock < 0)
		return error_set(err, EX_TEMPFAIL, "somebody else has it");
	puts("held");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

static int run(virStoragePoolPtr pool, int argc, const char *const *argv, struct error *err)
{
	if (argc == 5 && text_equal(argv[1], "publish"))
		return publish(pool, argv, err);
	if (argc == 3 && text_equal(argv[1], "check"))
		return look(pool, argv[2], false, err);
	if (argc == 3 && text_equal(argv[1], "verify"))
		return look(pool, argv[2], true, err);
	if (argc == 2 && text_equal(argv[1], "leftovers"))
		return leftovers(pool, err);
	if (argc == 3 && text_equal(argv[1], "hold"))
		return hold(argv[2], err);
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
