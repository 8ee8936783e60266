/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What an agent watches and steers, as its configuration says: a configuration becomes targets and releases, and another
 * one makes of them what it says, with as little change as can be.
 */
#ifndef SERIN_DEPLOYMENT_H
#define SERIN_DEPLOYMENT_H

#include "release.h"

#define DEPLOYMENT_WHY_MAX RELEASE_WHY_MAX

struct deployment {
	struct release_world world; /* to be set by the caller; `targets` is the member below */
	struct targets targets;
	struct release *releases[SERIN_RELEASES_MAX]; /* by their index in the kernel's maps; NULL: none */
};

/*
 * Makes it what `config` says: what is there and stays goes on, what is not in it is let go, what is new begins. taken_over:
 * at the start, with the maps of an earlier agent, whose releases go on in the places they had. Returns 0, or -errno with a
 * sentence in ret_why; some of it may have been done then.
 */
int deployment_apply(struct deployment *deployment, const struct serin_config *config, bool taken_over,
		     char ret_why[DEPLOYMENT_WHY_MAX]);

/* The release of a target, NULL when it has none. */
struct release *deployment_release_of(const struct deployment *deployment, unsigned target);

/* The release that is meant: by name, by its canary's version (NULL: any), or the only one. 0, or -ENOENT with a sentence. */
int deployment_find(const struct deployment *deployment, const char *name, const char *version, struct release **ret,
		    char ret_why[DEPLOYMENT_WHY_MAX]);

/* Lets all of it go; `keep` as in release_close(). */
void deployment_close(struct deployment *deployment, bool keep);

#endif
