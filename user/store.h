/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What outlives the agent, in SQLite (WAL): decisions, maxima of R, a line a minute and version. A thread of its own opens and
 * writes, so that no write ever holds up a tick; what it cannot keep is counted and dropped, never waited for. Reads are the caller's.
 *
 * Records wait in a queue, at most STORE_QUEUE_MAX of them, while the file is locked or full: then they are lost, and
 * counted. While there can be no file at all they are kept in memory, and are brought into the file when that is over.
 * What was committed survives the death of this process, as a commit hands it to the kernel; it does not wait for the
 * disk, so a power cut or a panic may take the last seconds (never the file). A record is committed within milliseconds.
 *
 * One thread calls all of it; that thread may be another than the one that opened.
 */
#ifndef SERIN_STORE_H
#define SERIN_STORE_H

#include <jansson.h>

#include "serin/model.h"

struct store;

#define STORE_WHY_MAX 512
#define STORE_QUEUE_MAX 1024 /* records that wait to be written */

/*
 * Opens or makes the database (0600), and its directory (0700), and waits for that at most patience_ns: until a disk that
 * hangs has answered, nothing can be read (-EAGAIN), and records wait in the queue. ":memory:" is one that ends with the agent. A file that is
 * damaged, or no database, is set aside as PATH.damaged-SECONDS and begun anew; where that cannot be (read-only, no space,
 * no permission), or where the file is another program's or a newer serin's, records are kept in memory instead. Either is a
 * sentence in ret_why (else empty), to be logged once as a warning. Returns 0, or -ENOMEM: a store that cannot work is no
 * reason for an agent not to start.
 *
 * The file is read once, whole. keep_ns: how long minutes are kept (in memory at most a day).
 */
int store_open(const char *path, uint64_t keep_ns, uint64_t patience_ns, struct store **ret, char ret_why[STORE_WHY_MAX]);

/* Writes what waits, for at most two seconds, and closes. NULL is fine. */
void store_close(struct store *store);

/* Takes over `decision`, the JSON of report_decision(): kept as it is, found by release. Never blocks. */
void store_decision(struct store *store, const char *release, json_t *decision);

/* The same for one that an earlier agent may have handed over already: not when the newest of the release that is written is
 * as late (0.1 ms: there is one decision a tick at most). */
void store_decision_again(struct store *store, const char *release, json_t *decision);

/* Where a release of these versions stands, as store_set_release() last heard. */
struct store_release {
	enum serin_phase phase;
	uint32_t step, weight;
	bool manual;
};

/*
 * Returns 1 when there is one, 0 when not, -errno (-EINVAL: somebody wrote a place there is not). What waits to be
 * written counts. Reads the file: for the start and for a reload.
 */
int store_release(struct store *store, const char *release, const char *stable, const char *canary,
		  struct store_release *ret);

/* Remembers where a release stands. Never blocks. */
void store_set_release(struct store *store, const char *release, const char *stable, const char *canary,
		       const struct store_release *now);

/*
 * The newest `limit` decisions of a release (NULL: of all), oldest first, as an array; a new reference. Those that wait to
 * be written are among them. NULL: cannot be read. The newest 10,000 of a release are kept.
 */
json_t *store_history(struct store *store, const char *release, unsigned limit);

/* The same from the file at `path`, for one who keeps no store while no agent runs; its tables are not written to. *ret is
 * a new reference. 0, or -errno: -ENOENT when there is no file. */
int store_read_history(const char *path, const char *release, unsigned limit, json_t **ret);

/* Maxima of R of a model. Load: absent where there is none; 0 or -errno (-EAGAIN: not known yet). Save never blocks. */
int store_maxima(struct store *store, const char *model, struct serin_value ret[SERIN_RESOURCES]);
void store_set_maxima(struct store *store, const char *model, const struct serin_value maxima[SERIN_RESOURCES]);

/* A minute of one version; at_unix: its beginning. Never blocks. Older ones than keep_ns are removed now and then. */
struct store_minute {
	int64_t at_unix;
	uint64_t n, s, anomalies;
	struct serin_value p, r, d; /* of the minute as a whole where it can be told, else of its last window */
	struct serin_value p50_seconds, p90_seconds, p99_seconds;
	double cpu_seconds;
	uint64_t weight; /* basis points, of the release; of stable: the rest */
};
void store_minute(struct store *store, const char *model, const char *version, const struct store_minute *minute);

/* Stable's history for D with `baseline: history`: anomalies and requests of the version's minutes since then. 0 or
 * -errno. Minutes that wait to be written are not in it. */
int store_baseline(struct store *store, const char *model, const char *version, int64_t since_unix, uint64_t *ret_anomalies,
		   uint64_t *ret_requests);

/*
 * Records that could not be kept, since it was opened. And what is wrong now, as a sentence; empty: nothing. A new
 * trouble is a new sentence, so that the caller can log each once. What happened and is over (a damaged file set aside, a
 * removed one begun anew) is said by one call, once.
 */
uint64_t store_lost(struct store *store);
void store_trouble(struct store *store, char ret_why[STORE_WHY_MAX]);

#endif
