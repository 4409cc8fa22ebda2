/*
 * The rules that look at more than one value of a Migrantfile. Those about shares keep what the
 * guest can write apart from what the host reads or runs: a playbook inside a share would let the
 * guest run code on the host.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/grammar.h"
#include "config/keys.h"
#include "config/reader.h"

/* Refuses @path (as written), which the host reads or runs, inside or below the share. */
static int check_not_shared(const struct config *config, const struct config_share *share,
			    const char *path, const char *what, struct error *err)
{
	_cleanup_free_ char *absolute = config_path(config, path);
	const char *inside = absolute;
	const char *reason;
	_cleanup_free_ char *clean = NULL;

	if (text_starts(absolute, config->directory) && absolute[strlen(config->directory)] == '/')
		inside = absolute + strlen(config->directory) + 1;
	clean = inner_path(inside, &reason);
	if (!clean || !paths_overlap(share->host, clean))
		return 0;
	return config_error(config, share->host_position, err, "the share '%s' would hold %s, '%s'",
			    share->host, what, path);
}

void host_files_done(struct host_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->items[i].path);
	free(files->items);
	*files = (struct host_files){0};
}

static void add_file(struct host_files *files, const char *path, const char *what)
{
	if (!path)
		return;
	files->items = xreallocarray(files->items, files->count + 1, sizeof(*files->items));
	files->items[files->count++] = (struct host_file){text_dup(path), what};
}

/*
 * What Ansible looks for beside a playbook and runs on the host, or fills in there: a template and
 * a variable may call a lookup, and that any program.
 */
static void add_playbook(struct host_files *files, const char *playbook)
{
	static const char *const beside[] = {
		"roles",
		"collections",
		"group_vars",
		"host_vars",
		"vars",
		"tasks",
		"handlers",
		"templates",
		"library",
		"module_utils",
		"action_plugins",
		"become_plugins",
		"cache_plugins",
		"callback_plugins",
		"cliconf_plugins",
		"connection_plugins",
		"filter_plugins",
		"httpapi_plugins",
		"inventory_plugins",
		"lookup_plugins",
		"netconf_plugins",
		"shell_plugins",
		"strategy_plugins",
		"terminal_plugins",
		"test_plugins",
		"vars_plugins",
	};
	const char *slash = strrchr(playbook, '/');
	const int length = slash ? (int)(slash - playbook) + 1 : 0;

	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		_cleanup_free_ char *path = text_format("%.*s%s", length, playbook, beside[i]);

		add_file(files, path, "what Ansible takes from beside a playbook");
	}
}

void host_files(const struct config *config, struct host_files *ret_files)
{
	const struct {
		const char *path, *what;
	} fixed[] = {
		{"Migrantfile", "the Migrantfile"},
		{"hooks", "the lifecycle hooks"},
		{config->hooks, "the lifecycle hooks"},
		{"wireguard.conf", "the tunnel's configuration"},
		{config->wireguard, "the tunnel's configuration"},
		{"cloud-init.yml", "the guest's first configuration"},
		{config->cloud_init, "the guest's first configuration"},
		{config->kernel_image, "the kernel"},
		{config->kernel_initrd, "the initial RAM disk"},
		{"playbook.yml", "a playbook"},
		{box_reference_is_path(config->box) ? config->box : NULL, "the box's description"},
	};

	*ret_files = (struct host_files){0};
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		add_file(ret_files, fixed[i].path, fixed[i].what);
	for (size_t i = 0; i < config->provision_count; i++) {
		const struct config_provision *provision = &config->provision[i];

		add_file(ret_files, provision->file, "a provisioner");
		add_file(ret_files, provision->requirements, "a provisioner's requirements");
		add_file(ret_files, provision->settings, "Ansible's configuration");
		if (provision->kind == PROVISION_ANSIBLE)
			add_playbook(ret_files, provision->file);
	}
}

static int check_share_contents(const struct config *config, const struct config_share *share,
				struct error *err)
{
	_cleanup_host_files_ struct host_files files = {0};

	host_files(config, &files);
	for (size_t i = 0; i < files.count; i++)
		if (check_not_shared(config, share, files.items[i].path, files.items[i].what, err) <
		    0)
			return -1;
	if (!path_is_obeyed(share->host))
		return 0;
	return config_error(
		config, share->host_position, err,
		"tools of the host obey what lies in '%s', and the guest would write it",
		share->host);
}

static int check_share_home(const struct config *config, const struct config_share *share,
			    struct error *err)
{
	_cleanup_free_ char *home = text_format("/home/%s", config->user);
	_cleanup_free_ char *ssh = text_format("%s/.ssh", home);

	if (!text_equal(share->guest, home) && !paths_overlap(share->guest, ssh))
		return 0;
	config_error(config, share->guest_position, err,
		     "a share here would hide the user's SSH keys in the guest");
	return error_hint(err, "%s/workspace, say", home);
}

static int check_share_pair(const struct config *config, const struct config_share *first,
			    const struct config_share *second, struct error *err)
{
	if (paths_overlap(first->host, second->host))
		return config_error(config, second->host_position, err,
				    "the share '%s' overlaps '%s' in line %u", second->host,
				    first->host, first->host_position.line);
	if (paths_overlap(first->guest, second->guest))
		return config_error(config, second->guest_position, err,
				    "'%s' overlaps '%s' in line %u", second->guest, first->guest,
				    first->guest_position.line);
	return 0;
}

/* What a plain directory cannot have must not look as if it had. */
static int check_plain(const struct config *config, const struct config_share *share,
		       struct error *err)
{
	if (share->isolate || !share->reserve)
		return 0;
	config_error(config, share->position, err,
		     "'reserve: true', but with 'isolate: false' there is no image to reserve for");
	return error_hint(err, "take one of the two out");
}

