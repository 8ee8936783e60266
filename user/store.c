// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* pthread_timedjoin_np() */

#include "store.h"

#include "database.h"
#include "util.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#define LATEST_MAX (SERIN_RELEASES_MAX + SERIN_TARGETS_MAX) /* a line a release, one a model */
#define LOOK_NS (10 * NSEC_PER_SEC)	 /* is the file still there? */
#define PAUSE_MIN_NS (500 * NSEC_PER_MSEC) /* after a failure; doubled each time */
#define PAUSE_MAX_NS (30 * NSEC_PER_SEC)
#define LOCKED_PAUSE_NS (200 * NSEC_PER_MSEC)
#define LOCKED_NS (2 * NSEC_PER_SEC)	 /* until being locked is a trouble */
#define CLOSE_NS (2 * NSEC_PER_SEC)
#define CLOSE_PAUSE_NS (50 * NSEC_PER_MSEC)
#define ASIDE_NS (60 * NSEC_PER_SEC)	 /* between two files set aside: a disk that damages all is not to be filled */
#define PRUNE_NS (600 * NSEC_PER_SEC)
#define MEMORY_KEEP_SECONDS 86400	 /* of minutes, while there is no file */

struct store {
	char *path; /* NULL: in memory, as asked for */
	char memory_name[DATABASE_MEMORY_MAX];
	uint64_t keep_seconds;
	pthread_t thread;

	/* What the threads share; never held over anything that waits. */
	pthread_mutex_t mutex;
	pthread_cond_t wake, answer; /* of the writer; of store_open() */
	struct record *queue[STORE_QUEUE_MAX]; /* a ring; what is being written stays until it is committed */
	unsigned first, n, writing;
	uint64_t lost;
	char trouble[STORE_WHY_MAX], event[STORE_WHY_MAX];
	const char *name; /* of the database that is written, for readers */
	unsigned generation; /* of it */
	bool suspect;	     /* a reader met damage */
	bool opened; /* a database was chosen, or none could be */
	bool late;   /* not before store_open() had returned */
	bool stop;
	uint64_t stop_ns;

	/* The writer's. */
	struct database *file, *memory; /* at most one of them, but for a moment */
	struct record *latest[LATEST_MAX]; /* where releases stand and maxima: a new file begins with them */
	unsigned n_latest;
	uint64_t retry_ns, look_ns, open_ns, prune_ns;
	uint64_t pause_ns, locked_ns, aside_ns;

	/* The caller's. */
	struct database *reader;
	unsigned reader_generation;
};

/* ---- what the caller is told ---- */

