/*
 * The host's own Debian mirrors, read from apt's lists of sources. Pure.
 */
#ifndef BOX_SOURCES_H
#define BOX_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

/* Lines "deb URI SUITE main" for mmdebstrap, NULL-terminated once something was added. */
struct sources {
	char **lines;
	size_t count;
};

/*
 * Adds the mirrors that @text (a .list file, or with @deb822 a .sources file) names for the release
 * @suite, its -updates and its -security: of component main, over http or https, not trusted
 * blindly and not signed by somebody's own key. apt's options do not come along: what is fetched is
 * checked against Debian's keyring, whatever the host trusts.
 */
void sources_add(struct sources *sources, const char *text, bool deb822, const char *suite);

/* Adds Debian's public mirrors for the release @suite. */
void sources_add_default(struct sources *sources, const char *suite);

void sources_done(struct sources *sources);
#define _cleanup_sources_ _cleanup_(sources_done)

#endif
