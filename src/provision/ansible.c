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
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/lines.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "provision/keys.h"
#include "provision/output.h"

/* A run: what it works with, in its private directory. */
struct run {
	const struct ansible_request *request;
	char *home, *directory;
	int known_hosts;
	char **arguments; /* of ssh, for each host */
	struct lines env; /* its items end with NULL */
};

#define RUN_INIT(for_request)                               \
	{                                                   \
		.request = (for_request), .known_hosts = -1 \
	}

static void run_done(struct run *run)
{
	free(run->home);
	free(run->directory);
	cleanup_close(&run->known_hosts);
	free_list(run->arguments);
	lines_done(&run->env);
}

static void look_at_line(void *data, const char *line)
{
	ansible_log_line(data, line);
}

/* What ansible-galaxy fetched comes before what the user has installed. */
static void add_paths(struct run *run)
{
	static const struct {
		const char *variable, *name;
	} paths[] = {{"ANSIBLE_ROLES_PATH", "roles"}, {"ANSIBLE_COLLECTIONS_PATH", "collections"}};

	/* An ansible.cfg that the user names may say something else. */
	if (run->request->settings && !run->request->requirements)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		const char *name = paths[i].name;

		lines_addf(&run->env, "%s=%s/%s:%s/.ansible/%s:/usr/share/ansible/%s",
			   paths[i].variable, run->directory, name, run->home, name, name);
	}
}

/* Ansible's settings: stronger than those of an ansible.cfg. */
static void add_settings(struct run *run)
{
	static const char *const fixed[] = {
		"ANSIBLE_INVENTORY_ENABLED=yaml",
		"ANSIBLE_INVENTORY_UNPARSED_FAILED=true",
		"ANSIBLE_HOST_KEY_CHECKING=true",
		"ANSIBLE_SSH_COMMON_ARGS=",
		"ANSIBLE_SSH_EXTRA_ARGS=",
		"ANSIBLE_SSH_EXECUTABLE=ssh",
		"ANSIBLE_PIPELINING=true",
		"ANSIBLE_TIMEOUT=120", /* an emulated guest needs its time for sudo */
		"ANSIBLE_STDOUT_CALLBACK=default",
		"ANSIBLE_RETRY_FILES_ENABLED=false",
		"ANSIBLE_NOCOWS=true",
		"ANSIBLE_NOCOLOR=true",
		"PYTHONUNBUFFERED=1",
		"PYTHONNOUSERSITE=1",
	};
	const char *settings = run->request->settings;

	if (settings)
		lines_addf(&run->env, "ANSIBLE_CONFIG=%s", settings);
	else
		lines_addf(&run->env, "ANSIBLE_CONFIG=%s/ansible.cfg", run->directory);
	lines_addf(&run->env, "ANSIBLE_HOME=%s/home", run->directory);
	lines_addf(&run->env, "ANSIBLE_LOCAL_TEMP=%s/tmp", run->directory);
	lines_addf(&run->env, "ANSIBLE_SSH_ARGS=%s", run->arguments[0]);
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		lines_add(&run->env, fixed[i]);
	add_paths(run);
}

/* How the host reaches the Internet: for what is fetched here, and of no use to a playbook. */
static void add_proxies(struct lines *env)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "no_proxy",
					    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (getenv(names[i]))
			lines_addf(env, "%s=%s", names[i], getenv(names[i]));
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

static int failure(const char *title, int status, const struct ansible_log *log, struct error *err)
{
	if (log->failed)
		error_set(err, EX_SOFTWARE, "%s failed at the task '%s'", title, log->failed);
	else if (log->error)
		error_set(err, EX_SOFTWARE, "%s: %s", title, log->error);
	else
		error_set(err, EX_SOFTWARE, "%s: Ansible ended with status %d", title, status);
	return error_hint(err, "the guest runs on: 'migrant provision' tries again, 'migrant ssh' "
			       "looks inside");
}

/* Runs one of Ansible's programs to its end. @directory is never taken for configuration. */
static int run_program(const struct run *run, const char *const *argv, const char *directory,
		       struct error *err)
{
	_cleanup_ansible_log_ struct ansible_log log = {0};
	_cleanup_output_ struct output output = {
		.title = run->request->title, .look = look_at_line, .data = &log};
	struct process process = PROCESS_INIT;
	int status = 0;

	process.argv = argv;
	process.env = (const char *const *)run->env.items;
	process.directory = directory;
	if (output_run(&output, &process, &status, err) < 0)
		return err->code == EX_UNAVAILABLE
			       ? error_hint(err, "install Ansible (Debian: ansible-core)")
			       : -1;
	return status == 0 ? 0 : failure(output.title, status, &log, err);
}

