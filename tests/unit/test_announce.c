/* Links: user/announce.c user/log.c user/report.c user/rollout.c user/rollout_words.c user/names.c user/endpoint.c user/figures.c user/hist.c user/system.c user/util.c user/discover.c user/match.c user/container.c user/config.c user/quantity.c -ljansson -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Which word a decision is announced by, and in what sentence. */
#include "check.h"

#include "announce.h"
#include "log.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct serin_decision decision;
static json_t *line; /* of the log */

static int at_five_percent(void **state)
{
	(void)state;
	decision = (struct serin_decision){.from = SERIN_PROGRESSING, .to = SERIN_PROGRESSING, .weight_from = 500,
					   .weight_to = 2500, .step = 3, .steps = 4, .reason = SERIN_REASON_NO_WORSE};
	return 0;
}

static int forget(void **state)
{
	(void)state;
	json_decref(line);
	line = NULL;
	return 0;
}

/* Announces, stdout caught, and read back. */
static void announce(void)
{
	FILE *terminal = stdout;
	char *text = NULL;
	size_t size;

	json_decref(line);
	log_form(LOG_JSON);
	stdout = open_memstream(&text, &size);
	announce_decision("chat", &decision, report_decision("chat", "v1", "v2", &decision, 1));
	fclose(stdout);
	stdout = terminal;
	line = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(line);
}

static const char *text_at(const char *key)
{
	const char *text = json_string_value(json_object_get(line, key));

	return text ? text : "(no such text)";
}

static void a_decision_is_announced_in_words_and_as_fields(void **state)
{
	(void)state;
	announce();
	assert_string_equal(text_at("message"), "chat Progressing, canary from 5% to 25%: the hold is over and no guard spoke: "
						"step 3 of 4 at 25%");
	assert_string_equal(text_at("reason_code"), "no_worse");
	assert_string_equal(text_at("canary"), "v2");
}

static void a_decision_that_moves_nothing_says_where_it_stands(void **state)
{
	(void)state;
	decision.to = SERIN_PAUSED, decision.weight_to = 500, decision.step = 2, decision.reason = SERIN_REASON_PAUSED;
	announce();
	assert_string_equal(text_at("message"), "chat Paused, canary at 5%: paused by hand: step 2 of 4 at 5%");
}

static void each_decision_has_its_word(void **state)
{
	static const struct {
		enum serin_reason reason;
		enum serin_phase to;
		const char *event;
	} words[] = {
		{SERIN_REASON_WEIGHT, SERIN_PROGRESSING, "weight"},
		{SERIN_REASON_WEIGHT, SERIN_IDLE, "weight"},
		{SERIN_REASON_ABORTED, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_GATE_P, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_GATE_R, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_GATE_D, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_GATE_CPU, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_GATE_EXTERNAL, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_EVIDENCE_ERROR, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_EVIDENCE_LATENCY, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_EXITS, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_ABSENT, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_INCONCLUSIVE, SERIN_ROLLED_BACK, "rollback"},
		{SERIN_REASON_INCONCLUSIVE, SERIN_PROGRESSING, "step"},
		{SERIN_REASON_INCONCLUSIVE, SERIN_PROMOTED, "promoted"},
		{SERIN_REASON_STARTED, SERIN_PROGRESSING, "started"},
		{SERIN_REASON_NO_WORSE, SERIN_PROGRESSING, "step"},
		{SERIN_REASON_NO_WORSE, SERIN_PROMOTED, "promoted"},
		{SERIN_REASON_PROMOTED, SERIN_PROGRESSING, "step"},
		{SERIN_REASON_PROMOTED, SERIN_PROMOTED, "promoted"},
		{SERIN_REASON_PAUSED, SERIN_PAUSED, "paused"},
		{SERIN_REASON_RESUMED, SERIN_PROGRESSING, "resumed"},
		{SERIN_REASON_RETRIED, SERIN_PROGRESSING, "started"},
		{SERIN_REASON_RESTORED, SERIN_PROGRESSING, "restored"},
		{SERIN_REASON_RESTORED, SERIN_ROLLED_BACK, "restored"},
		{SERIN_REASON_REPLANNED, SERIN_PAUSED, "replanned"},
	};
	bool met[SERIN_REASONS] = {};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		decision.reason = words[i].reason;
		decision.to = words[i].to;
		met[words[i].reason] = true;
		announce();
		assert_string_equal(text_at("event"), words[i].event);
	}
	for (unsigned i = SERIN_REASON_NONE + 1; i < SERIN_REASONS; i++)
		assert_true(met[i]);
}

static char standing[64];

static const char *standing_of(const struct announce_version *versions, unsigned n, const struct announce_release *releases,
			       unsigned n_releases)
{
	announce_standing(versions, n, releases, n_releases, standing, sizeof(standing));
	return standing;
}

static void where_it_stands_is_one_line(void **state)
{
	static struct serin_target v1 = {.model = "chat", .version = "v1", .n_listeners = 1}, v2 = {.model = "chat", .version = "v2"};
	struct serin_rollout rollout = {.phase = SERIN_PROGRESSING, .weight = 500, .step = 2};
	struct announce_release releases[] = {{"chat", &rollout}, {"embed", &rollout}};
	struct announce_version versions[] = {{.target = &v1}, {.target = &v2}};

	(void)state;
	assert_string_equal(standing_of(versions, 1, NULL, 0), "observing 1 version");
	assert_string_equal(standing_of(versions, 2, NULL, 0), "observing 2 versions; waiting for chat/v2");
	assert_string_equal(standing_of(versions, 1, releases, 1), "chat Progressing at 5%, step 2");
	rollout.step = 0;
	assert_string_equal(standing_of(versions, 2, releases, 2), "chat Progressing at 5%; embed Progressing at 5%; waiting for ch");
}

#define announcing(test) cmocka_unit_test_setup_teardown(test, at_five_percent, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		announcing(a_decision_is_announced_in_words_and_as_fields),
		announcing(a_decision_that_moves_nothing_says_where_it_stands),
		announcing(each_decision_has_its_word),
		cmocka_unit_test(where_it_stands_is_one_line),
	};

	return cmocka_run_group_tests_name("announce", tests, NULL, NULL);
}
