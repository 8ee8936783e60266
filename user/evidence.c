// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "evidence.h"

#include "util.h"

#include <math.h>
#include <string.h>

const double evidence_ratios[EVIDENCE_RATIOS] = {1.5, 2, 4, 8, 20, 100};

/* Failures are rare, and how rare is not known; an edge divides stable's own requests, but was read from a few. */
static const struct {
	double hit, n;
} priors[] = {
	[EVIDENCE_ERROR] = {0.5, 50},
	[EVIDENCE_P50] = {0.5, 1},
	[EVIDENCE_P90] = {0.5, 1},
	[EVIDENCE_P99] = {0.5, 1},
};
_Static_assert(ARRAY_SIZE(priors) == EVIDENCE_KINDS, "a prior for each kind");

/* Stable's past is looked at again at each tick, and as soon as it has grown by an eighth. */
#define PLUG_GROWTH 1.125

/* How far the connection split may be off before it is worth telling: the prior's weight in connections. */
#define SPLIT_PRIOR 100.0

/* log A[g] of sticky clients before their first hold: as good as 0, and finite. */
#define NOTHING_YET (-1e6)

/* log(exp(a) + exp(b)), also where exp() would overflow. */
static double log_add(double a, double b)
{
	return a > b ? a + log1p(exp(b - a)) : b + log1p(exp(a - b));
}

/* log of the mean of exp(values[i]). */
static double log_mean(const double *values, unsigned n)
{
	double max = values[0], sum = 0;

	for (unsigned i = 1; i < n; i++)
		max = fmax(max, values[i]);
	for (unsigned i = 0; i < n; i++)
		sum += exp(values[i] - max);
	return max + log(sum / n);
}

/* log w_k of the k-th copy: w_k = 1/((k+1)(k+2)), which sum to 1 over all k. */
static double log_copy_weight(uint64_t k)
{
	return -log((double)k + 1) - log((double)k + 2);
}

/*
 * What the next blocks are held against, from stable's past only:
 *
 *	ts = (Fs + a) / (Ns + b)		stable's share; a, b: the prior
 *	o = g ts / (1 - ts),  tc = o / (1 + o)	the canary's, if its odds were g times stable's
 */
static void plug_in(struct evidence_test *test, enum evidence_kind kind)
{
	double odds;

	test->plugged_n = test->past_n;
	test->ts = (test->past_hit + priors[kind].hit) / (test->past_n + priors[kind].n);
	test->log_ts = log(test->ts);
	test->log_not_ts = log1p(-test->ts);
	for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
		odds = evidence_ratios[g] * test->ts / (1 - test->ts);
		test->tc[g] = odds / (1 + odds);
		test->log_tc[g] = log(test->tc[g]);
		test->log_not_tc[g] = -log1p(odds);
	}
}

static void plug_in_all(struct serin_evidence *evidence)
{
	for (unsigned s = 0; s < EVIDENCE_STRATA; s++)
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
			if (evidence->test[s][k].past_n > evidence->test[s][k].plugged_n)
				plug_in(&evidence->test[s][k], k);
}

/*
 * The factor of one block, by Turner, Ly and Grunwald, "Generic E-variables for exact sequential k-sample tests that
 * allow for optional stopping", arXiv 2106.02693. n, f: requests and hits; c: canary, s: stable.
 *
 *	t0 = (n_c tc + n_s ts) / (n_c + n_s)
 *	log factor[g] = f_c log(tc/t0) + (n_c - f_c) log((1-tc)/(1-t0)) + f_s log(ts/t0) + (n_s - f_s) log((1-ts)/(1-t0))
 *
 * Its expectation is at most 1 whatever share both arms have in common, and less when the canary's is smaller. So the
 * product over blocks reaches 1/alpha with a probability of at most alpha (Ville's inequality). Hits that are shares
 * of 1 make it smaller, as x -> a^x b^(1-x) is convex.
 */
