// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "models.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* false: what the store has is not known yet, and lower maxima must not take its place. */
static bool begin(struct models_entry *entry, struct store *store, const char *name)
{
	int r = store_maxima(store, name, entry->saved);

	if (r == -EAGAIN)
		return false;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	if (r == 0)
		memcpy(entry->maxima.max, entry->saved, sizeof(entry->saved));
	return true;
}

struct serin_maxima *models_maxima(struct models *models, struct store *store, const char *name)
{
	for (unsigned i = 0; i < SERIN_TARGETS_MAX; i++) {
		struct models_entry *entry = &models->all[i];

		if (!entry->name[0] && !begin(entry, store, name))
			return NULL;
		if (!strcmp(entry->name, name))
			return &entry->maxima;
	}
	return NULL;
}

void models_save(struct models *models, struct store *store)
{
	for (unsigned i = 0; i < SERIN_TARGETS_MAX && models->all[i].name[0]; i++) {
		struct models_entry *entry = &models->all[i];

		if (!memcmp(entry->saved, entry->maxima.max, sizeof(entry->saved)))
			continue;
		memcpy(entry->saved, entry->maxima.max, sizeof(entry->saved));
		store_set_maxima(store, entry->name, entry->saved);
	}
}
