/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A release that never was: clients, their connections, two versions, and the very evidence that would judge them. Pure
 * and told by its seed alone. What `serin plan` and the tests of the statistics run.
 *
 * It goes by counts, client by client and tick by tick, which leaves out the following: connections end and begin only
 * between ticks; requests of a connection come as a Poisson process, failures and slow answers independently of each
 * other but for the client and the burst; latency is log-normal, its edges at stable's exact quantiles; no request is
 * in flight across a tick, so what hangs is seen a deadline late in life, and at once here.
 */
#ifndef SERIN_SIMULATE_H
#define SERIN_SIMULATE_H

#include "evidence.h"

#define SIMULATE_WEIGHTS 8
#define SIMULATE_SIGMA 0.6 /* of the logarithm of the latency: p99 is 4 times p50 */

struct simulate_config {
	double seconds, tick_seconds;
	double rps; /* of all clients together, evenly */
	unsigned clients;
	unsigned connections;	 /* of each client, all the time */
	double lifetime_seconds; /* of a connection on average, exponential; 0: one a request */
	double weight[SIMULATE_WEIGHTS]; /* the canary's share of new connections; one after the other, equally long */
	unsigned n_weights;

	double p_stable, p_canary; /* success ratio */
	double latency_factor;	   /* the canary's latency over stable's */
	double latency_margin;	   /* the canary may take so many times as long: its edges are so much wider */
	double slow_share, slow_factor; /* of the canary's requests, so many take so many times as long besides */
	double fault_seconds;	   /* until then the canary is as stable */

	double bad_share; /* of the clients, each by chance */
	double p_bad;	  /* success ratio of what they ask, on either arm, on top of the arm's own */
	double bad_latency_factor; /* on either arm */
	double spell_every_seconds, spell_seconds; /* a bad client is so only at times, each at its own; 0: always */

	double burst_every_seconds, burst_seconds; /* Poisson; 0: none */
	double p_burst, burst_latency_factor;	   /* on either arm, on top */

	bool gateway; /* one address for all clients */
	bool sticky;  /* a client stays on one arm, which its address tells, for good */
	double hold_seconds; /* of a cohort, when sticky */

	double alpha, margin; /* alpha: halves for errors and latency */

	/* The rule beside it, as Flagger's: so many intervals with a success ratio below. */
	double rule_interval_seconds, rule_p;
	unsigned rule_failures; /* 0: no rule */
};

struct simulate_outcome {
	bool rolled_back;
	double seconds;		  /* since the fault; below 0: before there was one */
	uint64_t canary_requests; /* since the fault */
};

struct simulate_result {
	struct simulate_outcome evidence, rule;
	bool by_latency;	      /* the evidence that rolled back */
	bool alone[EVIDENCE_STRATA]; /* this stratum by itself would have rolled back */
};

/* One client. What is in it is the simulation's. */
struct simulate_client {
	struct evidence_client block;
	unsigned on_canary; /* connections */
	bool bad;
	double spell_begins, spell_ends; /* of a bad one, seconds */
};

/* What most of the configuration is when nobody says otherwise: identical versions, 40 clients, 200 requests/s. */
struct simulate_config simulate_default(void);

/* One release, in `clients` (config->clients of them, of any content). Ends early when all is decided. */
struct simulate_result simulate_run(const struct simulate_config *config, struct simulate_client *clients,
				    uint64_t seed);

#endif
