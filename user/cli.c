// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli.h"

#include "client.h"
#include "options.h"
#include "terminal.h"
#include "util.h"
#include "version.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>

const struct cli_command cli_commands[] = {
	{"run", "[-c FILE] [--stable PORT --canary PORT] ...", "the agent, in the foreground", cli_run, &cli_run_options},
	{"status", "[NAME] [-w] [-o json]", "releases at a glance; -w follows; exit code 1: Paused or RolledBack", cli_status,
	 &cli_status_options},
	{"top", "[NAME]", "both versions side by side, live, with their last minutes; keys give orders", cli_top, &cli_top_options},
	{"history", "[NAME] [-o json]", "decisions, newest last, with what they rest on", cli_history, &cli_history_options},
	{"weight", "[NAME] PCT", "set the canary's share of new connections", cli_order, &cli_weight_options},
	{"promote", "[NAME] [--full]", "go on to the next step, or to the last", cli_order, &cli_promote_options},
	{"pause", "[NAME]", "stay at this weight", cli_order, &cli_pause_options},
	{"resume", "[NAME]", "go on after a pause, or after a weight set by hand", cli_order, &cli_resume_options},
	{"abort", "[NAME]", "take the canary out of traffic", cli_order, &cli_abort_options},
	{"retry", "[NAME]", "begin again after a rollback", cli_order, &cli_retry_options},
	{"dump", "[-o json]", "everything, from the pinned maps, agent running or not", cli_dump, &cli_dump_options},
	{"plan", "[--rps R --p-canary X ...]", "what if: how soon would a fault be caught, how often falsely", cli_plan,
	 &cli_plan_options},
	{"check", "", "what this kernel and these privileges allow", cli_check, &cli_check_options},
	{"lint", "FILE", "check a configuration, and say what it means", cli_lint, &cli_lint_options},
	{"completion", "bash|zsh|fish", "what a shell needs to complete these words", cli_completion,
	 &cli_completion_options},
	{"version", "", "the version", cli_version, NULL},
	{"help", "[COMMAND]", "this, or the help of a command", cli_help, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

const struct cli_command *cli_find(const char *name)
{
	for (const struct cli_command *c = cli_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static void print_commands(FILE *out)
{
	char left[64];

	fprintf(out, "usage: serin COMMAND ...\n\n"
		     "Watches two versions of a model server from inside the kernel and moves traffic between them.\n\n"
		     "commands:\n");
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		snprintf(left, sizeof(left), "%s %s", c->name, c->words);
		fprintf(out, "  %-40s %s\n", left, c->about);
	}
	fprintf(out, "\n`serin help COMMAND` tells its options. A first look:\n"
		     "  serin run --stable 8000 --canary 8001 --weight 10\n");
}

int cli_help(int argc, char **argv)
{
	const struct cli_command *command;
	char *words[] = {NULL, "--help", NULL};

	if (argc < 2) {
		print_commands(stdout);
		return 0;
	}
	command = cli_find(argv[1]);
	if (!command)
		return util_complain(EXIT_USAGE, "no command '%s'; `serin help` lists them", argv[1]);
	if (command->run == cli_help) {
		print_commands(stdout);
		return 0;
	}
	words[0] = argv[1];
	return command->run(2, words);
}

int cli_version(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		puts("usage: serin version\n\nPrints the version.");
		return 0;
	}
	if (argc > 1)
		return util_complain(EXIT_USAGE, "version takes no '%s'", argv[1]);
	puts("serin " SERIN_VERSION);
	return 0;
}

int cli_parse_output(const struct option_row *row, const char *text, void *ret_json)
{
	(void)row;
	if (strcmp(text, "json") && strcmp(text, "text"))
		return -EINVAL;
	*(bool *)ret_json = !strcmp(text, "json");
	return 0;
}

int cli_paths(const char *instance, struct serin_paths *ret)
{
	int r = config_paths(instance, ret);

	if (r < 0)
		util_complain(r, "--instance: '%s' cannot be a name; use 1 to 32 letters, digits, - and _", instance);
	return r;
}

int cli_print_json(json_t *json)
{
	int r;

	if (!json)
		return util_complain(EXIT_FAILURE, "out of memory");
	r = json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
	json_decref(json);
	putchar('\n');
	if (r < 0 || fflush(stdout) == EOF)
		return util_complain(EXIT_FAILURE, "cannot write to stdout: %s", strerror(errno));
	return 0;
}

const char *cli_text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int cli_complain(const struct serin_paths *paths, int r, json_t *answer)
{
	const char *message = "it gave no reason";

	switch (r) {
	case -ENOTCONN:
		return util_complain(r, "no agent listens on %s; start one with `serin run`", paths->socket);
	case -EACCES:
		return util_complain(r, "the agent's socket %s is root's; run this as root", paths->socket);
	case -ELIBACC:
		return util_complain(r, "libcurl.so.4, which talks to the agent, cannot be loaded; install libcurl4");
	case -EREMOTEIO:
		json_unpack(answer, "{s:s}", "message", &message);
		util_complain(r, "%s", message);
		json_decref(answer);
		return r;
	default:
		return util_complain(r, "the agent on %s gave no usable answer; is it busy or of another version?",
				     paths->socket);
	}
}

void cli_explain(const struct serin_paths *paths, int r, char *ret_text, size_t size)
{
	if (r == -ENOTCONN)
		snprintf(ret_text, size, "no agent listens on %s", paths->socket);
	else if (r == -EACCES)
		snprintf(ret_text, size, "the agent's socket %s is root's", paths->socket);
	else if (r == -ELIBACC)
		snprintf(ret_text, size, "libcurl.so.4, which talks to the agent, cannot be loaded; install libcurl4");
	else
		snprintf(ret_text, size, "the agent on %s gives no usable answer", paths->socket);
}

int cli_give_up(int r, const char *why)
{
	if (r == -EACCES)
		return util_complain(r, "%s; run this as root", why);
	return r == -ELIBACC ? util_complain(r, "%s", why) : 0;
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return !no || !*no;
}

bool cli_look(struct page_look *ret)
{
	const char *term = getenv("TERM");
	unsigned rows;
	bool draws;

	setlocale(LC_CTYPE, "");
	*ret = (struct page_look){.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8")};
	if (!isatty(STDOUT_FILENO))
		return false;
	terminal_size(&ret->width, &rows);
	draws = term && *term && strcmp(term, "dumb") != 0;
	ret->colour = draws && wants_colour();
	return draws;
}

int cli_call(const struct serin_paths *paths, const char *method, const char *path, const json_t *body,
	     json_t **ret_answer)
{
	json_t *answer = NULL;
	int r = client_call(paths, method, path, body, &answer);

	if (r < 0)
		return cli_complain(paths, r, answer);
	*ret_answer = answer;
	return 0;
}

int main(int argc, char **argv)
{
	const struct cli_command *command;

	if (argc < 2) {
		print_commands(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return cli_help(1, argv);
	if (!strcmp(argv[1], "--version"))
		return cli_version(1, argv);
	command = cli_find(argv[1]);
	if (!command)
		return util_complain(EXIT_USAGE, "no command '%s'; `serin help` lists them", argv[1]);
	return command->run(argc - 1, argv + 1);
}