static void block_factor(const struct evidence_test *test, double n_c, double f_c, double n_s, double f_s,
			 double ret[EVIDENCE_RATIOS])
{
	double share = n_c / (n_c + n_s), hits = f_c + f_s, misses = n_c + n_s - hits;
	double t0, stable = f_s * test->log_ts + (n_s - f_s) * test->log_not_ts;

	for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
		t0 = test->ts + share * (test->tc[g] - test->ts);
		ret[g] = stable + f_c * test->log_tc[g] + (n_c - f_c) * test->log_not_tc[g];
		if (hits > 0)
			ret[g] -= hits * log(t0);
		if (misses > 0)
			ret[g] -= misses * log1p(-t0);
	}
}

/* What stable did in a block that is over belongs to its past, whether the block was used or dropped. */
static void remember(struct evidence_test *test, enum evidence_kind kind, double n_s, double f_s)
{
	test->past_n += n_s;
	test->past_hit += f_s;
	if (test->past_n > PLUG_GROWTH * (test->plugged_n + priors[kind].n))
		plug_in(test, kind);
}

/*
 * Multiplies a stratum's evidence by a block. All copies have the block in common, so the sum of the copies
 *
 *	A[g] = sum over k of w_k exp(L_k[g])
 *
 * is multiplied by its factor too, and no copy need be kept.
 */
static void use_block(struct serin_evidence *evidence, enum evidence_stratum stratum,
		      const struct evidence_block *block)
{
	const double *n = block->n;
	double factor[EVIDENCE_RATIOS];

	for (unsigned k = 0; k < EVIDENCE_KINDS; k++) {
		struct evidence_test *test = &evidence->test[stratum][k];

		block_factor(test, n[EVIDENCE_CANARY], block->hit[EVIDENCE_CANARY][k], n[EVIDENCE_STABLE],
			     block->hit[EVIDENCE_STABLE][k], factor);
		for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
			evidence->factors.log[stratum][k][g] += factor[g];
			test->log_total[g] += factor[g];
		}
		remember(test, k, n[EVIDENCE_STABLE], block->hit[EVIDENCE_STABLE][k]);
	}
}

/*
 * The excess of the canary within blocks b, after Mantel and Haenszel, newer blocks weighing more:
 *
 *	sum (f_c n_s - f_s n_c) / (n_c + n_s)  /  sum n_c n_s / (n_c + n_s)
 */
static void add_excess(struct serin_evidence *evidence, const struct evidence_block *block)
{
	double n_c = block->n[EVIDENCE_CANARY], n_s = block->n[EVIDENCE_STABLE];

	for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
		evidence->excess[k] +=
			(block->hit[EVIDENCE_CANARY][k] * n_s - block->hit[EVIDENCE_STABLE][k] * n_c) / (n_c + n_s);
	evidence->excess_weight += n_c * n_s / (n_c + n_s);
}

static double excess_of(const struct serin_evidence *evidence, enum evidence_kind kind)
{
	return evidence->excess_weight > 0 ? evidence->excess[kind] / evidence->excess_weight : 0;
}

void evidence_client_add(struct evidence_client *client, const struct evidence_counts counts[EVIDENCE_ARMS],
			 uint64_t now_ns)
{
	if (!client->arm[EVIDENCE_STABLE].n && !client->arm[EVIDENCE_CANARY].n)
		client->started_ns = now_ns;
	for (unsigned a = 0; a < EVIDENCE_ARMS; a++) {
		client->arm[a].n += counts[a].n;
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
			client->arm[a].hit[k] += counts[a].hit[k];
	}
}

static struct evidence_block take_block(struct evidence_client *client)
{
	struct evidence_block block;

	for (unsigned a = 0; a < EVIDENCE_ARMS; a++) {
		block.n[a] = client->arm[a].n;
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
			block.hit[a][k] = client->arm[a].hit[k];
	}
	memset(client, 0, sizeof(*client));
	return block;
}

