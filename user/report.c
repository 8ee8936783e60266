// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "report.h"

#include "endpoint.h"
#include "hist.h"
#include "system.h"
#include "util.h"
#include "version.h"

#include <math.h>
#include <string.h>

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

json_t *report_value(struct serin_value value)
{
	return value.known && isfinite(value.v) ? json_real(value.v) : json_null();
}

struct serin_value report_share(uint64_t a, uint64_t b)
{
	return a + b ? serin_known(100.0 * (double)a / (double)(a + b)) : (struct serin_value){};
}

static json_t *seconds(struct serin_value ns)
{
	if (ns.known)
		ns.v /= 1e9;
	return report_value(ns);
}

json_t *report_agent(bool running, int pid, double uptime_seconds)
{
	char kernel[96];

	return json_pack("{sb so ss so ss}", "running", running, "pid", running ? json_integer(pid) : json_null(),
			 "version", SERIN_VERSION, "uptime_seconds", running ? json_real(uptime_seconds) : json_null(),
			 "kernel", system_kernel(kernel, sizeof(kernel)));
}

/* ---- a target ---- */

static json_t *requests(const struct serin_tally *tally)
{
	json_t *o = json_object();
	uint64_t known = 0, in_flight;

	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		known += tally->outcome[i];
	/* CPUs are read one after the other, so an outcome may be seen before its start. */
	in_flight = tally->started > known ? tally->started - known : 0;
	json_object_set_new(o, "total", number(known + in_flight));
	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		json_object_set_new(o, serin_outcome_name(i), number(tally->outcome[i]));
	json_object_set_new(o, "in_flight", number(in_flight));
	return o;
}

/* Connections by what they speak; of the others no byte of the client's has come yet. */
static json_t *protocols(const struct serin_tally *tally)
{
	json_t *o = json_object();

	for (unsigned i = SERIN_HTTP1; i < SERIN_PROTOCOLS; i++)
		json_object_set_new(o, serin_protocol_name(i), number(tally->protocol[i]));
	return o;
}

static json_t *resources(const struct serin_figures *f)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < SERIN_RESOURCES; i++)
		json_object_set_new(o, serin_resource_name(i),
				    json_pack("{so so so}", "current", report_value(f->resource[i].current), "max",
					      report_value(f->resource[i].maximum), "ratio",
					      report_value(f->resource[i].ratio)));
	return o;
}

static json_t *anomalies(const struct serin_anomalies *a)
{
	return json_pack("{so so so so}", "failed", number(a->failed), "slow", number(a->slow), "exits",
			 number(a->exits), "listen_drops", number(a->drops));
}

static json_t *window(const struct serin_figures *f)
{
	if (!f)
		return json_null();
	return json_pack("{sf so so so so so so so so so so so}", "seconds", f->seconds, "P", report_value(f->p), "R",
			 report_value(f->r), "D", report_value(f->d), "N", number(f->n), "S", number(f->s), "T1",
			 number(f->t1), "T2", report_value(f->t2), "T0", report_value(f->t0), "anomalies",
			 anomalies(&f->anomalies), "resources", resources(f), "cpu_seconds_per_request", report_value(f->cpu_seconds_per_request));
}

static json_t *latency(const struct serin_hist *hist)
{
	uint64_t count = hist_count(hist);
	struct serin_value max = {.v = (double)hist->max, .known = count > 0};

	return json_pack("{so sf so so so so}", "count", number(count), "sum", (double)hist->sum / 1e9, "p50",
			 seconds(hist_quantile(hist, 0.5)), "p90", seconds(hist_quantile(hist, 0.9)), "p99",
			 seconds(hist_quantile(hist, 0.99)), "max", seconds(max));
}

static json_t *latencies(const struct serin_hist *hists, bool pickup_measured)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < SERIN_LATENCIES; i++) {
		if (i == SERIN_RUN_QUEUE)
			continue;
		/* Not measured is not "none seen". */
		json_object_set_new(o, serin_latency_name(i),
				    i == SERIN_PICKUP && !pickup_measured ? json_null() : latency(&hists[i]));
	}
	return o;
}

static json_t *pids(const struct serin_target *t)
{
	unsigned shown = t->n_pids < SERIN_PIDS_MAX ? t->n_pids : SERIN_PIDS_MAX;
	json_t *a = json_array();

	for (unsigned i = 0; i < shown; i++)
		json_array_append_new(a, number(t->pids[i]));
	return a;
}

