/* Links: user/config.c user/config_yaml.c user/endpoint.c user/quantity.c user/util.c -lcyaml -lyaml -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "config.h"
#include "endpoint.h"
#include "util.h"
#include "window.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

static struct serin_config config;
static struct serin_release_config *const release = &config.releases[0];
static struct serin_match *const stable = &config.models[0].match, *const canary = &config.models[1].match;
static char why[CONFIG_WHY_MAX];

/* The defaults, with a stable on 8000 and a canary on 8001. */
static int two_servers(void **state)
{
	(void)state;
	config_init(&config);
	config_release_init(release);
	config.n_models = 2;
	config.n_releases = 1;
	config.models[0] = (struct serin_model){.name = "chat", .version = "stable", .match.endpoint.port = 8000};
	config.models[1] = (struct serin_model){.name = "chat", .version = "canary", .match.endpoint.port = 8001};
	strcpy(release->name, "chat");
	strcpy(release->stable, "stable");
	strcpy(release->canary, "canary");
	release->service.port = 8000;
	why[0] = '\0';
	return 0;
}

/* What is observed without a release. */
static void alone(void)
{
	config.n_models = 1;
	config.n_releases = 0;
}

static int check(void)
{
	return config_check(&config, why, sizeof(why));
}

/* Refused, and the complaint names what it is about and what to do. */
static void check_complaint(const char *about, const char *todo)
{
	assert_int_equal(check(), -EINVAL);
	if (!strstr(why, about) || !strstr(why, todo))
		fail_msg("'%s' does not say '%s' and '%s'", why, about, todo);
}

/* ---- defaults ---- */

static void the_window_is_ten_seconds_by_the_quarter_second(void **state)
{
	(void)state;
	assert_int_equal(config.window_ns, 10 * NSEC_PER_SEC);
	assert_int_equal(config.tick_ns, 250 * NSEC_PER_MSEC);
}

static void a_request_times_out_after_a_minute(void **state)
{
	(void)state;
	assert_int_equal(config.deadline_ns, 60 * NSEC_PER_SEC);
	assert_int_equal(release->deadline_ns, 60 * NSEC_PER_SEC);
}

static void p_and_d_are_gated_and_r_is_not(void **state)
{
	(void)state;
	check_value(release->policy.gates.p_min, 0.95);
	check_value(release->policy.gates.d_max, 5);
	check_absent(release->policy.gates.r_max);
	assert_int_equal(release->policy.gates.min_requests, 50);
}

static void a_release_starts_without_weight(void **state)
{
	(void)state;
	assert_int_equal(release->weight, 0);
	assert_int_equal(release->policy.n_steps, 0);
}

static void the_evidence_may_be_wrong_once_in_a_hundred_releases(void **state)
{
	(void)state;
	assert_true(release->evidence);
	check_near(release->alpha, 0.01);
	check_near(release->margin, 0.01);
	check_near(release->latency_margin, 1.1);
}

static void what_else_a_release_does_by_default(void **state)
{
	(void)state;
	assert_int_equal(release->drain_ns, 30 * NSEC_PER_SEC);
	assert_int_equal(release->max_age_ns, 0);
	assert_int_equal(release->policy.exits_max, 3);
	assert_int_equal(release->policy.absent_ns, 60 * NSEC_PER_SEC);
	assert_int_equal(release->policy.external_age_ns, 300 * NSEC_PER_SEC);
	assert_int_equal(release->policy.on_inconclusive, SERIN_INCONCLUSIVE_HOLD);
	check_absent(release->policy.gates.cpu_ratio_max);
	assert_false(release->sticky);
}

static void the_defaults_pass(void **state)
{
	(void)state;
	assert_int_equal(check(), 0);
	assert_string_equal(why, "");
}

/* ---- what no single option can check ---- */

static void there_must_be_a_server(void **state)
{
	(void)state;
	config.n_models = 0;
	check_complaint("no server", "--stable");
}

static void one_server_may_be_watched_alone(void **state)
{
	(void)state;
	alone();
	assert_int_equal(check(), 0);
}

static void two_versions_cannot_share_a_port(void **state)
{
	(void)state;
	canary->endpoint.port = 8000;
	check_complaint("8000", "port of its own");
}

