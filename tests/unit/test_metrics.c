/* Links: user/metrics.c user/exposition.c user/figures.c user/hist.c user/names.c user/rollout.c user/rollout_words.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The text of GET /metrics, and that docs/metrics.md has the same metrics, types and labels. */
#include "check.h"

#include "metrics.h"
#include "util.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define MS 1000000ULL
#define DOCS "docs/metrics.md" /* tests are run at the top of the repository */
#define NAMES_MAX 256

static struct serin_target targets[SERIN_TARGETS_MAX];
static struct serin_snapshot snapshot;
static struct serin_figures figures;
static struct serin_rollout rollout;
static struct serin_policy policy;
static struct serin_observation seen;
static struct serin_external sent[2];
static uint64_t steered[SERIN_STEERED_KINDS], decisions[SERIN_REASONS];
static struct metrics metrics;
static char *text; /* what the test wrote */
static size_t length;

/* ---- a model with everything known ---- */

static void make_version(unsigned i, const char *version, enum serin_role role)
{
	static const uint64_t outcomes[SERIN_OUTCOMES] = {100, 20, 3, 4, 5, 6, 7, 8}; /* 153 */
	struct serin_tally *t = &snapshot.tally[i];

	targets[i] = (struct serin_target){.model = "chat", .role = role, .n_pids = 2, .n_listeners = 1};
	strcpy(targets[i].version, version);
	memcpy(t->outcome, outcomes, sizeof(outcomes));
	t->started = 155, t->slow = 9, t->bytes_in = 1000, t->bytes_out = 2000, t->retransmits = 3;
	t->retransmitted_bytes = 4321, t->opened = 40, t->closed = 31, t->cpu_ns = 2500000001, t->exits_signal = 1;
	t->exits_error = 2, t->protocol[SERIN_HTTP1] = 38, t->cut_short = 1, t->unended = 2;
	t->unknown_client_abort = 3, t->unknown_server_abort = 4;
	snapshot.listen_drops[i] = 11;
	snapshot.memory_bytes[i] = 1 << 20;
	snapshot.memory_known[i] = true;
	metrics.versions[i] = (struct metrics_version){.target = &targets[i], .release = "chat", .index = i, .figures = &figures};
}

static int known(void **state)
{
	(void)state;
	memset(&snapshot, 0, sizeof(snapshot));
	memset(&metrics, 0, sizeof(metrics));
	snapshot.pickup_measured = true;
	snapshot.losses[SERIN_LOSS_GAP] = 2;
	make_version(0, "v1", SERIN_ROLE_STABLE);
	make_version(1, "v2", SERIN_ROLE_CANARY);
	targets[1].containers.n = 1;
	targets[1].containers.all[0] = (struct serin_container){
		.id = "0123456789abcdef", .namespace = "shop", .pod = "chat-1", .container = "vllm"};
	figures = (struct serin_figures){.seconds = 10, .n = 200, .s = 150, .p = serin_known(0.75), .d = serin_known(2.5),
					 .cpu_seconds_per_request = serin_known(0.001), .cpu_ratio = serin_known(1.5),
					 .service_connections = 5, .service_requests = 20};
	for (unsigned i = 0; i < SERIN_RESOURCES; i++)
		figures.resource[i].ratio = serin_known((i + 1) / 4.0);
	rollout = (struct serin_rollout){.phase = SERIN_PROGRESSING, .weight = 500, .step = 2, .waiting = SERIN_WAITING_HOLD,
					   .latest = {.reason = SERIN_REASON_STARTED}};
	policy = (struct serin_policy){
		.steps = {{100, 60 * SECOND}, {500, 300 * SECOND}, {10000, 0}}, .n_steps = 3,
		.gates = {serin_known(0.95), serin_known(1.2), serin_known(5), serin_known(2), 50},
		.external = {{.name = "accuracy", .min = serin_known(0.9), .max = serin_known(1)}}, .n_external = 1,
	};
	sent[0] = (struct serin_external){"accuracy", 0.93, 97 * SECOND};
	sent[1] = (struct serin_external){"regret", -7, 20 * SECOND};
	seen = (struct serin_observation){
		.now_ns = 100 * SECOND, .stable = {.service_connections = 95, .service_requests = 60}, .canary = figures,
		.evidence = {.known = true, .log_error = log(4), .log_latency = -1, .log_error_bound = log(200),
			     .log_latency_bound = log(400), .excess_error = 0.02, .excess_latency = -0.01, .margin = 0.01,
			     .blocks = 120, .requests = {1000, 50}},
		.external = sent, .n_external = 2,
	};
	memcpy(steered, (uint64_t[SERIN_STEERED_KINDS]){950, 50, 2, 1, 7, 8}, sizeof(steered));
	memset(decisions, 0, sizeof(decisions));
	decisions[SERIN_REASON_STARTED] = 1;
	metrics.now = &snapshot;
	metrics.n_versions = 2;
	metrics.n_releases = 1;
	metrics.releases[0] = (struct metrics_release){
		.shown = {.name = "chat", .stable = "v1", .canary = "v2", .rollout = &rollout, .policy = &policy, .seen = &seen,
			  .steered = steered, .draining = {1, 2, 3, 4, 5, 6}},
		.decisions = decisions, .decided_unix = 1769860800.125, .steered = true};
	metrics.process = (struct metrics_process){serin_known(1.25), serin_known(1e7), serin_known(1e8), serin_known(60),
						   serin_known(1024), serin_known(1769860000)};
	metrics.programs[0] = (struct metrics_program){"serin_ingress", 1500000000, 7};
	metrics.n_programs = 1;
	strcpy(metrics.kernel, "6.1.0-44-amd64");
	metrics.store_trouble = true;
	text = NULL;
	return 0;
}