/* Uses or drops the block when it is over; both depend on counts and time, never on outcomes. */
static void end_block(struct serin_evidence *evidence, enum evidence_stratum stratum, struct evidence_client *client,
		      uint64_t now_ns)
{
	static const uint64_t oldest_ns[EVIDENCE_STRATA] = {EVIDENCE_BLOCK_NS, EVIDENCE_MOMENT_NS};
	bool used = client->arm[EVIDENCE_STABLE].n && client->arm[EVIDENCE_CANARY].n;
	struct evidence_block block;

	if (!used && now_ns - client->started_ns < oldest_ns[stratum])
		return;
	block = take_block(client);
	if (used)
		use_block(evidence, stratum, &block);
	else
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
			remember(&evidence->test[stratum][k], k, block.n[EVIDENCE_STABLE],
				 block.hit[EVIDENCE_STABLE][k]);
	if (stratum != EVIDENCE_CLIENT)
		return;
	if (used)
		add_excess(evidence, &block);
	evidence->blocks += used;
	evidence->dropped += !used;
}

void evidence_feed(struct serin_evidence *evidence, struct evidence_client *client,
		   const struct evidence_counts counts[EVIDENCE_ARMS], uint64_t now_ns)
{
	for (unsigned a = 0; a < EVIDENCE_ARMS; a++) {
		evidence->total_n[a] += counts[a].n;
		evidence->total_failed[a] += counts[a].hit[EVIDENCE_ERROR];
	}
	evidence_client_add(&evidence->moment, counts, now_ns);
	evidence_client_add(client, counts, now_ns);
	end_block(evidence, EVIDENCE_CLIENT, client, now_ns);
}

static void start_copy(struct serin_evidence *evidence)
{
	double weight = log_copy_weight(evidence->copies++);

	for (unsigned s = 0; s < EVIDENCE_STRATA; s++)
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
			for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
				double *total = &evidence->test[s][k].log_total[g];

				*total = log_add(*total, weight);
			}
}

void evidence_init(struct serin_evidence *evidence, const struct evidence_config *config, uint64_t now_ns)
{
	double weight = config->sticky ? NOTHING_YET : log_copy_weight(0);

	memset(evidence, 0, sizeof(*evidence));
	evidence->config = *config;
	evidence->tick_ns = now_ns;
	evidence->next_copy_ns = now_ns + EVIDENCE_RESTART_NS;
	evidence->copies = config->sticky ? 0 : 1;
	for (unsigned s = 0; s < EVIDENCE_STRATA; s++)
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++) {
			plug_in(&evidence->test[s][k], k);
			for (unsigned g = 0; g < EVIDENCE_RATIOS; g++)
				evidence->test[s][k].log_total[g] = weight;
		}
}

/* A long time without a tick (a suspended machine) starts one copy, not one for each minute of it. */
static void start_copies(struct serin_evidence *evidence, uint64_t now_ns)
{
	if (evidence->config.sticky || now_ns < evidence->next_copy_ns)
		return;
	start_copy(evidence);
	evidence->next_copy_ns += EVIDENCE_RESTART_NS;
	if (evidence->next_copy_ns <= now_ns)
		evidence->next_copy_ns = now_ns + EVIDENCE_RESTART_NS;
}

static void age_excess(struct serin_evidence *evidence, uint64_t now_ns)
{
	double kept;

	if (now_ns <= evidence->tick_ns)
		return;
	kept = exp(-(double)(now_ns - evidence->tick_ns) / 1e9 / EVIDENCE_EXCESS_SECONDS);
	for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
		evidence->excess[k] *= kept;
	evidence->excess_weight *= kept;
	evidence->tick_ns = now_ns;
}

void evidence_tick(struct serin_evidence *evidence, uint64_t now_ns)
{
	if (evidence->moment.arm[EVIDENCE_STABLE].n || evidence->moment.arm[EVIDENCE_CANARY].n)
		end_block(evidence, EVIDENCE_MOMENT, &evidence->moment, now_ns);
	age_excess(evidence, now_ns);
	start_copies(evidence, now_ns);
	plug_in_all(evidence);
}

