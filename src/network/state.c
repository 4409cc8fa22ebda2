/*
 * Noticing that a gateway is no longer what it was. What was made is written down as text when it
 * is complete, and compared line by line later: whatever differs is drift, also what nobody thought
 * of.
 */
#include <fcntl.h>
#include <linux/rtnetlink.h>

#include "base/file.h"
#include "base/netlink.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "network/cut.h"
#include "network/dnsmasq.h"
#include "network/gateway.h"
#include "network/host.h"
#include "network/netns.h"
#include "network/nft.h"
#include "network/rules.h"
#include "network/settings.h"
#include "network/ways.h"

#define STATE_FILE_MAX (4 * 1024 * 1024)

void drift_done(struct drift *drift)
{
	lines_done(&drift->isolation);
	lines_done(&drift->host);
	lines_done(&drift->services);
}

/* Describing a namespace: one line per link, address, route, setting. */

static const char *link_name(const struct link *links, size_t count, int index)
{
	for (size_t i = 0; i < count; i++)
		if (links[i].index == index)
			return links[i].name;
	return "-";
}

static void describe_link(const struct link *link, struct strbuf *output)
{
	char mac[MAC_TEXT_MAX];

	strbuf_addf(output, "link %s %s %s\n", link->name, mac_format(&link->mac, mac),
		    link->up ? "up" : "down");
}

static int describe_addresses(struct netlink *netlink, const struct link *links, size_t count,
			      struct strbuf *output, struct error *err)
{
	_cleanup_free_ struct link_address *addresses = NULL;
	size_t address_count = 0;
	char text[PREFIX_TEXT_MAX];

	if (link_address_list(netlink, &addresses, &address_count, err) < 0)
		return -1;
	for (size_t i = 0; i < address_count; i++)
		strbuf_addf(output, "address %s %s\n", link_name(links, count, addresses[i].index),
			    prefix_format(&addresses[i].prefix, text));
	return 0;
}

static int describe_routes(struct netlink *netlink, const struct link *links, size_t count,
			   struct strbuf *output, struct error *err)
{
	_cleanup_free_ struct route *routes = NULL;
	size_t route_count = 0;
	char destination[PREFIX_TEXT_MAX], gateway[ADDRESS_TEXT_MAX] = "-";
	char source[ADDRESS_TEXT_MAX] = "-";

	if (route_list(netlink, &routes, &route_count, err) < 0)
		return -1;
	for (size_t i = 0; i < route_count; i++) {
		const struct route *route = &routes[i];

		/* The kernel's own come and go with a link's state and say nothing new. */
		if (route->protocol == RTPROT_KERNEL)
			continue;
		strbuf_addf(output, "route %s via %s from %s dev %s type %u table %u\n",
			    prefix_format(&route->destination, destination),
			    route->gateway.family ? address_format(&route->gateway, gateway) : "-",
			    route->source.family ? address_format(&route->source, source) : "-",
			    link_name(links, count, route->index), route->type, route->table);
	}
	return 0;
}

