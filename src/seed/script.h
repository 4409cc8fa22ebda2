/* What the scripts for a guest's root are made of. */
#ifndef SEED_SCRIPT_H
#define SEED_SCRIPT_H

#include "base/text.h"
#include "network/wire.h"

/* A line that gives the variable @name this value, quoted for sh. */
void script_set(struct strbuf *out, const char *name, const char *value);

/* systemd.link(5): the name that the NIC has at every boot. The caller frees. */
char *seed_link_file(const struct wire *wire);

#endif
