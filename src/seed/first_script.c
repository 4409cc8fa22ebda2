/*
 * cloud-init's Python is most of a first boot under emulation, and without a cloud-init.yml it does
 * nothing that a short script does not do. So the seed is both: an ISO image for cloud-init, and in
 * that image's system area, which ISO 9660 leaves to others (ECMA-119 §6.2.1), the script. A box
 * that looks there (boxes/debian-12/) runs it instead of cloud-init; all other boxes never see it.
 */
#include "seed/embedded.h"
#include "seed/script.h"
#include "seed/seed.h"

/* systemd.network(5), the same as seed_network_config() says. */
static char *network_file(const struct wire *wire)
{
	const struct prefix guest = {wire->guest, wire->length};
	char address[PREFIX_TEXT_MAX], gateway[ADDRESS_TEXT_MAX], mac[MAC_TEXT_MAX];

	address_format(&wire->gateway, gateway);
	return text_format("[Match]\n"
			   "MACAddress=%s\n"
			   "\n"
			   "[Network]\n"
			   "DHCP=no\n"
			   "IPv6AcceptRA=no\n"
			   "DNS=%s\n"
			   "Address=%s\n"
			   "Address=" WIRE6_GUEST "/%d\n"
			   "Gateway=%s\n"
			   "Gateway=" WIRE6_GATEWAY "\n",
			   mac_format(&wire->guest_mac, mac), gateway,
			   prefix_format(&guest, address), WIRE6_LENGTH, gateway);
}

char *seed_first_script(const struct seed *seed)
{
	_cleanup_free_ char *network = network_file(&seed->wire);
	_cleanup_free_ char *link = seed_link_file(&seed->wire);
	char resolver[ADDRESS_TEXT_MAX];
	struct strbuf out = STRBUF_INIT;

	strbuf_add_text(&out, SEED_FIRST_MARK "\n");
	script_set(&out, "name", seed->hostname);
	script_set(&out, "user", seed->user);
	script_set(&out, "public_key", seed->public_key);
	script_set(&out, "host_key", seed->host_key);
	script_set(&out, "host_key_public", seed->host_key_public);
	script_set(&out, "resolver", address_format(&seed->wire.gateway, resolver));
	script_set(&out, "network", network);
	script_set(&out, "link", link);
	script_set(&out, "ready", seed_ready);
	script_set(&out, "ready_service", seed_ready_service);
	strbuf_add_text(&out, seed_first);
	return strbuf_take(&out);
}
