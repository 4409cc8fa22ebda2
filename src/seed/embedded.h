/* Texts of templates/seed/, put into the program at build time. */
#ifndef SEED_EMBEDDED_H
#define SEED_EMBEDDED_H

extern const char seed_bootcmd[];
extern const char seed_ready[];
extern const char seed_ready_service[];
extern const char seed_start_ready[];
extern const char seed_shares[];

#endif