void evidence_cohort_add(struct evidence_block *cohort, struct evidence_client *client)
{
	struct evidence_block block = take_block(client);

	for (unsigned a = 0; a < EVIDENCE_ARMS; a++) {
		if (block.n[a] <= 0)
			continue;
		cohort->n[a] += 1;
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
			cohort->hit[a][k] += block.hit[a][k] / block.n[a];
	}
}

/*
 * A hold of sticky clients. The next hold has the same clients, bad ones on the same arm, so that a product over holds
 * would count them again and again. A sum holds whatever the holds have in common:
 *
 *	A[g] = sum over holds k of w_k exp(log factor_k[g])
 *
 * as its expectation is at most the sum of the weights, 1, and it never falls.
 */
void evidence_cohort_use(struct serin_evidence *evidence, struct evidence_block *cohort)
{
	struct evidence_block block = *cohort;
	double factor[EVIDENCE_RATIOS], weight;

	memset(cohort, 0, sizeof(*cohort));
	if (block.n[EVIDENCE_STABLE] <= 0 || block.n[EVIDENCE_CANARY] <= 0)
		return;
	for (unsigned a = 0; a < EVIDENCE_ARMS; a++) {
		evidence->total_n[a] = block.n[a];
		evidence->total_failed[a] = block.hit[a][EVIDENCE_ERROR];
	}
	weight = log_copy_weight(evidence->copies++);
	for (unsigned k = 0; k < EVIDENCE_KINDS; k++) {
		struct evidence_test *test = &evidence->test[EVIDENCE_CLIENT][k];

		block_factor(test, block.n[EVIDENCE_CANARY], block.hit[EVIDENCE_CANARY][k], block.n[EVIDENCE_STABLE],
			     block.hit[EVIDENCE_STABLE][k], factor);
		for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
			evidence->factors.log[EVIDENCE_CLIENT][k][g] += factor[g];
			test->log_total[g] = log_add(test->log_total[g], weight + factor[g]);
		}
		remember(test, k, block.n[EVIDENCE_STABLE], block.hit[EVIDENCE_STABLE][k]);
	}
	add_excess(evidence, &block);
	evidence->blocks++;
}

static double log_within(const struct serin_evidence *evidence, enum evidence_stratum stratum, enum evidence_kind kind)
{
	return log_mean(evidence->test[stratum][kind].log_total, EVIDENCE_RATIOS);
}

double evidence_log(const struct serin_evidence *evidence, enum evidence_kind kind)
{
	double client = log_within(evidence, EVIDENCE_CLIENT, kind);

	return evidence->config.sticky ? client : fmin(client, log_within(evidence, EVIDENCE_MOMENT, kind));
}

/* E of the latency is the mean of the edges' E, so that none of them need be chosen beforehand. */
static struct evidence_verdict judge(const struct serin_evidence *evidence, const double log_e[EVIDENCE_KINDS])
{
	const struct evidence_config *config = &evidence->config;
	struct evidence_verdict verdict = {};

	verdict.log_error = log_e[EVIDENCE_ERROR];
	verdict.log_latency = log_mean(&log_e[EVIDENCE_P50], EVIDENCE_KINDS - EVIDENCE_P50);
	verdict.excess_error = excess_of(evidence, EVIDENCE_ERROR);
	verdict.excess_latency = fmax(fmax(excess_of(evidence, EVIDENCE_P50), excess_of(evidence, EVIDENCE_P90)),
				      excess_of(evidence, EVIDENCE_P99));
	verdict.error = verdict.log_error >= -log(config->alpha_error) && verdict.excess_error >= config->margin;
	verdict.latency = verdict.log_latency >= -log(config->alpha_latency) && verdict.excess_latency >= config->margin;
	return verdict;
}

struct evidence_verdict evidence_judge(const struct serin_evidence *evidence)
{
	double log_e[EVIDENCE_KINDS];

	for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
		log_e[k] = evidence_log(evidence, k);
	return judge(evidence, log_e);
}

struct evidence_verdict evidence_judge_within(const struct serin_evidence *evidence, enum evidence_stratum stratum)
{
	double log_e[EVIDENCE_KINDS];

