/*
 * Ansible reads its configuration from the current directory, the home directory and /etc, loads
 * plugins from several places and shares SSH connections. A playbook that meets a hostile guest
 * gets none of that: a fresh environment, a private directory that is the only thing Ansible writes
 * to, and ssh with the options that every connection of ours has.
 *
 * That directory has a fixed name for each sandbox, so that what a killed run left is removed by
 * the next one. The caller holds the project's lock.
 */
#include "provision/ansible.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "provision/keys.h"

#define STOP_MS	       5000
#define LINE_MAX_SHOWN 8192 /* a longer line is shown in parts: the guest may print without end */

char *ansible_inventory(const struct guest_access *access)
{
	struct json_object *document = json_object_new_object();
	struct json_object *all = json_object_new_object();
	struct json_object *hosts = json_object_new_object();
	struct json_object *host = json_object_new_object();
	const struct {
		const char *name, *value;
	} variables[] = {
		{"ansible_connection", "ssh"},
		{"ansible_host", access->address},
		{"ansible_user", access->user},
		{"ansible_python_interpreter", "/usr/bin/python3"},
	};
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		json_object_object_add(host, variables[i].name,
				       json_object_new_string(variables[i].value));
	json_object_object_add(hosts, access->name, host);
	json_object_object_add(all, "hosts", hosts);
	json_object_object_add(document, "all", all);
	text = text_format("%s\n", json_object_to_json_string_ext(
					   document, JSON_C_TO_STRING_PRETTY |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(document);
	return text;
}

char *ansible_quote(const char *const *arguments)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	for (; *arguments; arguments++) {
		strbuf_add_text(&text, text.length ? " '" : "'");
		for (const char *at = *arguments; *at; at++)
			if (*at == '\'')
				strbuf_add_text(&text, "'\\''");
			else
				strbuf_add_char(&text, *at);
		strbuf_add_char(&text, '\'');
	}
	return strbuf_take(&text);
}

void ansible_log_line(struct ansible_log *log, const char *line)
{
	const char *text = NULL;
	const char *end = strrchr(line, ']');

	if (text_starts(line, "TASK [") && end) {
		free(log->task);
		log->task = text_dup_n(line + strlen("TASK ["),
				       (size_t)(end - line) - strlen("TASK ["));
	} else if (text_starts(line, "fatal: [") || text_starts(line, "failed: [")) {
		text_replace(&log->failed, log->task);
	} else if (text_equal(line, "...ignoring")) {
		text_replace(&log->failed, NULL);
	} else if (text_starts(line, "ERROR! ")) {
		text = line + strlen("ERROR! ");
	} else if (text_starts(line, "[ERROR]: ")) {
		text = line + strlen("[ERROR]: ");
	}
	if (text)
		text_replace(&log->error, text);
}

void ansible_log_done(struct ansible_log *log)
{
	free(log->task);
	free(log->failed);
	free(log->error);
	*log = (struct ansible_log){0};
}

/* Shows and remembers the whole lines of @pending, and what is left of it when @all. */
static void show_lines(struct strbuf *pending, bool all, struct ansible_log *log)
{
	size_t start = 0;

	for (size_t at = 0; at < pending->length; at++) {
		bool is_last = all && at + 1 == pending->length;
		bool is_line = pending->text[at] == '\n';
		size_t length = at - start + !is_line;
		_cleanup_free_ char *safe = NULL, *line = NULL;

		if (!is_line && !is_last && length < LINE_MAX_SHOWN)
			continue;
		safe = text_escape(pending->text + start, length, false);
		line = text_dup_n(pending->text + start, length);
		fprintf(stderr, "%s\n", safe);
		ansible_log_line(log, line);
		start = at + 1;
	}
	if (start) {
		memmove(pending->text, pending->text + start, pending->length - start);
		strbuf_truncate(pending, pending->length - start);
	}
}

/* Follows the output to its end. Returns false when somebody wants us to stop before. */
static bool follow(int fd, struct ansible_log *log)
{
	_cleanup_strbuf_ struct strbuf pending = STRBUF_INIT;
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
			       {.fd = interrupt_fd(), .events = POLLIN}};
	char chunk[16384];
	ssize_t got = 1;

	while (got != 0) {
		if (process_poll(fds, ARRAY_SIZE(fds), -1) <= 0)
			continue;
		if (fds[1].revents)
			return false;
		got = read(fd, chunk, sizeof(chunk));
		if (got > 0)
			strbuf_add(&pending, chunk, (size_t)got);
		show_lines(&pending, got == 0, log);
	}
	return true;
}

/* Ansible's settings; every path is in @directory. */
static char **environment(const char *directory, const char *ssh_arguments)
{
	_cleanup_free_ char *home = home_directory();
	char *const list[] = {
		text_format("ANSIBLE_CONFIG=%s/ansible.cfg", directory),
		text_format("ANSIBLE_HOME=%s/home", directory),
		text_format("ANSIBLE_LOCAL_TEMP=%s/tmp", directory),
		text_format("ANSIBLE_COLLECTIONS_PATH=%s/.ansible/collections:"
			    "/usr/share/ansible/collections",
			    home ? home : directory),
		text_format("ANSIBLE_ROLES_PATH=%s/.ansible/roles:/usr/share/ansible/roles",
			    home ? home : directory),
		text_format("ANSIBLE_SSH_ARGS=%s", ssh_arguments),
		text_dup("ANSIBLE_INVENTORY_ENABLED=yaml"),
		text_dup("ANSIBLE_INVENTORY_UNPARSED_FAILED=true"),
		text_dup("ANSIBLE_HOST_KEY_CHECKING=true"),
		text_dup("ANSIBLE_PIPELINING=true"),
		text_dup("ANSIBLE_TIMEOUT=120"), /* an emulated guest needs its time for sudo */
		text_dup("ANSIBLE_STDOUT_CALLBACK=default"),
		text_dup("ANSIBLE_RETRY_FILES_ENABLED=false"),
		text_dup("ANSIBLE_NOCOWS=true"),
		text_dup("ANSIBLE_NOCOLOR=true"),
		text_dup("PYTHONUNBUFFERED=1"),
		text_dup("PYTHONNOUSERSITE=1"),
		NULL,
	};
	char **copy = xcalloc(ARRAY_SIZE(list), sizeof(*copy));

	memcpy(copy, list, sizeof(list));
	return copy;
}

