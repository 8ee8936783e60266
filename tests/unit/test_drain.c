/* Links: user/drain.c user/discover.c user/endpoint.c user/reset.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "drain.h"

#include "util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define STABLE 0
#define CANARY 1
#define BEGAN (1000 * NSEC_PER_SEC)
#define DEADLINE (32 * NSEC_PER_SEC)

/* The rules read no kernel. */
int loader_members(struct loader *loader, void (*each)(const struct serin_member *member, void *context), void *context)
{
	(void)loader, (void)each, (void)context;
	fail_msg("processes are looked for");
	return 0;
}

static unsigned looks;

int loader_connections(struct loader *loader, void (*each)(const struct serin_connection *connection, void *context),
		       void *context)
{
	(void)loader, (void)each, (void)context;
	looks++;
	return 0;
}

static struct drain_order order(void)
{
	return (struct drain_order){.stable = STABLE, .canary = CANARY, .weight = 2000, .began_ns = BEGAN,
				    .deadline_ns = DEADLINE, .active = true};
}

/* A connection of the canary at place 2000, silent for so long at BEGAN + elapsed. */
static struct serin_connection silent(uint64_t elapsed, uint64_t silence)
{
	return (struct serin_connection){.cookie = 7, .opened_ns = BEGAN / 2, .spoke_ns = BEGAN + elapsed - silence, .inode = 1,
					 .target = CANARY, .place = 2000, .service = 1};
}

static enum drain_verdict judge(const struct serin_connection *c, uint64_t elapsed)
{
	struct drain_order o = order();

	return drain_judge(c, &o, BEGAN + elapsed);
}

/* ---- how long it waits ---- */

static void patience_falls_from_a_second_to_none(void **state)
{
	(void)state;
	uint64_t before = UINT64_MAX;

	assert_int_equal(drain_patience(0, DEADLINE, false), NSEC_PER_SEC);
	assert_int_equal(drain_patience(DEADLINE / 2 - 1, DEADLINE, false), NSEC_PER_SEC);
	assert_int_equal(drain_patience(DEADLINE / 2, DEADLINE, false), NSEC_PER_SEC / 2);
	assert_int_equal(drain_patience(DEADLINE / 2 + DEADLINE / 16, DEADLINE, false), NSEC_PER_SEC / 4);
	assert_int_equal(drain_patience(DEADLINE - DEADLINE / 16 - 1, DEADLINE, false), NSEC_PER_SEC >> 7);
	assert_int_equal(drain_patience(DEADLINE - DEADLINE / 16, DEADLINE, false), 0);
	for (uint64_t at = 0; at < 2 * DEADLINE; at += DEADLINE / 100) {
		uint64_t now = drain_patience(at, DEADLINE, false);

		assert_true(now <= before && (now >= 5 * NSEC_PER_MSEC || at > DEADLINE / 16 * 15));
		before = now;
	}
}

static void a_short_drain_has_less_patience(void **state)
{
	(void)state;
	assert_int_equal(drain_patience(0, NSEC_PER_SEC, false), NSEC_PER_SEC / 4);
	assert_int_equal(drain_patience(0, 8 * NSEC_PER_MSEC, false), 5 * NSEC_PER_MSEC);
	assert_int_equal(drain_patience(0, 7, false), 5 * NSEC_PER_MSEC); /* its half has no eighth */
	assert_int_equal(drain_patience(5, 7, false), 0);
	assert_int_equal(drain_patience(0, 0, false), 0);
	assert_int_equal(drain_patience(UINT64_MAX, UINT64_MAX - 1, false), 0);
}

static void what_is_not_framed_needs_longer(void **state)
{
	(void)state;
	assert_int_equal(drain_patience(0, DEADLINE, true), 10 * NSEC_PER_SEC);
	assert_int_equal(drain_patience(DEADLINE - 1, DEADLINE, true), NSEC_PER_SEC);
	assert_int_equal(drain_patience(0, 0, true), NSEC_PER_SEC);
}

/* ---- which ---- */

