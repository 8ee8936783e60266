/* Links: user/hist.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The bucket function that kernel and user space share. */
#include "check.h"

#include "hist.h"

#define LOWEST (1ULL << SERIN_HIST_LOW)
#define BEYOND (1ULL << (SERIN_HIST_LOW + SERIN_HIST_OCTAVES))

/* The next value of a sweep in steps of less than a thousandth, so that no bucket (1/16 to 1/32 wide) is skipped. */
static uint64_t next(uint64_t v)
{
	return v + v / 1024 + 1;
}

static double off_by(uint64_t v)
{
	uint64_t low, high;
	double middle;

	hist_bounds(serin_hist_bucket(v), &low, &high);
	middle = ((double)low + (double)high) / 2;
	return (middle > (double)v ? middle - (double)v : (double)v - middle) / (double)v;
}

static void a_larger_value_is_never_in_a_lower_bucket(void **state)
{
	uint32_t before = 0;

	(void)state;
	for (uint64_t v = 0; v < 4 * BEYOND; v = next(v)) {
		uint32_t bucket = serin_hist_bucket(v);

		assert_true(bucket >= before);
		before = bucket;
	}
}

static void a_sweep_passes_through_every_bucket(void **state)
{
	uint32_t before = 0;

	(void)state;
	for (uint64_t v = 0; v < 4 * BEYOND; v = next(v)) {
		uint32_t bucket = serin_hist_bucket(v);

		assert_true(bucket - before <= 1);
		before = bucket;
	}
	assert_int_equal(before, SERIN_HIST_BUCKETS - 1);
}

static void the_middle_of_its_bucket_is_at_most_3_125_percent_off_any_value(void **state)
{
	(void)state;
	for (uint64_t v = LOWEST; v < BEYOND; v = next(v))
		assert_true(off_by(v) <= 0.03125);
}

static void the_error_bound_holds_at_both_ends_of_every_bucket(void **state)
{
	uint64_t low, high;

	(void)state;
	for (unsigned i = 1; i < SERIN_HIST_BUCKETS - 1; i++) {
		hist_bounds(i, &low, &high);
		assert_true(off_by(low) <= 0.03125);
		assert_true(off_by(high - 1) <= 0.03125);
	}
}

static void a_bucket_holds_exactly_the_values_within_its_bounds(void **state)
{
	uint64_t low, high;

	(void)state;
	for (unsigned i = 0; i < SERIN_HIST_BUCKETS - 1; i++) {
		hist_bounds(i, &low, &high);
		assert_int_equal(serin_hist_bucket(low), i);
		assert_int_equal(serin_hist_bucket(high - 1), i);
		assert_int_equal(serin_hist_bucket(high), i + 1);
	}
}

static void the_buckets_leave_no_gap_between_them(void **state)
{
	uint64_t low, high, end = 0;

	(void)state;
	for (unsigned i = 0; i < SERIN_HIST_BUCKETS; i++) {
		hist_bounds(i, &low, &high);
		assert_int_equal(low, end);
		end = high;
	}
	assert_int_equal(end, BEYOND);
}

static void below_one_microsecond_is_the_first_bucket(void **state)
{
	(void)state;
	assert_int_equal(serin_hist_bucket(0), 0);
	assert_int_equal(serin_hist_bucket(1), 0);
	assert_int_equal(serin_hist_bucket(1023), 0);
	assert_int_equal(serin_hist_bucket(1024), 1);
}

/* 33 octaves of 16 and one bucket at either end: 530. 2^43 ns are 2 h 26 min, so two hours are well inside. */
static void beyond_the_last_octave_is_the_last_bucket(void **state)
{
	(void)state;
	assert_int_equal(SERIN_HIST_BUCKETS, 530);
	assert_int_equal(serin_hist_bucket(BEYOND - 1), 528);
	assert_int_equal(serin_hist_bucket(BEYOND), 529);
	assert_int_equal(serin_hist_bucket(UINT64_MAX), 529);
	assert_true(serin_hist_bucket(7200 * SECOND) < 528);
}

/*
 * 1024 + 64 begins the second sixteenth of the first octave: bucket 2. 1,000,000 ns: highest bit 19, nine octaves up,
 * 1,000,000 / 2^15 = 30.5 is sixteenth 14: 1 + 9 * 16 + 14 = 159, that is 983,040 to 1,015,808. 2^32 is 22 octaves up:
 * 1 + 22 * 16 = 353.
 */
static void known_values_are_in_the_buckets_worked_out_by_hand(void **state)
{
	uint64_t low, high;

	(void)state;
	assert_int_equal(serin_hist_bucket(1087), 1);
	assert_int_equal(serin_hist_bucket(1088), 2);
	assert_int_equal(serin_hist_bucket(1000000), 159);
	assert_int_equal(serin_hist_bucket((1ULL << 32) - 1), 352);
	assert_int_equal(serin_hist_bucket(1ULL << 32), 353);
	hist_bounds(159, &low, &high);
	assert_int_equal(low, 983040);
	assert_int_equal(high, 1015808);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_larger_value_is_never_in_a_lower_bucket),
		cmocka_unit_test(a_sweep_passes_through_every_bucket),
		cmocka_unit_test(the_middle_of_its_bucket_is_at_most_3_125_percent_off_any_value),
		cmocka_unit_test(the_error_bound_holds_at_both_ends_of_every_bucket),
		cmocka_unit_test(a_bucket_holds_exactly_the_values_within_its_bounds),
		cmocka_unit_test(the_buckets_leave_no_gap_between_them),
		cmocka_unit_test(below_one_microsecond_is_the_first_bucket),
		cmocka_unit_test(beyond_the_last_octave_is_the_last_bucket),
		cmocka_unit_test(known_values_are_in_the_buckets_worked_out_by_hand),
	};

	return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
