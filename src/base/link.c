/*
 * Links and their addresses: veth pairs, taps, moves between namespaces.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/ioctl.h>

#include "base/netlink.h"
#include "base/text.h"

static struct ifinfomsg *begin(char *buffer, uint16_t type, uint16_t flags, int index,
			       struct nlmsghdr **ret_message)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	message->nlmsg_type = type;
	message->nlmsg_flags = flags;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = index;
	*ret_message = message;
	return info;
}

static void read_mac(const struct nlattr *attr, struct mac *mac)
{
	if (mnl_attr_get_payload_len(attr) == MAC_LENGTH)
		memcpy(mac->octet, mnl_attr_get_payload(attr), MAC_LENGTH);
}

/* Copies a string attribute that fits; a longer one counts as absent. */
static void read_text(const struct nlattr *attr, char *buffer, size_t size)
{
	size_t length = strnlen(mnl_attr_get_str(attr), mnl_attr_get_payload_len(attr));

	if (length >= size)
		return;
	memcpy(buffer, mnl_attr_get_str(attr), length);
	buffer[length] = '\0';
}

struct link_array {
	struct link *items;
	size_t count;
};

static int add_link(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct link_array *array = data;
	struct link link = {.index = info->ifi_index, .up = info->ifi_flags & IFF_UP};
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	NETLINK_FOR_EACH_ATTR(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			read_text(attr, link.name, sizeof(link.name));
			break;
		case IFLA_IFALIAS:
			read_text(attr, link.alias, sizeof(link.alias));
			break;
		case IFLA_ADDRESS:
			read_mac(attr, &link.mac);
			break;
		case IFLA_CARRIER:
			link.carrier = mnl_attr_get_u8(attr);
			break;
		default:
			break;
		}
	}
	array->items = xreallocarray(array->items, array->count + 1, sizeof(link));
	array->items[array->count++] = link;
	return MNL_CB_OK;
}

int link_list(struct netlink *netlink, struct link **ret_links, size_t *ret_count,
	      struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct link_array array = {0};
	struct nlmsghdr *message;

	begin(buffer, RTM_GETLINK, 0, 0, &message);
	if (netlink_dump(netlink, message, add_link, &array) < 0) {
		error_errno(err, EX_OSERR, "cannot list the network interfaces");
		free(array.items);
		return -1;
	}
	*ret_links = array.items;
	*ret_count = array.count;
	return 0;
}

/* Asked for by name: a host with many links is not listed for one. */
int link_find(struct netlink *netlink, const char *name, struct link *ret_link, bool *ret_found,
	      struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct link_array array = {0};
	struct nlmsghdr *message;
	int result;

	begin(buffer, RTM_GETLINK, 0, 0, &message);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	result = netlink_ask(netlink, message, add_link, &array);
	if (result < 0 && errno != ENODEV)
		error_errno(err, EX_OSERR, "cannot look for the link %s", name);
	else
		result = 0;
	*ret_found = array.count > 0;
	if (array.count)
		*ret_link = array.items[0];
	free(array.items);
	return result;
}

int link_get(struct netlink *netlink, const char *name, struct link *ret_link, struct error *err)
{
	bool found = false;

	if (link_find(netlink, name, ret_link, &found, err) < 0)
		return -1;
	if (!found)
		return error_set(err, EX_OSERR, "the link %s is not there", name);
	return 0;
}

int link_add_veth(struct netlink *netlink, const struct veth *veth, struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message;
	struct nlattr *info, *data, *other;

	begin(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, &message);
	mnl_attr_put_strz(message, IFLA_IFNAME, veth->name);
	mnl_attr_put(message, IFLA_ADDRESS, MAC_LENGTH, veth->mac.octet);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(message, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(message, IFLA_IFNAME, veth->peer);
	mnl_attr_put(message, IFLA_ADDRESS, MAC_LENGTH, veth->peer_mac.octet);
	mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns);
	mnl_attr_nest_end(message, other);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	if (netlink_request(netlink, message) < 0)
		return error_errno(err, EX_OSERR, "cannot make the link %s", veth->name);
	return 0;
}

int link_add_kind(struct netlink *netlink, const char *name, const char *kind, bool *ret_known,
		  struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message;
	struct nlattr *info;

	begin(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, &message);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(message, info);
	*ret_known = true;
	if (netlink_request(netlink, message) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return error_errno(err, EX_OSERR, "cannot make the link %s", name);
	*ret_known = false;
	return 0;
}

int link_add_tap(const char *name, struct error *err)
{
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)};

	if (fd < 0)
		return error_errno(err, EX_OSERR, "/dev/net/tun");
	if (strlen(name) >= sizeof(request.ifr_name))
		return error_set(err, EX_SOFTWARE, "%s is too long for a tap", name);
	memcpy(request.ifr_name, name, strlen(name) + 1);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return error_errno(err, EX_OSERR, "cannot make the tap %s", name);
	/* Without an owner anybody may attach to it (see tun_not_capable() in the kernel). */
	if (ioctl(fd, TUNSETOWNER, 0) < 0)
		return error_errno(err, EX_OSERR, "cannot own the tap %s", name);
	if (ioctl(fd, TUNSETPERSIST, 1) < 0)
		return error_errno(err, EX_OSERR, "cannot keep the tap %s", name);
	return 0;
}

