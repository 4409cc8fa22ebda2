/*
 * Writing the log. Two files take turns: when the one is full, the other is emptied and goes on, so
 * at most twice NETWORK_LOG_FILE_MAX bytes are kept. They are their owner's, who may do with them
 * what he likes meanwhile, so their size is asked for each time instead of being counted.
 *
 * What a flood of packets makes of them is bounded as well: so many events a second, and one that
 * says how many were left out.
 */
#include <sys/stat.h>

#include "base/file.h"
#include "hook/keeper_parts.h"

#define TOKEN	  1000U /* thousandths of an event */
#define REPORT_MS 1000

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Goes on with the file that was written last. */
void log_begin(struct event_log *log, int64_t now_ms)
{
	struct stat first = {0}, second = {0};

	log->tokens = (uint64_t)KEEPER_EVENTS_BURST * TOKEN;
	log->filled_ms = log->reported_ms = now_ms;
	if (fstat(log->fds[0], &first) == 0 && fstat(log->fds[1], &second) == 0)
		log->active = second.st_mtim.tv_sec > first.st_mtim.tv_sec ||
			      (second.st_mtim.tv_sec == first.st_mtim.tv_sec &&
			       second.st_mtim.tv_nsec > first.st_mtim.tv_nsec);
}

/* Writes a line, or nothing of it. */
static bool append(struct event_log *log, const struct strbuf *line)
{
	struct stat status = {0};

	if (fstat(log->fds[log->active], &status) < 0)
		return false;
	if ((uint64_t)status.st_size + line->length > NETWORK_LOG_FILE_MAX) {
		log->active = !log->active;
		if (ftruncate(log->fds[log->active], 0) < 0)
			return false;
		status.st_size = 0;
	}
	if (file_write_fd(log->fds[log->active], line->text, line->length) == 0)
		return true;
	(void)!ftruncate(log->fds[log->active], status.st_size);
	return false;
}

static bool write_event(struct event_log *log, struct event *event)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	event_set_time(event, wall_ms());
	event_format_json(event, &line);
	return append(log, &line);
}

/* KEEPER_EVENTS_SECOND tokens come in a second, at most KEEPER_EVENTS_BURST are kept. */
static bool take_token(struct event_log *log, int64_t now_ms)
{
	const uint64_t passed = (uint64_t)(now_ms - log->filled_ms);

	log->filled_ms = now_ms;
	log->tokens += (passed > REPORT_MS * 10 ? REPORT_MS * 10 : passed) * KEEPER_EVENTS_SECOND;
	if (log->tokens > (uint64_t)KEEPER_EVENTS_BURST * TOKEN)
		log->tokens = (uint64_t)KEEPER_EVENTS_BURST * TOKEN;
	if (log->tokens < TOKEN)
		return false;
	log->tokens -= TOKEN;
	return true;
}

void log_write(struct event_log *log, struct event *event, int64_t now_ms)
{
	if (!take_token(log, now_ms) || !write_event(log, event))
		log_lost(log, 1);
}

void log_lost(struct event_log *log, uint64_t count)
{
	log->suppressed += count;
}

void log_tick(struct event_log *log, int64_t now_ms)
{
	struct event event = {.kind = EVENT_SUPPRESSED, .count = log->suppressed};

	if (!log->suppressed || now_ms - log->reported_ms < REPORT_MS)
		return;
	log->reported_ms = now_ms;
	if (write_event(log, &event))
		log->suppressed = 0;
}
