// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One table has all metrics: what each is called, what it is, and the function that writes its samples. A family's samples
 * must stand together, so it is family by family, and within each version by version.
 */
#include "metrics.h"

#include "figures.h"
#include "hist.h"
#include "util.h"
#include "version.h"

#include <math.h>
#include <string.h>

#define E_MAX 1e300 /* of evidence, which is a finite number always */

/* ---- edges ---- */

/* OpenTelemetry's for HTTP and generative AI, and vLLM's. As text in Go's shortest form, always with a point or an exponent. */
static const struct exposition_edge request_edges[] = {
	{100000, "0.0001"},	 {250000, "0.00025"},	  {500000, "0.0005"},	    {1000000, "0.001"},
	{5000000, "0.005"},	 {10000000, "0.01"},	  {20000000, "0.02"},	    {25000000, "0.025"},
	{40000000, "0.04"},	 {50000000, "0.05"},	  {60000000, "0.06"},	    {75000000, "0.075"},
	{80000000, "0.08"},	 {100000000, "0.1"},	  {150000000, "0.15"},	    {160000000, "0.16"},
	{200000000, "0.2"},	 {250000000, "0.25"},	  {300000000, "0.3"},	    {320000000, "0.32"},
	{400000000, "0.4"},	 {500000000, "0.5"},	  {640000000, "0.64"},	    {750000000, "0.75"},
	{800000000, "0.8"},	 {1000000000, "1.0"},	  {1280000000, "1.28"},	    {1500000000, "1.5"},
	{2000000000, "2.0"},	 {2500000000, "2.5"},	  {5000000000, "5.0"},	    {7500000000, "7.5"},
	{10000000000, "10.0"},	 {15000000000, "15.0"},	  {20000000000, "20.0"},    {30000000000, "30.0"},
	{40000000000, "40.0"},	 {50000000000, "50.0"},	  {60000000000, "60.0"},    {80000000000, "80.0"},
	{120000000000, "120.0"}, {160000000000, "160.0"}, {240000000000, "240.0"},  {480000000000, "480.0"},
	{640000000000, "640.0"}, {960000000000, "960.0"}, {1920000000000, "1920.0"}, {2560000000000, "2560.0"},
	{7680000000000, "7680.0"},
};

/* Waits of microseconds, when all is well. */
static const struct exposition_edge wait_edges[] = {
	{10000, "1e-05"},      {25000, "2.5e-05"},   {50000, "5e-05"},	    {100000, "0.0001"},	   {250000, "0.00025"},
	{500000, "0.0005"},    {1000000, "0.001"},   {2500000, "0.0025"},   {5000000, "0.005"},	   {10000000, "0.01"},
	{25000000, "0.025"},   {50000000, "0.05"},   {100000000, "0.1"},    {250000000, "0.25"},   {500000000, "0.5"},
	{1000000000, "1.0"},   {2500000000, "2.5"},  {5000000000, "5.0"},   {10000000000, "10.0"}, {25000000000, "25.0"},
	{60000000000, "60.0"},
};

_Static_assert(ARRAY_SIZE(request_edges) <= METRICS_EDGES_MAX && ARRAY_SIZE(wait_edges) <= METRICS_EDGES_MAX,
	       "METRICS_EDGES_MAX is too small");

static const struct exposition_edge *edges_of(enum serin_latency kind, unsigned *ret_n)
{
	if (kind == SERIN_PICKUP || kind == SERIN_RUN_QUEUE) {
		*ret_n = ARRAY_SIZE(wait_edges);
		return wait_edges;
	}
	*ret_n = ARRAY_SIZE(request_edges);
	return request_edges;
}

void metrics_fold(const struct serin_hist *hist, enum serin_latency kind, struct metrics_hist *ret)
{
	unsigned n, bucket = 0;
	const struct exposition_edge *edges = edges_of(kind, &n);
	uint64_t low, high;

	*ret = (struct metrics_hist){.sum_ns = hist->sum};
	for (unsigned i = 0; i < n; i++) {
		for (; bucket < SERIN_HIST_BUCKETS; bucket++) {
			hist_bounds(bucket, &low, &high);
			if (low + (high - low) / 2 > edges[i].ns)
				break;
			ret->count += hist->bucket[bucket];
		}
		ret->at_most[i] = ret->count;
	}
	for (; bucket < SERIN_HIST_BUCKETS; bucket++)
		ret->count += hist->bucket[bucket];
}

