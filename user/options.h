/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Command-line options as a table: the table is what is parsed, what is checked and what --help prints.
 */
#ifndef SERIN_OPTIONS_H
#define SERIN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct option_row {
	const char *name;     /* without the dashes */
	const char *argument; /* what stands for the argument in the help; NULL: the option is a flag */
	const char *help;
	const char *wants;    /* what the argument must be, for the complaint; NULL: a number from min to max */
	/* Parses text into the field at `offset` of the settings; 0 or -errno. */
	int (*parse)(const struct option_row *row, const char *text, void *ret_field);
	size_t offset;
	double min, max; /* for the numbers */
	char letter;	 /* its short form; 0: none */
};

struct option_table {
	const char *usage; /* after the program's name */
	const char *about;
	const struct option_row *rows;
	size_t n_rows;
};

/* Parsers for the usual fields: bool, const char * (borrowed from argv), uint64_t, double. */
int option_flag(const struct option_row *row, const char *text, void *ret_field);
int option_text(const struct option_row *row, const char *text, void *ret_field);
int option_count(const struct option_row *row, const char *text, void *ret_field);
int option_number(const struct option_row *row, const char *text, void *ret_field);

/*
 * Fills the settings from argv. What is no option stays behind *ret_first (getopt's permutation). Returns 0; 1 when
 * --help was asked for and printed; -EINVAL when the words are wrong, which has then been said on stderr.
 */
int options_parse(const struct option_table *table, int argc, char **argv, void *settings, int *ret_first);

#endif
