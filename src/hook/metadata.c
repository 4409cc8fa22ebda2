/*
 * The <migrant:sandbox> element: everything that is known of a sandbox lies in the domain itself.
 *
 * Whoever may talk to libvirt may write what stands here, so the reader is the guard: it takes only
 * the elements and attributes of its tables, each at most once, with bounded lengths, and checks
 * every value with the same rules that the writer's side calls before it writes.
 */
#include "hook/protocol.h"

#include "base/text.h"
#include "hook/element.h"
#include "hook/metadata_network.h"
#include "hook/metadata_share.h"
#include "hook/metadata_tunnel.h"
#include "network/wire.h"

#define BAD	EX_DATAERR
#define TTL_MAX 31536000 /* seconds, as in the Migrantfile */

static bool is_printable(const char *text)
{
	size_t length = strlen(text);

	if (!length || length >= ELEMENT_TEXT_MAX || !text_is_utf8(text, length))
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool is_directory(const char *text)
{
	return text[0] == '/' && is_printable(text);
}

/* True when @text has at most @max characters, all of them letters, digits or from @others. */
static bool is_made_of(const char *text, size_t max, const char *others)
{
	size_t length = strlen(text);

	if (!length || length > max)
		return false;
	for (; *text; text++) {
		bool alnum = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			     (*text >= '0' && *text <= '9');

		if (!alnum && !strchr(others, *text))
			return false;
	}
	return true;
}

static bool is_version(const char *text)
{
	return is_made_of(text, 32, ".+~-");
}

static bool is_digest(const char *text)
{
	return strlen(text) == 64 && is_made_of(text, 64, "");
}

static bool is_user(const char *text)
{
	return text[0] != '-' && is_made_of(text, 32, "_-");
}

static bool is_host_key(const char *text)
{
	return text_starts(text, "ssh-ed25519 ") && is_made_of(text, 1024, " +/=@._-");
}

static bool is_accel(const char *text)
{
	return text_equal(text, "kvm") || text_equal(text, "tcg");
}

static const struct text_field {
	const char *element;
	size_t offset; /* of the char * in struct metadata */
	bool required;
	bool (*is_valid)(const char *text);
} text_fields[] = {
	{"name", offsetof(struct metadata, name), true, name_is_valid},
	{"uuid", offsetof(struct metadata, uuid), true, uuid_is_valid},
	{"directory", offsetof(struct metadata, directory), true, is_directory},
	{"program-version", offsetof(struct metadata, program_version), true, is_version},
	{"box", offsetof(struct metadata, box), false, is_printable},
	{"box-digest", offsetof(struct metadata, box_digest), false, is_digest},
	{"user", offsetof(struct metadata, user), false, is_user},
	{"host-key", offsetof(struct metadata, host_key), false, is_host_key},
	{"accel", offsetof(struct metadata, accel), false, is_accel},
};

static const char *field_value(const struct metadata *metadata, const struct text_field *field)
{
	return *(const char *const *)((const char *)metadata + field->offset);
}

static char **field_slot(struct metadata *metadata, const struct text_field *field)
{
	return (char **)((char *)metadata + field->offset);
}

/* The one before as well: an upgrade must not end what runs. */
static bool is_known_version(unsigned int version)
{
	return version == METADATA_VERSION || version == METADATA_VERSION - 1;
}

int metadata_validate(const struct metadata *metadata, struct error *err)
{
	if (!is_known_version(metadata->version))
		return error_set(err, BAD, "metadata: version %u is not known here",
				 metadata->version);
	if (metadata->ttl > TTL_MAX)
		return error_set(err, BAD, "metadata: ttl is too long");
	if (metadata->owner == (uid_t)-1)
		return error_set(err, BAD, "metadata: owner is no user");
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++) {
		const struct text_field *field = &text_fields[i];
		const char *value = field_value(metadata, field);

		if (!value && field->required)
			return error_set(err, BAD, "metadata: %s is missing", field->element);
		if (value && !field->is_valid(value))
			return error_set(err, BAD, "metadata: %s is not valid: %.64s",
					 field->element, value);
	}
	if (wire_validate(&metadata->wire, err) < 0 ||
	    policy_validate(&metadata->policy, err) < 0 ||
	    tunnel_validate(&metadata->tunnel, err) < 0 ||
	    share_validate(metadata->shares, metadata->share_count, err) < 0)
		return error_prefix(err, "metadata");
	if (metadata->policy.tunnel != tunnel_is_set(&metadata->tunnel))
		return error_set(err, BAD, "metadata: a policy for a tunnel needs one");
	return 0;
}