void metrics_hold(struct metrics_held *held, const struct serin_target *target, struct serin_tally *tally)
{
	bool same = !strcmp(held->model, target->model) && !strcmp(held->version, target->version) &&
		    held->opened <= tally->opened && held->started <= tally->started;

	if (same && held->cpu_ns > tally->cpu_ns)
		tally->cpu_ns = held->cpu_ns;
	memcpy(held->model, target->model, sizeof(held->model));
	memcpy(held->version, target->version, sizeof(held->version));
	held->opened = tally->opened;
	held->started = tally->started;
	held->cpu_ns = tally->cpu_ns;
}

/* ---- samples ---- */

struct out {
	struct exposition text;
	const struct metrics *metrics;
	const struct family *family; /* being written */
};

struct family {
	struct exposition_family shown;
	/* One of them: */
	void (*of_version)(struct out *out, const struct metrics_version *v);
	void (*of_release)(struct out *out, const struct metrics_release *r);
	void (*of_agent)(struct out *out);
	size_t offset; /* in the tally, the figures or the process, for the functions that write one of many */
	enum serin_latency latency;
};

typedef const struct exposition_label labels[];

/* ---- versions ---- */

static const struct serin_tally *tally_of(const struct out *out, const struct metrics_version *v)
{
	return &out->metrics->now->tally[v->index];
}

/* label NULL: none beside the model and the version. */
static void version_count(struct out *out, const struct metrics_version *v, const char *label, const char *word, uint64_t count)
{
	exposition_count(&out->text, (labels){{"model", v->target->model}, {"version", v->target->version}, {label, word}}, 3,
			 count);
}

static void version_value(struct out *out, const struct metrics_version *v, const char *label, const char *word,
			  struct serin_value value)
{
	if (value.known)
		exposition_real(&out->text, (labels){{"model", v->target->model}, {"version", v->target->version}, {label, word}}, 3,
				value.v);
}

static void model_info(struct out *out, const struct metrics_version *v)
{
	exposition_count(&out->text, (labels){{"model", v->target->model}, {"version", v->target->version},
					      {"role", serin_role_name(v->target->role)}, {"release", v->release}}, 4, 1);
}

static const char *text_or_none(const char *text)
{
	return *text ? text : NULL;
}

static void target_info(struct out *out, const struct metrics_version *v)
{
	for (unsigned i = 0; i < v->target->containers.n; i++) {
		const struct serin_container *c = &v->target->containers.all[i];
		char id[13];

		snprintf(id, sizeof(id), "%.12s", c->id);
		exposition_count(&out->text, (labels){{"model", v->target->model}, {"version", v->target->version},
						      {"namespace", text_or_none(c->namespace)}, {"pod", text_or_none(c->pod)},
						      {"container", text_or_none(c->container)}, {"container_id", id}}, 6, 1);
	}
}

static void tally_counter(struct out *out, const struct metrics_version *v)
{
	version_count(out, v, NULL, NULL, *(const __u64 *)((const char *)tally_of(out, v) + out->family->offset));
}

static void processes(struct out *out, const struct metrics_version *v)
{
	version_count(out, v, NULL, NULL, v->target->n_pids);
}

static void listeners(struct out *out, const struct metrics_version *v)
{
	version_count(out, v, NULL, NULL, v->target->n_listeners);
}

static void requests(struct out *out, const struct metrics_version *v)
{
	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		version_count(out, v, "outcome", serin_outcome_name(i), tally_of(out, v)->outcome[i]);
}

static void requests_in_flight(struct out *out, const struct metrics_version *v)
{
	version_count(out, v, NULL, NULL, figures_in_flight(tally_of(out, v)));
}

/* Of a target whose processes nobody knows it is not 0 but unknown. */
static void cpu(struct out *out, const struct metrics_version *v)
{
	if (!v->target->n_pids && !tally_of(out, v)->cpu_ns)
		return;
	exposition_time(&out->text, (labels){{"model", v->target->model}, {"version", v->target->version}}, 2,
			tally_of(out, v)->cpu_ns);
}

