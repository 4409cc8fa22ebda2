/* A guest's host key is one that SSH takes, and every one is another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "provision/host_key.h"
#include "provision/keys.h"

static void keys_are_new_and_usable(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *private_text = NULL;
	_cleanup_free_ char *public_text = NULL;
	_cleanup_free_ char *first = NULL;

	(void)state;
	assert_int_equal(host_key_make(&private_text, &public_text, &err), 0);
	assert_true(text_starts(private_text, "-----BEGIN OPENSSH PRIVATE KEY-----\n"));
	assert_true(text_starts(public_text, "ssh-ed25519 "));
	assert_true(key_public_is_valid(public_text));
	assert_null(strchr(strchr(public_text, ' ') + 1, ' '));
	first = text_dup(public_text);
	assert_int_equal(host_key_make(&private_text, &public_text, &err), 0);
	assert_string_not_equal(public_text, first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(keys_are_new_and_usable)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
