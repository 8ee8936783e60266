/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What belongs to each target, and telling the kernel: its listeners, the connections they had accepted before we came,
 * its processes. Servers that start to listen later are recognised by the kernel itself (bpf/listen.bpf.c); this finds
 * their processes.
 */
#ifndef SERIN_TARGETS_H
#define SERIN_TARGETS_H

#include "loader.h"
#include "steer.h"

struct targets {
	struct serin_target all[SERIN_TARGETS_MAX];
	unsigned n;
	bool mptcp[SERIN_TARGETS_MAX];	     /* listens with MPTCP: neither observed nor steered to */
	bool unsteered[SERIN_TARGETS_MAX];   /* the kernel refused a listener: a cause of its own */
	uint64_t generation;		     /* of the kernel's listen events, when last looked */
	uint64_t searched_ns;		     /* when /proc was last gone through */
	uint64_t departed_drops[SERIN_TARGETS_MAX]; /* of listeners that are gone */
};

/* Adds a target before targets_publish(). Returns its index. There must be room. */
unsigned targets_add(struct targets *targets, const char *model, const char *version, enum serin_role role,
		     const struct serin_endpoint *endpoint);

/* Writes names and roles, and has the kernel watch the targets' ports. 0 or -errno. */
int targets_publish(struct targets *targets, struct loader *loader);

/*
 * Looks for listeners and processes; what is new is given to the kernel, the canary's listeners to `steer` (NULL:
 * nothing is steered). `service_port`: what clients dial. Processes that hold a listener they did not open (socket
 * activation) are looked for again every few seconds while none is known. Returns a bit set of the targets whose
 * listeners changed, or -errno.
 */
int targets_refresh(struct targets *targets, struct loader *loader, struct steer *steer, uint16_t service_port);

/* Has something started to listen on a watched port since the last refresh? */
bool targets_stale(const struct targets *targets, struct loader *loader);

/* The targets' processes and resident memory, into `snapshot` too, with their listeners' drops. 0 or -errno. */
int targets_measure(struct targets *targets, struct loader *loader, struct serin_snapshot *snapshot);

/* Sets above what a success of target `index` is slow; 0 for no edge. 0 or -errno. */
int targets_set_edges(struct targets *targets, struct loader *loader, unsigned index, uint64_t duration_ns,
		      uint64_t first_chunk_ns);

#endif