/* Into the private directory, by the names that the requirements' own directory gives to files. */
static int fetch_requirements(const struct run *run, struct error *err)
{
	const char *file = run->request->requirements;
	const char *slash = file ? strrchr(file, '/') : NULL;
	_cleanup_free_ char *directory =
		slash ? text_dup_n(file, (size_t)(slash - file) + 1) : NULL;
	const char *const argv[] = {"ansible-galaxy", "install", "-r", file, NULL};

	if (!file)
		return 0;
	log_info("fetching the roles and collections of %s", file);
	return run_program(run, argv, directory, err);
}

static int run_playbook(const struct run *run, struct error *err)
{
	const struct ansible_request *request = run->request;
	_cleanup_free_ char *inventory = text_format("%s/inventory.json", run->directory);
	_cleanup_free_ char *vars = text_format("@%s/vars.json", run->directory);
	_cleanup_free_ char *connection = text_format("@%s/connection.json", run->directory);
	_cleanup_strbuf_ struct strbuf tags = STRBUF_INIT;
	const char *argv[16] = {"ansible-playbook", "-i", inventory, "--limit",
				request->hosts[0].name};
	size_t count = 5;

	for (const char *const *tag = request->tags; tag && *tag; tag++)
		strbuf_addf(&tags, "%s%s", tags.length ? "," : "--tags=", *tag);
	if (tags.length)
		argv[count++] = strbuf_text(&tags);
	argv[count++] = "--extra-vars";
	argv[count++] = vars;
	argv[count++] = "--extra-vars"; /* behind, and so stronger than the user's */
	argv[count++] = connection;
	argv[count++] = "--";
	argv[count++] = request->playbook;
	return run_program(run, argv, run->directory, err);
}

static int write_file(const struct run *run, const char *name, const char *text, struct error *err)
{
	_cleanup_free_ char *path = text_format("%s/%s", run->directory, name);

	return file_replace(AT_FDCWD, path, text, strlen(text), 0600, err);
}

static int prepare(struct run *run, struct error *err)
{
	const struct ansible_request *request = run->request;
	_cleanup_free_ char *inventory = ansible_inventory(request->hosts, request->host_count);
	_cleanup_free_ char *connection = NULL;

	run->known_hosts = ssh_known_hosts_of(request->hosts, request->host_count, err);
	if (run->known_hosts < 0)
		return -1;
	run->arguments = xcalloc(request->host_count + 1, sizeof(char *));
	for (size_t i = 0; i < request->host_count; i++)
		run->arguments[i] = ssh_arguments(&request->hosts[i], run->known_hosts);
	connection = ansible_connection(request->hosts, request->host_count,
					(const char *const *)run->arguments);
	if (file_remove_tree(AT_FDCWD, run->directory, err) < 0 ||
	    file_make_dirs(run->directory, 0700, err) < 0 ||
	    /* its presence keeps Ansible from looking on */
	    write_file(run, "ansible.cfg", "[defaults]\n", err) < 0 ||
	    write_file(run, "inventory.json", inventory, err) < 0 ||
	    write_file(run, "vars.json", request->vars ? request->vars : "{}", err) < 0 ||
	    write_file(run, "connection.json", connection, err) < 0)
		return -1;
	add_settings(run);
	if (request->requirements)
		add_proxies(&run->env);
	run->env.items = xreallocarray(run->env.items, run->env.count + 1, sizeof(char *));
	run->env.items[run->env.count] = NULL;
	return 0;
}

int ansible_run(const struct ansible_request *request, struct error *err)
{
	_cleanup_(run_done) struct run run = RUN_INIT(request);
	_cleanup_error_ struct error ignored = ERROR_INIT;
	int result = -1;

	if (faccessat(AT_FDCWD, request->playbook, R_OK, 0) < 0)
		return error_errno(err, EX_NOINPUT, "cannot read the playbook %s",
				   request->playbook);
	run.home = home_directory();
	if (!run.home)
		return error_set(err, EX_NOINPUT, "you have no home directory");
	run.directory =
		text_format("%s/.cache/migrant/provision-%s", run.home, request->hosts[0].name);
	if (prepare(&run, err) == 0 && fetch_requirements(&run, err) == 0)
		result = run_playbook(&run, err);
	if (file_remove_tree(AT_FDCWD, run.directory, &ignored) < 0 && result == 0) {
		error_move(err, &ignored);
		return -1;
	}
	return result;
}