static int check_shares(const struct config *config, struct error *err)
{
	for (size_t i = 0; i < config->share_count; i++) {
		const struct config_share *share = &config->shares[i];

		if (check_share_contents(config, share, err) < 0 ||
		    check_share_home(config, share, err) < 0 || check_plain(config, share, err) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (check_share_pair(config, &config->shares[j], share, err) < 0)
				return -1;
	}
	return 0;
}

/* True when both claim the same port of the gateway, or one allows what the other does. */
static bool allow_collides(const struct config_allow *a, const struct config_allow *b)
{
	bool same_port = a->protocol == b->protocol && a->port == b->port;
	bool any_port = a->protocol == PROTOCOL_ANY || b->protocol == PROTOCOL_ANY;

	if ((a->kind == ALLOW_LAN) != (b->kind == ALLOW_LAN))
		return false;
	if (a->kind != ALLOW_LAN)
		return same_port;
	return address_equal(&a->address, &b->address) && (same_port || any_port);
}

/* Why both cannot be, or NULL. With a tunnel a route leads to an address, whatever the port. */
static const char *allow_quarrels(const struct config_allow *a, const struct config_allow *b)
{
	if (allow_collides(a, b))
		return "claims the same as the rule";
	if (a->kind != ALLOW_HOST && b->kind != ALLOW_HOST && a->via_tunnel != b->via_tunnel &&
	    address_equal(&a->address, &b->address))
		return "leads to the same address by another way than the rule";
	return NULL;
}

static int check_allow(const struct config *config, struct error *err)
{
	const struct config_network *network = &config->network;

	for (size_t i = 0; i < network->allow_count; i++) {
		const struct config_allow *allow = &network->allow[i];

		for (size_t j = 0; j < i; j++) {
			const char *why = allow_quarrels(&network->allow[j], allow);

			if (why)
				return config_error(config, allow->position, err, "%s in line %u",
						    why, network->allow[j].position.line);
		}
	}
	return 0;
}

static bool bind_collides(const struct config_port *a, const struct config_port *b)
{
	return a->host == b->host && address_binds_collide(&a->bind, &b->bind);
}

static int check_ports(const struct config *config, struct error *err)
{
	const struct config_network *network = &config->network;

	for (size_t i = 0; i < network->port_count; i++)
		for (size_t j = 0; j < i; j++)
			if (bind_collides(&network->ports[j], &network->ports[i]))
				return config_error(config, network->ports[i].position, err,
						    "port %u of the host is taken by line %u",
						    network->ports[i].host,
						    network->ports[j].position.line);
	return 0;
}

static int check_egress(const struct config *config, struct error *err)
{
	struct position domains = config->positions[KEY_NETWORK_DOMAINS];

	if (config->network.egress != EGRESS_LIST && domains.line) {
		config_error(config, domains, err,
			     "'network.domains' means nothing without a list");
		return error_hint(err, "write 'egress: list', or take the domains out");
	}
	if (config->network.egress == EGRESS_LIST && !domains.line) {
		config_error(config, config->positions[KEY_NETWORK_EGRESS], err,
			     "'egress: list' needs 'network.domains'");
		return error_hint(err, "'domains: []' denies every name");
	}
	return 0;
}

static int check_boot(const struct config *config, struct error *err)
{
	if (config->kernel_image && config->boot != BOOT_AUTO && config->boot != BOOT_KERNEL)
		return config_error(config, config->positions[KEY_BOOT], err,
				    "a kernel is given in line %u, which '%s' does not use",
				    config->positions[KEY_KERNEL].line,
				    config_keys[KEY_BOOT].choices[config->boot]);
	return 0;
}

/* A tunnel may bring IPv6, when nothing is said about it; which one does is seen in its file. */
static bool may_have_ipv6(const struct config *config)
{
	return config->network.ipv6_nat ||
	       (config->wireguard && !config->positions[KEY_NETWORK_IPV6].line);
}

static int check_ipv6(const struct config *config, struct error *err)
{
	const struct config_network *network = &config->network;
	static const char hint[] = "'ipv6: nat' gives it IPv6";

	if (may_have_ipv6(config))
		return 0;
	for (size_t i = 0; i < network->allow_count; i++) {
		if (network->allow[i].address.family != AF_INET6)
			continue;
		config_error(config, network->allow[i].position, err,
			     "an IPv6 address, but the guest has no IPv6");
		return error_hint(err, hint);
	}
	for (size_t i = 0; i < network->dns_count; i++) {
		if (network->dns[i].family != AF_INET6)
			continue;
		config_error(config, config->positions[KEY_NETWORK_DNS], err,
			     "an IPv6 resolver, but the gateway has no IPv6");
		return error_hint(err, hint);
	}
	return 0;
}

int config_check_tunnel(const struct config *config, struct error *err)
{
	for (size_t i = 0; i < config->network.allow_count; i++)
		if (config->network.allow[i].via_tunnel && !config->wireguard)
			return config_error(config, config->network.allow[i].position, err,
					    "'via tunnel', but there is no tunnel ('wireguard')");
	return check_ipv6(config, err);
}

int config_check(const struct config *config, struct error *err)
{
	if (check_boot(config, err) < 0 || check_shares(config, err) < 0 ||
	    check_allow(config, err) < 0 || check_ports(config, err) < 0 ||
	    check_egress(config, err) < 0)
		return -1;
	/* Without a word about it the tunnel depends on a file: config_load() asks then. */
	return config->positions[KEY_WIREGUARD].line ? config_check_tunnel(config, err) : 0;
}
