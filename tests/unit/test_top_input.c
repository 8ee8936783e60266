/* Links: user/top_input.c user/options.c user/util.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "terminal.h"
#include "top_input.h"

#include <string.h>

static struct top_input input;
static double weight;

static int begin(void **state)
{
	(void)state;
	memset(&input, 0, sizeof(input));
	weight = -1;
	return 0;
}

/* What the last of these keys did. */
static enum top_act press(const char *keys)
{
	enum top_act act = TOP_NOTHING;

	for (; *keys; keys++)
		act = top_input_key(&input, *keys, &weight);
	return act;
}

static void what_can_be_taken_back_is_done_at_once(void **state)
{
	(void)state;
	assert_int_equal(press("p"), TOP_PAUSE);
	assert_int_equal(press("r"), TOP_RESUME);
	assert_int_equal(press("t"), TOP_RETRY);
	assert_int_equal(press("q"), TOP_QUIT);
	assert_int_equal(input.mode, TOP_WATCHING);
}

static void promote_and_abort_ask_first(void **state)
{
	static const struct {
		const char *key;
		enum top_act act;
	} asks[] = {{"m", TOP_PROMOTE}, {"+", TOP_PROMOTE}, {"a", TOP_ABORT}};

	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		assert_int_equal(press(asks[i].key), TOP_NOTHING);
		assert_int_equal(input.mode, TOP_ASKING);
		assert_int_equal(input.asked, asks[i].act);
		assert_int_equal(press("y"), asks[i].act);
		assert_int_equal(input.mode, TOP_WATCHING);
	}
}

/* Any key but y is a no, and is not taken for what it means otherwise. */
static void whatever_is_no_yes_is_no(void **state)
{
	static const int keys[] = {'n', 'N', 'q', 'a', '\n', ' ', TERMINAL_ESCAPE, TERMINAL_UP, TERMINAL_OTHER};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		press("a");
		assert_int_equal(top_input_key(&input, keys[i], &weight), TOP_LEFT);
		assert_int_equal(input.mode, TOP_WATCHING);
		assert_int_equal(press("y"), TOP_NOTHING);
	}
}

static void a_weight_is_typed_and_ended_by_enter(void **state)
{
	(void)state;
	assert_int_equal(press("w"), TOP_NOTHING);
	assert_int_equal(press("12.5"), TOP_NOTHING);
	assert_string_equal(input.typed, "12.5");
	assert_int_equal(press("\n"), TOP_WEIGHT);
	check_near(weight, 12.5);
	assert_int_equal(press("w1\b\b\b20\n"), TOP_WEIGHT);
	check_near(weight, 20);
	assert_int_equal(press("w0\n"), TOP_WEIGHT);
	check_near(weight, 0);
}

static void what_is_no_weight_is_none(void **state)
{
	(void)state;
	assert_int_equal(press("w101\n"), TOP_WRONG);
	assert_string_equal(input.typed, "101");
	assert_int_equal(press("w1.2.3\n"), TOP_WRONG);
	assert_int_equal(press("w\n"), TOP_LEFT);
	assert_int_equal(press("w5q"), TOP_LEFT);
	assert_int_equal(press("w5\033"), TOP_LEFT);
	assert_int_equal(press("wpam-e"), TOP_NOTHING);
	assert_string_equal(input.typed, "");
	assert_int_equal(press("99999999999999999999"), TOP_NOTHING);
	assert_int_equal(strlen(input.typed), TOP_TYPED_MAX - 1);
	assert_int_equal(press("\n"), TOP_WRONG);
	check_near(weight, -1);
}

static void help_goes_with_any_key_which_does_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(press("?"), TOP_NOTHING);
	assert_int_equal(input.mode, TOP_HELPING);
	assert_int_equal(press("p"), TOP_NOTHING);
	assert_int_equal(input.mode, TOP_WATCHING);
	assert_int_equal(press("?q"), TOP_QUIT);
}

static void arrows_choose_and_enter_shows(void **state)
{
	(void)state;
	assert_int_equal(top_input_key(&input, TERMINAL_UP, &weight), TOP_UP);
	assert_int_equal(top_input_key(&input, TERMINAL_DOWN, &weight), TOP_DOWN);
	assert_int_equal(press("j"), TOP_DOWN);
	assert_int_equal(press("\n"), TOP_SHOW);
	assert_int_equal(press("z"), TOP_SPAN);
}

static void it_ends_when_nobody_can_see_it_whatever_it_asks(void **state)
{
	static const char *const before[] = {"", "a", "w1", "?"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		begin(NULL);
		press(before[i]);
		assert_int_equal(top_input_key(&input, TERMINAL_GONE, &weight), TOP_QUIT);
	}
}

/* What a broken escape sequence leaves must not be an order: they end in capitals and '~'. */
static void capitals_are_no_orders(void **state)
{
	(void)state;
	for (int key = 0; key < 512; key++) {
		enum top_act act;

		begin(NULL);
		act = top_input_key(&input, key, &weight);
		if ((key >= 'A' && key <= 'Z') || key == '[' || key == '~' || key == ';')
			assert_true(act == TOP_NOTHING && input.mode == TOP_WATCHING);
	}
}

static void the_help_has_every_key_that_is_told(void **state)
{
	(void)state;
	for (const struct top_help *h = top_help; h->key; h++) {
		begin(NULL);
		if (h->key[1])
			continue;
		if (top_input_key(&input, h->key[0], &weight) == TOP_NOTHING)
			assert_int_not_equal(input.mode, TOP_WATCHING);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_can_be_taken_back_is_done_at_once, begin),
		cmocka_unit_test_setup(promote_and_abort_ask_first, begin),
		cmocka_unit_test_setup(whatever_is_no_yes_is_no, begin),
		cmocka_unit_test_setup(a_weight_is_typed_and_ended_by_enter, begin),
		cmocka_unit_test_setup(what_is_no_weight_is_none, begin),
		cmocka_unit_test_setup(help_goes_with_any_key_which_does_nothing_else, begin),
		cmocka_unit_test_setup(arrows_choose_and_enter_shows, begin),
		cmocka_unit_test_setup(it_ends_when_nobody_can_see_it_whatever_it_asks, begin),
		cmocka_unit_test_setup(capitals_are_no_orders, begin),
		cmocka_unit_test_setup(the_help_has_every_key_that_is_told, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
