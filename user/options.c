// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* program_invocation_short_name */

#include "options.h"

#include "util.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdint.h>

#define OPTIONS_MAX 32

int option_flag(const struct option_row *row, const char *text, void *ret_field)
{
	(void)row;
	(void)text;
	*(bool *)ret_field = true;
	return 0;
}

int option_text(const struct option_row *row, const char *text, void *ret_field)
{
	(void)row;
	if (!*text)
		return -EINVAL;
	*(const char **)ret_field = text;
	return 0;
}

int option_number(const struct option_row *row, const char *text, void *ret_field)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (end == text || *end || !isfinite(value) || value < row->min || value > row->max)
		return -EINVAL;
	*(double *)ret_field = value;
	return 0;
}

int option_count(const struct option_row *row, const char *text, void *ret_field)
{
	unsigned long long value;
	char *end;

	/* strtoull takes "-1" and " 1"; a count starts with a digit. */
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || (double)value < row->min || (double)value > row->max)
		return -EINVAL;
	*(uint64_t *)ret_field = value;
	return 0;
}

static void print_help(const struct option_table *table)
{
	char left[64];

	printf("usage: %s %s\n\n%s\n\noptions:\n", program_invocation_short_name, table->usage, table->about);
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct option_row *row = &table->rows[i];

		snprintf(left, sizeof(left), "%s%.1s%s--%s %s", row->letter ? "-" : "", row->letter ? &row->letter : "",
			 row->letter ? ", " : "", row->name, row->argument ? row->argument : "");
		printf("  %-26s %s\n", left, row->help);
	}
	printf("  %-26s %s\n", "--help", "this text");
}

static int complain_about_value(const struct option_row *row, const char *text)
{
	char range[64];

	snprintf(range, sizeof(range), "a number from %.15g to %.15g", row->min, row->max);
	return util_complain(-EINVAL, "--%s: '%s' is not %s; try '%s --help'", row->name, text,
			     row->wants ? row->wants : range, program_invocation_short_name);
}

/* getopt_long() leaves a refused letter in optopt, as it may stand among others; of a long option there is the word. */
static int complain_about_word(int shape, const char *word)
{
	char letter[] = {'-', (char)optopt, '\0'};

	return util_complain(-EINVAL, "%s %s; try '%s --help'", optopt ? letter : word,
			     shape == ':' ? "needs an argument" : "is not an option that can be used so",
			     program_invocation_short_name);
}

static void to_getopt(const struct option_table *table, struct option *ret_long, char *ret_short)
{
	*ret_short++ = ':'; /* tell a missing argument from an unknown option */
	for (size_t i = 0; i < table->n_rows; i++) {
		ret_long[i].name = table->rows[i].name;
		ret_long[i].has_arg = table->rows[i].argument ? required_argument : no_argument;
		if (!table->rows[i].letter)
			continue;
		*ret_short++ = table->rows[i].letter;
		if (table->rows[i].argument)
			*ret_short++ = ':';
	}
	ret_long[table->n_rows].name = "help";
}

/* The row that getopt_long() means: by index for a long option, by letter for a short one. */
static const struct option_row *find_row(const struct option_table *table, int shape, int index)
{
	if (shape == 0)
		return &table->rows[index];
	for (size_t i = 0; i < table->n_rows; i++)
		if (table->rows[i].letter == shape)
			return &table->rows[i];
	return NULL;
}

int options_parse(const struct option_table *table, int argc, char **argv, void *settings, int *ret_first)
{
	struct option long_options[OPTIONS_MAX + 2] = {};
	char letters[2 * OPTIONS_MAX + 2] = "";
	const struct option_row *row;
	int shape, index = 0;

	if (table->n_rows > OPTIONS_MAX)
		return -E2BIG;
	to_getopt(table, long_options, letters);

	opterr = 0;
	while ((shape = getopt_long(argc, argv, letters, long_options, &index)) != -1) {
		if (shape == ':' || shape == '?')
			return complain_about_word(shape, argv[optind - 1]);
		if (shape == 0 && (size_t)index == table->n_rows) {
			print_help(table);
			return 1;
		}
		row = find_row(table, shape, index);
		if (row->parse(row, optarg, (char *)settings + row->offset) < 0)
			return complain_about_value(row, optarg);
	}
	*ret_first = optind;
	return 0;
}
