/*
 * dnsmasq for one guest. It answers on the tap alone, keeps no file, and reads nothing of the host
 * but the list of resolvers.
 */
#include "network/dnsmasq.h"

#include <fcntl.h>
#include <pwd.h>

#include "base/file.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "network/netns.h"
#include "network/rules.h"
#include "base/proc.h"
#include "network/wire.h"

#define CMDLINE_MAX 65536
#define PROGRAM	    "dnsmasq"

static const char fixed[] = "# Made by migrant-hook for one sandbox.\n"
			    "no-hosts\n"
			    "bind-dynamic\n"
			    "domain-needed\n"
			    "bogus-priv\n"
			    "cache-size=1000\n"
			    "dns-forward-max=150\n"
			    "edns-packet-max=1232\n"
			    /* By MAC alone: a rebuilt guest has another client id and must not wait
			       for an old lease. */
			    "dhcp-authoritative\n"
			    "dhcp-ignore=tag:!known\n"
			    "dhcp-lease-max=4\n"
			    "leasefile-ro\n"
			    "no-ping\n"
			    "quiet-dhcp\n";

/* Whether the built-in list of private ranges, which knows no exception, may stay in force. */
static bool may_drop_private(const struct policy *policy)
{
	for (size_t i = 0; i < policy->grant_count; i++)
		if (policy->grants[i].kind == GRANT_LAN)
			return false;
	return policy->isolate;
}

/*
 * The ranges as the filter has them. Answers with IPv6 addresses are left out as a whole where the
 * guest has no IPv6, and a name that has both kinds must not look as if it had none.
 */
static void add_closed(const struct dnsmasq *dnsmasq, struct strbuf *text)
{
	char prefix[PREFIX_TEXT_MAX];

	if (may_drop_private(dnsmasq->policy))
		strbuf_add_text(text, "stop-dns-rebind\n");
	for (size_t i = 0; i < dnsmasq->closed->count; i++)
		if (dnsmasq->policy->ipv6 || dnsmasq->closed->items[i].address.family == AF_INET)
			strbuf_addf(text, "bogus-nxdomain=%s\n",
				    prefix_format(&dnsmasq->closed->items[i], prefix));
}

/* Nobody to ask with `egress: none`: every question is refused here. */
static void add_upstream(const struct dnsmasq *dnsmasq, struct strbuf *text)
{
	const struct policy *policy = dnsmasq->policy;
	bool ask = policy->egress == POLICY_EGRESS_OPEN;
	struct address resolvers[RULES_RESOLVERS_MAX];
	size_t count = rules_resolvers(policy, dnsmasq->tunnel, resolvers);
	char dns[ADDRESS_TEXT_MAX];

	for (size_t i = 0; ask && i < count; i++)
		strbuf_addf(text, "server=%s\n", address_format(&resolvers[i], dns));
	if (ask && !count && !policy->tunnel)
		strbuf_addf(text, "resolv-file=%s\n", dnsmasq->resolv_file);
	else
		strbuf_add_text(text, "no-resolv\n");
}

char *dnsmasq_config(const struct dnsmasq *dnsmasq)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char guest[ADDRESS_TEXT_MAX], mac[MAC_TEXT_MAX];

	strbuf_add_text(&text, fixed);
	address_format(&dnsmasq->wire->guest, guest);
	strbuf_addf(&text, "interface=%s\nuser=%s\n", dnsmasq->link, dnsmasq->user);
	strbuf_addf(&text, "dhcp-range=%s,static\n", guest);
	strbuf_addf(&text, "dhcp-host=%s,id:*,%s,infinite\n",
		    mac_format(&dnsmasq->wire->guest_mac, mac), guest);
	if (!dnsmasq->policy->ipv6)
		strbuf_add_text(&text, "filter-AAAA\n");
	add_closed(dnsmasq, &text);
	add_upstream(dnsmasq, &text);
	return strbuf_take(&text);
}

int dnsmasq_user(const char **ret_user, uid_t *ret_uid, struct error *err)
{
	static const char *const names[] = {"dnsmasq", "nobody"};

	/* Read as a file: NSS would load whatever the host has configured into a root process. */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");
		const struct passwd *entry;

		if (!file)
			return error_errno(err, EX_OSERR, "/etc/passwd");
		while ((entry = fgetpwent(file))) {
			if (!text_equal(entry->pw_name, names[i]) || !entry->pw_uid)
				continue;
			*ret_user = names[i];
			*ret_uid = entry->pw_uid;
			return 0;
		}
	}
	return error_set(err, EX_OSERR, "there is no user for dnsmasq to run as");
}

int dnsmasq_start(int netns, const char *config_file, struct error *err)
{
	_cleanup_free_ char *option = text_format("--conf-file=%s", config_file);
	const char *const argv[] = {PROGRAM, option, "--pid-file=", NULL};
	_cleanup_netns_ struct netns_scope scope = NETNS_SCOPE_INIT;
	struct process process = PROCESS_INIT;

	process.argv = argv;
	process.timeout = 20;
	process.directory = "/";
	if (netns_enter(&scope, netns, err) < 0)
		return -1;
	if (process_run(&process, err) == 0)
		return 0;
	if (err->code == EX_UNAVAILABLE)
		error_hint(err, "install dnsmasq (Debian and Ubuntu: dnsmasq-base)");
	return -1;
}

/* True when "--conf-file=@config_file" is one of the process's arguments. */
static bool has_config(pid_t pid, const char *config_file)
{
	_cleanup_free_ char *path = text_format("/proc/%d/cmdline", (int)pid);
	_cleanup_free_ char *option = text_format("--conf-file=%s", config_file);
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *arguments = NULL;
	size_t length = 0;

	if (file_read(AT_FDCWD, path, CMDLINE_MAX, &arguments, &length, &err) < 0)
		return false;
	for (size_t at = 0; at < length; at += strlen(arguments + at) + 1)
		if (text_equal(arguments + at, option))
			return true;
	return false;
}

static bool is_dnsmasq_with(pid_t pid, const void *config_file)
{
	return proc_is_program(pid, PROGRAM) && has_config(pid, config_file);
}

int dnsmasq_stop(const char *config_file, struct error *err)
{
	_cleanup_pids_ struct pids pids = {0};

	if (proc_find(is_dnsmasq_with, config_file, &pids, err) < 0)
		return -1;
	pids_end(&pids);
	return 0;
}

int dnsmasq_is_running(int netns, bool *ret_running, struct error *err)
{
	_cleanup_pids_ struct pids pids = {0};

	if (netns_processes(netns, &pids, err) < 0)
		return -1;
	*ret_running = false;
	for (size_t i = 0; i < pids.count; i++)
		*ret_running = *ret_running || proc_is_program(pids.items[i], PROGRAM);
	return 0;
}
