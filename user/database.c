// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "database.h"

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define APPLICATION_ID 0x5e4149 /* in the file's header, so that no other program's database is ever written to */
#define BUSY_MS 50
#define MEMORY_BUSY_MS 1000 /* there is nobody there but our two threads, and neither has to wait for a disk */
#define SIBLING_MAX 4096

/* How a database becomes one of the next schema version; the version is the number of steps it has seen. */
static const char *const schema[] = {
	"CREATE TABLE decisions (id INTEGER PRIMARY KEY, release TEXT NOT NULL, at REAL NOT NULL, decision TEXT NOT NULL);"
	"CREATE INDEX decisions_release ON decisions (release, id);"
	"CREATE TABLE releases (release TEXT NOT NULL, stable TEXT NOT NULL, canary TEXT NOT NULL,"
	" phase INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 4), step INTEGER NOT NULL CHECK (step >= 0),"
	" weight INTEGER NOT NULL CHECK (weight BETWEEN 0 AND 10000), manual INTEGER NOT NULL, at REAL NOT NULL,"
	" PRIMARY KEY (release, stable, canary)) WITHOUT ROWID;"
	"CREATE TABLE maxima (model TEXT NOT NULL, resource TEXT NOT NULL, maximum REAL NOT NULL,"
	" PRIMARY KEY (model, resource)) WITHOUT ROWID;"
	"CREATE TABLE minutes (model TEXT NOT NULL, version TEXT NOT NULL, at INTEGER NOT NULL,"
	" requests INTEGER NOT NULL CHECK (requests >= 0), successes INTEGER NOT NULL,"
	" anomalies INTEGER NOT NULL CHECK (anomalies >= 0), p REAL, r REAL, d REAL,"
	" p50_seconds REAL, p90_seconds REAL, p99_seconds REAL, cpu_seconds REAL, weight INTEGER NOT NULL,"
	" PRIMARY KEY (model, version, at)) WITHOUT ROWID;"
	"CREATE INDEX minutes_at ON minutes (at);",
};

_Static_assert(SERIN_PHASES == 5, "the table `releases` checks its phases");

enum statement {
	BEGIN,
	COMMIT,
	ADD_DECISION,
	ADD_DECISION_AGAIN,
	TRIM_DECISIONS,
	SET_RELEASE,
	SET_MAXIMUM,
	SET_MINUTE,
	PRUNE,
	GET_RELEASE,
	GET_MAXIMA,
	GET_HISTORY,
	GET_HISTORY_OF_ALL,
	GET_BASELINE,
	STATEMENTS
};

static const char *const statements[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ADD_DECISION] = "INSERT INTO decisions (release, at, decision) VALUES (?1, ?2, ?3)",
	[ADD_DECISION_AGAIN] = "INSERT INTO decisions (release, at, decision) SELECT ?1, ?2, ?3 WHERE coalesce("
			       "(SELECT at FROM decisions WHERE release = ?1 ORDER BY id DESC LIMIT 1), 0) <= ?2 - 1e-4",
	[TRIM_DECISIONS] = "DELETE FROM decisions WHERE id IN"
			   " (SELECT id FROM decisions WHERE release = ?1 ORDER BY id DESC LIMIT ?3 OFFSET ?2)",
	[SET_RELEASE] = "INSERT OR REPLACE INTO releases (release, stable, canary, phase, step, weight, manual, at)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, unixepoch('now'))",
	[SET_MAXIMUM] = "INSERT OR REPLACE INTO maxima (model, resource, maximum) VALUES (?1, ?2, ?3)",
	[SET_MINUTE] = "INSERT OR REPLACE INTO minutes (model, version, at, requests, successes, anomalies, p, r, d,"
		       " p50_seconds, p90_seconds, p99_seconds, cpu_seconds, weight)"
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
	[PRUNE] = "DELETE FROM minutes WHERE (model, version, at) IN"
		  " (SELECT model, version, at FROM minutes WHERE at < ?1 ORDER BY at LIMIT ?2)",
	[GET_RELEASE] = "SELECT phase, step, weight, manual FROM releases WHERE release = ?1 AND stable = ?2 AND canary = ?3",
	[GET_MAXIMA] = "SELECT resource, maximum FROM maxima WHERE model = ?1",
	[GET_HISTORY] = "SELECT decision FROM decisions WHERE release = ?1 ORDER BY id DESC LIMIT ?2",
	[GET_HISTORY_OF_ALL] = "SELECT decision FROM decisions ORDER BY id DESC LIMIT ?2",
	[GET_BASELINE] = "SELECT coalesce(sum(anomalies), 0), coalesce(sum(requests), 0) FROM minutes"
			 " WHERE model = ?1 AND version = ?2 AND at >= ?3",
};