static void tell(struct store *store, char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void tell(struct store *store, char *where, const char *format, ...)
{
	char text[STORE_WHY_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pthread_mutex_lock(&store->mutex);
	memcpy(where, text, sizeof(text));
	pthread_mutex_unlock(&store->mutex);
}

static void lose(struct store *store, uint64_t n)
{
	pthread_mutex_lock(&store->mutex);
	store->lost += n;
	pthread_mutex_unlock(&store->mutex);
}

/* ---- which database ---- */

static uint64_t pause_of(struct store *store)
{
	store->pause_ns = store->pause_ns ? store->pause_ns * 2 : PAUSE_MIN_NS;
	if (store->pause_ns > PAUSE_MAX_NS)
		store->pause_ns = PAUSE_MAX_NS;
	return store->pause_ns;
}

/* From now on readers read this one. */
static void show_readers(struct store *store, const char *name)
{
	pthread_mutex_lock(&store->mutex);
	store->name = name;
	store->generation++;
	pthread_mutex_unlock(&store->mutex);
}

/* What is known of releases and maxima goes into a database that may have none of it. */
static int write_latest(struct store *store, struct database *db)
{
	int r = store->n_latest ? database_begin(db) : 0;

	for (unsigned i = 0; i < store->n_latest && r == 0; i++)
		r = database_write(db, store->latest[i]);
	return store->n_latest ? database_end(db, r) : 0;
}

/* May the releases' places be read from a file that cannot be written? Not from one that is not to be trusted. */
static bool can_still_be_read(int why)
{
	return why == -EROFS || why == -ENOSPC || why == -EIO || why == -EBUSY;
}

static void begin_memory(struct store *store, int why)
{
	char unused[STORE_WHY_MAX];

	if (store->memory || database_open(store->memory_name, &store->memory, unused) < 0)
		return;
	if (store->path && can_still_be_read(why))
		database_take_state(store->memory, store->path);
	write_latest(store, store->memory);
	show_readers(store, store->memory_name);
}

static void end_memory(struct store *store)
{
	database_close(store->memory);
	store->memory = NULL;
}

static int set_aside(struct store *store, char why[STORE_WHY_MAX])
{
	char name[STORE_WHY_MAX], damage[STORE_WHY_MAX];
	uint64_t now = util_now();
	int r;

	memcpy(damage, why, sizeof(damage));
	if (store->aside_ns && now - store->aside_ns < ASIDE_NS) {
		snprintf(why, STORE_WHY_MAX, "%.400s, for the second time within a minute", damage);
		return -EBADMSG;
	}
	r = database_set_aside(store->path, name);
	if (r < 0) {
		snprintf(why, STORE_WHY_MAX, "%.300s, and cannot be set aside: %s", damage, strerror(-r));
		return r;
	}
	store->aside_ns = now;
	tell(store, store->event, "%.200s: set aside as %.200s, a new one is begun", damage, name);
	return 0;
}

/*
 * Opens the file, or a new one where it is damaged, and brings into it what memory has. `damaged`: it is known to be, and
 * `why` says so.
 */
static int open_file(struct store *store, bool damaged, struct database **ret, char why[STORE_WHY_MAX])
{
	struct database *db = NULL;
	int r;

	r = damaged ? -EBADMSG : database_open(store->path, &db, why);
	if (r == -EBADMSG) {
		r = set_aside(store, why);
		if (r == 0)
			r = database_open(store->path, &db, why);
	}
	if (r < 0)
		return r;
	r = store->memory ? database_take_over(db, store->memory_name) : write_latest(store, db);
	if (r < 0) {
		database_close(db);
		snprintf(why, STORE_WHY_MAX, "%.300s cannot be written: %s", store->path, strerror(-r));
		return r;
	}
	*ret = db;
	return 0;
}

static void has_written(struct store *store)
{
	store->retry_ns = store->locked_ns = 0;
	if (!store->file)
		return;
	store->pause_ns = 0;
	tell(store, store->trouble, "%s", "");
}

/* To the file if that can be, else to memory until the next attempt. */
static void choose_database(struct store *store, bool damaged, char why[STORE_WHY_MAX])
{
	struct database *db = NULL;
	bool written;
	int r = open_file(store, damaged, &db, why);

	if (r < 0) {
		store->open_ns = util_now() + pause_of(store);
		begin_memory(store, r);
		tell(store, store->trouble, "%.400s; records are kept in memory until it can be written", why);
		return;
	}
	/* That it could be opened does not say that it can be written. */
	written = store->memory || store->n_latest;
	store->file = db;
	store->retry_ns = 0;
	show_readers(store, store->path);
	end_memory(store);
	if (written)
		has_written(store);
}

static void leave_file(struct store *store, bool damaged)
{
	if (damaged)
		database_abandon(store->file);
	else
		database_close(store->file);
	store->file = NULL;
}

static void replace_damaged(struct store *store)
{
	char why[STORE_WHY_MAX];

	leave_file(store, true);
	snprintf(why, sizeof(why), "%.300s is damaged", store->path);
	choose_database(store, true, why);
}

static void replace_missing(struct store *store)
{
	char why[STORE_WHY_MAX];

	leave_file(store, true);
	tell(store, store->event, "%.300s was removed or replaced while in use: what was written since is in the old file,"
	     " and a new one is begun", store->path);
	choose_database(store, false, why);
}

static bool take_suspicion(struct store *store)
{
	bool suspect;

	pthread_mutex_lock(&store->mutex);
	suspect = store->suspect;
	store->suspect = false;
	pthread_mutex_unlock(&store->mutex);
	return suspect;
}

/* Is the file still the right one; if there is none, can there be one again? */
static void look_after_file(struct store *store)
{
	bool suspect = take_suspicion(store);
	char why[STORE_WHY_MAX];

	store->look_ns = util_now() + LOOK_NS;
	if (store->path && !store->file && util_now() >= store->open_ns)
		choose_database(store, false, why);
	else if (store->file && !database_in_place(store->file))
		replace_missing(store);
	else if (store->file && suspect)
		replace_damaged(store);
}

/* ---- writing ---- */

static bool is_same(const struct record *a, const struct record *b)
{
	return a->kind == b->kind && strcmp(a->owner, b->owner) == 0 && strcmp(a->version[0], b->version[0]) == 0 &&
	       strcmp(a->version[1], b->version[1]) == 0;
}

static bool has_latest(const struct record *record)
{
	return record->kind == RECORD_RELEASE || record->kind == RECORD_MAXIMA;
}

/* Takes the record over. The place of a forgotten release goes first. */
static void remember(struct store *store, struct record *record)
{
	unsigned i = 0;

	if (!has_latest(record)) {
		record_free(record);
		return;
	}
	while (i < store->n_latest && !is_same(store->latest[i], record))
		i++;
	if (i == LATEST_MAX)
		i = 0;
	if (i < store->n_latest) {
		record_free(store->latest[i]);
		memmove(store->latest + i, store->latest + i + 1, (store->n_latest - i - 1) * sizeof(*store->latest));
		store->n_latest--;
	}
	store->latest[store->n_latest++] = record;
}

/* The first `n` of the queue, which nobody else touches meanwhile. Returns how many could never be written, or -errno. */
static int write_records(struct store *store, struct database *db, unsigned n)
{
	int refused = 0, r = 0;

	for (unsigned i = 0; i < n && r == 0; i++) {
		r = database_write(db, store->queue[(store->first + i) % STORE_QUEUE_MAX]);
		if (r == -EINVAL) {
			refused++;
			r = 0;
		}
	}
	r = database_end(db, r);
	return r < 0 ? r : refused;
}

/* From now on nobody else touches as many of the queue as this returns. */
static unsigned hold(struct store *store)
{
	unsigned n;

	pthread_mutex_lock(&store->mutex);
	n = store->writing = store->n;
	pthread_mutex_unlock(&store->mutex);
	return n;
}

static void let_go(struct store *store)
{
	pthread_mutex_lock(&store->mutex);
	store->writing = 0;
	pthread_mutex_unlock(&store->mutex);
}

static bool is_waiting(struct store *store)
{
	bool some;

	pthread_mutex_lock(&store->mutex);
	some = store->n > 0;
	pthread_mutex_unlock(&store->mutex);
	return some && util_now() >= store->retry_ns;
}

static void take_out(struct store *store, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct record *record;

		pthread_mutex_lock(&store->mutex);
		record = store->queue[store->first];
		store->first = (store->first + 1) % STORE_QUEUE_MAX;
		store->n--;
		store->writing--;
		pthread_mutex_unlock(&store->mutex);
		remember(store, record);
	}
}

static void now_locked(struct store *store)
{
	uint64_t now = util_now();

	store->retry_ns = now + LOCKED_PAUSE_NS;
	if (!store->locked_ns)
		store->locked_ns = now;
	if (now - store->locked_ns >= LOCKED_NS)
		tell(store, store->trouble, "%.300s is locked by another program; records wait, at most %u: end that"
		     " program or its transaction", store->path, STORE_QUEUE_MAX);
}

/* What failed stays in the queue. */
static void cannot_write(struct store *store, int r)
{
	if (!store->file) {
		store->retry_ns = util_now() + LOCKED_PAUSE_NS;
		return;
	}
	if (r == -EBUSY) {
		now_locked(store);
		return;
	}
	if (r == -EBADMSG) {
		replace_damaged(store);
		return;
	}
	store->retry_ns = util_now() + pause_of(store);
	tell(store, store->trouble, "%.300s cannot be written: %s; records wait, at most %u", store->path, strerror(-r),
	     STORE_QUEUE_MAX);
	if (r == -ENOSPC || r == -ENOMEM)
		return;
	/* The connection may be the trouble. If it is the file, memory comes next. */
	leave_file(store, false);
	store->open_ns = store->retry_ns;
}

/* All that waits, in one transaction. It is not held while that waits for a lock. */
static void write_waiting(struct store *store)
{
	struct database *db = store->file ? store->file : store->memory;
	unsigned n = 0;
	int r;

	if (!is_waiting(store))
		return;
	r = db ? database_begin(db) : -ENOMEM;
	if (r == 0) {
		n = hold(store);
		r = write_records(store, db, n);
	}
	if (r < 0) {
		let_go(store);
		cannot_write(store, r);
		return;
	}
	take_out(store, n);
	lose(store, (uint64_t)r);
	has_written(store);
}

/* A piece at a time, so that nobody waits for it: not the next records, not another program that reads. */
static void prune(struct store *store)
{
	struct database *db = store->file ? store->file : store->memory;
	uint64_t keep = store->keep_seconds;
	int removed;

	if (!db || util_now() < store->prune_ns)
		return;
	if (!store->file && keep > MEMORY_KEEP_SECONDS)
		keep = MEMORY_KEEP_SECONDS;
	removed = database_prune(db, (int64_t)time(NULL) - (int64_t)keep);
	store->prune_ns = removed == DATABASE_PIECE ? 0 : util_now() + PRUNE_NS;
	if (removed > 0 && !store->file && store->path)
		lose(store, (uint64_t)removed);
	if (removed == -EBADMSG && store->file)
		replace_damaged(store);
}

/* ---- the writer's thread ---- */

/* With the mutex. */
static void wait_until(struct store *store, pthread_cond_t *cond, uint64_t at_ns)
{
	struct timespec at = {.tv_sec = (time_t)(at_ns / NSEC_PER_SEC), .tv_nsec = (long)(at_ns % NSEC_PER_SEC)};

	pthread_cond_timedwait(cond, &store->mutex, &at);
}

static uint64_t next_of(const struct store *store)
{
	uint64_t next = store->look_ns;

	if (store->path && !store->file && store->open_ns < next)
		next = store->open_ns;
	if ((store->file || store->memory) && store->prune_ns < next)
		next = store->prune_ns;
	if (store->n && store->retry_ns < next)
		next = store->retry_ns;
	return next;
}

/* At the end there is no time for long pauses. */
static void hurry(struct store *store)
{
	uint64_t soon = util_now() + CLOSE_PAUSE_NS;

	if (store->retry_ns > soon)
		store->retry_ns = soon;
	if (store->open_ns > soon)
		store->open_ns = soon;
}

/* false: it is over. */
static bool wait_for_work(struct store *store)
{
	bool more = true;

	pthread_mutex_lock(&store->mutex);
	for (;;) {
		if (store->stop) {
			hurry(store);
			more = store->n > 0 && util_now() < store->stop_ns;
		}
		if (!more || store->suspect || util_now() >= next_of(store))
			break;
		wait_until(store, &store->wake, next_of(store));
	}
	pthread_mutex_unlock(&store->mutex);
	return more;
}

/* What the disk makes wait, waits here. */
static void choose_first(struct store *store)
{
	char why[STORE_WHY_MAX];

	if (store->path)
		choose_database(store, false, why);
	else
		begin_memory(store, 0);
	pthread_mutex_lock(&store->mutex);
	store->opened = true;
	if (store->late && store->file)
		store->trouble[0] = '\0';
	pthread_cond_signal(&store->answer);
	pthread_mutex_unlock(&store->mutex);
}

static void *writer(void *context)
{
	struct store *store = context;
	char why[STORE_WHY_MAX];

	choose_first(store);
	while (wait_for_work(store)) {
		look_after_file(store);
		write_waiting(store);
		prune(store);
	}
	/* What was kept in memory has its last chance. */
	if (store->path && !store->file)
		choose_database(store, false, why);
	leave_file(store, false);
	end_memory(store);
	return NULL;
}

/* Its signals are the agent's. */
static int start_writer(struct store *store)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&store->thread, NULL, writer, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r == 0 ? 0 : -ENOMEM;
}

