/*
 * What this kernel's nftables can do, found out by loading a tiny ruleset for every expression that
 * a gateway's policy is made of, in a network namespace that is thrown away; and whether a firewall
 * of the host's drops what it forwards.
 */
#include "command/host.h"

#include <nftables/libnftables.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"
#include "network/firewall.h"
#include "network/nft.h"

/* Exit statuses of the child that tries, besides 0: all work. */
#define TRY_NO_NAMESPACE 100
#define TRY_FIRST	 1 /* 1 + index of the first feature that is missing */

static const struct {
	const char *name;
	const char *ruleset;
} features[] = {
	{"inet tables", "add table inet t"},
	{"rules at a device's ingress",
	 "add table netdev n; add chain netdev n c { type filter hook ingress device lo priority "
	 "0; "
	 "policy drop; }; add rule netdev n c ether type { arp, ip } ip saddr 192.0.2.1 accept"},
	{"rules at a device's egress",
	 "add chain netdev n e { type filter hook egress device lo priority 0; policy drop; }"},
	{"matching ARP", "add chain netdev n a; add rule netdev n a arp operation request arp "
			 "saddr ip 192.0.2.1 accept"},
	{"sets of ranges",
	 "add set inet t s { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 }; }"},
	{"connection tracking",
	 "add chain inet t f { type filter hook forward priority 0; policy drop; }; "
	 "add rule inet t f ct direction reply ct state established,related accept"},
	{"counters", "add rule inet t f counter drop"},
	{"limits", "add rule inet t f limit rate over 10/second drop"},
	{"limits of connections", "add rule inet t f ct count over 10 drop"},
	{"logging", "add rule inet t f log prefix \"x\""},
	{"rejecting", "add rule inet t f reject with icmpx type admin-prohibited"},
	{"address types by routing (fib)",
	 "add chain inet t p { type filter hook prerouting priority 0; }; "
	 "add rule inet t p fib daddr type local drop"},
	{"routing by mark (fib)",
	 "add rule inet t f meta mark set 1 fib daddr . mark oif exists drop"},
	{"masquerading", "add chain inet t o { type nat hook postrouting priority 100; }; add rule "
			 "inet t o masquerade"},
	{"source NAT", "add rule inet t o ip saddr 192.0.2.1 snat ip to 192.0.2.2"},
	{"matching a process's user", "add chain inet t u { type filter hook output priority 0; }; "
				      "add rule inet t u meta skuid 0 accept"},
	{"destination NAT", "add chain inet t d { type nat hook prerouting priority -100; }; "
			    "add rule inet t d tcp dport 1 dnat ip to 192.0.2.1:2"},
};

static bool load(struct nft_ctx *nft, const char *ruleset)
{
	return nft_run_cmd_from_buffer(nft, ruleset) == 0;
}

static struct nft_ctx *new_context(void)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!nft)
		abort();
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	return nft;
}

/* In the child: its exit status. Who is not root tries as root of a user namespace of his own. */
static int try_features(void)
{
	struct nft_ctx *nft;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return TRY_NO_NAMESPACE;
	nft = new_context();
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (!load(nft, features[i].ruleset))
			return TRY_FIRST + (int)i;
	return 0;
}

void host_nftables_check(struct host_finding *found)
{
	int status = -1;
	int missing;
	pid_t pid;

	pid = fork();
	if (pid == 0)
		_exit(try_features());
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	missing = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : TRY_NO_NAMESPACE;
	if (missing == 0)
		return finding_set(found, HOST_OK, "all that a gateway's rules are made of works");
	if (missing == TRY_NO_NAMESPACE) {
		finding_set(found, geteuid() == 0 ? HOST_ERROR : HOST_WARNING,
			    "cannot be tried: no network namespace can be made");
	} else if ((size_t)missing <= ARRAY_SIZE(features)) {
		/* a namespace of a user's own cannot make the kernel load a module */
		finding_set(found, geteuid() == 0 ? HOST_ERROR : HOST_WARNING,
			    "the kernel lacks %s", features[missing - TRY_FIRST].name);
	} else {
		finding_set(found, HOST_ERROR, "libnftables ended with status %d", missing);
	}
	if (geteuid() != 0)
		finding_hint(found, "sudo migrant doctor tries it as root");
}

/* Takes the first line apart: what drops, and the rule that helps. */
static void found_block(struct host_finding *found, const char *lines)
{
	static const char label[] = "warning: ", middle[] = "; this lets it through: ";
	_cleanup_free_ char *line = text_dup_n(lines, strcspn(lines, "\n"));
	char *text = text_starts(line, label) ? line + strlen(label) : line;
	char *rule = strstr(text, middle);

	if (rule)
		*rule = '\0';
	finding_set(found, HOST_WARNING, "%s", text);
	if (rule)
		finding_hint(found, "sudo %s", rule + strlen(middle));
}

void host_forward_check(struct host_finding *found)
{
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *ruleset = NULL;

	if (geteuid() != 0) {
		finding_set(found, HOST_WARNING, "only root can see the host's firewall");
		return finding_hint(found, "sudo migrant doctor");
	}
	if (nft_list("ruleset", &ruleset, &err) < 0) {
		finding_from_error(found, &err);
		found->state = HOST_WARNING; /* rules of an old iptables cannot be listed */
		return;
	}
	firewall_blocks(ruleset, false, &lines);
	if (lines.length)
		return found_block(found, lines.text);
	finding_set(found, HOST_OK, "no firewall of the host drops what sandboxes send");
}