/*
 * The arguments for ssh: ours; only its log is less talkative, as Ansible shows it. The first word
 * is not quoted: Ansible would take a pair of quotes around the whole away before it splits it.
 */
static char *ssh_arguments(const struct guest_access *access, int known_hosts)
{
	_cleanup_ssh_options_ char **options = ssh_options(access, known_hosts);
	_cleanup_free_ char *quoted = ansible_quote((const char *const *)options);

	return text_format("-oLogLevel=ERROR %s", quoted);
}

static int failure(const char *playbook, int status, const struct ansible_log *log,
		   struct error *err)
{
	const char *name = strrchr(playbook, '/') ? strrchr(playbook, '/') + 1 : playbook;

	if (log->failed)
		error_set(err, EX_SOFTWARE, "%s failed at the task '%s'", name, log->failed);
	else if (log->error)
		error_set(err, EX_SOFTWARE, "%s: %s", name, log->error);
	else
		error_set(err, EX_SOFTWARE, "%s: ansible-playbook ended with status %d", name,
			  status);
	return error_hint(err, "the guest runs on: 'migrant provision' tries again, 'migrant ssh' "
			       "looks inside");
}

/* Ctrl-C first, so that Ansible ends its workers, which may have left its process group. */
static void stop(struct process *process)
{
	struct pollfd end = {.fd = process->pidfd, .events = POLLIN};

	kill(-process->pid, SIGINT);
	poll(&end, 1, STOP_MS);
	process_kill(process);
}

static int run_playbook(const char *playbook, const char *directory, char **env, struct error *err)
{
	_cleanup_free_ char *inventory = text_format("%s/inventory.json", directory);
	const char *const argv[] = {"ansible-playbook", "-i", inventory, "--", playbook, NULL};
	_cleanup_ansible_log_ struct ansible_log log = {0};
	_cleanup_close_ int output_read = -1, output_write = -1;
	struct process process = PROCESS_INIT;
	int pipes[2];
	int status = 0;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(err, EX_OSERR, "cannot make a pipe");
	output_read = pipes[0];
	output_write = pipes[1];
	process.argv = argv;
	process.env = (const char *const *)env;
	process.directory =
		directory; /* not the project's: nothing of it is taken for configuration */
	process.output = process.errors = output_write;
	if (process_start(&process, err) < 0)
		return error_hint(err, "install Ansible (Debian: ansible-core)");
	cleanup_close(&output_write);
	if (!follow(output_read, &log)) {
		stop(&process);
		return interrupt_error(err);
	}
	if (process_wait(&process, &status, err) < 0)
		return -1;
	return status == 0 ? 0 : failure(playbook, status, &log, err);
}

static int prepare(const char *directory, const struct guest_access *access, struct error *err)
{
	static const char config[] =
		"[defaults]\n"; /* its presence keeps Ansible from looking on */
	_cleanup_free_ char *config_file = text_format("%s/ansible.cfg", directory);
	_cleanup_free_ char *inventory_file = text_format("%s/inventory.json", directory);
	_cleanup_free_ char *inventory = ansible_inventory(access);

	if (file_remove_tree(AT_FDCWD, directory, err) < 0 ||
	    file_make_dirs(directory, 0700, err) < 0 ||
	    file_replace(AT_FDCWD, config_file, config, strlen(config), 0600, err) < 0)
		return -1;
	return file_replace(AT_FDCWD, inventory_file, inventory, strlen(inventory), 0600, err);
}

static int run_in(const char *playbook, const char *directory, const struct guest_access *access,
		  struct error *err)
{
	_cleanup_close_ int known_hosts = ssh_known_hosts(access, err);
	_cleanup_free_ char *arguments = NULL;
	_cleanup_ssh_options_ char **env = NULL; /* a list of strings like any other */

	if (known_hosts < 0 || prepare(directory, access, err) < 0)
		return -1;
	arguments = ssh_arguments(access, known_hosts);
	env = environment(directory, arguments);
	return run_playbook(playbook, directory, env, err);
}

int ansible_run(const char *playbook, const struct guest_access *access, struct error *err)
{
	_cleanup_free_ char *home = home_directory();
	_cleanup_free_ char *directory = NULL;
	_cleanup_error_ struct error ignored = ERROR_INIT;
	int result;

	if (faccessat(AT_FDCWD, playbook, R_OK, 0) < 0)
		return error_errno(err, EX_NOINPUT, "cannot read the playbook %s", playbook);
	if (!home)
		return error_set(err, EX_NOINPUT, "you have no home directory");
	directory = text_format("%s/.cache/migrant/provision-%s", home, access->name);
	result = run_in(playbook, directory, access, err);
	if (file_remove_tree(AT_FDCWD, directory, &ignored) < 0 && result == 0) {
		error_move(err, &ignored);
		return -1;
	}
	return result;
}
