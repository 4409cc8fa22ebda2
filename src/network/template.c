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
	if (prefix->address.family != AF_INET6) {
		uint32_t mask = prefix->length ? UINT32_MAX << (32 - prefix->length) : 0;

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

void prefix_list_add_all(struct prefix_list *list, const struct prefix_list *more)
{
	for (size_t i = 0; i < more->count; i++)
		prefix_list_add(list, &more->items[i]);
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

void prefix_list_add_address(struct prefix_list *list, const struct address *address)
{
	const struct prefix prefix = {*address, address_size(address) * 8};

	prefix_list_add(list, &prefix);
}

/* What of @prefix is not @address: the other half at every length. */
static void add_rest(struct prefix_list *list, const struct prefix *prefix,
		     const struct address *address)
{
	unsigned int bits = 8 * address_size(address);

	for (unsigned int bit = prefix->length; bit < bits; bit++) {
		struct prefix other = {*address, bit + 1};
		uint8_t *bytes = other.address.family == AF_INET6 ? other.address.v6.s6_addr
								  : (uint8_t *)&other.address.v4;

		bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		prefix_list_add(list, &other);
	}
}

void prefix_list_subtract(struct prefix_list *list, const struct address *address)
{
	struct prefix_list result = {0};

	for (size_t i = 0; i < list->count; i++)
		if (prefix_contains(&list->items[i], address))
			add_rest(&result, &list->items[i], address);
		else
			prefix_list_add(&result, &list->items[i]);
	prefix_list_done(list);
	*list = result;
}

void prefix_list_done(struct prefix_list *list)
{
	free(list->items);
	*list = (struct prefix_list){0};
}

void element_list_add(struct element_list *list, const struct element *element)
{
	list->items = xreallocarray(list->items, list->count + 1, sizeof(*element));
	list->items[list->count++] = *element;
}

void element_list_done(struct element_list *list)
{
	free(list->items);
	*list = (struct element_list){0};
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
}

static void add_address(const struct address *address, int family, struct strbuf *output)
{
	char text[ADDRESS_TEXT_MAX];

	if (address->family != family)
		abort();
	strbuf_add_text(output, address_format(address, text));
}

static void add_protocol(uint8_t protocol, struct strbuf *output)
{
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		abort();
	strbuf_add_text(output, protocol == IPPROTO_TCP ? "tcp" : "udp");
}

static void add_field(const struct element *element, enum element_field field,
		      struct strbuf *output)
{
	char text[ADDRESS_TEXT_MAX];

	switch (field) {
	case FIELD_ADDRESS:
		strbuf_add_text(output, address_format(&element->address, text));
		return;
	case FIELD_PROTOCOL:
		add_protocol(element->protocol, output);
		return;
	case FIELD_PORT:
		strbuf_addf(output, "%u", element->port);
		return;
	case FIELD_TARGET_PORT:
		strbuf_addf(output, "%u", element->target_port);
		return;
	case FIELD_MARK:
		strbuf_addf(output, "0x%08x", element->mark);
		return;
	case FIELD_END:
		break;
	}
	abort();
}

static void add_fields(const struct element *element, const enum element_field *fields,
		       struct strbuf *output)
{
	for (size_t i = 0; i < ELEMENT_FIELDS_MAX && fields[i] != FIELD_END; i++) {
		if (i)
			strbuf_add_text(output, " . ");
		add_field(element, fields[i], output);
	}
}

static void add_elements(const struct element_list *list, const struct element_form *form,
			 struct strbuf *output)
{
	for (size_t i = 0; i < list->count; i++) {
		if (i)
			strbuf_add_text(output, ", ");
		add_fields(&list->items[i], form->key, output);
		if (form->data[0] == FIELD_END)
			continue;
		strbuf_add_text(output, " : ");
		add_fields(&list->items[i], form->data, output);
	}
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
	case VALUE_ELEMENTS:
		add_elements(value->elements, value->form, output);
		return;
	case VALUE_MAC:
		strbuf_add_text(output, mac_format(value->mac, mac));
		return;
	case VALUE_NUMBER:
		strbuf_addf(output, "%u", value->number);
		return;
	case VALUE_MARK:
		strbuf_addf(output, "0x%08x", value->number);
		return;
	case VALUE_LINK:
		add_link(value->link, output);
		return;
	case VALUE_PART:
		template_render(value->part->template, value->part->values, value->part->count,
				output);
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

static bool has_family(const struct prefix_list *list, int family)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].address.family == family)
			return true;
	return false;
}

static bool is_empty(const struct value *value)
{
	if (value->type == VALUE_PREFIXES || value->type == VALUE_PREFIXES6)
		return !has_family(value->prefixes,
				   value->type == VALUE_PREFIXES ? AF_INET : AF_INET6);
	return value->type == VALUE_ELEMENTS && !value->elements->count;
}

/* Renders one line, or nothing when it is the elements of an empty set. */
static void render_line(const char *line, size_t length, const struct value *values, size_t count,
			struct strbuf *output)
{
	_cleanup_free_ char *copy = text_dup_n(line, length);
	bool may_be_empty = text_starts(copy + strspn(copy, "\t"), "elements = ");
	_cleanup_strbuf_ struct strbuf rendered = STRBUF_INIT;
	const char *at = copy;
	const char *mark;

	while ((mark = strstr(at, "${"))) {
		const char *name = mark + 2;
		size_t name_length = strcspn(name, "}");
		const struct value *value = find_value(values, count, name, name_length);

		if (value->type == VALUE_PART && !value->part)
			return;
		if (is_empty(value) && may_be_empty)
			return;
		if (is_empty(value))
			abort();
		strbuf_add(&rendered, at, (size_t)(mark - at));
		add_value(value, &rendered);
		at = name + name_length + 1;
	}
	strbuf_add_text(&rendered, at);
	strbuf_add_text(output, strbuf_text(&rendered));
}

void template_render(const char *template, const struct value *values, size_t count,
		     struct strbuf *output)
{
	while (*template) {
		size_t length = strcspn(template, "\n");

		length += template[length] == '\n';
		render_line(template, length, values, count, output);
		template += length;
	}
}
