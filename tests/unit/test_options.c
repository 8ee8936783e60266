/* Links: user/options.c user/util.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* program_invocation_short_name */

#include "check.h"

#include "options.h"
#include "util.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

struct settings {
	bool loud;
	const char *name;
	uint64_t count;
	double share;
	int colour;
};

static int parse_colour(const struct option_row *row, const char *text, void *ret_field)
{
	(void)row;
	if (strcmp(text, "red"))
		return -EINVAL;
	*(int *)ret_field = 1;
	return 0;
}

#define AT(field) offsetof(struct settings, field)

static const struct option_row rows[] = {
	{"loud", NULL, "say more", NULL, option_flag, AT(loud), 0, 0, 'l'},
	{"name", "NAME", "what to call it", "a name", option_text, AT(name), 0, 0, 'n'},
	{"count", "N", "how many", NULL, option_count, AT(count), 1, 1000, 0},
	{"share", "PCT", "how much", NULL, option_number, AT(share), 0, 100, 's'},
	{"colour", "red", "its colour", "red", parse_colour, AT(colour), 0, 0, 0},
};

static const struct option_table table = {
	.usage = "paint [OPTION ...]",
	.about = "Paints.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* What the last parse() did. */
static struct settings settings;
static int first;
static char *said, *printed;

static void forget(void)
{
	free(said);
	free(printed);
	said = printed = NULL;
}

static int afresh(void **state)
{
	(void)state;
	forget();
	settings = (struct settings){.count = 7, .share = 1.5};
	first = -1;
	return 0;
}

static int leave(void **state)
{
	(void)state;
	forget();
	return 0;
}

/* Parses "paint" and these words, stdout and stderr caught. */
static int parse_words(char **argv, int argc)
{
	FILE *out = stdout, *err = stderr;
	size_t size;
	int r;

	forget();
	optind = 0; /* glibc: as if it had never been called */
	stdout = open_memstream(&printed, &size);
	stderr = open_memstream(&said, &size);
	r = options_parse(&table, argc, argv, &settings, &first);
	fclose(stdout);
	fclose(stderr);
	stdout = out;
	stderr = err;
	return r;
}

#define parse(...)                                                                                         \
	({                                                                                                 \
		char *argv_[] = {(char *)"paint", __VA_ARGS__, NULL};                                      \
		parse_words(argv_, (int)ARRAY_SIZE(argv_) - 1);                                            \
	})

/* Refused with one line on stderr that names the word. */
#define check_refused(word, ...)                                                                           \
	do {                                                                                               \
		assert_int_equal(parse(__VA_ARGS__), -EINVAL);                                             \
		if (!strstr(said, word))                                                                   \
			fail_msg("'%s' does not name '%s'", said, word);                                   \
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);                             \
		assert_string_equal(printed, "");                                                          \
	} while (0)

/* ---- taking ---- */

static void without_options_the_settings_stay(void **state)
{
	struct settings before = settings;
	char *argv[] = {(char *)"paint", NULL};

	(void)state;
	assert_int_equal(parse_words(argv, 1), 0);
	assert_memory_equal(&settings, &before, sizeof(before));
	assert_int_equal(first, 1);
}

static void a_flag_sets_its_field(void **state)
{
	(void)state;
	assert_int_equal(parse("--loud"), 0);
	assert_true(settings.loud);
}

static void an_option_sets_its_own_field_only(void **state)
{
	(void)state;
	assert_int_equal(parse("--count", "12"), 0);
	assert_int_equal(settings.count, 12);
	assert_false(settings.loud);
	assert_null(settings.name);
	check_near(settings.share, 1.5);
}

static void an_argument_may_follow_an_equals_sign(void **state)
{
	(void)state;
	assert_int_equal(parse("--share=12.5"), 0);
	check_near(settings.share, 12.5);
}

static void a_letter_is_a_short_form(void **state)
{
	(void)state;
	assert_int_equal(parse("-l", "-n", "blue", "-s3"), 0);
	assert_true(settings.loud);
	assert_string_equal(settings.name, "blue");
	check_near(settings.share, 3);
}

static void letters_may_stand_together(void **state)
{
	(void)state;
	assert_int_equal(parse("-ln", "blue"), 0);
	assert_true(settings.loud);
	assert_string_equal(settings.name, "blue");
}

