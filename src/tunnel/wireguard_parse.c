/*
 * The lines and sections of a wg-quick file.
 *
 * What wg-quick and wg would do with a line is known for every key of theirs; everything else is
 * refused, and so is whatever they would execute. Errors name the line and never show any of it:
 * what stands there may be a key, also where the writer did not mean to put one.
 */
#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "tunnel/wireguard_values.h"

#define BAD EX_DATAERR

enum section {
	SECTION_NONE,
	SECTION_INTERFACE,
	SECTION_PEER,
};

struct key {
	const char *name;
	enum section section;
	enum {
		OPTIONAL,
		REQUIRED,
		MANY, /* may stand there more than once */
	} times;
	const char *(*read)(struct slice value, struct wireguard *wireguard);
};

/* What wg-quick(8) and wg(8) know. */
static const struct key keys[] = {
	{"PrivateKey", SECTION_INTERFACE, REQUIRED, value_private_key},
	{"Address", SECTION_INTERFACE, MANY, value_addresses},
	{"DNS", SECTION_INTERFACE, MANY, value_dns},
	{"MTU", SECTION_INTERFACE, OPTIONAL, value_mtu},
	{"ListenPort", SECTION_INTERFACE, OPTIONAL, value_listen_port},
	{"FwMark", SECTION_INTERFACE, OPTIONAL, value_fw_mark},
	{"Table", SECTION_INTERFACE, OPTIONAL, value_table},
	{"SaveConfig", SECTION_INTERFACE, OPTIONAL, value_save_config},
	{"PreUp", SECTION_INTERFACE, MANY, value_command},
	{"PostUp", SECTION_INTERFACE, MANY, value_command},
	{"PreDown", SECTION_INTERFACE, MANY, value_command},
	{"PostDown", SECTION_INTERFACE, MANY, value_command},
	{"PublicKey", SECTION_PEER, REQUIRED, value_public_key},
	{"PresharedKey", SECTION_PEER, OPTIONAL, value_preshared_key},
	{"AllowedIPs", SECTION_PEER, MANY, value_allowed},
	{"Endpoint", SECTION_PEER, OPTIONAL, value_endpoint},
	{"PersistentKeepalive", SECTION_PEER, OPTIONAL, value_keepalive},
};

struct reading {
	const char *name; /* of the file */
	size_t line;
	enum section section;
	bool had_interface;
	size_t section_line;
	unsigned int seen; /* in this section; a bit for each of keys */
	struct wireguard *wireguard;
};

static int fail_at(const struct reading *reading, size_t line, struct error *err)
{
	return error_place(err, "%s:%zu", reading->name, line);
}

#define KEY_NAME_MAX 31

/* A copy in lower case; "" when it is too long for any name. */
static char *lower(struct slice name, char copy[KEY_NAME_MAX + 1])
{
	memset(copy, 0, KEY_NAME_MAX + 1);
	for (size_t i = 0; name.length <= KEY_NAME_MAX && i < name.length; i++)
		copy[i] = (char)tolower((unsigned char)name.at[i]);
	return copy;
}

/* A key of ours that has a name so like it that it was meant, or NULL. */
static const char *near_miss(struct slice name)
{
	char given[KEY_NAME_MAX + 1], known[KEY_NAME_MAX + 1];
	const char *best = NULL;

	lower(name, given);
	for (size_t i = 0; i < ARRAY_SIZE(keys) && !best; i++) {
		size_t length = strlen(keys[i].name);

		lower((struct slice){keys[i].name, length}, known);
		if (text_distance(given, known) <= (length > 4 ? 2 : 1))
			best = keys[i].name;
	}
	explicit_bzero(given, sizeof(given));
	return best;
}

static int unknown_key(const struct reading *reading, struct slice name, struct error *err)
{
	const char *meant = near_miss(name);

	error_set(err, BAD, "this key is not one of wg-quick's");
	if (meant)
		error_hint(err, "did you mean %s?", meant);
	return fail_at(reading, reading->line, err);
}

static int wrong_section(const struct reading *reading, const struct key *key, struct error *err)
{
	error_set(err, BAD, "%s belongs below %s", key->name,
		  key->section == SECTION_PEER ? "[Peer]" : "[Interface]");
	return fail_at(reading, reading->line, err);
}

static int read_value(struct reading *reading, size_t index, struct slice value, struct error *err)
{
	const struct key *key = &keys[index];
	const char *bad;

	if (key->section != reading->section)
		return wrong_section(reading, key, err);
	if (key->times != MANY && reading->seen & 1U << index) {
		error_set(err, BAD, "%s stands twice in this section", key->name);
		return fail_at(reading, reading->line, err);
	}
	reading->seen |= 1U << index;
	bad = key->read(value, reading->wireguard);
	if (!bad)
		return 0;
	error_set(err, BAD, "%s: %s", key->name, bad);
	return fail_at(reading, reading->line, err);
}

