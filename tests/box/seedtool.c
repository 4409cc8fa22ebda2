/*
 * seed/seed.h on the command line, for tests that boot a box without libvirt:
 *
 *   seedtool OUTPUT USER PUBLIC-KEY-FILE HOST-KEY-FILE [CLOUD-INIT-FILE]
 *
 * The guest is 10.213.0.2/30 behind 10.213.0.1.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "network/wire.h"
#include "seed/seed.h"

static int read_text(const char *path, char **ret_text, struct error *err)
{
	return file_read(AT_FDCWD, path, 1 << 18, ret_text, NULL, err);
}

static char *first_line(const char *text)
{
	return text_dup_n(text, strcspn(text, "\n"));
}

static int run(int argc, char **argv, struct error *err)
{
	_cleanup_free_ char *key = NULL, *host_key = NULL, *host_public = NULL, *user_data = NULL;
	_cleanup_free_ char *host_public_path = text_format("%s.pub", argv[4]);
	_cleanup_free_ char *key_line = NULL, *host_public_line = NULL;
	_cleanup_free_ void *iso = NULL;
	struct seed seed = {.instance_id = "test", .hostname = "test", .wire.length = 30};
	size_t length;

	if (read_text(argv[3], &key, err) < 0 || read_text(argv[4], &host_key, err) < 0 ||
	    read_text(host_public_path, &host_public, err) < 0 ||
	    (argc > 5 && read_text(argv[5], &user_data, err) < 0))
		return -1;
	seed.user = argv[2];
	seed.public_key = key_line = first_line(key);
	seed.host_key = host_key;
	seed.host_key_public = host_public_line = first_line(host_public);
	seed.user_data = user_data;
	seed.user_data_file = argc > 5 ? argv[5] : NULL;
	if (parse_address("10.213.0.1", &seed.wire.gateway) < 0 ||
	    parse_address("10.213.0.2", &seed.wire.guest) < 0 ||
	    parse_mac(GUEST_MAC, &seed.wire.guest_mac) < 0 ||
	    seed_iso(&seed, &iso, &length, err) < 0)
		return -1;
	return file_replace(AT_FDCWD, argv[1], iso, length, 0600, err);
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (argc < 5)
		error_set(&err, EX_USAGE, "seedtool OUTPUT USER KEY HOST-KEY [CLOUD-INIT]");
	else
		(void)run(argc, argv, &err);
	if (error_is_set(&err))
		log_error(&err);
	return err.code;
}
