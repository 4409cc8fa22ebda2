/*
 * Snapshots as they are told of: by `snapshot list` and by `status`.
 */
#ifndef COMMAND_SNAPSHOT_SHOW_H
#define COMMAND_SNAPSHOT_SHOW_H

#include <json-c/json.h>

#include "domain/snapshots.h"

/* An array: name, created, text (or null), running. The caller owns it. */
json_object *snapshots_json(const struct snapshots *snapshots);

/* One of its entries as a line for people; the text is not escaped yet. The caller frees. */
char *snapshot_line(json_object *entry);

#endif
