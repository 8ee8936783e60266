/* Links: user/models.c user/figures.c user/store.c user/database.c user/names.c user/util.c -lsqlite3 -ljansson -lm -lpthread */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The maxima of models, with a real store in a file of the test's. */
#include "check.h"

#include "models.h"

#include <string.h>
#include <unistd.h>

static struct models models;
static struct store *store;
static char directory[] = "/tmp/serin-models.XXXXXX", path[64];

static void open_store(void)
{
	char why[STORE_WHY_MAX] = "";

	assert_int_equal(store_open(path, 3600 * SECOND, 100 * SECOND, &store, why), 0);
	assert_string_equal(why, "");
}

static int begin(void **state)
{
	(void)state;
	memset(&models, 0, sizeof(models));
	memcpy(directory, "/tmp/serin-models.XXXXXX", sizeof(directory));
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/serin.db", directory);
	open_store();
	return 0;
}

static int end(void **state)
{
	char command[96];

	(void)state;
	store_close(store);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static void reopen(void)
{
	store_close(store);
	memset(&models, 0, sizeof(models));
	open_store();
}

static void a_new_model_has_no_past(void **state)
{
	const struct serin_maxima *maxima = models_maxima(&models, store, "chat");

	(void)state;
	assert_non_null(maxima);
	for (unsigned i = 0; i < SERIN_RESOURCES; i++)
		assert_false(maxima->max[i].known);
}

static void one_name_is_one_model(void **state)
{
	(void)state;
	assert_ptr_equal(models_maxima(&models, store, "chat"), models_maxima(&models, store, "chat"));
	assert_ptr_not_equal(models_maxima(&models, store, "chat"), models_maxima(&models, store, "rank"));
}

static void what_was_saved_is_there_again(void **state)
{
	const struct serin_maxima *maxima;

	(void)state;
	models_maxima(&models, store, "chat")->max[SERIN_CPU] = serin_known(1.5);
	models_maxima(&models, store, "rank")->max[SERIN_MEMORY] = serin_known(7e9);
	models_save(&models, store);
	reopen();
	maxima = models_maxima(&models, store, "rank");
	assert_false(maxima->max[SERIN_CPU].known);
	assert_true(maxima->max[SERIN_MEMORY].known && maxima->max[SERIN_MEMORY].v == 7e9);
	maxima = models_maxima(&models, store, "chat");
	assert_true(maxima->max[SERIN_CPU].known && maxima->max[SERIN_CPU].v == 1.5);
}

static void what_was_not_saved_is_not(void **state)
{
	(void)state;
	models_maxima(&models, store, "chat")->max[SERIN_CPU] = serin_known(1.5);
	reopen();
	assert_false(models_maxima(&models, store, "chat")->max[SERIN_CPU].known);
}

static void what_has_grown_is_saved_again(void **state)
{
	(void)state;
	models_maxima(&models, store, "chat")->max[SERIN_CPU] = serin_known(1);
	models_save(&models, store);
	models_maxima(&models, store, "chat")->max[SERIN_CPU] = serin_known(2);
	models_save(&models, store);
	reopen();
	assert_true(models_maxima(&models, store, "chat")->max[SERIN_CPU].v == 2);
}

static void too_many_names_have_no_past(void **state)
{
	char name[16];

	(void)state;
	for (unsigned i = 0; i < SERIN_TARGETS_MAX; i++) {
		snprintf(name, sizeof(name), "model-%u", i);
		assert_non_null(models_maxima(&models, store, name));
	}
	assert_null(models_maxima(&models, store, "one more"));
	assert_non_null(models_maxima(&models, store, "model-0"));
}

int main(void)
{
#define fresh(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		fresh(a_new_model_has_no_past),	       fresh(one_name_is_one_model),	    fresh(what_was_saved_is_there_again),
		fresh(what_was_not_saved_is_not),      fresh(what_has_grown_is_saved_again), fresh(too_many_names_have_no_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