static void a_row_may_bring_its_own_parser(void **state)
{
	(void)state;
	assert_int_equal(parse("--colour", "red"), 0);
	assert_int_equal(settings.colour, 1);
}

static void the_last_of_two_wins(void **state)
{
	(void)state;
	assert_int_equal(parse("--count", "2", "--count", "3"), 0);
	assert_int_equal(settings.count, 3);
}

static void words_stay_behind_the_options(void **state)
{
	char *argv[] = {(char *)"paint", (char *)"house", (char *)"--loud", (char *)"fence", NULL};

	(void)state;
	assert_int_equal(parse_words(argv, 4), 0);
	assert_true(settings.loud);
	assert_int_equal(first, 2);
	assert_string_equal(argv[2], "house");
	assert_string_equal(argv[3], "fence");
}

static void two_dashes_end_the_options(void **state)
{
	(void)state;
	assert_int_equal(parse("--", "--loud"), 0);
	assert_false(settings.loud);
	assert_int_equal(first, 2);
}

static void what_is_taken_is_taken_silently(void **state)
{
	(void)state;
	assert_int_equal(parse("--loud", "--name", "blue", "house"), 0);
	assert_string_equal(said, "");
	assert_string_equal(printed, "");
}

/* ---- refusing ---- */

static void an_unknown_option_is_refused_by_name(void **state)
{
	(void)state;
	check_refused("--lout", "--lout");
	check_refused("-x", "-x");
}

static void an_unknown_letter_among_others_is_refused_by_name(void **state)
{
	(void)state;
	check_refused(": -x", "-xl"); /* the letter alone, or with its neighbours */
}

static void a_missing_argument_is_told_from_an_unknown_option(void **state)
{
	(void)state;
	check_refused("needs an argument", "--name");
	check_refused("--name", "--name");
	check_refused("-n needs an argument", "-n");
}

static void a_flag_takes_no_argument(void **state)
{
	(void)state;
	check_refused("--loud=yes", "--loud=yes");
}

static void a_complaint_names_option_value_and_range(void **state)
{
	(void)state;
	check_refused("--count: '0' is not a number from 1 to 1000", "--count", "0");
	check_refused("--share: 'much' is not a number from 0 to 100", "-s", "much");
}

static void a_complaint_says_what_a_row_wants(void **state)
{
	(void)state;
	check_refused("--colour: 'green' is not red", "--colour", "green");
}

static void a_complaint_begins_with_the_program_and_ends_with_what_to_do(void **state)
{
	char begin[64];

	(void)state;
	snprintf(begin, sizeof(begin), "%s: ", program_invocation_short_name);
	check_refused("--help", "--count", "0");
	assert_memory_equal(said, begin, strlen(begin));
}

static void a_refused_value_leaves_the_field_alone(void **state)
{
	(void)state;
	check_refused("--count", "--count", "1001");
	assert_int_equal(settings.count, 7);
	check_refused("--share", "--share", "101");
	check_near(settings.share, 1.5);
}

static void a_table_too_long_for_the_parser_is_an_error(void **state)
{
	static const struct option_row many[64];
	static const struct option_table long_table = {"", "", many, ARRAY_SIZE(many)};
	char *argv[] = {(char *)"paint", NULL};

	(void)state;
	assert_int_equal(options_parse(&long_table, 1, argv, &settings, &first), -E2BIG);
}

/* ---- values ---- */

static const struct option_row range = {.min = 1, .max = 1000}, wide = {.min = -1e300, .max = 1e300},
			       huge = {.min = 0, .max = 1e30};

static int count(const struct option_row *row, const char *text)
{
	uint64_t value = 7;
	int r = option_count(row, text, &value);

	assert_true(r == 0 || value == 7);
	return r;
}

static int number(const struct option_row *row, const char *text)
{
	double value = 7;
	int r = option_number(row, text, &value);

	assert_true(r == 0 || value == 7);
	return r;
}

