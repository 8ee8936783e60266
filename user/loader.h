/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The BPF programs' life: probe, open, configure, load, attach, pin, and all of it back again. It logs nothing; what
 * went wrong is a sentence for the caller to print: what, why, what to do.
 */
#ifndef SERIN_LOADER_H
#define SERIN_LOADER_H

#include "config.h"

struct serin_bpf; /* the skeleton that bpftool generates */

/* The maps user space reads, as descriptors. */
struct serin_maps {
	int targets, tallies, hists, losses, agent_losses, steered, running;
	int clients;			/* of the loader only; -1 where the maps are another agent's */
	const uint64_t *clients_added;	/* how many the programs have put into it, ever; NULL likewise */
	bool pickup_measured; /* the kernel has the hook, and the program is attached */
};

struct loader;

#define LOADER_WHY_MAX 512

/*
 * Loads the programs, attaches them to the node and pins links and maps under paths->pins. What an agent before this one
 * left there is taken over where it has the same form: counters, connections and weights go on, with these programs where
 * they are others. Where it has not, it is removed first, so that new connections reach stable meanwhile, and ret_note says
 * why. On failure -errno and ret_why: what an agent left that could have been taken over stays, else nothing does.
 */
int loader_start(const struct serin_paths *paths, struct loader **ret, bool *ret_taken_over, char ret_note[LOADER_WHY_MAX],
		 char ret_why[LOADER_WHY_MAX]);

/* Frees it; detaches and unpins, unless another agent is to take over (`keep`). NULL is fine. */
void loader_stop(struct loader *loader, bool keep);

/* What one agent leaves to the next of a release: the first `size` bytes of its state, at most SERIN_STATE_MAX. All zero
 * while none was left. Replaced as a whole: who is killed leaves no half. 0 or -errno. */
int loader_state_read(struct loader *loader, uint32_t release, void *ret_state, size_t size);
int loader_state_write(struct loader *loader, uint32_t release, const void *state, size_t size);

/* Borrowed, valid until loader_stop(). */
struct serin_bpf *loader_bpf(struct loader *loader);
const struct serin_maps *loader_maps(const struct loader *loader);

/* Says which outcomes are successes, of those that say anything of a version (DESIGN, section 2: N). At any time; from the
 * start on they are `success` and `client_error`. */
void loader_set_success(struct loader *loader, const bool success[SERIN_OUTCOMES]);

/* Runs an iterator program of the loader. `each` (or NULL) gets what it wrote, a record of `size` bytes at a time.
 * 0 or -errno. */
int loader_sweep(struct loader *loader);
int loader_adopt_connections(struct loader *loader);
int loader_members(struct loader *loader, void (*each)(const struct serin_member *member, void *context),
		   void *context);
int loader_connections(struct loader *loader, void (*each)(const struct serin_connection *connection, void *context),
		       void *context);

/* Counts what user space could not place, or found missing. One writer, the agent: it is not an atomic addition. */
void loader_lost(struct loader *loader, enum serin_loss kind, uint64_t n);

/* The maps an agent pinned, whether it lives or not. 0; -ENOENT when there are none, -EPERM without the privilege,
 * -ESTALE when they have another layout. Close with loader_close_pinned(). */
int loader_open_pinned(const struct serin_paths *paths, struct serin_maps *ret);
void loader_close_pinned(struct serin_maps *maps);

/* One line of `serin check`. */
struct loader_probe {
	const char *what;
	bool ok;
	bool needed;	/* without it serin does not run */
	char found[160];
	char advice[200]; /* what to do about a "no" */
};

#define LOADER_PROBES_MAX 32

/* Looks at what this kernel and these privileges allow, changing nothing. Returns how many lines. `verbose`: what the
 * kernel's verifier says of a program it refuses goes to stderr in full. */
unsigned loader_probe(struct loader_probe ret_probes[LOADER_PROBES_MAX], bool verbose);

#endif
