/*
 * The grammars of single texts in a Migrantfile; pure, private to the room.
 */
#ifndef CONFIG_GRAMMAR_H
#define CONFIG_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/* A box: its name, or the path of a description ('/' in it, or ending in .yaml or .yml). */
bool box_reference_is_valid(const char *text);
bool box_reference_is_path(const char *text);

/* A login user that useradd(8) makes and that is nobody the guest's system has already. */
bool user_is_valid(const char *text);

/* Text that fits on a kernel's command line: printable ASCII. */
bool cmdline_is_valid(const char *text);

/* What a provisioner or a tag may be called: letters, digits, blanks and "._-/", no '-' first. */
bool title_is_valid(const char *text);

/* Permission bits in octal, three or four digits. */
bool mode_is_valid(const char *text);

/* An absolute, normal path in the guest that is not its root. */
bool target_is_valid(const char *text);

/* An absolute path in the guest, normal (no "//", ".", ".."), not one the system needs itself. */
bool guest_path_is_valid(const char *text);

/*
 * A path below the Migrantfile's directory, cleaned of "." and "//". Returns NULL when it is
 * absolute, leads out or is the directory itself; *ret_reason says what is wrong then. The caller
 * frees.
 */
char *inner_path(const char *text, const char **ret_reason);

/* True for a clean path into a directory whose content tools of the host obey (".git"). */
bool path_is_obeyed(const char *path);

/* True when one of two clean paths is the other or lies below it. */
bool paths_overlap(const char *a, const char *b);

/* Why a text is not understood: what is wrong, from which byte on, and the way out or NULL. */
struct complaint {
	size_t offset;
	char *text;
	const char *hint;
};
void complaint_done(struct complaint *complaint);
#define _cleanup_complaint_ _cleanup_(complaint_done)

/*
 * An entry of network.allow, network.ports, network.domains, network.dns. 0, or -1 and the
 * complaint; the outputs (position aside) are untouched then.
 */
MUST_CHECK int parse_allow(const char *text, struct config_allow *ret_allow,
			   struct complaint *complaint);
MUST_CHECK int parse_forwarded_port(const char *text, struct config_port *ret_port,
				    struct complaint *complaint);
/* The domain in its canonical form (lower case, no final dot); the caller frees. */
MUST_CHECK int parse_domain(const char *text, char **ret_domain, struct complaint *complaint);
MUST_CHECK int parse_resolver(const char *text, struct address *ret_address,
			      struct complaint *complaint);

#endif
