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

/*
 * The guest's shell says that it is there, which may be seconds after the connection began; only
 * then the time is taken and the script made.
 */
#define SHELL "exec sudo -n sh -c 'echo awake; exec sh'"

struct waking {
	char *script; /* NULL: not made yet */
	size_t given; /* bytes of it */
	size_t heard; /* bytes of the guest's */
};

static void waking_done(struct waking *waking)
{
	if (waking->script)
		explicit_bzero(waking->script, strlen(waking->script));
	free(waking->script);
}

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

static bool is_awake(void *data)
{
	const struct waking *waking = data;

	return waking->heard > 0;
}

static ssize_t give_script(void *data, char *buffer, size_t room, struct error *err)
{
	struct waking *waking = data;
	size_t length;

	if (!waking->script && make_script(&waking->script, err) < 0)
		return -1;
	length = strlen(waking->script + waking->given);
	if (length > room)
		length = room;
	memcpy(buffer, waking->script + waking->given, length);
	waking->given += length;
	return (ssize_t)length;
}

static int hear(void *data, const char *bytes, size_t length, struct error *err)
{
	struct waking *waking = data;

	(void)bytes;
	waking->heard += length;
	if (waking->heard > ANSWER_MAX)
		return error_set(err, EX_DATAERR, "the guest answers with more than %d bytes",
				 ANSWER_MAX);
	return 0;
}

/* What is not done is worth a word; the guest is as good as it was. */
int up_wake(struct up *up, struct error *err)
{
	_cleanup_(waking_done) struct waking waking = {0};
	const struct ssh_streams streams = {
		.produce = give_script, .has_input = is_awake, .consume = hear, .data = &waking};
	const struct ssh_request request = {
		.access = &up->access.access,
		.command = SHELL,
		.streams = &streams,
		.seconds = SSH_SCRIPT_SECONDS,
	};
	int status = 0;

	if (ssh_run(&request, &status, err) < 0)
		return -1;
	if (status == NO_RANDOMNESS)
		log_warning("the guest has not taken new randomness: what it draws may be drawn "
			    "again by others that go on from the same memory");
	else if (status)
		log_warning("the guest has not set its clock");
	return 0;
}
