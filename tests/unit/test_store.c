/* Links: user/store.c user/database.c user/names.c user/util.c -lsqlite3 -ljansson -lpthread */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "check.h"

#include "store.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DAY_NS (86400 * SECOND)
#define NOBODY 65534

static char directory[64];	/* of this test, empty at its start */
static char path[128];		/* of its database: directory/d/serin.db, with directory/d not there yet */
static char why[STORE_WHY_MAX]; /* what the last opening or trouble said */
static bool may_mount;

/* ---- what the tests do with files ---- */

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/serin-store.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/d/serin.db", directory);
	return 0;
}

static int remove_directory(void **state)
{
	char name[sizeof(path)];

	(void)state;
	snprintf(name, sizeof(name), "%s/d", directory);
	while (umount2(name, MNT_DETACH) == 0)
		;
	return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *beside(const char *ending)
{
	static char name[sizeof(path) + 16];

	snprintf(name, sizeof(name), "%s%s", path, ending);
	return name;
}

static const char *parent(void)
{
	static char name[sizeof(path)];

	snprintf(name, sizeof(name), "%s/d", directory);
	return name;
}

static void write_file(const char *name, const void *bytes, size_t n)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st.st_mode & 07777;
}

static bool exists(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

/* How many files that were set aside, without their logs; the name of one of them. */
static unsigned set_aside(char ret_name[512])
{
	DIR *dir = opendir(parent());
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		const char *damaged = strstr(entry->d_name, ".damaged-");

		if (!damaged || strchr(damaged + 9, '-'))
			continue;
		n++;
		snprintf(ret_name, 512, "%s/%s", parent(), entry->d_name);
	}
	closedir(dir);
	return n;
}

/* ---- another program that looks at the database ---- */

static sqlite3 *connect_to(const char *name)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 2000);
	return db;
}

static void execute(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

/* Other than an assertion: -1 when it cannot be asked. */
static long number(const char *sql)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	long n = -1;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(db, 2000);
		if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
		    sqlite3_step(statement) == SQLITE_ROW)
			n = (long)sqlite3_column_int64(statement, 0);
		sqlite3_finalize(statement);
	}
	sqlite3_close(db);
	return n;
}

static void foreign(const char *sql)
{
	sqlite3 *db = connect_to(path);

	execute(db, sql);
	sqlite3_close(db);
}

/* ---- what the tests do with a store ---- */

