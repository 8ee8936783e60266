// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "simulate.h"

#include "util.h"

#include <math.h>
#include <string.h>

#define EDGES (EVIDENCE_KINDS - EVIDENCE_P50)
#define DRAW_MAX 30.0 /* larger means are drawn in halves: exp(-mean) must not vanish */

/* Success and latency of requests that have arm, client and burst in common. */
struct odds {
	double p_fail;
	double above[EDGES]; /* each edge, given that it is above the one before */
};

struct simulation {
	const struct simulate_config *config;
	struct simulate_client *clients;
	struct serin_evidence evidence;
	struct evidence_client gateway;
	uint64_t random;
	double now, burst_until, next_burst, next_hold;
	double p_end;			  /* that a connection ends within a tick */
	struct odds odds[2][2][EVIDENCE_ARMS]; /* of a burst, of a bad client */
	bool faulty;
	double weight;
	uint64_t canary_requests;	  /* since the fault */
	double interval_end;
	uint64_t interval_n, interval_failed;
	unsigned interval_failures;
};

static double uniform(struct simulation *sim)
{
	return util_uniform(util_random(&sim->random));
}

static double exponential(struct simulation *sim, double mean)
{
	return -mean * log1p(-uniform(sim));
}

static uint32_t poisson(struct simulation *sim, double mean)
{
	double p, sum, u;
	uint32_t n = 0;

	if (mean > DRAW_MAX)
		return poisson(sim, mean / 2) + poisson(sim, mean / 2);
	u = uniform(sim);
	sum = p = exp(-mean);
	while (u >= sum && p > 0) {
		p *= mean / ++n;
		sum += p;
	}
	return n;
}

static uint32_t binomial(struct simulation *sim, uint32_t n, double p)
{
	double u, sum, term;
	uint32_t hits = 0;

	if (!n || p <= 0)
		return 0;
	if (p >= 1)
		return n;
	if (p > 0.5)
		return n - binomial(sim, n, 1 - p);
	if (n <= 8) {
		for (uint32_t i = 0; i < n; i++)
			hits += uniform(sim) < p;
		return hits;
	}
	if (n * p > DRAW_MAX)
		return binomial(sim, n / 2, p) + binomial(sim, n - n / 2, p);
	u = uniform(sim);
	sum = term = exp(n * log1p(-p));
	while (u >= sum && hits < n) {
		term *= (double)(n - hits) / (hits + 1) * p / (1 - p);
		sum += term;
		hits++;
	}
	return hits;
}

/* Of log-normal latencies `factor` times stable's, those above stable's p50, p90 and p99. */
static double above_edge(unsigned edge, double factor)
{
	static const double z[EDGES] = {0, 1.2815515655446004, 2.3263478740408408};

	return erfc((z[edge] - log(factor) / SIMULATE_SIGMA) * M_SQRT1_2) / 2;
}

static void set_odds(struct odds *odds, double p, double factor, double slow_share, double slow_factor)
{
	double above, before = 1;

	odds->p_fail = 1 - p;
	for (unsigned i = 0; i < EDGES; i++) {
		above = (1 - slow_share) * above_edge(i, factor) + slow_share * above_edge(i, factor * slow_factor);
		odds->above[i] = fmin(above / before, 1);
		before = above;
	}
}

static void set_all_odds(struct simulation *sim)
{
	const struct simulate_config *c = sim->config;
	double p, factor;

	for (unsigned burst = 0; burst < 2; burst++)
		for (unsigned bad = 0; bad < 2; bad++) {
			p = (burst ? c->p_burst : 1) * (bad ? c->p_bad : 1);
			factor = (burst ? c->burst_latency_factor : 1) * (bad ? c->bad_latency_factor : 1);
			set_odds(&sim->odds[burst][bad][EVIDENCE_STABLE], p * c->p_stable, factor, 0, 1);
			/* Of the canary the edges are wider, as if it were so much faster. */
			factor /= c->latency_margin;
			if (sim->faulty)
				set_odds(&sim->odds[burst][bad][EVIDENCE_CANARY], p * c->p_canary,
					 factor * c->latency_factor, c->slow_share, c->slow_factor);
			else
				set_odds(&sim->odds[burst][bad][EVIDENCE_CANARY], p * c->p_stable, factor, 0, 1);
		}
}

static struct evidence_counts draw_counts(struct simulation *sim, uint32_t n, const struct odds *odds)
{
	struct evidence_counts counts = {.n = n};
	uint32_t above = n;

