/*
 * The three documents of the seed. Ours come first and the user's are added to them, so that what a
 * login needs is there before anything of theirs runs.
 * https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
#include "seed/seed.h"

#include <string.h>

#include "base/text.h"
#include "seed/emit.h"
#include "seed/embedded.h"
#include "seed/script.h"
#include "seed/user_data.h"

#define SHARE_SCRIPT "/usr/local/lib/migrant/shares"

/* The user's list @key, or NULL: absent or empty. */
static const struct node *user_list(const struct node *root, const char *key)
{
	const struct node *list = root ? node_find(root, key) : NULL;

	return list && list->kind == NODE_LIST ? list : NULL;
}

static void add_user_list(struct emit *emit, const struct node *root, const char *key)
{
	const struct node *list = user_list(root, key);

	for (size_t i = 0; list && i < list->count; i++)
		if (!user_data_is_default_user(list->items[i]))
			emit_node(emit, list->items[i]);
}

static void add_identity(struct emit *emit, const struct seed *seed)
{
	emit_pair(emit, "hostname", seed->hostname);
	emit_plain(emit, "preserve_hostname");
	emit_plain(emit, "false");
	emit_pair(emit, "manage_etc_hosts", "localhost");
}

static void add_users(struct emit *emit, const struct seed *seed, const struct node *root)
{
	emit_plain(emit, "users");
	emit_list(emit);
	emit_map(emit);
	emit_pair(emit, "name", seed->user);
	emit_pair(emit, "shell", "/bin/bash");
	emit_pair(emit, "sudo", "ALL=(ALL) NOPASSWD:ALL");
	emit_plain(emit, "lock_passwd");
	emit_plain(emit, "true");
	emit_plain(emit, "ssh_authorized_keys");
	emit_list(emit);
	emit_text(emit, seed->public_key);
	add_user_list(emit, root, "ssh_authorized_keys");
	emit_list_end(emit);
	emit_map_end(emit);
	add_user_list(emit, root, "users");
	emit_list_end(emit);
}

/* ssh_deletekeys takes away what a box may have brought; ours is written after that. */
static void add_ssh(struct emit *emit, const struct seed *seed)
{
	emit_plain(emit, "disable_root");
	emit_plain(emit, "true");
	emit_plain(emit, "ssh_pwauth");
	emit_plain(emit, "false");
	emit_plain(emit, "ssh_deletekeys");
	emit_plain(emit, "true");
	emit_plain(emit, "ssh_keys");
	emit_map(emit);
	emit_pair(emit, "ed25519_private", seed->host_key);
	emit_pair(emit, "ed25519_public", seed->host_key_public);
	emit_map_end(emit);
}

static void add_bootcmd(struct emit *emit, const struct seed *seed, const struct node *root)
{
	char gateway[ADDRESS_TEXT_MAX];
	_cleanup_free_ char *resolver =
		text_format("[ -L /etc/resolv.conf ] || echo 'nameserver %s' >/etc/resolv.conf",
			    address_format(&seed->wire.gateway, gateway));

	emit_plain(emit, "bootcmd");
	emit_list(emit);
	emit_text(emit, seed_bootcmd);
	emit_text(emit, resolver);
	add_user_list(emit, root, "bootcmd");
	emit_list_end(emit);
}

static void add_file(struct emit *emit, const char *path, const char *content)
{
	emit_map(emit);
	emit_pair(emit, "path", path);
	emit_pair(emit, "content", content);
	emit_map_end(emit);
}

static void add_files(struct emit *emit, const struct seed *seed, const struct node *root)
{
	_cleanup_free_ char *link = seed_link_file(&seed->wire);
	_cleanup_free_ char *script =
		seed_share_script(seed->shares, seed->share_count, seed->user);

	emit_plain(emit, "write_files");
	emit_list(emit);
	add_file(emit, "/usr/local/lib/migrant/ready", seed_ready);
	add_file(emit, "/etc/systemd/system/migrant-ready.service", seed_ready_service);
	add_file(emit, "/etc/systemd/network/10-migrant.link", link);
	if (seed->share_count)
		add_file(emit, SHARE_SCRIPT, script);
	add_user_list(emit, root, "write_files");
	emit_list_end(emit);
}

/* The shares come before whatever the user runs. `up` asks for them again, so none fails here. */
static void add_commands(struct emit *emit, const struct seed *seed, const struct node *root)
{
	emit_plain(emit, "runcmd");
	emit_list(emit);
	if (seed->share_count)
		emit_text(emit, "sh " SHARE_SCRIPT " || true");
	emit_text(emit, seed_start_ready);
	add_user_list(emit, root, "runcmd");
	emit_list_end(emit);
}

