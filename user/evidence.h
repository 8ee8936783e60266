/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counts of two arms, client by client -> how strongly they speak against the canary. Pure: no clock, no I/O, no
 * allocation; memory is the caller's. Times are nanoseconds of one monotonic clock, shares are 0 to 1, evidence is
 * kept as natural logarithms. Nothing here fails: every function takes every state that evidence_init() and these
 * functions leave behind. docs/evidence.md says in words what the tests say and what they do not.
 *
 * The order of a tick:
 *
 *	evidence_feed() for each client that had requests since the last tick, then evidence_tick() once,
 *	then evidence_judge().
 */
#ifndef SERIN_EVIDENCE_H
#define SERIN_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

enum evidence_arm { EVIDENCE_STABLE, EVIDENCE_CANARY, EVIDENCE_ARMS };

/* What is counted as 0 or 1 of each request: it failed; it took longer than stable's frozen p50, p90, p99. */
enum evidence_kind { EVIDENCE_ERROR, EVIDENCE_P50, EVIDENCE_P90, EVIDENCE_P99, EVIDENCE_KINDS };

/*
 * What could make two equal versions look different, and is therefore held fixed within a block: who asks, and when.
 * A bad client is excluded by comparing within clients; a burst that hits both arms by comparing within moments.
 * The evidence that counts is the smaller of the two.
 */
enum evidence_stratum { EVIDENCE_CLIENT, EVIDENCE_MOMENT, EVIDENCE_STRATA };

#define EVIDENCE_RATIOS 6			   /* odds ratios g that the canary is tried for */
#define EVIDENCE_BLOCK_NS (300 * 1000000000ULL)	   /* a block without both arms by then is dropped */
#define EVIDENCE_MOMENT_NS (5 * 1000000000ULL)	   /* so long a moment may last: a burst begins and ends sharply */
#define EVIDENCE_RESTART_NS (60 * 1000000000ULL)   /* a fresh copy of every test starts so often */
#define EVIDENCE_EXCESS_SECONDS 30.0		   /* the observed excess is of about so long: an exponential decay */

extern const double evidence_ratios[EVIDENCE_RATIOS];

/* Requests of one arm, and those of them that each kind counts: hit[k] <= n. */
struct evidence_counts {
	uint32_t n;
	uint32_t hit[EVIDENCE_KINDS];
};

/* The open block of one client. All zero is a client nobody has heard of. */
struct evidence_client {
	uint64_t started_ns; /* of its first request, when it has one */
	struct evidence_counts arm[EVIDENCE_ARMS];
};

/* What a block holds. Not whole numbers: with sticky clients a client is 1 request that failed by a share. */
struct evidence_block {
	double n[EVIDENCE_ARMS];
	double hit[EVIDENCE_ARMS][EVIDENCE_KINDS];
};

/* The logarithm of all blocks' factors, for each g: a node's whole evidence. Those of several nodes add up. */
struct evidence_factors {
	double log[EVIDENCE_STRATA][EVIDENCE_KINDS][EVIDENCE_RATIOS];
};

struct evidence_config {
	double alpha_error, alpha_latency; /* false rollbacks allowed to each test, above 0 */
	bool sticky;			   /* a client stays on one arm: cohorts are fed, not clients */
	double margin;			   /* the least excess of the canary, as a share, that is worth a rollback */
};

/* A kind in a stratum: stable's past, and what follows from it for the next block. */
struct evidence_test {
	double past_n, past_hit; /* stable's, in blocks that are over */
	double plugged_n;	 /* past_n when what follows was taken from it */
	double ts, log_ts, log_not_ts;
	double tc[EVIDENCE_RATIOS], log_tc[EVIDENCE_RATIOS], log_not_tc[EVIDENCE_RATIOS];
	double log_total[EVIDENCE_RATIOS]; /* log A[g]: all copies by their weights */
};

