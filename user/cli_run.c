// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli.h"

#include "agent.h"
#include "endpoint.h"
#include "log.h"
#include "options.h"
#include "util.h"

#include <errno.h>
#include <math.h>

/* What the options fill; times and shares as people give them. */
struct run_options {
	struct serin_endpoint stable, canary, service;
	const char *name, *stable_version, *canary_version, *instance;
	double weight, window, tick, lease, timeout;
	double p_min, r_max, d_max;
	uint64_t min_requests;
	bool json, ticks, quiet;
};

static int parse_endpoint(const struct option_row *row, const char *text, void *ret_field)
{
	(void)row;
	return endpoint_parse(text, ret_field);
}

static int parse_name(const struct option_row *row, const char *text, void *ret_field)
{
	return config_is_name(text) ? option_text(row, text, ret_field) : -EINVAL;
}

#define AT(field) offsetof(struct run_options, field)
#define NAME_WANTS "a name: 1 to 63 letters, digits and . _ : @ + -"
#define PORT_WANTS "a [ADDR:]PORT"

static const struct option_row rows[] = {
	{"stable", "[ADDR:]PORT", "where the version in service listens", PORT_WANTS, parse_endpoint, AT(stable), 0, 0, 0},
	{"canary", "[ADDR:]PORT", "where the new version listens", PORT_WANTS, parse_endpoint, AT(canary), 0, 0, 0},
	{"service", "[ADDR:]PORT", "what clients dial (default: stable's)", PORT_WANTS, parse_endpoint, AT(service), 0, 0, 0},
	{"name", "NAME", "of the model and its release (default: stable's process)", NAME_WANTS, parse_name, AT(name), 0, 0, 0},
	{"stable-version", "NAME", "how to call it (default: stable)", NAME_WANTS, parse_name, AT(stable_version), 0, 0, 0},
	{"canary-version", "NAME", "how to call it (default: canary)", NAME_WANTS, parse_name, AT(canary_version), 0, 0, 0},
	{"weight", "PCT", "the canary's share of new connections at the start (default: 0)", NULL, option_number,
	 AT(weight), 0, 100, 0},
	{"p-min", "X", "roll back when the canary's P is below; 0: never (default: 0.95)", NULL, option_number, AT(p_min),
	 0, 1, 0},
	{"r-max", "X", "roll back when its R is above; 0: never (default: 0)", NULL, option_number, AT(r_max), 0, 1e6, 0},
	{"d-max", "X", "roll back when its D is above; 0: never (default: 5)", NULL, option_number, AT(d_max), 0, 1e9, 0},
	{"min-requests", "N", "of the canary in the window before a gate speaks (default: 50)", NULL, option_count,
	 AT(min_requests), 1, 1e9, 0},
	{"window", "SECONDS", "over which P, R and D are taken (default: 10)", NULL, option_number, AT(window), 1, 3600, 0},
	{"tick", "MS", "between two looks (default: 250)", NULL, option_number, AT(tick), 50, 60000, 0},
	{"lease", "SECONDS", "without the agent until everything goes to stable (default: 10)", NULL, option_number,
	 AT(lease), 1, 3600, 0},
	{"timeout", "SECONDS", "without a byte until a request counts as timed out (default: 60)", NULL, option_number,
	 AT(timeout), 0.1, 86400, 0},
	{"instance", "NAME", "keep socket and pins apart from those of other agents", "a name", option_text, AT(instance),
	 0, 0, 0},
	{"log", "text|json", "how to log (default: text)", "text or json", cli_parse_output, AT(json), 0, 0, 0},
	{"ticks", NULL, "a line a second although stdout is no terminal", NULL, option_flag, AT(ticks), 0, 0, 0},
	{"quiet", NULL, "no line a second although stdout is a terminal", NULL, option_flag, AT(quiet), 0, 0, 0},
};

static const struct option_table table = {
	.usage = "run --stable [ADDR:]PORT --canary [ADDR:]PORT [OPTION ...]",
	.about = "Observes both versions, steers new connections between them by weight, takes a failing canary out.\n"
		 "Stops on SIGINT or SIGTERM and takes everything back; traffic goes on.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

static uint64_t to_ns(double seconds)
{
	return (uint64_t)(seconds * (double)NSEC_PER_SEC);
}

static struct serin_value to_gate(double bound)
{
	return bound > 0 ? serin_known(bound) : (struct serin_value){};
}

static void from_config(const struct serin_config *config, struct run_options *ret)
{
	*ret = (struct run_options){
		.stable_version = config->stable_version,
		.canary_version = config->canary_version,
		.window = (double)config->window_ns / 1e9,
		.tick = (double)config->tick_ns / 1e6,
		.lease = (double)config->lease_ns / 1e9,
		.timeout = (double)config->deadline_ns / 1e9,
		.p_min = config->gates.p_min.v,
		.r_max = config->gates.r_max.v,
		.d_max = config->gates.d_max.v,
		.min_requests = config->gates.min_requests,
	};
}

static void to_config(const struct run_options *o, struct serin_config *ret)
{
	struct serin_config c = {
		.stable = o->stable,
		.canary = o->canary,
		.service = o->service.port ? o->service : o->stable,
		.weight = (uint32_t)lround(o->weight * 100),
		.gates = {to_gate(o->p_min), to_gate(o->r_max), to_gate(o->d_max), o->min_requests},
		.window_ns = to_ns(o->window),
		.tick_ns = to_ns(o->tick / 1e3),
		.lease_ns = to_ns(o->lease),
		.deadline_ns = to_ns(o->timeout),
	};

	snprintf(c.release, sizeof(c.release), "%s", o->name ? o->name : "");
	snprintf(c.stable_version, sizeof(c.stable_version), "%s", o->stable_version);
	snprintf(c.canary_version, sizeof(c.canary_version), "%s", o->canary_version);
	*ret = c;
}

int cli_run(int argc, char **argv)
{
	struct agent_options options = {};
	struct serin_config defaults;
	struct run_options given;
	char why[AGENT_WHY_MAX] = "";
	int first, r;

	config_init(&defaults);
	from_config(&defaults, &given);
	r = options_parse(&table, argc, argv, &given, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (first < argc)
		return util_complain(EXIT_USAGE, "run takes no '%s'; try 'serin run --help'", argv[first]);
	to_config(&given, &options.config);
	if (config_check(&options.config, why, sizeof(why)) < 0)
		return util_complain(EXIT_USAGE, "%s", why);
	if (cli_paths(given.instance, &options.paths) < 0)
		return EXIT_USAGE;
	log_form(given.json ? LOG_JSON : LOG_TEXT);
	options.ticks = !given.quiet && (given.json || given.ticks || isatty(STDOUT_FILENO));
	r = agent_run(&options, why);
	return r < 0 ? util_complain(EXIT_FAILURE, "%s", why) : 0;
}