/* Writing. */

static void write_wire(const struct wire *wire, xmlTextWriterPtr writer)
{
	char text[ADDRESS_TEXT_MAX];
	char mac[MAC_TEXT_MAX];

	element_start(writer, "wire", NULL);
	element_write_attribute(writer, "mac", mac_format(&wire->guest_mac, mac));
	element_write_attribute(writer, "guest", address_format(&wire->guest, text));
	element_write_attribute(writer, "gateway", address_format(&wire->gateway, text));
	element_write_number(writer, "length", wire->length);
	element_end(writer);
}

void metadata_write(const struct metadata *metadata, xmlTextWriterPtr writer)
{
	_cleanup_free_ char *owner = text_format("%u", metadata->owner);
	_cleanup_free_ char *ttl = text_format("%u", metadata->ttl);

	element_start(writer, "sandbox", METADATA_URI);
	element_write_number(writer, "version", METADATA_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++) {
		const char *value = field_value(metadata, &text_fields[i]);

		if (value)
			element_write_text(writer, text_fields[i].element, value);
	}
	element_write_text(writer, "owner", owner);
	write_wire(&metadata->wire, writer);
	metadata_network_write(&metadata->policy, writer);
	metadata_write_tunnel(&metadata->tunnel, writer);
	for (size_t i = 0; i < metadata->share_count; i++)
		metadata_write_share(&metadata->shares[i], writer);
	if (metadata->ttl)
		element_write_text(writer, "ttl", ttl);
	if (metadata->booted)
		element_write_text(writer, "booted", "yes");
	element_end(writer);
}

/* Reading. */

const xmlNode *metadata_find(const xmlDoc *domain)
{
	const xmlNode *root = xmlDocGetRootElement(domain);
	const xmlNode *found = NULL;

	for (const xmlNode *part = root ? root->children : NULL; part; part = part->next) {
		if (part->type != XML_ELEMENT_NODE || part->ns ||
		    !text_equal(element_name(part), "metadata"))
			continue;
		for (const xmlNode *node = part->children; node; node = node->next) {
			if (!element_is_ours(node) || !text_equal(element_name(node), "sandbox"))
				continue;
			if (found)
				return NULL;
			found = node;
		}
	}
	return found;
}

const xmlNode *metadata_root(const xmlDoc *document)
{
	const xmlNode *root = xmlDocGetRootElement(document);

	return root && element_is_ours(root) && text_equal(element_name(root), "sandbox") ? root
											  : NULL;
}

static int read_wire(const xmlNode *node, struct wire *ret_wire, struct error *err)
{
	const char *mac = element_attribute(node, "mac");
	const char *guest = element_attribute(node, "guest");
	const char *gateway = element_attribute(node, "gateway");
	const char *length = element_attribute(node, "length");
	uint64_t bits = 0;

	if (element_expect_attributes(node, 4, err) < 0)
		return -1;
	if (node->children || !mac || !guest || !gateway || !length ||
	    parse_mac(mac, &ret_wire->guest_mac) < 0 ||
	    parse_address(guest, &ret_wire->guest) < 0 ||
	    parse_address(gateway, &ret_wire->gateway) < 0 ||
	    parse_number(length, 0, 32, &bits) < 0)
		return error_set(err, BAD, "metadata: wire is not valid");
	ret_wire->length = (unsigned int)bits;
	return 0;
}

static int read_owner(const xmlNode *node, struct metadata *metadata, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	uint64_t number;

	if (element_text(node, &text, err) < 0)
		return -1;
	if (parse_number(text, 0, (uid_t)-1 - UINT64_C(1), &number) < 0)
		return error_set(err, BAD, "metadata: owner is not valid: %.64s", text);
	metadata->owner = (uid_t)number;
	return 0;
}

static int read_ttl(const xmlNode *node, struct metadata *metadata, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	uint64_t number;

	if (element_text(node, &text, err) < 0)
		return -1;
	if (parse_number(text, 1, TTL_MAX, &number) < 0)
		return error_set(err, BAD, "metadata: ttl is not valid: %.64s", text);
	metadata->ttl = (uint32_t)number;
	return 0;
}

