/*
 * Many forks at once. As many boot at a time as the host has processors: more would be through no
 * sooner, and a guest that gets a tenth of a processor runs into the limits that its own services
 * have for their start. While one is told who it is, the next one boots already. One that fails is
 * ended and takes none of the others with it.
 */
#include <sys/sysinfo.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "command/fork.h"

#define AT_ONCE_MIN 2 /* a boot waits now and then, for a disk or for a timer */

static const char *name_of(const struct fork *fork)
{
	return fork->up.project.config.name;
}

static size_t count_in(const struct forks *forks, enum fork_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < forks->count; i++)
		count += forks->items[i].state == state;
	return count;
}

static struct fork *find_in(const struct forks *forks, enum fork_state state)
{
	for (size_t i = 0; i < forks->count; i++)
		if (forks->items[i].state == state)
			return &forks->items[i];
	return NULL;
}

/* Its boot has an end, good or bad. */
static bool is_through(const struct fork *fork)
{
	return fork->state == FORK_BOOTS && (up_is_over(&fork->up) || clock_ms() >= fork->deadline);
}

static struct fork *find_through(const struct forks *forks)
{
	for (size_t i = 0; i < forks->count; i++)
		if (is_through(&forks->items[i]))
			return &forks->items[i];
	return NULL;
}

static bool one_is_through(void *data)
{
	return find_through(data) != NULL;
}

/* Until the first of those that boot has had its time; 0: they may take as long as they like. */
static unsigned int seconds_left(const struct forks *forks)
{
	int64_t first = INT64_MAX, now = clock_ms();

	for (size_t i = 0; i < forks->count; i++)
		if (forks->items[i].state == FORK_BOOTS && forks->items[i].deadline < first)
			first = forks->items[i].deadline;
	if (first == INT64_MAX)
		return 0;
	return first <= now ? 1 : (unsigned int)((first - now) / 1000) + 1;
}

/*
 * The others go on without it, and without what it would take of the processors; that it is taken
 * away comes in the end, for that must not be interrupted.
 */
static int fail(struct forks *forks, struct fork *fork, struct error *why, struct error *err)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;

	fork->state = FORK_FAILED;
	if (interrupt_pending())
		return interrupt_error(err);
	if (forks->count > 1)
		log_warning("%s: %s", name_of(fork), why->message);
	if (fork->made && fork->up.project.domain.handle) {
		watch_end(&fork->up.watch);
		(void)!domain_kill(fork->up.project.domain.handle, &ignored);
	}
	if (!error_is_set(&forks->first))
		error_move(&forks->first, why);
	return 0;
}

static int make_one(struct forks *forks, struct fork *fork, const struct project *origin,
		    char *const *layers, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	if (interrupt_pending())
		return interrupt_error(err);
	if (fork_make(fork, origin, layers, &why) < 0)
		return fail(forks, fork, &why, err);
	return 0;
}

int forks_make(struct forks *forks, const struct project *origin, char *const *layers,
	       struct error *err)
{
	for (size_t i = 0; i < forks->count; i++)
		if (make_one(forks, &forks->items[i], origin, layers, err) < 0)
			return -1;
	return 0;
}

static int start_one(struct forks *forks, struct fork *fork, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	if (interrupt_pending())
		return interrupt_error(err);
	log_step("%s: starting the fork", name_of(fork));
	if (fork_start(fork, &why) < 0)
		return fail(forks, fork, &why, err);
	fork->state = FORK_BOOTS;
	return 0;
}

static int start_some(struct forks *forks, struct error *err)
{
	const size_t processors = (size_t)get_nprocs();
	const size_t at_once = processors > AT_ONCE_MIN ? processors : AT_ONCE_MIN;
	struct fork *next;

	while (count_in(forks, FORK_BOOTS) < at_once && (next = find_in(forks, FORK_WAITS)))
		if (start_one(forks, next, err) < 0)
			return -1;
	return 0;
}

static int finish_one(struct forks *forks, struct fork *fork, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	if (fork_finish(fork, &why) < 0)
		return fail(forks, fork, &why, err);
	fork->state = FORK_IS_UP;
	project_unlock(&fork->up.project); /* others still boot, it can be worked on */
	if (forks->count == 1)
		log_step("%s: up; 'migrant ssh %s' goes in", name_of(fork), name_of(fork));
	else
		log_step("%s: up, %zu of %zu; 'migrant ssh %s' goes in", name_of(fork),
			 count_in(forks, FORK_IS_UP), forks->count, name_of(fork));
	return 0;
}

static int wait_for_one(struct forks *forks, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	if (wait_until(forks->items[0].up.project.connection, one_is_through, forks,
		       seconds_left(forks), &why) == 0 ||
	    why.code == EX_TEMPFAIL)
		return 0;
	error_move(err, &why);
	return -1;
}

static int bring_up(struct forks *forks, struct error *err)
{
	for (;;) {
		struct fork *fork;

		if (start_some(forks, err) < 0)
			return -1;
		if (!find_in(forks, FORK_BOOTS))
			return 0;
		if (wait_for_one(forks, err) < 0)
			return -1;
		fork = find_through(forks);
		if (!fork)
			continue;
		fork->state = FORK_ANSWERS;
		if (start_some(forks, err) < 0 || finish_one(forks, fork, err) < 0)
			return -1;
	}
}

/* The first one's error, and which of them did not come up. */
static int report(struct forks *forks, struct error *err)
{
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;

	if (!error_is_set(&forks->first))
		return 0;
	error_move(err, &forks->first);
	for (size_t i = 0; i < forks->count; i++)
		if (forks->items[i].state == FORK_FAILED)
			strbuf_addf(&names, "%s%s", names.length ? ", " : "",
				    name_of(&forks->items[i]));
	if (forks->count == 1)
		return error_prefix(err, "%s", strbuf_text(&names));
	return error_prefix(err, "%zu of %zu forks did not come up (%s)",
			    count_in(forks, FORK_FAILED), forks->count, strbuf_text(&names));
}

int forks_bring_up(struct forks *forks, struct error *err)
{
	return bring_up(forks, err) < 0 ? -1 : report(forks, err);
}
