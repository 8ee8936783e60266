// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What an order does in each phase. W: the weight ordered. *: by a person's hand (`manual`). -: refused. "next" is the
 * next step, and Promoted beyond the last.
 *
 *		  Idle		   Progressing	     Paused		 Promoted	   RolledBack
 *  weight W > 0  Progressing* W   Progressing* W    Paused* W		 Progressing* W	   Progressing* W
 *  weight 0	  Idle, rested	   Idle, rested	     Idle, rested	 Idle, rested	   Idle, rested
 *  promote	  step 1	   next		     next, Progressing	 -		   -
 *  promote full  Promoted	   Promoted	     Promoted		 -		   -
 *  pause	  -		   Paused	     -			 -		   -
 *  resume	  step 1	   if *: no more	     Progressing	 -		   -
 *  abort	  -		   RolledBack	     RolledBack		 RolledBack	   -
 *  retry	  -		   -		     -			 -		   step 1, or the weight before*
 *
 * Without steps promote is refused, resume only ends a pause, and every weight is a person's.
 *
 * And what a tick does, by what it sees first:
 *
 *  Idle			automatic, not rested, both listen			-> step 1
 *  Progressing, Paused,	a guard speaks, stable listens				-> RolledBack
 *  Promoted			a guard speaks, stable does not listen			waits for stable
 *  Progressing, not manual	hold over, traffic, requests, external, no worse	-> next
 *				hold over, traffic, something of that not shown		on_inconclusive
 *  all else										stays, and says what it waits for
 */
#include "rollout.h"

#include "util.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One call: what there is, what is seen, and when. */
struct scene {
	struct serin_rollout *rollout;
	const struct serin_policy *policy;
	const struct serin_observation *seen;
	uint64_t now_ns;
	uint32_t weight; /* ordered */
};

/* Where a decision leads. */
struct place {
	enum serin_phase phase;
	uint32_t step, weight;
	bool manual;
};

/* The clock does not go back, but a look may be older than the latest decision. */
static uint64_t later(uint64_t now_ns, const struct serin_rollout *rollout)
{
	return now_ns > rollout->latest.at_ns ? now_ns : rollout->latest.at_ns;
}

static uint64_t elapsed(uint64_t from_ns, uint64_t now_ns)
{
	return now_ns > from_ns ? now_ns - from_ns : 0;
}

/* ---- decisions ---- */

static void go_to(struct serin_rollout *rollout, const struct serin_policy *policy, struct place to,
		  enum serin_reason reason, uint64_t now_ns)
{
	rollout->latest = (struct serin_decision){
		.at_ns = now_ns,
		.from = rollout->phase,
		.to = to.phase,
		.weight_from = rollout->weight,
		.weight_to = to.weight,
		.step = to.step,
		.steps = policy->n_steps,
		.manual = to.manual,
		.reason = reason,
	};
	if (to.phase == SERIN_ROLLED_BACK)
		rollout->retry_weight = rollout->weight;
	if (!to.weight)
		rollout->absent_from_ns = 0;
	if (to.weight != rollout->weight)
		rollout->since_ns = now_ns;
	rollout->phase = to.phase;
	rollout->weight = to.weight;
	rollout->step = to.step;
	rollout->manual = to.manual;
	rollout->rested = to.phase == SERIN_IDLE && to.manual;
}

/* The same, with the figures it rests on. */
static void decide(struct scene *s, struct place to, enum serin_reason reason)
{
	go_to(s->rollout, s->policy, to, reason, s->now_ns);
	s->rollout->latest.stable = s->seen->stable;
	s->rollout->latest.canary = s->seen->canary;
	s->rollout->latest.evidence = s->seen->evidence;
}

static void roll_back(struct scene *s, enum serin_reason reason)
{
	decide(s, (struct place){.phase = SERIN_ROLLED_BACK}, reason);
}

static void begin_hold(struct scene *s)
{
	s->rollout->since_ns = s->rollout->hold_from_ns = s->now_ns;
}

static void promote_fully(struct scene *s, enum serin_reason reason)
{
	decide(s, (struct place){SERIN_PROMOTED, s->policy->n_steps, SERIN_WEIGHT_MAX, false}, reason);
	begin_hold(s);
}

