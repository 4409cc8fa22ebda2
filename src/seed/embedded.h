/* Texts of templates/seed/, put into the program at build time. */
#ifndef SEED_EMBEDDED_H
#define SEED_EMBEDDED_H

extern const char seed_first[];
extern const char seed_bootcmd[];
extern const char seed_ready[];
extern const char seed_ready_service[];
extern const char seed_start_ready[];
extern const char seed_shares[];
extern const char seed_shares_release[];
extern const char seed_identity_script[];
extern const char seed_layer_boot[];
extern const char seed_layer_service[];
extern const char seed_layer_keep[];
extern const char seed_fork[];
extern const char seed_renew[];

#endif
