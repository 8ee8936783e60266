// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "body.h"

#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {[BODY_NAME] = "a string", [BODY_NUMBER] = "a number", [BODY_BOOLEAN] = "true or false"};

static int refuse(char ret_why[BODY_WHY_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char ret_why[BODY_WHY_MAX], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ret_why, BODY_WHY_MAX, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static const char *type_name(const json_t *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "true", [JSON_FALSE] = "false",
		[JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

static bool is_of(enum body_kind kind, const json_t *value)
{
	switch (kind) {
	case BODY_NAME:
		return json_is_string(value);
	case BODY_NUMBER:
		return json_is_real(value) && isfinite(json_real_value(value));
	case BODY_BOOLEAN:
		return json_is_boolean(value);
	}
	return false;
}

static int check_value(const char *name, const json_t *value, enum body_kind kind, char ret_why[BODY_WHY_MAX])
{
	if (!is_of(kind, value))
		return refuse(ret_why, "%.64s must be %s, not %s", name, kind_names[kind], type_name(value));
	if (kind == BODY_NAME && !config_is_name(json_string_value(value)))
		return refuse(ret_why, "%s cannot be '%.64s': names are 1 to 63 of A-Z a-z 0-9 and . _ : @ + -", name,
			      json_string_value(value));
	return 0;
}

static const struct body_key *find_key(const struct body_key *keys, const char *name)
{
	while (keys->name && strcmp(keys->name, name))
		keys++;
	return keys;
}

static int check_figure(const char *name, const json_t *value, char ret_why[BODY_WHY_MAX])
{
	if (!config_is_name(name))
		return refuse(ret_why, "no figure can be called '%.64s': names are 1 to 63 of A-Z a-z 0-9 and . _ : @ + -",
			      name);
	return check_value(name, value, BODY_NUMBER, ret_why);
}

static int check_members(const struct body_key *keys, json_t *body, unsigned *ret_figures, char ret_why[BODY_WHY_MAX])
{
	const char *name;
	json_t *value;
	int r = 0;

	json_object_foreach(body, name, value) {
		const struct body_key *key = find_key(keys, name);

		if (r < 0)
			break;
		if (key->name) {
			r = check_value(name, value, key->kind, ret_why);
		} else if (key->kind == BODY_NUMBER) {
			r = check_figure(name, value, ret_why);
			++*ret_figures;
		} else {
			r = refuse(ret_why, "this path takes no '%.64s'", name);
		}
	}
	return r;
}

static int check_body(const struct body_key *keys, json_t *body, char ret_why[BODY_WHY_MAX])
{
	const struct body_key *key;
	unsigned figures = 0;
	int r = check_members(keys, body, &figures, ret_why);

	for (key = keys; r == 0 && key->name; key++)
		if (key->needed && !json_object_get(body, key->name))
			r = refuse(ret_why, "%s is missing; it must be %s", key->name, kind_names[key->kind]);
	if (r < 0 || key->kind != BODY_NUMBER)
		return r;
	if (!figures)
		return refuse(ret_why, "there is no figure; send at least one, as {\"accuracy\":0.93}");
	if (figures > BODY_FIGURES_MAX)
		return refuse(ret_why, "there are %u figures; send at most %d at once", figures, BODY_FIGURES_MAX);
	return 0;
}

int body_parse(const char *text, size_t length, const struct body_key *keys, json_t **ret, char ret_why[BODY_WHY_MAX])
{
	/* Whole numbers are read as any others: nobody here counts. What does not fit a double is no number. */
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL;
	json_error_t error;
	json_t *body = length ? json_loadb(text, length, flags, &error) : json_object();
	int r;

	if (!body)
		return refuse(ret_why, "the body is not JSON: line %d, column %d: %s", error.line, error.column, error.text);
	r = json_is_object(body) ? check_body(keys, body, ret_why) : refuse(ret_why, "the body is not a JSON object");
	if (r < 0)
		json_decref(body);
	else
		*ret = body;
	return r;
}
