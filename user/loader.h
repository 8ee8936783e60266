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
	bool pickup_measured; /* the kernel has the hook, and the program is attached */
};

struct loader;

#define LOADER_WHY_MAX 512

/*
 * Loads the programs, attaches them to the node and pins links and maps under paths->pins. Pins that a dead agent
 * left there are removed first: its connections go on, new ones reach stable meanwhile. On failure everything is
 * undone, ret_why says why, and -errno is returned.
 */
int loader_start(const struct serin_config *config, const struct serin_paths *paths, struct loader **ret,
		 char ret_why[LOADER_WHY_MAX]);

/* Detaches, unpins and frees. NULL is fine. */
void loader_stop(struct loader *loader);

/* Borrowed, valid until loader_stop(). */
struct serin_bpf *loader_bpf(struct loader *loader);
const struct serin_maps *loader_maps(const struct loader *loader);

/* Runs an iterator program of the loader. `each` (or NULL) gets what it wrote, a record of `size` bytes at a time.
 * 0 or -errno. */
int loader_sweep(struct loader *loader);
int loader_adopt_connections(struct loader *loader);
int loader_members(struct loader *loader, void (*each)(const struct serin_member *member, void *context),
		   void *context);

/* Counts something that user space could not place. No BPF program counts this kind: it is not an atomic addition. */
void loader_lost(struct loader *loader, enum serin_loss kind);

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
