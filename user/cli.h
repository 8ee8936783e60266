/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The command line: one function a command. Each gets its own words (argv[0] is the command's name) and returns an
 * exit code: 0 done, 1 the operation failed, 2 the words are wrong. What failed has then been said on stderr.
 */
#ifndef SERIN_CLI_H
#define SERIN_CLI_H

#include "config.h"

#include <jansson.h>

struct cli_command {
	const char *name;
	const char *words; /* after the name, in the help */
	const char *about;
	int (*run)(int argc, char **argv);
};

/* All commands; NULL name at the end. */
extern const struct cli_command cli_commands[];

int cli_run(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_dump(int argc, char **argv);
int cli_weight(int argc, char **argv);
int cli_abort(int argc, char **argv);
int cli_plan(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_version(int argc, char **argv);
int cli_help(int argc, char **argv);

/* ---- for the commands ---- */

#define CLI_OUTPUT_ROW(type, field)                                                                        \
	{"output", "text|json", "how to write it", "text or json", cli_parse_output, offsetof(type, field), 0, 0, 'o'}
#define CLI_INSTANCE_ROW(type, field)                                                                      \
	{"instance", "NAME", "talk to the agent that was started with this --instance", "a name", option_text, \
	 offsetof(type, field), 0, 0, 0}

struct option_row;

/* -o text | json into a bool: is it json? */
int cli_parse_output(const struct option_row *row, const char *text, void *ret_json);

/* The paths of an instance; complains and returns -EINVAL when the name cannot be one. */
int cli_paths(const char *instance, struct serin_paths *ret);

/* Prints JSON as it is documented, indented, and gives the reference back. Returns the exit code. */
int cli_print_json(json_t *json);

/* client_call(), with the complaint printed. 0 or -errno. */
int cli_call(const struct serin_paths *paths, const char *method, const char *path, const json_t *body,
	     json_t **ret_answer);

#endif
