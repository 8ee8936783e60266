/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One connection to serin's SQLite database: its tables, and what is written to and read from them. For one thread at
 * a time. docs/store.md has the tables. Who writes when, and what happens in trouble, is store.c's.
 *
 * Errors are the same everywhere: -EBUSY (another program holds it), -EBADMSG (damaged), -ENOSPC, -EROFS, -ENOMEM,
 * -EINVAL (this record cannot be written, others can), else what the system said, or -EIO.
 */
#ifndef SERIN_DATABASE_H
#define SERIN_DATABASE_H

#include "store.h"

#define DATABASE_DECISIONS 10000 /* that are kept of a release */
#define DATABASE_PIECE 256	 /* rows removed in one transaction */

struct database;

enum record_kind { RECORD_DECISION, RECORD_RELEASE, RECORD_MAXIMA, RECORD_MINUTE, RECORD_KINDS };

/* What is to be written, with nothing that belongs to somebody else. */
struct record {
	enum record_kind kind;
	char owner[SERIN_NAME_MAX];	      /* release or model */
	char version[2][SERIN_NAME_MAX];      /* stable and canary, or the minute's */
	double at_unix;			      /* of a decision */
	char *text;			      /* of a decision: its JSON; freed with the record */
	bool again;			      /* of a decision: it may be there already, as the newest of its release */
	union {
		struct store_release release;
		struct serin_value maxima[SERIN_RESOURCES];
		struct store_minute minute;
	};
};

void record_free(struct record *record);

/*
 * Opens the file at `path` for writing, and makes it (0600) with its directory (0700) when it is not there. What a careful
 * daemon would not trust is refused: a symbolic link, no regular file, a file that belongs to or can be written by others, a
 * directory in which others may put another file in its place. A file is read once, whole, in search of damage.
 * ret_why, on failure: a sentence, what and why. A name of database_memory() is never any of that.
 */
int database_open(const char *path, struct database **ret, char ret_why[STORE_WHY_MAX]);

/* A second connection, which only reads. */
int database_open_reader(const char *path, struct database **ret);

/* NULL is fine. */
void database_close(struct database *db);

/* The same for a damaged one: writes nothing into it and removes no file. */
void database_abandon(struct database *db);

/* The name of a database in memory, the same for all connections that open it; gone with the last of them. */
#define DATABASE_MEMORY_MAX 64
void database_memory(const void *owner, char ret_name[DATABASE_MEMORY_MAX]);

/* Is the file still the one that is at its path? */
bool database_in_place(const struct database *db);

/* Renames a database that nobody has open here, with what belongs to it, to PATH.damaged-SECONDS. */
int database_set_aside(const char *path, char ret_name[STORE_WHY_MAX]);

int database_begin(struct database *db);

/* Ends what was begun: with r 0 it is kept, else taken back. Returns r, or why it cannot be kept; it is taken back then. */
int database_end(struct database *db, int r);

/* Between begin and end. */
int database_write(struct database *db, const struct record *record);

/*
 * Takes in all that another database (a name) holds, in one transaction. What both have of a release or minute is the
 * other's afterwards; of a maximum, the larger.
 */
int database_take_over(struct database *db, const char *other);

/* Takes in only where releases stand and maxima, from a file that can be read but not written. */
int database_take_state(struct database *db, const char *path);

/* Removes at most DATABASE_PIECE minutes older than that. Returns how many, or -errno. */
int database_prune(struct database *db, int64_t before_unix);

/* store_release() and the others, on this connection. Decisions are appended to `decisions`, newest first. */
int database_release(struct database *db, const char *release, const char *stable, const char *canary,
		     struct store_release *ret);
int database_maxima(struct database *db, const char *model, struct serin_value ret[SERIN_RESOURCES]);
int database_history(struct database *db, const char *release, unsigned limit,
		     int (*take)(void *context, const char *text), void *context);
int database_baseline(struct database *db, const char *model, const char *version, int64_t since_unix,
		      uint64_t *ret_anomalies, uint64_t *ret_requests);

#endif