static int forget(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static void write_as(enum exposition_format format)
{
	char *more;

	free(text);
	text = NULL;
	assert_int_equal(metrics_write(&metrics, format, &text, &length), 0);
	more = realloc(text, length + 1); /* it ends without a NUL */
	assert_non_null(more);
	text = more;
	text[length] = '\0';
	assert_int_equal(strlen(text), length);
}

/* A whole line of the text? */
static bool has(const char *line)
{
	size_t n = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[n] == '\n')
			return true;
	return false;
}

#define check_line(line)                                                                                   \
	do {                                                                                               \
		if (!has(line))                                                                            \
			fail_msg("there is no line '%s' in\n%s", line, text);                              \
	} while (0)

static bool mentions(const char *word)
{
	return strstr(text, word);
}

/* ---- the text, line by line ---- */

struct sample {
	char name[96];
	char labels[256]; /* as they stand between the braces */
	char value[64];
};

static bool is_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_')
			return false;
	return *name && !isdigit((unsigned char)*name);
}

/* The next line in *at, which is moved behind it; false at the end. */
static bool next_line(const char **at, char line[512])
{
	size_t n = strcspn(*at, "\n");

	if (!**at)
		return false;
	assert_true(n > 0 && n < 512);
	assert_int_equal((*at)[n], '\n');
	memcpy(line, *at, n);
	line[n] = '\0';
	*at += n + 1;
	return true;
}

/* Reads a sample as the formats have it, and fails where it is not. */
static struct sample parse(const char *line)
{
	struct sample s = {};
	const char *brace = strchr(line, '{'), *space = strrchr(line, ' ');
	char *end;

	assert_non_null(space);
	snprintf(s.name, sizeof(s.name), "%.*s", (int)((brace ? brace : space) - line), line);
	if (!is_name(s.name))
		fail_msg("'%s' has no name", line);
	if (brace) {
		assert_int_equal(space[-1], '}');
		snprintf(s.labels, sizeof(s.labels), "%.*s", (int)(space - 2 - brace), brace + 1);
	}
	snprintf(s.value, sizeof(s.value), "%s", space + 1);
	if (!isfinite(strtod(s.value, &end)) || *end)
		fail_msg("'%s' has no finite value", line);
	return s;
}

/* The family of a sample: without what its type adds to the name. */
static void family_of(const char *name, char ret_family[96])
{
	static const char *const suffixes[] = {"_bucket", "_sum", "_count", "_total", "_info"};

	snprintf(ret_family, 96, "%s", name);
	for (unsigned i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t n = strlen(name), m = strlen(suffixes[i]);

		if (n > m && !strcmp(name + n - m, suffixes[i]))
			ret_family[n - m] = '\0';
	}
}

