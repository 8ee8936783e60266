/* Links: user/body.c user/config.c user/endpoint.c -ljansson */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "body.h"
#include "util.h"

#include <errno.h>
#include <string.h>

static const struct body_key closed[] = {{"version", BODY_NAME, false}, {"share", BODY_NUMBER, true}, {"full", BODY_BOOLEAN, false}, {}};
static const struct body_key figures[] = {{"version", BODY_NAME, false}, {NULL, BODY_NUMBER, false}};
static const struct body_key nothing[] = {{}};

static json_t *body;
static char why[BODY_WHY_MAX];

static int forget(void **state)
{
	(void)state;
	json_decref(body);
	body = NULL;
	return 0;
}

static int parse(const char *text, const struct body_key *keys)
{
	json_decref(body);
	body = NULL;
	why[0] = '\0';
	return body_parse(text, strlen(text), keys, &body, why);
}

#define check_refused(text, keys, words)                                                                   \
	do {                                                                                               \
		assert_int_equal(parse(text, keys), -EINVAL);                                              \
		assert_null(body);                                                                         \
		if (!strstr(why, words))                                                                   \
			fail_msg("'%s' does not say '%s'", why, words);                                    \
	} while (0)

static void what_is_asked_for_is_taken(void **state)
{
	(void)state;
	assert_int_equal(parse("{\"share\":1,\"version\":\"v2\",\"full\":false}", closed), 0);
	check_near(json_real_value(json_object_get(body, "share")), 1);
	assert_string_equal(json_string_value(json_object_get(body, "version")), "v2");
	assert_int_equal(parse("", nothing), 0);
	assert_int_equal(parse(" {} \n", nothing), 0);
	assert_int_equal(json_object_size(body), 0);
}

static void what_is_missing_is_named(void **state)
{
	(void)state;
	check_refused("{}", closed, "share is missing; it must be a number");
	check_refused("", closed, "share is missing");
}

static void what_is_too_much_is_named(void **state)
{
	(void)state;
	check_refused("{\"share\":1,\"shared\":1}", closed, "'shared'");
	check_refused("{\"share\":1}", nothing, "'share'");
	check_refused("{\"share\":1,\"share\":1}", closed, "duplicate");
}

static void another_type_is_named(void **state)
{
	(void)state;
	check_refused("{\"share\":\"1\"}", closed, "share must be a number, not a string");
	check_refused("{\"share\":1,\"full\":0}", closed, "full must be true or false, not a number");
	check_refused("{\"share\":1,\"version\":{}}", closed, "version must be a string, not an object");
	check_refused("{\"share\":1,\"version\":null}", closed, "version must be a string, not null");
	check_refused("{\"share\":1,\"version\":\"a b\"}", closed, "version cannot be 'a b'");
}

static void what_is_no_object_is_refused(void **state)
{
	(void)state;
	check_refused("[]", nothing, "not a JSON object");
	check_refused("1", nothing, "not JSON");
	check_refused("{", nothing, "not JSON: line 1, column 1");
	check_refused("{\"share\":1e999}", closed, "not JSON");
	assert_int_equal(body_parse("{}\0", 3, nothing, &body, why), -EINVAL);
	assert_null(body);
}

static void figures_are_any_other_keys(void **state)
{
	(void)state;
	assert_int_equal(parse("{\"accuracy\":0.9,\"version\":\"v2\",\"x\":-1}", figures), 0);
	assert_int_equal(json_object_size(body), 3);
	check_refused("{\"version\":\"v2\"}", figures, "no figure");
	check_refused("{\"a b\":1}", figures, "'a b'");
	check_refused("{\"a\":1,\"b\":true}", figures, "b must be a number, not true");
}

#define parsing(test) cmocka_unit_test_teardown(test, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		parsing(what_is_asked_for_is_taken),
		parsing(what_is_missing_is_named),
		parsing(what_is_too_much_is_named),
		parsing(another_type_is_named),
		parsing(what_is_no_object_is_refused),
		parsing(figures_are_any_other_keys),
	};

	return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
