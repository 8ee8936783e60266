/* Links: user/token.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Real files; test_api.c has what callers see of them. */
#define _GNU_SOURCE 1

#include "check.h"

#include "token.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define GOOD "0123456789abcdef"

static char path[64];
static char why[TOKEN_WHY_MAX];
static char note[TOKEN_WHY_MAX];
static struct token token;

static int make_file(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/serin-token-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	memset(&token, 0, sizeof(token));
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void put(const char *text, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), length);
	close(fd);
}

#define put_text(text) put(text, strlen(text))

static void the_first_line_is_the_token(void **state)
{
	static const char *const texts[] = {GOOD, GOOD "\n", GOOD "\r\n", GOOD "\nmore\n", GOOD "\n\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put_text(texts[i]);
		assert_int_equal(token_read(path, &token, why), 0);
		assert_true(token_check(&token, "Bearer " GOOD, note));
		assert_false(token_check(&token, "Bearer " GOOD "0", note));
		assert_string_equal(note, "");
	}
}

static void what_is_no_token_is_said_and_leaves_the_old(void **state)
{
	static const char *const texts[] = {"", "\n", "0123456789abcde", "0123456789abcdef ", " 0123456789abcdef", "0123456789\tabcdef",
					    "0123456789abcdef\x7f", "0123456789abcdef\xc3\xa9"};

	(void)state;
	put_text(GOOD);
	assert_int_equal(token_read(path, &token, why), 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put_text(texts[i]);
		assert_int_equal(token_read(path, &token, why), -EINVAL);
		assert_non_null(strstr(why, path));
		assert_memory_equal(token.text, GOOD, sizeof(GOOD));
	}
	put("0123456789\0abcdef", 17);
	assert_int_equal(token_read(path, &token, why), -EINVAL);
}

static void rights_of_others_are_refused(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0644, 0666, 0610};

	(void)state;
	put_text(GOOD);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(token_read(path, &token, why), -EPERM);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(token_read(path, &token, why), 0);
}

static void without_a_header_or_scheme_it_is_not_shown(void **state)
{
	static const char *const headers[] = {NULL, "", "Bearer", "Bearer ", GOOD, "Basic " GOOD, "Bearer" GOOD, "Bearer \t" GOOD,
					      "Bearer 0123456789abcde", "Bearer 0123456789abcdeF"};

	(void)state;
	put_text(GOOD);
	assert_int_equal(token_read(path, &token, why), 0);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		assert_false(token_check(&token, headers[i], note));
	assert_true(token_check(&token, "BEARER  " GOOD, note));
}

/* The same length, in the same moment: only the file's youth tells that it may have been written again. */
static void a_file_written_twice_in_a_moment_is_read_again(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		put_text(GOOD);
		if (i == 0)
			assert_int_equal(token_read(path, &token, why), 0);
		assert_true(token_check(&token, "Bearer " GOOD, note));
		put_text("fedcba9876543210");
		assert_false(token_check(&token, "Bearer " GOOD, note));
		assert_true(token_check(&token, "Bearer fedcba9876543210", note));
	}
}

static void a_file_that_has_settled_is_not_read_again(void **state)
{
	struct timespec second = {.tv_sec = 1};

	(void)state;
	put_text(GOOD);
	for (int i = 0; i < 20 && !token.stamp.st_ino; i++) {
		nanosleep(&second, NULL);
		assert_int_equal(token_read(path, &token, why), 0);
	}
	assert_true(token.stamp.st_ino != 0);
	memset(token.text, 'x', token.length); /* were it read again, this would be gone */
	assert_true(token_check(&token, "Bearer xxxxxxxxxxxxxxxx", note));
	put_text(GOOD "\n");
	assert_true(token_check(&token, "Bearer " GOOD, note));
}

static void each_trouble_is_noted_once(void **state)
{
	(void)state;
	put_text(GOOD);
	assert_int_equal(token_read(path, &token, why), 0);
	unlink(path);
	assert_false(token_check(&token, "Bearer " GOOD, note));
	assert_non_null(strstr(note, "refused"));
	assert_false(token_check(&token, "Bearer " GOOD, note));
	assert_string_equal(note, "");
	put_text(GOOD);
	assert_true(token_check(&token, "Bearer " GOOD, note));
	assert_non_null(strstr(note, "in order again"));
	assert_true(token_check(&token, "Bearer " GOOD, note));
	assert_string_equal(note, "");
}

#define with_file(test) cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_file(the_first_line_is_the_token),
		with_file(what_is_no_token_is_said_and_leaves_the_old),
		with_file(rights_of_others_are_refused),
		with_file(without_a_header_or_scheme_it_is_not_shown),
		with_file(a_file_written_twice_in_a_moment_is_read_again),
		with_file(a_file_that_has_settled_is_not_read_again),
		with_file(each_trouble_is_noted_once),
	};

	return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