/* Each family has its head once, before its samples, and they stand together. */
static void check_families(bool open)
{
	char line[512], heads[NAMES_MAX][96], family[96], current[96] = "";
	const char *at = text;
	unsigned n = 0;

	while (next_line(&at, line)) {
		if (!strcmp(line, "# EOF")) {
			assert_true(open && !*at);
			continue;
		}
		if (!strncmp(line, "# HELP ", 7)) {
			assert_int_equal(sscanf(line, "# HELP %95s", current), 1);
			for (unsigned i = 0; i < n; i++)
				assert_string_not_equal(heads[i], current);
			assert_true(n < NAMES_MAX);
			strcpy(heads[n++], current);
		} else if (*line == '#') {
			assert_int_equal(sscanf(line, "# %*s %95s", family), 1);
			assert_string_equal(family, current);
		} else {
			family_of(parse(line).name, family);
			if (open)
				assert_string_equal(family, current);
			else
				assert_int_equal(strncmp(family, current, strlen(family)), 0);
		}
	}
	assert_true(n > 60);
}

static void samples_stand_together_below_their_head(void **state)
{
	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	check_families(true);
	write_as(EXPOSITION_TEXT);
	check_families(false);
}

static void openmetrics_has_types_units_and_an_end(void **state)
{
	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	check_line("# TYPE serin_requests counter");
	check_line("# TYPE serin_build info");
	check_line("# TYPE http_server_request_duration_seconds histogram");
	check_line("# UNIT http_server_request_duration_seconds seconds");
	check_line("# UNIT serin_cpu_seconds seconds");
	check_line("# TYPE serin_success_ratio gauge");
	assert_string_equal(text + length - 6, "# EOF\n");
}

/* Units are what names end in, but for a family's own suffix. */
static void a_name_that_ends_in_a_unit_says_it(void **state)
{
	static const char *const units[] = {"seconds", "bytes", "ratio"};
	char line[512], family[96], type[32], unit[160];
	const char *at;

	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	for (at = text; next_line(&at, line);)
		for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
			size_t n = strlen(units[i]);

			if (sscanf(line, "# TYPE %95s %31s", family, type) != 2 || strlen(family) <= n ||
			    strcmp(family + strlen(family) - n, units[i]))
				continue;
			snprintf(unit, sizeof(unit), "# UNIT %s %s", family, units[i]);
			check_line(unit);
		}
}

static void the_older_format_names_families_as_samples(void **state)
{
	(void)state;
	write_as(EXPOSITION_TEXT);
	check_line("# TYPE serin_requests_total counter");
	check_line("# TYPE serin_build_info gauge");
	check_line("# TYPE http_server_request_duration_seconds histogram");
	assert_false(mentions("# UNIT"));
	assert_false(mentions("# EOF"));
}

/* Without the lines that begin with '#'. */
static char *samples_alone(enum exposition_format format)
{
	char line[512], *all;
	const char *at;
	size_t n = 0;

	write_as(format);
	all = calloc(1, length + 1);
	assert_non_null(all);
	for (at = text; next_line(&at, line);)
		if (*line != '#')
			n += (size_t)sprintf(all + n, "%s\n", line);
	return all;
}

static void both_formats_have_the_same_samples(void **state)
{
	_cleanup_free_ char *open = samples_alone(EXPOSITION_OPENMETRICS), *old = samples_alone(EXPOSITION_TEXT);

	(void)state;
	assert_string_equal(open, old);
}

static void no_sample_is_there_twice(void **state)
{
	_cleanup_free_ char *seen_keys = NULL;
	char line[512], key[400];
	const char *at;
	size_t n = 1;

	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	seen_keys = calloc(1, 2 * length + 2);
	assert_non_null(seen_keys);
	seen_keys[0] = '\n';
	for (at = text; next_line(&at, line);) {
		struct sample s;

		if (*line == '#')
			continue;
		s = parse(line);
		snprintf(key, sizeof(key), "\n%s{%s}\n", s.name, s.labels);
		if (strstr(seen_keys, key))
			fail_msg("twice: %s", key);
		n += (size_t)sprintf(seen_keys + n, "%s", key + 1);
	}
}

/* ---- values ---- */