/* ---- opening and closing ---- */

static void init_locks(struct store *store)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&store->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&store->wake, &attributes);
	pthread_cond_init(&store->answer, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void free_store(struct store *store)
{
	for (; store->n > 0; store->n--) {
		record_free(store->queue[store->first]);
		store->first = (store->first + 1) % STORE_QUEUE_MAX;
	}
	for (unsigned i = 0; i < store->n_latest; i++)
		record_free(store->latest[i]);
	database_close(store->file);
	database_close(store->memory);
	pthread_cond_destroy(&store->wake);
	pthread_cond_destroy(&store->answer);
	pthread_mutex_destroy(&store->mutex);
	free(store->path);
	free(store);
}

/* false: there was no memory for a database. */
static bool wait_for_database(struct store *store, uint64_t patience_ns)
{
	uint64_t until = util_now() + patience_ns;
	bool can_work;

	pthread_mutex_lock(&store->mutex);
	while (!store->opened && util_now() < until)
		wait_until(store, &store->answer, until);
	store->late = !store->opened;
	can_work = store->late || store->name;
	if (store->late)
		snprintf(store->trouble, sizeof(store->trouble), "%.300s is not read after %.3g s: its disk is slow or does not"
			 " answer; what is in it is not known until it does, and records wait, at most %u", store->path,
			 (double)patience_ns / 1e9, STORE_QUEUE_MAX);
	pthread_mutex_unlock(&store->mutex);
	return can_work;
}

int store_open(const char *path, uint64_t keep_ns, uint64_t patience_ns, struct store **ret, char ret_why[STORE_WHY_MAX])
{
	bool in_memory = strcmp(path, ":memory:") == 0;
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	init_locks(store);
	database_memory(store, store->memory_name);
	store->keep_seconds = keep_ns / NSEC_PER_SEC;
	store->path = in_memory ? NULL : strdup(path);
	if ((!in_memory && !store->path) || start_writer(store) < 0) {
		free_store(store);
		return -ENOMEM;
	}
	if (!wait_for_database(store, patience_ns)) {
		store_close(store);
		return -ENOMEM;
	}
	store_trouble(store, ret_why);
	*ret = store;
	return 0;
}

void store_close(struct store *store)
{
	struct timespec until;

	if (!store)
		return;
	/* Before the writer's: the last connection tidies up. */
	database_close(store->reader);
	store->reader = NULL;
	pthread_mutex_lock(&store->mutex);
	store->stop = true;
	store->stop_ns = util_now() + CLOSE_NS;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->mutex);

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLOSE_NS / NSEC_PER_SEC + 1;
	/* A thread that hangs in the disk is left to end with the process, and what it uses with it. */
	if (pthread_timedjoin_np(store->thread, NULL, &until) != 0) {
		pthread_detach(store->thread);
		return;
	}
	free_store(store);
}

