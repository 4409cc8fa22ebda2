/*
 * The host as migrant needs it, item by item. `setup` makes each item of the first table true or
 * takes it away again; `doctor` looks at the same items, and at what only a person can change.
 */
#ifndef COMMAND_HOST_H
#define COMMAND_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

enum host_state { HOST_OK, HOST_CHANGED, HOST_WARNING, HOST_ERROR };

/* What was found out about one item. */
struct host_finding {
	enum host_state state;
	char *text; /* one line */
	char *hint; /* the way out, or NULL */
};
#define _cleanup_finding_ _cleanup_(finding_done)

struct host_item {
	const char *name;
	/* Looks and changes nothing. HOST_ERROR: set-up is needed; without @fix a person is. */
	void (*check)(struct host_finding *found);
	int (*fix)(struct error *err);
	/* Takes the item away; absent is fine. *found says what was done or why it stays. */
	int (*remove)(struct host_finding *found, struct error *err);
};

/* Both end with an item without a name. */
extern const struct host_item host_items[];  /* in the order of set-up */
extern const struct host_item host_checks[]; /* what set-up cannot change */

/* Fill in *found, which is empty or is replaced. */
void finding_set(struct host_finding *found, enum host_state state, const char *format, ...)
	PRINTF_LIKE(3, 4);
void finding_hint(struct host_finding *found, const char *format, ...) PRINTF_LIKE(2, 3);
/* Takes message and hint out of *err, which is empty afterwards. */
void finding_from_error(struct host_finding *found, struct error *err);
void finding_done(struct host_finding *found);

/* The word for a state: "ok", "changed", "warning", "error". */
const char *host_state_name(enum host_state state);
/* One line for people: state, name and text in columns, and a line with the hint. Pure. */
void host_report_text(struct strbuf *report, const char *name, const struct host_finding *found);
/* Looks at both tables and prints what is found. *ret_errors is the number of HOST_ERROR. */
void host_report(bool json, unsigned int *ret_errors);

/* True where systemd is the service manager (sd_booted(3)). */
bool host_has_systemd(void);
/* Group libvirt's id, or false. */
bool host_group(gid_t *ret_group);
/* True while a sandbox of anybody runs. When libvirt cannot tell, /run/migrant does. */
bool host_has_sandboxes(void);

/* -- items of other files -- */
void host_access_check(struct host_finding *found);
int host_access_fix(struct error *err);
int host_access_remove(struct host_finding *found, struct error *err);
void host_daemon_check(struct host_finding *found);
int host_daemon_fix(struct error *err);
/* True when our hook is not linked, or was linked after libvirt's daemon was started, which looks
 * for hooks only then: it would start a guest without ours. */
bool host_daemon_lacks_hook(void);
void host_pool_check(struct host_finding *found);
int host_pool_fix(struct error *err);
int host_pool_remove(struct host_finding *found, struct error *err);
void host_nftables_check(struct host_finding *found);
void host_forward_check(struct host_finding *found);

/* -- pure -- */

/* True when the mount with that id (statx(2)) is shared, by the text of /proc/self/mountinfo. */
bool mountinfo_is_shared(const char *mountinfo, uint64_t id);

/* The value of `key = "value"` (the first one counts, as in libvirt), or NULL. The caller frees. */
char *daemon_conf_value(const char *conf, const char *key);
/* The file with access by group libvirt, marked as ours; and with these marks taken out again. */
char *daemon_conf_grant(const char *conf);
char *daemon_conf_restore(const char *conf);
/* True when the file gives access to group libvirt and to nobody else. */
bool daemon_conf_grants(const char *conf);

#endif
