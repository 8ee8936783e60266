/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What each model has used at most, whatever its version: M of R, over the life of the store. */
#ifndef SERIN_MODELS_H
#define SERIN_MODELS_H

#include "figures.h"
#include "store.h"

struct models_entry {
	char name[SERIN_NAME_MAX]; /* empty: free */
	struct serin_maxima maxima;
	struct serin_value saved[SERIN_RESOURCES]; /* as the store has it */
};

struct models {
	struct models_entry all[SERIN_TARGETS_MAX];
};

/* The maxima of a model, from the store the first time. NULL when there have been more names than places: such a model has
 * no past; and while the store cannot say. Good for as long as `models` is. */
struct serin_maxima *models_maxima(struct models *models, struct store *store, const char *name);

/* Has the store keep what has grown. Never blocks. */
void models_save(struct models *models, struct store *store);

#endif
