/* Links: user/report.c user/rollout.c user/rollout_words.c user/names.c user/endpoint.c user/figures.c user/hist.c user/system.c user/util.c -ljansson -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The JSON of `serin dump`, key by key as DESIGN section 5 has it. */
#include "check.h"

#include "endpoint.h"
#include "report.h"
#include "util.h"
#include "version.h"

#include <math.h>
#include <string.h>
#include <sys/utsname.h>

#define T 2 /* the target shown */

static struct serin_target target;
static struct serin_snapshot snapshot;
static struct serin_figures figures;
static struct serin_hist hists[SERIN_LATENCIES];
static struct serin_rollout rollout;
static struct serin_policy policy;
static struct serin_observation seen;
static struct serin_external sent[2];
static struct serin_decision decision;
static uint64_t steered[SERIN_STEERED_KINDS];
static struct report_target shown_target;
static struct report_release shown_release;
static json_t *json; /* what the test made */

/* A target with everything known, and a release at 5%. */
static int known(void **state)
{
	static const uint64_t outcomes[SERIN_OUTCOMES] = {100, 20, 3, 4, 5, 6, 7, 8};
	struct serin_tally *t = &snapshot.tally[T];

	(void)state;
	target = (struct serin_target){.model = "chat", .version = "v2", .role = SERIN_ROLE_CANARY, .pids = {12, 13},
				       .n_pids = 2, .n_listeners = 2};
	assert_int_equal(endpoint_parse("8000", &target.listeners[0].endpoint), 0);
	assert_int_equal(endpoint_parse("[::1]:8001", &target.listeners[1].endpoint), 0);

	memset(&snapshot, 0, sizeof(snapshot));
	memcpy(t->outcome, outcomes, sizeof(outcomes)); /* 153 of them */
	t->started = 155;
	t->bytes_in = 1000, t->bytes_out = 2000, t->retransmits = 3, t->opened = 40, t->closed = 31;
	t->cpu_ns = 2500000000, t->exits_signal = 1, t->exits_error = 2;
	snapshot.listen_drops[T] = 9;

	figures = (struct serin_figures){.seconds = 10, .n = 200, .s = 150, .p = serin_known(0.75), .r = serin_known(1.25),
					 .d = serin_known(2.5), .t1 = 60, .t2 = serin_known(35),
					 .anomalies = {50, 4, 3, 3}, .cpu_seconds_per_request = serin_known(0.001),
					 .service_connections = 5, .service_requests = 20};
	for (unsigned i = 0; i < SERIN_RESOURCES; i++)
		figures.resource[i] = (struct serin_consumption){serin_known(i + 1), serin_known(4),
								 serin_known((i + 1) / 4.0)};

	memset(hists, 0, sizeof(hists));
	shown_target = (struct report_target){&target, &snapshot, T, &figures, hists};

	rollout = (struct serin_rollout){.phase = SERIN_PROGRESSING, .weight = 500, .step = 2, .since_ns = 90 * SECOND,
					 .hold_from_ns = 90 * SECOND, .waiting = SERIN_WAITING_HOLD};
	policy = (struct serin_policy){
		.steps = {{100, 60 * SECOND}, {500, 300 * SECOND}, {10000, 0}}, .n_steps = 3,
		.gates = {.p_min = serin_known(0.95), .d_max = serin_known(5), .min_requests = 50},
		.external = {{.name = "accuracy", .min = serin_known(0.9)}, {.name = "click_rate", .max = serin_known(0.5)}},
		.n_external = 2, .external_age_ns = 60 * SECOND,
	};
	sent[0] = (struct serin_external){"accuracy", 0.93, 97 * SECOND};
	sent[1] = (struct serin_external){"regret", 7, 20 * SECOND};
	seen = (struct serin_observation){
		.now_ns = 100 * SECOND,
		.stable = {.service_connections = 95, .service_requests = 60},
		.canary = figures,
		.evidence = {.known = true, .log_error = log(4), .log_latency = -1, .log_error_bound = log(200),
			     .log_latency_bound = log(400), .excess_error = 0.02, .excess_latency = -0.01, .margin = 0.01,
			     .blocks = 120, .requests = {1000, 50}},
		.stable_listens = true, .canary_listens = true, .external = sent, .n_external = 2,
	};
	memcpy(steered, (uint64_t[SERIN_STEERED_KINDS]){950, 50, 2, 1, 7, 8}, sizeof(steered));
	shown_release = (struct report_release){
		.name = "chat", .stable = "v1", .canary = "v2", .rollout = &rollout, .policy = &policy, .seen = &seen,
		.steered = steered, .draining = {1, 2, 3, 4, 5, 6},
	};
	decision = (struct serin_decision){
		.from = SERIN_PROGRESSING, .to = SERIN_ROLLED_BACK, .weight_from = 500, .steps = 3, .reason = SERIN_REASON_GATE_R,
		.gate = "R", .figure = 1.5, .bound = 1.2, .stable = {.n = 1000, .t1 = 3, .p = serin_known(0.999)},
		.canary = {.n = 63, .t1 = 60, .p = serin_known(0.5), .r = serin_known(1.5)}, .evidence = seen.evidence,
	};
	json = NULL;
	return 0;
}

