// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rollout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void decide(struct serin_rollout *rollout, enum serin_phase to, uint32_t weight, enum serin_reason reason,
		   uint64_t now_ns)
{
	rollout->latest = (struct serin_decision){
		.at_ns = now_ns,
		.from = rollout->phase,
		.to = to,
		.weight_from = rollout->weight,
		.weight_to = weight,
		.reason = reason,
	};
	rollout->phase = to;
	rollout->weight = weight;
	rollout->since_ns = now_ns;
}

/* The gate that is breached, SERIN_REASON_NONE when none is. A figure that is absent breaches nothing. */
static enum serin_reason breached(const struct serin_gates *gates, const struct serin_figures *f, double *ret_bound)
{
	if (f->n < gates->min_requests)
		return SERIN_REASON_NONE;
	if (gates->p_min.known && f->p.known && f->p.v < gates->p_min.v) {
		*ret_bound = gates->p_min.v;
		return SERIN_REASON_GATE_P;
	}
	if (gates->d_max.known && f->d.known && f->d.v > gates->d_max.v) {
		*ret_bound = gates->d_max.v;
		return SERIN_REASON_GATE_D;
	}
	if (gates->r_max.known && f->r.known && f->r.v > gates->r_max.v) {
		*ret_bound = gates->r_max.v;
		return SERIN_REASON_GATE_R;
	}
	return SERIN_REASON_NONE;
}

bool rollout_tick(struct serin_rollout *rollout, const struct serin_gates *gates, const struct serin_figures *canary,
		  uint64_t now_ns, struct serin_decision *ret)
{
	enum serin_reason reason;
	double bound = 0;

	if (!rollout->weight)
		return false;
	reason = breached(gates, canary, &bound);
	if (reason == SERIN_REASON_NONE)
		return false;
	decide(rollout, SERIN_ROLLED_BACK, 0, reason, now_ns);
	rollout->latest.canary = *canary;
	rollout->latest.bound = bound;
	*ret = rollout->latest;
	return true;
}

int rollout_weight(struct serin_rollout *rollout, uint32_t weight, uint64_t now_ns, struct serin_decision *ret)
{
	uint64_t since = now_ns;

	if (weight > SERIN_WEIGHT_MAX)
		return -ERANGE;
	/* The same weight again begins no new window: asking often must not keep the gates from speaking. */
	if (weight && weight == rollout->weight)
		since = rollout->since_ns;
	decide(rollout, weight ? SERIN_PROGRESSING : SERIN_IDLE, weight, SERIN_REASON_WEIGHT, now_ns);
	rollout->since_ns = since;
	*ret = rollout->latest;
	return 0;
}

int rollout_abort(struct serin_rollout *rollout, uint64_t now_ns, struct serin_decision *ret)
{
	if (rollout->phase == SERIN_IDLE || rollout->phase == SERIN_ROLLED_BACK)
		return -EALREADY;
	decide(rollout, SERIN_ROLLED_BACK, 0, SERIN_REASON_ABORTED, now_ns);
	*ret = rollout->latest;
	return 0;
}

/* Digits after the point with which a figure reads on its side of the bound: 0.9496 is not "0.95 < 0.95". */
static int digits_for(double figure, double bound)
{
	char text[64];

	for (int digits = 2; digits < 9; digits++) {
		double shown;

		snprintf(text, sizeof(text), "%.*f", digits, figure);
		shown = strtod(text, NULL);
		if ((shown < bound) == (figure < bound) && (shown > bound) == (figure > bound))
			return digits;
	}
	return 9;
}

void rollout_explain(const struct serin_decision *d, char *ret_text, size_t size)
{
	unsigned long long n = d->canary.n;
	const struct serin_figures *f = &d->canary;

	switch (d->reason) {
	case SERIN_REASON_GATE_P:
		snprintf(ret_text, size, "P %.*f < %.9g over %llu requests", digits_for(f->p.v, d->bound), f->p.v, d->bound,
			 n);
		return;
	case SERIN_REASON_GATE_R:
		snprintf(ret_text, size, "R %.*f > %.9g over %llu requests", digits_for(f->r.v, d->bound), f->r.v, d->bound,
			 n);
		return;
	case SERIN_REASON_GATE_D:
		snprintf(ret_text, size, "D %.*f > %.9g anomalies/s over %llu requests", digits_for(f->d.v, d->bound), f->d.v,
			 d->bound, n);
		return;
	case SERIN_REASON_WEIGHT:
		snprintf(ret_text, size, "weight set to %g%% by hand", d->weight_to / 100.0);
		return;
	case SERIN_REASON_ABORTED:
		snprintf(ret_text, size, "aborted by hand at %g%%", d->weight_from / 100.0);
		return;
	case SERIN_REASON_NONE:
	case SERIN_REASONS:
		break;
	}
	snprintf(ret_text, size, "%s", "");
}
