/*
 * Reading this table is reading what a Migrantfile can say. Nothing about a key is written down
 * twice: the defaults here are the text that the parser itself reads before the user's file.
 */
#include "config/keys.h"

#include <assert.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "config/config.h"
#include "config/grammar.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

/* In the order of the enums of config.h. */
static const char *const boot_choices[] = {"auto", "kernel", "bios", "uefi", NULL};
static const char *const accel_choices[] = {"auto", "kvm", "tcg", NULL};
static const char *const egress_choices[] = {"open", "none", "list", NULL};
static const char *const connect_choices[] = {"none", "ssh", "console", NULL};
static const char *const mode_choices[] = {"rw", "ro", NULL};
static const char *const as_choices[] = {"root", "user", NULL};
static const char *const ipv6_choices[] = {"off", "nat", NULL};
static_assert(BOOT_UEFI == 3 && ACCEL_TCG == 2 && EGRESS_LIST == 2 && CONNECT_CONSOLE == 2,
	      "the choices stand in the order of their enum");

#define AT(member)	 offsetof(struct config, member)
#define SHARE_AT(member) offsetof(struct config_share, member)
#define DO_AT(member)	 offsetof(struct config_provision, member)

/* clang-format off */
const struct config_key config_keys[KEY_COUNT] = {
	[KEY_NAME] = {"name", TYPE_TEXT, .offset = AT(name), .min = 1, .max = NAME_MAX_LENGTH,
		.is_valid = name_is_valid,
		.grammar = "lower-case letters and digits, '-' inside, at most 31 characters",
		.otherwise = "the directory's name, made to fit",
		.help = "name of the sandbox, unique on the host, and the guest's hostname"},
	[KEY_BOX] = {"box", TYPE_TEXT, .offset = AT(box), .min = 1, .max = 1024,
		.is_valid = box_reference_is_valid,
		.grammar = "a box's name or the path of a description (.yaml)",
		.fallback = "debian-12",
		.help = "the image the guest starts from; `migrant box list` shows the known ones"},
	[KEY_CPUS] = {"cpus", TYPE_NUMBER, .offset = AT(cpus), .min = 1, .max = 256,
		.fallback = "2",
		.help = "virtual CPUs"},
	[KEY_MEMORY] = {"memory", TYPE_SIZE, .offset = AT(memory), .min = 64 * MIB, .max = 16 * TIB,
		.fallback = "2G",
		.help = "the guest's memory"},
	[KEY_DISK] = {"disk", TYPE_SIZE, .offset = AT(disk), .min = 64 * MIB, .max = 64 * TIB,
		.fallback = "20G",
		.help = "size of the guest's disk; it takes room on the host only as it fills"},
	[KEY_USER] = {"user", TYPE_TEXT, .offset = AT(user), .min = 1, .max = 32,
		.is_valid = user_is_valid,
		.grammar = "a lower-case letter or '_', then letters, digits, '-' or '_', not a "
			"system user",
		.fallback = "migrant",
		.help = "login user made in the guest, with passwordless sudo there"},
	[KEY_BOOT] = {"boot", TYPE_CHOICE, .offset = AT(boot), .choices = boot_choices,
		.fallback = "auto",
		.help = "how the guest boots; auto takes the box's kernel if it has one"},
	[KEY_KERNEL] = {"kernel", TYPE_MAP, .otherwise = "the box's",
		.help = "another kernel than the box's"},
	[KEY_KERNEL_IMAGE] = {"kernel.image", TYPE_PATH, .offset = AT(kernel_image),
		.required = true,
		.otherwise = "required",
		.help = "the kernel (bzImage)"},
	[KEY_KERNEL_INITRD] = {"kernel.initrd", TYPE_PATH, .offset = AT(kernel_initrd),
		.otherwise = "none",
		.help = "its initial RAM disk"},
	[KEY_KERNEL_CMDLINE] = {"kernel.cmdline", TYPE_TEXT,
		.offset = AT(kernel_cmdline), .min = 1, .max = 2047,
		.is_valid = cmdline_is_valid,
		.grammar = "printable ASCII characters",
		.otherwise = "the box's",
		.help = "its command line"},
	[KEY_ACCEL] = {"accel", TYPE_CHOICE, .offset = AT(accel),
		.choices = accel_choices, .fallback = "auto",
		.help = "hardware virtualisation; auto tries KVM for real before it relies on it"},
	[KEY_NESTED] = {"nested", TYPE_BOOL, .offset = AT(nested), .fallback = "false",
		.help = "the guest may run guests of its own"},
	[KEY_TTL] = {"ttl", TYPE_DURATION, .offset = AT(ttl), .min = 60,
		.max = 31536000 /* a year */,
		.fallback = "none",
		.help = "the sandbox is halted after this time"},

	[KEY_SHARES] = {"shares", TYPE_MAPS, .max = 32, .otherwise = "none",
		.help = "folders that host and guest both see"},
	[KEY_SHARES_HOST] = {"shares.host", TYPE_PATH, .offset = SHARE_AT(host), .required = true,
		.otherwise = "required",
		.help = "folder inside the project's directory; holds neither the Migrantfile nor "
			"what it names"},
	[KEY_SHARES_GUEST] = {"shares.guest", TYPE_TEXT, .offset = SHARE_AT(guest),
		.min = 1, .max = 1023,
		.is_valid = guest_path_is_valid,
		.grammar = "an absolute path without '.' or '..', outside the system's own "
			"directories",
		.required = true, .otherwise = "required",
		.help = "where the guest sees it"},
	[KEY_SHARES_SIZE] = {"shares.size", TYPE_SIZE, .offset = SHARE_AT(size),
		.min = 16 * MIB, .max = 16 * TIB,
		.fallback = "10G",
		.help = "the most it can hold"},
	[KEY_SHARES_MODE] = {"shares.mode", TYPE_EITHER, .offset = SHARE_AT(read_only),
		.choices = mode_choices,
		.fallback = "rw",
		.help = "ro: the guest cannot write to it"},
	[KEY_SHARES_ISOLATE] = {"shares.isolate", TYPE_BOOL,
		.offset = SHARE_AT(isolate), .fallback = "true",
		.help = "false: a plain host directory without cap and protection, for trusted "
			"work only"},
	[KEY_SHARES_RESERVE] = {"shares.reserve", TYPE_BOOL,
		.offset = SHARE_AT(reserve), .fallback = "false",
		.help = "true: the whole size is taken from the host's disk at once"},

	[KEY_NETWORK] = {"network", TYPE_MAP, .otherwise = "as below",
		.help = "what the guest reaches"},
	[KEY_NETWORK_ISOLATE] = {"network.isolate", TYPE_BOOL,
		.offset = AT(network.isolate), .fallback = "true",
		.help = "false: private networks are reachable (never the host itself or another "
			"sandbox)"},
	[KEY_NETWORK_IPV6] = {"network.ipv6", TYPE_EITHER,
		.offset = AT(network.ipv6_nat), .choices = ipv6_choices,
		.fallback = "off",
		.help = "nat: IPv6 to the Internet through the gateway"},
	[KEY_NETWORK_EGRESS] = {"network.egress", TYPE_CHOICE, .offset = AT(network.egress),
		.choices = egress_choices, .fallback = "open", .unbuilt_from = EGRESS_LIST,
		.help = "open: the Internet; none: only what `allow` names; list: only `domains`"},
	[KEY_NETWORK_DOMAINS] = {"network.domains", TYPE_LIST, .max = 1024,
		.grammar = "domain names",
		.otherwise = "none", .unbuilt = true,
		.help = "with `egress: list`: names that are reachable, `.debian.org` for all "
			"below one"},
	[KEY_NETWORK_DNS] = {"network.dns", TYPE_LIST, .max = 8, .grammar = "addresses",
		.otherwise = "the host's",
		.help = "resolvers that the gateway asks for the guest"},
	[KEY_NETWORK_ALLOW] = {"network.allow", TYPE_LIST, .max = 256,
		.grammar = "rules, see below",
		.otherwise = "none",
		.help = "exceptions to the isolation"},
	[KEY_NETWORK_PORTS] = {"network.ports", TYPE_LIST, .max = 64,
		.grammar = "[ADDRESS:]HOST:GUEST",
		.otherwise = "none",
		.help = "ports of the guest shown on the host, on 127.0.0.1 unless an address is "
			"written"},
	[KEY_NETWORK_LIMITS] = {"network.limits", TYPE_MAP, .otherwise = "as below",
		.help = "caps on what the guest may cost the host"},
	[KEY_NETWORK_LIMITS_CONNECTIONS] = {"network.limits.connections", TYPE_NUMBER,
		.offset = AT(network.limit_connections), .min = 16, .max = 1048576,
		.fallback = "4096",
		.help = "connections open at once"},
	[KEY_NETWORK_LIMITS_NEW] = {"network.limits.new-per-second", TYPE_NUMBER,
		.offset = AT(network.limit_new_per_second), .min = 1, .max = 1000000,
		.fallback = "500",
		.help = "new connections per second"},
	[KEY_NETWORK_LIMITS_DNS] = {"network.limits.dns-per-second", TYPE_NUMBER,
		.offset = AT(network.limit_dns_per_second), .min = 1, .max = 100000,
		.fallback = "50",
		.help = "DNS queries per second"},

	[KEY_WIREGUARD] = {"wireguard", TYPE_PATH, .offset = AT(wireguard),
		.none = true,
		.otherwise = "`wireguard.conf` if it exists",
		.help = "WireGuard configuration: everything of the guest goes through this "
			"tunnel; none: no tunnel"},
	[KEY_CLOUD_INIT] = {"cloud-init", TYPE_PATH, .offset = AT(cloud_init), .none = true,
		.otherwise = "`cloud-init.yml` if it exists",
		.help = "your own cloud-init user-data, merged with ours; none: not even if the "
			"file exists"},
	[KEY_PROVISION] = {"provision", TYPE_MAPS, .max = 32,
		.otherwise = "`ansible: playbook.yml` if it exists",
		.help = "what configures the guest after its first boot, in order; [] for nothing"},
	[KEY_PROVISION_NAME] = {"provision.name", TYPE_TEXT, .offset = DO_AT(name),
		.min = 1, .max = 64, .is_valid = title_is_valid,
		.grammar = "letters, digits, blanks and any of ._-/",
		.otherwise = "its file, or its kind",
		.help = "how it is called in the output and for `migrant provision --with`"},
	[KEY_PROVISION_ANSIBLE] = {"provision.ansible", TYPE_PATH, .offset = DO_AT(file),
		.otherwise = "",
		.help = "a playbook"},
	[KEY_PROVISION_VARS] = {"provision.vars", TYPE_TREE, .offset = DO_AT(vars),
		.otherwise = "none",
		.help = "ansible: variables of the playbook, stronger than any other"},
	[KEY_PROVISION_TAGS] = {"provision.tags", TYPE_LIST, .max = 64,
		.grammar = "tags", .otherwise = "all",
		.help = "ansible: only tasks with one of these tags"},
	[KEY_PROVISION_REQUIREMENTS] = {"provision.requirements", TYPE_PATH,
		.offset = DO_AT(requirements), .otherwise = "none",
		.help = "ansible: roles and collections that ansible-galaxy fetches first"},
	[KEY_PROVISION_CONFIG] = {"provision.config", TYPE_PATH, .offset = DO_AT(settings),
		.otherwise = "none",
		.help = "ansible: an ansible.cfg, which is read only when it is named here"},
	[KEY_PROVISION_INPUTS] = {"provision.inputs", TYPE_LIST, .max = 64,
		.grammar = "paths", .otherwise = "none",
		.help = "further files and directories that the result depends on, for the layer "
			"that `up` keeps"},
	[KEY_PROVISION_SECRET] = {"provision.secret", TYPE_BOOL, .offset = DO_AT(secret),
		.fallback = "false",
		.help = "true: it gives the guest a secret, so no layer is kept"},
	[KEY_PROVISION_SHELL] = {"provision.shell", TYPE_MAP,
		.shorthand = KEY_PROVISION_SHELL_FILE, .otherwise = "",
		.help = "a script that runs in the guest"},
	[KEY_PROVISION_SHELL_FILE] = {"provision.shell.file", TYPE_PATH, .offset = DO_AT(file),
		.otherwise = "",
		.help = "the script; its first line names its interpreter, else it is sh"},
	[KEY_PROVISION_SHELL_INLINE] = {"provision.shell.inline", TYPE_TEXT,
		.offset = DO_AT(script), .min = 1, .max = 65536, .grammar = "a text",
		.otherwise = "",
		.help = "the script itself, instead of a file"},
	[KEY_PROVISION_SHELL_USER] = {"provision.shell.user", TYPE_EITHER,
		.offset = DO_AT(as_user), .choices = as_choices, .fallback = "root",
		.help = "user: it runs as the login user"},
	[KEY_PROVISION_FILE] = {"provision.file", TYPE_MAP, .otherwise = "",
		.help = "a file or directory that is copied into the guest"},
	[KEY_PROVISION_FILE_FROM] = {"provision.file.from", TYPE_PATH, .offset = DO_AT(file),
		.required = true, .otherwise = "required",
		.help = "on the host"},
	[KEY_PROVISION_FILE_TO] = {"provision.file.to", TYPE_TEXT, .offset = DO_AT(to),
		.min = 1, .max = 1023, .is_valid = target_is_valid,
		.grammar = "an absolute path without '.' or '..'",
		.required = true, .otherwise = "required",
		.help = "what it becomes in the guest; a directory that is there keeps what else "
			"it holds"},
	[KEY_PROVISION_FILE_MODE] = {"provision.file.mode", TYPE_TEXT, .offset = DO_AT(mode),
		.min = 3, .max = 4, .is_valid = mode_is_valid,
		.grammar = "an octal mode like 0644",
		.otherwise = "the file's own",
		.help = "its permissions in the guest; for a file, not a directory"},
	[KEY_PROVISION_FILE_USER] = {"provision.file.user", TYPE_EITHER,
		.offset = DO_AT(as_user), .choices = as_choices, .fallback = "root",
		.help = "user: it belongs to the login user"},
	[KEY_HOOKS] = {"hooks", TYPE_PATH, .offset = AT(hooks), .none = true,
		.otherwise = "none",
		.help = "directory with pre-up, post-up, pre-down, post-down, run on the host as "
			"you"},
	[KEY_CONNECT] = {"connect", TYPE_CHOICE, .offset = AT(connect), .choices = connect_choices,
		.fallback = "none",
		.help = "what `up` does once the guest is ready"},
	[KEY_TUNNEL] = {"tunnel", TYPE_LIST, .max = 64, .grammar = "ports", .otherwise = "none",
		.help = "guest ports that `migrant tunnel` forwards over SSH when none is named"},
};
/* clang-format on */

