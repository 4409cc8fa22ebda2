/*
 * Tries what a guest might reach, all at once, and prints what came of it.
 *
 * One program plays the hostile guest in rings 2 and 3: in a namespace in the guest's place, and in
 * a real guest from its first instruction on, where nothing is installed yet. So it is linked
 * statically and needs nothing but the kernel.
 *
 *   probe [OPTION…] [TARGET…]
 *     TARGET            tcp ADDRESS PORT | udp ADDRESS PORT | icmp ADDRESS 0 |
 *                       PROTOCOL-NUMBER ADDRESS 0 | frame HEX
 *     -f FILE           reads targets from FILE as well, one a line; - is the standard input
 *     -i INTERFACE      where frames go; default eth0
 *     -n ROUNDS         how often it tries everything; default 1, 0: until it is ended
 *     -p MILLISECONDS   pause between two rounds
 *     -w MILLISECONDS   how long it waits for answers; default 700
 *
 * Prints {TARGET: ANSWER}, without the frames that could be sent. With -n it prints {"rounds": N,
 * "answers": {TARGET: {ANSWER: COUNT}}} after every round, and when the output is a file this is
 * always the last one.
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "base/text.h"
#include "round.h"

struct options {
	const char *interface;
	uint64_t rounds, pause, wait;
	bool counts; /* all answers are counted, instead of the one round's being told */
};

struct list {
	struct target *items;
	size_t count;
};

static int add(struct list *list, const char *text, struct error *err)
{
	struct target target;

	if (target_parse(text, &target, err) < 0)
		return -1;
	list->items = xreallocarray(list->items, list->count + 1, sizeof(target));
	list->items[list->count++] = target;
	return 0;
}

/* The lines stay in memory, for the targets borrow them. */
static int add_file(struct list *list, const char *path, struct error *err)
{
	_cleanup_fclose_ FILE *file =
		text_equal(path, "-") ? fdopen(dup(0), "re") : fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	if (!file)
		return error_errno(err, EX_NOINPUT, "%s", path);
	while ((length = getline(&line, &room, file)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (add(list, line, err) < 0)
			return -1;
		line = NULL;
		room = 0;
	}
	free(line);
	return 0;
}

static int parse_options(int argc, char **argv, struct options *options, struct list *list,
			 struct error *err)
{
	int option;

	while ((option = getopt(argc, argv, "f:i:n:p:w:")) != -1) {
		uint64_t *number = option == 'n'   ? &options->rounds
				   : option == 'p' ? &options->pause
						   : &options->wait;

		if (option == '?')
			return error_set(err, EX_USAGE, "see tests/probe/probe.c");
		if (option == 'n')
			options->counts = true;
		if (option == 'i')
			options->interface = optarg;
		else if (option == 'f' ? add_file(list, optarg, err) < 0
				       : parse_number(optarg, 0, 1U << 30, number) < 0)
			return error_is_set(err) ? -1 : error_set(err, EX_USAGE, "-%c", option);
	}
	for (int i = optind; i < argc; i++)
		if (add(list, argv[i], err) < 0)
			return -1;
	return 0;
}

/* One descriptor a target. */
static int raise_limit(size_t count, struct error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_errno(err, EX_OSERR, "getrlimit");
	if (limit.rlim_cur >= count + 32)
		return 0;
	limit.rlim_cur = count + 32;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : error_errno(err, EX_OSERR, "setrlimit");
}

static json_object *answers_json(const struct list *list)
{
	json_object *answers = json_object_new_object();

	for (size_t i = 0; i < list->count; i++) {
		const struct target *target = &list->items[i];
		_cleanup_free_ char *text = answer_text(&target->answer);

		if (target->answer.result != RESULT_SENT || target->way != WAY_FRAME)
			json_object_object_add(answers, target->text, json_object_new_string(text));
	}
	return answers;
}

static json_object *tallies_json(const struct target *target)
{
	json_object *tallies = json_object_new_object();

	for (size_t i = 0; i < target->tally_count; i++) {
		_cleanup_free_ char *text = answer_text(&target->tallies[i].answer);

		json_object_object_add(tallies, text,
				       json_object_new_uint64(target->tallies[i].count));
	}
	return tallies;
}

static json_object *counts_json(const struct list *list, uint64_t rounds)
{
	json_object *root = json_object_new_object(), *answers = json_object_new_object();

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].way != WAY_FRAME)
			json_object_object_add(answers, list->items[i].text,
					       tallies_json(&list->items[i]));
	json_object_object_add(root, "rounds", json_object_new_uint64(rounds));
	json_object_object_add(root, "answers", answers);
	return root;
}

/* Whoever reads a file while it is written may get half of it: it is there in full a moment later.
 */
static int print(json_object *root, bool over, struct error *err)
{
	_cleanup_free_ char *text =
		text_format("%s\n", json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
	struct stat status;
	ssize_t written;

	json_object_put(root);
	if (over && fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode))
		written = pwrite(STDOUT_FILENO, text, strlen(text), 0);
	else
		written =
			printf("%s", text) > 0 && fflush(stdout) == 0 ? (ssize_t)strlen(text) : -1;
	if (written != (ssize_t)strlen(text))
		return error_errno(err, EX_IOERR, "cannot print");
	return 0;
}

static int run(const struct options *options, const struct list *list, struct error *err)
{
	if (raise_limit(list->count, err) < 0)
		return -1;
	for (uint64_t n = 1; n <= options->rounds || options->rounds == 0; n++) {
		if (n > 1)
			usleep((useconds_t)options->pause * 1000);
		round_run(list->items, list->count, options->interface,
			  (unsigned int)options->wait);
		if (print(options->counts ? counts_json(list, n) : answers_json(list),
			  options->counts, err) < 0)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = {.interface = "eth0", .rounds = 1, .wait = 700};
	struct list list = {0};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (parse_options(argc, argv, &options, &list, &err) == 0 &&
	    run(&options, &list, &err) == 0)
		return 0;
	fprintf(stderr, "probe: %s\n", err.message);
	return err.code;
}
