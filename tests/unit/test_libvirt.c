/* Errors of libvirt become ours. Provoked for real: a socket that is absent, a test driver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libvirt/virterror.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "domain/libvirt.h"

static void quiet(void *data, virErrorPtr error)
{
	(void)data;
	(void)error;
}

static void open_socket(const char *path)
{
	_cleanup_free_ char *uri = text_format("qemu+unix:///system?socket=%s", path);

	virSetErrorFunc(NULL, quiet);
	assert_null(virConnectOpen(uri));
}

static void test_no_socket(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	open_socket("/nonexistent/libvirt-sock");
	assert_int_equal(libvirt_error(&err, EX_SOFTWARE, "cannot connect to libvirt"), -1);
	assert_int_equal(err.code, EX_UNAVAILABLE);
	assert_int_equal(err.err, ENOENT);
	assert_true(text_starts(err.message, "cannot connect to libvirt: "));
	assert_non_null(strstr(err.hint, "start it"));
}

/* A daemon that died leaves its socket behind. */
static void test_stale_socket(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/test-libvirt-%d", (int)getpid());
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	open_socket(address.sun_path);
	assert_int_equal(libvirt_error(&err, EX_SOFTWARE, "cannot connect to libvirt"), -1);
	unlink(address.sun_path);
	close(fd);
	assert_int_equal(err.code, EX_UNAVAILABLE);
	assert_int_equal(err.err, ECONNREFUSED);
}

/* What is nobody's special case keeps the code of the caller. */
static void test_other_error(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	virConnectPtr connection;

	(void)state;
	virSetErrorFunc(NULL, quiet);
	connection = virConnectOpen("test:///default");
	assert_non_null(connection);
	assert_null(virDomainLookupByName(connection, "absent"));
	assert_int_equal(libvirt_error(&err, EX_NOINPUT, "cannot find it"), -1);
	virConnectClose(connection);
	assert_int_equal(err.code, EX_NOINPUT);
	assert_true(text_starts(err.message, "cannot find it: Domain not found"));
	assert_null(err.hint);
}

static void test_no_error(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	virResetLastError();
	assert_int_equal(libvirt_error(&err, EX_SOFTWARE, "cannot do it"), -1);
	assert_int_equal(err.code, EX_SOFTWARE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_stale_socket),
		cmocka_unit_test(test_other_error),
		cmocka_unit_test(test_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
