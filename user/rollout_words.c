// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a release did and what it waits for, in words with figures: a function a reason, a function a waiting. */
#include "rollout.h"

#include "util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAIN_MAX 1e6 /* evidence beyond it is written by its power of ten */

/* Digits after the point with which a figure reads on its side of the bound: 0.9496 is not "0.95 < 0.95". */
static int digits_for(double figure, double bound, int least)
{
	char text[400];

	for (int digits = least; digits < 9; digits++) {
		double shown;

		snprintf(text, sizeof(text), "%.*f", digits, figure);
		shown = strtod(text, NULL);
		if ((shown < bound) == (figure < bound) && (shown > bound) == (figure > bound))
			return digits;
	}
	return 9;
}

static double percent(uint32_t weight)
{
	return weight / 100.0;
}

/* " over 63 requests", of the canary in the window. */
static unsigned long long requests(const struct serin_decision *d)
{
	return d->canary.n;
}

/* "step 2 of 4 at 5%", or what else it has come to. */
static void place(const struct serin_decision *d, char ret_text[64])
{
	if (d->to == SERIN_PROMOTED)
		snprintf(ret_text, 64, "promoted to all connections");
	else if (d->to == SERIN_ROLLED_BACK)
		snprintf(ret_text, 64, "rolled back from %g%%", percent(d->weight_from));
	else if (d->step)
		snprintf(ret_text, 64, "step %u of %u at %g%%", d->step, d->steps, percent(d->weight_to));
	else
		snprintf(ret_text, 64, "%g%%", percent(d->weight_to));
}

/* ---- why it is where it is ---- */

static void inequality(const struct serin_decision *d, const char *what, const char *unit, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%s %.*f %c %.9g%s", what, digits_for(d->figure, d->bound, 2), d->figure,
		 d->figure < d->bound ? '<' : '>', d->bound, unit);
}

static void over_requests(const struct serin_decision *d, const char *what, const char *unit, char *ret_text, size_t size)
{
	char text[160];

	inequality(d, what, unit, text, sizeof(text));
	snprintf(ret_text, size, "%s over %llu requests", text, requests(d));
}

static void explain_p(const struct serin_decision *d, char *ret_text, size_t size)
{
	over_requests(d, "P", "", ret_text, size);
}

static void explain_r(const struct serin_decision *d, char *ret_text, size_t size)
{
	over_requests(d, "R", "", ret_text, size);
}

static void explain_d(const struct serin_decision *d, char *ret_text, size_t size)
{
	over_requests(d, "D", " anomalies/s", ret_text, size);
}

static void explain_cpu(const struct serin_decision *d, char *ret_text, size_t size)
{
	over_requests(d, "CPU a request", " times stable's", ret_text, size);
}

static void explain_external(const struct serin_decision *d, char *ret_text, size_t size)
{
	inequality(d, d->gate, "", ret_text, size);
}

/* What is written with nine digits. */
static double as_written(double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.9g", value);
	return strtod(text, NULL);
}

/* "412" against a bound of 200; far beyond it "3.1e+20", and where a double ends the power of ten alone. */
static void evidence_number(double log_e, double bound, char ret_text[32])
{
	double e = as_written(exp(log_e));

	if (log_e > 690)
		snprintf(ret_text, 32, "1e+%.0f", floor(log_e / log(10)));
	else if (e >= PLAIN_MAX && e >= 10 * bound)
		snprintf(ret_text, 32, "%.2g", e);
	else
		snprintf(ret_text, 32, "%.*f", digits_for(e, bound, 0), e);
}

static void evidence(const struct serin_decision *d, const char *what, double excess, double log_e, double log_bound,
		     char *ret_text, size_t size)
{
	double bound = as_written(exp(log_bound));
	char e[32];

	evidence_number(log_e, bound, e);
	snprintf(ret_text, size, "%s: %+.*f points, evidence %s against %.9g, %llu requests", what,
		 fabs(excess) < 0.001 ? 3 : 1, 100 * excess, e, bound,
		 (unsigned long long)d->evidence.requests[1]);
}