static void memory(struct out *out, const struct metrics_version *v)
{
	if (out->metrics->now->memory_known[v->index])
		version_count(out, v, NULL, NULL, out->metrics->now->memory_bytes[v->index]);
}

static void network(struct out *out, const struct metrics_version *v)
{
	version_count(out, v, "direction", "in", tally_of(out, v)->bytes_in);
	version_count(out, v, "direction", "out", tally_of(out, v)->bytes_out);
}

static void connections_open(struct out *out, const struct metrics_version *v)
{
	const struct serin_tally *t = tally_of(out, v);

	version_count(out, v, NULL, NULL, t->opened > t->closed ? t->opened - t->closed : 0);
}

static void protocols(struct out *out, const struct metrics_version *v)
{
	for (unsigned i = SERIN_HTTP1; i < SERIN_PROTOCOLS; i++)
		version_count(out, v, "protocol", serin_protocol_name(i), tally_of(out, v)->protocol[i]);
}

static void incomplete(struct out *out, const struct metrics_version *v)
{
	version_count(out, v, "kind", "cut_short", tally_of(out, v)->cut_short);
	version_count(out, v, "kind", "unended", tally_of(out, v)->unended);
}

static void unknown_aborts(struct out *out, const struct metrics_version *v)
{
	version_count(out, v, "by", "client", tally_of(out, v)->unknown_client_abort);
	version_count(out, v, "by", "server", tally_of(out, v)->unknown_server_abort);
}

static void exits(struct out *out, const struct metrics_version *v)
{
	version_count(out, v, "cause", "signal", tally_of(out, v)->exits_signal);
	version_count(out, v, "cause", "error", tally_of(out, v)->exits_error);
}

static void listen_drops(struct out *out, const struct metrics_version *v)
{
	version_count(out, v, NULL, NULL, out->metrics->now->listen_drops[v->index]);
}

static void window_seconds(struct out *out, const struct metrics_version *v)
{
	version_value(out, v, NULL, NULL, (struct serin_value){v->figures->seconds, v->figures->seconds > 0});
}

static void window_requests(struct out *out, const struct metrics_version *v)
{
	version_value(out, v, NULL, NULL, (struct serin_value){(double)v->figures->n, v->figures->seconds > 0});
}

/* P, D and what else is one value of the window. */
static void figure(struct out *out, const struct metrics_version *v)
{
	version_value(out, v, NULL, NULL, *(const struct serin_value *)((const char *)v->figures + out->family->offset));
}

static void resource_ratio(struct out *out, const struct metrics_version *v)
{
	for (unsigned i = 0; i < SERIN_RESOURCES; i++)
		version_value(out, v, "resource", serin_resource_name(i), v->figures->resource[i].ratio);
}

static void latency_by(struct out *out, const struct metrics_version *v, const struct exposition_label *by)
{
	const struct metrics_hist *hist = &v->hists[out->family->latency];
	struct exposition_hist shown = {.at_most = hist->at_most, .count = hist->count, .sum_ns = hist->sum_ns};

	if (out->family->latency == SERIN_PICKUP && !out->metrics->now->pickup_measured)
		return; /* not measured is not "none seen" */
	shown.edges = edges_of(out->family->latency, &shown.n);
	exposition_hist(&out->text, by, 2, &shown);
}

static void latency(struct out *out, const struct metrics_version *v)
{
	latency_by(out, v, (labels){{"model", v->target->model}, {"version", v->target->version}});
}

/* By OpenTelemetry's names. */
static void duration(struct out *out, const struct metrics_version *v)
{
	latency_by(out, v, (labels){{"service_name", v->target->model}, {"service_version", v->target->version}});
}

/* ---- releases ---- */

static void release_count(struct out *out, const struct metrics_release *r, const char *label, const char *word, uint64_t count)
{
	exposition_count(&out->text, (labels){{"release", r->shown.name}, {label, word}}, 2, count);
}

static void release_value(struct out *out, const struct metrics_release *r, const char *label, const char *word,
			  struct serin_value value)
{
	if (value.known)
		exposition_real(&out->text, (labels){{"release", r->shown.name}, {label, word}}, 2, value.v);
}

