/* Links: user/window.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "window.h"

#include <string.h>

static struct serin_window window;

static int empty(void **state)
{
	(void)state;
	memset(&window, 0, sizeof(window));
	return 0;
}

/* Snapshots at 1 s, 2 s, .. */
static void push_seconds(unsigned from, unsigned to)
{
	for (unsigned i = from; i <= to; i++)
		window_push(&window)->now_ns = i * SECOND;
}

static uint64_t begin_second(uint64_t length_seconds, uint64_t since_seconds)
{
	return window_begin(&window, length_seconds * SECOND, since_seconds * SECOND)->now_ns / SECOND;
}

static void an_empty_window_has_no_newest(void **state)
{
	(void)state;
	assert_null(window_newest(&window));
}

static void an_empty_window_has_no_begin(void **state)
{
	(void)state;
	assert_null(window_begin(&window, 10 * SECOND, 0));
}

static void the_newest_is_what_was_pushed_last(void **state)
{
	(void)state;
	push_seconds(1, 1);
	assert_int_equal(window_newest(&window)->now_ns, SECOND);
	push_seconds(2, 2);
	assert_int_equal(window_newest(&window)->now_ns, 2 * SECOND);
}

static void a_push_gives_the_place_of_the_newest(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * WINDOW_SNAPSHOTS; i++) {
		const struct serin_snapshot *place = window_push(&window);

		assert_ptr_equal(place, window_newest(&window));
	}
}

static void a_push_leaves_the_one_before_it_alone(void **state)
{
	const struct serin_snapshot *before;

	(void)state;
	for (unsigned i = 1; i <= 3 * WINDOW_SNAPSHOTS; i++) {
		before = window_newest(&window);
		push_seconds(i, i);
		assert_true(i == 1 || before->now_ns == (i - 1) * SECOND);
	}
}

static void a_window_begins_exactly_its_length_ago(void **state)
{
	(void)state;
	push_seconds(1, 50);
	assert_int_equal(begin_second(10, 0), 40);
	assert_int_equal(begin_second(1, 0), 49);
}

/* Ticks are never quite on time: of 9.999 s and 11 s it takes 11. */
static void a_window_is_at_least_its_length(void **state)
{
	(void)state;
	push_seconds(1, 50);
	window_push(&window)->now_ns = 51 * SECOND - 1;
	assert_int_equal(begin_second(10, 0), 40);
}

static void a_young_window_begins_with_the_oldest(void **state)
{
	(void)state;
	push_seconds(7, 12);
	assert_int_equal(begin_second(10, 0), 7);
}

static void a_single_snapshot_is_begin_and_end(void **state)
{
	(void)state;
	push_seconds(7, 7);
	assert_ptr_equal(window_begin(&window, 10 * SECOND, 0), window_newest(&window));
}

static void a_window_does_not_reach_back_beyond_the_start_of_a_step(void **state)
{
	(void)state;
	push_seconds(1, 50);
	assert_int_equal(begin_second(10, 45), 45);
	assert_int_equal(begin_second(10, 30), 40);
}

static void a_step_begun_between_two_snapshots_starts_with_the_later(void **state)
{
	(void)state;
	push_seconds(1, 50);
	assert_int_equal(window_begin(&window, 10 * SECOND, 44 * SECOND + 1)->now_ns, 45 * SECOND);
}

static void a_step_begun_after_the_newest_has_no_past(void **state)
{
	(void)state;
	push_seconds(1, 50);
	assert_int_equal(begin_second(10, 51), 50);
}

static void a_full_ring_gives_up_its_oldest(void **state)
{
	(void)state;
	push_seconds(1, WINDOW_SNAPSHOTS);
	assert_int_equal(begin_second(1000000, 0), 1);
	push_seconds(WINDOW_SNAPSHOTS + 1, WINDOW_SNAPSHOTS + 1);
	assert_int_equal(begin_second(1000000, 0), 2);
}

static void a_ring_gone_round_many_times_still_finds_its_begin(void **state)
{
	(void)state;
	push_seconds(1, 1000);
	assert_int_equal(begin_second(10, 0), 990);
	assert_int_equal(begin_second(WINDOW_SNAPSHOTS - 1, 0), 1000 - (WINDOW_SNAPSHOTS - 1));
	assert_int_equal(begin_second(10, 995), 995);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_empty_window_has_no_newest, empty),
		cmocka_unit_test_setup(an_empty_window_has_no_begin, empty),
		cmocka_unit_test_setup(the_newest_is_what_was_pushed_last, empty),
		cmocka_unit_test_setup(a_push_gives_the_place_of_the_newest, empty),
		cmocka_unit_test_setup(a_push_leaves_the_one_before_it_alone, empty),
		cmocka_unit_test_setup(a_window_begins_exactly_its_length_ago, empty),
		cmocka_unit_test_setup(a_window_is_at_least_its_length, empty),
		cmocka_unit_test_setup(a_young_window_begins_with_the_oldest, empty),
		cmocka_unit_test_setup(a_single_snapshot_is_begin_and_end, empty),
		cmocka_unit_test_setup(a_window_does_not_reach_back_beyond_the_start_of_a_step, empty),
		cmocka_unit_test_setup(a_step_begun_between_two_snapshots_starts_with_the_later, empty),
		cmocka_unit_test_setup(a_step_begun_after_the_newest_has_no_past, empty),
		cmocka_unit_test_setup(a_full_ring_gives_up_its_oldest, empty),
		cmocka_unit_test_setup(a_ring_gone_round_many_times_still_finds_its_begin, empty),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