const char *key_name(const struct config_key *key)
{
	const char *dot = strrchr(key->path, '.');

	return dot ? dot + 1 : key->path;
}

bool key_is_child(enum config_key_id parent, enum config_key_id key)
{
	const char *path = config_keys[key].path;
	const char *above = parent == KEY_COUNT ? "" : config_keys[parent].path;
	size_t length = strlen(above);

	if (length) {
		if (strncmp(path, above, length) != 0 || path[length] != '.')
			return false;
		path += length + 1;
	}
	return !strchr(path, '.');
}

enum config_key_id key_find(enum config_key_id parent, const char *name)
{
	for (enum config_key_id key = 0; key < KEY_COUNT; key++)
		if (key_is_child(parent, key) && text_equal(key_name(&config_keys[key]), name))
			return key;
	return KEY_COUNT;
}

/* A word this long is no misspelt key; the bound also keeps the comparison cheap. */
#define GUESS_LENGTH_MAX 40

const char *key_guess(enum config_key_id parent, const char *name)
{
	const char *best = NULL;
	size_t best_distance = 3;

	if (strlen(name) > GUESS_LENGTH_MAX)
		return NULL;
	for (enum config_key_id key = 0; key < KEY_COUNT; key++) {
		const char *candidate = key_name(&config_keys[key]);
		size_t distance = text_distance(name, candidate);

		if (!key_is_child(parent, key) || distance >= best_distance ||
		    distance >= strlen(candidate))
			continue;
		best_distance = distance;
		best = config_keys[key].path;
	}
	for (enum config_key_id key = KEY_COUNT; !best && key-- > 0;)
		if (text_equal(key_name(&config_keys[key]), name))
			best = config_keys[key].path;
	return best;
}

