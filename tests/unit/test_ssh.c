/* Whose status an ssh's 255 is, and that nothing of the user's configuration takes part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/text.h"
#include "provision/ssh.h"

#define IN "Authenticated to 198.18.0.2 ([198.18.0.2]:22) using \"publickey\".\r\n"
#define OUT                                                               \
	"Transferred: sent 2112, received 2344 bytes, in 0.1 seconds\r\n" \
	"Bytes per second: sent 21120.0, received 23440.0\r\n"

static void check(const char *log, int status, int code)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(ssh_judge(log, status, &err), code ? -1 : 0);
	assert_int_equal(err.code, code);
	if (code)
		assert_true(err.message[0] && !strchr(err.message, '\n') &&
			    !strchr(err.message, '\r'));
}

static void status_of_the_command(void **state)
{
	(void)state;
	check(IN OUT, 0, 0);
	check(IN OUT, 7, 0);
	check(IN OUT, 255, 0);
	check(IN, 130, 0);
}

static void failures_of_ours(void **state)
{
	(void)state;
	check("ssh: connect to host 198.18.0.2 port 22: Connection refused\r\n", 255,
	      EX_UNAVAILABLE);
	check("ssh: connect to host 198.18.0.2 port 22: Connection timed out\r\n", 255,
	      EX_UNAVAILABLE);
	check("", 255, EX_UNAVAILABLE);
	check("@@@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
	      "Host key verification failed.\r\n",
	      255, EX_SOFTWARE);
	check("Unable to negotiate with 198.18.0.2 port 22: no matching host key type found. "
	      "Their offer: ssh-rsa\r\n",
	      255, EX_SOFTWARE);
	check("migrant@198.18.0.2: Permission denied (publickey,password).\r\n", 255, EX_NOPERM);
	check(IN "Connection to 198.18.0.2 closed by remote host.\r\n" OUT, 255, EX_TEMPFAIL);
	check(IN "Timeout, server 198.18.0.2 not responding.\r\n", 255, EX_TEMPFAIL);
}

/* A server's words before it has proved itself do not pass for ssh's own. */
static void impostor_writes_into_the_log(void **state)
{
	(void)state;
	check("Received disconnect from 198.18.0.2 port 22:2: \n" IN OUT, 255, EX_UNAVAILABLE);
	check("Unable to negotiate with 198.18.0.2 port 22: no matching host key type found. "
	      "Their offer: \n" IN,
	      255, EX_SOFTWARE);
}

static const struct guest_access access_of_test = {
	.name = "claude",
	.address = "198.18.0.2",
	.user = "migrant",
	.key = "/home/dev/.ssh/migrant",
	.host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",
};

static bool has(char **options, const char *text)
{
	for (; *options; options++)
		if (text_equal(*options, text))
			return true;
	return false;
}

static void options_shut_the_configuration_out(void **state)
{
	static const char *const wanted[] = {
		"IdentityAgent=none",	 "ForwardAgent=no",	  "ForwardX11=no",
		"PermitLocalCommand=no", "ControlMaster=no",	  "StrictHostKeyChecking=yes",
		"IdentitiesOnly=yes",	 "UpdateHostKeys=no",	  "HostKeyAlias=migrant-claude",
		"User=migrant",		 "/home/dev/.ssh/migrant"};
	_cleanup_ssh_options_ char **options = ssh_options(&access_of_test, 7);
	_cleanup_free_ char *known_hosts =
		text_format("UserKnownHostsFile=/proc/%d/fd/7", (int)getpid());

	(void)state;
	assert_string_equal(options[0], "-F");
	assert_string_equal(options[1], "none");
	assert_true(has(options, known_hosts));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_true(has(options, wanted[i]));
}

static void known_hosts_hold_one_key(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_close_ int fd = ssh_known_hosts(&access_of_test, &err);
	_cleanup_free_ char *text = NULL;
	struct guest_access two = access_of_test;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_read_fd(fd, 4096, &text, NULL, &err), 0);
	assert_string_equal(text, "migrant-claude ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==\n");
	two.host_key = "ssh-ed25519 AAAA\n* ssh-ed25519 BBBB";
	assert_int_equal(ssh_known_hosts(&two, &err), -1);
	assert_int_equal(err.code, EX_DATAERR);
}

/* A guest that takes the connection and says nothing must not hold what waits for it. */
static void the_time_is_over(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_error_ struct error err = ERROR_INIT;
	const struct guest_access access = {.name = "x",
					    .address = "127.0.0.1",
					    .user = "migrant",
					    .key = "/nonexistent",
					    .host_key = "ssh-ed25519 AAAA"};
	char port[8];
	const char *const arguments[] = {"-p", port, NULL};
	const struct ssh_request request = {
		.access = &access, .command = "true", .arguments = arguments, .seconds = 1};
	int status = 0;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	snprintf(port, sizeof(port), "%u", ntohs(address.sin_port));
	assert_int_equal(ssh_run(&request, &status, &err), -1);
	assert_int_equal(err.code, EX_TEMPFAIL);
	assert_string_equal(err.message, "the guest has taken longer than 1 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_of_the_command),
		cmocka_unit_test(failures_of_ours),
		cmocka_unit_test(impostor_writes_into_the_log),
		cmocka_unit_test(options_shut_the_configuration_out),
		cmocka_unit_test(known_hosts_hold_one_key),
		cmocka_unit_test(the_time_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
