/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is pinned under bpffs, as one agent leaves it and another finds it: the maps by their names, data sections
 * without their dot, the links as link_PROGRAM, and empty directories whose names tell the layout and, once all links are
 * there, which programs they run. It logs nothing.
 */
#ifndef SERIN_PINS_H
#define SERIN_PINS_H

#include "config.h"

#include <bpf/libbpf.h>

#define PINS_WHY_MAX 256

/* Takes everything away that is pinned there: links that nobody else holds are detached by it. */
void pins_remove(const struct serin_paths *paths);

/* Are there pins of this layout? 0; -ENOENT: none at all; -ESTALE: of another; -errno. */
int pins_layout(const struct serin_paths *paths);

/* Pins all maps of a loaded object. The directory is made, 0700. 0 or -errno; what was pinned by then stays. */
int pins_save_maps(const struct serin_paths *paths, struct bpf_object *object);

/* Pins a link under the program's name, in the place of what is there: at no moment is none. 0 or -errno. */
int pins_save_link(const struct serin_paths *paths, struct bpf_link *link, const char *program);

/*
 * Gives an opened object, before it is loaded, the pinned maps instead of new ones: its data sections are then the live
 * ones. All or none: -ENOENT when there are no pins; -ESTALE when a map is missing, is another kind of map, or holds constants that
 * would be others; ret_why says which.
 */
int pins_reuse_maps(const struct serin_paths *paths, struct bpf_object *object, char ret_why[PINS_WHY_MAX]);

/* The pinned link of a program, opened; NULL when there is none or it is attached elsewhere than this process would attach
 * it (another network namespace, another cgroup2). `cgroup`: the id of that control group. */
struct bpf_link *pins_open_link(const struct serin_paths *paths, const char *program, uint64_t cgroup);

/* Tells an object from all others, by all its bytes. Pure. */
uint64_t pins_digest(const void *object, size_t size);

/* Do all links run the programs of that object? So it was when pins_set_programs() was called; who
 * changes links calls pins_forget_programs() first, which also ends what an agent killed meanwhile left half done. */
bool pins_has_programs(const struct serin_paths *paths, uint64_t digest);
int pins_set_programs(const struct serin_paths *paths, uint64_t digest);
int pins_forget_programs(const struct serin_paths *paths);

/* Does the link run the same instructions as this loaded program? By the kernel's tag. */
bool pins_is_same_program(const struct bpf_link *link, const struct bpf_program *program);

#endif