static void two_versions_cannot_share_an_address_with_any(void **state)
{
	(void)state;
	assert_int_equal(endpoint_parse("127.0.0.1:8000", &canary->endpoint), 0);
	check_complaint("127.0.0.1:8000", "port of its own");
}

static void two_versions_may_share_a_port_on_two_addresses(void **state)
{
	(void)state;
	assert_int_equal(endpoint_parse("127.0.0.1:8000", &stable->endpoint), 0);
	assert_int_equal(endpoint_parse("127.0.0.2:8000", &canary->endpoint), 0);
	release->service = stable->endpoint;
	assert_int_equal(check(), 0);
}

/* A miss, weight 0 and an expired lease all end at the port's owner: that must not be the canary. */
static void clients_cannot_dial_the_canary_as_the_service(void **state)
{
	(void)state;
	release->service.port = 8001;
	check_complaint("8001", "--service");
}

static void names_are_what_urls_and_terminals_take(void **state)
{
	char comm[] = "gunicorn: maste\x01\xc3";

	(void)state;
	assert_true(config_is_name("chat-v2.1_rc+cuda@node:3"));
	assert_false(config_is_name(""));
	assert_false(config_is_name("a b"));
	assert_false(config_is_name("a/b"));
	assert_false(config_is_name("a?b"));
	assert_false(config_is_name("caf\xc3\xa9"));
	config_to_name(comm);
	assert_string_equal(comm, "gunicorn:_maste__");
	assert_true(config_is_name(comm));
}

static void a_name_has_at_most_63_characters(void **state)
{
	char name[SERIN_NAME_MAX + 1] = "";

	(void)state;
	memset(name, 'x', SERIN_NAME_MAX - 1);
	assert_true(config_is_name(name));
	name[SERIN_NAME_MAX - 1] = 'x';
	assert_false(config_is_name(name));
}

static void a_weight_needs_a_canary(void **state)
{
	(void)state;
	config.n_models = 1;
	release->canary[0] = '\0';
	release->weight = 1;
	check_complaint("weight", "--canary");
}

static void versions_are_told_apart_by_name(void **state)
{
	(void)state;
	strcpy(release->canary, "stable");
	strcpy(config.models[1].version, "stable");
	check_complaint("stable", "name them apart");
}

static void a_server_alone_may_be_called_anything(void **state)
{
	(void)state;
	alone();
	strcpy(config.models[0].version, "canary");
	assert_int_equal(check(), 0);
}

/* 256 snapshots span 255 ticks. */
static void a_window_of_as_many_ticks_as_the_ring_spans_passes(void **state)
{
	(void)state;
	config.tick_ns = 50 * NSEC_PER_MSEC;
	config.window_ns = (WINDOW_SNAPSHOTS - 2) * config.tick_ns;
	assert_int_equal(check(), 0);
}

static void a_window_of_more_ticks_than_the_ring_spans_is_refused(void **state)
{
	(void)state;
	config.tick_ns = 50 * NSEC_PER_MSEC;
	config.window_ns = WINDOW_SNAPSHOTS * config.tick_ns;
	check_complaint("ticks", "--tick");
}

/* 255.98 ticks are not spanned by 256 snapshots either: such a window would never be full. */
static void a_part_of_a_tick_too_many_is_refused(void **state)
{
	(void)state;
	config.tick_ns = 50 * NSEC_PER_MSEC;
	config.window_ns = WINDOW_SNAPSHOTS * config.tick_ns - NSEC_PER_MSEC;
	check_complaint("ticks", "--tick");
}

static void the_lease_lasts_two_ticks_at_least(void **state)
{
	(void)state;
	config.lease_ns = 2 * config.tick_ns;
	assert_int_equal(check(), 0);
	config.lease_ns--;
	check_complaint("lease", "--lease");
}

static void a_complaint_keeps_to_its_room(void **state)
{
	char text[8] = "-------";

	(void)state;
	config.n_models = 0;
	assert_int_equal(config_check(&config, text, 7), -EINVAL);
	assert_string_equal(text, "no ser");
	assert_int_equal(text[7], 0);
}

/* ---- models and releases together ---- */

/* A second model, with a release of its own on ports that nobody else has. */
static struct serin_release_config *another(void)
{
	struct serin_release_config *other = &config.releases[1];