	for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
		log_e[k] = log_within(evidence, stratum, k);
	return judge(evidence, log_e);
}

void evidence_join(struct serin_evidence *evidence, const struct evidence_factors *gained)
{
	for (unsigned s = 0; s < EVIDENCE_STRATA; s++)
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
			for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
				evidence->factors.log[s][k][g] += gained->log[s][k][g];
				evidence->test[s][k].log_total[g] += gained->log[s][k][g];
			}
}

/* log B(a, b), the beta function. lgamma_r, as lgamma() writes a global. */
static double log_beta(double a, double b)
{
	int sign;

	return lgamma_r(a, &sign) + lgamma_r(b, &sign) - lgamma_r(a + b, &sign);
}

static double log_likelihood(double n, double f, double p)
{
	return (f > 0 ? f * log(p) : 0) + (n - f > 0 ? (n - f) * log1p(-p) : 0);
}

/* Where the likelihood falls to `floor` between the best share, inside, and the end of the range, outside. */
static double bisect(double n, double f, double inside, double outside, double floor)
{
	double middle;

	if (log_likelihood(n, f, outside) >= floor)
		return outside;
	for (unsigned i = 0; i < 60; i++) {
		middle = (inside + outside) / 2;
		if (log_likelihood(n, f, middle) >= floor)
			inside = middle;
		else
			outside = middle;
	}
	return outside;
}

/*
 * Robbins, "Statistical methods related to the law of the iterated logarithm" (1970): the mixture of all shares q, in
 * equal parts, against one share p is a martingale if p is true, so with probability 1 - alpha p is for ever within
 *
 *	{ p : B(f+1, n-f+1) / (p^f (1-p)^(n-f)) < 1/alpha }
 */
void evidence_interval(double n, double f, double alpha, double *ret_lower, double *ret_upper)
{
	double floor;

	if (n <= 0) {
		*ret_lower = 0;
		*ret_upper = 1;
		return;
	}
	floor = log_beta(f + 1, n - f + 1) + log(alpha);
	*ret_lower = bisect(n, f, f / n, 0, floor);
	*ret_upper = bisect(n, f, f / n, 1, floor);
}

bool evidence_no_worse(const struct serin_evidence *evidence, double alpha, double margin)
{
	double stable[2], canary[2];

	evidence_interval(evidence->total_n[EVIDENCE_STABLE], evidence->total_failed[EVIDENCE_STABLE], alpha / 2,
			  &stable[0], &stable[1]);
	evidence_interval(evidence->total_n[EVIDENCE_CANARY], evidence->total_failed[EVIDENCE_CANARY], alpha / 2,
			  &canary[0], &canary[1]);
	return canary[1] <= stable[0] + margin;
}

/*
 * Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data", arXiv 2011.03567: a beta mixture around the
 * set weight w, as heavy as c connections, against w itself; x of n went to the canary.
 *
 *	E = B(c w + x, c (1-w) + n-x) / B(c w, c (1-w)) / (w^x (1-w)^(n-x))
 *
 * With a weight of 0 or all there is nothing to split.
 */
static double split_log(double weight, double stable, double canary)
{
	double a = SPLIT_PRIOR * weight, b = SPLIT_PRIOR * (1 - weight);

	if (weight <= 0 || weight >= 1)
		return 0;
	return log_beta(a + canary, b + stable) - log_beta(a, b) - canary * log(weight) - stable * log1p(-weight);
}

void evidence_split_add(struct evidence_split *split, double weight, uint64_t stable, uint64_t canary)
{
	if (weight != split->weight) {
		split->log_past = evidence_split_log(split);
		split->weight = weight;
		split->n[EVIDENCE_STABLE] = split->n[EVIDENCE_CANARY] = 0;
	}
	split->n[EVIDENCE_STABLE] += stable;
	split->n[EVIDENCE_CANARY] += canary;
}

double evidence_split_log(const struct evidence_split *split)
{
	return split->log_past +
	       split_log(split->weight, (double)split->n[EVIDENCE_STABLE], (double)split->n[EVIDENCE_CANARY]);
}
