// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "announce.h"

#include "config.h"
#include "container.h"
#include "discover.h"
#include "endpoint.h"
#include "log.h"
#include "match.h"
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Where it listens: as it was configured, or, where only its process tells it, its first listener. */
static void format_place(const struct serin_target *t, char ret_text[ENDPOINT_TEXT_MAX])
{
	endpoint_format(t->endpoint.port || !t->n_listeners ? &t->endpoint : &t->listeners[0].endpoint, ret_text);
}

/* ", in pod shop/chat-v1-7d9f (server)", or nothing. */
static void format_containers(const struct serin_containers *c, char *ret_text, size_t size)
{
	char label[CONTAINER_LABEL_MAX];

	ret_text[0] = '\0';
	if (!c->n)
		return;
	container_label(&c->all[0], label);
	if (c->n == 1)
		snprintf(ret_text, size, ", in %s", label);
	else
		snprintf(ret_text, size, ", in %s and %u more", label, c->n - 1);
}

void announce_listening(const struct serin_target *t)
{
	char endpoint[ENDPOINT_TEXT_MAX], comm[32] = "?", container[CONTAINER_LABEL_MAX + 32];
	unsigned port = t->endpoint.port || !t->n_listeners ? t->endpoint.port : t->listeners[0].endpoint.port;

	format_place(t, endpoint);
	if (t->n_pids)
		discover_comm(t->pids[0], comm, sizeof(comm));
	for (char *c = comm; *c; c++) /* it may call itself anything */
		if (*c < ' ' || *c > '~')
			*c = '?';
	format_containers(&t->containers, container, sizeof(container));
	log_event("listening", json_pack("{ss ss si si so}", "model", t->model, "version", t->version, "port", (int)port, "pids",
					 (int)t->n_pids, "containers", report_containers(&t->containers)),
		  "%s/%s on %s (%s, %u process%s)%s", t->model, t->version, endpoint, comm, t->n_pids,
		  t->n_pids == 1 ? "" : "es", container);
}

void announce_waiting(const struct serin_target *t)
{
	char endpoint[ENDPOINT_TEXT_MAX], match[MATCH_TEXT_MAX];
	json_t *json = json_pack("{ss ss si}", "model", t->model, "version", t->version, "port", (int)t->endpoint.port);

	endpoint_format(&t->endpoint, endpoint);
	match_describe(&t->match, match);
	if (config_is_port_only(&t->match))
		log_event("waiting", json, "nothing listens on %s yet for %s/%s; it is picked up when it does", endpoint, t->model,
			  t->version);
	else
		log_event("waiting", json, "no process listens yet that is %s/%s (%s); it is picked up when it does", t->model,
			  t->version, match);
}

void announce_mptcp(const struct serin_target *t)
{
	log_event("warning", json_pack("{ss ss ss}", "model", t->model, "version", t->version, "cause", "mptcp"),
		  "%s/%s listens with MPTCP, which can be neither steered to nor observed; start it with plain TCP (Go "
		  "programs: GODEBUG=multipathtcp=0)", t->model, t->version);
}

void announce_elsewhere(const struct serin_target *t, uint32_t pid)
{
	log_event("warning", json_pack("{ss ss ss si}", "model", t->model, "version", t->version, "cause",
				       "network_namespace", "pid", (int)pid),
		  "something listens on port %u in another network namespace (that of pid %u), which is not used for "
		  "%s/%s: connections cannot be steered across; run the server in the agent's namespace",
		  t->endpoint.port, pid, t->model, t->version);
}

/* The event's word by reason; what has none is called after the phase it has come to. */
static const char *const events[SERIN_REASONS] = {
	[SERIN_REASON_WEIGHT] = "weight",
	[SERIN_REASON_STARTED] = "started",
	[SERIN_REASON_RETRIED] = "started",
	[SERIN_REASON_PAUSED] = "paused",
	[SERIN_REASON_RESUMED] = "resumed",
	[SERIN_REASON_RESTORED] = "restored",
	[SERIN_REASON_REPLANNED] = "replanned",
};

static const char *decision_event(const struct serin_decision *d)
{
	if (events[d->reason])
		return events[d->reason];
	return d->to == SERIN_ROLLED_BACK ? "rollback" : d->to == SERIN_PROMOTED ? "promoted" : "step";
}

/* "from 5% to 25%", "at 5%". */
static void format_change(const struct serin_decision *d, char *ret_text, size_t size)
{
	if (d->weight_from == d->weight_to)
		snprintf(ret_text, size, "at %g%%", d->weight_to / 100.0);
	else
		snprintf(ret_text, size, "from %g%% to %g%%", d->weight_from / 100.0, d->weight_to / 100.0);
}

void announce_decision(const char *release, const struct serin_decision *decision, json_t *fields)
{
	char reason[ROLLOUT_WHY_MAX], change[64];

	rollout_explain(decision, reason, sizeof(reason));
	format_change(decision, change, sizeof(change));
	log_event(decision_event(decision), fields, "%s %s, canary %s: %s", release, serin_phase_name(decision->to), change,
		  reason);
}

void announce_first_weight(const char *release, const struct serin_rollout *rollout, uint32_t given)
{
	log_event("restored", json_pack("{ss ss sf}", "release", release, "phase", serin_phase_name(rollout->phase), "set_weight",
					rollout->weight / 100.0),
		  "%s is %s at %g%% since before; the %g%% it was started with are not set; `serin weight %s %g` sets them",
		  release, serin_phase_name(rollout->phase), rollout->weight / 100.0, given / 100.0, release, given / 100.0);
}