/* ---- records ---- */

static struct record *new_record(enum record_kind kind, const char *owner, const char *version0, const char *version1)
{
	struct record *record = calloc(1, sizeof(*record));

	if (!record)
		return NULL;
	record->kind = kind;
	snprintf(record->owner, sizeof(record->owner), "%s", owner);
	snprintf(record->version[0], sizeof(record->version[0]), "%s", version0);
	snprintf(record->version[1], sizeof(record->version[1]), "%s", version1);
	return record;
}

static struct record **place(struct store *store, unsigned i)
{
	return &store->queue[(store->first + i) % STORE_QUEUE_MAX];
}

/* The newest that waits for the same release or model, from place `from` on; NULL: none. With the mutex. */
static struct record **waiting(struct store *store, const struct record *like, unsigned from)
{
	for (unsigned i = store->n; i > from; i--)
		if (is_same(*place(store, i - 1), like))
			return place(store, i - 1);
	return NULL;
}

/* Takes the record over; NULL: there was no memory for it. A newer place or maximum takes the older one's turn. */
static void enqueue(struct store *store, struct record *record)
{
	struct record *unwanted = record, **older = NULL;

	pthread_mutex_lock(&store->mutex);
	if (record && has_latest(record))
		older = waiting(store, record, store->writing);
	if (older) {
		unwanted = *older;
		*older = record;
	} else if (record && store->n < STORE_QUEUE_MAX) {
		*place(store, store->n++) = record;
		unwanted = NULL;
		pthread_cond_signal(&store->wake);
	} else {
		store->lost++;
	}
	pthread_mutex_unlock(&store->mutex);
	record_free(unwanted);
}

