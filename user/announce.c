// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "announce.h"

#include "discover.h"
#include "endpoint.h"
#include "log.h"
#include "report.h"

#include <stdio.h>

void announce_listening(const struct serin_target *t)
{
	char endpoint[ENDPOINT_TEXT_MAX], comm[32] = "?";

	endpoint_format(&t->endpoint, endpoint);
	if (t->n_pids)
		discover_comm(t->pids[0], comm, sizeof(comm));
	log_event("listening", json_pack("{ss ss si si}", "model", t->model, "version", t->version, "port",
					 (int)t->endpoint.port, "pids", (int)t->n_pids),
		  "%s/%s on %s (%s, %u process%s)", t->model, t->version, endpoint, comm, t->n_pids,
		  t->n_pids == 1 ? "" : "es");
}

void announce_waiting(const struct serin_target *t)
{
	char endpoint[ENDPOINT_TEXT_MAX];

	endpoint_format(&t->endpoint, endpoint);
	log_event("waiting", json_pack("{ss ss si}", "model", t->model, "version", t->version, "port",
				       (int)t->endpoint.port),
		  "nothing listens on %s yet for %s/%s; it is picked up when it does", endpoint, t->model, t->version);
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

void announce_decision(const char *release, const struct serin_decision *decision)
{
	char reason[160];

	rollout_explain(decision, reason, sizeof(reason));
	log_event(decision->to == SERIN_ROLLED_BACK ? "rollback" : "weight", report_decision(release, decision),
		  "%s %s, canary from %g%% to %g%%: %s", release, serin_phase_name(decision->to),
		  decision->weight_from / 100.0, decision->weight_to / 100.0, reason);
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
static void format_version(const struct serin_target *target, const struct serin_figures *f, const struct edges *edges,
			   unsigned index, char *ret_text, size_t size)
{
	char p[16], r[16], d[16], p50[16], p99[16];
	bool canary = target->role == SERIN_ROLE_CANARY;

	format_value(p, f->p, "%.3f", 1);
	format_value(r, f->r, "%.2f", 1);
	format_value(d, f->d, "%.2f", 1);
	format_value(p50, edges_quantile(edges, index, 0.5), "%.1fms", 1e-6);
	format_value(p99, edges_quantile(edges, index, 0.99), "%.1fms", 1e-6);
	snprintf(ret_text, size, "%s P %-5s R %-4s %s%-*s p50 %-7s p99 %-7s %5.0f/s", target->version, p, r,
		 canary ? "D " : "", canary ? 5 : 0, canary ? d : "", p50, p99,
		 f->seconds > 0 ? (double)f->n / f->seconds : 0.0);
}

static json_t *version_fields(const struct serin_target *target, const struct serin_figures *f,
			      const struct edges *edges, unsigned index)
{
	struct serin_value p50 = edges_quantile(edges, index, 0.5), p99 = edges_quantile(edges, index, 0.99);

	p50.v /= 1e9;
	p99.v /= 1e9;
	return json_pack("{ss so so so sI so so}", "version", target->version, "P", report_value(f->p), "R",
			 report_value(f->r), "D", report_value(f->d), "N", (json_int_t)f->n, "p50_seconds",
			 report_value(p50), "p99_seconds", report_value(p99));
}

/* "chat weight 10% set 9.8% actual | ", nothing without a canary. */
static void format_weight(const char *release, const struct serin_figures *figures, const struct serin_rollout *rollout,
			  char *ret_text, size_t size)
{
	char actual[16];

	format_value(actual, report_share(figures[1].service_connections, figures[0].service_connections), "%.1f%%", 1);
	snprintf(ret_text, size, "%s weight %g%% set %s actual | ", release, rollout->weight / 100.0, actual);
}

void announce_tick(const char *release, const struct targets *targets, const struct serin_figures *figures,
		   const struct edges *edges, const struct serin_rollout *rollout, json_t *releases)
{
	char versions[2][192] = {"", ""}, weight[160] = "";
	json_t *models = json_array();

	for (unsigned i = 0; i < targets->n; i++) {
		if (i < 2)
			format_version(&targets->all[i], &figures[i], edges, i, versions[i], sizeof(versions[i]));
		json_array_append_new(models, version_fields(&targets->all[i], &figures[i], edges, i));
	}
	if (targets->n > 1)
		format_weight(release, figures, rollout, weight, sizeof(weight));
	log_event("tick", json_pack("{so so}", "models", models, "releases", releases), "%s%s%s%s", weight, versions[0],
		  *versions[1] ? " | " : "", versions[1]);
}