static void explain_error(const struct serin_decision *d, char *ret_text, size_t size)
{
	evidence(d, "fails more often than stable for the same clients", d->evidence.excess_error, d->evidence.log_error,
		 d->evidence.log_error_bound, ret_text, size);
}

static void explain_latency(const struct serin_decision *d, char *ret_text, size_t size)
{
	evidence(d, "is slow more often than stable for the same clients", d->evidence.excess_latency,
		 d->evidence.log_latency, d->evidence.log_latency_bound, ret_text, size);
}

static void explain_exits(const struct serin_decision *d, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%.0f of its processes ended within a minute > %.0f (stable's and those allowed)",
		 d->figure, d->bound);
}

static void explain_absent(const struct serin_decision *d, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "the canary has not listened for %.*f s, %.9g s are allowed",
		 digits_for(d->figure, d->bound, 0), d->figure, d->bound);
}

static void lacked(const struct serin_decision *d, char ret_text[128])
{
	if (d->lacked == SERIN_WAITING_REQUESTS)
		snprintf(ret_text, 128, "%.0f of %.0f requests", d->figure, d->bound);
	else if (d->lacked == SERIN_WAITING_EXTERNAL)
		snprintf(ret_text, 128, "no recent figure of %s", d->gate);
	else
		snprintf(ret_text, 128, "not shown to be no worse by more than %g points in %llu requests",
			 100 * d->evidence.margin, (unsigned long long)d->evidence.requests[1]);
}

static void explain_inconclusive(const struct serin_decision *d, char *ret_text, size_t size)
{
	char what[128], where[64];

	lacked(d, what);
	place(d, where);
	snprintf(ret_text, size, "inconclusive at the end of the hold, %s: %s, as on_inconclusive says", what, where);
}

static void explain_started(const struct serin_decision *d, char *ret_text, size_t size)
{
	char where[64];

	place(d, where);
	snprintf(ret_text, size, "the canary listens: %s", where);
}

/* What was compared; of all connections on the canary, or with the evidence switched off, nothing was. */
static void explain_no_worse(const struct serin_decision *d, char *ret_text, size_t size)
{
	char where[64];

	place(d, where);
	if (d->evidence.known && d->weight_from != SERIN_WEIGHT_MAX)
		snprintf(ret_text, size, "no worse than stable by more than %g points, %llu requests against %llu: %s",
			 100 * d->evidence.margin, (unsigned long long)d->evidence.requests[1],
			 (unsigned long long)d->evidence.requests[0], where);
	else if (d->canary.p.known)
		snprintf(ret_text, size, "the hold is over and no guard spoke, P %.3f over %llu requests: %s", d->canary.p.v,
			 requests(d), where);
	else
		snprintf(ret_text, size, "the hold is over and no guard spoke: %s", where);
}

static void explain_weight(const struct serin_decision *d, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "weight set to %g%% by hand", percent(d->weight_to));
}

static void explain_aborted(const struct serin_decision *d, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "aborted by hand at %g%%", percent(d->weight_from));
}

static void by_hand(const struct serin_decision *d, const char *what, char *ret_text, size_t size)
{
	char where[64];

	place(d, where);
	snprintf(ret_text, size, "%s by hand: %s", what, where);
}

static void explain_promoted(const struct serin_decision *d, char *ret_text, size_t size)
{
	if (d->to == SERIN_PROMOTED)
		snprintf(ret_text, size, "promoted by hand to all connections, from %g%%", percent(d->weight_from));
	else
		by_hand(d, "promoted", ret_text, size);
}

static void explain_paused(const struct serin_decision *d, char *ret_text, size_t size)
{
	by_hand(d, "paused", ret_text, size);
}

static void explain_resumed(const struct serin_decision *d, char *ret_text, size_t size)
{
	by_hand(d, "resumed", ret_text, size);
}

static void explain_retried(const struct serin_decision *d, char *ret_text, size_t size)
{
	by_hand(d, "retried", ret_text, size);
}

static void explain_restored(const struct serin_decision *d, char *ret_text, size_t size)
{
	char where[64] = "";

	if (d->to == SERIN_PROGRESSING || d->to == SERIN_PAUSED)
		place(d, where);
	snprintf(ret_text, size, "as an earlier agent left it: %s%s%s%s", serin_phase_name(d->to), *where ? ", " : "", where,
		 *where && d->manual ? ", by hand" : "");
}