static double unix_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void add_decision(struct store *store, const char *release, json_t *decision, bool again)
{
	struct record *record = new_record(RECORD_DECISION, release, "", "");
	const json_t *at = json_object_get(decision, "at_unix");

	if (record) {
		record->at_unix = json_is_number(at) ? json_number_value(at) : unix_now();
		record->again = again;
		record->text = json_dumps(decision, JSON_COMPACT);
		if (!record->text) {
			record_free(record);
			record = NULL;
		}
	}
	json_decref(decision);
	enqueue(store, record);
}

void store_decision(struct store *store, const char *release, json_t *decision)
{
	add_decision(store, release, decision, false);
}

void store_decision_again(struct store *store, const char *release, json_t *decision)
{
	add_decision(store, release, decision, true);
}

void store_set_release(struct store *store, const char *release, const char *stable, const char *canary,
		       const struct store_release *now)
{
	struct record *record = new_record(RECORD_RELEASE, release, stable, canary);

	if (record)
		record->release = *now;
	enqueue(store, record);
}

void store_set_maxima(struct store *store, const char *model, const struct serin_value maxima[SERIN_RESOURCES])
{
	struct record *record = new_record(RECORD_MAXIMA, model, "", "");

	if (record)
		memcpy(record->maxima, maxima, sizeof(record->maxima));
	enqueue(store, record);
}