static void release_info(struct out *out, const struct metrics_release *r)
{
	exposition_count(&out->text,
			 (labels){{"release", r->shown.name}, {"stable", r->shown.stable}, {"canary", r->shown.canary}}, 3, 1);
}

static void phase(struct out *out, const struct metrics_release *r)
{
	for (unsigned i = 0; i < SERIN_PHASES; i++)
		release_count(out, r, "phase", serin_phase_name(i), i == r->shown.rollout->phase);
}

static void waiting(struct out *out, const struct metrics_release *r)
{
	for (unsigned i = 0; i < SERIN_WAITINGS; i++)
		release_count(out, r, "waiting", serin_waiting_name(i), i == r->shown.rollout->waiting);
}

static void step(struct out *out, const struct metrics_release *r)
{
	if (r->shown.rollout->step)
		release_count(out, r, NULL, NULL, r->shown.rollout->step);
}

static void steps(struct out *out, const struct metrics_release *r)
{
	if (r->shown.policy->n_steps)
		release_count(out, r, NULL, NULL, r->shown.policy->n_steps);
}

static void manual(struct out *out, const struct metrics_release *r)
{
	release_count(out, r, NULL, NULL, r->shown.rollout->manual);
}

static void steered(struct out *out, const struct metrics_release *r)
{
	release_count(out, r, NULL, NULL, r->steered);
}

static void decided(struct out *out, const struct metrics_release *r)
{
	release_value(out, r, "reason", serin_reason_name(r->shown.rollout->latest.reason),
		      (struct serin_value){r->decided_unix, r->decided_unix > 0});
}

static struct serin_value share(uint64_t canary, uint64_t stable)
{
	if (!canary && !stable)
		return (struct serin_value){};
	return serin_known((double)canary / (double)(canary + stable));
}

static void weight(struct out *out, const struct metrics_release *r)
{
	const struct serin_figures *canary = &r->shown.seen->canary, *stable = &r->shown.seen->stable;

	release_value(out, r, "kind", "set", serin_known((double)r->shown.rollout->weight / SERIN_WEIGHT_MAX));
	release_value(out, r, "kind", "connections", share(canary->service_connections, stable->service_connections));
	release_value(out, r, "kind", "requests", share(canary->service_requests, stable->service_requests));
}

/* NULL: there is no comparison under way. */
static const struct serin_judgement *judgement(const struct metrics_release *r)
{
	return r->shown.seen->evidence.known ? &r->shown.seen->evidence : NULL;
}

static struct serin_value from_log(double log)
{
	return (struct serin_value){fmin(fmax(exp(log), 1 / E_MAX), E_MAX), !isnan(log)};
}

static void two_tests(struct out *out, const struct metrics_release *r, struct serin_value error, struct serin_value latency)
{
	release_value(out, r, "test", "error", error);
	release_value(out, r, "test", "latency", latency);
}

static void evidence(struct out *out, const struct metrics_release *r)
{
	const struct serin_judgement *j = judgement(r);

	if (j)
		two_tests(out, r, from_log(j->log_error), from_log(j->log_latency));
}

static void threshold(struct out *out, const struct metrics_release *r)
{
	const struct serin_judgement *j = judgement(r);

	if (j)
		two_tests(out, r, from_log(j->log_error_bound), from_log(j->log_latency_bound));
}

static void excess(struct out *out, const struct metrics_release *r)
{
	const struct serin_judgement *j = judgement(r);

	if (j)
		two_tests(out, r, serin_known(j->excess_error), serin_known(j->excess_latency));
}

static void margin(struct out *out, const struct metrics_release *r)
{
	const struct serin_judgement *j = judgement(r);

	if (j)
		release_value(out, r, NULL, NULL, serin_known(j->margin));
}

static void blocks(struct out *out, const struct metrics_release *r)
{
	const struct serin_judgement *j = judgement(r);

	if (j)
		release_count(out, r, NULL, NULL, j->blocks);
}

static void evidence_requests(struct out *out, const struct metrics_release *r)
{
	const struct serin_judgement *j = judgement(r);

	if (!j)
		return;
	release_count(out, r, "role", "stable", j->requests[0]);
	release_count(out, r, "role", "canary", j->requests[1]);
}

