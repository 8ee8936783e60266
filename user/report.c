// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "report.h"

#include "endpoint.h"
#include "figures.h"
#include "hist.h"
#include "system.h"
#include "util.h"
#include "version.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define E_MAX 1e300 /* of evidence, which is a number in JSON always */

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

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

/* ---- a target ---- */

static json_t *requests(const struct serin_tally *tally)
{
	json_t *o = json_object();
	uint64_t in_flight = figures_in_flight(tally), total = in_flight;

	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		total += tally->outcome[i];
	json_object_set_new(o, "total", number(total));
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
	return json_pack("{sf so so so so so so so so so so so so so}", "seconds", f->seconds, "requests_per_second",
			 report_value(figures_rate(f)), "unknown", number(f->unknown), "P", report_value(f->p), "R",
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

/* Containers are known to people by the first 12 digits. */
static json_t *container(const struct serin_container *c)
{
	char id[13];

	snprintf(id, sizeof(id), "%.12s", c->id);
	return json_pack("{so ss so so so so}", "runtime", text_or_null(c->runtime), "id", id, "pod_uid", text_or_null(c->pod_uid),
			 "namespace", text_or_null(c->namespace), "pod", text_or_null(c->pod), "container",
			 text_or_null(c->container));
}

json_t *report_containers(const struct serin_containers *all)
{
	json_t *a = json_array();

	for (unsigned i = 0; all && i < all->n; i++)
		json_array_append_new(a, container(&all->all[i]));
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

	json_object_set_new(o, "containers", report_containers(&t->target->containers));
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

/* A number that JSON has one for, else null. */
static json_t *real(double v)
{
	return report_value(serin_known(v));
}

/* 0: there is none. */
static json_t *step_number(uint32_t step)
{
	return step ? number(step) : json_null();
}

static json_t *plan(const struct serin_policy *policy)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < policy->n_steps; i++)
		json_array_append_new(a, json_pack("{sf sf}", "weight", policy->steps[i].weight / 100.0, "hold_seconds",
						   (double)policy->steps[i].hold_ns / 1e9));
	return a;
}

static json_t *test(double log_e, double log_threshold, double excess)
{
	return json_pack("{so so so so so}", "e", real(fmin(exp(log_e), E_MAX)), "log_e", real(log_e), "threshold",
			 real(fmin(exp(log_threshold), E_MAX)), "log_threshold", real(log_threshold), "excess",
			 real(excess));
}

static json_t *evidence(const struct serin_judgement *j)
{
	if (!j->known)
		return json_null();
	return json_pack("{so so so sb so s{so so} sb}", "error",
			 test(j->log_error, j->log_error_bound, j->excess_error), "latency",
			 test(j->log_latency, j->log_latency_bound, j->excess_latency), "margin", real(j->margin),
			 "no_worse", j->no_worse, "blocks", number(j->blocks), "requests", "stable",
			 number(j->requests[0]), "canary", number(j->requests[1]), "split_as_set", !j->split_off);
}

/* The bounds on figures from outside, each beside the newest figure of its name. */
static json_t *external_gates(const struct report_release *r)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < r->policy->n_external; i++) {
		const struct serin_external_gate *gate = &r->policy->external[i];
		const struct serin_external *e = rollout_external(r->seen, gate->name);

		json_array_append_new(a, json_pack("{ss so so so so}", "name", gate->name, "min", report_value(gate->min),
						   "max", report_value(gate->max), "value",
						   e ? real(e->value) : json_null(), "age_seconds",
						   report_value(rollout_external_age(r->seen, gate->name))));
	}
	return a;
}

static json_t *gates(const struct report_release *r)
{
	const struct serin_gates *g = &r->policy->gates;

	return json_pack("{so so so so so so}", "P_min", report_value(g->p_min), "R_max", report_value(g->r_max), "D_max",
			 report_value(g->d_max), "cpu_ratio_max", report_value(g->cpu_ratio_max), "min_requests",
			 number(g->min_requests), "external", external_gates(r));
}