int link_change(struct netlink *netlink, int index, const struct link_change *change,
		struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message;
	struct ifinfomsg *info = begin(buffer, RTM_NEWLINK, 0, index, &message);

	if (change->up) {
		info->ifi_flags = IFF_UP;
		info->ifi_change = IFF_UP;
	}
	if (change->alias)
		mnl_attr_put_strz(message, IFLA_IFALIAS, change->alias);
	if (change->mtu)
		mnl_attr_put_u32(message, IFLA_MTU, change->mtu);
	if (change->mac)
		mnl_attr_put(message, IFLA_ADDRESS, MAC_LENGTH, change->mac->octet);
	if (change->netns >= 0)
		mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)change->netns);
	if (netlink_request(netlink, message) < 0)
		return error_errno(err, EX_OSERR, "cannot change a network interface");
	return 0;
}

int link_delete(struct netlink *netlink, int index, struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message;

	begin(buffer, RTM_DELLINK, 0, index, &message);
	if (netlink_request(netlink, message) < 0 && errno != ENODEV)
		return error_errno(err, EX_OSERR, "cannot delete a network interface");
	return 0;
}

static struct nlmsghdr *address_message(char *buffer, const struct link_address *address,
					uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *info;

	message->nlmsg_type = type;
	message->nlmsg_flags = flags;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifa_family = (uint8_t)address->prefix.address.family;
	info->ifa_prefixlen = (uint8_t)address->prefix.length;
	info->ifa_index = (uint32_t)address->index;
	netlink_put_address(message, IFA_LOCAL, &address->prefix.address);
	netlink_put_address(message, IFA_ADDRESS, &address->prefix.address);
	return message;
}

int link_address_add(struct netlink *netlink, const struct link_address *address, struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message =
		address_message(buffer, address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	char text[PREFIX_TEXT_MAX];

	if (address->prefix.address.family == AF_INET6)
		mnl_attr_put_u32(message, IFA_FLAGS,
				 IFA_F_NODAD |
					 (address->prefix.length == 128 ? IFA_F_NOPREFIXROUTE : 0));
	if (netlink_request(netlink, message) < 0)
		return error_errno(err, EX_OSERR, "cannot add the address %s",
				   prefix_format(&address->prefix, text));
	return 0;
}

int link_address_delete(struct netlink *netlink, const struct link_address *address,
			struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message = address_message(buffer, address, RTM_DELADDR, 0);
	char text[PREFIX_TEXT_MAX];

	if (netlink_request(netlink, message) < 0 && errno != EADDRNOTAVAIL)
		return error_errno(err, EX_OSERR, "cannot delete the address %s",
				   prefix_format(&address->prefix, text));
	return 0;
}

int link_neighbour_add(struct netlink *netlink, int index, const struct address *address,
		       const struct mac *mac, struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *info;
	char text[ADDRESS_TEXT_MAX];

	message->nlmsg_type = RTM_NEWNEIGH;
	message->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ndm_family = (uint8_t)address->family;
	info->ndm_ifindex = index;
	info->ndm_state = NUD_PERMANENT;
	netlink_put_address(message, NDA_DST, address);
	mnl_attr_put(message, NDA_LLADDR, MAC_LENGTH, mac->octet);
	if (netlink_request(netlink, message) < 0)
		return error_errno(err, EX_OSERR, "cannot add the neighbour %s",
				   address_format(address, text));
	return 0;
}

struct address_array {
	struct link_address *items;
	size_t count;
};

static int add_address(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct address_array *array = data;
	struct link_address address = {.index = (int)info->ifa_index};
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWADDR)
		return MNL_CB_OK;
	address.prefix.length = info->ifa_prefixlen;
	NETLINK_FOR_EACH_ATTR(attr, message, sizeof(*info))
	{
		/* IPv6 has a local one only where that is not the address, on tunnels. */
		if (mnl_attr_get_type(attr) == IFA_LOCAL ||
		    (mnl_attr_get_type(attr) == IFA_ADDRESS && info->ifa_family == AF_INET6 &&
		     !address.prefix.address.family))
			netlink_read_address(attr, &address.prefix.address);
	}
	if (!address.prefix.address.family)
		return MNL_CB_OK;
	array->items = xreallocarray(array->items, array->count + 1, sizeof(address));
	array->items[array->count++] = address;
	return MNL_CB_OK;
}

int link_address_list(struct netlink *netlink, struct link_address **ret_addresses,
		      size_t *ret_count, struct error *err)
{
	char buffer[NETLINK_REQUEST_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct address_array array = {0};
	struct ifaddrmsg *info;

	message->nlmsg_type = RTM_GETADDR;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifa_family = AF_UNSPEC;
	if (netlink_dump(netlink, message, add_address, &array) < 0) {
		error_errno(err, EX_OSERR, "cannot list the addresses");
		free(array.items);
		return -1;
	}
	*ret_addresses = array.items;
	*ret_count = array.count;
	return 0;
}
