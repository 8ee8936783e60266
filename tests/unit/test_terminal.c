/* Links: user/terminal.c user/util.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Keys as terminals send them. The screen itself is looked at in tests/e2e, in a real one. */
#include "check.h"

#include "terminal.h"

#include <string.h>

static void check_key(const char *bytes, int expected, size_t used)
{
	size_t taken = 0;
	int key = terminal_key(bytes, strlen(bytes), &taken);

	if (key != expected || taken != used)
		fail_msg("'%s' is %d of %zu bytes, not %d of %zu", bytes, key, taken, expected, used);
}

static void characters_are_themselves(void **state)
{
	(void)state;
	check_key("q", 'q', 1);
	check_key("qp", 'q', 1);
	check_key("\r", '\n', 1);
	check_key("\n", '\n', 1);
	check_key("\177", '\b', 1);
	check_key("\b", '\b', 1);
	check_key("\004", TERMINAL_GONE, 1);
	check_key("\303\244", 0xc3, 1);
}

static void arrows_come_in_two_ways(void **state)
{
	(void)state;
	check_key("\033[A", TERMINAL_UP, 3);
	check_key("\033OA", TERMINAL_UP, 3);
	check_key("\033[Bq", TERMINAL_DOWN, 3);
	check_key("\033OB", TERMINAL_DOWN, 3);
}

static void escape_alone_is_a_key(void **state)
{
	(void)state;
	check_key("\033", TERMINAL_ESCAPE, 1);
	check_key("\033q", TERMINAL_ESCAPE, 1);
}

/* What is not known is taken whole: no part of it is a key. */
static void other_sequences_are_swallowed(void **state)
{
	(void)state;
	check_key("\033[C", TERMINAL_OTHER, 3);
	check_key("\033[3~a", TERMINAL_OTHER, 4);
	check_key("\033[1;5Aa", TERMINAL_OTHER, 6);
	check_key("\033[<0;12;3Ma", TERMINAL_OTHER, 10);
	check_key("\033[", TERMINAL_OTHER, 2);
	check_key("\033[1;", TERMINAL_OTHER, 4);
	check_key("\033O", TERMINAL_OTHER, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters_are_themselves),
		cmocka_unit_test(arrows_come_in_two_ways),
		cmocka_unit_test(escape_alone_is_a_key),
		cmocka_unit_test(other_sequences_are_swallowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