/* Waits for a state, at most that long. */
#define wait_for(condition, seconds)                                                                       \
	do {                                                                                               \
		uint64_t until_ = util_now() + (uint64_t)(seconds) * SECOND;                               \
		while (!(condition)) {                                                                     \
			if (util_now() > until_)                                                           \
				fail_msg("not within %d s: %s (%s)", seconds, #condition, why);            \
			usleep(2000);                                                                      \
		}                                                                                          \
	} while (0)

static struct store *open_store(void)
{
	struct store *store;

	assert_int_equal(store_open(path, DAY_NS, 100 * SECOND, &store, why), 0);
	return store;
}

static struct store *open_good(void)
{
	struct store *store = open_store();

	assert_string_equal(why, "");
	return store;
}

static const char *trouble(struct store *store)
{
	store_trouble(store, why);
	return why;
}

static void decide(struct store *store, const char *release, int n)
{
	store_decision(store, release, json_pack("{s:s, s:i, s:f}", "release", release, "n", n, "at_unix", 1.5e9 + n));
}

/* Checks that the history of a release (NULL: all) is first, first + 1, .. last. */
static void check_history(struct store *store, const char *release, unsigned limit, int first, int last)
{
	json_t *history = store_history(store, release, limit);

	assert_non_null(history);
	assert_int_equal(json_array_size(history), last - first + 1);
	for (int i = first; i <= last; i++)
		assert_int_equal(json_integer_value(json_object_get(json_array_get(history, i - first), "n")), i);
	json_decref(history);
}

static void set_place(struct store *store, uint32_t step)
{
	store_set_release(store, "chat", "v1", "v2",
			  &(struct store_release){
				  .phase = SERIN_PROGRESSING, .step = step, .weight = 2500, .manual = true});
}

static uint32_t place_of(struct store *store)
{
	struct store_release place = {0};

	return store_release(store, "chat", "v1", "v2", &place) == 1 ? place.step : 0;
}

static void set_maxima(struct store *store, double cpu)
{
	struct serin_value maxima[SERIN_RESOURCES] = {[SERIN_CPU] = serin_known(cpu), [SERIN_NETWORK] = serin_known(1e6)};

	store_set_maxima(store, "chat", maxima);
}

static void add_minute(struct store *store, int64_t at_unix, uint64_t n)
{
	store_minute(store, "chat", "v1",
		     &(struct store_minute){.at_unix = at_unix,
					    .n = n,
					    .s = n - 1,
					    .anomalies = 2,
					    .p = serin_known(0.5),
					    .p99_seconds = serin_known(0.25),
					    .cpu_seconds = 1.5,
					    .weight = 9500});
}

/* ---- without trouble ---- */

static void the_file_is_made_for_its_owner_alone(void **state)
{
	struct store *store = open_good();

	(void)state;
	assert_int_equal(mode_of(parent()), 0700);
	assert_int_equal(mode_of(path), 0600);
	decide(store, "chat", 1);
	wait_for(number("SELECT count(*) FROM decisions") == 1, 5);
	assert_int_equal(mode_of(beside("-wal")), 0600);
	assert_int_equal(number("PRAGMA user_version"), 1);
	assert_string_equal(trouble(store), "");
	assert_int_equal(store_lost(store), 0);
	store_close(store);
	assert_false(exists(beside("-wal")));
}

static void decisions_come_back_in_order(void **state)
{
	struct store *store = open_good();

	(void)state;
	check_history(store, "chat", 10, 0, -1);
	for (int i = 0; i < 20; i++)
		decide(store, "chat", i);
	decide(store, "other", 20);
	check_history(store, "chat", 100, 0, 19);
	check_history(store, "chat", 5, 15, 19);
	check_history(store, "other", 5, 20, 20);
	check_history(store, NULL, 100, 0, 20);
	check_history(store, NULL, 3, 18, 20);
	check_history(store, NULL, 0, 0, -1);
	store_close(store);

	store = open_good();
	check_history(store, "chat", 100, 0, 19);
	check_history(store, NULL, 3, 18, 20);
	decide(store, "other", 21);
	check_history(store, NULL, 3, 19, 21);
	wait_for(number("SELECT count(*) FROM decisions") == 22, 5);
	check_history(store, NULL, 3, 19, 21);
	assert_int_equal(number("SELECT at = 1500000021.0 FROM decisions WHERE release = 'other' ORDER BY id DESC"), 1);
	store_close(store);
}

static void check_read(const char *release, unsigned limit, int first, int last)
{
	json_t *history = NULL;

	assert_int_equal(store_read_history(path, release, limit, &history), 0);
	assert_int_equal(json_array_size(history), last - first + 1);
	for (int i = first; i <= last; i++)
		assert_int_equal(json_integer_value(json_object_get(json_array_get(history, i - first), "n")), i);
	json_decref(history);
}

/* By another than the one that keeps it, beside it and without it. */
static void anyone_can_read_the_history_of_a_file(void **state)
{
	struct store *store = open_good();

	(void)state;
	for (int i = 0; i < 20; i++)
		decide(store, i < 10 ? "chat" : "other", i);
	wait_for(number("SELECT count(*) FROM decisions") == 20, 5);
	check_read("chat", 100, 0, 9);
	store_close(store);
	check_read("chat", 3, 7, 9);
	check_read(NULL, 100, 0, 19);
	check_read("nobody", 100, 0, -1);
	assert_false(exists(beside("-wal")));
}

static void a_history_that_cannot_be_read_is_an_error(void **state)
{
	json_t *history = NULL;

	(void)state;
	assert_int_equal(store_read_history(path, NULL, 10, &history), -ENOENT);
	assert_false(exists(path));
	assert_int_equal(mkdir(parent(), 0700), 0);
	write_file(path, "not a database, but long enough to be taken for one by its size", 63);
	assert_true(store_read_history(path, NULL, 10, &history) < 0);
	assert_null(history);
	assert_true(exists(path));
}

/* At every moment of being written: in the queue, in between, in the file. */
static void a_decision_is_in_the_history_exactly_once(void **state)
{
	struct store *store = open_good();

	(void)state;
	for (int i = 0; i < 300; i++) {
		decide(store, "chat", i);
		check_history(store, "chat", 20, i < 19 ? 0 : i - 19, i);
	}
	store_close(store);
}

static void a_decision_is_kept_as_it_is(void **state)
{
	json_t *decision = json_loads("{\"z\":null,\"a\":[1,2.5,\"\\u00e9 \\\" %s\"],\"b\":{\"c\":true}}", 0, NULL), *history;
	struct store *store = open_good();

	(void)state;
	store_decision(store, "it's", json_incref(decision));
	store_close(store);
	store = open_good();
	history = store_history(store, "it's", 1);
	assert_true(json_equal(json_array_get(history, 0), decision));
	json_decref(history);
	json_decref(decision);
	store_close(store);
}

/* One that an earlier agent may have written, and one that it has not. */
static void a_decision_again_is_the_same(void **state)
{
	struct store *store = open_good();

	(void)state;
	store_decision(store, "chat", json_pack("{s:i, s:f}", "n", 0, "at_unix", 1000.5));
	store_decision_again(store, "chat", json_pack("{s:i, s:f}", "n", 0, "at_unix", 1000.5));
	store_decision_again(store, "chat", json_pack("{s:i, s:f}", "n", 0, "at_unix", 900.0));
	store_decision_again(store, "chat", json_pack("{s:i, s:f}", "n", 1, "at_unix", 1000.6));
	store_decision_again(store, "other", json_pack("{s:i, s:f}", "n", 0, "at_unix", 1000.5));
	wait_for(number("SELECT count(*) FROM decisions") == 3, 5);
	check_history(store, "chat", 10, 0, 1);
	check_history(store, "other", 10, 0, 0);
	store_close(store);
}

/* The file has it, and cannot be opened when it is handed over again. */
static void a_decision_again_in_memory_is_the_same(void **state)
{
	struct store *store = open_good();
	json_t *decision = json_pack("{s:i, s:f}", "n", 0, "at_unix", 1000.5);

	(void)state;
	store_decision(store, "chat", json_incref(decision));
	store_close(store);
	assert_int_equal(rename(path, beside(".away")), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	store = open_store();
	assert_non_null(strstr(why, "kept in memory"));
	store_decision_again(store, "chat", decision);
	store_decision(store, "chat", json_pack("{s:i, s:f}", "n", 1, "at_unix", 1000.6));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename(beside(".away"), path), 0);
	wait_for(!*trouble(store), 40);
	wait_for(number("SELECT count(*) FROM decisions") == 2, 5);
	check_history(store, "chat", 10, 0, 1);
	store_close(store);
}

static void a_release_is_where_it_was(void **state)
{
	struct store_release place = {.step = 77};
	struct store *store = open_good();

	(void)state;
	assert_int_equal(store_release(store, "chat", "v1", "v2", &place), 0);
	assert_int_equal(place.step, 77);
	set_place(store, 1);
	set_place(store, 2);
	assert_int_equal(place_of(store), 2);
	store_close(store);
	store = open_good();
	assert_int_equal(store_release(store, "chat", "v1", "v2", &place), 1);
	assert_int_equal(place.phase, SERIN_PROGRESSING);
	assert_int_equal(place.step, 2);
	assert_int_equal(place.weight, 2500);
	assert_true(place.manual);
	assert_int_equal(store_release(store, "chat", "v1", "v3", &place), 0);
	assert_int_equal(store_release(store, "other", "v1", "v2", &place), 0);
	store_close(store);
}

static void a_place_that_cannot_be_is_refused(void **state)
{
	struct store_release place = {.step = 77};
	struct store *store = open_good();

	(void)state;
	set_place(store, 3);
	wait_for(number("SELECT count(*) FROM releases") == 1, 5);
	foreign("PRAGMA ignore_check_constraints = ON; UPDATE releases SET phase = 9");
	assert_int_equal(store_release(store, "chat", "v1", "v2", &place), -EINVAL);
	assert_int_equal(place.step, 77);
	/* Writing one is refused by the database, and the rest is written. */
	store_set_release(store, "bad", "v1", "v2", &(struct store_release){.weight = 10001});
	decide(store, "chat", 1);
	wait_for(number("SELECT count(*) FROM decisions") == 1, 5);
	wait_for(store_lost(store) == 1, 5);
	assert_string_equal(trouble(store), "");
	store_close(store);
}

static void maxima_come_back(void **state)
{
	struct serin_value maxima[SERIN_RESOURCES] = {[SERIN_CPU] = serin_known(7)};
	struct store *store = open_good();

	(void)state;
	assert_int_equal(store_maxima(store, "chat", maxima), 0);
	check_absent(maxima[SERIN_CPU]);
	set_maxima(store, 2.5);
	assert_int_equal(store_maxima(store, "chat", maxima), 0);
	check_value(maxima[SERIN_CPU], 2.5);
	store_close(store);
	store = open_good();
	assert_int_equal(store_maxima(store, "chat", maxima), 0);
	check_value(maxima[SERIN_CPU], 2.5);
	check_absent(maxima[SERIN_MEMORY]);
	check_value(maxima[SERIN_NETWORK], 1e6);
	assert_int_equal(store_maxima(store, "other", maxima), 0);
	check_absent(maxima[SERIN_CPU]);
	store_close(store);
}

static void minutes_are_summed_since_a_moment(void **state)
{
	int64_t now = time(NULL) / 60 * 60;
	struct store *store = open_good();
	uint64_t anomalies = 7, requests = 7;

	(void)state;
	for (int i = 0; i < 10; i++)
		add_minute(store, now - i * 60, 100);
	add_minute(store, now, 200); /* the same again, more of it */
	wait_for(number("SELECT sum(requests) FROM minutes") == 1100, 5);
	assert_int_equal(store_baseline(store, "chat", "v1", now - 4 * 60, &anomalies, &requests), 0);
	assert_int_equal(anomalies, 10);
	assert_int_equal(requests, 600);
	assert_int_equal(store_baseline(store, "chat", "v2", 0, &anomalies, &requests), 0);
	assert_int_equal(requests, 0);
	assert_int_equal(number("SELECT count(*) FROM minutes WHERE p = 0.5 AND r IS NULL AND d IS NULL AND p50_seconds IS NULL"
				" AND p99_seconds = 0.25 AND cpu_seconds = 1.5 AND weight = 9500"),
			 10);
	store_close(store);
}

#define MANY(n) "WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < " n ") "

static void old_minutes_go(void **state)
{
	struct store *store = open_good();

	(void)state;
	add_minute(store, time(NULL) - 3600, 100);
	store_close(store);
	foreign(MANY("1000") "INSERT INTO minutes SELECT 'chat', 'v1', unixepoch('now') - 86400 - 60 * x, 1, 1, 0, NULL, NULL,"
			     " NULL, NULL, NULL, NULL, 0, 0 FROM i");
	store = open_good();
	wait_for(number("SELECT count(*) FROM minutes") == 1, 10);
	store_close(store);
}

static void ten_thousand_decisions_of_a_release_are_kept(void **state)
{
	struct store *store = open_good();

	(void)state;
	decide(store, "other", 0);
	store_close(store);
	foreign(MANY("10300") "INSERT INTO decisions (release, at, decision) SELECT 'chat', x, '{\"n\":' || x || '}' FROM i");
	store = open_good();
	decide(store, "chat", 10301);
	decide(store, "chat", 10302);
	wait_for(number("SELECT count(*) FROM decisions WHERE release = 'chat'") == 10000, 10);
	check_history(store, "chat", 20000, 303, 10302);
	check_history(store, "other", 20000, 0, 0);
	store_close(store);
}

static void memory_ends_with_the_store(void **state)
{
	struct store *store, *other;

	(void)state;
	assert_int_equal(store_open(":memory:", DAY_NS, 100 * SECOND, &store, why), 0);
	assert_string_equal(why, "");
	assert_int_equal(store_open(":memory:", DAY_NS, 100 * SECOND, &other, why), 0);
	decide(store, "chat", 0);
	set_place(store, 4);
	set_maxima(store, 2);
	add_minute(store, time(NULL), 5);
	for (int i = 1; i < 200; i++) {
		decide(store, "chat", i);
		check_history(store, "chat", 300, 0, i);
	}
	assert_int_equal(place_of(store), 4);
	check_history(other, NULL, 10, 0, -1);
	assert_int_equal(store_lost(store), 0);
	store_close(store);
	store_close(other);
	store_close(NULL);
	assert_false(exists(":memory:"));
}

static void what_waits_is_written_at_the_end(void **state)
{
	struct store *store = open_good();

	(void)state;
	for (int i = 0; i < 1000; i++)
		decide(store, "chat", i);
	store_close(store);
	assert_int_equal(number("SELECT count(*) FROM decisions"), 1000);
}

static void signals_are_left_to_the_caller(void **state)
{
	struct store *store = open_good();
	struct timespec second = {.tv_sec = 5};
	sigset_t one, before;

	(void)state;
	decide(store, "chat", 1);
	wait_for(number("SELECT count(*) FROM decisions") == 1, 5); /* its thread is at work */
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &one, &before);
	kill(getpid(), SIGUSR1); /* ends the process if a thread takes it */
	assert_int_equal(sigtimedwait(&one, NULL, &second), SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	store_close(store);
}

/* ---- damage ---- */

static void fill(struct store *store)
{
	for (int i = 0; i < 400; i++)
		decide(store, "chat", i);
	for (int i = 0; i < 400; i++)
		add_minute(store, time(NULL) / 60 * 60 - i * 60, 100);
	set_place(store, 2);
	set_maxima(store, 2.5);
}

static void make_filled(void)
{
	struct store *store = open_good();

	fill(store);
	store_close(store);
}

static void works(struct store *store)
{
	decide(store, "after", 1);
	set_place(store, 9);
	wait_for(number("SELECT count(*) FROM decisions WHERE release = 'after'") == 1, 10);
	wait_for(number("SELECT step FROM releases") == 9, 10);
	check_history(store, "after", 10, 1, 1);
	assert_int_equal(place_of(store), 9);
}

static void begins_anew(const void *bytes, size_t n)
{
	_cleanup_free_ char *text = NULL;
	struct store *store;
	char name[512];
	size_t length;

	mkdir(parent(), 0700);
	write_file(path, bytes, n);
	store = open_store();
	assert_non_null(strstr(why, "set aside as"));
	assert_int_equal(set_aside(name), 1);
	assert_non_null(strstr(why, name));
	assert_int_equal(util_read_file(name, 1 << 20, &text, &length), 0);
	assert_int_equal(length, n);
	assert_memory_equal(text, bytes, n);
	works(store);
	assert_string_equal(trouble(store), "");
	store_close(store);
}

static void no_database_is_set_aside(void **state)
{
	char garbage[10000];

	(void)state;
	memset(garbage, 'x', sizeof(garbage));
	begins_anew(garbage, sizeof(garbage));
}

static void a_truncated_file_is_set_aside(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	(void)state;
	make_filled();
	assert_int_equal(util_read_file(path, 1 << 20, &text, &length), 0);
	begins_anew(text, length / 2 / 4096 * 4096 + 100);
}

static void a_flipped_page_is_set_aside(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	(void)state;
	make_filled();
	assert_int_equal(util_read_file(path, 1 << 20, &text, &length), 0);
	memset(text + length / 2 / 4096 * 4096, 0xa5, 4096);
	begins_anew(text, length);
}

static void a_table_that_is_gone_is_damage(void **state)
{
	struct store *store;
	char name[512];

	(void)state;
	make_filled();
	foreign("DROP TABLE maxima");
	store = open_store();
	assert_non_null(strstr(why, "set aside as"));
	assert_int_equal(set_aside(name), 1);
	works(store);
	store_close(store);
}

static void an_empty_file_is_a_new_one(void **state)
{
	struct store *store;

	(void)state;
	mkdir(parent(), 0700);
	write_file(path, "", 0);
	store = open_good();
	works(store);
	store_close(store);
}

/* Under a store that has read nothing yet. */
static void damage_file(struct store *store)
{
	char zeros[4096] = {1, 2, 3};
	int fd;

	fill(store);
	wait_for(number("SELECT count(*) FROM maxima") == 2, 5);
	foreign("PRAGMA wal_checkpoint(TRUNCATE)");
	fd = open(path, O_WRONLY);
	for (off_t at = 0; at < 40 * 4096; at += 4096)
		assert_int_equal(pwrite(fd, zeros, sizeof(zeros), at), sizeof(zeros));
	close(fd);
}

static void goes_on_after_damage(struct store *store)
{
	char name[512];

	wait_for(set_aside(name) == 1, 5);
	wait_for(strstr(trouble(store), "set aside as"), 5);
	assert_string_equal(trouble(store), ""); /* said once */
	/* Where the release stands was known, and is in the new file. */
	wait_for(number("SELECT step FROM releases") == 2, 5);
	works(store);
	assert_int_equal(store_lost(store), 0);
	store_close(store);
}

static void a_reader_notices_damage(void **state)
{
	struct store *store = open_good();

	(void)state;
	damage_file(store);
	assert_null(store_history(store, "chat", 1000));
	goes_on_after_damage(store);
}

static void a_writer_notices_damage(void **state)
{
	struct store *store = open_good();
	char name[512];

	(void)state;
	damage_file(store);
	/* It meets the damage when it needs a page that it does not have in its cache. */
	for (int i = 0; i < 5000 && set_aside(name) == 0; i++) {
		decide(store, i % 2 ? "chat" : "late", i);
		add_minute(store, time(NULL) / 60 * 60 - i * 60, 100);
		usleep(500);
	}
	goes_on_after_damage(store);
}

/* Whatever is damaged: nothing crashes, and it is noticed, or what can be read is in order. */
static void random_damage_is_noticed_or_harmless(void **state)
{
	_cleanup_free_ char *good = NULL, *bad = NULL;
	struct serin_value maxima[SERIN_RESOURCES];
	uint64_t seed = 20261125, anomalies, requests;
	unsigned noticed = 0, harmless = 0;
	size_t length;

	(void)state;
	make_filled();
	assert_int_equal(util_read_file(path, 1 << 20, &good, &length), 0);
	bad = malloc(length);
	for (unsigned round = 0; round < 100; round++) {
		size_t page = (size_t)(util_random(&seed) % (length / 4096)) * 4096;
		unsigned flips = 1u << util_random(&seed) % 10;
		struct store *store;
		char name[512];
		json_t *history;

		memcpy(bad, good, length);
		for (unsigned i = 0; i < flips; i++)
			bad[page + util_random(&seed) % 4096] ^= (char)(1 << util_random(&seed) % 8);
		unlink(beside("-wal"));
		unlink(beside("-shm"));
		write_file(path, bad, length);
		store = open_store();
		history = store_history(store, NULL, 1000);
		place_of(store);
		store_maxima(store, "chat", maxima);
		store_baseline(store, "chat", "v1", 0, &anomalies, &requests);
		decide(store, "after", 1);
		add_minute(store, time(NULL), 1);
		if (why[0] || !history || trouble(store)[0])
			noticed++;
		else
			harmless++;
		json_decref(history);
		store_close(store);
		while (set_aside(name))
			unlink(name);
	}
	print_message("%u noticed, %u harmless\n", noticed, harmless);
	assert_true(noticed >= 30);
}

/* ---- files that are not ours to use ---- */

/* Records are kept in memory, and brought into the file once it can be. */
static void is_kept_in_memory(struct store *store, const char *word)
{
	if (!strstr(why, word) || !strstr(why, "kept in memory"))
		fail_msg("'%s' does not say '%s' and that records are kept in memory", why, word);
	fill(store);
	check_history(store, "chat", 1000, 0, 399);
	assert_int_equal(place_of(store), 2);
	assert_non_null(strstr(trouble(store), word)); /* still */
}

static void is_brought_into_the_file(struct store *store)
{
	wait_for(!*trouble(store), 40);
	wait_for(number("SELECT count(*) FROM decisions") == 400, 5);
	wait_for(number("SELECT count(*) FROM minutes") == 400, 5);
	assert_int_equal(number("SELECT count(*) FROM maxima"), 2);
	check_history(store, "chat", 1000, 0, 399);
	works(store);
	assert_int_equal(store_lost(store), 0);
	store_close(store);
}

static void a_directory_in_its_place(void **state)
{
	struct store *store;

	(void)state;
	mkdir(parent(), 0700);
	mkdir(path, 0700);
	store = open_store();
	is_kept_in_memory(store, "no regular file");
	assert_int_equal(rmdir(path), 0);
	is_brought_into_the_file(store);
}

static void a_symbolic_link_is_not_followed(void **state)
{
	char target[256];
	struct store *store;

	(void)state;
	mkdir(parent(), 0700);
	snprintf(target, sizeof(target), "%s/elsewhere", directory);
	assert_int_equal(symlink(target, path), 0);
	store = open_store();
	is_kept_in_memory(store, "symbolic link");
	assert_false(exists(target));
	assert_int_equal(unlink(path), 0);
	is_brought_into_the_file(store);
}

static void a_directory_of_everyones_is_refused(void **state)
{
	struct store *store;

	(void)state;
	mkdir(parent(), 0700);
	chmod(parent(), 0777);
	store = open_store();
	is_kept_in_memory(store, "written by others");
	assert_false(exists(path));
	chmod(parent(), 01777); /* as /tmp: what is ours there stays ours */
	is_brought_into_the_file(store);
}

static void another_users_file_is_refused(void **state)
{
	struct store *store;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_filled();
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	store = open_store();
	assert_non_null(strstr(why, "belongs to another user"));
	assert_int_equal(place_of(store), 0); /* not even read */
	store_close(store);
	assert_int_equal(chown(path, 0, 0), 0);
	chmod(path, 0620);
	store = open_store();
	assert_non_null(strstr(why, "written by others"));
	store_close(store);
}

static void check_untouched(const char *sql, const char *word)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	size_t length, length_after;
	struct store *store;
	char name[512];

	foreign(sql);
	assert_int_equal(util_read_file(path, 1 << 20, &before, &length), 0);
	store = open_store();
	is_kept_in_memory(store, word);
	store_close(store);
	assert_int_equal(util_read_file(path, 1 << 20, &after, &length_after), 0);
	assert_int_equal(length, length_after);
	assert_memory_equal(before, after, length);
	assert_int_equal(set_aside(name), 0);
}

