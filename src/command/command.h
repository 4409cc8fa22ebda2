/*
 * What a command is. Each file in this room exports one `const struct command`; commands.c lists
 * them. The option tables are typed and are what both the parser and the help text are made from.
 */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum option_type {
	OPTION_FLAG,   /* --name */
	OPTION_SWITCH, /* --name and --no-name */
	OPTION_TEXT,   /* --name VALUE; the last one counts */
	OPTION_LIST,   /* --name VALUE, may be repeated */
	OPTION_NUMBER, /* --name N, checked to be a number */
};

struct option {
	char letter;	  /* short form, or 0 */
	const char *name; /* long form without dashes; NULL: short form only, known by its letter */
	enum option_type type;
	const char *value; /* what the value is called in the help, NULL for flags */
	const char *help;
};

/* What was given for one option of the command's table. */
struct option_value {
	size_t count;	    /* how often it was given; 0: not set */
	bool on;	    /* OPTION_SWITCH: the last form */
	uint64_t number;    /* OPTION_NUMBER */
	const char **texts; /* OPTION_TEXT, OPTION_LIST: @count strings, borrowed from argv */
};

struct command;

struct invocation {
	const struct command *command;
	const char *directory; /* of -C or MIGRANT_DIR, or NULL: search from the current one */
	struct option_value *values; /* one per entry of command->options */
	int argc;		     /* operands: what is left after the options */
	const char *const *argv;     /* NULL-terminated */
	int dashdash;		     /* index in argv of the first operand behind "--", or -1 */
};

struct command {
	const char *name;
	const char *group;		/* heading in the help: "host", "project", … */
	const char *operands;		/* synopsis of the operands, or NULL when there are none */
	const char *summary;		/* one line */
	const char *details;		/* further help text with newlines, or NULL */
	const char *example;		/* one command line, where the details show none */
	const struct option *options;	/* ends with an entry without letter and name, or NULL */
	int operands_min, operands_max; /* operands_max -1: any number */
	bool stop_at_operand;		/* options end at the first operand (exec) */
	bool takes_name;		/* the first operand is a sandbox's name, see named.h … */
	bool takes_ports;		/* … unless it is a port */
	bool takes_box;			/* the first operand is a box's name */
	bool takes_snapshot;		/* the first operand is that of a snapshot */
	const struct command *const *subcommands; /* NULL-terminated, or NULL */
	/*
	 * Returns 0, a guest command's own exit status, or -1 with *err set. Results go to stdout;
	 * what is printed there is checked for write errors by main().
	 */
	int (*run)(const struct invocation *invocation, struct error *err);
};

/* Options that every command takes, besides its own. */
extern const struct option common_options[];

/* The table: NULL-terminated, in the order of the help text. */
extern const struct command *const commands[];

/* Values of options by name (or by letter as a one-character name). An unknown name aborts. */
bool option_flag(const struct invocation *invocation, const char *name);
/* OPTION_SWITCH: @fallback when not given. */
bool option_switch(const struct invocation *invocation, const char *name, bool fallback);
/* The last value, or NULL when not given. */
const char *option_text(const struct invocation *invocation, const char *name);
uint64_t option_number(const struct invocation *invocation, const char *name, uint64_t fallback);
const struct option_value *option_values(const struct invocation *invocation, const char *name);

/*
 * Parses the whole command line and runs the command. Returns the process's exit status; *err is
 * set when it is one of ours. Help and version are printed to stdout.
 */
int command_main(int argc, const char *const *argv, struct error *err);

#endif
