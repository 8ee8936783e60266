// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What if: how soon would a fault be caught, how often falsely. Simulated with the agent's own evidence. */
#include "cli.h"

#include "options.h"
#include "report.h"
#include "simulate.h"
#include "util.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#define RUNS_MAX 100000
#define THREADS_MAX 256
#define BAR_WIDTH 40

/* The fixed rule beside it: interval, threshold and success rate as in the examples of Flagger's documentation. */
#define RULE_INTERVAL_SECONDS 60
#define RULE_FAILURES 5
#define RULE_P 0.99

struct plan_options {
	struct simulate_config sim;
	uint64_t clients, connections, runs, seed;
	double weight, bad_clients, alpha, margin;
	bool compare, json;
};

#define AT(field) offsetof(struct plan_options, field)

static const struct option_row rows[] = {
	{"rps", "R", "requests a second of all clients together (default: 200)", NULL, option_number, AT(sim.rps), 0.001,
	 1e6, 0},
	{"clients", "N", "client addresses (default: 40)", NULL, option_count, AT(clients), 1, 16384, 0},
	{"connections", "N", "that each client has open all the time (default: 4)", NULL, option_count, AT(connections), 1,
	 10000, 0},
	{"lifetime", "SECONDS", "of a connection on average; 0: one a request (default: 10)", NULL, option_number,
	 AT(sim.lifetime_seconds), 0, 1e6, 0},
	{"bad-clients", "PCT", "of the clients that fail more often, on either version (default: 0)", NULL, option_number,
	 AT(bad_clients), 0, 100, 0},
	{"p-bad", "X", "success ratio of a bad client, times its version's (default: 0.7)", NULL, option_number,
	 AT(sim.p_bad), 0, 1, 0},
	{"p-stable", "X", "success ratio of stable (default: 0.995)", NULL, option_number, AT(sim.p_stable), 0, 1, 0},
	{"p-canary", "X", "success ratio of the canary (default: as stable)", NULL, option_number, AT(sim.p_canary), 0, 1,
	 0},
	{"latency-factor", "X", "the canary's latency over stable's (default: 1)", NULL, option_number,
	 AT(sim.latency_factor), 0.01, 1000, 0},
	{"latency-margin", "X", "how many times as long the canary may take (default: 1.1)", NULL, option_number,
	 AT(sim.latency_margin), 1, 100, 0},
	{"weight", "PCT", "the canary's share of new connections (default: 5)", NULL, option_number, AT(weight), 0.01,
	 99.99, 0},
	{"alpha", "X", "false rollbacks allowed, as a share of releases (default: 0.01)", NULL, option_number, AT(alpha),
	 1e-9, 0.5, 0},
	{"margin", "PCT", "the least excess worth a rollback, in points (default: 1)", NULL, option_number, AT(margin), 0,
	 100, 0},
	{"duration", "SECONDS", "of a release (default: 1800)", NULL, option_number, AT(sim.seconds), 1, 1e6, 0},
	{"runs", "N", "releases to simulate (default: 200)", NULL, option_count, AT(runs), 1, RUNS_MAX, 0},
	{"seed", "N", "of the random numbers (default: 1)", NULL, option_count, AT(seed), 0, 1e18, 0},
	{"compare", NULL, "put a fixed rule beside it: 5 minutes in which less than 99% succeed", NULL, option_flag,
	 AT(compare), 0, 0, 0},
	CLI_OUTPUT_ROW(struct plan_options, json),
};

