/*
 * rtnetlink through libmnl: links, addresses, routes and routing rules of both families, as far as
 * the gateway needs them. See rtnetlink(7) and linux/rtnetlink.h.
 *
 * A socket belongs to the network namespace in which it was opened; everything done through it
 * happens there. All functions return 0, or -1 with EX_OSERR and the errno in *err.
 */
#ifndef BASE_NETLINK_H
#define BASE_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/parse.h"

struct mnl_socket;

struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
};

#define NETLINK_INIT \
	{            \
		0    \
	}
#define _cleanup_netlink_ _cleanup_(netlink_close)

MUST_CHECK int netlink_open(struct netlink *netlink, struct error *err);
void netlink_close(struct netlink *netlink);

/* Links. */

#define LINK_ALIAS_MAX 64
struct link {
	int index;
	char name[IFNAMSIZ];
	char alias[LINK_ALIAS_MAX]; /* "" when there is none, or a longer one */
	struct mac mac;
	bool up;
	bool carrier; /* a tap: some process holds it open */
};

/* All links; the array is the caller's to free(). */
MUST_CHECK int link_list(struct netlink *netlink, struct link **ret_links, size_t *ret_count,
			 struct error *err);

/* Finds one by name; *ret_link is untouched and *ret_found false when there is none. */
MUST_CHECK int link_find(struct netlink *netlink, const char *name, struct link *ret_link,
			 bool *ret_found, struct error *err);

/* The same for one that has to be there: EX_OSERR when it is not. */
MUST_CHECK int link_get(struct netlink *netlink, const char *name, struct link *ret_link,
			struct error *err);

/*
 * A veth pair, both ends down: @name here, @peer in the namespace of @peer_netns. The MAC addresses
 * are given at once, for udev gives one of its own choice to a link that has a random one.
 */
struct veth {
	const char *name, *peer;
	struct mac mac, peer_mac;
	int peer_netns;
};
MUST_CHECK int link_add_veth(struct netlink *netlink, const struct veth *veth, struct error *err);

/*
 * A link of @kind, down. *ret_known is false, and nothing done, where the kernel does not know that
 * kind, also not as a module.
 */
MUST_CHECK int link_add_kind(struct netlink *netlink, const char *name, const char *kind,
			     bool *ret_known, struct error *err);

/* A persistent tap in the calling thread's namespace, down. */
MUST_CHECK int link_add_tap(const char *name, struct error *err);

/* What to change; members that are NULL (up, mtu: 0, netns: -1) stay as they are. */
struct link_change {
	const char *alias;
	const struct mac *mac;
	uint32_t mtu;
	int up;	   /* 1 */
	int netns; /* descriptor of the namespace to move to */
};
MUST_CHECK int link_change(struct netlink *netlink, int index, const struct link_change *change,
			   struct error *err);

MUST_CHECK int link_delete(struct netlink *netlink, int index, struct error *err);

/* Addresses. */

struct link_address {
	int index;
	struct prefix prefix; /* the address with its prefix length */
};
/* An IPv6 address is usable at once, no duplicate is looked for; one of full length gets no route.
 */
MUST_CHECK int link_address_add(struct netlink *netlink, const struct link_address *address,
				struct error *err);
MUST_CHECK int link_address_list(struct netlink *netlink, struct link_address **ret_addresses,
				 size_t *ret_count, struct error *err);

MUST_CHECK int link_address_delete(struct netlink *netlink, const struct link_address *address,
				   struct error *err);

/* A neighbour that needs no ARP and cannot be replaced by it. */
MUST_CHECK int link_neighbour_add(struct netlink *netlink, int index, const struct address *address,
				  const struct mac *mac, struct error *err);

/* Routes. */

struct route {
	struct prefix destination;
	struct address gateway; /* family 0: none */
	struct address source;	/* preferred source; family 0: none */
	int index;		/* of the link; 0: none */
	uint32_t table;
	uint8_t type;	  /* RTN_… */
	uint8_t protocol; /* RTPROT_…: who made it */
	uint8_t scope;	  /* RT_SCOPE_… */
};
/* An existing one of the same destination and table is replaced. */
MUST_CHECK int route_add(struct netlink *netlink, const struct route *route, struct error *err);
MUST_CHECK int route_delete(struct netlink *netlink, const struct route *route, struct error *err);
MUST_CHECK int route_list(struct netlink *netlink, struct route **ret_routes, size_t *ret_count,
			  struct error *err);

/* Routing rules. */

struct rule {
	int family; /* AF_INET6; else IPv4 */
	uint32_t priority;
	uint32_t mark;		   /* with the full mask; 0: any */
	struct prefix source;	   /* length 0: any */
	bool invert;		   /* what does not match */
	struct prefix destination; /* length 0: any */
	uint8_t protocol;	   /* IPPROTO_…; 0: any */
	uint16_t source_port;	   /* with a protocol; 0: any */
	uint32_t table;
	uint32_t target;     /* FR_ACT_GOTO: the priority to go on with */
	uint8_t action;	     /* FR_ACT_… */
	uint8_t maker;	     /* RTPROT_…: who made it */
	int suppress_length; /* drop results of at most that prefix length; -1: none */
};
/* One that is there already is fine. A new one comes after those of its priority. */
MUST_CHECK int rule_add(struct netlink *netlink, const struct rule *rule, struct error *err);
/*
 * Adds it whatever is there: the kernel takes one with a source for the same as one without, when
 * the latter is added.
 */
MUST_CHECK int rule_add_always(struct netlink *netlink, const struct rule *rule, struct error *err);
/*
 * Deletes the first rule with this priority, mark, source, table and action (0: any). One that is
 * gone is fine.
 */
MUST_CHECK int rule_delete(struct netlink *netlink, const struct rule *rule, struct error *err);
MUST_CHECK int rule_list(struct netlink *netlink, struct rule **ret_rules, size_t *ret_count,
			 struct error *err);

/*
 * For the files of this module: a request that is acknowledged, one that is answered once before
 * that, and one that is answered by many.
 */
#define NETLINK_REQUEST_MAX 2048
struct nlmsghdr;
MUST_CHECK int netlink_request(struct netlink *netlink, struct nlmsghdr *message);
MUST_CHECK int netlink_ask(struct netlink *netlink, struct nlmsghdr *message,
			   int (*answer)(const struct nlmsghdr *message, void *data), void *data);
MUST_CHECK int netlink_dump(struct netlink *netlink, struct nlmsghdr *message,
			    int (*each)(const struct nlmsghdr *message, void *data), void *data);
/* An attribute that holds an address; one of another length is left alone. */
struct nlattr;
void netlink_read_address(const struct nlattr *attr, struct address *address);
void netlink_put_address(struct nlmsghdr *message, uint16_t type, const struct address *address);
/* Like mnl_attr_for_each(), which -Wconversion does not like. @size: of the header before them. */
#define NETLINK_FOR_EACH_ATTR(attr, message, size)                                       \
	for ((attr) = mnl_nlmsg_get_payload_offset(message, size);                       \
	     mnl_attr_ok(attr, (int)((const char *)mnl_nlmsg_get_payload_tail(message) - \
				     (const char *)(attr)));                             \
	     (attr) = mnl_attr_next(attr))

#endif
