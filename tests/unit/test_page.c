/* Links: user/page.c user/util.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "page.h"

#include <stdlib.h>
#include <string.h>

static struct page page;
static char *text;

static int end(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	free(page.text); /* of a test that failed before page_take() */
	page.text = NULL;
	return 0;
}

static void begin(unsigned width, bool utf8, bool colour)
{
	free(text);
	text = NULL;
	page_init(&page, &(struct page_look){width, utf8, colour});
}

/* One line of it. */
static const char *line_of(unsigned width, bool utf8, const char *words)
{
	begin(width, utf8, false);
	page_put(&page, PAGE_PLAIN, words);
	page_end(&page);
	text = page_take(&page, 0);
	return text;
}

static void lines_come_as_they_are(void **state)
{
	(void)state;
	begin(0, true, false);
	page_put(&page, PAGE_BOLD, "one");
	page_printf(&page, PAGE_RED, " and %d", 1);
	page_end(&page);
	page_end(&page);
	page_put(&page, PAGE_PLAIN, "two");
	page_end(&page);
	text = page_take(&page, 0);
	assert_string_equal(text, "one and 1\n\ntwo\n");
}

static void an_empty_page_is_an_empty_text(void **state)
{
	(void)state;
	begin(80, true, true);
	text = page_take(&page, 5);
	assert_string_equal(text, "");
}

static void blanks_at_the_end_go(void **state)
{
	(void)state;
	assert_string_equal(line_of(5, true, "ab      "), "ab\n");
	assert_string_equal(line_of(5, true, "      "), "\n");
}

static void lines_are_cut_at_the_width(void **state)
{
	(void)state;
	assert_string_equal(line_of(5, true, "12345"), "12345\n");
	assert_string_equal(line_of(5, true, "123456"), "1234\u2026\n");
	assert_string_equal(line_of(5, false, "123456"), "1234>\n");
	assert_string_equal(line_of(1, false, "123456"), ">\n");
}

static void wide_characters_take_two_columns(void **state)
{
	(void)state;
	assert_string_equal(line_of(6, true, "\u6f22\u5b57\u6f22"), "\u6f22\u5b57\u6f22\n");
	assert_string_equal(line_of(5, true, "\u6f22\u5b57\u6f22"), "\u6f22\u5b57\u2026\n");
	assert_string_equal(line_of(4, true, "\u6f22\u5b57\u6f22"), "\u6f22\u2026\n"); /* no half of one */
	begin(0, true, false);
	assert_int_equal(page_columns(&page, "a\u6f22\U0001f426"), 5);
}

static void combining_characters_take_none(void **state)
{
	(void)state;
	assert_string_equal(line_of(3, true, "e\u0301e\u0301e\u0301"), "e\u0301e\u0301e\u0301\n");
}

static void without_utf8_there_is_only_ascii(void **state)
{
	(void)state;
	assert_string_equal(line_of(0, false, "caf\u00e9 \u6f22 \u2714"), "caf? ? ?\n");
}

/* Neither a terminal's commands, nor half characters, nor overlong ones, nor surrogates. */
static void what_is_no_text_becomes_a_question_mark(void **state)
{
	(void)state;
	assert_string_equal(line_of(0, true, "a\033[2Jb\r\n\tc\177"), "a?[2Jb???c?\n");
	assert_string_equal(line_of(0, true, "\xc2\x9b" "2J"), "?2J\n");
	assert_string_equal(line_of(0, true, "\u202egnp"), "?gnp\n");
	assert_string_equal(line_of(0, true, "\xff\xe6\xbc"), "???\n");
	assert_string_equal(line_of(0, true, "\xc0\xaf"), "??\n");
	assert_string_equal(line_of(0, true, "\xed\xa0\x80"), "???\n");
	assert_string_equal(line_of(0, true, "\xf5\x80\x80\x80"), "????\n");
	assert_string_equal(line_of(0, true, "\xe6"), "?\n");
}

static void colours_are_codes_around_words(void **state)
{
	(void)state;
	begin(0, true, true);
	page_put(&page, PAGE_PLAIN, "a");
	page_put(&page, PAGE_RED, "b");
	page_put(&page, PAGE_RED, "c");
	page_end(&page);
	text = page_take(&page, 0);
	assert_string_equal(text, "a\033[0;31mbc\033[0m\n");
}