/* ---- the line of a second ---- */

static void format_value(char ret_text[16], struct serin_value v, const char *format, double scale)
{
	if (v.known)
		snprintf(ret_text, 16, format, v.v * scale);
	else
		snprintf(ret_text, 16, "-");
}

/* One version: "stable P 0.998 R 0.41 p50 3.1ms p99 9.0ms 120/s". */
static void format_version(const struct announce_version *v, char *ret_text, size_t size)
{
	char p[16], r[16], d[16], p50[16], p99[16];
	const struct serin_figures *f = v->figures;
	bool canary = v->target->role == SERIN_ROLE_CANARY;

	format_value(p, f->p, "%.3f", 1);
	format_value(r, f->r, "%.2f", 1);
	format_value(d, f->d, "%.2f", 1);
	format_value(p50, v->p50_ns, "%.1fms", 1e-6);
	format_value(p99, v->p99_ns, "%.1fms", 1e-6);
	snprintf(ret_text, size, "%s P %-5s R %-4s %s%-*s p50 %-7s p99 %-7s %5.0f/s", v->target->version, p, r,
		 canary ? "D " : "", canary ? 5 : 0, canary ? d : "", p50, p99,
		 f->seconds > 0 ? (double)f->n / f->seconds : 0.0);
}

static json_t *version_fields(const struct announce_version *v)
{
	struct serin_value p50 = v->p50_ns, p99 = v->p99_ns;
	const struct serin_figures *f = v->figures;

	p50.v /= 1e9;
	p99.v /= 1e9;
	return json_pack("{ss ss so so so sI so so}", "model", v->target->model, "version", v->target->version, "P",
			 report_value(f->p), "R", report_value(f->r), "D", report_value(f->d), "N", (json_int_t)f->n,
			 "p50_seconds", report_value(p50), "p99_seconds", report_value(p99));
}

/* "chat weight 10% set 9.8% actual | stable ... | canary ..." */
static void print_release(const char *name, const struct serin_rollout *rollout, const struct announce_version *stable,
			  const struct announce_version *canary)
{
	char actual[16], step[32] = "", versions[2][192];

	format_value(actual, report_share(canary->figures->service_connections, stable->figures->service_connections),
		     "%.1f%%", 1);
	if (rollout->step)
		snprintf(step, sizeof(step), " step %u", rollout->step);
	format_version(stable, versions[0], sizeof(versions[0]));
	format_version(canary, versions[1], sizeof(versions[1]));
	log_event("tick", NULL, "%s%s weight %g%% set %s actual | %s | %s", name, step, rollout->weight / 100.0, actual,
		  versions[0], versions[1]);
}

static void print_version(const struct announce_version *v)
{
	char version[192];

	format_version(v, version, sizeof(version));
	log_event("tick", NULL, "%s %s", v->target->model, version);
}

static const struct announce_version *version_of(const struct announce_version *versions, unsigned n,
						 const struct announce_release *release, enum serin_role role)
{
	for (unsigned i = 0; i < n; i++)
		if (versions[i].release == release && versions[i].target->role == role)
			return &versions[i];
	return NULL;
}

static void print_lines(const struct announce_version *versions, unsigned n, const struct announce_release *releases,
			unsigned n_releases)
{
	for (unsigned i = 0; i < n_releases; i++) {
		const struct announce_version *stable = version_of(versions, n, &releases[i], SERIN_ROLE_STABLE);
		const struct announce_version *canary = version_of(versions, n, &releases[i], SERIN_ROLE_CANARY);

		if (stable && canary)
			print_release(releases[i].name, releases[i].rollout, stable, canary);
	}
	for (unsigned i = 0; i < n; i++)
		if (!versions[i].release)
			print_version(&versions[i]);
}

void announce_tick(const struct announce_version *versions, unsigned n, const struct announce_release *releases,
		   unsigned n_releases, json_t *fields)
{
	json_t *models;

	if (log_current_form() != LOG_JSON) {
		print_lines(versions, n, releases, n_releases);
		json_decref(fields);
		return;
	}
	models = json_array();
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(models, version_fields(&versions[i]));
	log_event("tick", json_pack("{so so}", "models", models, "releases", fields), "%s", "");
}

/* ---- in a line ---- */

static void append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t size, const char *format, ...)
{
	size_t length = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + length, size - length, format, args);
	va_end(args);
}

void announce_standing(const struct announce_version *versions, unsigned n, const struct announce_release *releases,
		       unsigned n_releases, char *ret_text, size_t size)
{
	*ret_text = '\0';
	if (!n_releases)
		append(ret_text, size, "observing %u version%s", n, n == 1 ? "" : "s");
	for (unsigned i = 0; i < n_releases; i++) {
		append(ret_text, size, "%s%s %s at %g%%", i ? "; " : "", releases[i].name,
		       serin_phase_name(releases[i].rollout->phase), releases[i].rollout->weight / 100.0);
		if (releases[i].rollout->step)
			append(ret_text, size, ", step %u", releases[i].rollout->step);
	}
	for (unsigned i = 0; i < n; i++)
		if (!versions[i].target->n_listeners)
			append(ret_text, size, "; waiting for %s/%s", versions[i].target->model, versions[i].target->version);
}