/*
 * Begins a step, from 1 on; beyond the last the canary is promoted. So it is on a step of all connections without a
 * hold, unless it had none before: nobody has seen it serve.
 */
static void enter(struct scene *s, uint32_t step, enum serin_reason reason)
{
	const struct serin_step *next = step <= s->policy->n_steps ? &s->policy->steps[step - 1] : NULL;

	if (!next || (s->rollout->weight && next->weight == SERIN_WEIGHT_MAX && !next->hold_ns)) {
		promote_fully(s, reason);
		return;
	}
	decide(s, (struct place){SERIN_PROGRESSING, step, next->weight, false}, reason);
	begin_hold(s);
}

/* The step whose weight is the largest not above this one; 0: none is so small. */
static uint32_t step_at(const struct serin_policy *policy, uint32_t weight)
{
	uint32_t step = 0;

	for (unsigned i = 0; i < policy->n_steps; i++)
		if (policy->steps[i].weight <= weight && (!step || policy->steps[i].weight >= policy->steps[step - 1].weight))
			step = i + 1;
	return step;
}

/* Does it take steps without a person? */
static bool goes_by_itself(const struct serin_rollout *rollout, const struct serin_policy *policy)
{
	return rollout->phase == SERIN_PROGRESSING && !rollout->manual && rollout->step &&
	       rollout->step <= policy->n_steps;
}

/* ---- guards ---- */

/* What a guard found: of which figure, and its bound. */
struct finding {
	const char *gate; /* NULL: of none, the evidence's own */
	double figure, bound;
};

static bool evidence_error(const struct scene *s, struct finding *ret)
{
	(void)ret;
	return s->seen->evidence.known && s->seen->evidence.error;
}

static bool evidence_latency(const struct scene *s, struct finding *ret)
{
	(void)ret;
	return s->seen->evidence.known && s->seen->evidence.latency;
}

/* A figure that is absent breaches nothing, nor does one over too few requests. */
static bool breaches(const struct scene *s, struct serin_value figure, struct serin_value bound, bool above)
{
	if (s->seen->canary.n < s->policy->gates.min_requests || !figure.known || !bound.known)
		return false;
	return above ? figure.v > bound.v : figure.v < bound.v;
}

static bool gate_p(const struct scene *s, struct finding *ret)
{
	*ret = (struct finding){"P", s->seen->canary.p.v, s->policy->gates.p_min.v};
	return breaches(s, s->seen->canary.p, s->policy->gates.p_min, false);
}

static bool gate_d(const struct scene *s, struct finding *ret)
{
	*ret = (struct finding){"D", s->seen->canary.d.v, s->policy->gates.d_max.v};
	return breaches(s, s->seen->canary.d, s->policy->gates.d_max, true);
}

static bool gate_r(const struct scene *s, struct finding *ret)
{
	*ret = (struct finding){"R", s->seen->canary.r.v, s->policy->gates.r_max.v};
	return breaches(s, s->seen->canary.r, s->policy->gates.r_max, true);
}

static bool gate_cpu(const struct scene *s, struct finding *ret)
{
	*ret = (struct finding){"cpu_ratio", s->seen->canary.cpu_ratio.v, s->policy->gates.cpu_ratio_max.v};
	return breaches(s, s->seen->canary.cpu_ratio, s->policy->gates.cpu_ratio_max, true);
}

const struct serin_external *rollout_external(const struct serin_observation *seen, const char *name)
{
	for (unsigned i = 0; i < seen->n_external; i++)
		if (!strncmp(seen->external[i].name, name, SERIN_NAME_MAX))
			return &seen->external[i];
	return NULL;
}

struct serin_value rollout_external_age(const struct serin_observation *seen, const char *name)
{
	const struct serin_external *e = rollout_external(seen, name);

	return e ? serin_known((double)elapsed(e->at_ns, seen->now_ns) / 1e9) : (struct serin_value){};
}

/* The figure of this name, NULL when there is none or it is too old to be one. */
static const struct serin_external *fresh_external(const struct serin_policy *policy, const struct serin_observation *seen,
						   const char *name)
{
	const struct serin_external *e = rollout_external(seen, name);

	if (!e || !isfinite(e->value) || elapsed(e->at_ns, seen->now_ns) > policy->external_age_ns)
		return NULL;
	return e;
}