const struct option_table cli_plan_options = {
	.usage = "plan [OPTION ...]",
	.about = "What if: simulates releases and tells how many the evidence rolls back, how soon, and after how many\n"
		 "requests to the canary. With equal versions (the default) these are false rollbacks. Needs no agent.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* What the threads share. A run's result depends on its number only, so it does not matter who makes it. */
struct plan {
	const struct simulate_config *config;
	uint64_t seed;
	unsigned runs;
	struct simulate_result *results; /* one a run */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned next, done; /* under the mutex, as is what follows */
	bool failed;	     /* memory is out */
};

static bool take_run(struct plan *plan, unsigned *ret)
{
	bool any;

	pthread_mutex_lock(&plan->mutex);
	any = plan->next < plan->runs && !plan->failed;
	if (any)
		*ret = plan->next++;
	pthread_mutex_unlock(&plan->mutex);
	return any;
}

static void tell(struct plan *plan, unsigned done, bool failed)
{
	pthread_mutex_lock(&plan->mutex);
	plan->done += done;
	plan->failed |= failed;
	pthread_cond_signal(&plan->changed);
	pthread_mutex_unlock(&plan->mutex);
}

static void *make_runs(void *context)
{
	struct plan *plan = context;
	_cleanup_free_ struct simulate_client *clients = calloc(plan->config->clients, sizeof(*clients));
	unsigned run;

	if (!clients) {
		tell(plan, 0, true);
		return NULL;
	}
	while (take_run(plan, &run)) {
		plan->results[run] = simulate_run(plan->config, clients,
						  util_random_hash(plan->seed + (run + 1) * UTIL_RANDOM_GAMMA));
		tell(plan, 1, false);
	}
	return NULL;
}

static void draw_bar(unsigned done, unsigned runs)
{
	char bar[BAR_WIDTH + 1] = "";

	memset(bar, '#', (size_t)done * BAR_WIDTH / runs);
	fprintf(stderr, "\r[%-*s] %u/%u", BAR_WIDTH, bar, done, runs);
	fflush(stderr);
}

/* Until all runs are made or none can be; the bar is for people only. */
static void follow(struct plan *plan)
{
	bool terminal = isatty(STDERR_FILENO);
	unsigned done;

	pthread_mutex_lock(&plan->mutex);
	while (plan->done < plan->runs && !plan->failed) {
		done = plan->done;
		if (terminal) {
			pthread_mutex_unlock(&plan->mutex);
			draw_bar(done, plan->runs);
			pthread_mutex_lock(&plan->mutex);
		}
		while (plan->done == done && !plan->failed)
			pthread_cond_wait(&plan->changed, &plan->mutex);
	}
	pthread_mutex_unlock(&plan->mutex);
	if (terminal)
		fprintf(stderr, "\r%*s\r", BAR_WIDTH + 20, "");
}

/* On all cores; as many threads as can be had do. 0 or -errno. */
static int make_all(struct plan *plan)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned wanted = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores, n = 0;
	pthread_t threads[THREADS_MAX];
	int r = 0;

	for (; n < wanted && n < plan->runs; n++) {
		r = pthread_create(&threads[n], NULL, make_runs, plan);
		if (r)
			break;
	}
	if (!n)
		return -r;
	follow(plan);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return plan->failed ? -ENOMEM : 0;
}

/* ---- what came of it ---- */

struct summary {
	unsigned runs, rollbacks;
	double rate, rate_ci95[2];
	struct serin_value seconds[2], canary_requests[2]; /* p50 and p95, of the runs that were rolled back */
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The smallest value that a share q of all is not above. Sorts them. */
static struct serin_value quantile(double *values, unsigned n, double q)
{
	if (!n)
		return (struct serin_value){};
	qsort(values, n, sizeof(*values), compare_doubles);
	return serin_known(values[(unsigned)ceil(q * n) - 1]);
}

/*
 * Wilson, "Probable inference, the law of succession, and statistical inference" (1927), z = 1.96:
 *
 *	(p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
 */
static void wilson(double p, double n, double ret[2])
{
	const double z = 1.959963984540054, zz = z * z / n;
	double middle = p + zz / 2, half = z * sqrt(p * (1 - p) / n + zz / (4 * n));

	ret[0] = p > 0 ? fmax(0, (middle - half) / (1 + zz)) : 0;
	ret[1] = p < 1 ? fmin(1, (middle + half) / (1 + zz)) : 1;
}

static const struct simulate_outcome *outcome_of(const struct simulate_result *result, bool rule)
{
	return rule ? &result->rule : &result->evidence;
}

/* `values` is room for a number a run. */
static struct summary summarise(const struct plan *plan, bool rule, double *values)
{
	struct summary s = {.runs = plan->runs};
	const struct simulate_outcome *outcome;