static int put_back(void **state)
{
	(void)state;
	json_decref(json);
	return 0;
}

/* What is at "a.b.0.c" of the JSON; fails when it is not there. */
static const json_t *at(const char *path)
{
	const json_t *value = json;
	char key[64];

	for (const char *rest = path; *rest; rest += strcspn(rest, ".") + (strchr(rest, '.') != NULL)) {
		snprintf(key, sizeof(key), "%.*s", (int)strcspn(rest, "."), rest);
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key)) : json_object_get(value, key);
		if (!value)
			fail_msg("there is no %s of %s", key, path);
	}
	return value;
}

#define check_count(path, expected)                                                                        \
	do {                                                                                               \
		assert_true(json_is_integer(at(path)));                                                    \
		assert_int_equal(json_integer_value(at(path)), expected);                                  \
	} while (0)
#define check_real(path, expected)                                                                         \
	do {                                                                                               \
		assert_true(json_is_number(at(path)));                                                     \
		check_near(json_number_value(at(path)), expected);                                         \
	} while (0)
#define check_string(path, expected)                                                                       \
	do {                                                                                               \
		assert_true(json_is_string(at(path)));                                                     \
		assert_string_equal(json_string_value(at(path)), expected);                                \
	} while (0)
#define check_null(path) assert_true(json_is_null(at(path)))
#define check_bool(path, expected)                                                                         \
	do {                                                                                               \
		assert_true(json_is_boolean(at(path)));                                                    \
		assert_int_equal(json_is_true(at(path)), expected);                                        \
	} while (0)