static int describe_rules(struct netlink *netlink, struct strbuf *output, struct error *err)
{
	_cleanup_free_ struct rule *rules = NULL;
	size_t count = 0;

	if (rule_list(netlink, &rules, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const bool six = rules[i].family == AF_INET6;

		/* Every namespace has these, and an older hook did not write them down. */
		if (six && rules[i].maker == RTPROT_KERNEL)
			continue;
		strbuf_addf(output, "%s rule %u mark %x table %u action %u\n", six ? "ip -6" : "ip",
			    rules[i].priority, rules[i].mark, rules[i].table, rules[i].action);
	}
	return 0;
}

/* The listing, without the elements of sets that packets fill: those are no part of the rules. */
static void add_rules(const char *listing, struct strbuf *output)
{
	bool dynamic = false, skipping = false;

	while (*listing) {
		size_t length = strcspn(listing, "\n") + 1;
		_cleanup_free_ char *line = text_dup_n(listing, length);
		const char *text = line + strspn(line, "\t ");

		if (text_starts(text, "flags "))
			dynamic = strstr(text, "dynamic");
		skipping = skipping || (dynamic && text_starts(text, "elements = "));
		if (!skipping)
			strbuf_add_text(output, line);
		if (strchr(text, '}'))
			dynamic = skipping = false;
		listing += length - !listing[length - 1];
	}
}

/* What a cut adds only closes, and is told by itself. */
static void take_cut(char *listing)
{
	size_t length = 0;
	const char *found = cut_find(listing, &length);

	if (found)
		memmove(listing + (found - listing), found + length, strlen(found + length) + 1);
}

static int describe_inside(struct strbuf *output, struct error *err)
{
	_cleanup_netlink_ struct netlink netlink = NETLINK_INIT;
	_cleanup_free_ struct link *links = NULL;
	_cleanup_free_ char *rules = NULL;
	size_t count = 0;

	if (netlink_open(&netlink, err) < 0 || link_list(&netlink, &links, &count, err) < 0)
		return -1;
	settings_describe_inside(output);
	for (size_t i = 0; i < count; i++) {
		describe_link(&links[i], output);
		settings_describe_link(links[i].name, output);
	}
	if (describe_addresses(&netlink, links, count, output, err) < 0 ||
	    describe_routes(&netlink, links, count, output, err) < 0 ||
	    describe_rules(&netlink, output, err) < 0 || nft_list("ruleset", &rules, err) < 0)
		return -1;
	take_cut(rules);
	add_rules(rules, output);
	return 0;
}

/*
 * The host's ends, by their alias. Of their settings only what isolation stands on: systemd-sysctl
 * sets the others when udev tells it of a new link, to whatever the host's administrator likes.
 */
static int describe_outside(const char *alias, struct strbuf *output, struct error *err)
{
	_cleanup_netlink_ struct netlink netlink = NETLINK_INIT;
	_cleanup_free_ struct link *links = NULL;
	size_t count = 0;

	if (netlink_open(&netlink, err) < 0 || link_list(&netlink, &links, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (text_equal(links[i].alias, alias)) {
			describe_link(&links[i], output);
			settings_describe_check(links[i].name, output);
		}
	return 0;
}

static int describe_ways(const char *alias, struct strbuf *output, struct error *err)
{
	_cleanup_netlink_ struct netlink netlink = NETLINK_INIT;

	if (netlink_open(&netlink, err) < 0)
		return -1;
	return ways_describe(&netlink, alias, output, err);
}

static int open_namespace(const char *netns, int *ret_fd, struct error *err)
{
	if (netns_open(netns, ret_fd, err) < 0)
		return -1;
	if (*ret_fd < 0)
		return error_set(err, EX_NOINPUT, "the namespace %s is gone", netns);
	return 0;
}

static int describe(const char *netns, struct strbuf *inside, struct strbuf *outside,
		    struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_close_ int fd = -1;

	if (describe_outside(netns, outside, err) < 0 || open_namespace(netns, &fd, err) < 0 ||
	    netns_enter(&scope, fd, err) < 0)
		return -1;
	return describe_inside(inside, err);
}

int gateway_remember(const char *name, const char *directory, struct error *err)
{
	_cleanup_free_ char *netns = gateway_netns(name);
	_cleanup_free_ char *inside_file = text_format("%s/inside", directory);
	_cleanup_free_ char *outside_file = text_format("%s/outside", directory);
	_cleanup_free_ char *ways_file = text_format("%s/ways", directory);
	_cleanup_strbuf_ struct strbuf inside = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf outside = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf ways = STRBUF_INIT;

	if (describe(netns, &inside, &outside, err) < 0 || describe_ways(netns, &ways, err) < 0 ||
	    file_replace(AT_FDCWD, inside_file, strbuf_text(&inside), inside.length, 0600, err) <
		    0 ||
	    file_replace(AT_FDCWD, ways_file, strbuf_text(&ways), ways.length, 0600, err) < 0)
		return -1;
	return file_replace(AT_FDCWD, outside_file, strbuf_text(&outside), outside.length, 0600,
			    err);
}

/* Where the rules begin in the text `inside`: all that precedes them is links and settings. */
static size_t rules_start(const char *inside)
{
	const char *table = strstr(inside, "\ntable ");

	return table ? (size_t)(table - inside) + 1 : strlen(inside);
}

/* Comparing. */

/* Splits @text into its lines. */
static void split(const char *text, struct lines *lines)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		_cleanup_free_ char *line = text_dup_n(text, length);

		if (length)
			lines_add(lines, line);
		text += length + (text[length] == '\n');
	}
}

/* Takes one line equal to @line out of the list. */
static bool take_line(struct lines *lines, const char *line)
{
	for (size_t i = 0; i < lines->count; i++) {
		if (!text_equal(lines->items[i], line))
			continue;
		free(lines->items[i]);
		lines->items[i] = lines->items[--lines->count];
		return true;
	}
	return false;
}

static void add_difference(struct lines *drift, const char *what, const char *line)
{
	_cleanup_free_ char *text = text_format("%s: %s", what, line + strspn(line, "\t "));

	lines_add(drift, text);
}

static void compare(const char *wanted_text, const char *found_text, struct lines *drift)
{
	_cleanup_lines_ struct lines wanted = {0};
	_cleanup_lines_ struct lines found = {0};

	if (text_equal(wanted_text, found_text))
		return;
	split(wanted_text, &wanted);
	split(found_text, &found);
	for (size_t i = 0; i < wanted.count; i++)
		if (!take_line(&found, wanted.items[i]))
			add_difference(drift, "gone", wanted.items[i]);
	for (size_t i = 0; i < found.count; i++)
		add_difference(drift, "new", found.items[i]);
	/* The same lines in another order are other rules, but links come and go. */
	if (!drift->count && !text_equal(wanted_text + rules_start(wanted_text),
					 found_text + rules_start(found_text)))
		lines_add(drift, "the order of rules has changed");
}

/* Whether both have the same lines. */
static bool is_same(const char *a, const char *b)
{
	_cleanup_lines_ struct lines drift = {0};

	compare(a, b, &drift);
	return !drift.count;
}

int gateway_links_whole(const char *name, const char *directory, bool *ret_whole, struct error *err)
{
	_cleanup_free_ char *netns = gateway_netns(name);
	_cleanup_free_ char *inside_file = text_format("%s/inside", directory);
	_cleanup_free_ char *outside_file = text_format("%s/outside", directory);
	_cleanup_strbuf_ struct strbuf inside = STRBUF_INIT, outside = STRBUF_INIT;
	_cleanup_free_ char *inside_was = NULL;
	_cleanup_free_ char *outside_was = NULL;

	if (describe(netns, &inside, &outside, err) < 0 ||
	    file_read(AT_FDCWD, inside_file, STATE_FILE_MAX, &inside_was, NULL, err) < 0 ||
	    file_read(AT_FDCWD, outside_file, STATE_FILE_MAX, &outside_was, NULL, err) < 0)
		return -1;
	inside_was[rules_start(inside_was)] = '\0';
	strbuf_truncate(&inside, rules_start(strbuf_text(&inside)));
	*ret_whole = is_same(inside_was, strbuf_text(&inside)) &&
		     is_same(outside_was, strbuf_text(&outside));
	return 0;
}

int gateway_remember_rules(const char *name, const char *directory, struct error *err)
{
	_cleanup_free_ char *netns = gateway_netns(name);
	_cleanup_free_ char *file = text_format("%s/inside", directory);
	_cleanup_strbuf_ struct strbuf inside = STRBUF_INIT, outside = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *was = NULL;

	if (describe(netns, &inside, &outside, err) < 0 ||
	    file_read(AT_FDCWD, file, STATE_FILE_MAX, &was, NULL, err) < 0)
		return -1;
	strbuf_add(&text, was, rules_start(was));
	strbuf_add_text(&text, strbuf_text(&inside) + rules_start(strbuf_text(&inside)));
	return file_replace(AT_FDCWD, file, strbuf_text(&text), text.length, 0600, err);
}

static int compare_file(const char *directory, const char *name, const struct strbuf *found,
			struct lines *drift, struct error *err)
{
	_cleanup_free_ char *path = text_format("%s/%s", directory, name);
	_cleanup_free_ char *wanted = NULL;

	if (file_read(AT_FDCWD, path, STATE_FILE_MAX, &wanted, NULL, err) < 0)
		return -1;
	compare(wanted, strbuf_text(found), drift);
	return 0;
}

/* Not there: a guest of before, whose ways were not written down. */
static int verify_ways(const char *netns, const char *directory, struct lines *drift,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf found = STRBUF_INIT;
	_cleanup_lines_ struct lines lines = {0};

	if (describe_ways(netns, &found, err) < 0)
		return -1;
	if (compare_file(directory, "ways", &found, &lines, err) < 0) {
		if (err->code != EX_NOINPUT)
			return -1;
		error_done(err);
	}
	for (size_t i = 0; i < lines.count; i++) {
		_cleanup_free_ char *line = text_format("host: %s", lines.items[i]);

		lines_add(drift, line);
	}
	return 0;
}

static int verify_services(const char *netns, struct lines *drift, struct error *err)
{
	_cleanup_close_ int fd = -1;
	bool running = false;

	if (open_namespace(netns, &fd, err) < 0 || dnsmasq_is_running(fd, &running, err) < 0)
		return -1;
	if (!running)
		lines_add(drift, "dnsmasq is not running");
	return 0;
}

static void add_line(void *data, const char *line)
{
	lines_add(data, line);
}

static int verify_host(struct lines *drift, struct error *err)
{
	_cleanup_netlink_ struct netlink netlink = NETLINK_INIT;

	if (netlink_open(&netlink, err) < 0)
		return -1;
	return host_drift(&netlink, add_line, drift, err);
}

int gateway_verify(const char *name, const char *directory, struct drift *ret_drift,
		   struct error *err)
{
	_cleanup_free_ char *netns = gateway_netns(name);
	_cleanup_strbuf_ struct strbuf inside = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf outside = STRBUF_INIT;
	_cleanup_drift_ struct drift drift = {0};

	if (describe(netns, &inside, &outside, err) < 0) {
		if (err->code != EX_NOINPUT)
			return -1;
		lines_add(&drift.isolation, err->message);
		error_done(err);
	} else if (compare_file(directory, "inside", &inside, &drift.isolation, err) < 0 ||
		   compare_file(directory, "outside", &outside, &drift.isolation, err) < 0 ||
		   verify_ways(netns, directory, &drift.host, err) < 0 ||
		   verify_services(netns, &drift.services, err) < 0) {
		return -1;
	}
	if (verify_host(&drift.host, err) < 0)
		return -1;
	*ret_drift = drift;
	drift = (struct drift){0};
	return 0;
}

int gateway_repair_host(struct error *err)
{
	_cleanup_netlink_ struct netlink netlink = NETLINK_INIT;
	struct prefix wanted, pool;

	if (netlink_open(&netlink, err) < 0 || host_pool(&wanted, err) < 0)
		return -1;
	return host_ensure(&netlink, &wanted, &pool, err);
}

int gateway_repair(const char *name, const char *directory, struct error *err)
{
	_cleanup_netlink_ struct netlink netlink = NETLINK_INIT;
	_cleanup_free_ char *config = text_format("%s/dnsmasq.conf", directory);
	_cleanup_free_ char *netns = gateway_netns(name);
	_cleanup_close_ int fd = -1;
	bool running = false;

	if (gateway_repair_host(err) < 0 || open_namespace(netns, &fd, err) < 0 ||
	    netlink_open(&netlink, err) < 0 ||
	    ways_repair(&netlink, netns, fd, directory, err) < 0 ||
	    dnsmasq_is_running(fd, &running, err) < 0)
		return -1;
	return running ? 0 : dnsmasq_start(fd, config, err);
}

int gateway_rules(const char *name, char **ret_text, struct error *err)
{
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	_cleanup_free_ char *netns = gateway_netns(name);
	_cleanup_close_ int fd = -1;

	if (open_namespace(netns, &fd, err) < 0 || netns_enter(&scope, fd, err) < 0)
		return -1;
	return nft_list("ruleset", ret_text, err);
}
