/* The pure parts of the box room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "box/volume.h"
#include "golden.h"

static void test_volume_base(void **state)
{
	const struct volume volume = {
		.name = "base-1&2.qcow2", .format = "raw", .capacity = 4096, .mode = 0444};
	_cleanup_free_ char *xml = volume_xml(&volume);

	(void)state;
	assert_golden(xml, "box/volume-base.xml");
}

static void test_volume_overlay(void **state)
{
	const struct volume volume = {
		.name = "disk-0.qcow2",
		.format = "qcow2",
		.capacity = UINT64_C(20) << 30,
		.mode = 0600,
		.backing_path = "/pool/base-1.qcow2",
		.backing_format = "qcow2",
	};
	_cleanup_free_ char *xml = volume_xml(&volume);

	(void)state;
	assert_golden(xml, "box/volume-overlay.xml");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_volume_base),
		cmocka_unit_test(test_volume_overlay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
