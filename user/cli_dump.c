// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli.h"

#include "client.h"
#include "collect.h"
#include "options.h"
#include "report.h"
#include "util.h"

#include <errno.h>
#include <string.h>

struct dump_options {
	const char *instance;
	bool json;
};

static const struct option_row rows[] = {
	CLI_OUTPUT_ROW(struct dump_options, json),
	CLI_INSTANCE_ROW(struct dump_options, instance),
};

const struct option_table cli_dump_options = {
	.usage = "dump [OPTION ...]",
	.about = "Everything, as JSON (docs/json.md). Without an agent, what a dead one left pinned is read: its totals go\n"
		 "on, what only an agent computes is null.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

static json_t *pinned_model(const struct serin_maps *maps, const struct serin_target *target,
			    const struct serin_snapshot *snapshot, unsigned index)
{
	_cleanup_free_ struct serin_hist *hists = calloc(SERIN_LATENCIES, sizeof(*hists));
	struct report_target t = {.target = target, .snapshot = snapshot, .index = index, .hists = hists};

	if (!hists)
		return NULL;
	for (unsigned i = 0; i < SERIN_LATENCIES; i++)
		if (collect_hist(maps, index, i, &hists[i]) < 0)
			return NULL;
	return report_target(&t);
}

static json_t *dump_maps(const struct serin_maps *maps)
{
	struct serin_target targets[SERIN_TARGETS_MAX];
	struct serin_snapshot snapshot = {};
	json_t *models = json_array();
	int n = collect_targets(maps, targets);

	if (n < 0 || collect_snapshot(maps, (unsigned)n, &snapshot) < 0) {
		json_decref(models);
		return NULL;
	}
	for (unsigned i = 0; i < (unsigned)n; i++) {
		if (!targets[i].model[0])
			continue;
		if (json_array_append_new(models, pinned_model(maps, &targets[i], &snapshot, i)) < 0) {
			json_decref(models);
			return NULL;
		}
	}
	return json_pack("{so so s[] so}", "agent", report_agent(false, 0, 0), "models", models, "releases", "losses",
			 report_losses(snapshot.losses));
}

static int dump_pinned(const struct serin_paths *paths)
{
	struct serin_maps maps;
	json_t *json;
	int r;

	r = loader_open_pinned(paths, &maps);
	if (r == -ENOENT)
		return util_complain(EXIT_FAILURE, "no agent listens on %s and none left pins under %s; start one with "
						   "`serin run`", paths->socket, paths->pins);
	if (r == -EPERM || r == -EACCES)
		return util_complain(EXIT_FAILURE, "the pins under %s are root's; run this as root", paths->pins);
	if (r < 0)
		return util_complain(EXIT_FAILURE, "the pins under %s cannot be read: %s", paths->pins,
				     r == -ESTALE ? "they are of another version of serin" : strerror(-r));
	json = dump_maps(&maps);
	loader_close_pinned(&maps);
	if (!json)
		return util_complain(EXIT_FAILURE, "the maps pinned under %s cannot be read; try again", paths->pins);
	return cli_print_json(json);
}

int cli_dump(int argc, char **argv)
{
	struct dump_options options = {};
	struct serin_paths paths;
	json_t *json = NULL;
	int first, r;

	r = options_parse(&cli_dump_options, argc, argv, &options, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (first < argc)
		return util_complain(EXIT_USAGE, "dump takes no '%s'; try 'serin dump --help'", argv[first]);
	if (cli_paths(options.instance, &paths) < 0)
		return EXIT_USAGE;
	/* The pins speak for an agent that does not answer, whatever the reason. */
	r = client_call(&paths, "GET", "/api/dump", NULL, &json);
	if (r == 0)
		return cli_print_json(json);
	json_decref(json);
	return dump_pinned(&paths);
}
