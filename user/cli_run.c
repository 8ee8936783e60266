// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli.h"

#include "agent.h"
#include "endpoint.h"
#include "log.h"
#include "options.h"
#include "quantity.h"
#include "util.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* What the options fill; times and shares as people give them. NAN, 0 and NULL: not given. */
struct run_options {
	const char *config_file;
	/* One release. */
	struct serin_endpoint stable, canary, service;
	const char *name, *stable_version, *canary_version;
	double weight, alpha, drain, max_age;
	double p_min, r_max, d_max;
	uint64_t min_requests;
	struct serin_policy steps; /* these alone */
	bool sticky, no_evidence;
	/* The agent, with a file too. */
	double window, tick, lease, timeout;
	const char *store, *instance;
	enum { LOG_AS_FITS, LOG_AS_TEXT, LOG_AS_JSON } log;
	bool ticks, quiet, keep;
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

static int parse_on_exit(const struct option_row *row, const char *text, void *ret_keep)
{
	(void)row;
	if (strcmp(text, "keep") && strcmp(text, "stable"))
		return -EINVAL;
	*(bool *)ret_keep = !strcmp(text, "keep");
	return 0;
}

static int parse_log(const struct option_row *row, const char *text, void *ret_log)
{
	bool json;
	int r = cli_parse_output(row, text, &json);

	if (r == 0)
		*(int *)ret_log = json ? LOG_AS_JSON : LOG_AS_TEXT;
	return r;
}

static int parse_store(const struct option_row *row, const char *text, void *ret_field)
{
	return strlen(text) < CONFIG_FILE_MAX ? option_text(row, text, ret_field) : -EINVAL;
}

/* WEIGHT[:HOLD] */
static int parse_step(char *text, struct serin_step *ret)
{
	char *colon = strchr(text, ':');
	double weight, hold = 0;

	if (colon)
		*colon = '\0';
	if (quantity_weight(text, &weight) < 0 || weight < 1 || weight > SERIN_WEIGHT_MAX ||
	    (colon && quantity_duration(colon + 1, &hold) < 0) || hold > 30 * 86400e9)
		return -EINVAL;
	*ret = (struct serin_step){.weight = (uint32_t)weight, .hold_ns = (uint64_t)hold};
	return 0;
}

static int parse_steps(const struct option_row *row, const char *text, void *ret_policy)
{
	_cleanup_free_ char *copy = strdup(text);
	struct serin_policy policy = {};
	char *rest = copy, *step;

	(void)row;
	while ((step = strsep(&rest, ",")))
		if (policy.n_steps == ROLLOUT_STEPS_MAX || parse_step(step, &policy.steps[policy.n_steps++]) < 0)
			return -EINVAL;
	if (!policy.n_steps)
		return -ENOMEM;
	*(struct serin_policy *)ret_policy = policy;
	return 0;
}

#define AT(field) offsetof(struct run_options, field)
#define NAME_WANTS "a name: 1 to 63 letters, digits and . _ : @ + -"
#define PORT_WANTS "a [ADDR:]PORT"
#define STEPS_WANTS "at most 32 of WEIGHT[:HOLD], as 1:60s,5:5m,25:10m,100"

static const struct option_row rows[] = {
	{"config", "FILE", "models, releases and settings (docs/configuration.md)", "a file", option_text, AT(config_file), 0,
	 0, 'c'},
	{"stable", "[ADDR:]PORT", "where the version in service listens", PORT_WANTS, parse_endpoint, AT(stable), 0, 0, 0},
	{"canary", "[ADDR:]PORT", "where the new version listens", PORT_WANTS, parse_endpoint, AT(canary), 0, 0, 0},
	{"service", "[ADDR:]PORT", "what clients dial (default: stable's)", PORT_WANTS, parse_endpoint, AT(service), 0, 0, 0},
	{"name", "NAME", "of the model and its release (default: stable's process)", NAME_WANTS, parse_name, AT(name), 0, 0, 0},
	{"stable-version", "NAME", "how to call it (default: stable)", NAME_WANTS, parse_name, AT(stable_version), 0, 0, 0},
	{"canary-version", "NAME", "how to call it (default: canary)", NAME_WANTS, parse_name, AT(canary_version), 0, 0, 0},
	{"weight", "PCT", "the canary's share of new connections at the start (default: 0)", NULL, option_number,
	 AT(weight), 0, 100, 0},
	{"steps", "PCT[:HOLD],...", "weights that are taken by itself, as 1:60s,5:5m,25:10m,100", STEPS_WANTS, parse_steps,
	 AT(steps), 0, 0, 0},
	{"alpha", "X", "false rollbacks allowed, as a share of releases (default: 0.01)", NULL, option_number, AT(alpha), 1e-6,
	 0.5, 0},
	{"no-evidence", NULL, "only gates and people roll back", NULL, option_flag, AT(no_evidence), 0, 0, 0},
	{"sticky", NULL, "a client is on one version, by its address", NULL, option_flag, AT(sticky), 0, 0, 0},
	{"drain", "SECONDS", "until connections the canary is to lose are reset (default: 30)", NULL, option_number, AT(drain),
	 0, 3600, 0},
	{"max-connection-age", "SECONDS", "end older connections to the service in idle moments; 0: never (default)", NULL,
	 option_number, AT(max_age), 0, 1e7, 0},
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
	{"store", "PATH", "where the history is kept (default: nowhere; with -c as the file says)", "a path of at most 255 bytes",
	 parse_store, AT(store), 0, 0, 0},
	{"on-exit", "keep|stable", "leave the weights for another agent, or not (default: stable)", "keep or stable",
	 parse_on_exit, AT(keep), 0, 0, 0},
	{"instance", "NAME", "keep socket and pins apart from those of other agents", "a name", option_text, AT(instance),
	 0, 0, 0},
	{"log", "text|json", "how to log (default: text on a terminal, else json)", "text or json", parse_log, AT(log), 0, 0, 0},
	{"ticks", NULL, "a line a second although stdout is no terminal", NULL, option_flag, AT(ticks), 0, 0, 0},
	{"quiet", NULL, "no line a second although stdout is a terminal", NULL, option_flag, AT(quiet), 0, 0, 0},
};

const struct option_table cli_run_options = {
	.usage = "run [-c FILE] [--stable [ADDR:]PORT --canary [ADDR:]PORT] [OPTION ...]",
	.about = "Observes all versions, steers new connections between those of a release, takes a failing canary out.\n"
		 "Releases are in a file, or one is told by --stable and --canary. SIGHUP reads the file again.\n"
		 "Stops on SIGINT or SIGTERM and takes everything back; traffic goes on.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

static uint64_t to_ns(double seconds)
{
	return (uint64_t)llround(seconds * (double)NSEC_PER_SEC);
}

/* What --option says, where it is given. */
static void set_ns(double seconds, uint64_t *field)
{
	if (!isnan(seconds))
		*field = to_ns(seconds);
}

static void set_gate(double bound, struct serin_value *field)
{
	if (!isnan(bound))
		*field = bound > 0 ? serin_known(bound) : (struct serin_value){};
}

/* The first option given that describes a release; NULL: none does. */
static const char *release_option(const struct run_options *o)
{
	const struct {
		bool given;
		const char *name;
	} all[] = {
		{o->stable.port, "--stable"},
		{o->canary.port, "--canary"},
		{o->service.port, "--service"},
		{o->name, "--name"},
		{o->stable_version, "--stable-version"},
		{o->canary_version, "--canary-version"},
		{!isnan(o->weight), "--weight"},
		{o->steps.n_steps, "--steps"},
		{!isnan(o->alpha), "--alpha"},
		{o->no_evidence, "--no-evidence"},
		{o->sticky, "--sticky"},
		{!isnan(o->drain), "--drain"},
		{!isnan(o->max_age), "--max-connection-age"},
		{!isnan(o->p_min), "--p-min"},
		{!isnan(o->r_max), "--r-max"},
		{!isnan(o->d_max), "--d-max"},
		{o->min_requests, "--min-requests"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].given)
			return all[i].name;
	return NULL;
}

static void add_model(const char *name, const char *version, const struct serin_endpoint *endpoint,
		      struct serin_config *config)
{
	struct serin_model *m = &config->models[config->n_models++];

	*m = (struct serin_model){.match.endpoint = *endpoint};
	snprintf(m->name, sizeof(m->name), "%s", name);
	snprintf(m->version, sizeof(m->version), "%s", version);
}

static void add_policy(const struct run_options *o, struct serin_policy *policy)
{
	set_gate(o->p_min, &policy->gates.p_min);
	set_gate(o->r_max, &policy->gates.r_max);
	set_gate(o->d_max, &policy->gates.d_max);
	if (o->min_requests)
		policy->gates.min_requests = o->min_requests;
	memcpy(policy->steps, o->steps.steps, sizeof(policy->steps));
	policy->n_steps = o->steps.n_steps;
}

/* The one release that options describe. A canary that is not given is config_check()'s to complain about. */
static void add_release(const struct run_options *o, struct serin_config *config)
{
	const char *name = o->name ? o->name : "", *stable = o->stable_version ? o->stable_version : "stable";
	const char *canary = o->canary_version ? o->canary_version : "canary";
	struct serin_release_config *r = &config->releases[0];

	if (o->stable.port)
		add_model(name, stable, &o->stable, config);
	if (o->canary.port)
		add_model(name, canary, &o->canary, config);
	if (!o->stable.port || (!o->canary.port && !(o->weight > 0) && !o->steps.n_steps))
		return;
	config->n_releases = 1;
	config_release_init(r);
	snprintf(r->name, sizeof(r->name), "%s", name);
	snprintf(r->stable, sizeof(r->stable), "%s", stable);
	if (o->canary.port)
		snprintf(r->canary, sizeof(r->canary), "%s", canary);
	r->service = o->service.port ? o->service : o->stable;
	r->weight = isnan(o->weight) ? 0 : (uint32_t)lround(o->weight * 100);
	r->sticky = o->sticky;
	r->evidence = !o->no_evidence;
	if (!isnan(o->alpha))
		r->alpha = o->alpha;
	set_ns(o->drain, &r->drain_ns);
	set_ns(o->max_age, &r->max_age_ns);
	add_policy(o, &r->policy);
}

/* What goes for the agent as a whole, whatever a file says. */
static void override(const void *given, struct serin_config *config)
{
	const struct run_options *o = given;

	set_ns(o->window, &config->window_ns);
	set_ns(o->tick / 1e3, &config->tick_ns);
	set_ns(o->lease, &config->lease_ns);
	set_ns(o->timeout, &config->deadline_ns);
	for (unsigned i = 0; i < config->n_releases; i++)
		set_ns(o->timeout, &config->releases[i].deadline_ns);
	/* A release that is told in a few words is a quick one, which leaves nothing behind. */
	if (o->store || !o->config_file)
		snprintf(config->store, sizeof(config->store), "%s", o->store ? o->store : ":memory:");
}

/* 0, or the exit code. */
static int read_config(const struct run_options *o, struct serin_config *ret)
{
	const char *option = release_option(o);
	char why[CONFIG_WHY_MAX] = "";

	if (o->config_file && option)
		return util_complain(EXIT_USAGE, "%s describes a release, and those of %s cannot be mixed with it; give it in the "
						 "file, or leave -c out", option, o->config_file);
	if (o->config_file && config_read(o->config_file, ret, why) < 0)
		return util_complain(EXIT_FAILURE, "%s", why);
	if (!o->config_file) {
		config_init(ret);
		if (!o->stable.port)
			return util_complain(EXIT_USAGE, "no server to watch; give --stable [ADDR:]PORT, or -c FILE");
		add_release(o, ret);
	}
	override(o, ret);
	if (config_check(ret, why, sizeof(why)) < 0)
		return util_complain(EXIT_USAGE, "%s", why);
	return 0;
}

/* A line a second where somebody looks at it or has asked for it: not into whatever a service's log goes to. */
static void choose_log(const struct run_options *given, struct agent_options *options)
{
	bool terminal = isatty(STDOUT_FILENO);

	log_form(given->log == LOG_AS_JSON || (given->log == LOG_AS_FITS && !terminal) ? LOG_JSON : LOG_TEXT);
	options->ticks = !given->quiet && (given->log == LOG_AS_JSON || given->ticks || terminal);
}

int cli_run(int argc, char **argv)
{
	static const struct run_options nothing = {
		.weight = NAN, .alpha = NAN, .drain = NAN, .max_age = NAN, .p_min = NAN, .r_max = NAN, .d_max = NAN,
		.window = NAN, .tick = NAN, .lease = NAN, .timeout = NAN,
	};
	_cleanup_free_ struct agent_options *options = calloc(1, sizeof(*options));
	struct run_options given = nothing;
	char why[AGENT_WHY_MAX] = "";
	int first, r;

	if (!options)
		return util_complain(EXIT_FAILURE, "out of memory");
	r = options_parse(&cli_run_options, argc, argv, &given, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (first < argc)
		return util_complain(EXIT_USAGE, "run takes no '%s'; try 'serin run --help'", argv[first]);
	r = read_config(&given, &options->config);
	if (r != 0)
		return r;
	if (cli_paths(given.instance, &options->paths) < 0)
		return EXIT_USAGE;
	choose_log(&given, options);
	options->keep_on_exit = given.keep;
	options->config_file = given.config_file;
	options->override = override;
	options->given = &given;
	r = agent_run(options, why);
	if (r < 0 && log_current_form() == LOG_JSON)
		log_event("failed", NULL, "%s", why); /* for those who read no other lines */
	return r < 0 ? util_complain(EXIT_FAILURE, "%s", why) : 0;
}
