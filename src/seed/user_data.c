/*
 * What a user's cloud-init.yml may say. It has root in the guest anyway (runcmd), so nothing here
 * protects the guest from it: the point is that a file which would lock migrant out, or make
 * cloud-init run again later, is refused with its place instead of ending in a time-out of `up`.
 */
#include "seed/user_data.h"

#include <string.h>

#include "base/text.h"

/* Keys that are refused, and why. */
static const struct {
	const char *key;
	const char *reason;
} refused[] = {
	{"user", "the login user is the Migrantfile's `user`"},
	{"hostname", "the host name is the sandbox's name"},
	{"fqdn", "the host name is the sandbox's name"},
	{"preserve_hostname", "the host name is the sandbox's name"},
	{"create_hostname_file", "the host name is the sandbox's name"},
	{"prefer_fqdn_over_hostname", "the host name is the sandbox's name"},
	{"manage_etc_hosts", "the host name is the sandbox's name"},
	{"manage_resolv_conf", "the resolver is the gateway"},
	{"ssh_keys", "migrant knows this guest by the host key it made"},
	{"ssh_deletekeys", "migrant knows this guest by the host key it made"},
	{"ssh_genkeytypes", "migrant knows this guest by the host key it made"},
	{"ssh_pwauth", "the login is by key only"},
	{"password", "the login is by key only; set a password with runcmd if you need one"},
	{"chpasswd", "the login is by key only; set a password with runcmd if you need one"},
	{"disable_root", "the login is by key only, as the Migrantfile's `user`"},
	{"disable_root_opts", "the login is by key only, as the Migrantfile's `user`"},
	{"allow_public_ssh_keys", "migrant logs in with its key"},
	{"network", "the guest's address is fixed, see docs/network.md"},
	{"datasource", "the seed is cloud-init's only source"},
	{"datasource_list", "the seed is cloud-init's only source"},
	{"manual_cache_clean", "cloud-init runs at the first boot only"},
	{"system_info", "it is the box's business"},
	{"cloud_init_modules", "the seed needs the box's modules"},
	{"cloud_config_modules", "the seed needs the box's modules"},
	{"cloud_final_modules", "the seed needs the box's modules"},
	{"power_state", "migrant waits for the guest's first boot; use halt or reload after it"},
};

/* Lists into which ours are put first. */
static const char *const merged[] = {"users", "bootcmd", "write_files", "runcmd",
				     "ssh_authorized_keys"};

/* Files that the seed writes. */
static const char *const own_files[] = {"/usr/local/lib/migrant/",
					"/etc/systemd/system/migrant-ready.service",
					"/etc/systemd/network/10-migrant.link"};

static const char *reason_for(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (text_equal(refused[i].key, key))
			return refused[i].reason;
	return NULL;
}

static bool is_merged(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(merged); i++)
		if (text_equal(merged[i], key))
			return true;
	return false;
}

bool user_data_is_ours(const char *key)
{
	return reason_for(key) || is_merged(key);
}

bool user_data_is_default_user(const struct node *entry)
{
	return entry->kind == NODE_TEXT && text_equal(entry->text, "default");
}

/*
 * cloud-init chooses by the first line what the data is. Only #cloud-config can be merged; without
 * a first line of that kind the file is taken for it, since its name says so.
 * https://cloudinit.readthedocs.io/en/latest/explanation/format.html
 */
static int check_format(const struct source *source, struct error *err)
{
	static const char *const others[] = {
		"#!",
		"#include",
		"#cloud-boothook",
		"#part-handler",
		"#cloud-config-archive",
		"Content-Type:",
		"MIME-Version:",
		"## template:",
		"#upstart-job",
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (source->length >= strlen(others[i]) && text_starts(source->text, others[i]))
			return source_error(source, (struct position){1, 1}, err,
					    "only #cloud-config can be used here, not %s",
					    others[i]);
	return 0;
}

static int check_user(const struct source *source, const struct node *entry, const char *user,
		      struct error *err)
{
	const struct node *name = entry->kind == NODE_MAP ? node_find(entry, "name") : entry;

	if (entry->kind == NODE_LIST || !name || name->kind != NODE_TEXT)
		return source_error(source, entry->position, err,
				    "a user is a name or a mapping with a name");
	if (text_equal(name->text, user)) {
		source_error(source, name->position, err, "the user '%s' is made by migrant", user);
		return error_hint(err, "keys for it go into ssh_authorized_keys at the top level; "
				       "another login user into the Migrantfile's `user`");
	}
	return 0;
}

static int check_file(const struct source *source, const struct node *entry, struct error *err)
{
	const struct node *path = entry->kind == NODE_MAP ? node_find(entry, "path") : NULL;

	if (!path || path->kind != NODE_TEXT)
		return source_error(source, entry->position, err,
				    "an entry of write_files is a mapping with a path");
	for (size_t i = 0; i < ARRAY_SIZE(own_files); i++)
		if (text_starts(path->text, own_files[i]))
			return source_error(source, path->position, err, "%s is written by migrant",
					    own_files[i]);
	return 0;
}

static int check_list(const struct source *source, const char *key, const struct node *list,
		      const char *user, struct error *err)
{
	if (list->kind != NODE_LIST)
		return source_error(source, list->position, err, "%s is a list, not %s", key,
				    node_kind_text(list->kind));
	for (size_t i = 0; i < list->count; i++) {
		const struct node *entry = list->items[i];

		if (text_equal(key, "users") && check_user(source, entry, user, err) < 0)
			return -1;
		if (text_equal(key, "write_files") && check_file(source, entry, err) < 0)
			return -1;
		if (text_equal(key, "ssh_authorized_keys") && entry->kind != NODE_TEXT)
			return source_error(source, entry->position, err, "a key is a text");
	}
	return 0;
}

static int check_keys(const struct source *source, const struct node *root, const char *user,
		      struct error *err)
{
	for (size_t i = 0; i < root->count; i++) {
		const struct node *key = root->keys[i];
		const char *reason = reason_for(key->text);

		if (reason)
			return source_error(source, key->position, err, "%s cannot be set: %s",
					    key->text, reason);
		if (is_merged(key->text) && !node_is_null(root->items[i]) &&
		    check_list(source, key->text, root->items[i], user, err) < 0)
			return -1;
	}
	return 0;
}

int user_data_parse(const struct source *source, const char *user, struct node **ret_root,
		    struct error *err)
{
	_cleanup_node_ struct node *root = NULL;

	if (check_format(source, err) < 0 || node_parse(source, &root, err) < 0)
		return -1;
	if (root && root->kind != NODE_MAP)
		return source_error(source, root->position, err,
				    "this is %s, not cloud-init's mapping of keys",
				    node_kind_text(root->kind));
	if (root && check_keys(source, root, user, err) < 0)
		return -1;
	*ret_root = take_ptr(root);
	return 0;
}
