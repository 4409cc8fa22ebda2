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

int settings_apply_link(const char *link, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(of_link); i++) {
		_cleanup_free_ char *path = link_path(&of_link[i], link);

		if (settings_apply(path, of_link[i].value, err) < 0)
			return -1;
	}
	return 0;
}

static void describe(const char *path, struct strbuf *output)
{
	char value[64];

	if (sysctl_read(path, value, sizeof(value)) == 0)
		strbuf_addf(output, "sysctl %s %s\n", path, value);
}

void settings_describe_inside(struct strbuf *output)
{
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
		describe(inside[i].path, output);
	settings_describe_link("all", output);
}

void settings_describe_link(const char *link, struct strbuf *output)
{
	for (size_t i = 0; i < ARRAY_SIZE(of_link); i++) {
		_cleanup_free_ char *path = link_path(&of_link[i], link);

		describe(path, output);
	}
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
