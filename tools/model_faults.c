// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "model_faults.h"

#include "util.h"

#include <errno.h>
#include <string.h>

#define DELAY_MAX_MS 3600000.0

struct fault_row {
	const char *key;
	size_t offset;
	double max; /* 0: a switch */
};

static const struct fault_row fault_rows[] = {
	{"error_rate", offsetof(struct faults, error_rate), 1.0},
	{"close_rate", offsetof(struct faults, close_rate), 1.0},
	{"stall_rate", offsetof(struct faults, stall_rate), 1.0},
	{"crash_rate", offsetof(struct faults, crash_rate), 1.0},
	{"delay_ms", offsetof(struct faults, delay_ms), DELAY_MAX_MS},
	{"delay_random_ms", offsetof(struct faults, delay_random_ms), DELAY_MAX_MS},
	{"chunk_delay_ms", offsetof(struct faults, chunk_delay_ms), DELAY_MAX_MS},
	{"burn_ms", offsetof(struct faults, burn_ms), DELAY_MAX_MS},
	{"crash", offsetof(struct faults, crash), 0.0},
	{"refuse", offsetof(struct faults, refuse), 0.0},
	{"no_accept", offsetof(struct faults, no_accept), 0.0},
};

static const struct fault_row *find_fault(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(fault_rows); i++) {
		if (strcmp(fault_rows[i].key, key) == 0)
			return &fault_rows[i];
	}
	return NULL;
}

static int set_fault(struct faults *faults, const struct fault_row *row, json_t *value, char why[FAULTS_WHY_MAX])
{
	void *field = (char *)faults + row->offset;
	double number = json_number_value(value);

	if (row->max == 0.0) {
		if (!json_is_boolean(value)) {
			snprintf(why, FAULTS_WHY_MAX, "%s must be true or false", row->key);
			return -EINVAL;
		}
		*(bool *)field = json_is_true(value);
		return 0;
	}
	if (!json_is_number(value) || !(number >= 0.0 && number <= row->max)) {
		snprintf(why, FAULTS_WHY_MAX, "%s must be a number from 0 to %g", row->key, row->max);
		return -EINVAL;
	}
	*(double *)field = number;
	return 0;
}

int faults_update(struct faults *faults, json_t *object, char why[FAULTS_WHY_MAX])
{
	struct faults changed = *faults;
	const char *key;
	json_t *value;

	if (!json_is_object(object)) {
		snprintf(why, FAULTS_WHY_MAX, "faults are a JSON object");
		return -EINVAL;
	}
	json_object_foreach (object, key, value) {
		const struct fault_row *row = find_fault(key);

		if (!row) {
			snprintf(why, FAULTS_WHY_MAX, "there is no fault '%.64s'", key);
			return -EINVAL;
		}
		if (set_fault(&changed, row, value, why) < 0)
			return -EINVAL;
	}
	*faults = changed;
	return 0;
}

int faults_parse(struct faults *faults, const char *text, char why[FAULTS_WHY_MAX])
{
	const char *equals = strchr(text, '=');
	_cleanup_free_ char *key = NULL;
	json_t *object;
	int ret;

	if (!equals) {
		snprintf(why, FAULTS_WHY_MAX, "a fault is written KEY=VALUE");
		return -EINVAL;
	}
	key = strndup(text, (size_t)(equals - text));
	object = json_object();
	/* A value that is no JSON reads as null, which no fault takes. */
	if (!key || json_object_set_new(object, key, json_loads(equals + 1, JSON_DECODE_ANY, NULL) ?: json_null()) < 0) {
		snprintf(why, FAULTS_WHY_MAX, "the key is not text");
		ret = -EINVAL;
	} else {
		ret = faults_update(faults, object, why);
	}
	json_decref(object);
	return ret;
}

json_t *faults_to_json(const struct faults *faults)
{
	json_t *object = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(fault_rows); i++) {
		const struct fault_row *row = &fault_rows[i];
		const void *field = (const char *)faults + row->offset;

		json_object_set_new(object, row->key,
				    row->max == 0.0 ? json_boolean(*(const bool *)field) :
						      json_real(*(const double *)field));
	}
	return object;
}