	*other = *release;
	strcpy(other->name, "image");
	other->service.port = 9000;
	config.n_models = 4;
	config.models[2] = (struct serin_model){.name = "image", .version = "stable", .match.endpoint.port = 9000};
	config.models[3] = (struct serin_model){.name = "image", .version = "canary", .match.endpoint.port = 9001};
	config.n_releases = 2;
	return other;
}

static void two_releases_pass(void **state)
{
	(void)state;
	another();
	assert_int_equal(check(), 0);
	assert_string_equal(why, "");
}

static void two_releases_cannot_share_a_service_port(void **state)
{
	(void)state;
	another()->service.port = 8000;
	check_complaint("8000", "another");
}

static void two_releases_cannot_be_of_one_model(void **state)
{
	(void)state;
	strcpy(another()->name, "chat");
	check_complaint("chat", "leave one out");
}

static void the_service_of_one_is_not_the_canary_of_another(void **state)
{
	(void)state;
	another()->service.port = 8001;
	check_complaint("8001", "--service");
}

static void a_release_names_versions_that_are_there(void **state)
{
	(void)state;
	strcpy(release->canary, "v3");
	check_complaint("version v3", "models");
	two_servers(NULL);
	strcpy(release->stable, "v0");
	check_complaint("version v0", "models");
}

static void a_version_is_there_once(void **state)
{
	(void)state;
	config.models[config.n_models++] =
		(struct serin_model){.name = "chat", .version = "canary", .match.endpoint.port = 8002};
	check_complaint("twice", "leave one out");
}

static void something_tells_a_model_from_others(void **state)
{
	(void)state;
	*stable = (struct serin_match){};
	check_complaint("chat version stable", "port");
	assert_int_equal(endpoint_parse("127.0.0.1:1", &stable->endpoint), 0);
	stable->endpoint.port = 0;
	check_complaint("address alone", "env");
}

static void a_port_alone_tells_nothing_from_a_port_and_more(void **state)
{
	(void)state;
	another();
	config.models[2].match.endpoint.port = 8000;
	strcpy(config.models[2].match.env, "A=b");
	check_complaint("same listeners", "port of its own");
}

static void two_models_may_share_a_port_when_both_give_more(void **state)
{
	(void)state;
	alone();
	config.n_models = 2;
	canary->endpoint.port = 8000;
	strcpy(stable->env, "A=b");
	strcpy(canary->env, "A=c");
	assert_int_equal(check(), 0);
	strcpy(canary->env, "A=b");
	check_complaint("same listeners", "port of its own");
}

static void a_service_without_a_port_is_refused(void **state)
{
	(void)state;
	release->service.port = 0;
	check_complaint("no port that clients dial", "--service");
}

static void steps_rise(void **state)
{
	(void)state;
	release->policy.n_steps = 3;
	release->policy.steps[0].weight = 100;
	release->policy.steps[1].weight = 500;
	release->policy.steps[2].weight = 10000;
	assert_int_equal(check(), 0);
	release->policy.steps[2].weight = 500;
	check_complaint("step 3 of 5%", "rise");
	release->policy.steps[2].weight = 10001;
	check_complaint("more than 100%", "end at 100");
	release->policy.steps[0].weight = 0;
	check_complaint("weight 0", "above 0");
}

static void steps_and_a_weight_are_two_ways(void **state)
{
	(void)state;
	release->policy.n_steps = 1;
	release->policy.steps[0].weight = 100;
	release->weight = 100;
	check_complaint("both", "--weight");
}

static void gates_need_requests(void **state)
{
	(void)state;
	release->policy.gates.min_requests = 0;
	check_complaint("min_requests", "at least 1");
	release->policy.gates = (struct serin_gates){};
	assert_int_equal(check(), 0);
}

static void external_gates_have_a_bound_and_a_name_of_their_own(void **state)
{
	struct serin_policy *policy = &release->policy;

	(void)state;
	policy->n_external = 2;
	policy->external[0] = (struct serin_external_gate){.name = "accuracy", .min = serin_known(0.9)};
	policy->external[1] = (struct serin_external_gate){.name = "loss", .min = serin_known(1), .max = serin_known(2)};
	assert_int_equal(check(), 0);
	policy->external[1].min.v = 3;
	check_complaint("loss", "exchange");
	policy->external[1] = (struct serin_external_gate){.name = "loss"};
	check_complaint("loss", "min, max");
	strcpy(policy->external[1].name, "accuracy");
	check_complaint("two gates on accuracy", "in one");
}

