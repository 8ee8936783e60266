/* Links: user/recent.c user/hist.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "hist.h"
#include "recent.h"

#include <string.h>

static struct recent recent;
static struct serin_hist total;
static double seconds; /* since the test began */

static int empty(void **state)
{
	(void)state;
	memset(&recent, 0, sizeof(recent));
	memset(&total, 0, sizeof(total));
	seconds = 0;
	return 0;
}

/* A look, a second and a quarter after the one before, at a histogram that has grown by so many values of a millisecond. */
static void look(unsigned times)
{
	seconds += 1.25;
	total.bucket[serin_hist_bucket(1000000)] += times;
	total.sum += times * 1000000ULL;
	total.max = 1000000;
	*recent_push(&recent, (uint64_t)(seconds * 1e9)) = total;
}

static uint64_t count(void)
{
	struct serin_hist hist;

	recent_hist(&recent, &hist);
	return hist_count(&hist);
}

static void nothing_is_recent_before_the_first_look(void **state)
{
	struct serin_hist hist, nothing = {};

	(void)state;
	memset(&hist, 0xff, sizeof(hist));
	recent_hist(&recent, &hist);
	assert_memory_equal(&hist, &nothing, sizeof(hist));
}

static void what_was_there_at_the_first_look_is_not_recent(void **state)
{
	struct serin_hist hist, nothing = {};

	(void)state;
	look(1000);
	recent_hist(&recent, &hist);
	assert_memory_equal(&hist, &nothing, sizeof(hist));
}

static void what_came_between_two_looks_is_recent(void **state)
{
	struct serin_hist hist;

	(void)state;
	look(1000);
	look(7);
	recent_hist(&recent, &hist);
	assert_int_equal(hist_count(&hist), 7);
	assert_int_equal(hist.sum, 7000000);
}

/* Eleven looks a second apart would span ten seconds: 1 + 2 + .. + 10 = 55. */
static void ten_seconds_are_recent(void **state)
{
	(void)state;
	look(1000);
	for (unsigned i = 1; i <= 10; i++)
		look(i);
	assert_int_equal(count(), 55);
}

/* One more look: the first second's 1 leaves, 11 come. */
static void the_eleventh_second_pushes_the_first_out(void **state)
{
	(void)state;
	look(1000);
	for (unsigned i = 1; i <= 11; i++)
		look(i);
	assert_int_equal(count(), 55 - 1 + 11);
}

/* Seconds 91 to 100: 955. */
static void only_the_last_ten_of_a_hundred_seconds_are_recent(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= 100; i++)
		look(i);
	assert_int_equal(count(), 955);
}

static void its_length_is_what_lies_between_the_looks_that_are_kept(void **state)
{
	(void)state;
	assert_true(recent_seconds(&recent) == 0);
	look(1);
	assert_true(recent_seconds(&recent) == 0);
	look(1);
	assert_true(recent_seconds(&recent) == 1.25);
	for (unsigned i = 0; i < 100; i++)
		look(1);
	assert_true(recent_seconds(&recent) == 12.5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_recent_before_the_first_look, empty),
		cmocka_unit_test_setup(what_was_there_at_the_first_look_is_not_recent, empty),
		cmocka_unit_test_setup(what_came_between_two_looks_is_recent, empty),
		cmocka_unit_test_setup(ten_seconds_are_recent, empty),
		cmocka_unit_test_setup(the_eleventh_second_pushes_the_first_out, empty),
		cmocka_unit_test_setup(only_the_last_ten_of_a_hundred_seconds_are_recent, empty),
		cmocka_unit_test_setup(its_length_is_what_lies_between_the_looks_that_are_kept, empty),
	};

	return cmocka_run_group_tests_name("recent", tests, NULL, NULL);
}