static bool gate_external(const struct scene *s, struct finding *ret)
{
	for (unsigned i = 0; i < s->policy->n_external; i++) {
		const struct serin_external_gate *gate = &s->policy->external[i];
		const struct serin_external *e = fresh_external(s->policy, s->seen, gate->name);
		bool below = e && gate->min.known && e->value < gate->min.v;

		if (below || (e && gate->max.known && e->value > gate->max.v)) {
			*ret = (struct finding){gate->name, e->value, below ? gate->min.v : gate->max.v};
			return true;
		}
	}
	return false;
}

static bool exits(const struct scene *s, struct finding *ret)
{
	*ret = (struct finding){"exits", (double)s->seen->exits[1], (double)(s->seen->exits[0] + s->policy->exits_max)};
	return s->policy->exits_max && s->seen->exits[1] > s->seen->exits[0] + s->policy->exits_max;
}

static bool absent(const struct scene *s, struct finding *ret)
{
	uint64_t away = elapsed(s->rollout->absent_from_ns, s->now_ns);

	*ret = (struct finding){"absent_seconds", (double)away / 1e9, (double)s->policy->absent_ns / 1e9};
	return s->policy->absent_ns && s->rollout->absent_from_ns && away >= s->policy->absent_ns;
}

/* In the order in which they are heard. */
static const struct {
	bool (*speaks)(const struct scene *s, struct finding *ret);
	enum serin_reason reason;
} guards[] = {
	{evidence_error, SERIN_REASON_EVIDENCE_ERROR},
	{evidence_latency, SERIN_REASON_EVIDENCE_LATENCY},
	{gate_p, SERIN_REASON_GATE_P},
	{gate_d, SERIN_REASON_GATE_D},
	{gate_r, SERIN_REASON_GATE_R},
	{gate_cpu, SERIN_REASON_GATE_CPU},
	{gate_external, SERIN_REASON_GATE_EXTERNAL},
	{exits, SERIN_REASON_EXITS},
	{absent, SERIN_REASON_ABSENT},
};

static enum serin_reason first_guard(const struct scene *s, struct finding *ret)
{
	if (!s->rollout->weight)
		return SERIN_REASON_NONE;
	for (unsigned i = 0; i < ARRAY_SIZE(guards); i++) {
		struct finding found = {};

		if (guards[i].speaks(s, &found)) {
			*ret = found;
			return guards[i].reason;
		}
	}
	return SERIN_REASON_NONE;
}

static void set_finding(struct serin_decision *d, const struct finding *found)
{
	if (!found->gate)
		return;
	snprintf(d->gate, sizeof(d->gate), "%.*s", SERIN_NAME_MAX - 1, found->gate);
	d->figure = found->figure;
	d->bound = found->bound;
}

static void obey_guard(struct scene *s, enum serin_reason reason, const struct finding *found)
{
	const struct serin_figures *canary = &s->seen->canary;

	roll_back(s, reason);
	set_finding(&s->rollout->latest, found);
	s->rollout->latest.hung = 2 * canary->timeouts > canary->anomalies.failed;
}

/* ---- steps ---- */

static bool hold_is_over(const struct serin_rollout *rollout, const struct serin_policy *policy, uint64_t now_ns)
{
	return elapsed(rollout->hold_from_ns, now_ns) >= policy->steps[rollout->step - 1].hold_ns;
}

/* With all connections on the canary stable gets none to compare with. */
static bool has_traffic(const struct serin_rollout *rollout, const struct serin_observation *seen)
{
	return seen->step_requests[1] && (seen->step_requests[0] || rollout->weight == SERIN_WEIGHT_MAX);
}

static const char *missing_external(const struct serin_policy *policy, const struct serin_observation *seen)
{
	for (unsigned i = 0; i < policy->n_external; i++)
		if (!fresh_external(policy, seen, policy->external[i].name))
			return policy->external[i].name;
	return NULL;
}

static bool lacks_evidence(const struct serin_rollout *rollout, const struct serin_observation *seen)
{
	return seen->evidence.known && !seen->evidence.no_worse && rollout->weight != SERIN_WEIGHT_MAX;
}

