/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What belongs to each target, and telling the kernel: its listeners, the connections they had accepted before we came,
 * its processes. Where a port is all that tells a target, servers that start to listen later are recognised by the kernel
 * itself (bpf/listen.bpf.c), and this finds their processes. Where more is given, or no port, it is the processes that
 * tell: each new listener's are looked at here, within a second.
 */
#ifndef SERIN_TARGETS_H
#define SERIN_TARGETS_H

#include "config.h"
#include "loader.h"
#include "steer.h"

/* A listener that was looked at for the targets that are known by their processes. */
struct targets_verdict {
	uint64_t cookie;
	int owner; /* -1: none of them */
};

struct targets {
	struct serin_target all[SERIN_TARGETS_MAX]; /* places with an empty model are no target's */
	unsigned n;				    /* places up to the last that is used */
	bool mptcp[SERIN_TARGETS_MAX];	     /* listens with MPTCP: neither observed nor steered to */
	bool unsteered[SERIN_TARGETS_MAX];   /* the kernel refused a listener: a cause of its own */
	bool published[SERIN_TARGETS_MAX];   /* the kernel has its info, and watches its port */
	uint32_t release[SERIN_TARGETS_MAX]; /* index, or SERIN_NONE */
	uint16_t service_port[SERIN_TARGETS_MAX]; /* what its release's clients dial; 0: no release */
	struct steer *steer[SERIN_TARGETS_MAX];	  /* where its listeners are offered; NULL: nowhere. Borrowed */
	unsigned again[SERIN_TARGETS_MAX];	  /* looks at its processes' connections that are still to come */
	struct {
		char model[SERIN_NAME_MAX], version[SERIN_NAME_MAX];
	} former[SERIN_TARGETS_MAX];	     /* whose counters an unused place holds */
	struct loader *loader;		     /* borrowed */
	uint64_t generation;		     /* of the kernel's listen events, when last looked */
	uint64_t searched_ns;		     /* when /proc was last gone through */
	uint64_t judged_ns;		     /* when listeners that are nobody's were last looked at again */
	uint64_t listed_ns;		     /* when all listeners were last listed */
	bool look_again;		     /* something has changed that the listeners do not show */
	struct targets_verdict *verdicts;    /* of all listeners, when last looked */
	unsigned n_verdicts;
	uint64_t departed_drops[SERIN_TARGETS_MAX]; /* of listeners that are gone */
	struct serin_target_info info[SERIN_TARGETS_MAX]; /* as the kernel has it */
};

/*
 * Adds a target, before targets_publish(). One that is there already stays as it is. It gets the place whose counters are
 * of the same model and version, left by an earlier agent or by targets_remove(), and goes on counting there; else a free
 * one, whose counters begin at 0. The model must have a name. Returns its index, -ENOSPC, or -errno from the kernel.
 */
int targets_add(struct targets *targets, struct loader *loader, const struct serin_model *model, enum serin_role role);

/* The index of a version of a model, -1 when it is no target. */
int targets_find(const struct targets *targets, const char *model, const char *version);

static inline bool targets_is_used(const struct targets *targets, unsigned index)
{
	return targets->all[index].model[0];
}

/*
 * Takes a target away: its port is watched no more, nobody's figures show it. Its sockets stay tied to its place, and its
 * counters in it, until the place is given to another.
 */
void targets_remove(struct targets *targets, struct loader *loader, unsigned index);

/* Writes names and roles of the new ones, and has the kernel watch their ports; what an earlier agent left there of
 * others goes. 0 or -errno. */
int targets_publish(struct targets *targets, struct loader *loader);

/*
 * Says which release a target is of, which port that one's clients dial, and where the target's listeners are offered
 * (NULL: nowhere, it is stable). The steer stays the caller's, and is forgotten by targets_remove() and by
 * targets_steer(targets, index, SERIN_NONE, 0, NULL). 0 or -errno.
 */
int targets_steer(struct targets *targets, unsigned index, uint32_t release, uint16_t service_port, struct steer *steer);

/*
 * Looks for listeners and processes; what is new is given to the kernel, and to those who steer. Processes that hold a
 * listener they did not open (socket activation) are looked for again every few seconds while none is known. Returns a
 * bit set of the targets whose listeners changed, or -errno.
 */
int targets_refresh(struct targets *targets, struct loader *loader);

/* Has something started to listen since the last refresh, on a watched port, or, while there are targets that are known
 * by their processes, anywhere? The latter is looked at once a second. */
bool targets_stale(struct targets *targets, struct loader *loader);

/* Frees what it holds. The kernel keeps what it was told. */
void targets_free(struct targets *targets);

/* The targets' processes, their containers and resident memory, into `snapshot` too, with their listeners' drops. 0 or -errno. */
int targets_measure(struct targets *targets, struct loader *loader, struct serin_snapshot *snapshot);

/* What the kernel holds requests of target `index` against. From targets_publish() on; each 0 or -errno. */

/* Durations, and of streams first chunks; 0: not known. Edges are ascending. */
struct targets_edges {
	uint64_t duration_ns[SERIN_EDGES], first_chunk_ns[SERIN_EDGES]; /* for the evidence */
	uint64_t slow_duration_ns, slow_first_chunk_ns;			/* above which a success is slow */
};
int targets_set_edges(struct targets *targets, struct loader *loader, unsigned index, const struct targets_edges *edges);

/* After how long without a byte from the server a request has timed out; 0: the programs' default, a minute. */
int targets_set_deadline(struct targets *targets, struct loader *loader, unsigned index, uint64_t deadline_ns);

/* Whether requests on service connections are counted by client too: while the release compares its versions. */
int targets_set_by_client(struct targets *targets, struct loader *loader, unsigned index, bool by_client);

#endif
