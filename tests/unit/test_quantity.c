/* Links: user/quantity.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "quantity.h"
#include "util.h"

#include <errno.h>

typedef int (*parser)(const char *text, double *ret);

static void check_reads(parser parse, const char *text, double expected)
{
	double value = -1;

	if (parse(text, &value) != 0)
		fail_msg("'%s' is refused", text);
	check_near(value, expected);
}

static void check_refuses(parser parse, const char *text)
{
	double value = -1;

	if (parse(text, &value) != -EINVAL || value != -1)
		fail_msg("'%s' is taken, as %g", text, value);
}

static void times_have_a_unit(void **state)
{
	(void)state;
	check_reads(quantity_duration, "250ms", 250e6);
	check_reads(quantity_duration, "60s", 60e9);
	check_reads(quantity_duration, "0.1s", 100e6);
	check_reads(quantity_duration, "5m", 300e9);
	check_reads(quantity_duration, "2h", 7200e9);
	check_reads(quantity_duration, "30d", 30 * 86400e9);
	check_reads(quantity_duration, "0", 0);
	check_refuses(quantity_duration, "60");
	check_refuses(quantity_duration, "60 s");
	check_refuses(quantity_duration, "60S");
	check_refuses(quantity_duration, "s");
}

static void a_share_is_of_one_or_of_a_hundred(void **state)
{
	(void)state;
	check_reads(quantity_share, "1%", 0.01);
	check_reads(quantity_share, "0.01", 0.01);
	check_refuses(quantity_share, "1 %");
	check_refuses(quantity_share, "%");
}

static void a_weight_is_percent_with_its_sign_or_without(void **state)
{
	(void)state;
	check_reads(quantity_weight, "5", 500);
	check_reads(quantity_weight, "5%", 500);
	check_reads(quantity_weight, "0.01", 1);
	check_reads(quantity_weight, "12.34%", 1234);
	check_refuses(quantity_weight, "0.001");
	check_refuses(quantity_weight, "5x");
}

static void a_factor_may_have_an_x(void **state)
{
	(void)state;
	check_reads(quantity_factor, "1.1x", 1.1);
	check_reads(quantity_factor, "1.1", 1.1);
	check_refuses(quantity_factor, "x");
	check_refuses(quantity_factor, "1.1xx");
}

/* What strtod() takes, and no person means. */
static void numbers_are_digits_and_a_point(void **state)
{
	static const char *const texts[] = {"", "-1", "+1", " 1", "1 ", "1e3", "0x10", "inf", "nan", ".", "1.2.3", "1,5", "1..2",
					    "00000000000000000000000000000000000000000000000001"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		check_refuses(quantity_number, texts[i]);
	check_reads(quantity_number, "0.5", 0.5);
	check_reads(quantity_number, ".5", 0.5);
	check_reads(quantity_number, "12", 12);
}

static void a_time_is_written_so_that_it_is_read_the_same(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} all[] = {{0, "0s"},		     {250000000, "250ms"}, {90 * SECOND, "90s"},
		   {300 * SECOND, "5m"},     {7200 * SECOND, "2h"}, {30 * 86400 * SECOND, "30d"}, {500000, "0.5ms"}};
	char text[QUANTITY_TEXT_MAX];
	double again;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		quantity_format_duration(all[i].ns, text);
		assert_string_equal(text, all[i].text);
		assert_int_equal(quantity_duration(text, &again), 0);
		check_near(again, (double)all[i].ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_have_a_unit),
		cmocka_unit_test(a_share_is_of_one_or_of_a_hundred),
		cmocka_unit_test(a_weight_is_percent_with_its_sign_or_without),
		cmocka_unit_test(a_factor_may_have_an_x),
		cmocka_unit_test(numbers_are_digits_and_a_point),
		cmocka_unit_test(a_time_is_written_so_that_it_is_read_the_same),
	};

	return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
