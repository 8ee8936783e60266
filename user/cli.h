/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The command line: one function a command. Each gets its own words (argv[0] is the command's name) and returns an
 * exit code: 0 done, 1 the operation failed, 2 the words are wrong. What failed has then been said on stderr.
 */
#ifndef SERIN_CLI_H
#define SERIN_CLI_H

#include "config.h"
#include "options.h"
#include "page.h"

#include <jansson.h>

struct cli_command {
	const char *name;
	/* After the name, in the help. Completion reads it too: NAME is a release, FILE a file, COMMAND a command, and
	 * words with '|' between them are what they are. */
	const char *words;
	const char *about;
	int (*run)(int argc, char **argv);
	const struct option_table *options; /* NULL: it has none */
};

/* All commands; NULL name at the end. */
extern const struct cli_command cli_commands[];

/* The one by that name, or NULL. */
const struct cli_command *cli_find(const char *name);

int cli_run(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_top(int argc, char **argv);
int cli_dump(int argc, char **argv);
int cli_order(int argc, char **argv); /* weight, promote, pause, resume, abort, retry */
int cli_history(int argc, char **argv);
int cli_plan(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_lint(int argc, char **argv);
int cli_completion(int argc, char **argv);
int cli_version(int argc, char **argv);
int cli_help(int argc, char **argv);

/* What --help of each prints. */
extern const struct option_table cli_run_options, cli_status_options, cli_top_options, cli_dump_options, cli_weight_options,
	cli_promote_options, cli_pause_options, cli_resume_options, cli_abort_options, cli_retry_options,
	cli_history_options, cli_plan_options, cli_check_options, cli_lint_options, cli_completion_options;

/* ---- for the commands ---- */

#define CLI_OUTPUT_ROW(type, field)                                                                        \
	{"output", "text|json", "how to write it", "text or json", cli_parse_output, offsetof(type, field), 0, 0, 'o'}
#define CLI_INSTANCE_ROW(type, field)                                                                      \
	{"instance", "NAME", "talk to the agent that was started with this --instance", "a name", option_text, \
	 offsetof(type, field), 0, 0, 0}

/* -o text | json into a bool: is it json? */
int cli_parse_output(const struct option_row *row, const char *text, void *ret_json);

/* The paths of an instance; complains and returns -EINVAL when the name cannot be one. */
int cli_paths(const char *instance, struct serin_paths *ret);

/* Prints JSON as it is documented, indented, and gives the reference back. Returns the exit code. */
int cli_print_json(json_t *json);

/* client_call(), with the complaint printed. 0 or -errno. */
int cli_call(const struct serin_paths *paths, const char *method, const char *path, const json_t *body,
	     json_t **ret_answer);

/* Says what a client_call() that failed with r means, and gives its answer back. Returns r. */
int cli_complain(const struct serin_paths *paths, int r, json_t *answer);

/* The same in words without a line of its own, for who goes on. */
void cli_explain(const struct serin_paths *paths, int r, char *ret_text, size_t size);

/* For who would wait for the agent: 0 when that may help. Else says why and what does, and returns r: no right to ask (-EACCES),
 * no libcurl (-ELIBACC). */
int cli_give_up(int r, const char *why);

/* How stdout is to be written on: the characters of the locale, and a terminal's width and colours. Returns whether it can be drawn on:
 * it is a terminal, and none that is dumb. */
bool cli_look(struct page_look *ret);

/* The text of a member of a JSON object; "" when it has none, or none that is text. */
const char *cli_text_at(const json_t *object, const char *key);

#endif