struct database {
	sqlite3 *handle;
	sqlite3_stmt *statements[STATEMENTS]; /* prepared when first wanted */
	char *path;
	dev_t device;
	ino_t inode;
};

static inline void database_closep(struct database **db)
{
	database_close(*db);
}
#define _cleanup_database_ __attribute__((cleanup(database_closep)))

void record_free(struct record *record)
{
	if (record)
		free(record->text);
	free(record);
}

/* ---- errors ---- */

static int to_errno(struct database *db, int code)
{
	int system;

	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
	case SQLITE_MISMATCH:
	case SQLITE_RANGE:
		return -EINVAL;
	default:
		system = db && db->handle ? sqlite3_system_errno(db->handle) : 0;
		return system > 0 && (code & 0xff) != SQLITE_ERROR ? -system : -EIO;
	}
}

static int execute(struct database *db, const char *sql)
{
	return to_errno(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

/* ---- statements ---- */

/*
 * A statement with its values: a letter each, s: text, i: int64_t, r: double, v: struct serin_value, NULL when absent.
 * What cannot be bound makes a step fail, so that nobody need ask twice.
 */
static sqlite3_stmt *bound(struct database *db, enum statement which, const char *types, ...)
{
	sqlite3_stmt *statement = db->statements[which];
	struct serin_value value;
	int at = 0, code = SQLITE_OK;
	va_list args;

	if (!statement && sqlite3_prepare_v3(db->handle, statements[which], -1, SQLITE_PREPARE_PERSISTENT, &statement,
					     NULL) != SQLITE_OK)
		return NULL;
	db->statements[which] = statement;
	va_start(args, types);
	for (; *types && code == SQLITE_OK; types++) {
		at++;
		if (*types == 's') {
			code = sqlite3_bind_text(statement, at, va_arg(args, const char *), -1, SQLITE_STATIC);
		} else if (*types == 'i') {
			code = sqlite3_bind_int64(statement, at, va_arg(args, int64_t));
		} else if (*types == 'r') {
			code = sqlite3_bind_double(statement, at, va_arg(args, double));
		} else {
			value = va_arg(args, struct serin_value);
			code = value.known ? sqlite3_bind_double(statement, at, value.v) : sqlite3_bind_null(statement, at);
		}
	}
	va_end(args);
	return code == SQLITE_OK ? statement : NULL;
}

/* Ends a statement, and says how it went. NULL: it was not even bound. */
static int done(struct database *db, sqlite3_stmt *statement)
{
	int code = statement ? sqlite3_reset(statement) : sqlite3_extended_errcode(db->handle);
	int r = to_errno(db, code);

	if (statement)
		sqlite3_clear_bindings(statement);
	return !statement && r == 0 ? -EIO : r;
}

static int run(struct database *db, sqlite3_stmt *statement)
{
	if (statement)
		sqlite3_step(statement);
	return done(db, statement);
}

/* SQLite's integers have a sign. */
static int64_t count_of(uint64_t count)
{
	return count > INT64_MAX ? INT64_MAX : (int64_t)count;
}

/* ---- opening ---- */

static bool is_memory(const char *path)
{
	return strncmp(path, "file:/serin-", 12) == 0;
}

void database_memory(const void *owner, char ret_name[DATABASE_MEMORY_MAX])
{
	snprintf(ret_name, DATABASE_MEMORY_MAX, "file:/serin-%p?vfs=memdb", owner);
}

static int why_not(char *ret_why, int r, const char *path, const char *what)
{
	snprintf(ret_why, STORE_WHY_MAX, "%.300s %s: %s", path, what, strerror(-r));
	return r;
}

static int refuse(char *ret_why, int r, const char *path, const char *what)
{
	snprintf(ret_why, STORE_WHY_MAX, "%.300s %s", path, what);
	return r;
}

static void directory_of(const char *path, char ret[SIBLING_MAX])
{
	const char *slash = strrchr(path, '/');
	int length = slash == path ? 1 : slash ? (int)(slash - path) : 0;

	snprintf(ret, SIBLING_MAX, "%.*s", slash ? length : 1, slash ? path : ".");
}

/* In a directory with the sticky bit others can write, but not put another file in the place of ours. */
static int check_directory(const char *path, char *ret_why)
{
	char directory[SIBLING_MAX];
	struct stat st;

	directory_of(path, directory);
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return why_not(ret_why, -errno, directory, "cannot be made");
	if (stat(directory, &st) < 0)
		return why_not(ret_why, -errno, directory, "cannot be looked at");
	if (!S_ISDIR(st.st_mode))
		return refuse(ret_why, -ENOTDIR, directory, "is no directory");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX))
		return refuse(ret_why, -EPERM, directory, "can be written by others, who could replace the file: chmod go-w");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return refuse(ret_why, -EPERM, directory, "belongs to another user, who could replace the file");
	return 0;
}