static void explain_replanned(const struct serin_decision *d, char *ret_text, size_t size)
{
	char where[64];

	place(d, where);
	snprintf(ret_text, size, "the configuration changed: %s%s", where, d->manual ? ", by hand" : "");
}

static void (*const reasons[])(const struct serin_decision *d, char *ret_text, size_t size) = {
	[SERIN_REASON_NONE] = NULL,
	[SERIN_REASON_WEIGHT] = explain_weight,
	[SERIN_REASON_ABORTED] = explain_aborted,
	[SERIN_REASON_GATE_P] = explain_p,
	[SERIN_REASON_GATE_R] = explain_r,
	[SERIN_REASON_GATE_D] = explain_d,
	[SERIN_REASON_GATE_CPU] = explain_cpu,
	[SERIN_REASON_GATE_EXTERNAL] = explain_external,
	[SERIN_REASON_EVIDENCE_ERROR] = explain_error,
	[SERIN_REASON_EVIDENCE_LATENCY] = explain_latency,
	[SERIN_REASON_EXITS] = explain_exits,
	[SERIN_REASON_ABSENT] = explain_absent,
	[SERIN_REASON_INCONCLUSIVE] = explain_inconclusive,
	[SERIN_REASON_STARTED] = explain_started,
	[SERIN_REASON_NO_WORSE] = explain_no_worse,
	[SERIN_REASON_PROMOTED] = explain_promoted,
	[SERIN_REASON_PAUSED] = explain_paused,
	[SERIN_REASON_RESUMED] = explain_resumed,
	[SERIN_REASON_RETRIED] = explain_retried,
	[SERIN_REASON_RESTORED] = explain_restored,
	[SERIN_REASON_REPLANNED] = explain_replanned,
};
_Static_assert(ARRAY_SIZE(reasons) == SERIN_REASONS, "words for each reason");

void rollout_explain(const struct serin_decision *decision, char *ret_text, size_t size)
{
	char text[ROLLOUT_WHY_MAX] = "";

	if ((unsigned)decision->reason < SERIN_REASONS && reasons[decision->reason])
		reasons[decision->reason](decision, text, sizeof(text));
	snprintf(ret_text, size, "%s%s", text, decision->hung ? "; most failures are time-outs" : "");
}

/* ---- what it waits for ---- */

struct wait {
	const struct serin_rollout *rollout;
	const struct serin_policy *policy;
	const struct serin_observation *seen;
};

/* What is over of a time, never rounded up to the whole: "41", and of short ones "4.1". */
static double passed(uint64_t ns, uint64_t of_ns)
{
	double unit = of_ns < 10 * NSEC_PER_SEC ? 10 : 1;

	return floor((double)ns / 1e9 * unit) / unit;
}

static void wait_start(const struct wait *w, char *ret_text, size_t size)
{
	if (w->rollout->rested || !w->policy->automatic)
		snprintf(ret_text, size, "a person: `resume` begins with step 1 of %u", w->policy->n_steps);
	else
		snprintf(ret_text, size, "%s to listen", w->seen->stable_listens ? "the canary" : "stable");
}

static void wait_hold(const struct wait *w, char *ret_text, size_t size)
{
	const struct serin_rollout *r = w->rollout;
	uint64_t hold = r->step && r->step <= w->policy->n_steps ? w->policy->steps[r->step - 1].hold_ns : 0;
	uint64_t ns = w->seen->now_ns > r->hold_from_ns ? w->seen->now_ns - r->hold_from_ns : 0;

	snprintf(ret_text, size, "step %u of %u: %.9g s of %.9g s", r->step, w->policy->n_steps,
		 passed(ns < hold ? ns : hold, hold), (double)hold / 1e9);
}

static void wait_traffic(const struct wait *w, char *ret_text, size_t size)
{
	const uint64_t *n = w->seen->step_requests;

	snprintf(ret_text, size, "step %u of %u: no traffic on %s yet", w->rollout->step, w->policy->n_steps,
		 n[0] ? "the canary" : n[1] ? "stable" : w->rollout->weight == SERIN_WEIGHT_MAX ? "the canary" :
										 "either version");
}

