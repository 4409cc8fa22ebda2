/*
 * A host that begins to route IPv6 no longer believes router advertisements on interfaces with
 * accept_ra = 1, and forgets the default route that it has from one: it would be cut off. With
 * accept_ra = 2 it goes on as before (ip-sysctl of the kernel's documentation). So that is set
 * first, on every interface and for those to come, and taken back last.
 */
#include "network/host6_sysctls.h"

#include <fcntl.h>
#include <json-c/json.h>

#include "base/file.h"
#include "base/text.h"
#include "network/host6.h"
#include "network/netns.h"
#include "network/rules.h"

#define STATE_MAX 65536

static const char forwarding[] = "net/ipv6/conf/all/forwarding";

static const struct {
	const char *path, *value;
} settings[] = {
	/* Errors about a guest's packet (too big, unreachable) find the way back by its mark. */
	{"net/ipv6/fwmark_reflect", "1"},
	{forwarding, "1"},
};

/* What was there before, as "path": "value". */

static json_object *read_state(void)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, HOST6_STATE, STATE_MAX, &text, NULL, &err) < 0)
		return NULL;
	return json_tokener_parse(text);
}

static int write_state(json_object *state, struct error *err)
{
	const char *json = json_object_to_json_string(state);

	return file_replace(AT_FDCWD, HOST6_STATE, json, strlen(json), 0600, err);
}

static void remember(json_object *state, const char *path, const char *value)
{
	if (!json_object_object_get_ex(state, path, NULL))
		json_object_object_add(state, path, json_object_new_string(value));
}

static void remember_now(json_object *state, const char *path)
{
	char value[64];

	if (sysctl_read(path, value, sizeof(value)) == 0)
		remember(state, path, value);
}

/* Forwarding for all is also written to every link; one that had another value gets it back. */
static void remember_forwarding(json_object *state, const char *link)
{
	_cleanup_free_ char *path = text_format("net/ipv6/conf/%s/forwarding", link);
	char value[64];

	if (sysctl_read(path, value, sizeof(value)) == 0 && !text_equal(value, "0"))
		remember(state, path, value);
}

static void remember_advertisements(json_object *state, const char *link)
{
	_cleanup_free_ char *path = text_format("net/ipv6/conf/%s/accept_ra", link);
	char value[64];

	if (sysctl_read(path, value, sizeof(value)) == 0 && text_equal(value, "1"))
		remember(state, path, value);
}

static bool is_ours(const struct link *link)
{
	return text_starts(link->name, LINK_UPLINK) || text_starts(link->name, LINK_CONTROL) ||
	       text_starts(link->name, LINK_TAP);
}

static int remember_links(struct netlink *netlink, json_object *state,
			  void (*one)(json_object *state, const char *link), struct error *err)
{
	_cleanup_free_ struct link *links = NULL;
	size_t count = 0;

	if (link_list(netlink, &links, &count, err) < 0)
		return -1;
	one(state, "default");
	for (size_t i = 0; i < count; i++)
		if (!is_ours(&links[i]))
			one(state, links[i].name);
	return 0;
}

/* Only if it is another value: writing forwarding for all overwrites it for every link. */
static int change(const char *path, const char *value)
{
	char now[64];

	if (sysctl_read(path, now, sizeof(now)) < 0)
		return -1;
	return text_equal(now, value) ? 0 : sysctl_write(path, value);
}

static int accept_as_router(json_object *state, struct error *err)
{
	json_object_object_foreach(state, path, value)
	{
		(void)value;
		if (text_ends(path, "/accept_ra") && change(path, "2") < 0 && errno != ENOENT)
			return error_errno(err, EX_OSERR, "cannot set %s", path);
	}
	return 0;
}

static bool is_remembered_as(json_object *state, const char *path, const char *value)
{
	json_object *old;

	return json_object_object_get_ex(state, path, &old) &&
	       text_equal(json_object_get_string(old), value);
}

/* Written down first, and set then: whatever dies between the two is restored all the same. */
static int set(struct netlink *netlink, json_object *state, struct error *err)
{
	bool first = !json_object_object_get_ex(state, forwarding, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		remember_now(state, settings[i].path);
	if (is_remembered_as(state, forwarding, "0") &&
	    ((first && remember_links(netlink, state, remember_forwarding, err) < 0) ||
	     remember_links(netlink, state, remember_advertisements, err) < 0))
		return -1;
	if (write_state(state, err) < 0 || accept_as_router(state, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (change(settings[i].path, settings[i].value) < 0)
			return error_errno(err, EX_OSERR, "cannot set %s", settings[i].path);
	return 0;
}

int host6_sysctls_set(struct netlink *netlink, struct error *err)
{
	json_object *state;
	char value[64];
	int result;

	if (sysctl_read(forwarding, value, sizeof(value)) < 0) {
		error_set(err, EX_CONFIG, "this host has no IPv6");
		return error_hint(err, "say `ipv6: off` in the Migrantfile");
	}
	state = read_state();
	if (!state)
		state = json_object_new_object();
	result = set(netlink, state, err);
	json_object_put(state);
	return result;
}

/* @all: whether the one that overwrites those of all links is meant. */
static void restore(json_object *state, bool all)
{
	json_object_object_foreach(state, path, value)
	{
		const char *old = json_object_get_string(value);

		if (text_equal(path, forwarding) != all)
			continue;
		/* Who has set another value meanwhile has meant it. */
		if (text_ends(path, "/accept_ra")) {
			char now[64];

			if (sysctl_read(path, now, sizeof(now)) < 0 || !text_equal(now, "2"))
				continue;
		}
		(void)!change(path, old);
	}
}

int host6_sysctls_restore(struct error *err)
{
	json_object *state = read_state();

	if (state) {
		restore(state, true);
		restore(state, false);
	}
	json_object_put(state);
	if (unlink(HOST6_STATE) < 0 && errno != ENOENT)
		return error_errno(err, EX_OSERR, HOST6_STATE);
	return 0;
}

void host6_sysctls_drift(void (*add)(void *data, const char *line), void *data)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		_cleanup_free_ char *line = text_format("host: %s is no longer %s",
							settings[i].path, settings[i].value);
		char value[64];

		if (sysctl_read(settings[i].path, value, sizeof(value)) < 0 ||
		    !text_equal(value, settings[i].value))
			add(data, line);
	}
}
