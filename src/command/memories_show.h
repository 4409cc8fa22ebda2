/*
 * What the memory kept with snapshots takes on the disk, for `migrant storage`.
 */
#ifndef COMMAND_MEMORIES_SHOW_H
#define COMMAND_MEMORIES_SHOW_H

#include <json-c/json.h>

/*
 * An array of those of the caller's sandboxes (root: of everybody's), each with sandbox, snapshot
 * and allocated_bytes (null: it has gone); empty where libvirt does not answer. The caller puts it.
 */
json_object *memories_json(void);

/* The same as a table; nothing when there are none. */
void memories_print(json_object *list);

#endif
