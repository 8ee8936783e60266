// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "figures.h"

#include "util.h"

#include <string.h>

/* Which outcomes count: the table of DESIGN section 2. */
static const bool counts[] = {
	[SERIN_SUCCESS] = true,
	[SERIN_CLIENT_ERROR] = true,
	[SERIN_THROTTLED] = true,
	[SERIN_SERVER_ERROR] = true,
	[SERIN_SERVER_ABORT] = true,
	[SERIN_TIMEOUT] = true,
	[SERIN_CLIENT_ABORT] = false,
	[SERIN_UNKNOWN] = false,
};
_Static_assert(ARRAY_SIZE(counts) == SERIN_OUTCOMES, "a class for each outcome");

const bool figures_success[SERIN_OUTCOMES] = {
	[SERIN_SUCCESS] = true,
	[SERIN_CLIENT_ERROR] = true,
};

bool figures_counts(enum serin_outcome outcome)
{
	return (unsigned)outcome < SERIN_OUTCOMES && counts[outcome];
}

uint64_t figures_n(const struct serin_tally *tally)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		n += counts[i] ? tally->outcome[i] : 0;
	return n;
}

uint64_t figures_s(const struct serin_tally *tally, const bool success[SERIN_OUTCOMES])
{
	uint64_t s = 0;

	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		s += counts[i] && success[i] ? tally->outcome[i] : 0;
	return s;
}

/* CPUs are read one after the other, so an outcome may be seen before its start. */
uint64_t figures_in_flight(const struct serin_tally *tally)
{
	uint64_t known = 0;

	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		known += tally->outcome[i];
	return tally->started > known ? tally->started - known : 0;
}

static void consumption(const struct serin_snapshot *older, const struct serin_snapshot *newer, unsigned target,
			struct serin_figures *figures)
{
	const struct serin_tally *a = &older->tally[target], *b = &newer->tally[target];
	/* The share of threads that run at this moment is an estimate, so a later sum may be a little smaller. */
	double cpu = b->cpu_ns > a->cpu_ns ? (double)(b->cpu_ns - a->cpu_ns) / 1e9 : 0;
	double bytes = (double)(b->bytes_in - a->bytes_in + b->bytes_out - a->bytes_out);

	figures->resource[SERIN_NETWORK].current = serin_known(bytes / figures->seconds);
	if (newer->memory_known[target])
		figures->resource[SERIN_MEMORY].current = serin_known((double)newer->memory_bytes[target]);
	if (!newer->processes[target] && b->cpu_ns == a->cpu_ns)
		return; /* whose CPU would it be? */
	figures->resource[SERIN_CPU].current = serin_known(cpu / figures->seconds);
	if (figures->n)
		figures->cpu_seconds_per_request = serin_known(cpu / (double)figures->n);
}

struct serin_value figures_rate(const struct serin_figures *figures)
{
	if (!(figures->seconds > 0) || (!figures->n && figures->unknown))
		return (struct serin_value){};
	return serin_known((double)figures->n / figures->seconds);
}

uint64_t figures_drops(uint64_t older, uint64_t newer)
{
	return newer > older ? newer - older : 0;
}

