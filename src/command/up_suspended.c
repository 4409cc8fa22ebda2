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

#define ANSWER_MAX    4096
#define SEED_BYTES    64
#define NO_RANDOMNESS 2 /* a status of the script */

/* templates/wake.sh */
extern const char wake_script[];

bool up_was_suspended(const struct up *up)
{
	return up->suspended;
}

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

char *up_what_clock(const struct up *up)
{
	(void)up;
	return text_dup("set the guest's clock and give it new randomness");
}

/* The script, with the time at this moment. */
static int make_script(char **ret_script, struct error *err)
{
	char seed[SEED_BYTES];
	_cleanup_free_ char *digits = NULL;
	struct timespec now;

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return error_errno(err, EX_OSERR, "cannot get random bytes");
	digits = text_hex(seed, sizeof(seed));
	clock_gettime(CLOCK_REALTIME, &now);
	*ret_script = text_format("now=%lld.%03ld\nseed=%s\n%s", (long long)now.tv_sec,
				  now.tv_nsec / 1000000, digits, wake_script);
	return 0;
}

/* Both are worth a word; the guest is as good as it was. */
int up_clock(struct up *up, struct error *err)
{
	_cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_free_ char *script = NULL;
	int status = 0;

	(void)err;
	if (make_script(&script, &why) < 0 ||
	    ssh_script(&up->access.access, script, ANSWER_MAX, &answer, &status, &why) < 0)
		log_warning("the guest's clock is not set: %s", why.message);
	else if (status == NO_RANDOMNESS)
		log_warning("the guest has not taken new randomness: what it draws may be drawn "
			    "again by others that go on from the same memory");
	else if (status)
		log_warning("the guest has not set its clock");
	return 0;
}