void size_describe(uint64_t bytes, struct strbuf *out)
{
	static const char units[] = "TGMK";
	unsigned int shift = 40;

	for (const char *unit = units; *unit; unit++, shift -= 10) {
		if (bytes && bytes % (UINT64_C(1) << shift) == 0) {
			strbuf_addf(out, "%llu%c", (unsigned long long)(bytes >> shift), *unit);
			return;
		}
	}
	strbuf_addf(out, "%llu", (unsigned long long)bytes);
}

static void describe_choices(const struct config_key *key, struct strbuf *out)
{
	for (const char *const *choice = key->choices; *choice; choice++)
		strbuf_addf(out, "%s%s",
			    choice == key->choices ? ""
			    : choice[1]		   ? ", "
						   : " or ",
			    *choice);
}

void key_describe_type(const struct config_key *key, struct strbuf *out)
{
	switch (key->type) {
	case TYPE_MAP:
		strbuf_add_text(out, "a mapping");
		if (key->shorthand)
			strbuf_addf(out, ", or its `%s`", key_name(&config_keys[key->shorthand]));
		break;
	case TYPE_MAPS:
		strbuf_addf(out, "a list of at most %llu mappings", (unsigned long long)key->max);
		break;
	case TYPE_LIST:
		strbuf_addf(out, "a list of at most %llu %s", (unsigned long long)key->max,
			    key->grammar);
		break;
	case TYPE_TEXT:
		strbuf_add_text(out, key->grammar);
		break;
	case TYPE_PATH:
		strbuf_addf(out, "a path%s", key->none ? " or none" : "");
		break;
	case TYPE_NUMBER:
		strbuf_addf(out, "a number from %llu to %llu", (unsigned long long)key->min,
			    (unsigned long long)key->max);
		break;
	case TYPE_SIZE:
		strbuf_add_text(out, "a size from ");
		size_describe(key->min, out);
		strbuf_add_text(out, " to ");
		size_describe(key->max, out);
		break;
	case TYPE_DURATION:
		strbuf_add_text(out, "a time like 8h or 1h30m, or none");
		break;
	case TYPE_BOOL:
		strbuf_add_text(out, "true or false");
		break;
	case TYPE_CHOICE:
	case TYPE_EITHER:
		describe_choices(key, out);
		break;
	case TYPE_TREE:
		strbuf_add_text(out, "a mapping of any values");
		break;
	}
}

static void describe_built(const struct config_key *key, struct strbuf *out)
{
	if (key->unbuilt)
		strbuf_add_text(out, key->choices ? " (only the default is built yet)"
						  : " (not built yet)");
	for (size_t i = key->unbuilt_from; i && key->choices[i]; i++)
		strbuf_addf(out, " (`%s` is not built yet)", key->choices[i]);
}

void keys_reference(struct strbuf *out)
{
	strbuf_add_text(out, "| key | takes | default | what it does |\n|---|---|---|---|\n");
	for (enum config_key_id id = 0; id < KEY_COUNT; id++) {
		const struct config_key *key = &config_keys[id];

		strbuf_addf(out, "| `%s` | ", key->path);
		key_describe_type(key, out);
		if (key->fallback)
			strbuf_addf(out, " | `%s`", key->fallback);
		else
			strbuf_addf(out, " | %s", key->otherwise);
		strbuf_addf(out, " | %s", key->help);
		describe_built(key, out);
		strbuf_add_text(out, " |\n");
	}
}