static int read_booted(const xmlNode *node, struct metadata *metadata, struct error *err)
{
	_cleanup_free_ char *text = NULL;

	if (element_text(node, &text, err) < 0)
		return -1;
	if (!text_equal(text, "yes"))
		return error_set(err, BAD, "metadata: booted is not valid");
	metadata->booted = true;
	return 0;
}

static int read_wire_element(const xmlNode *node, struct metadata *metadata, struct error *err)
{
	return read_wire(node, &metadata->wire, err);
}

static int read_policy_element(const xmlNode *node, struct metadata *metadata, struct error *err)
{
	return metadata_network_read(node, &metadata->policy, err);
}

static int read_tunnel_element(const xmlNode *node, struct metadata *metadata, struct error *err)
{
	return metadata_read_tunnel(node, &metadata->tunnel, err);
}

static int read_share_element(const xmlNode *node, struct metadata *metadata, struct error *err)
{
	if (metadata->share_count == SHARE_MAX)
		return error_set(err, BAD, "metadata: more than %d shares", SHARE_MAX);
	return metadata_read_share(node, &metadata->shares[metadata->share_count++], err);
}

/* The elements that are more than a text. */
static const struct {
	const char *element;
	unsigned int since; /* version of the metadata */
	bool required;
	bool many; /* may stand there more than once */
	int (*read)(const xmlNode *node, struct metadata *metadata, struct error *err);
} elements[] = {
	{"owner", 1, true, false, read_owner},
	{"wire", 1, true, false, read_wire_element},
	{"network", 1, true, false, read_policy_element},
	{"share", 2, false, true, read_share_element},
	{"tunnel", 3, false, false, read_tunnel_element},
	{"ttl", 3, false, false, read_ttl},
	{"booted", 1, false, false, read_booted},
};

/* Reads one child; *seen has one bit per entry of the elements table. */
static int read_child(const xmlNode *node, struct metadata *metadata, unsigned int *seen,
		      struct error *err)
{
	const char *name = element_name(node);

	if (!element_is_ours(node))
		return error_set(err, BAD, "metadata holds something foreign");
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++) {
		char **slot = field_slot(metadata, &text_fields[i]);

		if (!text_equal(name, text_fields[i].element))
			continue;
		if (*slot)
			return error_set(err, BAD, "metadata: %s stands there twice", name);
		if (element_expect_attributes(node, 0, err) < 0)
			return -1;
		return element_text(node, slot, err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(elements); i++) {
		if (!text_equal(name, elements[i].element) || elements[i].since > metadata->version)
			continue;
		if (*seen & 1U << i && !elements[i].many)
			return error_set(err, BAD, "metadata: %s stands there twice", name);
		*seen |= 1U << i;
		return elements[i].read(node, metadata, err);
	}
	return error_set(err, BAD, "metadata: %.64s is not known here", name);
}

static int read_all(const xmlNode *node, struct metadata *metadata, struct error *err)
{
	const char *version = element_attribute(node, "version");
	unsigned int seen = 0;
	uint64_t number;

	if (element_expect_attributes(node, 1, err) < 0)
		return -1;
	if (!version || parse_number(version, 1, 1000000, &number) < 0)
		return error_set(err, BAD, "metadata: no version");
	metadata->version = (unsigned int)number;
	if (!is_known_version(metadata->version))
		return metadata_validate(metadata, err);
	for (const xmlNode *child = node->children; child; child = child->next)
		if (!xmlIsBlankNode(child) && read_child(child, metadata, &seen, err) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
		if (elements[i].required && !(seen & 1U << i))
			return error_set(err, BAD, "metadata: %s is missing", elements[i].element);
	metadata->policy.tunnel = tunnel_is_set(&metadata->tunnel);
	return metadata_validate(metadata, err);
}

int metadata_read(const xmlNode *node, struct metadata *ret_metadata, struct error *err)
{
	_cleanup_metadata_ struct metadata metadata = {0};

	if (read_all(node, &metadata, err) < 0)
		return -1;
	*ret_metadata = metadata;
	metadata = (struct metadata){0};
	return 0;
}

void metadata_done(struct metadata *metadata)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++)
		free(*field_slot(metadata, &text_fields[i]));
	for (size_t i = 0; i < metadata->share_count; i++)
		share_done(&metadata->shares[i]);
	*metadata = (struct metadata){0};
}
