/*
 * Are the ports free that `network.ports` asks for? The keeper finds out for certain when it
 * starts; asked here, before anything is made, the answer has a place in the Migrantfile. The
 * keeper listens as the user, so what the user can take it can take.
 */
#include "base/text.h"
#include "command/up.h"
#include "hook/keeper.h"

/* What a crash has left of this sandbox may be what holds its ports: `prepare` clears that first.
 */
static bool has_leftover(const struct config *config)
{
	_cleanup_free_ char *path = text_format(RUN_DIR "/%s/" RECORD_FILE, config->name);

	return access(path, F_OK) == 0;
}

static int check_port(const struct config *config, const struct config_port *port,
		      struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_close_ int fd = -1;

	if (keeper_listen(&port->bind, port->host, false, &fd, &why) == 0)
		return 0;
	config_error(config, port->position, err, "%s", why.message);
	return why.hint ? error_hint(err, "%s", why.hint) : -1;
}

int up_ports(struct up *up, struct error *err)
{
	const struct config *config = &up->project.config;

	if (has_leftover(config))
		return 0;
	for (size_t i = 0; i < config->network.port_count; i++)
		if (check_port(config, &config->network.ports[i], err) < 0)
			return -1;
	return 0;
}