static void sibling(const char *path, const char *ending, char ret[SIBLING_MAX])
{
	snprintf(ret, SIBLING_MAX, "%s%s", path, ending);
}

/* What a removed database left behind belongs to nobody, and must not become part of a new one. */
static int create(const char *path, char *ret_why)
{
	_cleanup_close_ int fd = -1;
	char name[SIBLING_MAX];

	sibling(path, "-wal", name);
	unlink(name);
	sibling(path, "-shm", name);
	unlink(name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? why_not(ret_why, -errno, path, "cannot be made") : 0;
}

/*
 * An existing file is never opened here but by SQLite: closing any descriptor of it would drop the locks that other
 * connections of this process have on it.
 */
static int check_file(const char *path, char *ret_why)
{
	struct stat st;

	if (strlen(path) > SIBLING_MAX - 64)
		return refuse(ret_why, -ENAMETOOLONG, path, "is too long a name");
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? create(path, ret_why) : why_not(ret_why, -errno, path, "cannot be looked at");
	if (S_ISLNK(st.st_mode))
		return refuse(ret_why, -ELOOP, path, "is a symbolic link, which is not followed: name the file itself");
	if (!S_ISREG(st.st_mode))
		return refuse(ret_why, -EISDIR, path, "is no regular file: move it away or name another");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return refuse(ret_why, -EPERM, path, "belongs to another user: chown it or name another");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse(ret_why, -EPERM, path, "can be written by others: chmod go-w");
	if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0)
		return why_not(ret_why, -errno, path, "cannot be written");
	return 0;
}

/* The first column of the first row, as text in ret (empty: none). */
static int ask(struct database *db, const char *sql, char *ret, size_t size)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
	const char *text;

	ret[0] = '\0';
	if (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(statement, 0);
		snprintf(ret, size, "%s", text ? text : "");
	}
	return to_errno(db, code == SQLITE_OK ? sqlite3_finalize(statement) : code);
}

static int ask_number(struct database *db, const char *sql, long *ret)
{
	char text[32];
	int r = ask(db, sql, text, sizeof(text));

	if (r == 0)
		*ret = strtol(text, NULL, 10);
	return r;
}

static int connect_to(const char *path, int flags, struct database **ret)
{
	_cleanup_database_ struct database *db = calloc(1, sizeof(*db));
	char name[SIBLING_MAX];
	int r;

	/* A path that looks like a URI is still a path. */
	snprintf(name, sizeof(name), "%s%s", !is_memory(path) && path[0] != '/' ? "./" : "", path);
	if (db)
		db->path = strdup(path);
	if (!db || !db->path)
		return -ENOMEM;
	r = to_errno(db, sqlite3_open_v2(name, &db->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL));
	if (r < 0)
		return r;
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, is_memory(path) ? MEMORY_BUSY_MS : BUSY_MS);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	r = execute(db, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -512;");
	if (r < 0)
		return r;
	*ret = TAKE_PTR(db);
	return 0;
}