/*
 * What the step at hand still lacks, SERIN_WAITING_NOT when it is done. What nothing can make up for comes first, so that a
 * policy that promotes the inconclusive does not promote what nobody has measured.
 */
static enum serin_waiting step_lacks(const struct scene *s)
{
	if (!s->seen->canary_listens)
		return SERIN_WAITING_CANARY;
	if (!hold_is_over(s->rollout, s->policy, s->now_ns))
		return SERIN_WAITING_HOLD;
	if (!has_traffic(s->rollout, s->seen))
		return SERIN_WAITING_TRAFFIC;
	if (missing_external(s->policy, s->seen))
		return SERIN_WAITING_EXTERNAL;
	if (s->seen->step_requests[1] < s->policy->gates.min_requests)
		return SERIN_WAITING_REQUESTS;
	return lacks_evidence(s->rollout, s->seen) ? SERIN_WAITING_EVIDENCE : SERIN_WAITING_NOT;
}

/* What a release waits for in its phase, when no guard speaks. */
static enum serin_waiting waits_for(const struct scene *s)
{
	const struct serin_rollout *r = s->rollout;

	if (r->phase == SERIN_IDLE)
		return s->policy->n_steps ? SERIN_WAITING_START : SERIN_WAITING_NOT;
	if (r->phase == SERIN_PAUSED)
		return SERIN_WAITING_PAUSED;
	if (r->phase != SERIN_PROGRESSING)
		return SERIN_WAITING_NOT;
	if (goes_by_itself(r, s->policy))
		return step_lacks(s);
	return s->seen->canary_listens ? SERIN_WAITING_MANUAL : SERIN_WAITING_CANARY;
}

/* After a decision: when a weight has just begun, the requests seen are not its own. */
static enum serin_waiting waits_after(const struct scene *s)
{
	struct serin_observation fresh = *s->seen;
	struct scene then = *s;

	if (s->rollout->since_ns == s->now_ns)
		fresh.step_requests[0] = fresh.step_requests[1] = 0;
	then.seen = &fresh;
	return waits_for(&then);
}

static struct finding lack(const struct scene *s, enum serin_waiting lacked)
{
	if (lacked == SERIN_WAITING_REQUESTS)
		return (struct finding){"requests", (double)s->seen->step_requests[1],
					(double)s->policy->gates.min_requests};
	if (lacked == SERIN_WAITING_EXTERNAL)
		return (struct finding){missing_external(s->policy, s->seen), NAN, NAN};
	return (struct finding){};
}

/* The hold is over and something is not shown. Answers whether the policy decides it. */
static bool settle(struct scene *s, enum serin_waiting lacked)
{
	bool promotes = s->policy->on_inconclusive == SERIN_INCONCLUSIVE_PROMOTE && lacked != SERIN_WAITING_EXTERNAL;
	bool rolls_back = s->policy->on_inconclusive == SERIN_INCONCLUSIVE_ROLLBACK;
	struct finding found = lack(s, lacked);

	if (rolls_back && !s->seen->stable_listens) {
		s->rollout->waiting = SERIN_WAITING_STABLE;
		return false;
	}
	if (promotes)
		enter(s, s->rollout->step + 1, SERIN_REASON_INCONCLUSIVE);
	else if (rolls_back)
		roll_back(s, SERIN_REASON_INCONCLUSIVE);
	else
		return false;
	s->rollout->latest.lacked = lacked;
	set_finding(&s->rollout->latest, &found);
	return true;
}

static bool go_on(struct scene *s)
{
	enum serin_waiting lacked = s->rollout->waiting;

	if (lacked == SERIN_WAITING_NOT) {
		enter(s, s->rollout->step + 1, SERIN_REASON_NO_WORSE);
		return true;
	}
	return (lacked == SERIN_WAITING_REQUESTS || lacked == SERIN_WAITING_EVIDENCE || lacked == SERIN_WAITING_EXTERNAL) &&
	       settle(s, lacked);
}

/* ---- a tick ---- */

static bool may_start(const struct scene *s)
{
	return s->rollout->phase == SERIN_IDLE && s->policy->automatic && s->policy->n_steps && !s->rollout->rested &&
	       s->seen->stable_listens && s->seen->canary_listens;
}