static void a_version_shows_its_counts(void **state)
{
	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	check_line("serin_model_info{model=\"chat\",version=\"v2\",role=\"canary\",release=\"chat\"} 1");
	check_line("serin_target_info{model=\"chat\",version=\"v2\",namespace=\"shop\",pod=\"chat-1\",container=\"vllm\","
		   "container_id=\"0123456789ab\"} 1");
	assert_false(mentions("serin_target_info{model=\"chat\",version=\"v1\""));
	check_line("serin_requests_total{model=\"chat\",version=\"v1\",outcome=\"success\"} 100");
	check_line("serin_requests_total{model=\"chat\",version=\"v1\",outcome=\"unknown\"} 8");
	check_line("serin_requests_in_flight{model=\"chat\",version=\"v1\"} 2");
	check_line("serin_slow_requests_total{model=\"chat\",version=\"v1\"} 9");
	check_line("serin_cpu_seconds_total{model=\"chat\",version=\"v1\"} 2.500000001");
	check_line("serin_memory_bytes{model=\"chat\",version=\"v1\"} 1048576");
	check_line("serin_network_bytes_total{model=\"chat\",version=\"v1\",direction=\"in\"} 1000");
	check_line("serin_connections_open{model=\"chat\",version=\"v1\"} 9");
	check_line("serin_protocol_connections_total{model=\"chat\",version=\"v1\",protocol=\"http1\"} 38");
	check_line("serin_exits_total{model=\"chat\",version=\"v1\",cause=\"error\"} 2");
	check_line("serin_listen_drops_total{model=\"chat\",version=\"v1\"} 11");
	check_line("serin_retransmitted_bytes_total{model=\"chat\",version=\"v1\"} 4321");
}

static void a_version_shows_its_figures(void **state)
{
	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	check_line("serin_window_seconds{model=\"chat\",version=\"v2\"} 10");
	check_line("serin_window_requests{model=\"chat\",version=\"v2\"} 200");
	check_line("serin_success_ratio{model=\"chat\",version=\"v2\"} 0.75");
	check_line("serin_resource_ratio{model=\"chat\",version=\"v2\",resource=\"memory\"} 0.5");
	check_line("serin_anomaly_index{model=\"chat\",version=\"v2\"} 2.5");
	check_line("serin_cpu_per_request_seconds{model=\"chat\",version=\"v2\"} 0.001");
	check_line("serin_cpu_per_request_ratio{model=\"chat\",version=\"v2\"} 1.5");
}

static void a_release_shows_where_it_is(void **state)
{
	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	check_line("serin_release_info{release=\"chat\",stable=\"v1\",canary=\"v2\"} 1");
	check_line("serin_release_phase{release=\"chat\",phase=\"Progressing\"} 1");
	check_line("serin_release_phase{release=\"chat\",phase=\"RolledBack\"} 0");
	check_line("serin_release_waiting{release=\"chat\",waiting=\"hold\"} 1");
	check_line("serin_release_waiting{release=\"chat\",waiting=\"none\"} 0");
	check_line("serin_release_step{release=\"chat\"} 2");
	check_line("serin_release_steps{release=\"chat\"} 3");
	check_line("serin_release_steered{release=\"chat\"} 1");
	check_line("serin_release_decided_timestamp_seconds{release=\"chat\",reason=\"started\"} 1769860800.125");
	check_line("serin_weight_ratio{release=\"chat\",kind=\"set\"} 0.05");
	check_line("serin_weight_ratio{release=\"chat\",kind=\"connections\"} 0.05");
	check_line("serin_weight_ratio{release=\"chat\",kind=\"requests\"} 0.25");
	check_line("serin_decisions_total{release=\"chat\",reason=\"started\"} 1");
	check_line("serin_decisions_total{release=\"chat\",reason=\"gate_p\"} 0");
	check_line("serin_steering_decisions_total{release=\"chat\",decision=\"ruled_canary\"} 8");
	check_line("serin_drained_connections_total{release=\"chat\",how=\"ended\"} 3");
}

static void a_release_shows_its_evidence_and_gates(void **state)
{
	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	check_line("serin_evidence{release=\"chat\",test=\"error\"} 4");
	check_line("serin_evidence_threshold{release=\"chat\",test=\"error\"} 200");
	check_line("serin_evidence_threshold{release=\"chat\",test=\"latency\"} 400");
	check_line("serin_evidence_excess_ratio{release=\"chat\",test=\"latency\"} -0.01");
	check_line("serin_evidence_blocks{release=\"chat\"} 120");
	check_line("serin_evidence_requests{release=\"chat\",role=\"canary\"} 50");
	check_line("serin_evidence_no_worse{release=\"chat\"} 0");
	check_line("serin_evidence_split_as_set{release=\"chat\"} 1");
	check_line("serin_gate_bound{release=\"chat\",gate=\"P_min\"} 0.95");
	check_line("serin_external_bound{release=\"chat\",name=\"accuracy\",bound=\"min\"} 0.9");
	check_line("serin_external_figure{release=\"chat\",name=\"regret\"} -7");
	check_line("serin_external_age_seconds{release=\"chat\",name=\"accuracy\"} 3");
}

