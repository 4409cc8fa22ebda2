/* A user's cloud-init.yml on arbitrary bytes: what is accepted comes out as YAML again. */
#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"
#include "config/yaml.h"
#include "seed/seed.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	_cleanup_free_ char *user_data = text_dup_n((const char *)bytes, length);
	const struct seed seed = {
		.hostname = "h",
		.user = "migrant",
		.public_key = "ssh-ed25519 A",
		.host_key = "k",
		.host_key_public = "p",
		.user_data = user_data,
		.user_data_file = "cloud-init.yml",
	};
	_cleanup_free_ char *text = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_node_ struct node *root = NULL;
	struct source source = {.file = "user-data"};

	if (seed_user_data(&seed, &text, &err) < 0) {
		if (!error_is_set(&err))
			abort();
		return 0;
	}
	source.text = text;
	source.length = strlen(text);
	if (source.length < SOURCE_SIZE_MAX && length < 4096 &&
	    (node_parse(&source, &root, &err) < 0 || !node_find(root, "users")))
		abort();
	return 0;
}
