/*
 * What is done at each of libvirt's operations (https://libvirt.org/hooks.html).
 */
#ifndef HOOK_STAGES_H
#define HOOK_STAGES_H

#include "base/error.h"

/*
 * Runs the stage of one call of the hook. @input is where the domain's XML comes from; it is read
 * only by those stages that need it.
 */
MUST_CHECK int stage_run(const char *domain, const char *operation, const char *phase, int input,
			 struct error *err);

#endif
