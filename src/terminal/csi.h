/* A control sequence in its parts; private to the room. */
#ifndef TERMINAL_CSI_H
#define TERMINAL_CSI_H

#include "terminal/sequences.h"

#define CSI_PARAMETERS_MAX 64

struct csi {
	char prefix, intermediate, final;
	const char *parameters;	 /* digits, ';' and ':' */
	size_t parameter_length; /* bytes */
	uint32_t numbers[CSI_PARAMETERS_MAX];
	size_t count;
	bool has_parts;
};

/*
 * Reads what stands between CSI and its final byte; *ret_csi points into @text. False when it is
 * none of the form that is understood.
 */
bool csi_parse(const char *text, size_t length, char final, struct csi *ret_csi);

/* Whether its parameters are as many and as large as the table's entry lets them be. */
bool csi_is_allowed(const struct csi *csi, const struct sequence *sequence);

#endif