static void no_worse(struct out *out, const struct metrics_release *r)
{
	const struct serin_judgement *j = judgement(r);

	if (j)
		release_count(out, r, NULL, NULL, j->no_worse);
}

static void split_as_set(struct out *out, const struct metrics_release *r)
{
	const struct serin_judgement *j = judgement(r);

	if (j)
		release_count(out, r, NULL, NULL, !j->split_off);
}

static void gates(struct out *out, const struct metrics_release *r)
{
	const struct serin_gates *g = &r->shown.policy->gates;

	release_value(out, r, "gate", "P_min", g->p_min);
	release_value(out, r, "gate", "R_max", g->r_max);
	release_value(out, r, "gate", "D_max", g->d_max);
	release_value(out, r, "gate", "cpu_ratio_max", g->cpu_ratio_max);
}

static void external_value(struct out *out, const struct metrics_release *r, const char *name, const char *bound,
			   struct serin_value value)
{
	if (value.known)
		exposition_real(&out->text, (labels){{"release", r->shown.name}, {"name", name}, {"bound", bound}}, 3, value.v);
}

static void external_bounds(struct out *out, const struct metrics_release *r)
{
	for (unsigned i = 0; i < r->shown.policy->n_external; i++) {
		const struct serin_external_gate *gate = &r->shown.policy->external[i];

		external_value(out, r, gate->name, "min", gate->min);
		external_value(out, r, gate->name, "max", gate->max);
	}
}

static void external_figures(struct out *out, const struct metrics_release *r)
{
	for (unsigned i = 0; i < r->shown.seen->n_external; i++)
		external_value(out, r, r->shown.seen->external[i].name, NULL, serin_known(r->shown.seen->external[i].value));
}

static void external_ages(struct out *out, const struct metrics_release *r)
{
	for (unsigned i = 0; i < r->shown.seen->n_external; i++) {
		const char *name = r->shown.seen->external[i].name;

		external_value(out, r, name, NULL, rollout_external_age(r->shown.seen, name));
	}
}

static void decisions(struct out *out, const struct metrics_release *r)
{
	for (unsigned i = SERIN_REASON_NONE + 1; i < SERIN_REASONS; i++)
		release_count(out, r, "reason", serin_reason_name(i), r->decisions[i]);
}

static void steering(struct out *out, const struct metrics_release *r)
{
	for (unsigned i = 0; i < SERIN_STEERED_KINDS; i++)
		release_count(out, r, "decision", serin_steered_name(i), r->shown.steered[i]);
}

static void draining(struct out *out, const struct metrics_release *r)
{
	release_count(out, r, NULL, NULL, r->shown.draining.connections);
}

static void draining_requests(struct out *out, const struct metrics_release *r)
{
	release_count(out, r, NULL, NULL, r->shown.draining.in_flight);
}

static void unreachable(struct out *out, const struct metrics_release *r)
{
	release_count(out, r, NULL, NULL, r->shown.draining.unreachable);
}

static void drained(struct out *out, const struct metrics_release *r)
{
	release_count(out, r, "how", "ended", r->shown.draining.ended);
	release_count(out, r, "how", "reset", r->shown.draining.reset);
	release_count(out, r, "how", "aged", r->shown.draining.aged);
}

/* ---- the agent ---- */

static void build_info(struct out *out)
{
	exposition_count(&out->text, (labels){{"version", SERIN_VERSION}, {"kernel", out->metrics->kernel}}, 2, 1);
}

static void losses(struct out *out)
{
	for (unsigned i = 0; i < SERIN_LOSSES; i++)
		exposition_count(&out->text, (labels){{"kind", serin_loss_name(i)}}, 1, out->metrics->now->losses[i]);
}

static void trouble_with_store(struct out *out)
{
	exposition_count(&out->text, NULL, 0, out->metrics->store_trouble);
}

static void program_seconds(struct out *out)
{
	for (unsigned i = 0; i < out->metrics->n_programs; i++)
		exposition_time(&out->text, (labels){{"program", out->metrics->programs[i].name}}, 1,
				out->metrics->programs[i].run_ns);
}

static void program_runs(struct out *out)
{
	for (unsigned i = 0; i < out->metrics->n_programs; i++)
		exposition_count(&out->text, (labels){{"program", out->metrics->programs[i].name}}, 1,
				 out->metrics->programs[i].runs);
}