static void a_silent_one_ends(void **state)
{
	(void)state;
	struct serin_connection c = silent(5 * NSEC_PER_SEC, NSEC_PER_SEC);

	assert_int_equal(judge(&c, 5 * NSEC_PER_SEC), DRAIN_END);
	assert_int_equal(judge(&c, 5 * NSEC_PER_SEC - 1), DRAIN_WAIT);
	c.spoke_ns = 0; /* it never spoke: since it was opened */
	assert_int_equal(judge(&c, 5 * NSEC_PER_SEC), DRAIN_END);
	c.opened_ns = BEGAN + 5 * NSEC_PER_SEC - 1;
	assert_int_equal(judge(&c, 5 * NSEC_PER_SEC), DRAIN_WAIT);
	c.opened_ns = BEGAN;
	c.spoke_ns = BEGAN + DEADLINE; /* in the last sixteenth any moment will do */
	assert_int_equal(judge(&c, DEADLINE - 1), DRAIN_END);
	c = silent(0, 0);
	c.spoke_ns += 10 * NSEC_PER_SEC; /* it spoke after the look had begun */
	assert_int_equal(judge(&c, 5 * NSEC_PER_SEC), DRAIN_WAIT);
}

static void only_its_own_that_lie_above_the_weight(void **state)
{
	(void)state;
	struct serin_connection c = silent(0, 20 * NSEC_PER_SEC);
	struct drain_order o = order();

	c.place = 1999;
	assert_int_equal(judge(&c, 0), DRAIN_KEEP);
	c.place = SERIN_NONE;
	assert_int_equal(judge(&c, 0), DRAIN_KEEP);
	c = silent(0, 20 * NSEC_PER_SEC);
	c.service = 0;
	assert_int_equal(judge(&c, 0), DRAIN_KEEP);
	c = silent(0, 20 * NSEC_PER_SEC);
	c.target = STABLE;
	assert_int_equal(judge(&c, 0), DRAIN_KEEP);
	c.target = 2; /* of another release */
	assert_int_equal(judge(&c, 2 * DEADLINE), DRAIN_KEEP);
	c = silent(0, 20 * NSEC_PER_SEC);
	o.active = false;
	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_KEEP);
	o.active = true;
	o.weight = 0;
	c.place = 0;
	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_END);
}

static void a_busy_one_is_let_finish_until_the_deadline(void **state)
{
	(void)state;
	struct serin_connection c = silent(0, 20 * NSEC_PER_SEC);

	c.in_flight = 1;
	assert_int_equal(judge(&c, 0), DRAIN_WAIT);
	assert_int_equal(judge(&c, DEADLINE - 1), DRAIN_WAIT);
	assert_int_equal(judge(&c, DEADLINE), DRAIN_RESET);
}

/* Its clients' next requests would fail: a short pause will do, never a request in flight. */
static void a_failing_canary_is_left_sooner(void **state)
{
	(void)state;
	struct drain_order o = order();
	struct serin_connection c = silent(0, 50 * NSEC_PER_MSEC);

	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_WAIT);
	o.failing = true;
	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_END);
	assert_int_equal(drain_judge(&c, &o, BEGAN - 1), DRAIN_WAIT);
	c.in_flight = 1;
	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_WAIT);
	c = silent(0, 499 * NSEC_PER_MSEC);
	c.unframed = 1;
	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_WAIT);
	c.spoke_ns -= NSEC_PER_MSEC;
	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_END);
}

/* One that is idle at the deadline ends in order still, whatever its silence; one that has been told and stays is reset. */
static void at_the_deadline(void **state)
{
	(void)state;
	struct serin_connection c = silent(DEADLINE, 1);

	assert_int_equal(judge(&c, DEADLINE), DRAIN_END);
	c.shut = 1;
	assert_int_equal(judge(&c, DEADLINE - 1), DRAIN_WAIT);
	assert_int_equal(judge(&c, DEADLINE), DRAIN_RESET);
}

static void never_ended_twice(void **state)
{
	(void)state;
	struct serin_connection c = silent(0, 20 * NSEC_PER_SEC);
	struct drain_order o = order();

	c.shut = 1;
	assert_int_equal(judge(&c, 0), DRAIN_WAIT);
	c.target = STABLE;
	o.max_age_ns = NSEC_PER_SEC;
	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_KEEP);
}

/* ---- age ---- */

static void ages_differ_by_a_tenth_at_most(void **state)
{
	(void)state;
	uint64_t least = UINT64_MAX, most = 0, max = 3600 * NSEC_PER_SEC;

	for (uint64_t cookie = 1; cookie <= 1000; cookie++) {
		uint64_t limit = drain_age_limit(max, cookie);

		assert_true(limit >= max - max / 10 && limit <= max + max / 10);
		assert_int_equal(limit, drain_age_limit(max, cookie));
		least = limit < least ? limit : least;
		most = limit > most ? limit : most;
	}
	assert_true(least < max - max / 12 && most > max + max / 12);
}

