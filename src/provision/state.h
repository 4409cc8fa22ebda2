/* Where what is kept of the user's sandboxes lies. */
#ifndef PROVISION_STATE_H
#define PROVISION_STATE_H

/* XDG Base Directory Specification: $XDG_STATE_HOME/migrant. The caller frees. */
char *state_directory(void);

/* ~/.local/state/migrant: the same for all of a user's processes, whatever their environment. */
char *state_directory_at_home(void);

#endif
