/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is sent to the API, held against what a path takes. Pure. */
#ifndef SERIN_BODY_H
#define SERIN_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define BODY_WHY_MAX 512
#define BODY_FIGURES_MAX 16

/* A name is a string as config_is_name() has it; a number is finite, and a JSON real when it has been read. */
enum body_kind { BODY_NAME, BODY_NUMBER, BODY_BOOLEAN };

/* A list of keys ends with one without a name. When that is of the kind BODY_NUMBER, each other key is the name of a
 * figure: there must be 1 to BODY_FIGURES_MAX of them. Else no other key may be. */
struct body_key {
	const char *name;
	enum body_kind kind;
	bool needed;
};

/*
 * Reads a JSON object; no bytes at all are an empty one. Returns 0 and a new reference in which all is as `keys` have it; or -EINVAL
 * and what, why in ret_why, which may have bytes in it that are no UTF-8: a key cut short.
 */
int body_parse(const char *text, size_t length, const struct body_key *keys, json_t **ret, char ret_why[BODY_WHY_MAX]);

#endif