static void rules_are_networks_and_each_is_there_once(void **state)
{
	struct serin_rule *rule = &release->rules[0];

	(void)state;
	release->n_rules = 1;
	assert_int_equal(endpoint_parse("10.1.0.0:1", &rule->from), 0);
	rule->prefix = 96 + 16;
	rule->to = SERIN_ROLE_CANARY;
	assert_int_equal(check(), 0);
	rule->prefix = 96 + 8;
	check_complaint("an address of a network", "10.0.0.0");
	rule->prefix = 128;
	release->rules[release->n_rules++] = *rule;
	check_complaint("two rules", "leave one out");
}

static void the_analysis_keeps_to_sense(void **state)
{
	(void)state;
	release->alpha = 0;
	check_complaint("alpha", "above 0");
	two_servers(NULL);
	release->margin = 1;
	check_complaint("success_margin", "below 1");
	two_servers(NULL);
	release->latency_margin = 0.99;
	check_complaint("latency_margin", "at least 1");
}

static void an_api_on_tcp_obeys_a_token_only(void **state)
{
	(void)state;
	config.api.listen.port = 9465;
	check_complaint("anyone", "token_file");
	strcpy(config.api.token_file, "/etc/serin/token");
	assert_int_equal(check(), 0);
	strcpy(config.api.key_file, "/etc/serin/key.pem");
	check_complaint("TLS", "certificate_file");
	config.api.listen.port = 0;
	check_complaint("no port", "listen");
	memset(&config.api, 0, sizeof(config.api));
	config.api.open_metrics = true;
	check_complaint("does not listen", "listen");
}

static void something_is_a_success(void **state)
{
	(void)state;
	memset(config.success, 0, sizeof(config.success));
	check_complaint("no outcome", "success");
}

static void a_complaint_has_a_place(void **state)
{
	char where[CONFIG_WHERE_MAX] = "";

	(void)state;
	strcpy(another()->canary, "v9");
	assert_int_equal(config_check_where(&config, why, sizeof(why), where), -EINVAL);
	assert_string_equal(where, "releases[1].canary");
}

/* ---- where things are kept ---- */

static void the_nodes_own_agent_keeps_its_things_under_serin(void **state)
{
	struct serin_paths paths, empty;

	(void)state;
	assert_int_equal(config_paths(NULL, &paths), 0);
	assert_string_equal(paths.pins, "/sys/fs/bpf/serin");
	assert_string_equal(paths.run, "/run/serin");
	assert_string_equal(paths.socket, "/run/serin/api.sock");
	assert_string_equal(paths.lock, "/run/serin/lock");
	assert_string_equal(paths.store, "/var/lib/serin/serin.db");
	assert_int_equal(config_paths("", &empty), 0);
	assert_string_equal(empty.run, paths.run);
}

static void an_instance_keeps_its_things_apart(void **state)
{
	struct serin_paths paths;

	(void)state;
	assert_int_equal(config_paths("blue-2_X", &paths), 0);
	assert_string_equal(paths.pins, "/sys/fs/bpf/serin@blue-2_X");
	assert_string_equal(paths.run, "/run/serin@blue-2_X");
	assert_string_equal(paths.socket, "/run/serin@blue-2_X/api.sock");
	assert_string_equal(paths.lock, "/run/serin@blue-2_X/lock");
	assert_string_equal(paths.store, "/var/lib/serin/serin@blue-2_X.db");
}

static void an_instances_name_leads_nowhere_else(void **state)
{
	static const char *const names[] = {"../etc", "a/b", ".", "a b", "a@b", "\xc3\xa9", "a\nb", "a%"};
	struct serin_paths paths;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(config_paths(names[i], &paths), -EINVAL);
}

