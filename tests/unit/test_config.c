/* Links: user/config.c user/endpoint.c */
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
static char why[256];

/* The defaults, with a stable on 8000 and a canary on 8001. */
static int two_servers(void **state)
{
	(void)state;
	config_init(&config);
	config.stable.port = config.service.port = 8000;
	config.canary.port = 8001;
	why[0] = '\0';
	return 0;
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
}

static void p_and_d_are_gated_and_r_is_not(void **state)
{
	(void)state;
	check_value(config.gates.p_min, 0.95);
	check_value(config.gates.d_max, 5);
	check_absent(config.gates.r_max);
	assert_int_equal(config.gates.min_requests, 50);
}

static void a_release_starts_without_weight(void **state)
{
	(void)state;
	assert_int_equal(config.weight, 0);
}

static void the_versions_are_called_stable_and_canary(void **state)
{
	(void)state;
	assert_string_equal(config.stable_version, "stable");
	assert_string_equal(config.canary_version, "canary");
	assert_string_equal(config.release, "");
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
	config.stable.port = 0;
	check_complaint("no server", "--stable");
}

static void one_server_may_be_watched_alone(void **state)
{
	(void)state;
	config.canary.port = 0;
	assert_int_equal(check(), 0);
}

static void two_versions_cannot_share_a_port(void **state)
{
	(void)state;
	config.canary.port = 8000;
	check_complaint("8000", "port of its own");
}

static void two_versions_cannot_share_an_address_with_any(void **state)
{
	(void)state;
	assert_int_equal(endpoint_parse("127.0.0.1:8000", &config.canary), 0);
	check_complaint("127.0.0.1:8000", "port of its own");
}

static void two_versions_may_share_a_port_on_two_addresses(void **state)
{
	(void)state;
	assert_int_equal(endpoint_parse("127.0.0.1:8000", &config.stable), 0);
	assert_int_equal(endpoint_parse("127.0.0.2:8000", &config.canary), 0);
	config.service = config.stable;
	assert_int_equal(check(), 0);
}

/* A miss, weight 0 and an expired lease all end at the port's owner: that must not be the canary. */
static void clients_cannot_dial_the_canary_as_the_service(void **state)
{
	(void)state;
	config.service.port = 8001;
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
	config.canary.port = 0;
	config.weight = 1;
	check_complaint("weight", "--canary");
}

static void versions_are_told_apart_by_name(void **state)
{
	(void)state;
	strcpy(config.canary_version, "stable");
	check_complaint("stable", "name them apart");
}

static void a_server_alone_may_be_called_anything(void **state)
{
	(void)state;
	config.canary.port = 0;
	strcpy(config.stable_version, "canary");
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
	config.stable.port = 0;
	assert_int_equal(config_check(&config, text, 7), -EINVAL);
	assert_string_equal(text, "no ser");
	assert_int_equal(text[7], 0);
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
		cmocka_unit_test_setup(the_versions_are_called_stable_and_canary, two_servers),
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
		cmocka_unit_test(the_nodes_own_agent_keeps_its_things_under_serin),
		cmocka_unit_test(an_instance_keeps_its_things_apart),
		cmocka_unit_test(an_instances_name_leads_nowhere_else),
		cmocka_unit_test(an_instances_name_has_at_most_32_characters),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
