/*
 * A control sequence (CSI, ECMA-48 §5.4) taken apart, to be compared with the table. Anything but
 * the plain form is refused: terminals differ in what they make of the rest.
 */
#include "terminal/csi.h"

/* Reads "1;2:3". Nine digits are more than a screen has columns, and fit. */
static bool parse_parameters(struct csi *csi)
{
	size_t digits = 0;

	csi->count = csi->parameter_length ? 1 : 0;
	for (size_t i = 0; i < csi->parameter_length; i++) {
		char byte = csi->parameters[i];

		if (byte == ';' || byte == ':') {
			if (csi->count == CSI_PARAMETERS_MAX)
				return false;
			csi->has_parts |= byte == ':';
			csi->count++;
			digits = 0;
		} else if (byte >= '0' && byte <= '9' && digits++ < 9) {
			csi->numbers[csi->count - 1] =
				csi->numbers[csi->count - 1] * 10 + (uint32_t)(byte - '0');
		} else {
			return false;
		}
	}
	return true;
}

static bool is_parameter(char byte)
{
	return byte >= 0x30 && byte <= 0x3f;
}

bool csi_parse(const char *text, size_t length, char final, struct csi *ret_csi)
{
	size_t at = 0, end;

	*ret_csi = (struct csi){.final = final};
	if (length && text[0] >= '<' && text[0] <= '?')
		ret_csi->prefix = text[at++];
	for (end = at; end < length && is_parameter(text[end]);)
		end++;
	ret_csi->parameters = text + at;
	ret_csi->parameter_length = end - at;
	if (end < length)
		ret_csi->intermediate = text[end++];
	return end == length && parse_parameters(ret_csi);
}

bool csi_is_allowed(const struct csi *csi, const struct sequence *sequence)
{
	if (csi->count < sequence->least || csi->count > sequence->most ||
	    (csi->has_parts && !sequence->has_parts))
		return false;
	if (csi->count &&
	    (csi->numbers[0] < sequence->first_low || csi->numbers[0] > sequence->first_high))
		return false;
	for (size_t i = 1; i < csi->count; i++)
		if (csi->numbers[i] > sequence->rest_high)
			return false;
	return true;
}
