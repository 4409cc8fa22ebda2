/*
 * The parser of wg-quick files. What it accepts must come back from its canonical text as it was,
 * with an identity that is the same; what it refuses must be said at a line of the file. What it
 * read is bounded and sane whatever the file holds.
 */
#include <stdlib.h>

#include "base/text.h"
#include "tunnel/wireguard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
	if (!right)
		abort();
}

static void check_data(const struct wireguard *wireguard)
{
	check(wireguard->address_count && wireguard->address_count <= WIREGUARD_ADDRESS_MAX);
	check(wireguard->peer_count && wireguard->peer_count <= WIREGUARD_PEER_MAX);
	check(wireguard->dns_count <= WIREGUARD_DNS_MAX);
	check(wireguard->allowed_count && wireguard->allowed_count <= WIREGUARD_ALLOWED_MAX);
	for (size_t i = 0; i < wireguard->allowed_count; i++) {
		const struct wireguard_allowed *allowed = &wireguard->allowed[i];

		check(allowed->peer < wireguard->peer_count);
		check(allowed->prefix.length <= 8 * address_size(&allowed->prefix.address));
	}
	for (size_t i = 0; i < wireguard->peer_count; i++) {
		const struct wireguard_endpoint *endpoint = &wireguard->peers[i].endpoint;

		check(!endpoint->port || endpoint->address.family || *endpoint->host);
		check(strlen(endpoint->host) <= WIREGUARD_HOST_MAX);
	}
}

static void check_again(const struct wireguard *wireguard)
{
	_cleanup_wireguard_text_ struct strbuf text = STRBUF_INIT, second = STRBUF_INIT;
	_cleanup_wireguard_text_ struct strbuf setconf = STRBUF_INIT;
	_cleanup_wireguard_ struct wireguard again = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	char one[WIREGUARD_IDENTITY_LENGTH + 1], two[WIREGUARD_IDENTITY_LENGTH + 1];

	wireguard_write(wireguard, &text);
	check(wireguard_parse(text.text, text.length, "again", &again, &err) == 0);
	wireguard_write(&again, &second);
	check(text_equal(text.text, second.text));
	wireguard_identity(wireguard, one);
	wireguard_identity(&again, two);
	check(text_equal(one, two) && wireguard_identity_is_valid(one));
	wireguard_write_setconf(wireguard, true, &setconf);
	check(!strstr(setconf.text, "\nAddress") && !strstr(setconf.text, "\nDNS"));
}

static void check_error(const struct error *err)
{
	check(err->code == EX_DATAERR && err->place && text_starts(err->place, "file"));
	check(strlen(err->message) < 120 && !err->detail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wireguard wireguard; /* large for a stack that is watched */
	_cleanup_error_ struct error err = ERROR_INIT;

	if (wireguard_parse((const char *)data, size, "file", &wireguard, &err) < 0) {
		check_error(&err);
		return 0;
	}
	check_data(&wireguard);
	check_again(&wireguard);
	wireguard_done(&wireguard);
	return 0;
}
