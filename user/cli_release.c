// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Commands that act on a release. */
#include "cli.h"

#include "util.h"

#include <string.h>

struct order_options {
	const char *instance;
	bool full;
};

static const struct option_row rows[] = {
	CLI_INSTANCE_ROW(struct order_options, instance),
};

static const struct option_row promote_rows[] = {
	{"full", NULL, "to all connections at once, whatever lies between", NULL, option_flag,
	 offsetof(struct order_options, full), 0, 0, 0},
	CLI_INSTANCE_ROW(struct order_options, instance),
};

#define NAME_MAY_BE_LEFT_OUT "\nNAME may be left out when there is only one release."

const struct option_table cli_weight_options = {
	.usage = "weight [NAME] PCT [OPTION ...]",
	.about = "Sets the canary's share of new connections, 0 to 100 percent in steps of 0.01. A release with steps then\n"
		 "stays there until `serin resume`." NAME_MAY_BE_LEFT_OUT,
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

const struct option_table cli_promote_options = {
	.usage = "promote [NAME] [OPTION ...]",
	.about = "Goes on to the next step now, without waiting for its time or for the evidence; a release that is Idle\n"
		 "begins. What would roll it back still does." NAME_MAY_BE_LEFT_OUT,
	.rows = promote_rows,
	.n_rows = ARRAY_SIZE(promote_rows),
};

const struct option_table cli_pause_options = {
	.usage = "pause [NAME] [OPTION ...]",
	.about = "Stays at this weight until `serin resume`. What would roll it back still does." NAME_MAY_BE_LEFT_OUT,
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

const struct option_table cli_resume_options = {
	.usage = "resume [NAME] [OPTION ...]",
	.about = "Goes on with the steps after `serin pause`, or after a weight set by hand." NAME_MAY_BE_LEFT_OUT,
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

const struct option_table cli_abort_options = {
	.usage = "abort [NAME] [OPTION ...]",
	.about = "Takes the canary out: new connections go to stable. `serin retry` or `serin weight` starts it again."
		 NAME_MAY_BE_LEFT_OUT,
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

const struct option_table cli_retry_options = {
	.usage = "retry [NAME] [OPTION ...]",
	.about = "Begins again after a rollback." NAME_MAY_BE_LEFT_OUT,
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* ---- which release ---- */

/* The releases that the agent has; a new reference. NULL: complained. */
static json_t *fetch_releases(const struct serin_paths *paths)
{
	json_t *answer = NULL, *releases;

	if (cli_call(paths, "GET", "/api/releases", NULL, &answer) < 0)
		return NULL;
	releases = json_incref(json_object_get(answer, "releases"));
	json_decref(answer);
	if (!releases)
		util_complain(0, "the agent tells no releases; is it of another version?");
	return releases;
}

static void join_names(const json_t *releases, char *ret_text, size_t size)
{
	size_t i, length = 0;
	const json_t *release;

	*ret_text = '\0';
	json_array_foreach(releases, i, release)
		if (length < size)
			length += (size_t)snprintf(ret_text + length, size - length, "%s%s", i ? ", " : "",
						   cli_text_at(release, "name"));
}

/* The only release there is: 0, EXIT_FAILURE, or EXIT_USAGE when a person has to say which. */
static int only_release(const struct serin_paths *paths, const char *command, char ret_name[SERIN_NAME_MAX])
{
	json_t *releases = fetch_releases(paths);
	char names[512];
	int r = 0;

	if (!releases)
		return EXIT_FAILURE;
	join_names(releases, names, sizeof(names));
	if (json_array_size(releases) == 0)
		r = util_complain(EXIT_FAILURE, "the agent has no release; start one with `serin run --canary ...`");
	else if (json_array_size(releases) > 1)
		r = util_complain(EXIT_USAGE, "which release? there are %s; say `serin %s NAME`", names, command);
	else
		snprintf(ret_name, SERIN_NAME_MAX, "%s", names);
	json_decref(releases);
	return r;
}

/* Words are what was not an option: the name, if it was given, and `more` that follow it. */
static int find_name(const struct serin_paths *paths, const char *command, char **words, int n_words, int more,
		     char ret_name[SERIN_NAME_MAX])
{
	if (n_words == more)
		return only_release(paths, command, ret_name);
	if (!config_is_name(words[0]))
		return util_complain(EXIT_USAGE, "'%s' cannot be the name of a release", words[0]);
	snprintf(ret_name, SERIN_NAME_MAX, "%s", words[0]);
	return 0;
}

/* ---- what is so afterwards ---- */

static void print_release(const json_t *release)
{
	const json_t *step = json_object_get(release, "step"), *steps = json_object_get(release, "steps");

	printf("%s: %s, canary at %g%%", cli_text_at(release, "name"), cli_text_at(release, "phase"),
	       json_number_value(json_object_get(release, "set_weight")));
	if (json_is_integer(step))
		printf(", step %lld of %lld", (long long)json_integer_value(step), (long long)json_integer_value(steps));
	if (json_is_true(json_object_get(release, "manual")))
		printf(", by hand");
	putchar('\n');
}

static int tell(const struct serin_paths *paths, const char *name)
{
	json_t *releases = fetch_releases(paths);
	const json_t *release;
	size_t i;

	if (!releases)
		return EXIT_FAILURE;
	json_array_foreach(releases, i, release)
		if (!strcmp(cli_text_at(release, "name"), name))
			print_release(release);
	json_decref(releases);
	return fflush(stdout) == EOF ? util_complain(EXIT_FAILURE, "cannot write to stdout") : 0;
}

/* ---- the orders ---- */

/* What is posted: to the path of the release with the order's name at its end, or to a path of its own. */
static int post(const struct serin_paths *paths, const char *path, json_t *body)
{
	json_t *answer = NULL;
	int r = cli_call(paths, "POST", path, body, &answer);

	json_decref(body);
	json_decref(answer);
	return r < 0 ? EXIT_FAILURE : 0;
}

static int post_order(const struct serin_paths *paths, const char *order, const char *name, json_t *body)
{
	char path[SERIN_NAME_MAX + 64];

	snprintf(path, sizeof(path), "/api/releases/%s/%s", name, order);
	return post(paths, path, body);
}

static int post_weight(const struct serin_paths *paths, const char *name, double percentage)
{
	return post(paths, "/api/gray_release", json_pack("{ss sf}", "release", name, "percentage", percentage));
}

/* The last word, from 0 to 100. */
static int parse_percentage(const char *text, double *ret)
{
	const struct option_row row = {.min = 0, .max = 100};

	if (option_number(&row, text, ret) < 0)
		return util_complain(-1, "the weight '%s' is not a number from 0 to 100", text);
	return 0;
}

int cli_order(int argc, char **argv)
{
	const struct cli_command *command = cli_find(argv[0]);
	struct order_options options = {};
	struct serin_paths paths;
	char name[SERIN_NAME_MAX];
	double percentage = 0;
	int first, words, more = command->options == &cli_weight_options, r;

	r = options_parse(command->options, argc, argv, &options, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	words = argc - first;
	if (words < more || words > more + 1)
		return util_complain(EXIT_USAGE, "usage: serin %s; try 'serin %s --help'", command->options->usage,
				     command->name);
	if (more && parse_percentage(argv[argc - 1], &percentage) < 0)
		return EXIT_USAGE;
	if (cli_paths(options.instance, &paths) < 0)
		return EXIT_USAGE;
	r = find_name(&paths, command->name, argv + first, words, more, name);
	if (r == 0 && more)
		r = post_weight(&paths, name, percentage);
	else if (r == 0)
		r = post_order(&paths, command->name, name, options.full ? json_pack("{sb}", "full", true) : NULL);
	return r ? r : tell(&paths, name);
}