/* Codes take no column, and a line that is cut in the middle of a colour ends it. */
static void a_coloured_line_is_cut_at_the_same_column(void **state)
{
	(void)state;
	begin(4, true, true);
	page_put(&page, PAGE_GREEN, "ab");
	page_put(&page, PAGE_RED, "cdef");
	page_end(&page);
	text = page_take(&page, 0);
	assert_string_equal(text, "\033[0;32mab\033[0;31mc\033[0;2m\u2026\033[0m\n");
}

static void columns_stand_below_each_other(void **state)
{
	(void)state;
	begin(0, true, false);
	page_put(&page, PAGE_PLAIN, "\u6f22");
	page_to(&page, 4);
	page_put(&page, PAGE_PLAIN, "x");
	page_end(&page);
	page_put(&page, PAGE_PLAIN, "longer");
	page_to(&page, 4);
	page_put(&page, PAGE_PLAIN, "x");
	page_end(&page);
	text = page_take(&page, 0);
	assert_string_equal(text, "\u6f22  x\nlongerx\n");
}

static void words_go_on_in_the_next_line(void **state)
{
	(void)state;
	begin(10, true, false);
	page_put(&page, PAGE_PLAIN, "a: ");
	page_wrap(&page, PAGE_PLAIN, 3, "one two three \u6f22\u6f22\u6f22 x seventeenth");
	page_end(&page);
	text = page_take(&page, 0);
	assert_string_equal(text, "a: one two\n   three\n   \u6f22\u6f22\u6f22\n   x\n   sevent\u2026\n");
	begin(0, true, false);
	page_wrap(&page, PAGE_PLAIN, 3, "one  two");
	page_end(&page);
	text = page_take(&page, 0);
	assert_string_equal(text, "one  two\n");
}

static void too_many_lines_are_counted(void **state)
{
	(void)state;
	begin(0, true, false);
	for (int i = 0; i < 10; i++) {
		page_printf(&page, PAGE_PLAIN, "%d", i);
		page_end(&page);
	}
	text = page_take(&page, 3);
	assert_string_equal(text, "0\n1\n(8 more lines in a taller window)\n");
}

static void as_many_lines_as_there_is_room_for_stay(void **state)
{
	(void)state;
	begin(0, true, false);
	page_end(&page);
	page_end(&page);
	text = page_take(&page, 2);
	assert_string_equal(text, "\n\n");
}

static void a_line_without_end_is_cut_somewhere(void **state)
{
	(void)state;
	begin(0, true, false);
	for (int i = 0; i < 3 * PAGE_CELLS_MAX; i++)
		page_put(&page, PAGE_PLAIN, "x");
	page_to(&page, 4 * PAGE_CELLS_MAX);
	page_end(&page);
	text = page_take(&page, 0);
	assert_int_equal(strlen(text), PAGE_CELLS_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(lines_come_as_they_are, end),
		cmocka_unit_test_teardown(an_empty_page_is_an_empty_text, end),
		cmocka_unit_test_teardown(blanks_at_the_end_go, end),
		cmocka_unit_test_teardown(lines_are_cut_at_the_width, end),
		cmocka_unit_test_teardown(wide_characters_take_two_columns, end),
		cmocka_unit_test_teardown(combining_characters_take_none, end),
		cmocka_unit_test_teardown(without_utf8_there_is_only_ascii, end),
		cmocka_unit_test_teardown(what_is_no_text_becomes_a_question_mark, end),
		cmocka_unit_test_teardown(colours_are_codes_around_words, end),
		cmocka_unit_test_teardown(a_coloured_line_is_cut_at_the_same_column, end),
		cmocka_unit_test_teardown(columns_stand_below_each_other, end),
		cmocka_unit_test_teardown(words_go_on_in_the_next_line, end),
		cmocka_unit_test_teardown(too_many_lines_are_counted, end),
		cmocka_unit_test_teardown(as_many_lines_as_there_is_room_for_stay, end),
		cmocka_unit_test_teardown(a_line_without_end_is_cut_somewhere, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