static void a_count_is_digits_only(void **state)
{
	static const char *const wrong[] = {"", " 5", "5 ", "-5", "+5", "5.0", "5e1", "0x5", "five"};

	(void)state;
	assert_int_equal(count(&range, "5"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(count(&range, wrong[i]), -EINVAL);
}

static void a_count_is_within_its_range(void **state)
{
	(void)state;
	assert_int_equal(count(&range, "1"), 0);
	assert_int_equal(count(&range, "1000"), 0);
	assert_int_equal(count(&range, "0"), -EINVAL);
	assert_int_equal(count(&range, "1001"), -EINVAL);
}

static void a_count_beyond_64_bits_is_refused(void **state)
{
	(void)state;
	assert_int_equal(count(&huge, "18446744073709551615"), 0);
	assert_int_equal(count(&huge, "18446744073709551616"), -EINVAL);
}

static void a_number_may_be_a_fraction(void **state)
{
	double value;

	(void)state;
	assert_int_equal(option_number(&range, "12.25", &value), 0);
	check_near(value, 12.25);
}

static void a_number_is_within_its_range(void **state)
{
	(void)state;
	assert_int_equal(number(&range, "1"), 0);
	assert_int_equal(number(&range, "1000"), 0);
	assert_int_equal(number(&range, "0.999"), -EINVAL);
	assert_int_equal(number(&range, "1000.001"), -EINVAL);
	assert_int_equal(number(&range, "-5"), -EINVAL);
}

static void a_number_is_finite_and_nothing_else(void **state)
{
	static const char *const wrong[] = {"", "nan", "inf", "-inf", "1e999", "5x", "5 ", "5,5", "."};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(number(&wide, wrong[i]), -EINVAL);
}

static void a_text_is_not_empty(void **state)
{
	const char *text = NULL;

	(void)state;
	assert_int_equal(option_text(&range, "", &text), -EINVAL);
	assert_null(text);
	assert_int_equal(option_text(&range, "a b", &text), 0);
	assert_string_equal(text, "a b");
}

/* ---- help ---- */

static void help_is_printed_and_not_complained(void **state)
{
	(void)state;
	assert_int_equal(parse("--help"), 1);
	assert_string_equal(said, "");
	assert_non_null(strstr(printed, "paint [OPTION ...]"));
	assert_non_null(strstr(printed, "Paints."));
}

static void help_has_a_line_for_every_row(void **state)
{
	(void)state;
	assert_int_equal(parse("--help"), 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char option[64];

		snprintf(option, sizeof(option), "--%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
		assert_non_null(strstr(printed, option));
		assert_non_null(strstr(printed, rows[i].help));
	}
	assert_non_null(strstr(printed, "--help"));
}

static void help_shows_the_letters(void **state)
{
	(void)state;
	assert_int_equal(parse("--help"), 1);
	assert_non_null(strstr(printed, "-l, --loud"));
	assert_non_null(strstr(printed, "  --count N"));
}

#define parsing(test) cmocka_unit_test_setup_teardown(test, afresh, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		parsing(without_options_the_settings_stay),
		parsing(a_flag_sets_its_field),
		parsing(an_option_sets_its_own_field_only),
		parsing(an_argument_may_follow_an_equals_sign),
		parsing(a_letter_is_a_short_form),
		parsing(letters_may_stand_together),
		parsing(a_row_may_bring_its_own_parser),
		parsing(the_last_of_two_wins),
		parsing(words_stay_behind_the_options),
		parsing(two_dashes_end_the_options),
		parsing(what_is_taken_is_taken_silently),
		parsing(an_unknown_option_is_refused_by_name),
		parsing(an_unknown_letter_among_others_is_refused_by_name),
		parsing(a_missing_argument_is_told_from_an_unknown_option),
		parsing(a_flag_takes_no_argument),
		parsing(a_complaint_names_option_value_and_range),
		parsing(a_complaint_says_what_a_row_wants),
		parsing(a_complaint_begins_with_the_program_and_ends_with_what_to_do),
		parsing(a_refused_value_leaves_the_field_alone),
		cmocka_unit_test(a_table_too_long_for_the_parser_is_an_error),
		cmocka_unit_test(a_count_is_digits_only),
		cmocka_unit_test(a_count_is_within_its_range),
		cmocka_unit_test(a_count_beyond_64_bits_is_refused),
		cmocka_unit_test(a_number_may_be_a_fraction),
		cmocka_unit_test(a_number_is_within_its_range),
		cmocka_unit_test(a_number_is_finite_and_nothing_else),
		cmocka_unit_test(a_text_is_not_empty),
		parsing(help_is_printed_and_not_complained),
		parsing(help_has_a_line_for_every_row),
		parsing(help_shows_the_letters),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