static void the_agent_shows_itself(void **state)
{
	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	assert_true(mentions("serin_build_info{version=\""));
	assert_true(mentions(",kernel=\"6.1.0-44-amd64\"} 1\n"));
	check_line("serin_losses_total{kind=\"gap\"} 2");
	check_line("serin_losses_total{kind=\"store\"} 0");
	check_line("serin_store_trouble 1");
	check_line("serin_bpf_run_seconds_total{program=\"serin_ingress\"} 1.500000000");
	check_line("serin_bpf_runs_total{program=\"serin_ingress\"} 7");
	check_line("process_cpu_seconds_total 1.25");
	check_line("process_resident_memory_bytes 10000000");
	check_line("process_start_time_seconds 1769860000");
}

/* ---- what is not known ---- */

static void what_is_not_known_is_absent(void **state)
{
	static const char *const absent[] = {
		"serin_success_ratio", "serin_resource_ratio", "serin_anomaly_index", "serin_cpu_per_request_seconds",
		"serin_window_seconds", "serin_window_requests", "serin_pickup_seconds", "serin_memory_bytes",
		"serin_cpu_seconds", "serin_evidence", "serin_release_step", "serin_release_decided", "serin_gate_bound",
		"serin_external_figure", "kind=\"connections\"", "kind=\"requests\"", "serin_bpf_run", "process_open_fds",
	};
	char line[512];
	const char *at;

	(void)state;
	figures = (struct serin_figures){.p = {.v = 7}, .cpu_ratio = serin_known(NAN)};
	seen = (struct serin_observation){};
	rollout.step = 0;
	policy = (struct serin_policy){};
	snapshot.pickup_measured = false;
	for (unsigned i = 0; i < 2; i++) {
		snapshot.memory_known[i] = false;
		snapshot.tally[i].cpu_ns = 0;
		targets[i].n_pids = 0;
	}
	metrics.releases[0].decided_unix = 0;
	metrics.process = (struct metrics_process){};
	metrics.n_programs = 0;
	write_as(EXPOSITION_OPENMETRICS);
	for (unsigned i = 0; i < ARRAY_SIZE(absent); i++)
		if (mentions(absent[i]))
			fail_msg("there is %s in\n%s", absent[i], text);
	for (at = text; next_line(&at, line);)
		if (*line != '#')
			parse(line); /* what is there is finite */
	check_line("serin_weight_ratio{release=\"chat\",kind=\"set\"} 0.05");
	check_line("serin_processes{model=\"chat\",version=\"v1\"} 0");
}

static void a_container_shows_what_is_known_of_it(void **state)
{
	(void)state;
	targets[1].containers.n = 2;
	targets[1].containers.all[1] = (struct serin_container){.id = "fedcba9876543210", .pod_uid = "u-1"};
	write_as(EXPOSITION_OPENMETRICS);
	check_line("serin_target_info{model=\"chat\",version=\"v2\",container_id=\"fedcba987654\"} 1");
	assert_true(mentions("pod=\"chat-1\""));
}

static void a_version_of_no_release_names_none(void **state)
{
	(void)state;
	metrics.n_releases = 0;
	metrics.n_versions = 1;
	metrics.versions[0].release = NULL;
	targets[0].role = SERIN_ROLE_NONE;
	write_as(EXPOSITION_OPENMETRICS);
	check_line("serin_model_info{model=\"chat\",version=\"v1\",role=\"none\"} 1");
	assert_false(mentions("serin_release"));
}

static void without_versions_there_is_the_agent_alone(void **state)
{
	(void)state;
	metrics.n_versions = metrics.n_releases = 0;
	write_as(EXPOSITION_OPENMETRICS);
	assert_int_equal(strncmp(text, "# HELP serin_build ", 19), 0);
}

static void evidence_is_a_finite_number_above_zero(void **state)
{
	(void)state;
	seen.evidence.log_error = 5000;
	seen.evidence.log_latency = -5000;
	seen.evidence.log_error_bound = NAN;
	write_as(EXPOSITION_OPENMETRICS);
	check_line("serin_evidence{release=\"chat\",test=\"error\"} 1e+300");
	check_line("serin_evidence{release=\"chat\",test=\"latency\"} 1e-300");
	assert_false(mentions("serin_evidence_threshold{release=\"chat\",test=\"error\"}"));
}

