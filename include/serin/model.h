/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * User space's nouns, as plain data. What is not known is absent, never 0: see struct serin_value.
 * Times are nanoseconds of CLOCK_MONOTONIC unless a name says otherwise; weights are basis points.
 */
#ifndef SERIN_MODEL_H
#define SERIN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

/* A figure that may be absent. JSON shows absent as null, text as "-". */
struct serin_value {
	double v;
	bool known;
};

static inline struct serin_value serin_known(double v)
{
	return (struct serin_value){.v = v, .known = true};
}

enum serin_resource { SERIN_CPU, SERIN_MEMORY, SERIN_NETWORK, SERIN_RESOURCES };

/* Where a version listens. address: 16 bytes as in abi.h, all zero: any. */
struct serin_endpoint {
	uint8_t address[16];
	uint16_t port; /* host order; 0: not given */
};

#define SERIN_PIDS_MAX 64
#define SERIN_LISTENERS_MAX 256 /* a reuseport group has one a worker */

/* One listening socket of a target. */
struct serin_listener {
	struct serin_endpoint endpoint;
	uint64_t cookie;  /* the kernel's, unique while the machine runs */
	uint32_t inode;
	uint32_t drops;   /* connections refused because its queue was full */
};

/* One version of one model on this node. */
struct serin_target {
	char model[SERIN_NAME_MAX];
	char version[SERIN_NAME_MAX];
	enum serin_role role;
	struct serin_endpoint endpoint; /* what to look for */
	struct serin_listener listeners[SERIN_LISTENERS_MAX];
	unsigned n_listeners;
	uint32_t pids[SERIN_PIDS_MAX]; /* the first of them, when there are more */
	unsigned n_pids;	       /* all of them */
};

/* Everything counted since load, at one moment. Indexed by target, or by release. */
struct serin_snapshot {
	uint64_t now_ns;
	struct serin_tally tally[SERIN_TARGETS_MAX];
	uint64_t memory_bytes[SERIN_TARGETS_MAX]; /* resident, at that moment */
	bool memory_known[SERIN_TARGETS_MAX];
	uint32_t processes[SERIN_TARGETS_MAX]; /* known ones, at that moment */
	uint64_t listen_drops[SERIN_TARGETS_MAX];
	uint64_t steered[SERIN_RELEASES_MAX][SERIN_STEERED_KINDS];
	uint64_t losses[SERIN_LOSSES];
	bool pickup_measured; /* the kernel has the hook */
};

struct serin_consumption {
	struct serin_value current; /* C */
	struct serin_value maximum; /* M */
	struct serin_value ratio;   /* C / M */
};

/* Anomalies by kind, in a window. */
struct serin_anomalies {
	uint64_t failed; /* requests outside S */
	uint64_t slow;
	uint64_t exits;
	uint64_t drops;
};

/* One target in one window. DESIGN section 2. */
struct serin_figures {
	double seconds;
	uint64_t n, s;
	struct serin_value p, r, d;
	struct serin_consumption resource[SERIN_RESOURCES];
	struct serin_anomalies anomalies;
	struct serin_value t0; /* seconds: the window's length as configured, which D is by; absent where D is */
	uint64_t t1;
	struct serin_value t2;
	struct serin_value cpu_seconds_per_request;
	uint64_t service_connections; /* accepted through the release's service address */
	uint64_t service_requests;
};

enum serin_phase { SERIN_IDLE, SERIN_PROGRESSING, SERIN_PAUSED, SERIN_PROMOTED, SERIN_ROLLED_BACK, SERIN_PHASES };

/* Why a release is where it is. The words are in serin_reason_name(). */
enum serin_reason {
	SERIN_REASON_NONE,
	SERIN_REASON_WEIGHT,  /* a person set the weight */
	SERIN_REASON_ABORTED, /* a person took the canary out */
	SERIN_REASON_GATE_P,
	SERIN_REASON_GATE_R,
	SERIN_REASON_GATE_D,
	SERIN_REASONS
};

/* Absolute guards. Absent: off. */
struct serin_gates {
	struct serin_value p_min, r_max, d_max;
	uint64_t min_requests; /* in the window, before any gate speaks */
};

/* A change of phase or weight, with what it rests on. */
struct serin_decision {
	uint64_t at_ns;
	enum serin_phase from, to;
	uint32_t weight_from, weight_to;
	enum serin_reason reason;
	struct serin_figures canary; /* the figures behind it */
	double bound;		     /* of the gate that spoke */
};

/* Words for enums, for logs, JSON and metrics alike. "?" for a value outside the enum. */
const char *serin_outcome_name(enum serin_outcome outcome);
const char *serin_latency_name(enum serin_latency latency);
const char *serin_loss_name(enum serin_loss loss);
const char *serin_protocol_name(enum serin_protocol protocol);
const char *serin_role_name(enum serin_role role);
const char *serin_resource_name(enum serin_resource resource);
const char *serin_steered_name(enum serin_steered kind);
const char *serin_phase_name(enum serin_phase phase);
const char *serin_reason_name(enum serin_reason reason);

#endif