static void old_ones_of_both_versions_end_in_a_pause(void **state)
{
	(void)state;
	struct drain_order o = order();
	struct serin_connection c = silent(0, 20 * NSEC_PER_SEC);
	uint64_t limit;

	o.weight = SERIN_WEIGHT_MAX;
	o.max_age_ns = 100 * NSEC_PER_SEC;
	limit = drain_age_limit(o.max_age_ns, c.cookie);
	for (c.target = STABLE; c.target <= CANARY; c.target++) {
		c.in_flight = 0;
		c.opened_ns = BEGAN - limit;
		assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_AGE);
		assert_int_equal(drain_judge(&c, &o, BEGAN - 1), DRAIN_KEEP);
		c.in_flight = 1;
		assert_int_equal(drain_judge(&c, &o, BEGAN + 1000 * NSEC_PER_SEC), DRAIN_KEEP);
	}
	c.target = STABLE;
	c.in_flight = 0;
	c.service = 0;
	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_KEEP);
	c.service = 1;
	o.max_age_ns = 0;
	assert_int_equal(drain_judge(&c, &o, BEGAN), DRAIN_KEEP);
}

static void a_share_of_them_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(drain_share(0), 1);
	assert_int_equal(drain_share(15), 1);
	assert_int_equal(drain_share(160), 11);
}

/* ---- when ---- */

static void it_looks_when_something_may_be_due(void **state)
{
	(void)state;
	struct drain_order o = order();
	struct drain_state s = {.ended = 3};

	looks = 0;
	assert_int_equal(drain_look(NULL, &o, &s, 1, BEGAN), 0);
	assert_int_equal(looks, 1);
	assert_int_equal(drain_look(NULL, &o, &s, 1, BEGAN + 1), 0);
	assert_int_equal(drain_look(NULL, &o, &s, 1, BEGAN + NSEC_PER_SEC - 1), 0);
	assert_int_equal(looks, 1); /* nothing was to end */
	assert_int_equal(drain_look(NULL, &o, &s, 1, BEGAN + NSEC_PER_SEC), 0);
	assert_int_equal(looks, 2);
	o.began_ns = BEGAN + NSEC_PER_SEC + 1; /* a new weight */
	assert_int_equal(drain_look(NULL, &o, &s, 1, BEGAN + NSEC_PER_SEC + 2), 0);
	assert_int_equal(looks, 3);
	s.connections = 1;
	assert_int_equal(drain_look(NULL, &o, &s, 1, BEGAN + NSEC_PER_SEC + 3), 0);
	assert_int_equal(looks, 4);
	assert_int_equal(s.connections, 0);
	assert_int_equal(s.ended, 3);
}

static void it_does_not_look_where_nothing_can_end(void **state)
{
	(void)state;
	struct drain_order o = order();
	struct drain_state s = {.connections = 5, .in_flight = 2, .unreachable = 1};

	looks = 0;
	o.weight = SERIN_WEIGHT_MAX;
	assert_int_equal(drain_look(NULL, &o, &s, 1, BEGAN), 0);
	o = order();
	o.active = false;
	assert_int_equal(drain_look(NULL, &o, &s, 1, BEGAN + NSEC_PER_SEC), 0);
	assert_int_equal(looks, 0);
	assert_int_equal(s.connections + s.in_flight + s.unreachable, 0);
	o.active = true;
	o.weight = SERIN_WEIGHT_MAX;
	o.max_age_ns = NSEC_PER_SEC;
	assert_int_equal(drain_look(NULL, &o, &s, 1, BEGAN + 5 * NSEC_PER_SEC), 0);
	assert_int_equal(looks, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patience_falls_from_a_second_to_none),
		cmocka_unit_test(a_short_drain_has_less_patience),
		cmocka_unit_test(what_is_not_framed_needs_longer),
		cmocka_unit_test(a_silent_one_ends),
		cmocka_unit_test(only_its_own_that_lie_above_the_weight),
		cmocka_unit_test(a_busy_one_is_let_finish_until_the_deadline),
		cmocka_unit_test(a_failing_canary_is_left_sooner),
		cmocka_unit_test(at_the_deadline),
		cmocka_unit_test(never_ended_twice),
		cmocka_unit_test(ages_differ_by_a_tenth_at_most),
		cmocka_unit_test(old_ones_of_both_versions_end_in_a_pause),
		cmocka_unit_test(a_share_of_them_at_a_time),
		cmocka_unit_test(it_looks_when_something_may_be_due),
		cmocka_unit_test(it_does_not_look_where_nothing_can_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
