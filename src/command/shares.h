/*
 * The shares of a sandbox as the commands see them: from the Migrantfile into the metadata, what
 * lies in their place on the host, what is told of them.
 */
#ifndef COMMAND_SHARES_H
#define COMMAND_SHARES_H

#include <json-c/json.h>

#include "command/project.h"

/* Puts the Migrantfile's shares into @metadata, in place of those that are there. */
void shares_from_config(const struct config *config, struct metadata *metadata);

/* True when the Migrantfile's shares are the ones that @metadata holds. */
bool shares_are_current(const struct config *config, const struct metadata *metadata);

/* What lies on the host where a share is to be seen. */
enum share_place {
	SHARE_PLACE_ABSENT,
	SHARE_PLACE_EMPTY,   /* a directory */
	SHARE_PLACE_FILES,   /* a directory with files that a mount would hide */
	SHARE_PLACE_MOUNTED, /* something is mounted there */
};

/*
 * Looks without following a link. EX_NOINPUT, EX_NOPERM, EX_IOERR. With SHARE_PLACE_MOUNTED
 * *ret_used (optional) is what is used on it, in bytes; else 0.
 */
MUST_CHECK int share_look(const char *project, const char *host, enum share_place *ret_place,
			  uint64_t *ret_used, struct error *err);

/*
 * Refuses with EX_CONFIG, showing the place, a share whose folder holds files that it would hide;
 * @command ("up") is the one to call again.
 */
MUST_CHECK int shares_check_places(const struct config *config, const char *command,
				   struct error *err);

/*
 * The array of `status --json`: host, guest, size_bytes, used_bytes (null: not known now), mode,
 * isolate, reserve, mounted. The caller owns it.
 */
json_object *shares_json(const char *project, const struct share *shares, size_t count);

/* One of its entries as a line for people. The caller frees. */
char *share_line(json_object *entry);

#endif