static void note_absence(struct scene *s)
{
	if (!s->rollout->weight || s->seen->canary_listens)
		s->rollout->absent_from_ns = 0;
	else if (!s->rollout->absent_from_ns)
		s->rollout->absent_from_ns = s->now_ns;
}

static bool look(struct scene *s)
{
	struct finding found;
	enum serin_reason reason = first_guard(s, &found);

	if (reason != SERIN_REASON_NONE && !s->seen->stable_listens) {
		s->rollout->waiting = SERIN_WAITING_STABLE;
		return false;
	}
	if (reason != SERIN_REASON_NONE) {
		obey_guard(s, reason, &found);
		return true;
	}
	if (may_start(s)) {
		enter(s, 1, SERIN_REASON_STARTED);
		return true;
	}
	s->rollout->waiting = waits_for(s);
	return goes_by_itself(s->rollout, s->policy) && go_on(s);
}

bool rollout_tick(struct serin_rollout *rollout, const struct serin_policy *policy,
		  const struct serin_observation *seen, struct serin_decision *ret)
{
	struct scene s = {rollout, policy, seen, later(seen->now_ns, rollout), 0};

	note_absence(&s);
	if (!look(&s))
		return false;
	rollout->waiting = waits_after(&s);
	*ret = rollout->latest;
	return true;
}

/* ---- orders: each answers NULL, or why it is refused and what to do instead ---- */

static const char *set_weight(struct scene *s)
{
	struct serin_rollout *r = s->rollout;
	enum serin_phase phase = r->phase == SERIN_PAUSED ? SERIN_PAUSED : SERIN_PROGRESSING;
	/* The same weight again begins no new window: asking often must not keep the guards from speaking. */
	bool same = s->weight == r->weight;

	decide(s, (struct place){s->weight ? phase : SERIN_IDLE, step_at(s->policy, s->weight), s->weight, true},
	       SERIN_REASON_WEIGHT);
	if (!same)
		r->hold_from_ns = r->paused_ns = s->now_ns;
	return NULL;
}

static const char *begin(struct scene *s, enum serin_reason reason)
{
	if (!s->policy->n_steps)
		return "there are no steps; use `weight`, or `promote --full` for all connections";
	enter(s, 1, reason);
	return NULL;
}

static const char *begin_promoted(struct scene *s)
{
	return begin(s, SERIN_REASON_PROMOTED);
}

static const char *begin_resumed(struct scene *s)
{
	return begin(s, SERIN_REASON_RESUMED);
}

/* From a person's weight the next step is the first above it. */
static const char *promote(struct scene *s)
{
	const struct serin_policy *policy = s->policy;
	uint32_t step = s->rollout->step;

	if (!policy->n_steps)
		return "there are no steps to go on to; use `weight`, or `promote --full` for all connections";
	if (s->rollout->manual)
		while (step < policy->n_steps && policy->steps[step].weight <= s->rollout->weight)
			step++;
	enter(s, step + 1, SERIN_REASON_PROMOTED);
	return NULL;
}

static const char *promote_full(struct scene *s)
{
	promote_fully(s, SERIN_REASON_PROMOTED);
	return NULL;
}

static const char *pause_here(struct scene *s)
{
	const struct serin_rollout *r = s->rollout;

	decide(s, (struct place){SERIN_PAUSED, r->step, r->weight, r->manual}, SERIN_REASON_PAUSED);
	s->rollout->paused_ns = s->now_ns;
	return NULL;
}

/* By the steps again: where the weight is smaller than the first, with that. */
static void take_steps_again(struct scene *s)
{
	const struct serin_rollout *r = s->rollout;

	if (r->step)
		decide(s, (struct place){SERIN_PROGRESSING, r->step, r->weight, false}, SERIN_REASON_RESUMED);
	else
		enter(s, 1, SERIN_REASON_RESUMED);
}

static const char *resume_steps(struct scene *s)
{
	if (!s->policy->n_steps)
		return "it is not paused, and there are no steps to go on with; use `weight`, or `promote --full`";
	if (!s->rollout->manual)
		return "it goes on by itself already; `promote` takes the next step now";
	take_steps_again(s);
	s->rollout->hold_from_ns = s->now_ns;
	return NULL;
}

