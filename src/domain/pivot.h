/*
 * Changing what lies below a running guest's disk, which the guest does not notice.
 */
#ifndef DOMAIN_PIVOT_H
#define DOMAIN_PIVOT_H

#include "domain/domain.h"

/*
 * Freezes the disk of a running or paused guest: from now on it writes to the volume at @path, an
 * overlay over its disk. The definition changes with it. With @memory (else NULL) the guest stands
 * still until its memory of that moment is in the file there, which is root's.
 * EX_SOFTWARE, EX_IOERR, and then nothing has changed.
 */
MUST_CHECK int domain_pivot(virDomainPtr handle, const char *path, const char *memory,
			    struct error *err);

/*
 * Copies what lies between the disk and the layer at @base into the disk, so that nothing of it is
 * needed any more. Waits for the end, EX_TEMPFAIL after @seconds.
 */
MUST_CHECK int domain_pull(virDomainPtr handle, const char *base, unsigned int seconds,
			   struct error *err);

#endif