	if (!n)
		return counts;
	counts.hit[EVIDENCE_ERROR] = binomial(sim, n, odds->p_fail);
	for (unsigned i = 0; i < EDGES; i++)
		counts.hit[EVIDENCE_P50 + i] = above = binomial(sim, above, odds->above[i]);
	return counts;
}

/* Connections that end are made anew, by the weight that is set now. */
static void renew_connections(struct simulation *sim, struct simulate_client *client)
{
	unsigned all = sim->config->connections, gone_canary, gone_stable;

	if (sim->config->sticky)
		return;
	gone_canary = binomial(sim, client->on_canary, sim->p_end);
	gone_stable = binomial(sim, all - client->on_canary, sim->p_end);
	client->on_canary += binomial(sim, gone_canary + gone_stable, sim->weight) - gone_canary;
}

/* How many requests a client makes in a tick, by arm. */
static void draw_requests(struct simulation *sim, struct simulate_client *client, uint32_t ret_n[EVIDENCE_ARMS])
{
	const struct simulate_config *c = sim->config;
	double mean = c->rps * c->tick_seconds / c->clients;
	uint32_t n = poisson(sim, mean);

	if (c->lifetime_seconds <= 0 && !c->sticky) {
		ret_n[EVIDENCE_CANARY] = binomial(sim, n, sim->weight);
	} else {
		renew_connections(sim, client);
		ret_n[EVIDENCE_CANARY] = binomial(sim, n, (double)client->on_canary / c->connections);
	}
	ret_n[EVIDENCE_STABLE] = n - ret_n[EVIDENCE_CANARY];
}

static bool is_bad_now(struct simulation *sim, struct simulate_client *client)
{
	const struct simulate_config *c = sim->config;

	if (!client->bad || c->spell_every_seconds <= 0)
		return client->bad;
	if (sim->now >= client->spell_ends) {
		client->spell_begins = sim->now + exponential(sim, c->spell_every_seconds);
		client->spell_ends = client->spell_begins + c->spell_seconds;
	}
	return sim->now >= client->spell_begins;
}

static void client_tick(struct simulation *sim, struct simulate_client *client)
{
	const struct odds *odds = sim->odds[sim->now < sim->burst_until][is_bad_now(sim, client)];
	struct evidence_counts counts[EVIDENCE_ARMS];
	uint32_t n[EVIDENCE_ARMS];

	draw_requests(sim, client, n);
	if (!n[EVIDENCE_STABLE] && !n[EVIDENCE_CANARY])
		return;
	for (unsigned a = 0; a < EVIDENCE_ARMS; a++)
		counts[a] = draw_counts(sim, n[a], &odds[a]);
	if (sim->faulty)
		sim->canary_requests += n[EVIDENCE_CANARY];
	sim->interval_n += n[EVIDENCE_CANARY];
	sim->interval_failed += counts[EVIDENCE_CANARY].hit[EVIDENCE_ERROR];
	if (sim->config->sticky)
		evidence_client_add(&client->block, counts, (uint64_t)(sim->now * 1e9));
	else
		evidence_feed(&sim->evidence, sim->config->gateway ? &sim->gateway : &client->block, counts,
			      (uint64_t)(sim->now * 1e9));
}

static void end_hold(struct simulation *sim)
{
	struct evidence_block cohort = {};

	if (!sim->config->sticky || sim->now < sim->next_hold)
		return;
	sim->next_hold += sim->config->hold_seconds;
	for (unsigned i = 0; i < sim->config->clients; i++)
		evidence_cohort_add(&cohort, &sim->clients[i].block);
	evidence_cohort_use(&sim->evidence, &cohort);
}

static void begin_tick(struct simulation *sim)
{
	const struct simulate_config *c = sim->config;
	unsigned step = (unsigned)(sim->now / c->seconds * c->n_weights);

	sim->weight = c->weight[step < c->n_weights ? step : c->n_weights - 1];
	if (!sim->faulty && sim->now >= c->fault_seconds) {
		sim->faulty = true;
		set_all_odds(sim);
	}
	if (c->burst_every_seconds > 0 && sim->now >= sim->next_burst) {
		sim->burst_until = sim->now + c->burst_seconds;
		sim->next_burst = sim->burst_until + exponential(sim, c->burst_every_seconds);
	}
}

static void decide(const struct simulation *sim, struct simulate_outcome *outcome)
{
	outcome->rolled_back = true;
	outcome->seconds = sim->now - sim->config->fault_seconds;
	outcome->canary_requests = sim->canary_requests;
}

