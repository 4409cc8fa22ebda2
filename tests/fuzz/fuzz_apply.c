/* What a user hands to `migrant-helper apply`: the whole way from the bytes to the metadata. */
#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"
#include "hook/apply.h"
#include "network/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static char name[] = "claude", uuid[] = "123e4567-e89b-42d3-a456-426614174000",
	    directory[] = "/home/dev/claude", some[] = "x",
	    wire[] = "10.213.0.1/30 10.213.0.2 52:54:00:6d:67:02";

/* What is accepted is this sandbox's, and a policy that comes back from its own text. */
static void check(const struct metadata *metadata)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *own = wire_canonical(&metadata->wire);
	struct policy back;

	if (!text_equal(metadata->name, name) || !text_equal(metadata->uuid, uuid) ||
	    metadata->owner != 1000 || !text_equal(metadata->directory, directory) ||
	    !text_equal(own, wire))
		abort();
	policy_canonical(&metadata->policy, &text);
	if (policy_parse(strbuf_text(&text), &back, &err) < 0 ||
	    !policy_equal(&metadata->policy, &back))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct record record = {
		.name = name,
		.uuid = uuid,
		.owner = 1000,
		.directory = directory,
		.wire = wire,
		.policy = some,
	};
	_cleanup_free_ char *text = text_dup_n((const char *)bytes, length);
	_cleanup_metadata_ struct metadata metadata = {0};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (apply_parse(text, length, &record, &metadata, &err) == 0)
		check(&metadata);
	else if (!error_is_set(&err))
		abort();
	return 0;
}
