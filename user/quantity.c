// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "quantity.h"

#include "util.h"

#include <errno.h>
#include <math.h>
#include <string.h>

struct unit {
	const char *suffix;
	double factor;
};

static const struct unit plain[] = {{"", 1}, {NULL, 0}};
static const struct unit durations[] = {{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {NULL, 0}};
static const struct unit shares[] = {{"", 1}, {"%", 0.01}, {NULL, 0}};
static const struct unit weights[] = {{"", 100}, {"%", 100}, {NULL, 0}};
static const struct unit factors[] = {{"", 1}, {"x", 1}, {NULL, 0}};

/* A number of digits and at most one point, and its unit. strtod() alone would take "0x1p4", "-1" and "inf". */
static int parse(const char *text, const struct unit *units, double *ret)
{
	size_t length = strspn(text, "0123456789.");
	char number[QUANTITY_TEXT_MAX];
	char *end;
	double value;

	if (!length || length >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, length);
	number[length] = '\0';
	value = strtod(number, &end);
	if (*end || end == number)
		return -EINVAL;
	for (; units->suffix; units++) {
		if (strcmp(text + length, units->suffix))
			continue;
		*ret = value * units->factor;
		return 0;
	}
	return -EINVAL;
}

int quantity_number(const char *text, double *ret)
{
	return parse(text, plain, ret);
}

int quantity_duration(const char *text, double *ret_ns)
{
	double value;

	if (parse(text, durations, &value) < 0) {
		if (strcmp(text, "0"))
			return -EINVAL;
		value = 0;
	}
	*ret_ns = round(value);
	return 0;
}

int quantity_share(const char *text, double *ret)
{
	return parse(text, shares, ret);
}

int quantity_weight(const char *text, double *ret)
{
	double value;

	if (parse(text, weights, &value) < 0 || fabs(value - round(value)) > 1e-6)
		return -EINVAL;
	*ret = round(value);
	return 0;
}

int quantity_factor(const char *text, double *ret)
{
	return parse(text, factors, ret);
}

void quantity_format_duration(uint64_t ns, char ret_text[QUANTITY_TEXT_MAX])
{
	const struct unit *unit = durations;

	for (const struct unit *u = durations; u->suffix; u++)
		if (ns && ns % (uint64_t)u->factor == 0)
			unit = u;
	if (!ns)
		unit = &durations[1];
	snprintf(ret_text, QUANTITY_TEXT_MAX, "%.15g%s", (double)ns / unit->factor, unit->suffix);
}