/*
 * Flagger's analysis: at each interval the success ratio of the canary in it; below the threshold is a failed check,
 * and so many of them, not necessarily in a row, roll back. It rolls back here as soon as the last of them is known (the
 * program itself does at its next interval). An interval without canary requests tells nothing.
 */
static void rule_tick(struct simulation *sim, struct simulate_outcome *outcome)
{
	const struct simulate_config *c = sim->config;

	if (sim->now + 1e-9 < sim->interval_end)
		return;
	sim->interval_end += c->rule_interval_seconds;
	if (sim->interval_n &&
	    1 - (double)sim->interval_failed / (double)sim->interval_n < c->rule_p)
		sim->interval_failures++;
	sim->interval_n = sim->interval_failed = 0;
	if (c->rule_failures && !outcome->rolled_back && sim->interval_failures >= c->rule_failures)
		decide(sim, outcome);
}

static void evidence_look(struct simulation *sim, struct simulate_result *result)
{
	struct evidence_verdict verdict;

	end_hold(sim);
	evidence_tick(&sim->evidence, (uint64_t)(sim->now * 1e9));
	verdict = evidence_judge(&sim->evidence);
	for (unsigned s = 0; s < EVIDENCE_STRATA; s++) {
		struct evidence_verdict alone = evidence_judge_within(&sim->evidence, s);

		result->alone[s] |= alone.error || alone.latency;
	}
	if (!verdict.error && !verdict.latency)
		return;
	decide(sim, &result->evidence);
	result->by_latency = !verdict.error;
}

static void start(struct simulation *sim, const struct simulate_config *config, struct simulate_client *clients,
		  uint64_t seed)
{
	const struct evidence_config evidence = {.alpha_error = config->alpha / 2,
						 .alpha_latency = config->alpha / 2,
						 .sticky = config->sticky,
						 .margin = config->margin};

	*sim = (struct simulation){.config = config, .clients = clients, .random = seed};
	evidence_init(&sim->evidence, &evidence, 0);
	sim->interval_end = config->rule_interval_seconds;
	sim->next_hold = config->hold_seconds;
	sim->next_burst = config->burst_every_seconds > 0 ? exponential(sim, config->burst_every_seconds) : 0;
	sim->p_end = config->lifetime_seconds > 0 ? -expm1(-config->tick_seconds / config->lifetime_seconds) : 1;
	memset(clients, 0, config->clients * sizeof(*clients));
	for (unsigned i = 0; i < config->clients; i++) {
		clients[i].bad = uniform(sim) < config->bad_share;
		if (config->sticky)
			clients[i].on_canary = uniform(sim) < config->weight[0] ? config->connections : 0;
		else
			clients[i].on_canary = binomial(sim, config->connections, config->weight[0]);
	}
	set_all_odds(sim);
}

struct simulate_config simulate_default(void)
{
	return (struct simulate_config){
		.seconds = 1800,
		.tick_seconds = 0.25,
		.rps = 200,
		.clients = 40,
		.connections = 4,
		.lifetime_seconds = 10,
		.weight = {0.05},
		.n_weights = 1,
		.p_stable = 0.995,
		.p_canary = 0.995,
		.latency_factor = 1,
		.latency_margin = 1.1,
		.slow_factor = 1,
		.p_bad = 0.7,
		.bad_latency_factor = 1,
		.p_burst = 1,
		.burst_latency_factor = 1,
		.hold_seconds = 60,
		.alpha = 0.01,
		.margin = 0.01,
		.rule_interval_seconds = 60,
		.rule_p = 0.99,
	};
}

static bool all_decided(const struct simulate_config *config, const struct simulate_result *result)
{
	return result->evidence.rolled_back && (!config->rule_failures || result->rule.rolled_back);
}

struct simulate_result simulate_run(const struct simulate_config *config, struct simulate_client *clients,
				    uint64_t seed)
{
	struct simulate_result result = {};
	struct simulation sim;

	start(&sim, config, clients, seed);
	while (sim.now < config->seconds && !all_decided(config, &result)) {
		begin_tick(&sim);
		for (unsigned i = 0; i < config->clients; i++)
			client_tick(&sim, &clients[i]);
		sim.now += config->tick_seconds;
		if (!result.evidence.rolled_back)
			evidence_look(&sim, &result);
		rule_tick(&sim, &result.rule);
	}
	return result;
}