static void an_instances_name_has_at_most_32_characters(void **state)
{
	char name[] = "abcdefghijklmnopqrstuvwxyz0123456";
	struct serin_paths paths;

	(void)state;
	assert_int_equal(config_paths(name, &paths), -EINVAL);
	name[32] = '\0';
	assert_int_equal(config_paths(name, &paths), 0);
	assert_string_equal(paths.lock, "/run/serin@abcdefghijklmnopqrstuvwxyz012345/lock");
	assert_true(strlen(paths.socket) < sizeof(((struct sockaddr_un *)0)->sun_path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_window_is_ten_seconds_by_the_quarter_second, two_servers),
		cmocka_unit_test_setup(a_request_times_out_after_a_minute, two_servers),
		cmocka_unit_test_setup(p_and_d_are_gated_and_r_is_not, two_servers),
		cmocka_unit_test_setup(a_release_starts_without_weight, two_servers),
		cmocka_unit_test_setup(the_evidence_may_be_wrong_once_in_a_hundred_releases, two_servers),
		cmocka_unit_test_setup(what_else_a_release_does_by_default, two_servers),
		cmocka_unit_test_setup(the_defaults_pass, two_servers),
		cmocka_unit_test_setup(there_must_be_a_server, two_servers),
		cmocka_unit_test_setup(one_server_may_be_watched_alone, two_servers),
		cmocka_unit_test_setup(two_versions_cannot_share_a_port, two_servers),
		cmocka_unit_test_setup(two_versions_cannot_share_an_address_with_any, two_servers),
		cmocka_unit_test_setup(two_versions_may_share_a_port_on_two_addresses, two_servers),
		cmocka_unit_test_setup(clients_cannot_dial_the_canary_as_the_service, two_servers),
		cmocka_unit_test_setup(names_are_what_urls_and_terminals_take, two_servers),
		cmocka_unit_test_setup(a_name_has_at_most_63_characters, two_servers),
		cmocka_unit_test_setup(a_weight_needs_a_canary, two_servers),
		cmocka_unit_test_setup(versions_are_told_apart_by_name, two_servers),
		cmocka_unit_test_setup(a_server_alone_may_be_called_anything, two_servers),
		cmocka_unit_test_setup(a_window_of_as_many_ticks_as_the_ring_spans_passes, two_servers),
		cmocka_unit_test_setup(a_window_of_more_ticks_than_the_ring_spans_is_refused, two_servers),
		cmocka_unit_test_setup(a_part_of_a_tick_too_many_is_refused, two_servers),
		cmocka_unit_test_setup(the_lease_lasts_two_ticks_at_least, two_servers),
		cmocka_unit_test_setup(a_complaint_keeps_to_its_room, two_servers),
		cmocka_unit_test_setup(two_releases_pass, two_servers),
		cmocka_unit_test_setup(two_releases_cannot_share_a_service_port, two_servers),
		cmocka_unit_test_setup(two_releases_cannot_be_of_one_model, two_servers),
		cmocka_unit_test_setup(the_service_of_one_is_not_the_canary_of_another, two_servers),
		cmocka_unit_test_setup(a_release_names_versions_that_are_there, two_servers),
		cmocka_unit_test_setup(a_version_is_there_once, two_servers),
		cmocka_unit_test_setup(something_tells_a_model_from_others, two_servers),
		cmocka_unit_test_setup(a_port_alone_tells_nothing_from_a_port_and_more, two_servers),
		cmocka_unit_test_setup(two_models_may_share_a_port_when_both_give_more, two_servers),
		cmocka_unit_test_setup(a_service_without_a_port_is_refused, two_servers),
		cmocka_unit_test_setup(steps_rise, two_servers),
		cmocka_unit_test_setup(steps_and_a_weight_are_two_ways, two_servers),
		cmocka_unit_test_setup(gates_need_requests, two_servers),
		cmocka_unit_test_setup(external_gates_have_a_bound_and_a_name_of_their_own, two_servers),
		cmocka_unit_test_setup(rules_are_networks_and_each_is_there_once, two_servers),
		cmocka_unit_test_setup(the_analysis_keeps_to_sense, two_servers),
		cmocka_unit_test_setup(an_api_on_tcp_obeys_a_token_only, two_servers),
		cmocka_unit_test_setup(something_is_a_success, two_servers),
		cmocka_unit_test_setup(a_complaint_has_a_place, two_servers),
		cmocka_unit_test(the_nodes_own_agent_keeps_its_things_under_serin),
		cmocka_unit_test(an_instance_keeps_its_things_apart),
		cmocka_unit_test(an_instances_name_leads_nowhere_else),
		cmocka_unit_test(an_instances_name_has_at_most_32_characters),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