static void another_programs_database_is_left_alone(void **state)
{
	(void)state;
	mkdir(parent(), 0700);
	check_untouched("CREATE TABLE songs (title)", "another program");
	check_untouched("PRAGMA application_id = 77; DROP TABLE songs", "another program");
}

static void a_newer_schema_is_left_alone(void **state)
{
	(void)state;
	make_filled();
	check_untouched("PRAGMA user_version = 2", "newer serin");
}

static void removed_while_running(void **state)
{
	struct store *store = open_good();

	(void)state;
	set_place(store, 2);
	set_maxima(store, 2.5);
	decide(store, "chat", 0);
	wait_for(number("SELECT count(*) FROM maxima") == 2, 5);
	check_history(store, "chat", 10, 0, 0); /* a reader has it open, too */
	assert_int_equal(unlink(path), 0);
	decide(store, "chat", 1);
	wait_for(exists(path) && number("SELECT count(*) FROM decisions") == 1, 5);
	assert_non_null(strstr(trouble(store), "removed"));
	assert_string_equal(trouble(store), "");
	check_history(store, "chat", 10, 1, 1);
	assert_int_equal(number("SELECT step FROM releases"), 2);
	assert_int_equal(number("SELECT count(*) FROM maxima"), 2);
	works(store);
	store_close(store);
	store = open_good();
	check_history(store, "chat", 10, 1, 1);
	store_close(store);
}

