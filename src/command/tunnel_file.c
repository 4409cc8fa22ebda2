/*
 * The tunnel's file is the user's, holds a key, and decides where all that the guest sends goes: it
 * is read once, from a descriptor that was looked at, into memory that is wiped.
 */
#include "command/tunnel_file.h"

#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "base/text.h"
#include "command/policy_from_config.h"

/* Why others decide what stands in the file, or NULL. */
static const char *changed_by_others(const struct stat *status)
{
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return "belongs to another user";
	if (status->st_mode & S_IWOTH)
		return "can be changed by every user";
	if (status->st_mode & S_IWGRP && status->st_gid != 0 && status->st_gid != getegid())
		return "can be changed by another group";
	return NULL;
}

static bool is_read_by_others(const struct stat *status)
{
	return status->st_mode & S_IROTH ||
	       (status->st_mode & S_IRGRP && status->st_gid != 0 && status->st_gid != getegid());
}

static int check_status(const struct config *config, int fd, struct lines *notes, struct error *err)
{
	const char *file = config->wireguard;
	const char *why;
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_errno(err, EX_IOERR, "%s", file);
	if (!S_ISREG(status.st_mode))
		return error_set(err, EX_NOINPUT, "%s is not a regular file", file);
	why = changed_by_others(&status);
	if (why) {
		error_set(err, EX_NOPERM, "%s %s, and so would the way of the guest's packets",
			  file, why);
		return error_hint(err, "make it yours alone: chmod 600 %s", file);
	}
	if (notes && is_read_by_others(&status))
		lines_addf(notes, "others can read the private key in %s: chmod 600 %s", file,
			   file);
	return 0;
}

/* At most @room bytes; a file that has more than is allowed fills it and is refused by the parser.
 */