/* All figures from outside, gates on them or not. */
static json_t *external(const struct report_release *r)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < r->seen->n_external; i++) {
		const struct serin_external *e = &r->seen->external[i];

		json_array_append_new(a, json_pack("{ss ss so so}", "version", r->canary, "name", e->name, "value",
						   real(e->value), "age_seconds",
						   report_value(rollout_external_age(r->seen, e->name))));
	}
	return a;
}

static json_t *draining(const struct report_draining *d)
{
	return json_pack("{so so so so so so}", "connections", number(d->connections), "in_flight", number(d->in_flight),
			 "ended", number(d->ended), "reset", number(d->reset), "aged", number(d->aged), "unreachable",
			 number(d->unreachable));
}

/* How long it has this weight. */
static json_t *since(const struct report_release *r)
{
	uint64_t from = r->rollout->since_ns, now = r->seen->now_ns;

	return from ? real(now > from ? (double)(now - from) / 1e9 : 0) : json_null();
}

/* How much of the step's hold has passed: what was paused is no part of it. */
static json_t *held(const struct report_release *r)
{
	const struct serin_rollout *rollout = r->rollout;
	uint64_t now = rollout->phase == SERIN_PAUSED ? rollout->paused_ns : r->seen->now_ns;

	if (!rollout->step || rollout->manual || (rollout->phase != SERIN_PROGRESSING && rollout->phase != SERIN_PAUSED))
		return json_null();
	return real(now > rollout->hold_from_ns ? (double)(now - rollout->hold_from_ns) / 1e9 : 0);
}

static void set_progress(json_t *o, const struct report_release *r)
{
	const struct serin_rollout *rollout = r->rollout;
	char reason[ROLLOUT_WHY_MAX], waiting[ROLLOUT_WHY_MAX];

	rollout_explain(&rollout->latest, reason, sizeof(reason));
	rollout_explain_waiting(rollout, r->policy, r->seen, waiting, sizeof(waiting));
	json_object_set_new(o, "step", step_number(rollout->step));
	json_object_set_new(o, "steps", step_number(r->policy->n_steps));
	json_object_set_new(o, "plan", plan(r->policy));
	json_object_set_new(o, "manual", json_boolean(rollout->manual));
	json_object_set_new(o, "since_seconds", since(r));
	json_object_set_new(o, "held_seconds", held(r));
	json_object_set_new(o, "reason", json_string(reason));
	json_object_set_new(o, "reason_code", json_string(serin_reason_name(rollout->latest.reason)));
	json_object_set_new(o, "waiting", json_string(serin_waiting_name(rollout->waiting)));
	json_object_set_new(o, "waiting_for", text_or_null(waiting));
}

json_t *report_release(const struct report_release *r)
{
	const struct serin_rollout *rollout = r->rollout;
	json_t *o = json_pack("{ss ss ss ss sf so so}", "name", r->name, "phase", serin_phase_name(rollout->phase),
			      "stable", r->stable, "canary", r->canary, "set_weight", rollout->weight / 100.0,
			      "actual_weight", actual_weight(&r->seen->canary, &r->seen->stable), "evidence",
			      evidence(&r->seen->evidence));

	json_object_set_new(o, "containers", json_pack("{so so}", "stable", report_containers(r->stable_containers), "canary",
						       report_containers(r->canary_containers)));
	set_progress(o, r);
	json_object_set_new(o, "gates", gates(r));
	json_object_set_new(o, "external", external(r));
	json_object_set_new(o, "draining", draining(&r->draining));
	json_object_set_new(o, "steering", steering(r->steered));
	json_object_set_new(o, "stable_listens", json_boolean(r->seen->stable_listens));
	json_object_set_new(o, "canary_listens", json_boolean(r->seen->canary_listens));
	json_object_set_new(o, "note", text_or_null(r->note));
	return o;
}