/* Every key of the list is there. More may be: the form is additive. */
static void check_keys(const char *path, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!json_object_get(at(path), keys[i]))
			fail_msg("'%s' has no %s", path, keys[i]);
}
#define check_has(path, ...)                                                                               \
	check_keys(path, (const char *const[]){__VA_ARGS__},                                               \
		   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* ---- values ---- */

static void a_known_value_is_a_number(void **state)
{
	(void)state;
	json = json_pack("{so}", "v", report_value(serin_known(0.25)));
	check_real("v", 0.25);
}

static void a_known_zero_is_zero(void **state)
{
	(void)state;
	json = json_pack("{so}", "v", report_value(serin_known(0)));
	check_real("v", 0);
}

static void an_absent_value_is_null(void **state)
{
	(void)state;
	json = json_pack("{so}", "v", report_value((struct serin_value){.v = 7}));
	check_null("v");
}

static void what_json_has_no_number_for_is_null(void **state)
{
	(void)state;
	json = json_pack("{so so}", "nan", report_value(serin_known(__builtin_nan(""))), "inf",
			 report_value(serin_known(__builtin_inf())));
	check_null("nan");
	check_null("inf");
}

/* 5 of 5 + 95. */
static void a_share_is_in_percent_of_both(void **state)
{
	(void)state;
	check_value(report_share(5, 95), 5);
	check_value(report_share(0, 95), 0);
	check_value(report_share(3, 0), 100);
}

static void a_share_of_nothing_is_absent(void **state)
{
	(void)state;
	check_absent(report_share(0, 0));
}

/* ---- the agent ---- */

static void a_running_agent_shows_its_pid_version_uptime_and_kernel(void **state)
{
	struct utsname name;

	(void)state;
	json = report_agent(true, 42, 1.5);
	check_bool("running", true);
	check_count("pid", 42);
	check_string("version", SERIN_VERSION);
	check_real("uptime_seconds", 1.5);
	assert_int_equal(uname(&name), 0);
	check_string("kernel", name.release);
}

static void without_an_agent_there_is_no_pid_and_no_uptime(void **state)
{
	(void)state;
	json = report_agent(false, 0, 0);
	check_bool("running", false);
	check_null("pid");
	check_null("uptime_seconds");
	check_string("version", SERIN_VERSION);
}

/* ---- a target ---- */

static void a_target_has_all_its_keys(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_has("", "name", "version", "role", "pids", "listeners", "requests", "window", "latency_seconds",
		  "cpu_seconds", "run_queue_seconds", "bytes", "connections", "retransmits", "exits");
}

static void a_target_says_who_it_is(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_string("name", "chat");
	check_string("version", "v2");
	check_string("role", "canary");
}

static void a_target_shows_its_processes(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	assert_int_equal(json_array_size(at("pids")), 2);
	assert_int_equal(json_integer_value(json_array_get(at("pids"), 0)), 12);
	assert_int_equal(json_integer_value(json_array_get(at("pids"), 1)), 13);
}

static void of_many_processes_those_that_are_kept_are_shown(void **state)
{
	(void)state;
	target.n_pids = SERIN_PIDS_MAX + 100;
	json = report_target(&shown_target);
	assert_int_equal(json_array_size(at("pids")), SERIN_PIDS_MAX);
}

static void a_target_shows_where_it_listens(void **state)
{
	const json_t *listener;

	(void)state;
	json = report_target(&shown_target);
	assert_int_equal(json_array_size(at("listeners")), 2);
	listener = json_array_get(at("listeners"), 0);
	assert_string_equal(json_string_value(json_object_get(listener, "address")), "0.0.0.0");
	assert_int_equal(json_integer_value(json_object_get(listener, "port")), 8000);
	listener = json_array_get(at("listeners"), 1);
	assert_string_equal(json_string_value(json_object_get(listener, "address")), "::1");
	assert_int_equal(json_integer_value(json_object_get(listener, "port")), 8001);
}

static void a_target_that_is_awaited_has_empty_lists(void **state)
{
	(void)state;
	target.n_pids = target.n_listeners = 0;
	json = report_target(&shown_target);
	assert_true(json_is_array(at("pids")));
	assert_int_equal(json_array_size(at("pids")), 0);
	assert_int_equal(json_array_size(at("listeners")), 0);
}

static void each_outcome_is_shown_under_its_name(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_count("requests.success", 100);
	check_count("requests.client_error", 20);
	check_count("requests.throttled", 3);
	check_count("requests.server_error", 4);
	check_count("requests.server_abort", 5);
	check_count("requests.timeout", 6);
	check_count("requests.client_abort", 7);
	check_count("requests.unknown", 8);
}

/* 100 + 20 + 3 + 4 + 5 + 6 + 7 + 8 = 153 of 155 that began: 2 in flight. */
static void total_is_the_outcomes_and_what_is_in_flight(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_count("requests.in_flight", 2);
	check_count("requests.total", 155);
}

/* CPUs are read one after the other: an outcome may be seen before its start. The sum holds all the same. */
static void an_outcome_seen_before_its_start_does_not_break_the_sum(void **state)
{
	(void)state;
	snapshot.tally[T].started = 150;
	json = report_target(&shown_target);
	check_count("requests.in_flight", 0);
	check_count("requests.total", 153);
}

static void a_window_shows_the_three_figures_and_what_they_are_made_of(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_real("window.seconds", 10);
	check_real("window.P", 0.75);
	check_real("window.R", 1.25);
	check_real("window.D", 2.5);
	check_count("window.N", 200);
	check_count("window.S", 150);
	check_count("window.T1", 60);
	check_real("window.T2", 35);
	check_real("window.cpu_seconds_per_request", 0.001);
}

static void a_window_shows_each_kind_of_anomaly(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_count("window.anomalies.failed", 50);
	check_count("window.anomalies.slow", 4);
	check_count("window.anomalies.exits", 3);
	check_count("window.anomalies.listen_drops", 3);
}

static void each_resource_shows_current_max_and_ratio(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_real("window.resources.cpu.current", 1);
	check_real("window.resources.memory.current", 2);
	check_real("window.resources.network.current", 3);
	check_real("window.resources.cpu.max", 4);
	check_real("window.resources.cpu.ratio", 0.25);
	check_real("window.resources.network.ratio", 0.75);
}

static void what_a_window_does_not_know_is_null(void **state)
{
	(void)state;
	figures = (struct serin_figures){.seconds = 10};
	json = report_target(&shown_target);
	check_null("window.P");
	check_null("window.R");
	check_null("window.D");
	check_null("window.T2");
	check_null("window.cpu_seconds_per_request");
	check_null("window.resources.memory.current");
	check_null("window.resources.memory.ratio");
	check_count("window.N", 0);
}

static void without_an_agent_the_window_is_null(void **state)
{
	(void)state;
	shown_target.figures = NULL;
	json = report_target(&shown_target);
	check_null("window");
	check_count("requests.total", 155);
}

/* A millisecond's bucket is 983,040 to 1,015,808 ns: 0.999424 ms is its middle. */
static void latency_is_in_seconds(void **state)
{
	struct serin_hist *duration = &hists[SERIN_DURATION];

	(void)state;
	duration->bucket[serin_hist_bucket(1000000)] = 4;
	duration->sum = 4000000;
	duration->max = 1000001;
	json = report_target(&shown_target);
	check_count("latency_seconds.duration.count", 4);
	check_real("latency_seconds.duration.sum", 0.004);
	check_real("latency_seconds.duration.p50", 0.000999424);
	check_real("latency_seconds.duration.p90", 0.000999424);
	check_real("latency_seconds.duration.p99", 0.000999424);
	check_real("latency_seconds.duration.max", 0.001000001);
}

/* 100 values: 50 of a microsecond, 45 of a millisecond, 5 of a second. 2^29 * 29/16 to 2^29 * 30/16 is the second's. */
static void each_quantile_is_its_own(void **state)
{
	struct serin_hist *gap = &hists[SERIN_GAP];

	(void)state;
	gap->bucket[serin_hist_bucket(1024)] = 50;
	gap->bucket[serin_hist_bucket(1000000)] = 45;
	gap->bucket[serin_hist_bucket(SECOND)] = 5;
	json = report_target(&shown_target);
	check_real("latency_seconds.gap.p50", 1056e-9); /* 1024 to 1088 */
	check_real("latency_seconds.gap.p90", 999424e-9);
	check_real("latency_seconds.gap.p99", 536870912e-9 * 59 / 32);
}

static void latency_nobody_had_is_null(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_count("latency_seconds.duration.count", 0);
	check_null("latency_seconds.duration.p50");
	check_null("latency_seconds.duration.p99");
	check_null("latency_seconds.duration.max");
}

static void latency_is_shown_for_every_part_of_a_request(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_has("latency_seconds", "pickup", "first_byte", "first_chunk", "gap", "duration", "stream_duration");
}

/* Without the hook it is absent, not zero. */
static void pickup_is_null_where_the_kernel_cannot_tell(void **state)
{
	(void)state;
	snapshot.pickup_measured = false;
	json = report_target(&shown_target);
	check_null("latency_seconds.pickup");
}

static void pickup_is_shown_where_it_is_measured(void **state)
{
	(void)state;
	snapshot.pickup_measured = true;
	json = report_target(&shown_target);
	check_has("latency_seconds.pickup", "count", "p50", "max");
}

static void the_run_queue_stands_apart_from_requests(void **state)
{
	(void)state;
	hists[SERIN_RUN_QUEUE].bucket[serin_hist_bucket(1000000)] = 9;
	json = report_target(&shown_target);
	check_count("run_queue_seconds.count", 9);
	check_real("run_queue_seconds.p50", 0.000999424);
	check_real("run_queue_seconds.p99", 0.000999424);
	assert_null(json_object_get(at("latency_seconds"), "run_queue"));
}

static void a_target_shows_its_totals(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	check_real("cpu_seconds", 2.5);
	check_count("bytes.in", 1000);
	check_count("bytes.out", 2000);
	check_count("connections.opened", 40);
	check_count("connections.open", 9);
	check_count("retransmits", 3);
	check_count("exits.signal", 1);
	check_count("exits.error", 2);
	check_count("listen_drops", 9);
}

static void a_close_seen_before_its_open_leaves_no_negative_count(void **state)
{
	(void)state;
	snapshot.tally[T].closed = 41;
	json = report_target(&shown_target);
	check_count("connections.open", 0);
}

/* ---- a curve ---- */

/* Edges as documented: 16 buckets an octave, the first ends at 1,024 ns. */
static void a_curve_has_the_upper_edges_of_what_is_occupied(void **state)
{
	(void)state;
	hists[0].bucket[serin_hist_bucket(5)] = 3;
	hists[0].bucket[serin_hist_bucket(2048)] = 4; /* up to 2,048 + 128 */
	hists[0].bucket[serin_hist_bucket(2175)] += 1;
	json = report_curve(&hists[0]);
	assert_int_equal(json_array_size(at("le_seconds")), 2);
	assert_int_equal(json_array_size(at("count")), 2);
	check_real("le_seconds.0", 1.024e-6);
	check_real("le_seconds.1", 2.176e-6);
	check_count("count.0", 3);
	check_count("count.1", 5);
}

static void a_curve_of_nothing_is_empty(void **state)
{
	(void)state;
	json = report_curve(&hists[0]);
	assert_int_equal(json_array_size(at("le_seconds")), 0);
	assert_int_equal(json_array_size(at("count")), 0);
}

/* ---- a release ---- */

static void a_release_has_all_its_keys(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_has("", "name", "phase", "stable", "canary", "step", "steps", "set_weight", "plan", "manual", "since_seconds", "held_seconds",
		  "actual_weight", "evidence", "reason", "reason_code", "waiting", "waiting_for", "gates", "external",
		  "draining", "steering", "stable_listens", "canary_listens", "note");
}

static void a_release_shows_its_versions_phase_and_weight_in_percent(void **state)
{
	(void)state;
	rollout.weight = 525;
	json = report_release(&shown_release);
	check_string("name", "chat");
	check_string("stable", "v1");
	check_string("canary", "v2");
	check_string("phase", "Progressing");
	check_real("set_weight", 5.25);
	check_real("since_seconds", 10);
	check_bool("manual", false);
}

static void a_release_shows_its_step_of_its_plan(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_count("step", 2);
	check_count("steps", 3);
	assert_int_equal(json_array_size(at("plan")), 3);
	check_real("plan.1.weight", 5);
	check_real("plan.1.hold_seconds", 300);
	check_real("plan.2.weight", 100);
}

static void a_release_without_steps_has_none_to_show(void **state)
{
	(void)state;
	rollout = (struct serin_rollout){.phase = SERIN_IDLE};
	policy.n_steps = 0;
	json = report_release(&shown_release);
	check_null("step");
	check_null("steps");
	assert_int_equal(json_array_size(at("plan")), 0);
	check_null("since_seconds");
}

/* Begun 30 s before now, of which a pause has moved it on by 10. */
static void the_hold_of_a_step_is_shown_without_its_pauses(void **state)
{
	(void)state;
	rollout.since_ns = 70 * SECOND;
	rollout.hold_from_ns = 80 * SECOND;
	json = report_release(&shown_release);
	check_real("since_seconds", 30);
	check_real("held_seconds", 20);
}

static void a_pause_stops_the_hold(void **state)
{
	(void)state;
	rollout.phase = SERIN_PAUSED;
	rollout.paused_ns = 94 * SECOND;
	json = report_release(&shown_release);
	check_real("held_seconds", 4);
}

static void no_step_is_held_by_a_person_or_at_the_end(void **state)
{
	(void)state;
	rollout.manual = true;
	json = report_release(&shown_release);
	check_null("held_seconds");
	json_decref(json);
	rollout.manual = false;
	rollout.phase = SERIN_PROMOTED;
	json = report_release(&shown_release);
	check_null("held_seconds");
}

/* 5 of 100 connections, 20 of 80 requests. */
static void the_actual_weight_is_shown_by_connections_and_by_requests(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_real("actual_weight.connections", 5);
	check_real("actual_weight.requests", 25);
}

static void the_actual_weight_of_no_traffic_is_null(void **state)
{
	(void)state;
	seen.canary = seen.stable = (struct serin_figures){};
	json = report_release(&shown_release);
	check_null("actual_weight.connections");
	check_null("actual_weight.requests");
}

static void evidence_is_shown_beside_its_thresholds(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_real("evidence.error.e", 4);
	check_real("evidence.error.log_e", log(4));
	check_real("evidence.error.threshold", 200);
	check_real("evidence.error.log_threshold", log(200));
	check_real("evidence.error.excess", 0.02);
	check_real("evidence.latency.e", exp(-1));
	check_real("evidence.latency.threshold", 400);
	check_real("evidence.latency.excess", -0.01);
	check_real("evidence.margin", 0.01);
	check_bool("evidence.no_worse", false);
	check_count("evidence.blocks", 120);
	check_count("evidence.requests.stable", 1000);
	check_count("evidence.requests.canary", 50);
	check_bool("evidence.split_as_set", true);
}

static void overwhelming_evidence_is_a_number_still(void **state)
{
	(void)state;
	seen.evidence.log_error = 5000;
	seen.evidence.split_off = seen.evidence.no_worse = true;
	json = report_release(&shown_release);
	check_real("evidence.error.e", 1e300);
	check_real("evidence.error.log_e", 5000);
	check_bool("evidence.no_worse", true);
	check_bool("evidence.split_as_set", false);
}

static void evidence_that_is_not_there_is_null(void **state)
{
	(void)state;
	seen.evidence = (struct serin_judgement){};
	json = report_release(&shown_release);
	check_null("evidence");
}

static void a_release_says_why_it_is_where_it_is(void **state)
{
	(void)state;
	rollout.latest = (struct serin_decision){.reason = SERIN_REASON_GATE_P, .figure = 26.0 / 63, .bound = 0.95,
						 .canary = {.n = 63}};
	json = report_release(&shown_release);
	check_string("reason", "P 0.41 < 0.95 over 63 requests");
	check_string("reason_code", "gate_p");
}

static void a_release_nothing_was_decided_about_has_no_reason(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_string("reason", "");
	check_string("reason_code", "none");
}

static void a_release_says_what_it_waits_for(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_string("waiting", "hold");
	check_string("waiting_for", "step 2 of 3: 10 s of 300 s");
}

static void a_release_that_waits_for_nothing_says_so(void **state)
{
	(void)state;
	rollout.waiting = SERIN_WAITING_NOT;
	json = report_release(&shown_release);
	check_string("waiting", "none");
	check_null("waiting_for");
}

static void gates_that_are_off_are_null(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_real("gates.P_min", 0.95);
	check_null("gates.R_max");
	check_real("gates.D_max", 5);
	check_null("gates.cpu_ratio_max");
	check_count("gates.min_requests", 50);
}

static void gates_on_figures_from_outside_show_the_newest(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	assert_int_equal(json_array_size(at("gates.external")), 2);
	check_string("gates.external.0.name", "accuracy");
	check_real("gates.external.0.min", 0.9);
	check_null("gates.external.0.max");
	check_real("gates.external.0.value", 0.93);
	check_real("gates.external.0.age_seconds", 3);
	check_string("gates.external.1.name", "click_rate");
	check_null("gates.external.1.min");
	check_real("gates.external.1.max", 0.5);
	check_null("gates.external.1.value");
	check_null("gates.external.1.age_seconds");
}

static void figures_from_outside_are_shown_whether_they_gate_or_not(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	assert_int_equal(json_array_size(at("external")), 2);
	check_string("external.1.version", "v2");
	check_string("external.1.name", "regret");
	check_real("external.1.value", 7);
	check_real("external.1.age_seconds", 80);
}

static void a_release_shows_what_is_taken_from_its_canary(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_count("draining.connections", 1);
	check_count("draining.in_flight", 2);
	check_count("draining.ended", 3);
	check_count("draining.reset", 4);
	check_count("draining.aged", 5);
	check_count("draining.unreachable", 6);
}

static void a_release_shows_where_connections_went(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_count("steering.stable", 950);
	check_count("steering.canary", 50);
	check_count("steering.absent", 2);
	check_count("steering.expired", 1);
	check_count("steering.ruled_stable", 7);
	check_count("steering.ruled_canary", 8);
}

static void a_release_says_who_listens(void **state)
{
	(void)state;
	seen.canary_listens = false;
	shown_release.note = "canary does not listen";
	json = report_release(&shown_release);
	check_bool("stable_listens", true);
	check_bool("canary_listens", false);
	check_string("note", "canary does not listen");
}

static void a_release_that_steers_needs_no_note(void **state)
{
	(void)state;
	json = report_release(&shown_release);
	check_bool("canary_listens", true);
	check_null("note");
}

/* ---- losses and decisions ---- */

static void every_loss_is_shown_under_its_name(void **state)
{
	uint64_t losses[SERIN_LOSSES];

	(void)state;
	for (unsigned i = 0; i < SERIN_LOSSES; i++)
		losses[i] = 10 + i;
	json = report_losses(losses);
	assert_int_equal(json_object_size(json), SERIN_LOSSES);
	for (unsigned i = 0; i < SERIN_LOSSES; i++)
		check_count(serin_loss_name(i), 10 + i);
}

#define AT 1769860800.1234 /* 2026-01-31 12:00 UTC and a little */

static void a_decision_shows_its_change_and_when(void **state)
{
	(void)state;
	decision.step = 2, decision.manual = true;
	json = report_decision("chat", "v1", "v2", &decision, AT);
	check_string("release", "chat");
	check_string("stable", "v1");
	check_string("canary", "v2");
	check_string("at", "2026-01-31T12:00:00.123Z");
	assert_true(json_number_value(at("at_unix")) == AT);
	check_string("from", "Progressing");
	check_string("phase", "RolledBack");
	check_real("weight_from", 5);
	check_real("set_weight", 0);
	check_count("step", 2);
	check_count("steps", 3);
	check_bool("manual", true);
}

static void a_decision_shows_why(void **state)
{
	(void)state;
	decision.hung = true;
	json = report_decision("chat", "v1", "v2", &decision, AT);
	check_string("reason", "R 1.50 > 1.2 over 63 requests; most failures are time-outs");
	check_string("reason_code", "gate_r");
	check_bool("hung", true);
	check_string("gate", "R");
	check_real("figure", 1.5);
	check_real("bound", 1.2);
	check_null("lacked");
	check_null("step");
}

static void a_decision_shows_the_figures_behind_it(void **state)
{
	(void)state;
	json = report_decision("chat", "v1", "v2", &decision, AT);
	check_real("P", 0.5);
	check_real("R", 1.5);
	check_null("D");
	check_count("N", 63);
	check_real("figures.stable.P", 0.999);
	check_count("figures.stable.N", 1000);
	check_count("figures.stable.T1", 3);
	check_real("figures.canary.P", 0.5);
	check_null("figures.canary.D");
	check_null("figures.canary.cpu_seconds_per_request");
	check_count("figures.canary.T1", 60);
	check_real("evidence.error.e", 4);
}

static void a_decision_that_no_gate_made_names_none(void **state)
{
	(void)state;
	decision = (struct serin_decision){.from = SERIN_IDLE, .to = SERIN_PROGRESSING, .weight_to = 500,
					   .reason = SERIN_REASON_WEIGHT};
	json = report_decision("chat", "v1", "v2", &decision, AT);
	check_null("gate");
	check_null("figure");
	check_null("bound");
	check_null("steps");
	check_null("evidence");
}

static void an_inconclusive_decision_shows_what_it_lacked(void **state)
{
	(void)state;
	decision.reason = SERIN_REASON_INCONCLUSIVE;
	decision.lacked = SERIN_WAITING_EXTERNAL;
	decision.figure = decision.bound = NAN;
	strcpy(decision.gate, "accuracy");
	json = report_decision("chat", "v1", "v2", &decision, AT);
	check_string("lacked", "external");
	check_string("gate", "accuracy");
	check_null("figure");
	check_null("bound");
}

#define reporting(test) cmocka_unit_test_setup_teardown(test, known, put_back)

/* ---- containers ---- */

static void in_two_containers(struct serin_containers *containers)
{
	containers->n = 2;
	containers->all[0] = (struct serin_container){.runtime = "containerd", .pod_uid = "u-1", .namespace = "shop", .pod = "chat-1",
						      .container = "vllm"};
	snprintf(containers->all[0].id, sizeof(containers->all[0].id), "0123456789ab%052x", 0xabc);
	snprintf(containers->all[1].id, sizeof(containers->all[1].id), "%064x", 0xdef);
}

static void check_container(const char *path, unsigned number, const char *key, const char *expected)
{
	char whole[64];

	snprintf(whole, sizeof(whole), "%s.%u.%s", path, number, key);
	if (expected)
		check_string(whole, expected);
	else
		check_null(whole);
}

static void check_two_containers(const char *path)
{
	assert_int_equal(json_array_size(at(path)), 2);
	check_container(path, 0, "runtime", "containerd");
	check_container(path, 0, "id", "0123456789ab");
	check_container(path, 0, "pod_uid", "u-1");
	check_container(path, 0, "namespace", "shop");
	check_container(path, 0, "pod", "chat-1");
	check_container(path, 0, "container", "vllm");
	check_container(path, 1, "runtime", NULL);
	check_container(path, 1, "id", "000000000000");
	check_container(path, 1, "pod_uid", NULL);
	check_container(path, 1, "namespace", NULL);
	check_container(path, 1, "pod", NULL);
	check_container(path, 1, "container", NULL);
}

static void containers_of_a_target(void **state)
{
	(void)state;
	json = report_target(&shown_target);
	assert_int_equal(json_array_size(at("containers")), 0);
	json_decref(json);
	in_two_containers(&target.containers);
	json = report_target(&shown_target);
	check_two_containers("containers");
}

static void containers_of_a_release(void **state)
{
	struct serin_containers containers = {};

	(void)state;
	in_two_containers(&containers);
	shown_release.canary_containers = &containers;
	json = report_release(&shown_release);
	check_two_containers("containers.canary");
	assert_true(json_is_array(at("containers.stable")));
	assert_int_equal(json_array_size(at("containers.stable")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		reporting(a_known_value_is_a_number),
		reporting(a_known_zero_is_zero),
		reporting(an_absent_value_is_null),
		reporting(what_json_has_no_number_for_is_null),
		cmocka_unit_test(a_share_is_in_percent_of_both),
		cmocka_unit_test(a_share_of_nothing_is_absent),
		reporting(a_running_agent_shows_its_pid_version_uptime_and_kernel),
		reporting(without_an_agent_there_is_no_pid_and_no_uptime),
		reporting(a_target_has_all_its_keys),
		reporting(a_target_says_who_it_is),
		reporting(a_target_shows_its_processes),
		reporting(of_many_processes_those_that_are_kept_are_shown),
		reporting(a_target_shows_where_it_listens),
		reporting(a_target_that_is_awaited_has_empty_lists),
		reporting(each_outcome_is_shown_under_its_name),
		reporting(total_is_the_outcomes_and_what_is_in_flight),
		reporting(an_outcome_seen_before_its_start_does_not_break_the_sum),
		reporting(a_window_shows_the_three_figures_and_what_they_are_made_of),
		reporting(a_window_shows_each_kind_of_anomaly),
		reporting(each_resource_shows_current_max_and_ratio),
		reporting(what_a_window_does_not_know_is_null),
		reporting(without_an_agent_the_window_is_null),
		reporting(latency_is_in_seconds),
		reporting(each_quantile_is_its_own),
		reporting(latency_nobody_had_is_null),
		reporting(latency_is_shown_for_every_part_of_a_request),
		reporting(pickup_is_null_where_the_kernel_cannot_tell),
		reporting(pickup_is_shown_where_it_is_measured),
		reporting(the_run_queue_stands_apart_from_requests),
		reporting(a_target_shows_its_totals),
		reporting(a_close_seen_before_its_open_leaves_no_negative_count),
		reporting(a_curve_has_the_upper_edges_of_what_is_occupied),
		reporting(a_curve_of_nothing_is_empty),
		reporting(a_release_has_all_its_keys),
		reporting(a_release_shows_its_versions_phase_and_weight_in_percent),
		reporting(a_release_shows_its_step_of_its_plan),
		reporting(a_release_without_steps_has_none_to_show),
		reporting(the_hold_of_a_step_is_shown_without_its_pauses),
		reporting(a_pause_stops_the_hold),
		reporting(no_step_is_held_by_a_person_or_at_the_end),
		reporting(the_actual_weight_is_shown_by_connections_and_by_requests),
		reporting(the_actual_weight_of_no_traffic_is_null),
		reporting(evidence_is_shown_beside_its_thresholds),
		reporting(overwhelming_evidence_is_a_number_still),
		reporting(evidence_that_is_not_there_is_null),
		reporting(a_release_says_why_it_is_where_it_is),
		reporting(a_release_nothing_was_decided_about_has_no_reason),
		reporting(a_release_says_what_it_waits_for),
		reporting(a_release_that_waits_for_nothing_says_so),
		reporting(gates_that_are_off_are_null),
		reporting(gates_on_figures_from_outside_show_the_newest),
		reporting(figures_from_outside_are_shown_whether_they_gate_or_not),
		reporting(a_release_shows_what_is_taken_from_its_canary),
		reporting(a_release_shows_where_connections_went),
		reporting(a_release_says_who_listens),
		reporting(a_release_that_steers_needs_no_note),
		reporting(containers_of_a_target),
		reporting(containers_of_a_release),
		reporting(every_loss_is_shown_under_its_name),
		reporting(a_decision_shows_its_change_and_when),
		reporting(a_decision_shows_why),
		reporting(a_decision_shows_the_figures_behind_it),
		reporting(a_decision_that_no_gate_made_names_none),
		reporting(an_inconclusive_decision_shows_what_it_lacked),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