static const char *resume_paused(struct scene *s)
{
	struct serin_rollout *r = s->rollout;

	/* Time that was paused is no part of the hold. */
	r->hold_from_ns += elapsed(r->paused_ns, s->now_ns);
	if (s->policy->n_steps)
		take_steps_again(s);
	else
		decide(s, (struct place){SERIN_PROGRESSING, 0, r->weight, true}, SERIN_REASON_RESUMED);
	return NULL;
}

static const char *abort_it(struct scene *s)
{
	roll_back(s, SERIN_REASON_ABORTED);
	return NULL;
}

static const char *retry(struct scene *s)
{
	if (s->policy->n_steps) {
		enter(s, 1, SERIN_REASON_RETRIED);
		return NULL;
	}
	if (!s->rollout->retry_weight)
		return "there are no steps, and the weight it had is not known; use `weight`";
	decide(s, (struct place){SERIN_PROGRESSING, 0, s->rollout->retry_weight, true}, SERIN_REASON_RETRIED);
	begin_hold(s);
	return NULL;
}

/* What each order does in each phase: a function, or the words that refuse it. */
static const struct {
	const char *name;
	struct {
		const char *(*act)(struct scene *s);
		const char *refusal;
	} in[SERIN_PHASES];
} orders[] = {
	[SERIN_ORDER_WEIGHT] = {"weight", {
		[SERIN_IDLE] = {set_weight, NULL},
		[SERIN_PROGRESSING] = {set_weight, NULL},
		[SERIN_PAUSED] = {set_weight, NULL},
		[SERIN_PROMOTED] = {set_weight, NULL},
		[SERIN_ROLLED_BACK] = {set_weight, NULL},
	}},
	[SERIN_ORDER_PROMOTE] = {"promote", {
		[SERIN_IDLE] = {begin_promoted, NULL},
		[SERIN_PROGRESSING] = {promote, NULL},
		[SERIN_PAUSED] = {promote, NULL},
		[SERIN_PROMOTED] = {NULL, "the canary has all connections already; `abort` or `weight` takes some back"},
		[SERIN_ROLLED_BACK] = {NULL, "its canary was taken out; `retry` first, or `weight`"},
	}},
	[SERIN_ORDER_PROMOTE_FULL] = {"promote --full", {
		[SERIN_IDLE] = {promote_full, NULL},
		[SERIN_PROGRESSING] = {promote_full, NULL},
		[SERIN_PAUSED] = {promote_full, NULL},
		[SERIN_PROMOTED] = {NULL, "the canary has all connections already; `abort` or `weight` takes some back"},
		[SERIN_ROLLED_BACK] = {NULL, "its canary was taken out; `retry` first, or `weight`"},
	}},
	[SERIN_ORDER_PAUSE] = {"pause", {
		[SERIN_IDLE] = {NULL, "the canary has no connections; `weight 0` keeps it from beginning by itself"},
		[SERIN_PROGRESSING] = {pause_here, NULL},
		[SERIN_PAUSED] = {NULL, "it is paused already; `resume` goes on"},
		[SERIN_PROMOTED] = {NULL, "no step is left to be paused; `abort` or `weight` takes connections back"},
		[SERIN_ROLLED_BACK] = {NULL, "its canary was taken out, and nothing begins by itself; `retry` begins again"},
	}},
	[SERIN_ORDER_RESUME] = {"resume", {
		[SERIN_IDLE] = {begin_resumed, NULL},
		[SERIN_PROGRESSING] = {resume_steps, NULL},
		[SERIN_PAUSED] = {resume_paused, NULL},
		[SERIN_PROMOTED] = {NULL, "the canary has all connections, no step is left; `weight` sets another share"},
		[SERIN_ROLLED_BACK] = {NULL, "its canary was taken out; `retry` begins again"},
	}},
	[SERIN_ORDER_ABORT] = {"abort", {
		[SERIN_IDLE] = {NULL, "the canary has no connections; `weight 0` keeps it from beginning by itself"},
		[SERIN_PROGRESSING] = {abort_it, NULL},
		[SERIN_PAUSED] = {abort_it, NULL},
		[SERIN_PROMOTED] = {abort_it, NULL},
		[SERIN_ROLLED_BACK] = {NULL, "its canary gets no new connections already; `retry` begins again"},
	}},
	[SERIN_ORDER_RETRY] = {"retry", {
		[SERIN_IDLE] = {NULL, "it was not rolled back; `promote` or `weight` begins"},
		[SERIN_PROGRESSING] = {NULL, "it was not rolled back; `abort` first to begin again"},
		[SERIN_PAUSED] = {NULL, "it was not rolled back; `resume` goes on, `abort` first to begin again"},
		[SERIN_PROMOTED] = {NULL, "it was not rolled back; `abort` first to begin again"},
		[SERIN_ROLLED_BACK] = {retry, NULL},
	}},
};
_Static_assert(ARRAY_SIZE(orders) == SERIN_ORDERS, "what each order does");

