/* Where the user's files of a sandbox lie that go with it; private to the room. */
#ifndef PROVISION_STATE_H
#define PROVISION_STATE_H

/* XDG Base Directory Specification: $XDG_STATE_HOME/migrant. The caller frees. */
char *state_directory(void);

#endif