/* ---- histograms ---- */

static void fill(struct serin_hist *hist, uint64_t ns, uint64_t n)
{
	hist->bucket[serin_hist_bucket(ns)] += n;
	hist->sum += ns * n;
}

/* Of the line that begins so, the number behind it. */
static uint64_t number_after(const char *start)
{
	const char *at = strstr(text, start);

	if (!at)
		fail_msg("there is no '%s'", start);
	return strtoull(at + strlen(start), NULL, 10);
}

static void a_histogram_has_what_was_not_above_each_edge(void **state)
{
	struct serin_hist hist = {};

	(void)state;
	fill(&hist, 50000, 1);		   /* 50 us */
	fill(&hist, 3 * MS, 2);
	fill(&hist, 900 * MS, 4);
	fill(&hist, 8000 * SECOND, 8); /* above every edge */
	metrics_fold(&hist, SERIN_DURATION, &metrics.versions[0].hists[SERIN_DURATION]);
	write_as(EXPOSITION_OPENMETRICS);
#define BUCKET "http_server_request_duration_seconds_bucket{service_name=\"chat\",service_version=\"v1\",le="
	check_line(BUCKET "\"0.0001\"} 1");
	check_line(BUCKET "\"0.001\"} 1");
	check_line(BUCKET "\"0.005\"} 3");
	check_line(BUCKET "\"0.8\"} 3");
	check_line(BUCKET "\"1.0\"} 7");
	check_line(BUCKET "\"7680.0\"} 7");
	check_line(BUCKET "\"+Inf\"} 15");
	check_line("http_server_request_duration_seconds_count{service_name=\"chat\",service_version=\"v1\"} 15");
	check_line("http_server_request_duration_seconds_sum{service_name=\"chat\",service_version=\"v1\"} 64003.606050000");
	assert_int_equal(number_after("http_server_request_duration_seconds_count{service_name=\"chat\",service_version=\"v2\"} "),
			 0);
}

static void waits_have_edges_of_microseconds(void **state)
{
	struct serin_hist hist = {};

	(void)state;
	fill(&hist, 9000, 1);
	fill(&hist, 20000, 2);
	metrics_fold(&hist, SERIN_RUN_QUEUE, &metrics.versions[0].hists[SERIN_RUN_QUEUE]);
	write_as(EXPOSITION_OPENMETRICS);
	check_line("serin_run_queue_seconds_bucket{model=\"chat\",version=\"v1\",le=\"1e-05\"} 1");
	check_line("serin_run_queue_seconds_bucket{model=\"chat\",version=\"v1\",le=\"2.5e-05\"} 3");
	check_line("serin_run_queue_seconds_bucket{model=\"chat\",version=\"v1\",le=\"+Inf\"} 3");
}

/* Of the n-th edge of a family, as it stands in the text; false beyond the last. */
static bool edge_of(const char *prefix, unsigned n, double *ret_seconds)
{
	const char *at = text;

	for (unsigned i = 0; i <= n; i++, at++) {
		at = strstr(at, prefix);
		if (!at)
			return false;
	}
	*ret_seconds = strtod(at - 1 + strlen(prefix), NULL);
	return true;
}

/* For every edge: what is clearly below is in, what is clearly above is not, and the text says the edge that is meant. */
static void check_resolution(enum serin_latency kind, const char *prefix)
{
	double edge, before = 0;
	unsigned n;

	write_as(EXPOSITION_OPENMETRICS);
	for (n = 0; edge_of(prefix, n, &edge) && isfinite(edge); n++) {
		struct serin_hist below = {}, above = {};
		struct metrics_hist folded;

		assert_true(edge > before);
		before = edge;
		fill(&below, (uint64_t)(edge * 1e9 * (1 - 0.03125)) - 1, 1);
		fill(&above, (uint64_t)(edge * 1e9 * (1 + 0.03125)) + 2, 1);
		metrics_fold(&below, kind, &folded);
		assert_int_equal(folded.at_most[n], 1);
		metrics_fold(&above, kind, &folded);
		assert_int_equal(folded.at_most[n], 0);
		assert_int_equal(folded.count, 1);
	}
	assert_true(n > 20);
}

static void an_edge_is_at_most_one_thirtysecond_off(void **state)
{
	(void)state;
	check_resolution(SERIN_DURATION, BUCKET "\"");
	check_resolution(SERIN_RUN_QUEUE, "serin_run_queue_seconds_bucket{model=\"chat\",version=\"v1\",le=\"");
}