void store_minute(struct store *store, const char *model, const char *version, const struct store_minute *minute)
{
	struct record *record = new_record(RECORD_MINUTE, model, version, "");

	if (record)
		record->minute = *minute;
	enqueue(store, record);
}

/* ---- reading, in the caller's thread ---- */

static int open_reader(struct store *store, struct database **ret)
{
	const char *name;
	unsigned generation;
	int r;

	pthread_mutex_lock(&store->mutex);
	name = store->name;
	generation = store->generation;
	pthread_mutex_unlock(&store->mutex);
	if (!name)
		return -EAGAIN;
	if (store->reader && store->reader_generation != generation) {
		database_close(store->reader);
		store->reader = NULL;
	}
	if (!store->reader) {
		r = database_open_reader(name, &store->reader);
		if (r < 0)
			return r;
		store->reader_generation = generation;
	}
	*ret = store->reader;
	return 0;
}

/* Hands on what a read said. Damage is the writer's to mend. */
static int after_read(struct store *store, int r)
{
	if (r == -EBADMSG) {
		pthread_mutex_lock(&store->mutex);
		store->suspect = true;
		pthread_cond_signal(&store->wake);
		pthread_mutex_unlock(&store->mutex);
	}
	return r;
}

/* What waits is newer than what the file holds. */
static bool find_waiting(struct store *store, const struct record *like, struct record *ret)
{
	struct record **found;

	pthread_mutex_lock(&store->mutex);
	found = waiting(store, like, 0);
	if (found)
		*ret = **found;
	pthread_mutex_unlock(&store->mutex);
	return found;
}

int store_release(struct store *store, const char *release, const char *stable, const char *canary,
		  struct store_release *ret)
{
	_cleanup_free_ struct record *like = new_record(RECORD_RELEASE, release, stable, canary);
	struct database *db;
	int r;

	if (!like)
		return -ENOMEM;
	if (find_waiting(store, like, like)) {
		*ret = like->release;
		return 1;
	}
	r = open_reader(store, &db);
	if (r == 0)
		r = database_release(db, like->owner, like->version[0], like->version[1], ret);
	return after_read(store, r);
}

int store_maxima(struct store *store, const char *model, struct serin_value ret[SERIN_RESOURCES])
{
	_cleanup_free_ struct record *like = new_record(RECORD_MAXIMA, model, "", "");
	struct serin_value maxima[SERIN_RESOURCES];
	struct database *db;
	int r;

	if (!like)
		return -ENOMEM;
	r = open_reader(store, &db);
	if (r == 0)
		r = database_maxima(db, like->owner, maxima);
	if (find_waiting(store, like, like)) {
		/* What is absent in it leaves the file's. */
		for (unsigned i = 0; i < SERIN_RESOURCES; i++)
			if (r < 0 || like->maxima[i].known)
				maxima[i] = like->maxima[i];
		after_read(store, r);
		r = 0;
	}
	if (r == 0)
		memcpy(ret, maxima, sizeof(maxima));
	return after_read(store, r);
}

int store_baseline(struct store *store, const char *model, const char *version, int64_t since_unix, uint64_t *ret_anomalies,
		   uint64_t *ret_requests)
{
	struct database *db;
	int r = open_reader(store, &db);

	if (r == 0)
		r = database_baseline(db, model, version, since_unix, ret_anomalies, ret_requests);
	return after_read(store, r);
}