/* Judges a section once it is known to be over. */
static int end_section(const struct reading *reading, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].section != reading->section || keys[i].times != REQUIRED ||
		    reading->seen & 1U << i)
			continue;
		error_set(err, BAD, "this section has no %s", keys[i].name);
		return fail_at(reading, reading->section_line, err);
	}
	return 0;
}

static int begin_section(struct reading *reading, struct slice line, struct error *err)
{
	bool is_peer = slice_is(line, "[Peer]");

	if (end_section(reading, err) < 0)
		return -1;
	if (!is_peer && !slice_is(line, "[Interface]")) {
		error_set(err, BAD, "a section is [Interface] or [Peer]");
		return fail_at(reading, reading->line, err);
	}
	if (!is_peer && reading->had_interface) {
		error_set(err, BAD, "[Interface] stands there twice");
		return fail_at(reading, reading->line, err);
	}
	if (is_peer && reading->wireguard->peer_count == WIREGUARD_PEER_MAX) {
		error_set(err, BAD, "more than %d peers", WIREGUARD_PEER_MAX);
		return fail_at(reading, reading->line, err);
	}
	reading->wireguard->peer_count += is_peer;
	reading->had_interface |= !is_peer;
	reading->section = is_peer ? SECTION_PEER : SECTION_INTERFACE;
	reading->section_line = reading->line;
	reading->seen = 0;
	return 0;
}

static int read_line(struct reading *reading, struct slice line, struct error *err)
{
	struct slice name;
	bool has_value;

	line = slice_trim(slice_split(&line, '#'));
	if (!line.length)
		return 0;
	if (line.at[0] == '[')
		return begin_section(reading, line, err);
	has_value = memchr(line.at, '=', line.length) != NULL;
	name = slice_trim(slice_split(&line, '='));
	if (!has_value) {
		error_set(err, BAD, "a line is KEY = VALUE");
		return fail_at(reading, reading->line, err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (slice_is(name, keys[i].name))
			return read_value(reading, i, slice_trim(line), err);
	return unknown_key(reading, name, err);
}

/* What is wrong with the whole although each line is right; NULL: nothing. */
static const char *judge(const struct reading *reading)
{
	const struct wireguard *wireguard = reading->wireguard;
	bool has_endpoint = false;

	for (size_t i = 0; i < wireguard->peer_count; i++)
		has_endpoint |= wireguard->peers[i].endpoint.port != 0;
	if (!reading->had_interface)
		return "there is no [Interface]";
	if (!wireguard->address_count)
		return "[Interface] has no Address";
	if (!wireguard->peer_count)
		return "there is no [Peer]";
	if (!has_endpoint && !wireguard->listen_port)
		return "no [Peer] has an Endpoint, and there is no ListenPort to be found at";
	if (!wireguard_carries(wireguard, AF_INET) && !wireguard_carries(wireguard, AF_INET6))
		return "no Address and AllowedIPs are of the same family: the tunnel carries "
		       "nothing";
	if (wireguard->mtu && wireguard->mtu < WIREGUARD_MTU_MIN_IPV6 &&
	    wireguard_carries(wireguard, AF_INET6))
		return "MTU is below 1280, with which there is no IPv6";
	return NULL;
}

static int read_lines(struct reading *reading, struct slice rest, struct error *err)
{
	const char *bad;

	while (rest.length) {
		reading->line++;
		if (read_line(reading, slice_split(&rest, '\n'), err) < 0)
			return -1;
	}
	if (end_section(reading, err) < 0)
		return -1;
	bad = judge(reading);
	if (!bad)
		return 0;
	error_set(err, BAD, "%s", bad);
	return error_place(err, "%s", reading->name);
}

int wireguard_parse(const char *text, size_t length, const char *name,
		    struct wireguard *ret_wireguard, struct error *err)
{
	static const char bom[] = "\xef\xbb\xbf";
	_cleanup_wireguard_ struct wireguard wireguard = {0};
	struct reading reading = {.name = name, .wireguard = &wireguard};
	struct slice rest = {text, length};

	if (length > WIREGUARD_FILE_MAX || memchr(text, '\0', length)) {
		error_set(err, BAD, "a wg-quick file is text of at most %d bytes",
			  WIREGUARD_FILE_MAX);
		return error_place(err, "%s", name);
	}
	if (length >= strlen(bom) && memcmp(text, bom, strlen(bom)) == 0)
		rest = (struct slice){text + strlen(bom), length - strlen(bom)};
	if (read_lines(&reading, rest, err) < 0)
		return -1;
	*ret_wireguard = wireguard;
	return 0;
}