static json_t *listeners(const struct serin_target *t)
{
	json_t *a = json_array();
	char address[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < t->n_listeners; i++) {
		endpoint_format_address(&t->listeners[i].endpoint, address);
		json_array_append_new(a, json_pack("{ss si}", "address", address, "port",
						   (int)t->listeners[i].endpoint.port));
	}
	return a;
}

/* Of a target whose processes nobody knows it is not 0 but unknown. */
static struct serin_value cpu(const struct serin_target *target, const struct serin_tally *tally)
{
	return target->n_pids || tally->cpu_ns ? serin_known((double)tally->cpu_ns / 1e9) : (struct serin_value){};
}

json_t *report_target(const struct report_target *t)
{
	const struct serin_tally *tally = &t->snapshot->tally[t->index];
	uint64_t open = tally->opened > tally->closed ? tally->opened - tally->closed : 0;
	json_t *o = json_pack("{ss ss ss so so so so so so so}", "name", t->target->model, "version",
			      t->target->version, "role", serin_role_name(t->target->role), "pids", pids(t->target),
			      "listeners", listeners(t->target), "requests", requests(tally), "window",
			      window(t->figures), "latency_seconds", latencies(t->hists, t->snapshot->pickup_measured), "run_queue_seconds",
			      latency(&t->hists[SERIN_RUN_QUEUE]), "cpu_seconds",
			      report_value(cpu(t->target, tally)));

	json_object_set_new(o, "bytes", json_pack("{so so}", "in", number(tally->bytes_in), "out",
						  number(tally->bytes_out)));
	json_object_set_new(o, "connections",
			    json_pack("{so so}", "opened", number(tally->opened), "open", number(open)));
	json_object_set_new(o, "protocols", protocols(tally));
	json_object_set_new(o, "responses", json_pack("{so so}", "cut_short", number(tally->cut_short), "unended",
						      number(tally->unended)));
	json_object_set_new(o, "unknown", json_pack("{so so}", "client_abort", number(tally->unknown_client_abort),
						    "server_abort", number(tally->unknown_server_abort)));
	json_object_set_new(o, "retransmits", number(tally->retransmits));
	json_object_set_new(o, "retransmitted_bytes", number(tally->retransmitted_bytes));
	json_object_set_new(o, "exits", json_pack("{so so}", "signal", number(tally->exits_signal), "error",
						  number(tally->exits_error)));
	json_object_set_new(o, "listen_drops", number(t->snapshot->listen_drops[t->index]));
	return o;
}

/* ---- a release ---- */

static json_t *steering(const uint64_t *steered)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < SERIN_STEERED_KINDS; i++)
		json_object_set_new(o, serin_steered_name(i), number(steered[i]));
	return o;
}

static json_t *actual_weight(const struct serin_figures *canary, const struct serin_figures *stable)
{
	return json_pack("{so so}", "connections",
			 report_value(report_share(canary->service_connections, stable->service_connections)),
			 "requests", report_value(report_share(canary->service_requests, stable->service_requests)));
}

json_t *report_release(const struct report_release *r)
{
	const struct serin_rollout *rollout = r->rollout;
	char reason[160];
	json_t *o;

	rollout_explain(&rollout->latest, reason, sizeof(reason));
	o = json_pack("{ss ss sn sn sf so sn ss ss so sb}", "name", r->name, "phase", serin_phase_name(rollout->phase),
		      "step", "steps", "set_weight", rollout->weight / 100.0, "actual_weight",
		      actual_weight(r->canary, r->stable), "evidence", "reason", reason, "reason_code",
		      serin_reason_name(rollout->latest.reason), "steering", steering(r->steered), "canary_listens",
		      r->canary_listens);
	json_object_set_new(o, "note", r->note ? json_string(r->note) : json_null());
	return o;
}

json_t *report_losses(const uint64_t losses[SERIN_LOSSES])
{
	json_t *o = json_object();

	for (unsigned i = 0; i < SERIN_LOSSES; i++)
		json_object_set_new(o, serin_loss_name(i), number(losses[i]));
	return o;
}

json_t *report_decision(const char *release, const struct serin_decision *d)
{
	char reason[160];

	rollout_explain(d, reason, sizeof(reason));
	return json_pack("{ss ss ss sf sf ss ss so so so so}", "release", release, "from", serin_phase_name(d->from),
			 "phase", serin_phase_name(d->to), "weight_from", d->weight_from / 100.0, "set_weight",
			 d->weight_to / 100.0, "reason", reason, "reason_code", serin_reason_name(d->reason), "P",
			 report_value(d->canary.p), "R", report_value(d->canary.r), "D", report_value(d->canary.d), "N",
			 number(d->canary.n));
}