/* Is it one of ours, of a version that we know? */
static int check_kind(struct database *db, char *ret_why)
{
	long version = 0, application = 0, tables = 0;
	int r;

	r = ask_number(db, "PRAGMA user_version", &version);
	if (r == 0)
		r = ask_number(db, "PRAGMA application_id", &application);
	if (r == 0)
		r = ask_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0)
		return why_not(ret_why, r, db->path, r == -EBADMSG ? "is damaged or no database" : "cannot be read");
	if (application != APPLICATION_ID && (application != 0 || version != 0 || tables > 0))
		return refuse(ret_why, -EPERM, db->path, "is a database of another program: name another file");
	if (version == 0 && tables > 0)
		return refuse(ret_why, -EBADMSG, db->path, "is damaged: it has tables and no version");
	if (version < 0 || version > (long)ARRAY_SIZE(schema))
		return refuse(ret_why, -EPROTO, db->path, "was written by a newer serin, whose tables this one does not know");
	return 0;
}

/* What SQLite calls a quick check: every page, the order of rows, and what the tables demand of them. */
static int check_pages(struct database *db, char *ret_why)
{
	char verdict[128];
	int r = ask(db, "PRAGMA quick_check(1)", verdict, sizeof(verdict));

	if (r == 0 && strcmp(verdict, "ok") == 0)
		return 0;
	if (r < 0 && r != -EBADMSG)
		return why_not(ret_why, r, db->path, "cannot be read");
	snprintf(ret_why, STORE_WHY_MAX, "%.300s is damaged: %s", db->path, verdict[0] ? verdict : strerror(-r));
	return r < 0 ? r : -EBADMSG;
}

/* The steps that are missing, all or none: another agent may do it at the same moment. */
static int build_schema(struct database *db)
{
	char sql[96];
	long version = 0;
	int r;

	r = database_begin(db);
	if (r == 0)
		r = ask_number(db, "PRAGMA user_version", &version);
	for (; r == 0 && version < (long)ARRAY_SIZE(schema); version++)
		r = execute(db, schema[version]);
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %zu;", APPLICATION_ID,
		 ARRAY_SIZE(schema));
	if (r == 0)
		r = execute(db, sql);
	return database_end(db, r);
}

/* Are the tables what the version promises? Each statement says so by being prepared. */
static int check_tables(struct database *db, char *ret_why)
{
	for (unsigned i = 0; i < STATEMENTS; i++) {
		int code;

		if (bound(db, i, ""))
			continue;
		code = sqlite3_errcode(db->handle);
		snprintf(ret_why, STORE_WHY_MAX, "%.300s is damaged, or not what it says: %.150s", db->path,
			 sqlite3_errmsg(db->handle));
		return code == SQLITE_ERROR ? -EBADMSG : to_errno(db, code);
	}
	return 0;
}