static void buckets_never_fall_and_the_last_is_the_count(void **state)
{
	struct serin_hist hist = {};
	uint64_t random = 7;

	(void)state;
	for (unsigned i = 0; i < SERIN_HIST_BUCKETS; i++)
		hist.bucket[i] = util_random(&random) % 1000;
	for (unsigned kind = 0; kind < SERIN_LATENCIES; kind++) {
		struct metrics_hist folded;
		uint64_t count = 0, before = 0;

		metrics_fold(&hist, kind, &folded);
		for (unsigned i = 0; i < SERIN_HIST_BUCKETS; i++)
			count += hist.bucket[i];
		assert_int_equal(folded.count, count);
		for (unsigned i = 0; i < METRICS_EDGES_MAX && (folded.at_most[i] || !i); i++) {
			assert_true(folded.at_most[i] >= before);
			before = folded.at_most[i];
		}
		assert_true(before > 0 && before < count); /* the kernel's last bucket is beyond every edge */
	}
}

/* ---- counters never fall ---- */

static void cpu_time_never_falls(void **state)
{
	struct metrics_held held = {};
	struct serin_tally tally = {.opened = 1, .cpu_ns = 500};

	(void)state;
	metrics_hold(&held, &targets[0], &tally);
	assert_int_equal(tally.cpu_ns, 500);
	tally.cpu_ns = 490;
	metrics_hold(&held, &targets[0], &tally);
	assert_int_equal(tally.cpu_ns, 500);
	tally.cpu_ns = 510;
	metrics_hold(&held, &targets[0], &tally);
	assert_int_equal(tally.cpu_ns, 510);
}

static void another_versions_cpu_time_begins_where_it_is(void **state)
{
	struct metrics_held held = {};
	struct serin_tally tally = {.opened = 1, .cpu_ns = 500};

	(void)state;
	metrics_hold(&held, &targets[0], &tally);
	tally.cpu_ns = 3;
	metrics_hold(&held, &targets[1], &tally);
	assert_int_equal(tally.cpu_ns, 3);
}

static void cpu_time_of_counters_that_began_anew_does_too(void **state)
{
	struct metrics_held held = {};
	struct serin_tally tally = {.opened = 9, .started = 9, .cpu_ns = 500};

	(void)state;
	metrics_hold(&held, &targets[0], &tally);
	tally = (struct serin_tally){.cpu_ns = 3};
	metrics_hold(&held, &targets[0], &tally);
	assert_int_equal(tally.cpu_ns, 3);
}

/* ---- docs/metrics.md ---- */

/* A metric as the page has it: "| `name` | type | label, label | what |". */
struct documented {
	char name[96], type[32], labels[128]; /* labels as ",label,label," */
};

static unsigned read_docs(struct documented docs[NAMES_MAX])
{
	_cleanup_fclose_ FILE *file = fopen(DOCS, "re");
	char line[2048];
	unsigned n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		struct documented *d = &docs[n];
		char labels[128] = "", *to = d->labels;

		if (sscanf(line, "| `%95[a-z_]` | %31[a-z]%*[^|]| %127[a-z_, ]|", d->name, d->type, labels) < 2)
			continue;
		*to++ = ',';
		for (const char *from = labels; *from; from++)
			if (*from != ' ')
				*to++ = *from;
		*to++ = ',';
		*to = '\0';
		if (!strcmp(d->labels, ",,"))
			d->labels[1] = '\0';
		assert_true(++n < NAMES_MAX);
	}
	assert_true(n > 60);
	return n;
}

static const struct documented *find(const struct documented *docs, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(docs[i].name, name))
			return &docs[i];
	return NULL;
}

static void every_metric_is_documented_and_no_other(void **state)
{
	struct documented docs[NAMES_MAX];
	unsigned n = read_docs(docs), i;
	char name[METRICS_NAME_MAX];

	(void)state;
	for (i = 0; metrics_name(i, name); i++)
		if (!find(docs, n, name))
			fail_msg("%s is not in " DOCS, name);
	if (i != n)
		fail_msg(DOCS " has %u metrics, there are %u", n, i);
}