struct history {
	const char **waiting; /* texts of decisions that were not written when the read began, newest first */
	unsigned n_waiting;
	json_t *decisions;    /* newest first */
	unsigned limit;
};

/* What cannot be parsed was changed by somebody else. */
static int append(json_t *decisions, const char *text)
{
	json_t *decision = json_loads(text, 0, NULL);

	if (!decision)
		return 0;
	return json_array_append_new(decisions, decision) < 0 ? -ENOMEM : 0;
}

/* A row of the file. It may have been written between the look into the queue and the read: then it is there already. */
static int take_row(void *context, const char *text)
{
	struct history *history = context;

	for (unsigned i = 0; i < history->n_waiting; i++)
		if (strcmp(history->waiting[i], text) == 0)
			return 0;
	return json_array_size(history->decisions) < history->limit ? append(history->decisions, text) : 0;
}

static void free_texts(char **texts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(texts[i]);
}

/* Copies of the texts that wait, newest first. Returns how many, or -ENOMEM. */
static int copy_waiting(struct store *store, const char *release, unsigned limit, char *texts[STORE_QUEUE_MAX])
{
	unsigned n = 0;
	bool whole = true;

	pthread_mutex_lock(&store->mutex);
	for (unsigned i = store->n; i > 0 && n < limit && whole; i--) {
		const struct record *record = *place(store, i - 1);

		if (record->kind != RECORD_DECISION || (release && strcmp(record->owner, release) != 0))
			continue;
		texts[n] = strdup(record->text);
		whole = texts[n] != NULL;
		n += whole;
	}
	pthread_mutex_unlock(&store->mutex);
	if (whole)
		return (int)n;
	free_texts(texts, n);
	return -ENOMEM;
}

static json_t *reversed(const json_t *array)
{
	json_t *all = json_array();

	for (size_t i = json_array_size(array); all && i > 0; i--)
		json_array_append(all, json_array_get(array, i - 1));
	return all;
}

static int read_history(struct store *store, const char *release, struct history *history)
{
	struct database *db;
	int r = 0;

	for (unsigned i = 0; i < history->n_waiting && r == 0; i++)
		r = append(history->decisions, history->waiting[i]);
	if (r == 0)
		r = open_reader(store, &db);
	if (r == 0)
		r = database_history(db, release, history->limit, take_row, history);
	return r;
}

json_t *store_history(struct store *store, const char *release, unsigned limit)
{
	struct history history = {.decisions = json_array(), .limit = limit};
	char *texts[STORE_QUEUE_MAX];
	json_t *all = NULL;
	int n, r;

	n = copy_waiting(store, release, limit, texts);
	r = n < 0 || !history.decisions ? -ENOMEM : 0;
	if (r == 0) {
		history.waiting = (const char **)texts;
		history.n_waiting = (unsigned)n;
		r = after_read(store, read_history(store, release, &history));
	}
	if (r == 0)
		all = reversed(history.decisions);
	if (n > 0)
		free_texts(texts, (unsigned)n);
	json_decref(history.decisions);
	return all;
}

int store_read_history(const char *path, const char *release, unsigned limit, json_t **ret)
{
	struct history history = {.decisions = json_array(), .limit = limit};
	struct database *db = NULL;
	json_t *all;
	int r;

	if (!history.decisions)
		return -ENOMEM;
	r = access(path, R_OK) < 0 ? -errno : database_open_reader(path, &db);
	if (r == 0)
		r = database_history(db, release, limit, take_row, &history);
	database_close(db);
	all = r == 0 ? reversed(history.decisions) : NULL;
	json_decref(history.decisions);
	if (r == 0 && !all)
		r = -ENOMEM;
	if (r == 0)
		*ret = all;
	return r;
}

/* ---- trouble ---- */

uint64_t store_lost(struct store *store)
{
	uint64_t lost;

	pthread_mutex_lock(&store->mutex);
	lost = store->lost;
	pthread_mutex_unlock(&store->mutex);
	return lost;
}

void store_trouble(struct store *store, char ret_why[STORE_WHY_MAX])
{
	pthread_mutex_lock(&store->mutex);
	memcpy(ret_why, store->event[0] ? store->event : store->trouble, STORE_WHY_MAX);
	store->event[0] = '\0';
	pthread_mutex_unlock(&store->mutex);
}