static int set_up(struct database *db, char *ret_why)
{
	long version = 0;
	int r;

	r = check_kind(db, ret_why);
	if (r == 0 && !is_memory(db->path))
		r = check_pages(db, ret_why);
	if (r < 0)
		return r;
	/* Without a wait for the disk at each commit: what was committed survives this process, not a power cut. */
	r = execute(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 1048576;");
	if (r == 0)
		r = ask_number(db, "PRAGMA user_version", &version);
	if (r == 0 && version < (long)ARRAY_SIZE(schema))
		r = build_schema(db);
	if (r < 0)
		return why_not(ret_why, r, db->path, "cannot be written");
	return check_tables(db, ret_why);
}

static int remember_inode(struct database *db)
{
	struct stat st;

	if (is_memory(db->path))
		return 0;
	if (lstat(db->path, &st) < 0)
		return -errno;
	db->device = st.st_dev;
	db->inode = st.st_ino;
	return 0;
}

int database_open(const char *path, struct database **ret, char ret_why[STORE_WHY_MAX])
{
	_cleanup_database_ struct database *db = NULL;
	char why[STORE_WHY_MAX];
	int r = 0;

	if (!is_memory(path)) {
		r = check_directory(path, why);
		if (r == 0)
			r = check_file(path, why);
	}
	if (r == 0) {
		r = connect_to(path, SQLITE_OPEN_READWRITE | (is_memory(path) ? SQLITE_OPEN_CREATE : 0), &db);
		if (r == 0)
			r = remember_inode(db);
		if (r < 0)
			why_not(why, r, path, "cannot be opened");
		else if (sqlite3_db_readonly(db->handle, "main") == 1)
			r = why_not(why, -EROFS, path, "cannot be written");
	}
	if (r == 0)
		r = set_up(db, why);
	if (r == -EBADMSG) {
		database_abandon(db);
		db = NULL;
	}
	if (r < 0) {
		memcpy(ret_why, why, STORE_WHY_MAX);
		return r;
	}
	*ret = TAKE_PTR(db);
	return 0;
}

int database_open_reader(const char *path, struct database **ret)
{
	_cleanup_database_ struct database *db = NULL;
	int r;

	/* For writing, as readers of a WAL have a part in its bookkeeping; the pragma keeps it from the tables. */
	r = connect_to(path, SQLITE_OPEN_READWRITE, &db);
	if (r == 0)
		r = execute(db, "PRAGMA query_only = ON");
	if (r == 0)
		*ret = TAKE_PTR(db);
	return r;
}

void database_close(struct database *db)
{
	if (!db)
		return;
	for (unsigned i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close(db->handle);
	free(db->path);
	free(db);
}

void database_abandon(struct database *db)
{
	if (db && db->handle)
		sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	database_close(db);
}

bool database_in_place(const struct database *db)
{
	struct stat st;

	if (is_memory(db->path))
		return true;
	return lstat(db->path, &st) == 0 && st.st_dev == db->device && st.st_ino == db->inode;
}

/* Never over an earlier one. A part that is not there is fine. */
static int rename_part(const char *path, const char *ending, const char *to)
{
	char from_name[SIBLING_MAX], to_name[SIBLING_MAX];

	sibling(path, ending, from_name);
	sibling(to, ending, to_name);
	if (renameat2(AT_FDCWD, from_name, AT_FDCWD, to_name, RENAME_NOREPLACE) == 0 || errno == ENOENT)
		return 0;
	/* A file system that does not know the flag. */
	if (errno == EINVAL && access(to_name, F_OK) < 0 && rename(from_name, to_name) == 0)
		return 0;
	return errno == EINVAL ? -EEXIST : -errno;
}

/* The log first: a new database must not find that of the old one. */
int database_set_aside(const char *path, char ret_name[STORE_WHY_MAX])
{
	static const char *const parts[] = {"-wal", "-shm", ""};
	char name[STORE_WHY_MAX];
	int64_t seconds = time(NULL);
	int r = -EEXIST;

	for (unsigned attempt = 0; attempt < 100 && r == -EEXIST; attempt++) {
		r = 0;
		if (snprintf(name, sizeof(name), "%s.damaged-%lld", path, (long long)seconds + attempt) >= (int)sizeof(name))
			return -ENAMETOOLONG;
		if (access(name, F_OK) == 0)
			r = -EEXIST;
		for (unsigned i = 0; i < ARRAY_SIZE(parts) && r == 0; i++)
			r = rename_part(path, parts[i], name);
	}
	if (r == 0)
		memcpy(ret_name, name, sizeof(name));
	return r;
}

/* ---- writing ---- */

int database_begin(struct database *db)
{
	return run(db, bound(db, BEGIN, ""));
}

int database_end(struct database *db, int r)
{
	if (r == 0)
		r = run(db, bound(db, COMMIT, ""));
	if (r < 0 && !sqlite3_get_autocommit(db->handle))
		execute(db, "ROLLBACK");
	return r;
}

static int write_decision(struct database *db, const struct record *record)
{
	enum statement add = record->again ? ADD_DECISION_AGAIN : ADD_DECISION;
	int r = run(db, bound(db, add, "srs", record->owner, record->at_unix, record->text));

	if (r < 0)
		return r;
	return run(db, bound(db, TRIM_DECISIONS, "sii", record->owner, (int64_t)DATABASE_DECISIONS,
			     (int64_t)DATABASE_PIECE));
}

static int write_release(struct database *db, const struct record *record)
{
	const struct store_release *now = &record->release;

	return run(db, bound(db, SET_RELEASE, "sssiiii", record->owner, record->version[0], record->version[1],
			     (int64_t)now->phase, (int64_t)now->step, (int64_t)now->weight, (int64_t)now->manual));
}

static int write_maxima(struct database *db, const struct record *record)
{
	int r = 0;

	for (unsigned i = 0; i < SERIN_RESOURCES && r == 0; i++)
		if (record->maxima[i].known)
			r = run(db, bound(db, SET_MAXIMUM, "ssr", record->owner, serin_resource_name(i),
					  record->maxima[i].v));
	return r;
}

static int write_minute(struct database *db, const struct record *record)
{
	const struct store_minute *m = &record->minute;

	return run(db, bound(db, SET_MINUTE, "ssiiiivvvvvvri", record->owner, record->version[0], m->at_unix, count_of(m->n),
			     count_of(m->s), count_of(m->anomalies), m->p, m->r, m->d, m->p50_seconds, m->p90_seconds,
			     m->p99_seconds, m->cpu_seconds, count_of(m->weight)));
}

int database_write(struct database *db, const struct record *record)
{
	static int (*const write[])(struct database *, const struct record *) = {
		[RECORD_DECISION] = write_decision,
		[RECORD_RELEASE] = write_release,
		[RECORD_MAXIMA] = write_maxima,
		[RECORD_MINUTE] = write_minute,
	};
	_Static_assert(ARRAY_SIZE(write) == RECORD_KINDS, "a way to write each kind of record");

	return write[record->kind](db, record);
}

int database_prune(struct database *db, int64_t before_unix)
{
	int r = run(db, bound(db, PRUNE, "ii", before_unix, (int64_t)DATABASE_PIECE));

	return r < 0 ? r : sqlite3_changes(db->handle);
}

/* ---- one database into another ---- */

static int attach(struct database *db, const char *name)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db->handle, "ATTACH ?1 AS other", -1, &statement, NULL);

	if (code == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
		sqlite3_step(statement);
		code = sqlite3_finalize(statement);
	}
	return to_errno(db, code);
}