void figures_of(const struct serin_snapshot *older, const struct serin_snapshot *newer, unsigned target,
		const bool success[SERIN_OUTCOMES], struct serin_figures *ret)
{
	const struct serin_tally *a = &older->tally[target], *b = &newer->tally[target];
	struct serin_figures f = {};

	if (newer->now_ns <= older->now_ns) {
		*ret = f;
		return;
	}
	f.seconds = (double)(newer->now_ns - older->now_ns) / 1e9;
	f.n = figures_n(b) - figures_n(a);
	f.s = figures_s(b, success) - figures_s(a, success);
	f.unknown = b->outcome[SERIN_UNKNOWN] - a->outcome[SERIN_UNKNOWN];
	if (f.n)
		f.p = serin_known((double)f.s / (double)f.n);
	f.timeouts = success[SERIN_TIMEOUT] ? 0 : b->outcome[SERIN_TIMEOUT] - a->outcome[SERIN_TIMEOUT];
	f.anomalies.failed = f.n - f.s;
	f.anomalies.slow = b->slow - a->slow;
	f.anomalies.exits = b->exits_signal - a->exits_signal + b->exits_error - a->exits_error;
	f.anomalies.drops = figures_drops(older->listen_drops[target], newer->listen_drops[target]);
	f.t1 = f.anomalies.failed + f.anomalies.slow + f.anomalies.exits + f.anomalies.drops;
	f.service_connections = b->service_opened - a->service_opened;
	f.service_requests = b->service_requests - a->service_requests;
	consumption(older, newer, target, &f);
	*ret = f;
}

void figures_anomaly_by(struct serin_figures *canary, double rate, double t0_seconds)
{
	if (canary->seconds <= 0)
		return;
	canary->t0 = serin_known(t0_seconds);
	canary->t2 = serin_known(rate * (double)canary->n);
	canary->d = serin_known(((double)canary->t1 - canary->t2.v) / t0_seconds);
}

void figures_anomaly(struct serin_figures *canary, const struct serin_figures *stable, double t0_seconds)
{
	if (stable->n)
		figures_anomaly_by(canary, (double)stable->t1 / (double)stable->n, t0_seconds);
}

void figures_cpu_ratio(struct serin_figures *canary, const struct serin_figures *stable)
{
	const struct serin_value *c = &canary->cpu_seconds_per_request, *s = &stable->cpu_seconds_per_request;

	if (c->known && s->known && s->v > 0)
		canary->cpu_ratio = serin_known(c->v / s->v);
}

static void raise(struct serin_value *max, struct serin_value v)
{
	if (v.known && (!max->known || v.v > max->v))
		*max = v;
}

/* The oldest recent window becomes part of the past. */
static void retire(struct serin_maxima *maxima)
{
	for (unsigned i = 0; i < SERIN_RESOURCES; i++)
		raise(&maxima->max[i], maxima->recent[maxima->first].current[i]);
	maxima->first = (maxima->first + 1) % MAXIMA_DELAY;
	maxima->n--;
}

void maxima_retire(struct serin_maxima *maxima, uint64_t begin_ns)
{
	while (maxima->n && maxima->recent[maxima->first].end_ns <= begin_ns)
		retire(maxima);
}

void figures_compare(struct serin_figures *figures, const struct serin_value most[SERIN_RESOURCES])
{
	for (unsigned i = 0; i < SERIN_RESOURCES; i++) {
		struct serin_consumption *c = &figures->resource[i];

		c->maximum = most[i];
		if (!c->current.known || !c->maximum.known || c->maximum.v <= 0)
			continue;
		c->ratio = serin_known(c->current.v / c->maximum.v);
		raise(&figures->r, c->ratio);
	}
}

void maxima_compare(struct serin_maxima *maxima, uint64_t begin_ns, struct serin_figures *figures)
{
	maxima_retire(maxima, begin_ns);
	figures_compare(figures, maxima->max);
}

void maxima_record(struct serin_maxima *maxima, uint64_t end_ns, const struct serin_figures *figures)
{
	unsigned last = (maxima->first + maxima->n - 1) % MAXIMA_DELAY;

	/* The versions of a model share the window's entry: the largest counts. */
	if (!maxima->n || maxima->recent[last].end_ns != end_ns) {
		if (maxima->n == MAXIMA_DELAY)
			retire(maxima);
		last = (maxima->first + maxima->n++) % MAXIMA_DELAY;
		memset(&maxima->recent[last], 0, sizeof(maxima->recent[last]));
		maxima->recent[last].end_ns = end_ns;
	}
	for (unsigned i = 0; i < SERIN_RESOURCES; i++)
		raise(&maxima->recent[last].current[i], figures->resource[i].current);
}
