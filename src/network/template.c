/*
 * Rendering of the rule texts in templates/. What can go wrong here is a mistake in the program,
 * not in its input, and so ends it.
 */
#include "network/template.h"

#include <arpa/inet.h>
#include <net/if.h>

#include "base/text.h"

static void clear_host_bits(struct prefix *prefix)
{
	uint32_t mask = prefix->length ? UINT32_MAX << (32 - prefix->length) : 0;

	if (prefix->address.family != AF_INET6) {
		prefix->address.v4.s_addr &= htonl(mask);
		return;
	}
	for (unsigned int bit = prefix->length; bit < 128; bit++)
		prefix->address.v6.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

void prefix_list_add(struct prefix_list *list, const struct prefix *prefix)
{
	list->items = xreallocarray(list->items, list->count + 1, sizeof(*prefix));
	list->items[list->count] = *prefix;
	clear_host_bits(&list->items[list->count++]);
}

void prefix_list_add_texts(struct prefix_list *list, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct prefix prefix;

		if (parse_prefix(texts[i], &prefix) < 0)
			abort();
		prefix_list_add(list, &prefix);
	}
}

void prefix_list_done(struct prefix_list *list)
{
	free(list->items);
	*list = (struct prefix_list){0};
}

static void add_prefixes(const struct prefix_list *list, int family, struct strbuf *output)
{
	char text[PREFIX_TEXT_MAX];
	const char *separator = "";

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].address.family != family)
			continue;
		strbuf_addf(output, "%s%s", separator, prefix_format(&list->items[i], text));
		separator = ", ";
	}
	if (!*separator)
		abort();
}

static void add_address(const struct address *address, int family, struct strbuf *output)
{
	char text[ADDRESS_TEXT_MAX];

	if (address->family != family)
		abort();
	strbuf_add_text(output, address_format(address, text));
}

static void add_link(const char *link, struct strbuf *output)
{
	size_t length = strlen(link);

	if (!length || length >= IFNAMSIZ ||
	    strspn(link, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
		abort();
	strbuf_add_text(output, link);
}

static void add_value(const struct value *value, struct strbuf *output)
{
	char text[PREFIX_TEXT_MAX];
	char mac[MAC_TEXT_MAX];

	switch (value->type) {
	case VALUE_ADDRESS:
		add_address(value->address, AF_INET, output);
		return;
	case VALUE_ADDRESS6:
		add_address(value->address, AF_INET6, output);
		return;
	case VALUE_PREFIX:
		strbuf_add_text(output, prefix_format(value->prefix, text));
		return;
	case VALUE_PREFIXES:
		add_prefixes(value->prefixes, AF_INET, output);
		return;
	case VALUE_PREFIXES6:
		add_prefixes(value->prefixes, AF_INET6, output);
		return;
	case VALUE_MAC:
		strbuf_add_text(output, mac_format(value->mac, mac));
		return;
	case VALUE_NUMBER:
		strbuf_addf(output, "%u", value->number);
		return;
	case VALUE_LINK:
		add_link(value->link, output);
		return;
	}
	abort();
}

static const struct value *find_value(const struct value *values, size_t count, const char *name,
				      size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(values[i].name) == length && strncmp(values[i].name, name, length) == 0)
			return &values[i];
	abort();
}

void template_render(const char *template, const struct value *values, size_t count,
		     struct strbuf *output)
{
	const char *at = template;
	const char *mark;

	while ((mark = strstr(at, "${"))) {
		const char *name = mark + 2;
		size_t length = strcspn(name, "}");

		strbuf_add(output, at, (size_t)(mark - at));
		add_value(find_value(values, count, name, length), output);
		at = name + length + 1;
	}
	strbuf_add_text(output, at);
}