/* ",model,version," of `model="chat",version="v1"`, without le. Values of these tests have no comma. */
static void labels_of(const struct sample *s, char ret_labels[128])
{
	size_t n = 1;

	strcpy(ret_labels, ",");
	for (const char *at = s->labels; *at; at += strcspn(at, ",") + (strchr(at, ',') != NULL))
		if (strncmp(at, "le=", 3))
			n += (size_t)snprintf(ret_labels + n, 128 - n, "%.*s,", (int)strcspn(at, "="), at);
}

/* A model with everything known shows each of them, with the type and the labels of the page. */
static void every_documented_metric_can_be_written(void **state)
{
	struct documented docs[NAMES_MAX];
	unsigned n = read_docs(docs);
	bool written[NAMES_MAX] = {};
	char line[512], type[32] = "", family[96] = "", labels[128];
	const char *at;

	(void)state;
	write_as(EXPOSITION_OPENMETRICS);
	for (at = text; next_line(&at, line);) {
		const struct documented *d;
		struct sample s;

		sscanf(line, "# TYPE %95s %31s", family, type);
		if (*line == '#')
			continue;
		s = parse(line);
		d = find(docs, n, strcmp(type, "histogram") ? s.name : family);
		if (!d)
			fail_msg("%s is not in " DOCS, s.name);
		labels_of(&s, labels);
		if (strcmp(d->type, type) || strcmp(d->labels, labels))
			fail_msg("%s: " DOCS " says %s with %s, it is a %s with %s", d->name, d->type, d->labels, type, labels);
		written[d - docs] = true;
	}
	for (unsigned i = 0; i < n; i++)
		if (!written[i])
			fail_msg("%s of " DOCS " was not written", docs[i].name);
}

/* The edges stand there as well. */
static void the_documented_edges_are_the_edges(void **state)
{
	_cleanup_fclose_ FILE *file = fopen(DOCS, "re");
	char page[32768], *at, *end;
	double edge, documented;

	(void)state;
	assert_non_null(file);
	page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
	at = strstr(page, "0.0001 0.00025");
	assert_non_null(at);
	write_as(EXPOSITION_OPENMETRICS);
	for (unsigned n = 0; edge_of(BUCKET "\"", n, &edge); n++, at = end) {
		documented = strtod(at, &end);
		if (isfinite(edge))
			check_near(documented, edge);
		else
			assert_ptr_equal(at, end);
	}
}

/* ---- how long it takes ---- */

static void sixteen_versions_are_written_in_no_time(void **state)
{
	uint64_t began, took;

	(void)state;
	for (unsigned i = 0; i < SERIN_TARGETS_MAX; i++) {
		char version[16];

		snprintf(version, sizeof(version), "v%u", i);
		make_version(i, version, SERIN_ROLE_STABLE);
	}
	metrics.n_versions = SERIN_TARGETS_MAX;
	began = util_now();
	write_as(EXPOSITION_OPENMETRICS);
	took = util_now() - began;
	print_message("16 versions: %zu bytes in %.2f ms, with sanitizers\n", length, (double)took / 1e6);
	check_families(true);
}

#define writing(test) cmocka_unit_test_setup_teardown(test, known, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		writing(samples_stand_together_below_their_head),
		writing(openmetrics_has_types_units_and_an_end),
		writing(a_name_that_ends_in_a_unit_says_it),
		writing(the_older_format_names_families_as_samples),
		writing(both_formats_have_the_same_samples),
		writing(no_sample_is_there_twice),
		writing(a_version_shows_its_counts),
		writing(a_version_shows_its_figures),
		writing(a_release_shows_where_it_is),
		writing(a_release_shows_its_evidence_and_gates),
		writing(the_agent_shows_itself),
		writing(what_is_not_known_is_absent),
		writing(a_container_shows_what_is_known_of_it),
		writing(a_version_of_no_release_names_none),
		writing(without_versions_there_is_the_agent_alone),
		writing(evidence_is_a_finite_number_above_zero),
		writing(a_histogram_has_what_was_not_above_each_edge),
		writing(waits_have_edges_of_microseconds),
		writing(an_edge_is_at_most_one_thirtysecond_off),
		writing(buckets_never_fall_and_the_last_is_the_count),
		writing(cpu_time_never_falls),
		writing(another_versions_cpu_time_begins_where_it_is),
		writing(cpu_time_of_counters_that_began_anew_does_too),
		writing(every_metric_is_documented_and_no_other),
		writing(every_documented_metric_can_be_written),
		writing(the_documented_edges_are_the_edges),
		writing(sixteen_versions_are_written_in_no_time),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
