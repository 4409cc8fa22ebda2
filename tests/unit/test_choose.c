/* Which wire a new sandbox gets, by what the host uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "network/choose.h"

static void check(const struct taken *taken, const char *guest, const char *gateway)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct wire wire = {0};
	char text[ADDRESS_TEXT_MAX];

	assert_int_equal(wire_choose_among(taken, &wire, &err), 0);
	assert_string_equal(address_format(&wire.guest, text), guest);
	assert_string_equal(address_format(&wire.gateway, text), gateway);
	assert_int_equal(wire.length, 30);
}

static void take(struct taken *taken, const char *text)
{
	struct prefix prefix;

	assert_int_equal(parse_prefix(text, &prefix), 0);
	taken_add(taken, &prefix);
}

static void the_same_everywhere(void **state)
{
	_cleanup_taken_ struct taken taken = {0};

	(void)state;
	check(&taken, "10.213.0.2", "10.213.0.1");
	take(&taken, "192.168.1.0/24");
	take(&taken, "10.213.1.0/24");
	take(&taken, "fd00::/8");
	check(&taken, "10.213.0.2", "10.213.0.1");
}

static void unless_the_host_uses_it(void **state)
{
	_cleanup_taken_ struct taken taken = {0};

	(void)state;
	take(&taken, "10.213.0.2/32");
	check(&taken, "10.214.0.2", "10.214.0.1");
	take(&taken, "10.214.0.0/15");
	check(&taken, "10.216.0.2", "10.216.0.1");
}

static void until_nothing_is_left(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_taken_ struct taken taken = {0};
	struct wire wire = {0};

	(void)state;
	take(&taken, "10.0.0.0/8");
	assert_int_equal(wire_choose_among(&taken, &wire, &err), -1);
	assert_int_equal(err.code, EX_UNAVAILABLE);
}

/* As a guest of migrant sees them: a default route, its wire, the gateway as resolver. */
static void texts_of_a_guest(void **state)
{
	static const char routes[] = "Iface\tDestination\tGateway "
				     "\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
				     "eth0\t00000000\t0100D50A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
				     "eth0\t0000D50A\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0\n";
	_cleanup_taken_ struct taken by_route = {0};
	_cleanup_taken_ struct taken by_resolver = {0};
	_cleanup_taken_ struct taken by_nothing = {0};

	(void)state;
	taken_add_routes(&by_route, routes);
	assert_int_equal(by_route.count, 1);
	check(&by_route, "10.214.0.2", "10.214.0.1");
	taken_add_resolvers(&by_resolver, "# x\nsearch a\nnameserver 10.213.0.1\nnameserver ::1\n");
	assert_int_equal(by_resolver.count, 1);
	check(&by_resolver, "10.214.0.2", "10.214.0.1");
	taken_add_routes(&by_nothing, "");
	taken_add_routes(&by_nothing, "x y\n\n\n");
	taken_add_resolvers(&by_nothing, "nameserver\nnameserver 999.1.1.1\n");
	assert_int_equal(by_nothing.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_everywhere),
		cmocka_unit_test(unless_the_host_uses_it),
		cmocka_unit_test(until_nothing_is_left),
		cmocka_unit_test(texts_of_a_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
