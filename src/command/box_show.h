/* What `box list` and `box info` print. */
#ifndef COMMAND_BOX_SHOW_H
#define COMMAND_BOX_SHOW_H

#include "box/description.h"
#include "box/installed.h"

/* All installed and all described boxes, as a table or as JSON, on stdout. */
MUST_CHECK int box_show_list(const struct box_list *installed, bool json, struct error *err);

/* One box; @description or @box may be NULL, @users too. */
void box_show_info(const struct description *description, const struct box *box, char *const *users,
		   bool json);

#endif
