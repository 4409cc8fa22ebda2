/*
 * What Ansible is told, and what its output tells.
 *
 * A guest answers for every module that runs in it, and an answer can become a variable of a host:
 * as a fact, where Ansible's filter of names is all that keeps its connection or its interpreter
 * from being one (an answer that looked like add_host's once passed), or because a playbook
 * believes it. The next task would run on this machine. Extra variables are stronger than all
 * others, so all that decides where a task runs is given as one. They are looked up by the
 * inventory's names: for a host that somebody adds there is no address, and `delegate_to:
 * localhost` ends in an error.
 */
#include <json-c/json.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "provision/ansible.h"

/*
 * With `delegate_to`, inventory_hostname stays that of the host that the task is of, and only the
 * short form is that of the host where it runs; ours have no dot, so both are the whole name.
 */
#define OF_HOST(member) "{{ migrant_hosts[inventory_hostname_short]." member " }}"

static void add_text(struct json_object *object, const char *name, const char *value)
{
	json_object_object_add(object, name, json_object_new_string(value));
}

static char *finish(struct json_object *object)
{
	char *text = text_format(
		"%s\n", json_object_to_json_string_ext(
				object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(object);
	return text;
}

char *ansible_inventory(const struct guest_access *hosts, size_t count)
{
	struct json_object *document = json_object_new_object();
	struct json_object *all = json_object_new_object();
	struct json_object *list = json_object_new_object();

	for (size_t i = 0; i < count; i++) {
		struct json_object *host = json_object_new_object();

		add_text(host, "ansible_host", hosts[i].address);
		add_text(host, "ansible_user", hosts[i].user);
		add_text(host, "ansible_ssh_private_key_file", hosts[i].key);
		json_object_object_add(list, hosts[i].name, host);
	}
	json_object_object_add(all, "hosts", list);
	json_object_object_add(document, "all", all);
	return finish(document);
}

/* Every variable that Ansible's ssh takes, under each of its names, unless it acts in the guest. */
static const struct {
	const char *name, *value;
} pinned[] = {
	{"ansible_connection", "ssh"},
	{"ansible_host", OF_HOST("address")},
	{"ansible_ssh_host", OF_HOST("address")},
	{"ansible_port", "22"},
	{"ansible_ssh_port", "22"},
	{"ansible_user", OF_HOST("user")},
	{"ansible_ssh_user", OF_HOST("user")},
	{"ansible_private_key_file", OF_HOST("key")},
	{"ansible_ssh_private_key_file", OF_HOST("key")},
	{"ansible_ssh_args", OF_HOST("arguments")},
	{"ansible_ssh_common_args", ""},
	{"ansible_ssh_extra_args", ""},
	{"ansible_scp_extra_args", ""},
	{"ansible_sftp_extra_args", ""},
	{"ansible_ssh_pkcs11_provider", ""},
	{"ansible_ssh_executable", "ssh"},
	{"ansible_scp_executable", "scp"},
	{"ansible_sftp_executable", "sftp"},
	{"ansible_host_key_checking", "true"},
	{"ansible_ssh_host_key_checking", "true"},
	{"ansible_python_interpreter", "/usr/bin/python3"},
};

char *ansible_connection(const struct guest_access *hosts, size_t count,
			 const char *const *arguments)
{
	struct json_object *document = json_object_new_object();
	struct json_object *list = json_object_new_object();

	for (size_t i = 0; i < count; i++) {
		struct json_object *host = json_object_new_object();

		add_text(host, "address", hosts[i].address);
		add_text(host, "user", hosts[i].user);
		add_text(host, "key", hosts[i].key);
		add_text(host, "arguments", arguments[i]);
		json_object_object_add(list, hosts[i].name, host);
	}
	json_object_object_add(document, "migrant_hosts", list);
	for (size_t i = 0; i < ARRAY_SIZE(pinned); i++)
		add_text(document, pinned[i].name, pinned[i].value);
	return finish(document);
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
