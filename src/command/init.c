/*
 * `migrant init`: a Migrantfile to begin with, and the playbook that it names. They lie in
 * templates/init/ and provision/ and are part of the program, so that it needs no data directory to
 * be found.
 */
#include "command/command.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"

extern const char init_debian_migrantfile[];
extern const char init_claude_code_migrantfile[];
extern const char init_claude_code_playbook[];
extern const char init_nested_migrantfile[];
extern const char init_nested_playbook[];

struct template_file {
	const char *name;
	const char *text;
};

struct template
{
	const char *name;
	struct template_file files[4]; /* ends with one without a name */
};

static const struct template templates[] = {
	{"debian", {{"Migrantfile", init_debian_migrantfile}}},
	{"claude-code",
	 {{"Migrantfile", init_claude_code_migrantfile},
	  {"playbook.yml", init_claude_code_playbook}}},
	{"nested",
	 {{"Migrantfile", init_nested_migrantfile}, {"playbook.yml", init_nested_playbook}}},
};

static const struct template *find_template(const char *name, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++)
		if (text_equal(templates[i].name, name))
			return &templates[i];
	error_set(err, EX_USAGE, "no template '%s'", name);
	error_hint(err, "migrant init --help lists them");
	return NULL;
}

/* A file that is there already is somebody's work, a link that is there leads somewhere else. */
static int check_absent(int dirfd, const struct template *template, struct error *err)
{
	struct stat status;

	for (const struct template_file *file = template->files; file->name; file++) {
		if (fstatat(dirfd, file->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		error_set(err, EX_CANTCREAT, "%s is there already", file->name);
		return error_hint(err, "-f replaces it");
	}
	return 0;
}

static int write_files(int dirfd, const struct template *template, struct error *err)
{
	for (const struct template_file *file = template->files; file->name; file++) {
		if (file_replace(dirfd, file->name, file->text, strlen(file->text), 0644, err) < 0)
			return -1;
		log_step("wrote %s", file->name);
	}
	return 0;
}

static void say_how_to_go_on(const char *directory)
{
	_cleanup_free_ char *path = realpath(directory, NULL);
	_cleanup_free_ char *name = path ? config_default_name(path) : NULL;

	if (!name)
		log_warning("no name can be made from the directory's: write 'name: …' into the "
			    "Migrantfile");
	log_info("migrant up      starts the sandbox%s%s", name ? " " : "", name ? name : "");
	log_info("migrant ssh     opens a shell in it");
	log_info("migrant destroy takes it away");
}

static int run(const struct invocation *invocation, struct error *err)
{
	const char *directory = invocation->directory ? invocation->directory : ".";
	const char *name = option_text(invocation, "template");
	const struct template *template = find_template(name ? name : "debian", err);
	_cleanup_close_ int dirfd = -1;

	if (!template)
		return -1;
	dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return error_errno(err, errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s", directory);
	if (!option_flag(invocation, "force") && check_absent(dirfd, template, err) < 0)
		return -1;
	if (write_files(dirfd, template, err) < 0)
		return -1;
	say_how_to_go_on(directory);
	return 0;
}

static const struct option options[] = {
	{0, "template", OPTION_TEXT, "NAME", "begin with this template (default: debian)"},
	{'f', "force", OPTION_FLAG, NULL, "replace files that are there"},
	{0},
};

const struct command command_init = {
	.name = "init",
	.group = "project",
	.summary = "write a Migrantfile to begin with",
	.example = "migrant init --template claude-code",
	.details = "templates:\n"
		   "  debian        a plain Debian 12 sandbox\n"
		   "  claude-code   Claude Code in a machine of its own, with a folder to work in\n"
		   "  nested        a machine that has sandboxes of its own\n",
	.options = options,
	.run = run,
};