json_t *report_losses(const uint64_t losses[SERIN_LOSSES])
{
	json_t *o = json_object();

	for (unsigned i = 0; i < SERIN_LOSSES; i++)
		json_object_set_new(o, serin_loss_name(i), number(losses[i]));
	return o;
}

/* ---- a curve ---- */

json_t *report_curve(const struct serin_hist *hist)
{
	json_t *edges = json_array(), *counts = json_array();
	uint64_t low, high;

	for (unsigned i = 0; i < SERIN_HIST_BUCKETS; i++) {
		if (!hist->bucket[i])
			continue;
		hist_bounds(i, &low, &high);
		json_array_append_new(edges, json_real((double)high / 1e9));
		json_array_append_new(counts, number(hist->bucket[i]));
	}
	return json_pack("{so so}", "le_seconds", edges, "count", counts);
}

/* ---- a decision ---- */

/* RFC 3339 in UTC, to the millisecond. */
static json_t *moment(double unix_seconds)
{
	long long ms = llround(unix_seconds * 1000);
	time_t whole = (time_t)(ms / 1000);
	char seconds[32], text[48];
	struct tm parts;

	gmtime_r(&whole, &parts);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text, sizeof(text), "%s.%03lldZ", seconds, ms % 1000);
	return json_string(text);
}

static json_t *figures(const struct serin_figures *f)
{
	return json_pack("{so so so so so so}", "P", report_value(f->p), "R", report_value(f->r), "D", report_value(f->d),
			 "N", number(f->n), "cpu_seconds_per_request", report_value(f->cpu_seconds_per_request), "T1",
			 number(f->t1));
}

/* Where it came from, and where it has come to. */
static void set_change(json_t *o, const struct serin_decision *d)
{
	json_object_set_new(o, "from", json_string(serin_phase_name(d->from)));
	json_object_set_new(o, "phase", json_string(serin_phase_name(d->to)));
	json_object_set_new(o, "weight_from", json_real(d->weight_from / 100.0));
	json_object_set_new(o, "set_weight", json_real(d->weight_to / 100.0));
	json_object_set_new(o, "step", step_number(d->step));
	json_object_set_new(o, "steps", step_number(d->steps));
	json_object_set_new(o, "manual", json_boolean(d->manual));
}

static void set_reason(json_t *o, const struct serin_decision *d)
{
	bool of_gate = *d->gate;
	char reason[ROLLOUT_WHY_MAX];

	rollout_explain(d, reason, sizeof(reason));
	json_object_set_new(o, "reason", json_string(reason));
	json_object_set_new(o, "reason_code", json_string(serin_reason_name(d->reason)));
	json_object_set_new(o, "hung", json_boolean(d->hung));
	json_object_set_new(o, "gate", text_or_null(d->gate));
	json_object_set_new(o, "figure", of_gate ? real(d->figure) : json_null());
	json_object_set_new(o, "bound", of_gate ? real(d->bound) : json_null());
	json_object_set_new(o, "lacked", d->lacked ? json_string(serin_waiting_name(d->lacked)) : json_null());
}

json_t *report_decision(const char *release, const char *stable, const char *canary, const struct serin_decision *d,
			double unix_seconds)
{
	json_t *o = json_pack("{ss so sf}", "release", release, "at", moment(unix_seconds), "at_unix", unix_seconds);

	set_change(o, d);
	json_object_set_new(o, "stable", json_string(stable));
	json_object_set_new(o, "canary", json_string(canary));
	set_reason(o, d);
	json_object_set_new(o, "P", report_value(d->canary.p));
	json_object_set_new(o, "R", report_value(d->canary.r));
	json_object_set_new(o, "D", report_value(d->canary.d));
	json_object_set_new(o, "N", number(d->canary.n));
	json_object_set_new(o, "figures", json_pack("{so so}", "stable", figures(&d->stable), "canary", figures(&d->canary)));
	json_object_set_new(o, "evidence", evidence(&d->evidence));
	return o;
}
