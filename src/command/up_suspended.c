/*
 * The steps of `up` for a guest that goes on from its saved memory. Its shares are plugged in again
 * before it runs, and it has slept: it does not know what time it is.
 */
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "base/text.h"
#include "command/guest_shares.h"
#include "command/up.h"
#include "provision/ssh.h"

#define ANSWER_MAX    4096 /* bytes */
#define SEED_BYTES    64
#define NO_RANDOMNESS 2 /* a status of the script */

/* templates/wake.sh */
extern const char wake_script[];

bool up_attaches(const struct up *up)
{
	return up->suspended && up->project.domain.definition.metadata.share_count > 0;
}

char *up_what_attach(const struct up *up)
{
	size_t count = up->project.domain.definition.metadata.share_count;

	return text_format("plug %zu share%s into the guest again", count, count == 1 ? "" : "s");
}

int up_attach(struct up *up, struct error *err)
{
	return guest_shares_attach(&up->project, err);
}

static char *make_script(struct error *err)
{
	char seed[SEED_BYTES];
	_cleanup_free_ char *digits = NULL;
	struct timespec now;

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		error_errno(err, EX_OSERR, "cannot get random bytes");
		return NULL;
	}
	digits = text_hex(seed, sizeof(seed));
	clock_gettime(CLOCK_REALTIME, &now);
	return text_format("now=%lld.%03ld\nseed=%s\n%s", (long long)now.tv_sec,
			   now.tv_nsec / 1000000, digits, wake_script);
}

/* What is not done is worth a word; the guest is as good as it was. */
int up_wake(struct up *up, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_error_ struct error why = ERROR_INIT;
	int status = 0;

	if (ssh_script_late(&up->access.access, make_script, ANSWER_MAX, &answer, &status, &why) <
	    0) {
		if (why.code != EX_DATAERR) {
			error_move(err, &why);
			return -1;
		}
		log_warning("the guest may not have set its clock: %s", why.message);
	} else if (status == NO_RANDOMNESS) {
		log_warning("the guest has not taken new randomness: what it draws may be drawn "
			    "again by others that go on from the same memory");
	} else if (status) {
		log_warning("the guest has not set its clock");
	}
	return 0;
}
