/*
 * The <migrant:share> elements of the metadata. What they may say is share_validate()'s business;
 * here is how they are spelt.
 */
#include "hook/metadata_share.h"

#include <inttypes.h>

#include "base/parse.h"
#include "base/text.h"
#include "hook/element.h"

#define BAD EX_DATAERR

void metadata_write_share(const struct share *share, xmlTextWriterPtr writer)
{
	_cleanup_free_ char *size = text_format("%" PRIu64, share->size);

	element_start(writer, "share", NULL);
	element_write_attribute(writer, "tag", share->tag);
	element_write_attribute(writer, "host", share->host);
	element_write_attribute(writer, "guest", share->guest);
	element_write_attribute(writer, "size", size);
	element_write_attribute(writer, "mode", share->read_only ? "ro" : "rw");
	element_write_attribute(writer, "isolate", share->isolate ? "yes" : "no");
	element_write_attribute(writer, "reserve", share->reserve ? "yes" : "no");
	element_end(writer);
}

/* Reading: every attribute once, and no other. */

static bool read_text(const char *value, char **slot)
{
	text_replace(slot, value);
	return true;
}

static bool read_host(const char *value, struct share *share)
{
	return read_text(value, &share->host);
}

static bool read_guest(const char *value, struct share *share)
{
	return read_text(value, &share->guest);
}

static bool read_tag(const char *value, struct share *share)
{
	return (size_t)snprintf(share->tag, sizeof(share->tag), "%s", value) < sizeof(share->tag);
}

static bool read_size(const char *value, struct share *share)
{
	return parse_number(value, 0, SHARE_SIZE_MAX, &share->size) == 0;
}

/* Either of two words; true for the second. */
static bool read_either(const char *value, const char *no, const char *yes, bool *ret)
{
	*ret = text_equal(value, yes);
	return *ret || text_equal(value, no);
}

static bool read_mode(const char *value, struct share *share)
{
	return read_either(value, "rw", "ro", &share->read_only);
}

static bool read_isolate(const char *value, struct share *share)
{
	return read_either(value, "no", "yes", &share->isolate);
}

static bool read_reserve(const char *value, struct share *share)
{
	return read_either(value, "no", "yes", &share->reserve);
}

static const struct {
	const char *name;
	bool (*read)(const char *value, struct share *share);
} attributes[] = {
	{"tag", read_tag},	   {"host", read_host}, {"guest", read_guest},
	{"size", read_size},	   {"mode", read_mode}, {"isolate", read_isolate},
	{"reserve", read_reserve},
};

static int read_attribute(const xmlAttr *attr, unsigned int *seen, struct share *share,
			  struct error *err)
{
	const xmlNode *value = attr->children;

	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		if (attr->ns || !text_equal((const char *)attr->name, attributes[i].name))
			continue;
		*seen |= 1U << i;
		if (value && !value->next && value->type == XML_TEXT_NODE &&
		    attributes[i].read((const char *)value->content, share))
			return 0;
		return error_set(err, BAD, "metadata: a share's %s is not valid",
				 attributes[i].name);
	}
	return error_set(err, BAD, "metadata: a share has something unknown");
}

int metadata_read_share(const xmlNode *node, struct share *share, struct error *err)
{
	unsigned int seen = 0;

	if (node->children)
		return error_set(err, BAD, "metadata: a share holds something");
	for (const xmlAttr *attr = node->properties; attr; attr = attr->next)
		if (read_attribute(attr, &seen, share, err) < 0)
			return -1;
	if (seen != (1U << ARRAY_SIZE(attributes)) - 1)
		return error_set(err, BAD, "metadata: a share lacks something");
	return 0;
}
