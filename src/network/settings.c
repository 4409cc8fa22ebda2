/*
 * What the kernel would otherwise do by itself on a sandbox's links: answer for other addresses,
 * speak IPv6, believe redirects. A link that is moved takes the settings of its new namespace, so
 * they are applied again after every move.
 */
#include "network/settings.h"

#include "base/text.h"
#include "network/netns.h"

struct setting {
	const char *path, *value;
};

static const struct setting inside[] = {
	{"net/ipv4/ip_forward", "1"},
	{"net/ipv4/icmp_echo_ignore_all", "1"},
	{"net/ipv4/icmp_echo_ignore_broadcasts", "1"},
};

/* Of net/ipv6/conf/LINK and net/ipv4/conf/LINK. */
static const struct setting of_link[] = {
	{"ipv6/disable_ipv6", "1"},	   {"ipv6/accept_ra", "0"},
	{"ipv4/rp_filter", "1"},	   {"ipv4/arp_ignore", "1"},
	{"ipv4/arp_announce", "2"},	   {"ipv4/proxy_arp", "0"},
	{"ipv4/accept_redirects", "0"},	   {"ipv4/send_redirects", "0"},
	{"ipv4/accept_source_route", "0"}, {"ipv4/route_localnet", "0"},
};

/*
 * What means something where IPv6 is switched on: the kernel must give no address of its own, look
 * for no router and believe nobody.
 */
static const struct setting of_link6[] = {
	{"ipv6/addr_gen_mode", "1"},	    {"ipv6/autoconf", "0"},
	{"ipv6/router_solicitations", "0"}, {"ipv6/accept_redirects", "0"},
	{"ipv6/accept_source_route", "-1"}, {"ipv6/proxy_ndp", "0"},
	{"ipv6/accept_dad", "0"},	    {"ipv6/dad_transmits", "0"},
};

static const struct setting inside6[] = {
	{"net/ipv6/icmp/echo_ignore_all", "1"},
	{"net/ipv6/conf/all/forwarding", "1"},
};

/* "ipv4/rp_filter" of link "x" is net/ipv4/conf/x/rp_filter. */
static char *link_path(const struct setting *setting, const char *link)
{
	return text_format("net/%.4s/conf/%s/%s", setting->path, link, setting->path + 5);
}

int settings_apply(const char *path, const char *value, struct error *err)
{
	if (sysctl_write(path, value) == 0)
		return 0;
	/* A kernel without IPv6 has nothing to switch off. */
	if (errno == ENOENT && text_starts(path, "net/ipv6/"))
		return 0;
	return error_errno(err, EX_OSERR, "cannot set %s", path);
}

int settings_apply_inside(struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
		if (settings_apply(inside[i].path, inside[i].value, err) < 0)
			return -1;
	if (settings_apply_link("all", err) < 0)
		return -1;
	return settings_apply_link("default", err);
}

static int apply_to(const char *link, const struct setting *settings, size_t count,
		    struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *path = link_path(&settings[i], link);

		if (settings_apply(path, settings[i].value, err) < 0)
			return -1;
	}
	return 0;
}

int settings_apply_link(const char *link, struct error *err)
{
	if (apply_to(link, of_link, ARRAY_SIZE(of_link), err) < 0)
		return -1;
	return apply_to(link, of_link6, ARRAY_SIZE(of_link6), err);
}

static int set_disabled6(const char *link, const char *value, struct error *err)
{
	_cleanup_free_ char *path = text_format("net/ipv6/conf/%s/disable_ipv6", link);

	return settings_apply(path, value, err);
}

int settings_open_link6(const char *link, struct error *err)
{
	return set_disabled6(link, "0", err);
}

int settings_close_link6(const char *link, struct error *err)
{
	return set_disabled6(link, "1", err);
}

int settings_open_inside6(struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(inside6); i++)
		if (settings_apply(inside6[i].path, inside6[i].value, err) < 0)
			return -1;
	return 0;
}

int settings_close_inside6(struct error *err)
{
	return settings_apply("net/ipv6/conf/all/forwarding", "0", err);
}

static void describe(const char *path, struct strbuf *output)
{
	char value[64];

	if (sysctl_read(path, value, sizeof(value)) == 0)
		strbuf_addf(output, "sysctl %s %s\n", path, value);
}

static void describe_of(const char *link, const struct setting *settings, size_t count,
			struct strbuf *output)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *path = link_path(&settings[i], link);

		describe(path, output);
	}
}

static bool is_set(const char *path, const char *wanted)
{
	char value[64];

	return sysctl_read(path, value, sizeof(value)) == 0 && text_equal(value, wanted);
}

/*
 * Where IPv6 is off its settings mean nothing, and none is named: what a hook that knew none of
 * them has written down must not differ.
 */
void settings_describe_inside(struct strbuf *output)
{
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
		describe(inside[i].path, output);
	settings_describe_link("all", output);
	if (!is_set("net/ipv6/conf/all/forwarding", "1"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(inside6); i++)
		describe(inside6[i].path, output);
	describe_of("all", of_link6, ARRAY_SIZE(of_link6), output);
}

void settings_describe_link(const char *link, struct strbuf *output)
{
	_cleanup_free_ char *disabled = text_format("net/ipv6/conf/%s/disable_ipv6", link);

	describe_of(link, of_link, ARRAY_SIZE(of_link), output);
	if (is_set(disabled, "0"))
		describe_of(link, of_link6, ARRAY_SIZE(of_link6), output);
}

/* The kernel takes the larger of the two values; 1 and 2 both drop what has no way back at all. */
void settings_describe_check(const char *link, struct strbuf *output)
{
	const char *const links[] = {"all", link};
	bool on = false;

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		_cleanup_free_ char *path = text_format("net/ipv4/conf/%s/rp_filter", links[i]);
		char value[64];

		if (sysctl_read(path, value, sizeof(value)) == 0 && !text_equal(value, "0"))
			on = true;
	}
	strbuf_addf(output, "reverse path check of %s: %s\n", link, on ? "on" : "off");
}
