// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Commands that act on a release. */
#include "cli.h"

#include "options.h"
#include "util.h"


struct release_options {
	const char *instance;
};

static const struct option_row rows[] = {
	CLI_INSTANCE_ROW(struct release_options, instance),
};

static const struct option_table weight_table = {
	.usage = "weight NAME PCT [OPTION ...]",
	.about = "Sets the canary's share of new connections, 0 to 100 percent in steps of 0.01.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

static const struct option_table abort_table = {
	.usage = "abort NAME [OPTION ...]",
	.about = "Takes the canary out: new connections go to stable. `serin weight` starts it again.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* Parses the options and wants so many words after them. 0; 1: the help was printed; -1: complained. */
static int parse(const struct option_table *table, int argc, char **argv, int words, struct serin_paths *ret_paths,
		 int *ret_first)
{
	struct release_options options = {};
	int r = options_parse(table, argc, argv, &options, ret_first);

	if (r != 0)
		return r;
	if (argc - *ret_first != words)
		return util_complain(-1, "usage: serin %s; try 'serin %s --help'", table->usage, argv[0]);
	return cli_paths(options.instance, ret_paths);
}

static int post(const struct serin_paths *paths, const char *path, json_t *body)
{
	json_t *answer = NULL;
	int r = cli_call(paths, "POST", path, body, &answer);

	json_decref(body);
	json_decref(answer);
	return r < 0 ? EXIT_FAILURE : 0;
}

int cli_weight(int argc, char **argv)
{
	const struct option_row row = {.min = 0, .max = 100};
	struct serin_paths paths;
	double percentage;
	int first, r;

	r = parse(&weight_table, argc, argv, 2, &paths, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (option_number(&row, argv[first + 1], &percentage) < 0)
		return util_complain(EXIT_USAGE, "the weight '%s' is not a number from 0 to 100", argv[first + 1]);
	return post(&paths, "/api/gray_release",
		    json_pack("{ss sf}", "release", argv[first], "percentage", percentage));
}

int cli_abort(int argc, char **argv)
{
	struct serin_paths paths;
	char path[SERIN_NAME_MAX + 32];
	int first, r;

	r = parse(&abort_table, argc, argv, 1, &paths, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (!config_is_name(argv[first]))
		return util_complain(EXIT_USAGE, "'%s' cannot be the name of a release", argv[first]);
	snprintf(path, sizeof(path), "/api/releases/%s/abort", argv[first]);
	return post(&paths, path, NULL);
}
