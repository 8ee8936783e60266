// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* `serin lint`: is this a configuration, and what does it mean? */
#include "cli.h"

#include "endpoint.h"
#include "match.h"
#include "options.h"
#include "quantity.h"
#include "util.h"

#include <string.h>

const struct option_table cli_lint_options = {
	.usage = "lint FILE",
	.about = "Checks a configuration as `serin run -c FILE` reads it, and says what it means. Exit code 1 with the first\n"
		 "complaint, as FILE:LINE: what, why, what to do. docs/configuration.md has every key.",
};

static void print_steps(const struct serin_policy *policy)
{
	char hold[QUANTITY_TEXT_MAX];

	if (!policy->n_steps) {
		printf("no steps: a person sets the weight\n");
		return;
	}
	for (unsigned i = 0; i < policy->n_steps; i++) {
		const struct serin_step *step = &policy->steps[i];

		quantity_format_duration(step->hold_ns, hold);
		printf("%s%g%%", i ? ", then " : "", step->weight / 100.0);
		if (step->hold_ns)
			printf(" for %s", hold);
	}
	if (policy->steps[policy->n_steps - 1].weight < SERIN_WEIGHT_MAX)
		printf(", then 100%%");
	printf("; begins %s\n", policy->automatic ? "by itself when both listen" : "with `serin promote`");
}

static void print_release(const struct serin_release_config *r)
{
	char service[ENDPOINT_TEXT_MAX];

	endpoint_format(&r->service, service);
	printf("  release %s: %s -> %s on %s, ", r->name, r->stable, r->canary, service);
	print_steps(&r->policy);
}

static void print_meaning(const char *path, const struct serin_config *config)
{
	char match[MATCH_TEXT_MAX];

	printf("%s: good: %u model version%s, %u release%s%s\n", path, config->n_models, config->n_models == 1 ? "" : "s",
	       config->n_releases, config->n_releases == 1 ? "" : "s", config->n_releases ? "" : ": it only observes");
	for (unsigned i = 0; i < config->n_models; i++) {
		match_describe(&config->models[i].match, match);
		printf("  model %s version %s: %s\n", config->models[i].name, config->models[i].version, match);
	}
	for (unsigned i = 0; i < config->n_releases; i++)
		print_release(&config->releases[i]);
}

int cli_lint(int argc, char **argv)
{
	_cleanup_free_ struct serin_config *config = calloc(1, sizeof(*config));
	char why[CONFIG_WHY_MAX];
	int first, r;

	if (!config)
		return util_complain(EXIT_FAILURE, "out of memory");
	r = options_parse(&cli_lint_options, argc, argv, NULL, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (argc - first != 1)
		return util_complain(EXIT_USAGE, "lint takes one FILE; try 'serin lint --help'");
	if (config_read(argv[first], config, why) < 0)
		return util_complain(EXIT_FAILURE, "%s", why);
	print_meaning(argv[first], config);
	return 0;
}
