/*
 * `migrant tunnel`: ports of the guest on the host's loopback, through SSH and as long as the
 * command runs. Unlike `ports:` it reaches what listens on the guest's own loopback, and needs no
 * change of the policy.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "command/named.h"

#define FORWARDS_MAX 64

struct forward {
	uint16_t host, guest;
};

static int parse_forward(const char *text, struct forward *ret_forward, struct error *err)
{
	const char *colon = strchr(text, ':');
	_cleanup_free_ char *host = text_dup_n(text, colon ? (size_t)(colon - text) : strlen(text));

	if (parse_port(host, &ret_forward->host) == 0 &&
	    parse_port(colon ? colon + 1 : text, &ret_forward->guest) == 0)
		return 0;
	error_set(err, EX_USAGE, "'%s' is no port", text);
	return error_hint(err, "migrant tunnel 3000, or 8080:3000 for another port on the host");
}

static int read_named(const struct invocation *invocation, struct forward *forwards,
		      size_t *ret_count, struct error *err)
{
	const int names = named_sandbox(invocation) ? 1 : 0;

	if (invocation->argc - names > FORWARDS_MAX)
		return error_set(err, EX_USAGE, "more than %d ports", FORWARDS_MAX);
	for (int i = names; i < invocation->argc; i++) {
		struct forward *forward = &forwards[i - names];

		if (parse_forward(invocation->argv[i], forward, err) < 0)
			return -1;
		for (const struct forward *other = forwards; other < forward; other++)
			if (other->host == forward->host)
				return error_set(err, EX_USAGE,
						 "port %u of the host is named twice",
						 forward->host);
	}
	*ret_count = (size_t)(invocation->argc - names);
	return 0;
}

/* Those of the Migrantfile, where none was named. */
static int read_configured(const struct config *config, struct forward *forwards, size_t *ret_count,
			   struct error *err)
{
	if (*ret_count)
		return 0;
	*ret_count = config->tunnel_port_count;
	for (size_t i = 0; i < config->tunnel_port_count; i++)
		forwards[i] = (struct forward){config->tunnel_ports[i], config->tunnel_ports[i]};
	if (*ret_count)
		return 0;
	error_set(err, EX_USAGE, "no port is named, and the Migrantfile has no `tunnel:`");
	return error_hint(err, "migrant tunnel 3000, or 8080:3000 for another port on the host");
}

/* ssh would say so as well, but after it has connected, and among other words. */
static int check_free(uint16_t port, struct error *err)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd < 0)
		return error_errno(err, EX_OSERR, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	error_errno(err, errno == EACCES ? EX_NOPERM : EX_CANTCREAT, "port %u of the host", port);
	return error_hint(err, "another one: migrant tunnel %u:%u",
			  port < 1024 ? 8000U + port : port + 1U, port);
}

static int run_ssh(const struct guest_access *access, const struct forward *forwards, size_t count,
		   struct error *err)
{
	_cleanup_list_ char **arguments = xcalloc(2 * count + 4, sizeof(*arguments));
	const struct ssh_request request = {.access = access,
					    .arguments = (const char *const *)arguments};
	size_t used = 0;
	int status = 0;

	arguments[used++] = text_dup("-N");
	arguments[used++] = text_dup("-oExitOnForwardFailure=yes");
	for (size_t i = 0; i < count; i++) {
		arguments[used++] = text_dup("-L");
		arguments[used++] = text_format("127.0.0.1:%u:localhost:%u", forwards[i].host,
						forwards[i].guest);
	}
	if (ssh_run(&request, &status, err) < 0)
		return -1;
	return error_set(err, EX_TEMPFAIL, "ssh has ended with status %d", status);
}

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_project_ struct project project = PROJECT_INIT;
	_cleanup_access_ struct project_access access = {0};
	struct forward forwards[FORWARDS_MAX];
	size_t count = 0;

	if (read_named(invocation, forwards, &count, err) < 0 ||
	    project_load(&project, invocation, err) < 0 ||
	    read_configured(&project.config, forwards, &count, err) < 0 ||
	    project_connect(&project, err) < 0 || project_find(&project, err) < 0 ||
	    project_require_running(&project, err) < 0 ||
	    project_find_access(&project, &access, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (check_free(forwards[i].host, err) < 0)
			return -1;
	interrupt_catch();
	for (size_t i = 0; i < count; i++)
		log_step("127.0.0.1:%u is port %u of the guest", forwards[i].host,
			 forwards[i].guest);
	log_info("Ctrl-C ends it");
	if (run_ssh(&access.access, forwards, count, err) < 0 && interrupt_pending() == SIGINT) {
		error_done(err);
		log_step("closed");
	}
	return error_is_set(err) ? -1 : 0;
}

const struct command command_tunnel = {
	.name = "tunnel",
	.group = "access",
	.operands = "[NAME] [[HOST:]PORT…]",
	.summary = "show ports of the guest on the host's loopback while it runs",
	.details =
		"Without a port, those of `tunnel:` in the Migrantfile. Through SSH: also what the "
		"guest\n"
		"has on its own loopback, and nothing of the policy changes. What answers there is "
		"the\n"
		"guest: a browser that looks at it runs its scripts. A number is a port, not a "
		"name.\n"
		"\n"
		"  migrant tunnel 3000\n"
		"  migrant tunnel 8080:80 5432\n"
		"  migrant tunnel my-project 3000    from any directory\n",
	.operands_max = -1,
	.takes_name = true,
	.takes_ports = true,
	.run = run,
};
