/*
 * What this kernel's nftables can do, found out by loading a tiny ruleset for every expression that
 * a gateway's policy is made of, in a network namespace that is thrown away; and whether a firewall
 * of the host's drops what it forwards.
 */
#include "command/host.h"

#include <json-c/json.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"

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

/* "FAMILY TABLE CHAIN" of the first chain that forwards nothing by default, or NULL. */
static char *dropping_chain(const char *json)
{
	struct json_object *document = json_tokener_parse(json);
	struct json_object *list = NULL;
	char *name = NULL;

	json_object_object_get_ex(document, "nftables", &list);
	for (size_t i = 0; !name && json_object_is_type(list, json_type_array) &&
			   i < json_object_array_length(list);
	     i++) {
		struct json_object *chain = NULL;
		const char *text[5] = {NULL};
		static const char *const keys[] = {"family", "table", "name", "hook", "policy"};

		json_object_object_get_ex(json_object_array_get_idx(list, i), "chain", &chain);
		for (size_t key = 0; key < ARRAY_SIZE(keys); key++) {
			struct json_object *value = NULL;

			json_object_object_get_ex(chain, keys[key], &value);
			text[key] = json_object_get_string(value);
		}
		if (text_equal(text[3], "forward") && text_equal(text[4], "drop"))
			name = text_format("%s %s %s", text[0], text[1], text[2]);
	}
	json_object_put(document);
	return name;
}

/* The rules that let the uplinks of sandboxes through; Docker keeps a chain for such rules. */
static void hint_at_rules(struct host_finding *found, const char *chain, const char *json)
{
	const char *iptables = strstr(json, "\"DOCKER-USER\"") ? "DOCKER-USER" : "FORWARD";

	if (text_equal(chain, "ip filter FORWARD"))
		return finding_hint(found,
				    "sudo iptables -I %s -i mgu+ -j ACCEPT; "
				    "sudo iptables -I %s -o mgu+ -j ACCEPT",
				    iptables, iptables);
	finding_hint(found, "let it accept what comes from and goes to the interfaces mgu*");
}

void host_forward_check(struct host_finding *found)
{
	_cleanup_free_ char *chain = NULL;
	const char *json = "";
	struct nft_ctx *nft;

	if (geteuid() != 0) {
		finding_set(found, HOST_WARNING, "only root can see the host's firewall");
		return finding_hint(found, "sudo migrant doctor");
	}
	nft = new_context();
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_TERSE);
	if (load(nft, "list chains"))
		json = nft_ctx_get_output_buffer(nft);
	chain = dropping_chain(json);
	if (!chain) {
		finding_set(found, HOST_OK,
			    "no firewall of the host drops forwarded packets by default");
	} else {
		finding_set(found, HOST_WARNING,
			    "the host's firewall (%s) drops what it does not know: "
			    "guests may reach nothing",
			    chain);
		hint_at_rules(found, chain, json);
	}
	nft_ctx_free(nft);
}