static int read_all(int fd, char *text, size_t room, size_t *ret_length)
{
	size_t length = 0;

	while (length < room) {
		ssize_t got = read(fd, text + length, room - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	*ret_length = length;
	return 0;
}

static int read_file(const struct config *config, int fd, struct wireguard *ret_wireguard,
		     struct error *err)
{
	const size_t room = WIREGUARD_FILE_MAX + 1;
	_cleanup_free_ char *text = xcalloc(room, 1);
	size_t length = 0;
	int result;

	if (read_all(fd, text, room, &length) < 0)
		result = error_errno(err, EX_IOERR, "%s", config->wireguard);
	else
		result = wireguard_parse(text, length, config->wireguard, ret_wireguard, err);
	explicit_bzero(text, room);
	return result;
}

int tunnel_file_load(const struct config *config, struct wireguard *ret_wireguard,
		     struct lines *notes, struct error *err)
{
	_cleanup_free_ char *path = config_path(config, config->wireguard);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return error_errno(err, errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s",
				   config->wireguard);
	if (check_status(config, fd, notes, err) < 0)
		return -1;
	return read_file(config, fd, ret_wireguard, err);
}

static size_t reachable_dns(const struct wireguard *wireguard)
{
	size_t count = 0;

	for (size_t i = 0; i < wireguard->dns_count; i++)
		count += wireguard_routes(wireguard, &wireguard->dns[i]);
	return count;
}

/* The Migrantfile's resolvers come first, and all of them have to be reached. */
static int check_dns(const struct config *config, const struct wireguard *wireguard,
		     struct error *err)
{
	const struct config_network *network = &config->network;
	char text[ADDRESS_TEXT_MAX];

	if (network->egress == EGRESS_NONE)
		return 0;
	for (size_t i = 0; i < network->dns_count; i++)
		if (!wireguard_routes(wireguard, &network->dns[i]))
			return config_error(config, config_position(config, "network.dns"), err,
					    "the tunnel does not lead to the resolver %s",
					    address_format(&network->dns[i], text));
	if (network->dns_count || reachable_dns(wireguard))
		return 0;
	error_set(err, EX_DATAERR,
		  wireguard->dns_count
			  ? "the tunnel leads to none of its resolvers (DNS, AllowedIPs)"
			  : "there is no DNS: whom should the guest's names be asked of?");
	error_hint(err, "name a resolver that is reached through the tunnel: DNS = there, or "
			"network: {dns: [ADDRESS]} in the Migrantfile");
	return error_place(err, "%s", config->wireguard);
}

/* Whom the gateway asks is reached through the tunnel: one address goes one way. */
static bool is_asked(const struct config_network *network, const struct wireguard *wireguard,
		     const struct address *address)
{
	for (size_t i = 0; i < network->dns_count; i++)
		if (address_equal(&network->dns[i], address))
			return true;
	for (size_t i = 0; !network->dns_count && i < wireguard->dns_count; i++)
		if (address_equal(&wireguard->dns[i], address))
			return true;
	return false;
}

static int check_grant(const struct config *config, const struct wireguard *wireguard,
		       const struct config_allow *allow, bool has_ipv6, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];

	if (allow->via_tunnel && !wireguard_routes(wireguard, &allow->address))
		return config_error(config, allow->position, err,
				    "the tunnel does not lead to %s (AllowedIPs)",
				    address_format(&allow->address, text));
	if (allow->kind != ALLOW_HOST && !allow->via_tunnel &&
	    is_asked(&config->network, wireguard, &allow->address))
		return config_error(config, allow->position, err,
				    "%s is asked for names through the tunnel, and cannot be "
				    "allowed outside of it",
				    address_format(&allow->address, text));
	if (allow->address.family != AF_INET6 || has_ipv6)
		return 0;
	config_error(config, allow->position, err,
		     "an IPv6 address, but the guest has no IPv6: the tunnel carries none");
	return error_hint(err, "'ipv6: nat' gives it IPv6 for what is allowed outside the tunnel");
}

int tunnel_file_check(const struct config *config, const struct wireguard *wireguard,
		      struct error *err)
{
	struct policy policy;

	policy_from_config(config, wireguard, &policy);
	for (size_t i = 0; i < config->network.allow_count; i++)
		if (check_grant(config, wireguard, &config->network.allow[i], policy.ipv6, err) < 0)
			return -1;
	return check_dns(config, wireguard, err);
}

int tunnel_file_valid(const struct config *config, struct error *err)
{
	_cleanup_wireguard_ struct wireguard wireguard = {0};

	if (!config->wireguard)
		return 0;
	if (tunnel_file_load(config, &wireguard, NULL, err) < 0)
		return -1;
	return tunnel_file_check(config, &wireguard, err);
}

static void note_unused(const struct wireguard_unused *unused, struct lines *notes)
{
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	const struct {
		bool stands;
		const char *name;
	} keys[] = {
		{unused->table, "Table"},
		{unused->fw_mark, "FwMark"},
		{unused->save_config, "SaveConfig"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].stands)
			strbuf_addf(&names, "%s%s", names.length ? ", " : "", keys[i].name);
	if (names.length)
		lines_addf(notes, "%s: without meaning in a sandbox, and not used", names.text);
	if (unused->search_domains)
		lines_add(notes, "search domains of DNS are not used: the guest writes full names");
}

/* Two addresses at opposite ends; who excludes his own networks from a tunnel keeps both. */
static bool carries_internet(const struct wireguard *wireguard)
{
	static const char *const far[] = {"1.1.1.1", "208.67.222.222"};

	for (size_t i = 0; i < ARRAY_SIZE(far); i++) {
		struct address address;

		if (parse_address(far[i], &address) < 0 || !wireguard_routes(wireguard, &address))
			return false;
	}
	return true;
}

void tunnel_file_notes(const struct config *config, const struct wireguard *wireguard,
		       struct lines *notes)
{
	char text[ADDRESS_TEXT_MAX];

	note_unused(&wireguard->unused, notes);
	for (size_t i = 0; i < wireguard->dns_count; i++)
		if (!wireguard_routes(wireguard, &wireguard->dns[i]))
			lines_addf(notes, "the tunnel does not lead to its resolver %s",
				   address_format(&wireguard->dns[i], text));
	if (config->network.egress == EGRESS_OPEN && !carries_internet(wireguard))
		lines_add(notes, "AllowedIPs leave out part of the Internet: the guest does not "
				 "reach that part");
	if (config->network.ipv6_nat && !wireguard_carries(wireguard, AF_INET6))
		lines_add(notes, "'ipv6: nat', but the tunnel carries no IPv6: none leaves by it");
}

void tunnel_facts(const struct wireguard *wireguard, uint32_t mtu, struct tunnel *ret_tunnel)
{
	struct tunnel tunnel = {.mtu = wireguard->mtu ? wireguard->mtu : mtu};

	static_assert(TUNNEL_IDENTITY_LENGTH == WIREGUARD_IDENTITY_LENGTH &&
			      TUNNEL_ADDRESS_MAX == WIREGUARD_ADDRESS_MAX &&
			      TUNNEL_DNS_MAX == WIREGUARD_DNS_MAX,
		      "what a file may hold fits the metadata");
	wireguard_identity(wireguard, tunnel.identity);
	for (size_t i = 0; i < wireguard->address_count; i++)
		tunnel.addresses[tunnel.address_count++] = wireguard->addresses[i];
	for (size_t i = 0; i < wireguard->dns_count; i++)
		if (wireguard_routes(wireguard, &wireguard->dns[i]))
			tunnel.dns[tunnel.dns_count++] = wireguard->dns[i];
	*ret_tunnel = tunnel;
}

int policy_wanted(const struct config *config, struct policy *ret_policy, struct error *err)
{
	_cleanup_wireguard_ struct wireguard wireguard = {0};

	if (config->wireguard && tunnel_file_load(config, &wireguard, NULL, err) < 0)
		return -1;
	policy_from_config(config, config->wireguard ? &wireguard : NULL, ret_policy);
	return 0;
}
