/* Links: user/pins.c user/util.c -lbpf */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What needs no kernel: digests, and marks that are directories. In a place of the test's own, which is no bpffs. */
#define _GNU_SOURCE 1

#include "check.h"

#include "pins.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct serin_paths paths;

static int make_place(void **state)
{
	(void)state;
	strcpy(paths.pins, "/tmp/serin-pins-XXXXXX");
	assert_non_null(mkdtemp(paths.pins));
	return 0;
}

static int leave_place(void **state)
{
	(void)state;
	pins_remove(&paths);
	return access(paths.pins, F_OK) < 0 ? 0 : -1; /* it takes everything away, the place too */
}

static const char *there(const char *name)
{
	static char path[CONFIG_PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", paths.pins, name);
	return path;
}

/* The published vectors of FNV-1a. */
static void digest_is_fnv1a(void **state)
{
	(void)state;
	assert_int_equal(pins_digest("", 0), 0xcbf29ce484222325);
	assert_int_equal(pins_digest("a", 1), 0xaf63dc4c8601ec8c);
	assert_int_equal(pins_digest("foobar", 6), 0x85944171f73967e8);
}

static void every_byte_counts(void **state)
{
	unsigned char object[256] = {};
	uint64_t all = pins_digest(object, sizeof(object));

	(void)state;
	for (size_t i = 0; i < sizeof(object); i++) {
		object[i] = 1;
		assert_int_not_equal(pins_digest(object, sizeof(object)), all);
		object[i] = 0;
	}
	assert_int_not_equal(pins_digest(object, sizeof(object) - 1), all);
}

static void programs_are_known_until_forgotten(void **state)
{
	(void)state;
	assert_false(pins_has_programs(&paths, 1));
	assert_int_equal(pins_set_programs(&paths, 1), 0);
	assert_true(pins_has_programs(&paths, 1));
	assert_false(pins_has_programs(&paths, 2));
	assert_int_equal(pins_set_programs(&paths, 1), 0);
	assert_int_equal(pins_forget_programs(&paths), 0);
	assert_false(pins_has_programs(&paths, 1));
	assert_int_equal(pins_forget_programs(&paths), 0);
}

/* Only the marks: the layout and what else is there stays. */
static void forgetting_takes_no_more_than_it_should(void **state)
{
	(void)state;
	assert_int_equal(mkdir(there("layout_0"), 0700), 0);
	assert_int_equal(mkdir(there("programsets"), 0700), 0);
	assert_int_equal(mkdir(there("programsets/inside"), 0700), 0);
	assert_int_equal(pins_set_programs(&paths, 1), 0);
	assert_int_equal(fclose(fopen(there("fresh"), "w")), 0);
	assert_int_equal(pins_forget_programs(&paths), 0);
	assert_int_not_equal(access(there("fresh"), F_OK), 0);
	assert_int_equal(access(there("layout_0"), F_OK), 0);
	assert_int_equal(access(there("programsets"), F_OK), 0);
}

static void the_layout_is_told_by_its_mark(void **state)
{
	char name[32];

	(void)state;
	assert_int_equal(pins_layout(&paths), -ESTALE);
	assert_int_equal(mkdir(there("layout_0"), 0700), 0);
	assert_int_equal(pins_layout(&paths), -ESTALE);
	snprintf(name, sizeof(name), "layout_%d", SERIN_LAYOUT);
	assert_int_equal(mkdir(there(name), 0700), 0);
	assert_int_equal(pins_layout(&paths), 0);
	pins_remove(&paths);
	assert_int_equal(pins_layout(&paths), -ENOENT);
	assert_int_equal(pins_forget_programs(&paths), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_is_fnv1a),
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test_setup_teardown(programs_are_known_until_forgotten, make_place, leave_place),
		cmocka_unit_test_setup_teardown(forgetting_takes_no_more_than_it_should, make_place, leave_place),
		cmocka_unit_test_setup_teardown(the_layout_is_told_by_its_mark, make_place, leave_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
