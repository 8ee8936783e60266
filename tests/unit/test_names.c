/* Links: user/names.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The words are part of the contract: logs, JSON and metrics carry them. */
#include "check.h"

#include <string.h>

/* A table of words against what the function says; outside the enum it says "?". */
#define check_words(function, last, ...)                                                                   \
	do {                                                                                               \
		static const char *const words[] = {__VA_ARGS__};                                          \
		assert_int_equal(sizeof(words) / sizeof(*words), last);                                    \
		for (int i = 0; i < (int)(last); i++)                                                      \
			assert_string_equal(function(i), words[i]);                                        \
		assert_string_equal(function(last), "?");                                                  \
		assert_string_equal(function(-1), "?");                                                    \
	} while (0)

static void outcomes_are_called_as_in_their_table(void **state)
{
	(void)state;
	check_words(serin_outcome_name, SERIN_OUTCOMES, "success", "client_error", "throttled", "server_error",
		    "server_abort", "timeout", "client_abort", "unknown");
	assert_string_equal(serin_outcome_name(SERIN_THROTTLED), "throttled");
	assert_string_equal(serin_outcome_name(SERIN_UNKNOWN), "unknown");
}

static void latencies_are_called_as_in_the_dump(void **state)
{
	(void)state;
	check_words(serin_latency_name, SERIN_LATENCIES, "pickup", "first_byte", "first_chunk", "stream_first_chunk",
		    "gap", "duration", "stream_duration", "turn", "run_queue");
	assert_string_equal(serin_latency_name(SERIN_DURATION), "duration");
	assert_string_equal(serin_latency_name(SERIN_RUN_QUEUE), "run_queue");
}

static void protocols_have_a_word_each(void **state)
{
	(void)state;
	check_words(serin_protocol_name, SERIN_PROTOCOLS, "unseen", "http1", "http2", "tls", "other", "upgraded");
	assert_string_equal(serin_protocol_name(SERIN_TLS), "tls");
}

static void losses_have_a_word_each(void **state)
{
	(void)state;
	check_words(serin_loss_name, SERIN_LOSSES, "gap", "contended", "pipeline", "after_close", "storage", "unreadable",
		    "listeners", "processes", "clients", "store");
	assert_string_equal(serin_loss_name(SERIN_LOSS_PROCESSES), "processes");
	assert_string_equal(serin_loss_name(SERIN_LOSS_CLIENTS), "clients");
	assert_string_equal(serin_loss_name(SERIN_LOSS_STORE), "store");
}

static void roles_are_none_stable_and_canary(void **state)
{
	(void)state;
	check_words(serin_role_name, SERIN_ROLES, "none", "stable", "canary");
	assert_string_equal(serin_role_name(SERIN_ROLE_CANARY), "canary");
}

static void resources_are_cpu_memory_and_network(void **state)
{
	(void)state;
	check_words(serin_resource_name, SERIN_RESOURCES, "cpu", "memory", "network");
	assert_string_equal(serin_resource_name(SERIN_NETWORK), "network");
}

static void steered_connections_have_a_word_for_where_they_went_and_why(void **state)
{
	(void)state;
	check_words(serin_steered_name, SERIN_STEERED_KINDS, "stable", "canary", "absent", "expired",
		    "ruled_stable", "ruled_canary");
	assert_string_equal(serin_steered_name(SERIN_STEERED_EXPIRED), "expired");
}

static void phases_are_written_with_capitals(void **state)
{
	(void)state;
	check_words(serin_phase_name, SERIN_PHASES, "Idle", "Progressing", "Paused", "Promoted", "RolledBack");
	assert_string_equal(serin_phase_name(SERIN_ROLLED_BACK), "RolledBack");
}

static void reasons_have_a_word_each(void **state)
{
	(void)state;
	check_words(serin_reason_name, SERIN_REASONS, "none", "weight", "aborted", "gate_p", "gate_r", "gate_d", "gate_cpu",
		    "gate_external", "evidence_error", "evidence_latency", "exits", "absent", "inconclusive", "started",
		    "no_worse", "promoted", "paused", "resumed", "retried", "restored", "replanned");
	assert_string_equal(serin_reason_name(SERIN_REASON_GATE_R), "gate_r");
	assert_string_equal(serin_reason_name(SERIN_REASON_NO_WORSE), "no_worse");
}

static void what_a_release_waits_for_has_a_word_each(void **state)
{
	(void)state;
	check_words(serin_waiting_name, SERIN_WAITINGS, "none", "start", "hold", "traffic", "requests", "evidence",
		    "external", "paused", "manual", "canary", "stable");
	assert_string_equal(serin_waiting_name(SERIN_WAITING_MANUAL), "manual");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes_are_called_as_in_their_table),
		cmocka_unit_test(latencies_are_called_as_in_the_dump),
		cmocka_unit_test(losses_have_a_word_each),
		cmocka_unit_test(protocols_have_a_word_each),
		cmocka_unit_test(roles_are_none_stable_and_canary),
		cmocka_unit_test(resources_are_cpu_memory_and_network),
		cmocka_unit_test(steered_connections_have_a_word_for_where_they_went_and_why),
		cmocka_unit_test(phases_are_written_with_capitals),
		cmocka_unit_test(reasons_have_a_word_each),
		cmocka_unit_test(what_a_release_waits_for_has_a_word_each),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