struct serin_evidence {
	struct evidence_config config;
	struct evidence_test test[EVIDENCE_STRATA][EVIDENCE_KINDS];
	struct evidence_factors factors;
	struct evidence_client moment; /* the open block of this moment */
	uint64_t tick_ns, next_copy_ns;
	uint64_t copies; /* started so far */
	/* The excess within clients: see evidence_excess(). */
	double excess[EVIDENCE_KINDS], excess_weight;
	/* For promotion: all requests fed; of sticky clients, those of the last hold, each as one. */
	double total_n[EVIDENCE_ARMS], total_failed[EVIDENCE_ARMS];
	uint64_t blocks, dropped;				     /* of clients */
};

/* What the evidence says now. log_*: of E, which false rollbacks reach 1/alpha with a probability of at most alpha. */
struct evidence_verdict {
	double log_error, log_latency;
	double excess_error, excess_latency; /* observed, as shares; of the edge where it is largest */
	bool error, latency;		     /* roll back, for this reason */
};

/* Begins with no evidence. `now_ns` is when the first copy starts. */
void evidence_init(struct serin_evidence *evidence, const struct evidence_config *config, uint64_t now_ns);

/*
 * Adds what one client did on both arms since it was fed last; uses its block when both arms have a request in it,
 * drops it when it is too old. A client may be forgotten at any time (a full table): no block is told by its outcomes.
 */
void evidence_feed(struct serin_evidence *evidence, struct evidence_client *client,
		   const struct evidence_counts counts[EVIDENCE_ARMS], uint64_t now_ns);

/* Ends a tick: uses the moment's block, lets the excess age, starts the copies that are due. */
void evidence_tick(struct serin_evidence *evidence, uint64_t now_ns);

/*
 * Clients that stay on one arm. Instead of evidence_feed(), evidence_client_add() at each tick; at the end of a hold
 * evidence_cohort_add() for each client, which empties it, then evidence_cohort_use(), which empties the cohort. A hold
 * is a copy of its own: the same clients again are no new evidence, so holds are added by weight, never multiplied. For
 * evidence whose config says sticky, and then only; evidence_tick() goes on.
 */
void evidence_client_add(struct evidence_client *client, const struct evidence_counts counts[EVIDENCE_ARMS],
			 uint64_t now_ns);
void evidence_cohort_add(struct evidence_block *cohort, struct evidence_client *client);
void evidence_cohort_use(struct serin_evidence *evidence, struct evidence_block *cohort);

struct evidence_verdict evidence_judge(const struct serin_evidence *evidence);

/* What one stratum alone would say: never to be acted on, but it tells what the other one excluded. */
struct evidence_verdict evidence_judge_within(const struct serin_evidence *evidence, enum evidence_stratum stratum);

/* log E of one kind: the smaller of its two strata. */
double evidence_log(const struct serin_evidence *evidence, enum evidence_kind kind);

/* Multiplies the evidence by that of another node: what its `factors` gained since it was joined last. */
void evidence_join(struct serin_evidence *evidence, const struct evidence_factors *gained);

/* The interval of a share after f of n, valid at all times together with probability 1 - alpha. 0 to 1 when n is 0. */
void evidence_interval(double n, double f, double alpha, double *ret_lower, double *ret_upper);

/*
 * May the canary be promoted: is it no worse than stable by more than the margin, at all times with probability
 * 1 - alpha? Takes requests as independent of each other.
 */
bool evidence_no_worse(const struct serin_evidence *evidence, double alpha, double margin);

/* The sample-ratio check. All zero is one that has seen no connection. */
struct evidence_split {
	double log_past; /* of earlier weights */
	double weight;
	uint64_t n[EVIDENCE_ARMS]; /* at this weight */
};

/* Adds new connections by arm, made while the canary's set weight was `weight` (a share). */
void evidence_split_add(struct evidence_split *split, double weight, uint64_t stable, uint64_t canary);

/* log E against "connections are split as set": if they are, it reaches log(1/alpha) with a probability <= alpha. */
double evidence_split_log(const struct evidence_split *split);

#endif
