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

#define SERIN_PATTERN_MAX 256

/* What tells a target's processes and listeners from others. All that are given must match; at least one is. */
struct serin_match {
	struct serin_endpoint endpoint;	 /* port 0: any port; address all zero: any address */
	char exe[SERIN_PATTERN_MAX];	 /* shell pattern (fnmatch), of /proc/PID/exe; without a slash of its last part */
	char cmdline[SERIN_PATTERN_MAX];	 /* shell pattern, of the words joined by spaces; fits anywhere in it */
	char cgroup[SERIN_PATTERN_MAX];	 /* shell pattern, of the path in cgroup2; fits anywhere in it */
	char env[SERIN_PATTERN_MAX];	 /* NAME=VALUE, one whole variable */
	uint32_t pid;			 /* or a descendant of it */
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

#define SERIN_CONTAINER_ID_MAX 65
#define SERIN_CONTAINERS_MAX 8 /* of a target, that are shown */

/* A container. What is not known is empty. */
struct serin_container {
	const char *runtime; /* a word, as in `docker`; NULL: its path does not tell */
	char id[SERIN_CONTAINER_ID_MAX];
	char pod_uid[37];
	char namespace[64], pod[254]; /* as long as Kubernetes lets them be */
	char container[64];	      /* its name in the pod, or podman's for it */
};

/* Those that a target's processes are in. */
struct serin_containers {
	struct serin_container all[SERIN_CONTAINERS_MAX];
	unsigned n;
	uint32_t pids[SERIN_PIDS_MAX]; /* who was looked up */
	int8_t of[SERIN_PIDS_MAX];     /* which one that is in; -1: none */
	unsigned n_pids;
	uint64_t named_ns; /* when names were last looked for again */
};

/* One version of one model on this node. model empty: no target is in this place. */
struct serin_target {
	char model[SERIN_NAME_MAX];
	char version[SERIN_NAME_MAX];
	enum serin_role role;
	struct serin_match match;	/* what to look for */
	struct serin_endpoint endpoint; /* the same as match.endpoint; port 0: known by its processes alone */
	struct serin_listener listeners[SERIN_LISTENERS_MAX];
	unsigned n_listeners;
	uint32_t pids[SERIN_PIDS_MAX]; /* the first of them, when there are more */
	unsigned n_pids;	       /* all of them */
	struct serin_containers containers;
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
	uint64_t unknown; /* requests, or turns of what is not HTTP/1, whose outcome cannot be known; not in n */
	struct serin_value p, r, d;
	struct serin_consumption resource[SERIN_RESOURCES];
	struct serin_anomalies anomalies;
	struct serin_value t0; /* seconds: the window's length as configured, which D is by; absent where D is */
	uint64_t t1;
	struct serin_value t2;
	struct serin_value cpu_seconds_per_request;
	struct serin_value cpu_ratio; /* the canary's over stable's; of the canary only */
	uint64_t timeouts;	      /* of the failed */
	uint64_t service_connections; /* accepted through the release's service address */
	uint64_t service_requests;
};

/* What the evidence says at one moment, in words everyone understands. log e: natural logarithms of evidence.h's E. */
struct serin_judgement {
	bool known; /* there is a comparison under way; false: the evidence is switched off */
	double log_error, log_latency;
	double log_error_bound, log_latency_bound; /* log(1/alpha) of each */
	double excess_error, excess_latency; /* observed, as shares */
	double margin;	     /* the least excess worth a rollback */
	bool error, latency; /* roll back, for this reason */
	bool no_worse;	     /* promote: the canary is no worse than stable by more than the margin */
	uint64_t blocks;     /* clients' blocks used */
	uint64_t requests[2]; /* fed, stable and canary */
	bool split_off;	     /* connections are not split as set: a warning */
};

enum serin_phase { SERIN_IDLE, SERIN_PROGRESSING, SERIN_PAUSED, SERIN_PROMOTED, SERIN_ROLLED_BACK, SERIN_PHASES };

/* Absolute guards. Absent: off. */
struct serin_gates {
	struct serin_value p_min, r_max, d_max;
	struct serin_value cpu_ratio_max; /* CPU a request, canary over stable */
	uint64_t min_requests; /* in the window, before any gate speaks; of the canary in a step, before it is promoted */
};

/* Why a release is where it is. The words are in serin_reason_name(). */
enum serin_reason {
	SERIN_REASON_NONE,
	SERIN_REASON_WEIGHT,	   /* a person set the weight */
	SERIN_REASON_ABORTED,	   /* a person took the canary out */
	SERIN_REASON_GATE_P,
	SERIN_REASON_GATE_R,
	SERIN_REASON_GATE_D,
	SERIN_REASON_GATE_CPU,	   /* CPU a request */
	SERIN_REASON_GATE_EXTERNAL,
	SERIN_REASON_EVIDENCE_ERROR, /* it fails more often than stable does for the same clients */
	SERIN_REASON_EVIDENCE_LATENCY,
	SERIN_REASON_EXITS,	   /* its processes die */
	SERIN_REASON_ABSENT,	   /* it has not listened for too long */
	SERIN_REASON_INCONCLUSIVE, /* the hold is over, nothing is proved, and the policy says what to do then */
	SERIN_REASON_STARTED,	   /* it listens, and there are steps */
	SERIN_REASON_NO_WORSE,	   /* the evidence promoted it a step */
	SERIN_REASON_PROMOTED,	   /* a person promoted it */
	SERIN_REASON_PAUSED,
	SERIN_REASON_RESUMED,
	SERIN_REASON_RETRIED,
	SERIN_REASON_RESTORED,	   /* where an earlier agent had left it */
	SERIN_REASON_REPLANNED,	   /* the configuration changed */
	SERIN_REASONS
};

/* Why a release does not go on right now. The words are in serin_waiting_name(). */
enum serin_waiting {
	SERIN_WAITING_NOT,	    /* Idle without steps, Promoted, RolledBack: there is nothing to wait for */
	SERIN_WAITING_START,	    /* for the canary to listen, or for a person */
	SERIN_WAITING_HOLD,	    /* for the step's time to pass */
	SERIN_WAITING_TRAFFIC,	    /* one version has had no request in this step */
	SERIN_WAITING_REQUESTS,	    /* the canary has had too few */
	SERIN_WAITING_EVIDENCE,	    /* not shown to be no worse */
	SERIN_WAITING_EXTERNAL,	    /* an external figure is missing or too old */
	SERIN_WAITING_PAUSED,
	SERIN_WAITING_MANUAL,	    /* a person set the weight: `resume` goes on */
	SERIN_WAITING_CANARY,	    /* the canary does not listen */
	SERIN_WAITING_STABLE,	    /* it would be rolled back, but stable does not listen: there is nothing to go back to */
	SERIN_WAITINGS
};

/* A change of phase or weight, with what it rests on. */
struct serin_decision {
	uint64_t at_ns;
	enum serin_phase from, to;
	uint32_t weight_from, weight_to;
	uint32_t step, steps; /* after it; 0: none */
	bool manual;	      /* after it */
	bool hung;	      /* rolled back because the canary does not answer: its connections are not waited for */
	enum serin_reason reason;
	enum serin_waiting lacked;	     /* of an inconclusive one: what was not shown */
	struct serin_figures stable, canary; /* the figures behind it */
	struct serin_judgement evidence;
	double figure, bound;	   /* of the gate that spoke; NaN: there was none */
	/* Which: P, R, D, cpu_ratio, exits, absent_seconds, requests, or the name of an external figure. */
	char gate[SERIN_NAME_MAX];
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
const char *serin_waiting_name(enum serin_waiting waiting);

#endif
