/* The first thing that a root program of ours does. */
#ifndef HOOK_RESET_H
#define HOOK_RESET_H

/*
 * Forgets what the caller could have set up: environment, descriptors but the three streams, signal
 * handling, limits, umask, working directory. Ends the process when that cannot be done.
 */
void reset_process(void);

#endif
