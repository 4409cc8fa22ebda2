/* `migrant pubkey`: the public half of the managed SSH key, made when it is not there yet. */
#include "command/command.h"

#include <stdio.h>

#include "provision/keys.h"

static int run(const struct invocation *invocation, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *public_text = NULL;

	(void)invocation;
	if (key_ensure(&path, &public_text, err) < 0)
		return -1;
	printf("%s\n", public_text);
	return 0;
}

const struct command command_pubkey = {
	.name = "pubkey",
	.group = "access",
	.summary = "print the public SSH key of your sandboxes",
	.example = "migrant pubkey",
	.details = "The key is ~/.ssh/migrant, or the file that MIGRANT_KEY names. It is made when "
		   "it is\n"
		   "not there yet. It opens your sandboxes and nothing else.\n",
	.run = run,
};