static int take(struct database *db, const char *other, const char *sql)
{
	int r = attach(db, other);

	if (r < 0)
		return r;
	r = database_begin(db);
	if (r == 0)
		r = execute(db, sql);
	r = database_end(db, r);
	execute(db, "DETACH other");
	return r;
}

#define TAKE_RELEASES "INSERT OR REPLACE INTO main.releases SELECT * FROM other.releases;"
#define TAKE_MAXIMA                                                                                          \
	"INSERT INTO main.maxima (model, resource, maximum) SELECT model, resource, maximum FROM other.maxima WHERE true" \
	" ON CONFLICT (model, resource) DO UPDATE SET maximum = max(maximum, excluded.maximum);"
/* One that was handed over again while the file could not be opened may be among its newest. */
#define TAKE_DECISIONS                                                                                       \
	"INSERT INTO main.decisions (release, at, decision) SELECT release, at, decision FROM other.decisions o WHERE NOT EXISTS" \
	" (SELECT 1 FROM (SELECT at, decision FROM main.decisions WHERE release = o.release ORDER BY id DESC LIMIT 100) d"        \
	" WHERE d.at = o.at AND d.decision = o.decision) ORDER BY id;"
#define TAKE_MINUTES "INSERT OR REPLACE INTO main.minutes SELECT * FROM other.minutes;"

int database_take_over(struct database *db, const char *other)
{
	return take(db, other, TAKE_DECISIONS TAKE_RELEASES TAKE_MAXIMA TAKE_MINUTES);
}

/* `%`, `?` and `#` mean something in a URI. */
static void to_uri(const char *path, const char *how, char ret[SIBLING_MAX * 4])
{
	char *out = ret + sprintf(ret, "file:%s", path[0] == '/' ? "" : "./");

	for (; *path; path++)
		out += sprintf(out, strchr("%?#", *path) ? "%%%02X" : "%c", *path);
	/* A connection to memory would look for it there. */
	sprintf(out, "?%s&vfs=unix", how);
}

