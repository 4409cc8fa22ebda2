/*
 * Values and entries of the Migrantfile's tree; private to the room.
 */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include "config/config.h"
#include "config/keys.h"
#include "config/yaml.h"

struct reader {
	const struct source *source;
	struct config *config;
};

/* Refuses @node unless it is of @kind and not null. */
MUST_CHECK int expect_kind(const struct reader *reader, enum config_key_id key,
			   const struct node *node, enum node_kind kind, struct error *err);

/* Reads a scalar key's value into @base (struct config or a list's item) at the key's offset. */
MUST_CHECK int read_value(const struct reader *reader, enum config_key_id key,
			  const struct node *node, void *base, struct error *err);

/* Appends one item of a TYPE_LIST key to the config's array. */
MUST_CHECK int read_item(const struct reader *reader, enum config_key_id key,
			 const struct node *item, struct error *err);

/* Reads the keys of @map, which stands below @parent, into @base. */
MUST_CHECK int read_map(const struct reader *reader, enum config_key_id parent,
			const struct node *map, void *base, struct error *err);

/* Appends one item of `provision:` to the config's array. */
MUST_CHECK int read_provisioner(const struct reader *reader, const struct node *item,
				struct error *err);

/* A mapping of variables as JSON: plain true, false, null and whole numbers are what they say. */
MUST_CHECK int read_variables(const struct reader *reader, enum config_key_id key,
			      const struct node *node, char **slot, struct error *err);

void provision_done(struct config_provision *provision);

/* The rules that look at more than one value; no file is looked at. */
MUST_CHECK int config_check(const struct config *config, struct error *err);

/* `via tunnel` without a tunnel; asked once it is known whether wireguard.conf exists. */
MUST_CHECK int config_check_tunnel(const struct config *config, struct error *err);

/* A file or directory of the project that the host reads or runs; what it is, for messages. */
struct host_file {
	char *path; /* as written */
	const char *what;
};

struct host_files {
	struct host_file *items;
	size_t count;
};
void host_files_done(struct host_files *files);
#define _cleanup_host_files_ _cleanup_(host_files_done)

/* All of them, whether they exist or not. */
void host_files(const struct config *config, struct host_files *ret_files);

/*
 * Why somebody else can change the file or directory @path or put another in its place, or NULL.
 * *ret_place says which directory it is on the way there; the caller frees.
 */
const char *changed_on_the_way(const char *path, char **ret_place);

/* The rules about shares that need a look at the files; EX_CONFIG with the place. */
MUST_CHECK int config_check_share_files(const struct config *config, struct error *err);

#endif
