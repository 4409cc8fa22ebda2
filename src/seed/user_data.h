/*
 * The user's cloud-init.yml, checked: what may be merged below ours, and what is refused.
 */
#ifndef SEED_USER_DATA_H
#define SEED_USER_DATA_H

#include "config/yaml.h"

/* True for a key whose value is ours alone or that is woven into ours; the rest is passed on. */
bool user_data_is_ours(const char *key);

/*
 * Refuses with EX_CONFIG and place what is not #cloud-config, or sets what migrant must keep in its
 * hands (login, host key, network, datasource, the course of cloud-init). *ret_root is NULL for a
 * file without content.
 */
MUST_CHECK int user_data_parse(const struct source *source, const char *user,
			       struct node **ret_root, struct error *err);

/* True for an entry of `users` that asks for the distribution's own user: ours stands for it. */
bool user_data_is_default_user(const struct node *entry);

#endif