static void of_process(struct out *out)
{
	const char *process = (const char *)&out->metrics->process;
	struct serin_value value = *(const struct serin_value *)(process + out->family->offset);

	if (value.known)
		exposition_real(&out->text, NULL, 0, value.v);
}

/* ---- the table ---- */

#define COUNTER EXPOSITION_COUNTER
#define GAUGE EXPOSITION_GAUGE
#define INFO EXPOSITION_INFO
#define HISTOGRAM EXPOSITION_HISTOGRAM
#define TALLY(field) .of_version = tally_counter, .offset = offsetof(struct serin_tally, field)
#define FIGURE(field) .of_version = figure, .offset = offsetof(struct serin_figures, field)
#define PROCESS(field) .of_agent = of_process, .offset = offsetof(struct metrics_process, field)
#define LATENCY(kind) .of_version = latency, .latency = kind

static const struct family families[] = {
	{{"serin_model", INFO, NULL, "A version of a model that is watched."}, .of_version = model_info},
	{{"serin_target", INFO, NULL, "A container that processes of the version are in."}, .of_version = target_info},
	{{"serin_processes", GAUGE, NULL, "Processes of the version that were found."}, .of_version = processes},
	{{"serin_listeners", GAUGE, NULL, "Listening sockets of the version in use."}, .of_version = listeners},
	{{"serin_requests", COUNTER, NULL, "Requests with a known outcome."}, .of_version = requests},
	{{"serin_requests_in_flight", GAUGE, NULL,
	  "Requests without an outcome yet."}, .of_version = requests_in_flight},
	{{"serin_slow_requests", COUNTER, NULL,
	  "Successes that took longer than the frozen p99 of stable."}, TALLY(slow)},
	{{"http_server_request_duration_seconds", HISTOGRAM, "seconds",
	  "First byte of a request at the server to the last of its response, of responses that do not stream."},
	 .of_version = duration, .latency = SERIN_DURATION},
	{{"serin_stream_duration_seconds", HISTOGRAM, "seconds",
	  "First byte of a request to the last of its response, of streaming responses."},
	 LATENCY(SERIN_STREAM_DURATION)},
	{{"serin_first_byte_seconds", HISTOGRAM, "seconds",
	  "First byte of a request to the first of the final status line."}, LATENCY(SERIN_FIRST_BYTE)},
	{{"serin_first_chunk_seconds", HISTOGRAM, "seconds",
	  "First byte of a request to the first of the body of its response."}, LATENCY(SERIN_FIRST_CHUNK)},
	{{"serin_stream_first_chunk_seconds", HISTOGRAM, "seconds",
	  "First byte of a request to the first of the body of its response, of streaming responses."},
	 LATENCY(SERIN_STREAM_FIRST_CHUNK)},
	{{"serin_chunk_gap_seconds", HISTOGRAM, "seconds",
	  "One send with body in it to the next, of streaming responses."}, LATENCY(SERIN_GAP)},
	{{"serin_pickup_seconds", HISTOGRAM, "seconds",
	  "First byte of a request to the first read of the server after it."}, LATENCY(SERIN_PICKUP)},
	{{"serin_turn_seconds", HISTOGRAM, "seconds",
	  "First byte of a turn of the client to the first of the server, of connections that do not speak HTTP/1."},
	 LATENCY(SERIN_TURN)},
	{{"serin_run_queue_seconds", HISTOGRAM, "seconds",
	  "Time that threads of the version were runnable and waited for a CPU."}, LATENCY(SERIN_RUN_QUEUE)},
	{{"serin_cpu_seconds", COUNTER, "seconds", "CPU time of all threads of the version."}, .of_version = cpu},
	{{"serin_memory_bytes", GAUGE, "bytes",
	  "Resident memory, the sum over the processes of the version."}, .of_version = memory},
	{{"serin_network_bytes", COUNTER, "bytes",
	  "TCP payload on connections of the version, each byte once."}, .of_version = network},
	{{"serin_connections_opened", COUNTER, NULL,
	  "Connections accepted, or found open at the start."}, TALLY(opened)},
	{{"serin_connections_open", GAUGE, NULL, "Connections that are open."}, .of_version = connections_open},
	{{"serin_protocol_connections", COUNTER, NULL, "Connections by what they speak."}, .of_version = protocols},
	{{"serin_retransmits", COUNTER, NULL, "Segments that the server's side sent again."}, TALLY(retransmits)},
	{{"serin_retransmitted_bytes", COUNTER, "bytes",
	  "Payload of segments that the server's side sent again."}, TALLY(retransmitted_bytes)},
	{{"serin_incomplete_responses", COUNTER, NULL,
	  "Responses that the server ended too early."}, .of_version = incomplete},
	{{"serin_unknown_aborts", COUNTER, NULL,
	  "Turns in unknown protocols that were broken off before an answer."}, .of_version = unknown_aborts},
	{{"serin_exits", COUNTER, NULL,
	  "Processes that ended by a signal or with a status other than 0."}, .of_version = exits},
	{{"serin_listen_drops", COUNTER, NULL,
	  "Connections that the kernel refused because a listen queue was full."}, .of_version = listen_drops},
	{{"serin_window_seconds", GAUGE, "seconds",
	  "Length of the window of the figures."}, .of_version = window_seconds},
	{{"serin_window_requests", GAUGE, NULL,
	  "N: requests in the window whose outcome counts."}, .of_version = window_requests},
	{{"serin_success_ratio", GAUGE, "ratio",
	  "P = S / N: successes among the requests in the window."}, FIGURE(p)},
	{{"serin_resource_ratio", GAUGE, "ratio",
	  "C / M: consumption in the window over its maximum. R is the largest."}, .of_version = resource_ratio},
	{{"serin_anomaly_index", GAUGE, NULL,
	  "D = (T1 - T2) / T0: anomalies a second beyond what is normal."}, FIGURE(d)},
	{{"serin_cpu_per_request_seconds", GAUGE, "seconds",
	  "CPU time of the window over its requests."}, FIGURE(cpu_seconds_per_request)},
	{{"serin_cpu_per_request_ratio", GAUGE, "ratio",
	  "CPU time a request, of the canary over stable."}, FIGURE(cpu_ratio)},

	{{"serin_release", INFO, NULL, "A release and its versions."}, .of_release = release_info},
	{{"serin_release_phase", GAUGE, NULL, "1 for the phase that the release is in."}, .of_release = phase},
	{{"serin_release_waiting", GAUGE, NULL,
	  "1 for why the release does not go on right now."}, .of_release = waiting},
	{{"serin_release_step", GAUGE, NULL, "The step that the release is in, from 1 on."}, .of_release = step},
	{{"serin_release_steps", GAUGE, NULL, "How many steps the release has."}, .of_release = steps},
	{{"serin_release_manual", GAUGE, NULL, "1 when the weight was set by a person."}, .of_release = manual},
	{{"serin_release_steered", GAUGE, NULL,
	  "1 when the kernel steers as decided, 0 when the canary cannot be steered to."}, .of_release = steered},
	{{"serin_release_decided_timestamp_seconds", GAUGE, "seconds",
	  "Unix time of the newest decision, by its reason."}, .of_release = decided},
	{{"serin_weight_ratio", GAUGE, "ratio",
	  "Share of the canary, as set and as it came out in the window."}, .of_release = weight},
	{{"serin_evidence", GAUGE, NULL,
	  "E, the evidence that the canary is worse than stable."}, .of_release = evidence},
	{{"serin_evidence_threshold", GAUGE, NULL,
	  "E at which the canary is rolled back."}, .of_release = threshold},
	{{"serin_evidence_excess_ratio", GAUGE, "ratio",
	  "Observed difference of the canary to stable, as a share of requests."}, .of_release = excess},
	{{"serin_evidence_margin_ratio", GAUGE, "ratio",
	  "The least excess that is worth a rollback."}, .of_release = margin},
	{{"serin_evidence_blocks", GAUGE, NULL,
	  "Comparisons within a client that the evidence rests on."}, .of_release = blocks},
	{{"serin_evidence_requests", GAUGE, NULL,
	  "Requests that the evidence rests on."}, .of_release = evidence_requests},
	{{"serin_evidence_no_worse", GAUGE, NULL,
	  "1 when the canary is shown to be no worse."}, .of_release = no_worse},
	{{"serin_evidence_split_as_set", GAUGE, NULL,
	  "0 when connections are not split as the weight says."}, .of_release = split_as_set},
	{{"serin_gate_bound", GAUGE, NULL, "Absolute bounds on the canary that are on."}, .of_release = gates},
	{{"serin_external_bound", GAUGE, NULL,
	  "Bounds on figures that are sent from outside."}, .of_release = external_bounds},
	{{"serin_external_figure", GAUGE, NULL,
	  "The newest figure of the canary that was sent from outside."}, .of_release = external_figures},
	{{"serin_external_age_seconds", GAUGE, "seconds",
	  "Age of the newest figure that was sent from outside."}, .of_release = external_ages},
	{{"serin_decisions", COUNTER, NULL, "Decisions since the start of the agent."}, .of_release = decisions},
	{{"serin_steering_decisions", COUNTER, NULL,
	  "New connections to the service, as the kernel decided."}, .of_release = steering},
	{{"serin_draining_connections", GAUGE, NULL,
	  "Connections that are to leave the canary and have not."}, .of_release = draining},
	{{"serin_draining_requests_in_flight", GAUGE, NULL,
	  "Requests in flight on connections that are to leave the canary."}, .of_release = draining_requests},
	{{"serin_draining_unreachable_connections", GAUGE, NULL,
	  "Connections that are to leave the canary, of which no process was found."}, .of_release = unreachable},
	{{"serin_drained_connections", COUNTER, NULL,
	  "Connections taken from the canary since the start of the agent."}, .of_release = drained},

	{{"serin_build", INFO, NULL,
	  "The version of serin, and the kernel that it runs on."}, .of_agent = build_info},
	{{"serin_losses", COUNTER, NULL, "What could not be counted."}, .of_agent = losses},
	{{"serin_store_trouble", GAUGE, NULL,
	  "1 while something is wrong with the store."}, .of_agent = trouble_with_store},
	{{"serin_bpf_run_seconds", COUNTER, "seconds", "Time in BPF programs."}, .of_agent = program_seconds},
	{{"serin_bpf_runs", COUNTER, NULL, "Runs of BPF programs."}, .of_agent = program_runs},
	{{"process_cpu_seconds", COUNTER, "seconds", "CPU time of the agent."}, PROCESS(cpu_seconds)},
	{{"process_resident_memory_bytes", GAUGE, "bytes",
	  "Resident memory of the agent."}, PROCESS(resident_bytes)},
	{{"process_virtual_memory_bytes", GAUGE, "bytes", "Address space of the agent."}, PROCESS(virtual_bytes)},
	{{"process_open_fds", GAUGE, NULL, "Open descriptors of the agent."}, PROCESS(open_fds)},
	{{"process_max_fds", GAUGE, NULL, "How many descriptors the agent may have."}, PROCESS(max_fds)},
	{{"process_start_time_seconds", GAUGE, "seconds",
	  "Unix time of the start of the agent."}, PROCESS(start_unix)},
};

static void write_family(struct out *out, const struct family *family)
{
	const struct metrics *m = out->metrics;

	out->family = family;
	exposition_family(&out->text, &family->shown);
	for (unsigned i = 0; family->of_version && i < m->n_versions; i++)
		family->of_version(out, &m->versions[i]);
	for (unsigned i = 0; family->of_release && i < m->n_releases; i++)
		family->of_release(out, &m->releases[i]);
	if (family->of_agent)
		family->of_agent(out);
}

int metrics_write(const struct metrics *metrics, enum exposition_format format, char **ret_text, size_t *ret_length)
{
	struct out out = {.text = EXPOSITION(format), .metrics = metrics};

	for (unsigned i = 0; i < ARRAY_SIZE(families); i++)
		write_family(&out, &families[i]);
	return exposition_end(&out.text, ret_text, ret_length);
}

const char *metrics_name(unsigned index, char ret_name[METRICS_NAME_MAX])
{
	if (index >= ARRAY_SIZE(families))
		return NULL;
	snprintf(ret_name, METRICS_NAME_MAX, "%s%s", families[index].shown.name, exposition_suffix(families[index].shown.type));
	return ret_name;
}