static void wait_requests(const struct wait *w, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "step %u of %u: %llu of %llu requests on the canary", w->rollout->step, w->policy->n_steps,
		 (unsigned long long)w->seen->step_requests[1], (unsigned long long)w->policy->gates.min_requests);
}

static void wait_evidence(const struct wait *w, char *ret_text, size_t size)
{
	const struct serin_judgement *j = &w->seen->evidence;

	snprintf(ret_text, size,
		 "step %u of %u: the canary is not shown yet to be no worse by more than %g points, %llu requests against %llu",
		 w->rollout->step, w->policy->n_steps, 100 * j->margin, (unsigned long long)j->requests[1],
		 (unsigned long long)j->requests[0]);
}

/* The first external figure that is missing or too old, and its age. */
static void wait_external(const struct wait *w, char *ret_text, size_t size)
{
	double limit = (double)w->policy->external_age_ns / 1e9;

	for (unsigned i = 0; i < w->policy->n_external; i++) {
		const char *name = w->policy->external[i].name;
		struct serin_value age = rollout_external_age(w->seen, name);

		if (!age.known) {
			snprintf(ret_text, size, "a figure of %s: none was sent yet", name);
			return;
		}
		if (age.v > limit) {
			snprintf(ret_text, size, "a figure of %s: the last is %.*f s old, at most %.9g s count", name,
				 digits_for(age.v, limit, 0), age.v, limit);
			return;
		}
	}
	snprintf(ret_text, size, "a figure from outside");
}

static void wait_paused(const struct wait *w, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "a person: `resume` goes on from %g%%", percent(w->rollout->weight));
}

static void wait_manual(const struct wait *w, char *ret_text, size_t size)
{
	if (w->policy->n_steps)
		snprintf(ret_text, size, "a person: %g%% is set by hand, `resume` goes on by the steps",
			 percent(w->rollout->weight));
	else
		snprintf(ret_text, size, "a person: there are no steps, `weight` sets the next share");
}

static void wait_canary(const struct wait *w, char *ret_text, size_t size)
{
	uint64_t from = w->rollout->absent_from_ns, now = w->seen->now_ns;

	if (from && w->policy->absent_ns)
		snprintf(ret_text, size, "the canary to listen: gone for %.9g s, rolled back after %.9g s",
			 passed(now > from ? now - from : 0, w->policy->absent_ns), (double)w->policy->absent_ns / 1e9);
	else
		snprintf(ret_text, size, "the canary to listen");
}

static void wait_stable(const struct wait *w, char *ret_text, size_t size)
{
	(void)w;
	snprintf(ret_text, size, "stable to listen: the canary would be rolled back, and there is nothing to go back to");
}

static void (*const waitings[])(const struct wait *w, char *ret_text, size_t size) = {
	[SERIN_WAITING_NOT] = NULL,
	[SERIN_WAITING_START] = wait_start,
	[SERIN_WAITING_HOLD] = wait_hold,
	[SERIN_WAITING_TRAFFIC] = wait_traffic,
	[SERIN_WAITING_REQUESTS] = wait_requests,
	[SERIN_WAITING_EVIDENCE] = wait_evidence,
	[SERIN_WAITING_EXTERNAL] = wait_external,
	[SERIN_WAITING_PAUSED] = wait_paused,
	[SERIN_WAITING_MANUAL] = wait_manual,
	[SERIN_WAITING_CANARY] = wait_canary,
	[SERIN_WAITING_STABLE] = wait_stable,
};
_Static_assert(ARRAY_SIZE(waitings) == SERIN_WAITINGS, "words for each waiting");

void rollout_explain_waiting(const struct serin_rollout *rollout, const struct serin_policy *policy,
			     const struct serin_observation *seen, char *ret_text, size_t size)
{
	struct wait w = {rollout, policy, seen};

	if ((unsigned)rollout->waiting < SERIN_WAITINGS && waitings[rollout->waiting])
		waitings[rollout->waiting](&w, ret_text, size);
	else
		snprintf(ret_text, size, "%s", "");
}