static void add_rest(struct emit *emit, const struct node *root)
{
	for (size_t i = 0; root && i < root->count; i++) {
		if (user_data_is_ours(root->keys[i]->text))
			continue;
		emit_node(emit, root->keys[i]);
		emit_node(emit, root->items[i]);
	}
}

int seed_user_data(const struct seed *seed, char **ret_text, struct error *err)
{
	const struct source source = {
		.file = seed->user_data_file,
		.text = seed->user_data,
		.length = seed->user_data ? strlen(seed->user_data) : 0,
	};
	_cleanup_node_ struct node *root = NULL;
	_cleanup_free_ char *document = NULL;
	struct emit emit;

	if (seed->user_data && user_data_parse(&source, seed->user, &root, err) < 0)
		return -1;
	emit_begin(&emit);
	emit_map(&emit);
	add_identity(&emit, seed);
	add_users(&emit, seed, root);
	add_ssh(&emit, seed);
	add_bootcmd(&emit, seed, root);
	add_files(&emit, seed, root);
	add_commands(&emit, seed, root);
	add_rest(&emit, root);
	emit_map_end(&emit);
	document = emit_end(&emit);
	*ret_text = text_format("#cloud-config\n%s", document);
	return 0;
}

char *seed_meta_data(const struct seed *seed)
{
	struct emit emit;

	emit_begin(&emit);
	emit_map(&emit);
	emit_pair(&emit, "instance-id", seed->instance_id);
	emit_pair(&emit, "local-hostname", seed->hostname);
	emit_map_end(&emit);
	return emit_end(&emit);
}

static void add_match(struct emit *emit, const struct wire *wire)
{
	char mac[MAC_TEXT_MAX];

	emit_plain(emit, "match");
	emit_map(emit);
	emit_pair(emit, "macaddress", mac_format(&wire->guest_mac, mac));
	emit_map_end(emit);
	emit_pair(emit, "set-name", "eth0");
}

static void add_route(struct emit *emit, const char *destination, const char *gateway)
{
	emit_map(emit);
	emit_pair(emit, "to", destination);
	emit_pair(emit, "via", gateway);
	emit_map_end(emit);
}

/*
 * IPv6 is always there, and works when the policy has it: that may change while the guest runs. It
 * is static, for a guest that waits for router advertisements waits long where there are none. Its
 * default route is two: cloud-init (22.4, as in Debian 12) makes ::/64 of ::/0.
 */
static void add_addresses(struct emit *emit, const struct wire *wire)
{
	const struct prefix guest = {wire->guest, wire->length};
	_cleanup_free_ char *guest6 = text_format(WIRE6_GUEST "/%d", WIRE6_LENGTH);
	char gateway[ADDRESS_TEXT_MAX], address[PREFIX_TEXT_MAX];

	address_format(&wire->gateway, gateway);
	emit_plain(emit, "addresses");
	emit_list(emit);
	emit_text(emit, prefix_format(&guest, address));
	emit_text(emit, guest6);
	emit_list_end(emit);
	emit_plain(emit, "routes");
	emit_list(emit);
	add_route(emit, "0.0.0.0/0", gateway);
	add_route(emit, "::/1", WIRE6_GATEWAY);
	add_route(emit, "8000::/1", WIRE6_GATEWAY);
	emit_list_end(emit);
	emit_plain(emit, "nameservers");
	emit_map(emit);
	emit_plain(emit, "addresses");
	emit_list(emit);
	emit_text(emit, gateway);
	emit_list_end(emit);
	emit_map_end(emit);
}

char *seed_network_config(const struct seed *seed)
{
	static const char *const off[] = {"dhcp4", "dhcp6", "accept-ra"};
	struct emit emit;

	emit_begin(&emit);
	emit_map(&emit);
	emit_plain(&emit, "version");
	emit_plain(&emit, "2");
	emit_plain(&emit, "ethernets");
	emit_map(&emit);
	emit_plain(&emit, "eth0");
	emit_map(&emit);
	add_match(&emit, &seed->wire);
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		emit_plain(&emit, off[i]);
		emit_plain(&emit, "false");
	}
	add_addresses(&emit, &seed->wire);
	emit_map_end(&emit);
	emit_map_end(&emit);
	emit_map_end(&emit);
	return emit_end(&emit);
}