static void removed_with_its_directory_and_nothing_to_write(void **state)
{
	struct store *store = open_good();

	(void)state;
	set_place(store, 2);
	wait_for(number("SELECT count(*) FROM releases") == 1, 5);
	assert_int_equal(nftw(parent(), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	wait_for(exists(path), 20);
	wait_for(number("SELECT step FROM releases") == 2, 5);
	store_close(store);
}

/* ---- disks ---- */

static void mount_tmpfs(const char *options)
{
	mkdir(parent(), 0700);
	assert_int_equal(mount("tmpfs", parent(), "tmpfs", 0, options), 0);
}

static const char *ballast(void)
{
	static char name[sizeof(path) + 16];

	snprintf(name, sizeof(name), "%s/ballast", parent());
	return name;
}

static void fill_disk(void)
{
	int fd = open(ballast(), O_WRONLY | O_CREAT | O_APPEND, 0600);
	char block[4096] = {0};

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void no_space_at_the_start(void **state)
{
	struct store *store;

	(void)state;
	if (!may_mount)
		skip();
	mount_tmpfs("size=1m,mode=0700");
	fill_disk();
	store = open_store();
	is_kept_in_memory(store, "serin.db");
	assert_int_equal(unlink(ballast()), 0);
	is_brought_into_the_file(store);
}

/* What was there is known, though it cannot be written. */
static void no_space_at_the_start_with_a_file(void **state)
{
	struct serin_value maxima[SERIN_RESOURCES];
	struct store *store;

	(void)state;
	if (!may_mount)
		skip();
	mount_tmpfs("size=1m,mode=0700");
	make_filled();
	fill_disk();
	store = open_store();
	assert_non_null(strstr(why, "kept in memory"));
	assert_int_equal(place_of(store), 2);
	assert_int_equal(store_maxima(store, "chat", maxima), 0);
	check_value(maxima[SERIN_CPU], 2.5);
	set_place(store, 3);
	assert_int_equal(unlink(ballast()), 0);
	wait_for(!*trouble(store), 40);
	assert_int_equal(number("SELECT step FROM releases"), 3);
	check_history(store, "chat", 1000, 0, 399);
	works(store);
	store_close(store);
}

static void no_space_while_running(void **state)
{
	char text[1000];
	struct store *store;
	int i = 0;

	(void)state;
	if (!may_mount)
		skip();
	mount_tmpfs("size=1m,mode=0700");
	store = open_good();
	decide(store, "chat", i++);
	wait_for(number("SELECT count(*) FROM decisions") == 1, 5);
	fill_disk();
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	while (!*trouble(store)) {
		store_decision(store, "chat", json_pack("{s:i, s:s}", "n", i++, "text", text));
		assert_true(i < STORE_QUEUE_MAX);
		usleep(1000);
	}
	assert_non_null(strstr(why, "cannot be written"));
	check_history(store, "chat", 2000, 0, i - 1);
	/* The queue has an end, and what is beyond it is counted. */
	while (store_lost(store) == 0)
		decide(store, "beyond", 1);
	assert_int_equal(store_lost(store), 1);
	decide(store, "beyond", 1);
	assert_int_equal(store_lost(store), 2);
	assert_int_equal(unlink(ballast()), 0);
	assert_int_equal(mount("tmpfs", parent(), "tmpfs", MS_REMOUNT, "size=8m"), 0);
	wait_for(!*trouble(store), 40);
	check_history(store, "chat", 2000, 0, i - 1);
	assert_int_equal(store_lost(store), 2);
	works(store);
	store_close(store);
}

static void a_read_only_file_system(void **state)
{
	struct store *store;

	(void)state;
	if (!may_mount)
		skip();
	mkdir(parent(), 0700);
	assert_int_equal(mount(parent(), parent(), "none", MS_BIND, NULL), 0);
	assert_int_equal(mount("none", parent(), "none", MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
	store = open_store();
	is_kept_in_memory(store, "Read-only");
	assert_int_equal(umount(parent()), 0);
	is_brought_into_the_file(store);
}

/* With a file in it: where releases stood is known, nothing is changed, and what comes goes in later. */
static void a_read_only_file(void **state)
{
	struct store *store;

	(void)state;
	if (!may_mount)
		skip();
	make_filled();
	assert_int_equal(mount(parent(), parent(), "none", MS_BIND, NULL), 0);
	assert_int_equal(mount("none", parent(), "none", MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
	store = open_store();
	assert_non_null(strstr(why, "Read-only"));
	assert_int_equal(place_of(store), 2);
	decide(store, "chat", 400);
	assert_int_equal(umount(parent()), 0);
	wait_for(!*trouble(store), 40);
	check_history(store, "chat", 1000, 0, 400);
	works(store);
	store_close(store);
}

/* ---- a disk that hangs ---- */

/* A file system of its own at parent(), which can be frozen: who writes then waits, and cannot be killed. */
static bool mount_freezable(void)
{
	char command[512];

	mkdir(parent(), 0700);
	snprintf(command, sizeof(command),
		 "truncate -s 16M %s/image && mkfs.ext4 -q %s/image && mount -o loop %s/image %s && chmod 700 %s", directory,
		 directory, directory, parent(), parent());
	return system(command) == 0;
}

static bool has_freezable(void)
{
	bool has = may_mount && mount_freezable();

	if (!has)
		print_message("needs to mount a loop device (mkfs.ext4, mount)\n");
	return has;
}

static struct {
	int end; /* of a pipe: closed, it thaws */
	pid_t pid;
} freezer;

/* Freezes, says so, and thaws whatever becomes of the process that wants it, and not later than in twenty seconds. */
static void be_freezer(int fd, int said, int end)
{
	struct pollfd ends = {.fd = end};

	setsid();
	if (ioctl(fd, FIFREEZE, 0) < 0 || write(said, "", 1) != 1)
		_exit(1);
	poll(&ends, 1, 20000);
	_exit(ioctl(fd, FITHAW, 0) == 0 ? 0 : 1);
}

static bool freeze(void)
{
	int wanted[2], said[2], fd = open(parent(), O_RDONLY | O_DIRECTORY);
	char byte;
	bool frozen;

	if (fd < 0 || pipe(wanted) < 0 || pipe(said) < 0)
		return false;
	freezer.pid = fork();
	if (freezer.pid == 0) {
		close(wanted[1]);
		close(said[0]);
		be_freezer(fd, said[1], wanted[0]);
	}
	close(wanted[0]);
	close(said[1]);
	close(fd);
	freezer.end = wanted[1];
	frozen = freezer.pid > 0 && read(said[0], &byte, 1) == 1;
	close(said[0]);
	return frozen;
}

static bool thaw(void)
{
	int status = -1;

	close(freezer.end);
	return waitpid(freezer.pid, &status, 0) == freezer.pid && status == 0;
}

static void a_disk_that_does_not_answer(void **state)
{
	struct serin_value maxima[SERIN_RESOURCES];
	uint64_t began;
	struct store *store;

	(void)state;
	if (!has_freezable())
		skip();
	make_filled();
	assert_true(freeze());
	began = util_now();
	assert_int_equal(store_open(path, DAY_NS, SECOND / 2, &store, why), 0);
	assert_non_null(strstr(why, "is not read after 0.5 s: its disk is slow or does not answer"));
	assert_int_equal(store_maxima(store, "chat", maxima), -EAGAIN);
	assert_null(store_history(store, "chat", 10));
	decide(store, "chat", 400);
	set_place(store, 3);
	assert_int_equal(place_of(store), 3);
	assert_true(util_now() - began < 10 * SECOND);
	assert_true(thaw());
	wait_for(!*trouble(store), 10);
	check_history(store, "chat", 1000, 0, 400);
	assert_int_equal(store_maxima(store, "chat", maxima), 0);
	check_value(maxima[SERIN_CPU], 2.5);
	assert_int_equal(place_of(store), 3);
	assert_int_equal(store_lost(store), 0);
	works(store);
	store_close(store);
}

/* In a child, as its limits and user are for good. The child ends with 0 when all was well. */
static void check_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("the child ended with %#x", status);
}

static void need(bool good, int code)
{
	if (!good)
		_exit(code);
}

/* Of an agent that ends before the disk has answered. What its thread uses is left to end with the process. */
static void close_while_frozen(void)
{
	struct store *store;
	uint64_t began;

	need(freeze(), 1);
	began = util_now();
	need(store_open(path, DAY_NS, SECOND / 10, &store, why) == 0, 2);
	store_close(store);
	need(util_now() - began < 15 * SECOND, 3);
	need(thaw(), 4);
}

static void closing_does_not_wait_for_a_disk(void **state)
{
	(void)state;
	if (!has_freezable())
		skip();
	make_filled();
	check_child(close_while_frozen);
	assert_int_equal(number("SELECT count(*) FROM decisions"), 400);
}

static void write_beyond_limit(void)
{
	struct rlimit limit = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY};
	struct store *store;

	need(store_open(path, DAY_NS, 100 * SECOND, &store, why) == 0 && !why[0], 1);
	need(setrlimit(RLIMIT_FSIZE, &limit) == 0, 2);
	for (int i = 0; i < 5000 && !*trouble(store); i++) {
		decide(store, "chat", i);
		usleep(100);
	}
	need(strstr(why, "cannot be written"), 3);
	limit.rlim_cur = RLIM_INFINITY;
	need(setrlimit(RLIMIT_FSIZE, &limit) == 0, 4);
	for (int i = 0; i < 4000 && *trouble(store); i++)
		usleep(10000);
	need(!why[0] && store_lost(store) == 0, 5);
	store_close(store);
}

static void a_limit_of_size(void **state)
{
	(void)state;
	check_child(write_beyond_limit);
}

static void write_without_permission(void)
{
	struct store *store;

	need(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, 1);
	need(store_open(path, DAY_NS, 100 * SECOND, &store, why) == 0, 2);
	need(strstr(why, "Permission denied") && strstr(why, "kept in memory"), 3);
	set_place(store, 2);
	need(place_of(store) == 2, 4);
	store_close(store);
}

static void no_permission(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	chmod(directory, 0755);
	check_child(write_without_permission); /* no directory, and none can be made */
	mkdir(parent(), 0755);
	check_child(write_without_permission); /* no file, and none can be made */
	make_filled();
	chmod(path, 0644);
	check_child(write_without_permission); /* a file, which is another's */
}

/* ---- locked ---- */

static uint64_t longest;

/* How long a call took at most, in nanoseconds. */
#define timed(call)                                                                                        \
	do {                                                                                               \
		uint64_t begin_ = util_now(), took_;                                                       \
		call;                                                                                      \
		took_ = util_now() - begin_;                                                               \
		longest = took_ > longest ? took_ : longest;                                               \
	} while (0)

static void while_locked_nobody_waits(void **state)
{
	struct store *store = open_good();
	sqlite3 *other;

	(void)state;
	decide(store, "chat", 0);
	wait_for(number("SELECT count(*) FROM decisions") == 1, 5);
	other = connect_to(path);
	execute(other, "BEGIN EXCLUSIVE");
	longest = 0;
	for (int i = 1; i <= 400; i++) {
		timed(decide(store, "chat", i));
		timed(set_place(store, (uint32_t)i));
		timed(set_maxima(store, i));
		timed(add_minute(store, time(NULL) + i * 60, 1));
		timed(store_trouble(store, why));
		timed(store_lost(store));
		usleep(1000);
	}
	check_history(store, "chat", 1000, 0, 400);
	assert_int_equal(place_of(store), 400);
	assert_int_equal(store_lost(store), 0);
	wait_for(strstr(trouble(store), "locked by another program"), 5);
	for (int i = 401; i < 2000; i++)
		timed(decide(store, "more", i));
	print_message("the longest call took %.3f ms\n", (double)longest / 1e6);
	assert_true(longest < 100 * NSEC_PER_MSEC);
	assert_true(store_lost(store) > 0);
	execute(other, "COMMIT");
	sqlite3_close(other);
	wait_for(!*trouble(store), 5);
	/* The first that came, of places and maxima the last. */
	assert_int_equal(number("SELECT (SELECT count(*) FROM decisions) - 1 + (SELECT count(*) FROM minutes) + 2"),
			 STORE_QUEUE_MAX);
	check_history(store, "chat", 1000, 0, 400);
	assert_int_equal(number("SELECT step FROM releases"), 400);
	works(store);
	store_close(store);
}

static void locked_at_the_start(void **state)
{
	struct store *store;
	sqlite3 *other;

	(void)state;
	make_filled();
	other = connect_to(path);
	execute(other, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE releases SET step = 2");
	store = open_store();
	assert_non_null(strstr(why, "kept in memory"));
	decide(store, "chat", 400);
	check_history(store, "chat", 10, 400, 400);
	execute(other, "ROLLBACK");
	sqlite3_close(other);
	wait_for(!*trouble(store), 40);
	check_history(store, "chat", 1000, 0, 400);
	works(store);
	store_close(store);
}

static void closing_waits_two_seconds_at_most(void **state)
{
	struct store *store = open_good();
	sqlite3 *other = connect_to(path);
	uint64_t begin;

	(void)state;
	execute(other, "BEGIN EXCLUSIVE");
	decide(store, "chat", 0);
	begin = util_now();
	store_close(store);
	assert_in_range(util_now() - begin, 1500 * NSEC_PER_MSEC, 2900 * NSEC_PER_MSEC);
	execute(other, "COMMIT");

	/* And goes on once the lock is gone. */
	store = open_good();
	execute(other, "BEGIN EXCLUSIVE");
	decide(store, "chat", 1);
	execute(other, "COMMIT");
	store_close(store);
	sqlite3_close(other);
	assert_int_equal(number("SELECT count(*) FROM decisions"), 1);
}

/* A reader with an open transaction keeps nobody from writing. */
static void others_may_read_meanwhile(void **state)
{
	struct store *store = open_good();
	sqlite3 *other;

	(void)state;
	decide(store, "chat", 0);
	wait_for(number("SELECT count(*) FROM decisions") == 1, 5);
	other = connect_to(path);
	execute(other, "BEGIN; SELECT count(*) FROM decisions");
	decide(store, "chat", 1);
	wait_for(number("SELECT count(*) FROM decisions") == 2, 5);
	execute(other, "COMMIT");
	sqlite3_close(other);
	assert_string_equal(trouble(store), "");
	store_close(store);
}

/* ---- killed ---- */

static void write_until_killed(const char *release, int ready)
{
	struct store *store;

	need(store_open(path, DAY_NS, 100 * SECOND, &store, why) == 0 && !why[0], 1);
	need(write(ready, "x", 1) == 1, 2);
	for (int i = 0; i < 500; i++) {
		decide(store, release, i);
		usleep(50);
	}
	pause();
}

static void kill_writer(const char *release, useconds_t after)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		write_until_killed(release, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	usleep(after);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_killed_writer_leaves_a_prefix(void **state)
{
	uint64_t seed = 4;
	unsigned partial = 0;

	(void)state;
	for (int round = 0; round < 30; round++) {
		char release[16];
		struct store *store;
		json_t *history;
		int n;

		snprintf(release, sizeof(release), "r%d", round);
		kill_writer(release, (useconds_t)(util_random(&seed) % 60000));
		store = open_good();
		history = store_history(store, release, 1000);
		n = (int)json_array_size(history);
		json_decref(history);
		check_history(store, release, 1000, 0, n - 1);
		partial += n > 0 && n < 500;
		store_close(store);
	}
	print_message("%u of 30 were killed in the middle\n", partial);
	assert_true(partial > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_file_is_made_for_its_owner_alone),
		TEST(decisions_come_back_in_order),
		TEST(anyone_can_read_the_history_of_a_file),
		TEST(a_history_that_cannot_be_read_is_an_error),
		TEST(a_decision_is_in_the_history_exactly_once),
		TEST(a_decision_is_kept_as_it_is),
		TEST(a_decision_again_is_the_same),
		TEST(a_decision_again_in_memory_is_the_same),
		TEST(a_release_is_where_it_was),
		TEST(a_place_that_cannot_be_is_refused),
		TEST(maxima_come_back),
		TEST(minutes_are_summed_since_a_moment),
		TEST(old_minutes_go),
		TEST(ten_thousand_decisions_of_a_release_are_kept),
		TEST(memory_ends_with_the_store),
		TEST(what_waits_is_written_at_the_end),
		TEST(signals_are_left_to_the_caller),
		TEST(no_database_is_set_aside),
		TEST(a_truncated_file_is_set_aside),
		TEST(a_flipped_page_is_set_aside),
		TEST(a_table_that_is_gone_is_damage),
		TEST(an_empty_file_is_a_new_one),
		TEST(a_reader_notices_damage),
		TEST(a_writer_notices_damage),
		TEST(random_damage_is_noticed_or_harmless),
		TEST(a_directory_in_its_place),
		TEST(a_symbolic_link_is_not_followed),
		TEST(a_directory_of_everyones_is_refused),
		TEST(another_users_file_is_refused),
		TEST(another_programs_database_is_left_alone),
		TEST(a_newer_schema_is_left_alone),
		TEST(removed_while_running),
		TEST(removed_with_its_directory_and_nothing_to_write),
		TEST(no_space_at_the_start),
		TEST(no_space_at_the_start_with_a_file),
		TEST(no_space_while_running),
		TEST(a_read_only_file_system),
		TEST(a_read_only_file),
		TEST(a_limit_of_size),
		TEST(no_permission),
		TEST(while_locked_nobody_waits),
		TEST(locked_at_the_start),
		TEST(closing_waits_two_seconds_at_most),
		TEST(a_disk_that_does_not_answer),
		TEST(closing_does_not_wait_for_a_disk),
		TEST(others_may_read_meanwhile),
		TEST(a_killed_writer_leaves_a_prefix),
	};

	/* What is mounted is seen by nobody else, and goes with this process. */
	may_mount = unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