int rollout_order(struct serin_rollout *rollout, const struct serin_policy *policy, const struct serin_observation *seen,
		  enum serin_order order, uint32_t weight, struct serin_decision *ret, char ret_why[ROLLOUT_WHY_MAX])
{
	struct scene s = {rollout, policy, seen, later(seen->now_ns, rollout), weight};
	const char *phase = serin_phase_name(rollout->phase), *refusal;

	if (order == SERIN_ORDER_WEIGHT && weight > SERIN_WEIGHT_MAX) {
		snprintf(ret_why, ROLLOUT_WHY_MAX, "the weight %g%% is more than all connections; use one from 0 to 100 (the "
						   "release is %s at %g%%)", weight / 100.0, phase, rollout->weight / 100.0);
		return -ERANGE;
	}
	refusal = orders[order].in[rollout->phase].refusal;
	if (!refusal)
		refusal = orders[order].in[rollout->phase].act(&s);
	if (refusal) {
		snprintf(ret_why, ROLLOUT_WHY_MAX, "%s is not possible while the release is %s: %s", orders[order].name, phase,
			 refusal);
		return -EBUSY;
	}
	rollout->waiting = waits_after(&s);
	*ret = rollout->latest;
	return 0;
}

/* ---- a new agent, a new policy ---- */

/* A place in the steps is still one when its weight is the same. */
static struct place where_it_was(const struct serin_policy *policy, enum serin_phase phase, uint32_t step, uint32_t weight,
				 bool manual)
{
	uint32_t now = step_at(policy, weight);
	bool is_step = !manual && step && now && policy->steps[now - 1].weight == weight;

	return (struct place){phase, now, weight, !is_step};
}

void rollout_restore(struct serin_rollout *rollout, const struct serin_policy *policy, enum serin_phase phase, uint32_t step,
		     uint32_t weight, bool manual, uint64_t now_ns)
{
	struct place to = {.phase = SERIN_IDLE, .manual = manual};

	*rollout = (struct serin_rollout){};
	if (phase == SERIN_ROLLED_BACK)
		to = (struct place){.phase = SERIN_ROLLED_BACK};
	else if (phase == SERIN_PROMOTED)
		to = (struct place){SERIN_PROMOTED, policy->n_steps, SERIN_WEIGHT_MAX, false};
	else if ((phase == SERIN_PROGRESSING || phase == SERIN_PAUSED) && weight)
		to = where_it_was(policy, phase, step, weight < SERIN_WEIGHT_MAX ? weight : SERIN_WEIGHT_MAX, manual);
	go_to(rollout, policy, to, SERIN_REASON_RESTORED, now_ns);
	rollout->since_ns = rollout->hold_from_ns = now_ns;
	if (phase == SERIN_PAUSED)
		rollout->paused_ns = now_ns;
	if (phase == SERIN_ROLLED_BACK)
		rollout->retry_weight = weight;
}

void rollout_replan(struct serin_rollout *rollout, const struct serin_policy *policy, uint64_t now_ns)
{
	struct place to = {rollout->phase, step_at(policy, rollout->weight), rollout->weight, rollout->manual};

	if (rollout->phase == SERIN_PROMOTED)
		rollout->step = policy->n_steps;
	if (rollout->phase != SERIN_PROGRESSING && rollout->phase != SERIN_PAUSED)
		return;
	to.manual = to.manual || !to.step;
	if (to.step != rollout->step || to.manual != rollout->manual)
		go_to(rollout, policy, to, SERIN_REASON_REPLANNED, later(now_ns, rollout));
}