	for (unsigned i = 0; i < plan->runs; i++) {
		outcome = outcome_of(&plan->results[i], rule);
		if (outcome->rolled_back)
			values[s.rollbacks++] = outcome->seconds;
	}
	s.seconds[0] = quantile(values, s.rollbacks, 0.5);
	s.seconds[1] = quantile(values, s.rollbacks, 0.95);
	for (unsigned i = 0, n = 0; i < plan->runs; i++) {
		outcome = outcome_of(&plan->results[i], rule);
		if (outcome->rolled_back)
			values[n++] = (double)outcome->canary_requests;
	}
	s.canary_requests[0] = quantile(values, s.rollbacks, 0.5);
	s.canary_requests[1] = quantile(values, s.rollbacks, 0.95);
	s.rate = (double)s.rollbacks / s.runs;
	wilson(s.rate, s.runs, s.rate_ci95);
	return s;
}

static json_t *quantiles_to_json(const struct serin_value values[2])
{
	return json_pack("{s:o, s:o}", "p50", report_value(values[0]), "p95", report_value(values[1]));
}

static json_t *summary_to_json(const struct summary *s)
{
	return json_pack("{s:i, s:i, s:f, s:[ff], s:o, s:o}", "runs", (int)s->runs, "rollbacks", (int)s->rollbacks, "rate",
			 s->rate, "rate_ci95", s->rate_ci95[0], s->rate_ci95[1], "seconds", quantiles_to_json(s->seconds),
			 "canary_requests", quantiles_to_json(s->canary_requests));
}

static void print_quantiles(const char *label, const char *format, const struct serin_value values[2])
{
	printf("    %-18s", label);
	printf(format, values[0].v);
	printf(" in half of them, ");
	printf(format, values[1].v);
	printf(" in 95%%\n");
}

static void print_summary(const char *name, const struct summary *s)
{
	printf("  %s: %u of %u releases rolled back (%.3g%%; 95%% certain: %.3g%% to %.3g%%)\n", name, s->rollbacks, s->runs,
	       100 * s->rate, 100 * s->rate_ci95[0], 100 * s->rate_ci95[1]);
	if (!s->rollbacks)
		return;
	print_quantiles("seconds, at most", "%.2f", s->seconds);
	print_quantiles("canary requests", "%.0f", s->canary_requests);
}

static void print_question(const struct plan_options *options)
{
	const struct simulate_config *c = &options->sim;

	printf("%g requests/s from %u clients, %g%% to the canary, %g s; P %g and %g", c->rps, c->clients, options->weight,
	       c->seconds, c->p_stable, c->p_canary);
	if (c->latency_factor != 1)
		printf(", latency x%g", c->latency_factor);
	if (c->bad_share > 0)
		printf(", %g%% of the clients at P %g", options->bad_clients, c->p_bad);
	printf("\n");
}

static int print_plan(const struct plan *plan, const struct plan_options *options)
{
	_cleanup_free_ double *values = calloc(plan->runs, sizeof(*values));
	struct summary evidence, rule;
	json_t *json;

	if (!values)
		return util_complain(EXIT_FAILURE, "out of memory");
	evidence = summarise(plan, false, values);
	rule = summarise(plan, true, values);
	if (options->json) {
		json = summary_to_json(&evidence);
		if (options->compare && json_object_set_new(json, "rule", summary_to_json(&rule)) < 0) {
			json_decref(json);
			json = NULL;
		}
		return cli_print_json(json);
	}
	print_question(options);
	print_summary("evidence", &evidence);
	if (options->compare)
		print_summary("fixed rule", &rule);
	if (fflush(stdout) == EOF)
		return util_complain(EXIT_FAILURE, "cannot write to stdout: %s", strerror(errno));
	return 0;
}

static struct plan_options defaults(void)
{
	struct plan_options options = {.sim = simulate_default(), .runs = 200, .seed = 1};

	options.clients = options.sim.clients;
	options.connections = options.sim.connections;
	options.weight = 100 * options.sim.weight[0];
	options.alpha = options.sim.alpha;
	options.margin = 100 * options.sim.margin;
	options.sim.p_canary = NAN; /* not given */
	return options;
}

static void to_simulation(struct plan_options *options)
{
	struct simulate_config *sim = &options->sim;

	sim->clients = (unsigned)options->clients;
	sim->connections = (unsigned)options->connections;
	sim->weight[0] = options->weight / 100;
	sim->bad_share = options->bad_clients / 100;
	sim->alpha = options->alpha;
	sim->margin = options->margin / 100;
	if (isnan(sim->p_canary))
		sim->p_canary = sim->p_stable;
	if (options->compare) {
		sim->rule_interval_seconds = RULE_INTERVAL_SECONDS;
		sim->rule_failures = RULE_FAILURES;
		sim->rule_p = RULE_P;
	}
}

int cli_plan(int argc, char **argv)
{
	_cleanup_free_ struct simulate_result *results = NULL;
	struct plan_options options = defaults();
	struct plan plan = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	int first, r;

	r = options_parse(&cli_plan_options, argc, argv, &options, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (first < argc)
		return util_complain(EXIT_USAGE, "plan takes no '%s'; try 'serin plan --help'", argv[first]);
	to_simulation(&options);
	plan.config = &options.sim;
	plan.seed = options.seed;
	plan.runs = (unsigned)options.runs;
	plan.results = results = calloc(plan.runs, sizeof(*results));
	r = results ? make_all(&plan) : -ENOMEM;
	if (r < 0)
		return util_complain(EXIT_FAILURE, "cannot simulate: %s; try fewer --runs or --clients", strerror(-r));
	return print_plan(&plan, &options);
}