static bool has_log(const char *path)
{
	char name[SIBLING_MAX];
	struct stat st;

	sibling(path, "-wal", name);
	return stat(name, &st) == 0 && st.st_size > 0;
}

int database_take_state(struct database *db, const char *path)
{
	char name[SIBLING_MAX * 4];
	int r;

	if (strlen(path) > SIBLING_MAX - 64)
		return -ENAMETOOLONG;
	to_uri(path, "mode=ro", name);
	r = take(db, name, TAKE_RELEASES TAKE_MAXIMA);
	if (r == 0 || r == -EBUSY || has_log(path))
		return r;
	/* Even a reader would have to make the log; without one the file holds everything. */
	to_uri(path, "immutable=1", name);
	return take(db, name, TAKE_RELEASES TAKE_MAXIMA);
}

/* ---- reading ---- */

static int to_release(sqlite3_stmt *row, struct store_release *ret)
{
	int64_t phase = sqlite3_column_int64(row, 0), step = sqlite3_column_int64(row, 1);
	int64_t weight = sqlite3_column_int64(row, 2);

	/* Somebody else may have written it. */
	if (phase < 0 || phase >= SERIN_PHASES || step < 0 || step > UINT32_MAX || weight < 0 || weight > 10000)
		return -EINVAL;
	*ret = (struct store_release){
		.phase = (enum serin_phase)phase,
		.step = (uint32_t)step,
		.weight = (uint32_t)weight,
		.manual = sqlite3_column_int(row, 3) != 0,
	};
	return 1;
}

int database_release(struct database *db, const char *release, const char *stable, const char *canary,
		     struct store_release *ret)
{
	sqlite3_stmt *statement = bound(db, GET_RELEASE, "sss", release, stable, canary);
	int found = 0, r;

	if (statement && sqlite3_step(statement) == SQLITE_ROW)
		found = to_release(statement, ret);
	r = done(db, statement);
	return r < 0 ? r : found;
}

int database_maxima(struct database *db, const char *model, struct serin_value ret[SERIN_RESOURCES])
{
	sqlite3_stmt *statement = bound(db, GET_MAXIMA, "s", model);
	struct serin_value maxima[SERIN_RESOURCES] = {0};
	int r;

	while (statement && sqlite3_step(statement) == SQLITE_ROW) {
		const char *resource = (const char *)sqlite3_column_text(statement, 0);
		double maximum = sqlite3_column_double(statement, 1);

		for (unsigned i = 0; i < SERIN_RESOURCES; i++)
			if (resource && strcmp(resource, serin_resource_name(i)) == 0 && isfinite(maximum) && maximum >= 0)
				maxima[i] = serin_known(maximum);
	}
	r = done(db, statement);
	if (r == 0)
		memcpy(ret, maxima, sizeof(maxima));
	return r;
}

int database_history(struct database *db, const char *release, unsigned limit,
		     int (*take_text)(void *context, const char *text), void *context)
{
	sqlite3_stmt *statement = bound(db, release ? GET_HISTORY : GET_HISTORY_OF_ALL, "si",
					release ? release : "", (int64_t)limit);
	int r = 0, ended;

	while (r == 0 && statement && sqlite3_step(statement) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);

		if (text)
			r = take_text(context, text);
	}
	ended = done(db, statement);
	return r < 0 ? r : ended;
}

int database_baseline(struct database *db, const char *model, const char *version, int64_t since_unix,
		      uint64_t *ret_anomalies, uint64_t *ret_requests)
{
	sqlite3_stmt *statement = bound(db, GET_BASELINE, "ssi", model, version, since_unix);
	uint64_t anomalies = 0, requests = 0;
	int r;

	if (statement && sqlite3_step(statement) == SQLITE_ROW) {
		anomalies = (uint64_t)sqlite3_column_int64(statement, 0);
		requests = (uint64_t)sqlite3_column_int64(statement, 1);
	}
	r = done(db, statement);
	if (r < 0)
		return r;
	*ret_anomalies = anomalies;
	*ret_requests = requests;
	return 0;
}
