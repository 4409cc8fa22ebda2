/*
 * Loop devices: the block devices that images are mounted by (linux/loop.h).
 */
#ifndef SHARE_LOOP_H
#define SHARE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

#define LOOP_MARK_MAX 64
#define LOOP_MAJOR    7

/* One that is bound to a file. */
struct loop {
	unsigned int number;	  /* /dev/loopN */
	char mark[LOOP_MARK_MAX]; /* what its maker called it; only root makes any */
	bool ends_by_itself;	  /* it is let go with its last user */
	dev_t device;		  /* the file's */
	ino_t inode;
};

struct loop_list {
	struct loop *items;
	size_t count;
};
#define _cleanup_loops_ _cleanup_(loop_list_done)
void loop_list_done(struct loop_list *list);

/* All that are bound. EX_OSERR. */
MUST_CHECK int loop_list(struct loop_list *ret_list, struct error *err);

/*
 * Binds @image to a free device, which is let go when neither *ret_fd nor a mount holds it any
 * more. A lock that was taken on @image lives as long. EX_TEMPFAIL when there is no free device,
 * EX_UNAVAILABLE without the driver.
 */
MUST_CHECK int loop_bind(int image, const char *mark, unsigned int *ret_number, int *ret_fd,
			 struct error *err);

/*
 * Opens it if it still is what the list says: it stays bound to that file as long as *ret_fd is
 * open. False when it was let go meanwhile, by then it may be anybody's.
 */
bool loop_hold(const struct loop *loop, int *ret_fd);

/* Lets go of it as soon as nobody uses it; not being bound is fine. */
void loop_release(unsigned int number);

#endif
