// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * YAML -> struct serin_config. One table of keys says what there may be; everything goes by it:
 * 1. the bytes are text; 2. libyaml's events are walked: what is not in the table, or not of its kind, is refused, and
 * the line of each key is kept; 3. libcyaml loads the document as texts; 4. texts become values; 5. config_check().
 */
#include "config.h"

#include "endpoint.h"
#include "quantity.h"
#include "util.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#define KEYS_MAX 20	/* of one mapping */
#define MAPPINGS_MAX 16 /* in the table */
#define DEPTH_MAX 8	/* of a document: more than the table has */
#define PLACES_MAX 16384
#define REQUESTS_IN_A_FILE 200

enum kind { LEAF, MAP, LIST };

struct key;

/* A kind of value: how it is read, and what it must be. */
struct type {
	/* 0, or -EINVAL for what it is not; -ERANGE is the same to a person. */
	int (*parse)(const struct key *key, const char *text, void *ret_field);
	const char *wants;
	void (*format)(double bound, char ret_text[QUANTITY_TEXT_MAX]); /* NULL: it has no range */
};

struct key {
	const char *name;
	enum kind kind;
	size_t offset;		 /* in what the mapping fills */
	const struct type *type; /* LEAF */
	double min, max;
	const char *const *words;  /* what it may be, for choices */
	const struct mapping *of;  /* MAP; LIST: each entry */
	size_t size, count_offset; /* LIST: of an entry; where their number is */
	unsigned most;		   /* entries */
	void (*init)(void *entry);
	bool needed;
};

struct mapping {
	const struct key *keys;
	unsigned n;
};

/* ---- values ---- */

static int parse_name(const struct key *key, const char *text, void *ret_field)
{
	(void)key;
	if (!config_is_name(text))
		return -EINVAL;
	snprintf(ret_field, SERIN_NAME_MAX, "%s", text);
	return 0;
}

static int parse_text(const struct key *key, const char *text, void *ret_field)
{
	(void)key;
	if (!*text || strlen(text) >= CONFIG_FILE_MAX)
		return -EINVAL;
	snprintf(ret_field, CONFIG_FILE_MAX, "%s", text);
	return 0;
}

static int parse_variable(const struct key *key, const char *text, void *ret_field)
{
	const char *equals = strchr(text, '=');

	return equals && equals != text ? parse_text(key, text, ret_field) : -EINVAL;
}

static int in_range(const struct key *key, double value)
{
	return value >= key->min && value <= key->max ? 0 : -ERANGE;
}

static int parse_whole(const struct key *key, const char *text, double *ret)
{
	double value;

	if (quantity_number(text, &value) < 0 || floor(value) != value)
		return -EINVAL;
	*ret = value;
	return in_range(key, value);
}

static int parse_port(const struct key *key, const char *text, void *ret_field)
{
	double value;
	int r = parse_whole(key, text, &value);

	if (r == 0)
		*(uint16_t *)ret_field = (uint16_t)value;
	return r;
}

static int parse_pid(const struct key *key, const char *text, void *ret_field)
{
	double value;
	int r = parse_whole(key, text, &value);

	if (r == 0)
		*(uint32_t *)ret_field = (uint32_t)value;
	return r;
}

static int parse_count(const struct key *key, const char *text, void *ret_field)
{
	double value = 0;
	int r = 0;

	if (key->min > 0 || strcmp(text, "off"))
		r = parse_whole(key, text, &value);
	if (r == 0)
		*(uint64_t *)ret_field = (uint64_t)value;
	return r;
}

/* The 16 bytes of an address. endpoint_parse() takes addresses with a port only. */
static int parse_address(const struct key *key, const char *text, void *ret_field)
{
	struct serin_endpoint endpoint;
	char with_port[ENDPOINT_TEXT_MAX];

	(void)key;
	if (strlen(text) > ENDPOINT_TEXT_MAX - 8)
		return -EINVAL;
	snprintf(with_port, sizeof(with_port), strchr(text, ':') ? "[%.54s]:1" : "%.54s:1", text);
	if (endpoint_parse(with_port, &endpoint) < 0)
		return -EINVAL;
	memcpy(ret_field, endpoint.address, sizeof(endpoint.address));
	return 0;
}

static int parse_listen(const struct key *key, const char *text, void *ret_field)
{
	(void)key;
	return endpoint_parse(text, ret_field);
}

/* ADDRESS/BITS; an address alone is all of its bits. */
static int parse_network(const struct key *key, const char *text, void *ret_field)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct serin_rule *rule = ret_field;
	const char *slash = strchr(text, '/');
	char address[ENDPOINT_TEXT_MAX];
	double bits;
	bool four;

	if ((slash ? (size_t)(slash - text) : strlen(text)) >= sizeof(address))
		return -EINVAL;
	snprintf(address, sizeof(address), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	four = !strchr(address, ':');
	bits = four ? 32 : 128;
	if (parse_address(key, address, rule->from.address) < 0 ||
	    (slash && (quantity_number(slash + 1, &bits) < 0 || floor(bits) != bits)) || bits > (four ? 32 : 128))
		return -EINVAL;
	if (four) /* 0.0.0.0 of 0.0.0.0/0 has been read as any address */
		memcpy(rule->from.address, mapped, sizeof(mapped));
	rule->prefix = (unsigned)bits + (four ? 96 : 0);
	return 0;
}

static int parse_duration(const struct key *key, const char *text, void *ret_field)
{
	double value = 0;
	int r = 0;

	if (key->words && !strcmp(text, "off")) {
		*(uint64_t *)ret_field = 0;
		return 0;
	}
	r = quantity_duration(text, &value);
	if (r == 0)
		r = in_range(key, value);
	if (r == 0)
		*(uint64_t *)ret_field = (uint64_t)value;
	return r;
}

static int parse_weight(const struct key *key, const char *text, void *ret_field)
{
	double value;

	if (quantity_weight(text, &value) < 0 || in_range(key, value / 100) < 0)
		return -EINVAL;
	*(uint32_t *)ret_field = (uint32_t)value;
	return 0;
}

static int parse_share(const struct key *key, const char *text, void *ret_field)
{
	double value;

	if (quantity_share(text, &value) < 0 || in_range(key, value) < 0)
		return -EINVAL;
	*(double *)ret_field = value;
	return 0;
}

static int parse_factor(const struct key *key, const char *text, void *ret_field)
{
	double value;

	if (quantity_factor(text, &value) < 0 || in_range(key, value) < 0)
		return -EINVAL;
	*(double *)ret_field = value;
	return 0;
}

/* A bound that may be off; 0 is off too, as on the command line. */
static int keep_bound(const struct key *key, int r, double value, struct serin_value *ret)
{
	if (r < 0 || in_range(key, value) < 0)
		return -EINVAL;
	*ret = value > 0 ? serin_known(value) : (struct serin_value){};
	return 0;
}

static int parse_share_bound(const struct key *key, const char *text, void *ret_field)
{
	double value = 0;
	int r = strcmp(text, "off") ? quantity_share(text, &value) : 0;

	return keep_bound(key, r, value, ret_field);
}

static int parse_factor_bound(const struct key *key, const char *text, void *ret_field)
{
	double value = 0;
	int r = strcmp(text, "off") ? quantity_factor(text, &value) : 0;

	return keep_bound(key, r, value, ret_field);
}

static int parse_bound(const struct key *key, const char *text, void *ret_field)
{
	double value = 0;
	int r = strcmp(text, "off") ? quantity_number(text, &value) : 0;

	return keep_bound(key, r, value, ret_field);
}

/* Of a figure from outside: any number, with a sign, and 0 is one. */
static int parse_figure(const struct key *key, const char *text, void *ret_field)
{
	bool minus = *text == '-';
	double value;

	if (quantity_number(text + minus, &value) < 0 || in_range(key, minus ? -value : value) < 0)
		return -EINVAL;
	*(struct serin_value *)ret_field = serin_known(minus ? -value : value);
	return 0;
}

/* accuracy_min, click_rate_min: a gate on the figure of that name. */
static int parse_figure_min(const struct key *key, const char *text, void *ret_field)
{
	struct serin_policy *policy = ret_field;
	struct serin_external_gate gate = {};
	double value;

	if (!strcmp(text, "off"))
		return 0;
	if (quantity_share(text, &value) < 0 || in_range(key, value) < 0)
		return -EINVAL;
	gate.min = serin_known(value);
	snprintf(gate.name, sizeof(gate.name), "%.*s", (int)(strlen(key->name) - strlen("_min")), key->name);
	policy->external[policy->n_external++] = gate; /* first of all: there is room */
	return 0;
}

static int find_word(const struct key *key, const char *text)
{
	for (int i = 0; key->words[i]; i++)
		if (*text && !strcmp(key->words[i], text))
			return i;
	return -EINVAL;
}

static int parse_choice(const struct key *key, const char *text, void *ret_field)
{
	int index = find_word(key, text);

	if (index < 0)
		return index;
	*(unsigned *)ret_field = (unsigned)index;
	return 0;
}

static int parse_either(const struct key *key, const char *text, void *ret_field)
{
	int index = find_word(key, text);

	if (index < 0)
		return index;
	*(bool *)ret_field = index == 1;
	return 0;
}

static void format_plain(double bound, char ret_text[QUANTITY_TEXT_MAX])
{
	snprintf(ret_text, QUANTITY_TEXT_MAX, "%.12g", bound);
}

static void format_time(double bound, char ret_text[QUANTITY_TEXT_MAX])
{
	quantity_format_duration((uint64_t)bound, ret_text);
}

static void format_share(double bound, char ret_text[QUANTITY_TEXT_MAX])
{
	snprintf(ret_text, QUANTITY_TEXT_MAX, "%.12g%%", bound * 100);
}

static void format_percent(double bound, char ret_text[QUANTITY_TEXT_MAX])
{
	snprintf(ret_text, QUANTITY_TEXT_MAX, "%.12g%%", bound);
}

static void format_factor(double bound, char ret_text[QUANTITY_TEXT_MAX])
{
	snprintf(ret_text, QUANTITY_TEXT_MAX, "%.12gx", bound);
}

static const struct type name = {parse_name, "a name: 1 to 63 letters, digits and . _ : @ + -", NULL};
static const struct type text = {parse_text, "a text of 1 to 255 bytes", NULL};
static const struct type variable = {parse_variable, "one variable, as NAME=VALUE", NULL};
static const struct type port = {parse_port, "a port", format_plain};
static const struct type pid = {parse_pid, "the number of a process", format_plain};
static const struct type count = {parse_count, "a whole number", format_plain};
static const struct type address = {parse_address, "an IPv4 or IPv6 address", NULL};
static const struct type listen_address = {parse_listen, "a [ADDRESS:]PORT", NULL};
static const struct type network = {parse_network, "a network, as 10.1.0.0/16 or 2001:db8::/32", NULL};
static const struct type duration = {parse_duration, "a time, as 250ms, 60s, 5m, 2h or 30d,", format_time};
static const struct type weight = {parse_weight, "a share of connections in percent, as 5 or 0.25%,", format_percent};
static const struct type share = {parse_share, "a share, as 1% or 0.01,", format_share};
static const struct type factor = {parse_factor, "a factor, as 1.1x,", format_factor};
static const struct type share_bound = {parse_share_bound, "off or a share, as 95% or 0.95,", format_share};
static const struct type factor_bound = {parse_factor_bound, "off or a factor, as 2x,", format_factor};
static const struct type bound = {parse_bound, "off or a number", format_plain};
static const struct type figure = {parse_figure, "a number", format_plain};
static const struct type figure_min = {parse_figure_min, "off or a share, as 90% or 0.9,", format_share};
static const struct type choice = {parse_choice, "one of", NULL};
static const struct type either = {parse_either, "one of", NULL};

/* ---- the table ---- */

static const char *const booleans[] = {"false", "true", NULL};
static const char *const judgements[] = {"failure", "success", NULL};
static const char *const stickiness[] = {"none", "client", NULL};
static const char *const starts[] = {"manual", "auto", NULL};
static const char *const roles[] = {"", "stable", "canary", NULL};
static const char *const inconclusive[] = {"hold", "promote", "rollback", NULL};
static const char *const baselines[] = {"concurrent", "history", NULL};
static const char *const maxima[] = {"history", "limit", NULL};
static const char *const accesses[] = {"token", "open", NULL};
static const char *const or_off[] = {"off", NULL};

_Static_assert(SERIN_ROLE_STABLE == 1 && SERIN_ROLE_CANARY == 2, "roles[] is by enum serin_role");
_Static_assert(SERIN_INCONCLUSIVE_PROMOTE == 1 && SERIN_INCONCLUSIVE_ROLLBACK == 2, "inconclusive[] is by its enum");
_Static_assert(sizeof(enum serin_role) == sizeof(unsigned) && sizeof(enum serin_inconclusive) == sizeof(unsigned),
	       "parse_choice() writes enums as unsigned");

#define MS 1e6
#define SEC 1e9
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define IN(what, field) .offset = offsetof(struct what, field)
#define MAPPING(table) {table, ARRAY_SIZE(table)}

static const struct key match_keys[] = {
	{.name = "port", IN(serin_match, endpoint.port), .type = &port, .min = 1, .max = 65535},
	{.name = "address", IN(serin_match, endpoint.address), .type = &address},
	{.name = "exe", IN(serin_match, exe), .type = &text},
	{.name = "cmdline", IN(serin_match, cmdline), .type = &text},
	{.name = "cgroup", IN(serin_match, cgroup), .type = &text},
	{.name = "env", IN(serin_match, env), .type = &variable},
	{.name = "pid", IN(serin_match, pid), .type = &pid, .min = 2, .max = 4194304},
};
static const struct mapping match_map = MAPPING(match_keys);

static const struct key model_keys[] = {
	{.name = "name", IN(serin_model, name), .type = &name, .needed = true},
	{.name = "version", IN(serin_model, version), .type = &name, .needed = true},
	{.name = "match", .kind = MAP, IN(serin_model, match), .of = &match_map, .needed = true},
};
static const struct mapping model_map = MAPPING(model_keys);

static const struct key service_keys[] = {
	{.name = "port", IN(serin_endpoint, port), .type = &port, .min = 1, .max = 65535},
	{.name = "address", IN(serin_endpoint, address), .type = &address},
};
static const struct mapping service_map = MAPPING(service_keys);

static const struct key rule_keys[] = {
	{.name = "from", .type = &network, .needed = true},
	{.name = "to", IN(serin_rule, to), .type = &choice, .words = roles, .needed = true},
};
static const struct mapping rule_map = MAPPING(rule_keys);

static const struct key step_keys[] = {
	{.name = "weight", IN(serin_step, weight), .type = &weight, .min = 0.01, .max = 100, .needed = true},
	{.name = "hold", IN(serin_step, hold_ns), .type = &duration, .max = 30 * DAY},
};
static const struct mapping step_map = MAPPING(step_keys);

/* min_requests of `analysis` and of `gates` are one. */
#define MIN_REQUESTS(what, field) {.name = "min_requests", IN(what, field), .type = &count, .min = 1, .max = 1e9}

static const struct key analysis_keys[] = {
	{.name = "alpha", IN(serin_release_config, alpha), .type = &share, .min = 1e-6, .max = 0.5},
	{.name = "success_margin", IN(serin_release_config, margin), .type = &share, .min = 0.0001, .max = 0.5},
	{.name = "latency_margin", IN(serin_release_config, latency_margin), .type = &factor, .min = 1, .max = 100},
	{.name = "latency_floor", IN(serin_release_config, latency_floor_ns), .type = &duration, .max = HOUR},
	MIN_REQUESTS(serin_release_config, policy.gates.min_requests),
	{.name = "deadline", IN(serin_release_config, deadline_ns), .type = &duration, .min = 100 * MS, .max = DAY},
	{.name = "baseline", IN(serin_release_config, baseline_history), .type = &either, .words = baselines},
	{.name = "evidence", IN(serin_release_config, evidence), .type = &either, .words = booleans},
};
static const struct mapping analysis_map = MAPPING(analysis_keys);

static const struct key external_keys[] = {
	{.name = "name", IN(serin_external_gate, name), .type = &name, .needed = true},
	{.name = "min", IN(serin_external_gate, min), .type = &figure, .min = -1e12, .max = 1e12},
	{.name = "max", IN(serin_external_gate, max), .type = &figure, .min = -1e12, .max = 1e12},
};
static const struct mapping external_map = MAPPING(external_keys);

static const struct key gate_keys[] = {
	{.name = "P_min", IN(serin_policy, gates.p_min), .type = &share_bound, .max = 1},
	{.name = "R_max", IN(serin_policy, gates.r_max), .type = &bound, .max = 1e6},
	{.name = "D_max", IN(serin_policy, gates.d_max), .type = &bound, .max = 1e9},
	{.name = "cpu_ratio_max", IN(serin_policy, gates.cpu_ratio_max), .type = &factor_bound, .max = 1e6},
	MIN_REQUESTS(serin_policy, gates.min_requests),
	{.name = "accuracy_min", .type = &figure_min, .max = 1},
	{.name = "click_rate_min", .type = &figure_min, .max = 1},
	{.name = "external", .kind = LIST, IN(serin_policy, external), .of = &external_map,
	 .size = sizeof(struct serin_external_gate), .count_offset = offsetof(struct serin_policy, n_external),
	 .most = ROLLOUT_EXTERNAL_MAX},
	{.name = "external_max_age", IN(serin_policy, external_age_ns), .type = &duration, .min = SEC, .max = 30 * DAY},
	{.name = "exits_max", IN(serin_policy, exits_max), .type = &count, .max = 1e6, .words = or_off},
	{.name = "absent", IN(serin_policy, absent_ns), .type = &duration, .min = SEC, .max = DAY, .words = or_off},
};
static const struct mapping gate_map = MAPPING(gate_keys);

static const struct key release_keys[] = {
	{.name = "name", IN(serin_release_config, name), .type = &name, .needed = true},
	{.name = "service", .kind = MAP, IN(serin_release_config, service), .of = &service_map},
	{.name = "stable", IN(serin_release_config, stable), .type = &name, .needed = true},
	{.name = "canary", IN(serin_release_config, canary), .type = &name, .needed = true},
	{.name = "sticky", IN(serin_release_config, sticky), .type = &either, .words = stickiness},
	{.name = "start", IN(serin_release_config, policy.automatic), .type = &either, .words = starts},
	{.name = "rules", .kind = LIST, IN(serin_release_config, rules), .of = &rule_map, .size = sizeof(struct serin_rule),
	 .count_offset = offsetof(struct serin_release_config, n_rules), .most = CONFIG_RULES_MAX},
	{.name = "steps", .kind = LIST, IN(serin_release_config, policy.steps), .of = &step_map,
	 .size = sizeof(struct serin_step), .count_offset = offsetof(struct serin_release_config, policy.n_steps),
	 .most = ROLLOUT_STEPS_MAX},
	{.name = "analysis", .kind = MAP, .of = &analysis_map},
	{.name = "gates", .kind = MAP, IN(serin_release_config, policy), .of = &gate_map},
	{.name = "on_inconclusive", IN(serin_release_config, policy.on_inconclusive), .type = &choice, .words = inconclusive},
	{.name = "drain", IN(serin_release_config, drain_ns), .type = &duration, .max = HOUR},
	{.name = "max_connection_age", IN(serin_release_config, max_age_ns), .type = &duration, .max = 30 * DAY,
	 .words = or_off},
};
static const struct mapping release_map = MAPPING(release_keys);

static const struct key api_keys[] = {
	{.name = "listen", IN(serin_api_config, listen), .type = &listen_address},
	{.name = "token_file", IN(serin_api_config, token_file), .type = &text},
	{.name = "certificate_file", IN(serin_api_config, certificate_file), .type = &text},
	{.name = "key_file", IN(serin_api_config, key_file), .type = &text},
	{.name = "metrics", IN(serin_api_config, open_metrics), .type = &either, .words = accesses},
};
static const struct mapping api_map = MAPPING(api_keys);

static const struct key store_keys[] = {
	{.name = "path", IN(serin_config, store), .type = &text},
	{.name = "keep", IN(serin_config, keep_ns), .type = &duration, .min = HOUR, .max = 3650 * DAY},
};
static const struct mapping store_map = MAPPING(store_keys);

#define OUTCOME(word, outcome) {.name = word, IN(serin_config, success[outcome]), .type = &either, .words = judgements}

static const struct key outcome_keys[] = {
	OUTCOME("success", SERIN_SUCCESS),	     OUTCOME("client_error", SERIN_CLIENT_ERROR),
	OUTCOME("throttled", SERIN_THROTTLED),	     OUTCOME("server_error", SERIN_SERVER_ERROR),
	OUTCOME("server_abort", SERIN_SERVER_ABORT), OUTCOME("timeout", SERIN_TIMEOUT),
};
static const struct mapping outcome_map = MAPPING(outcome_keys);

static const struct key resource_keys[] = {
	{.name = "max", IN(serin_config, maximum_is_limit), .type = &either, .words = maxima},
};
static const struct mapping resource_map = MAPPING(resource_keys);

static void init_release(void *entry)
{
	struct serin_release_config *release = entry;

	config_release_init(release);
	release->policy.gates.min_requests = REQUESTS_IN_A_FILE;
}

static const struct key root_keys[] = {
	{.name = "models", .kind = LIST, IN(serin_config, models), .of = &model_map, .size = sizeof(struct serin_model),
	 .count_offset = offsetof(struct serin_config, n_models), .most = SERIN_TARGETS_MAX},
	{.name = "releases", .kind = LIST, IN(serin_config, releases), .of = &release_map,
	 .size = sizeof(struct serin_release_config), .count_offset = offsetof(struct serin_config, n_releases),
	 .most = SERIN_RELEASES_MAX, .init = init_release},
	{.name = "api", .kind = MAP, IN(serin_config, api), .of = &api_map},
	{.name = "store", .kind = MAP, .of = &store_map},
	{.name = "outcomes", .kind = MAP, .of = &outcome_map},
	{.name = "resources", .kind = MAP, .of = &resource_map},
	{.name = "window", IN(serin_config, window_ns), .type = &duration, .min = SEC, .max = HOUR},
	{.name = "tick", IN(serin_config, tick_ns), .type = &duration, .min = 50 * MS, .max = 60 * SEC},
	{.name = "lease", IN(serin_config, lease_ns), .type = &duration, .min = SEC, .max = HOUR},
	{.name = "deadline", IN(serin_config, deadline_ns), .type = &duration, .min = 100 * MS, .max = DAY},
};
static const struct mapping root_map = MAPPING(root_keys);

_Static_assert(ARRAY_SIZE(release_keys) <= KEYS_MAX && ARRAY_SIZE(gate_keys) <= KEYS_MAX, "KEYS_MAX is too small");

/* ---- reading ---- */

/* Where a key or an entry of a list is: its path as a hash, its line. */
struct place {
	uint64_t hash;
	unsigned line;
};

struct reader {
	const char *path; /* of the file */
	char *why;
	char *text;
	size_t length;
	struct place *places;
	unsigned n_places;
};

/* The complaint, without what a terminal would take for an order. */
static int fail(const struct reader *reader, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(const struct reader *reader, unsigned line, const char *format, ...)
{
	int length;
	va_list args;

	if (line)
		length = snprintf(reader->why, CONFIG_WHY_MAX, "%.200s:%u: ", reader->path, line);
	else
		length = snprintf(reader->why, CONFIG_WHY_MAX, "%.200s: ", reader->path);
	va_start(args, format);
	vsnprintf(reader->why + length, CONFIG_WHY_MAX - (size_t)length, format, args);
	va_end(args);
	for (char *c = reader->why; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return -EINVAL;
}

/* FNV-1a, so that the hash of a path goes on from that of what it is in. */
#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static uint64_t hash_on(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * FNV_PRIME;
	return hash;
}

static unsigned line_of_hash(const struct reader *reader, uint64_t hash)
{
	for (unsigned i = 0; i < reader->n_places; i++)
		if (reader->places[i].hash == hash)
			return reader->places[i].line;
	return 0;
}

/* The line of a path; of what it would be in when it is not there. */
static unsigned line_of(const struct reader *reader, const char *where)
{
	char path[CONFIG_WHERE_MAX];
	unsigned line;

	snprintf(path, sizeof(path), "%s", where);
	for (;;) {
		char *dot = strrchr(path, '.'), *bracket = strrchr(path, '[');

		line = line_of_hash(reader, hash_on(FNV_BASIS, path));
		if (line || !*path)
			return line ? line : 1;
		*(dot > bracket ? dot : bracket ? bracket : path) = '\0';
	}
}

static unsigned line_at(const struct reader *reader, size_t offset)
{
	unsigned line = 1;

	for (size_t i = 0; i < offset && i < reader->length; i++)
		line += reader->text[i] == '\n';
	return line;
}

/* ---- 1. bytes ---- */

/* Bytes of the UTF-8 character that begins here, 0: none does. Surrogates and longer forms than needed are none. */
static size_t utf8_length(const unsigned char *c, size_t left)
{
	size_t length = c[0] < 0x80 ? 1 : c[0] >= 0xc2 && c[0] < 0xe0 ? 2 : (c[0] & 0xf0) == 0xe0 ? 3 :
			c[0] >= 0xf0 && c[0] < 0xf5 ? 4 : 0;

	if (length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
	    (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return length;
}

static int check_bytes(const struct reader *reader)
{
	const unsigned char *text = (const unsigned char *)reader->text;
	size_t length;

	for (size_t i = 0; i < reader->length; i += length) {
		length = utf8_length(text + i, reader->length - i);
		if (!length)
			return fail(reader, line_at(reader, i), "the byte 0x%02x is not UTF-8; save the file as UTF-8", text[i]);
		if (!text[i])
			return fail(reader, line_at(reader, i), "a NUL byte, which no text has; write the file anew");
	}
	return 0;
}

static int read_bytes(struct reader *reader)
{
	int r = util_read_file(reader->path, CONFIG_SIZE_MAX, &reader->text, &reader->length);

	switch (r) {
	case 0:
		return check_bytes(reader);
	case -EINVAL:
		return fail(reader, 0, "no regular file, and nothing else can be read as a configuration; name a YAML file");
	case -EFBIG:
		fail(reader, 0, "longer than 1 MiB, which no configuration is; name another file");
		return -EINVAL;
	case -ENOENT:
		fail(reader, 0, "there is no such file; name the configuration's");
		return r;
	default:
		fail(reader, 0, "it cannot be read: %s; mend that, or name another file", strerror(-r));
		return r;
	}
}

/* ---- 2. events ---- */

struct level {
	const struct mapping *of; /* of a list: of its entries */
	const struct key *key;	  /* the one whose value comes; of a list: its own */
	bool list;
	unsigned entries;
	uint64_t hash;	    /* of its path */
	uint64_t next;	    /* of the value that comes */
	unsigned first;	    /* of the places in it */
};

struct walk {
	struct reader *reader;
	struct level levels[DEPTH_MAX];
	unsigned depth, documents;
};

static int keep_place(struct reader *reader, uint64_t hash, unsigned line)
{
	if (reader->n_places == PLACES_MAX)
		return fail(reader, line, "more than %d keys and entries, which no configuration has; shorten it", PLACES_MAX);
	reader->places[reader->n_places++] = (struct place){hash, line};
	return 0;
}

static const struct key *find_key(const struct mapping *of, const char *name)
{
	for (unsigned i = 0; i < of->n; i++)
		if (!strcmp(of->keys[i].name, name))
			return &of->keys[i];
	return NULL;
}

static int complain_about_key(const struct walk *walk, const struct mapping *of, const char *name, unsigned line)
{
	char known[256] = "";
	size_t used = 0;

	for (unsigned i = 0; i < of->n && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", of->keys[i].name);
	return fail(walk->reader, line, "there is no key '%.64s' here; use one of %s", name, known);
}

static int take_key(struct walk *walk, const yaml_event_t *event, unsigned line)
{
	struct level *level = &walk->levels[walk->depth - 1];
	const char *name = (const char *)event->data.scalar.value;

	if (event->type != YAML_SCALAR_EVENT)
		return fail(walk->reader, line, "a key that is no word; write KEY: VALUE");
	level->key = find_key(level->of, name);
	if (!level->key)
		return complain_about_key(walk, level->of, name, line);
	level->next = hash_on(walk->depth > 1 ? hash_on(level->hash, ".") : level->hash, name);
	for (unsigned i = level->first; i < walk->reader->n_places; i++)
		if (walk->reader->places[i].hash == level->next)
			return fail(walk->reader, line, "'%s' is given a second time, after line %u; leave one out", name,
				    walk->reader->places[i].line);
	return keep_place(walk->reader, level->next, line);
}

static const char *const kind_wants[] = {
	[LEAF] = "one value",
	[MAP] = "keys and values, as {key: value}",
	[LIST] = "a list, as [{key: value}]",
};

static enum kind kind_of(const yaml_event_t *event)
{
	return event->type == YAML_SCALAR_EVENT ? LEAF : event->type == YAML_MAPPING_START_EVENT ? MAP : LIST;
}

static int enter(struct walk *walk, const struct mapping *of, bool list, const struct key *key, uint64_t hash)
{
	/* The table is less deep than that: what is not in it has been refused. */
	walk->levels[walk->depth++] = (struct level){
		.of = of, .list = list, .key = list ? key : NULL, .hash = hash, .first = walk->reader->n_places};
	return 0;
}

static int take_value(struct walk *walk, const yaml_event_t *event, unsigned line)
{
	struct level *level = &walk->levels[walk->depth - 1];
	const struct key *key = TAKE_PTR(level->key);

	if (kind_of(event) != key->kind)
		return fail(walk->reader, line, "'%s' takes %s; write it so, or leave the key out", key->name,
			    kind_wants[key->kind]);
	return key->kind == LEAF ? 0 : enter(walk, key->of, key->kind == LIST, key, level->next);
}

static int take_entry(struct walk *walk, const yaml_event_t *event, unsigned line)
{
	struct level *level = &walk->levels[walk->depth - 1];
	char text[16];
	uint64_t hash;
	int r;

	if (kind_of(event) != MAP)
		return fail(walk->reader, line, "an entry of '%s' is %s; write it so", level->key->name, kind_wants[MAP]);
	if (level->entries == level->key->most)
		return fail(walk->reader, line, "more than %u entries in '%s', which is the most; leave some out",
			    level->key->most, level->key->name);
	snprintf(text, sizeof(text), "[%u]", level->entries++);
	hash = hash_on(level->hash, text);
	r = keep_place(walk->reader, hash, line);
	return r < 0 ? r : enter(walk, level->of, false, NULL, hash);
}

static int take_node(struct walk *walk, const yaml_event_t *event, unsigned line)
{
	struct level *level = walk->depth ? &walk->levels[walk->depth - 1] : NULL;

	if (event->type == YAML_SCALAR_EVENT &&
	    strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
		return fail(walk->reader, line, "a NUL byte in a text, which no value has; leave it out");
	if (!level)
		return kind_of(event) == MAP ? enter(walk, &root_map, false, NULL, FNV_BASIS) :
					       fail(walk->reader, line, "a configuration is %s, and this is not; see `serin lint --help`",
						    kind_wants[MAP]);
	if (level->list)
		return take_entry(walk, event, line);
	return level->key ? take_value(walk, event, line) : take_key(walk, event, line);
}

/* Anchors, aliases and tags are ways to write what is longer, or other, than it looks. */
static bool is_plain(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return !event->data.scalar.anchor && !event->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return !event->data.sequence_start.anchor && !event->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return !event->data.mapping_start.anchor && !event->data.mapping_start.tag;
	default:
		return event->type != YAML_ALIAS_EVENT;
	}
}

static int take_event(struct walk *walk, const yaml_event_t *event)
{
	unsigned line = (unsigned)event->start_mark.line + 1;

	if (!is_plain(event))
		return fail(walk->reader, line, "anchors (&), aliases (*) and tags (!) are not taken; write the value out");
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (walk->documents++)
			return fail(walk->reader, line, "a second document begins here, and a file has one; join them");
		return 0;
	case YAML_SCALAR_EVENT:
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return take_node(walk, event, line);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		walk->depth--;
		return 0;
	default:
		return 0;
	}
}

static int complain_about_syntax(const struct reader *reader, const yaml_parser_t *parser)
{
	unsigned line = (unsigned)parser->problem_mark.line + 1;

	if (parser->error == YAML_MEMORY_ERROR) {
		fail(reader, 0, "out of memory");
		return -ENOMEM;
	}
	if (parser->error == YAML_READER_ERROR)
		line = line_at(reader, parser->problem_offset);
	return fail(reader, line, "this is no YAML: %s%s%s; mend it here or just above",
		    parser->context ? parser->context : "", parser->context ? ", " : "",
		    parser->problem ? parser->problem : "it cannot be read");
}

/* Refuses what the table does not have, and notes where everything else is. Answers 1 when there is nothing at all. */
static int walk_events(struct reader *reader)
{
	struct walk walk = {.reader = reader};
	yaml_parser_t parser;
	bool over = false;
	int r = 0;

	reader->places = calloc(PLACES_MAX, sizeof(*reader->places));
	if (!reader->places || !yaml_parser_initialize(&parser)) {
		fail(reader, 0, "out of memory");
		return -ENOMEM;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)reader->text, reader->length);
	while (r == 0 && !over) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			r = complain_about_syntax(reader, &parser);
			break;
		}
		over = event.type == YAML_STREAM_END_EVENT;
		r = take_event(&walk, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return r < 0 ? r : !walk.documents;
}

/* ---- 3. texts ---- */

/* A mapping as libcyaml loads it. A place a key, in the table's order: a text, a mapping or a list of mappings. */
struct raw {
	void *slot[KEYS_MAX];
	uint32_t count[KEYS_MAX];
};

/* The same table in libcyaml's form. */
struct schema {
	const struct mapping *of;
	cyaml_schema_field_t fields[KEYS_MAX + 1];
	cyaml_schema_value_t entry;
};

struct schemas {
	struct schema all[MAPPINGS_MAX];
	unsigned n;
};

static cyaml_schema_value_t mapping_value(enum cyaml_flag flags, const struct schema *schema)
{
	return (cyaml_schema_value_t){
		.type = CYAML_MAPPING, .flags = flags, .data_size = sizeof(struct raw), .mapping.fields = schema->fields};
}

static const struct schema *make_schema(struct schemas *schemas, const struct mapping *of)
{
	static const enum cyaml_flag flags = (enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL);
	struct schema *schema = &schemas->all[schemas->n++];

	schema->of = of;
	for (unsigned i = 0; i < of->n; i++) {
		const struct key *key = &of->keys[i];
		const struct schema *below = key->kind == LEAF ? NULL : make_schema(schemas, key->of);
		cyaml_schema_field_t *field = &schema->fields[i];

		field->key = key->name;
		field->data_offset = (uint32_t)offsetof(struct raw, slot[i]);
		field->count_offset = (uint32_t)offsetof(struct raw, count[i]);
		field->count_size = sizeof(uint32_t);
		if (key->kind == MAP)
			field->value = mapping_value(flags, below);
		else if (key->kind == LIST)
			field->value = (cyaml_schema_value_t){.type = CYAML_SEQUENCE, .flags = flags,
							      .data_size = sizeof(struct raw),
							      .sequence = {.entry = &below->entry, .max = key->most}};
		else
			field->value = (cyaml_schema_value_t){.type = CYAML_STRING, .flags = flags, .data_size = 1,
							      .string = {.max = CONFIG_SIZE_MAX}};
	}
	schema->entry = mapping_value(CYAML_FLAG_DEFAULT, schema);
	return schema;
}

/* The first line that libcyaml logs is what is wrong. */
struct said {
	char text[160];
};

static void listen_to_cyaml(cyaml_log_t level, void *context, const char *format, va_list args)
{
	struct said *said = context;

	(void)level;
	if (!*said->text)
		vsnprintf(said->text, sizeof(said->text), format, args);
	said->text[strcspn(said->text, "\n")] = '\0';
}

/* ---- 4. values ---- */

static void format_wants(const struct key *key, char *ret_text, size_t size)
{
	char min[QUANTITY_TEXT_MAX], max[QUANTITY_TEXT_MAX];
	size_t used;

	if (key->type->format) {
		key->type->format(key->min, min);
		key->type->format(key->max, max);
		snprintf(ret_text, size, "%s%s from %s to %s", key->words ? "off or " : "",
			 key->type->wants, min, max);
		return;
	}
	used = (size_t)snprintf(ret_text, size, "%s", key->type->wants);
	for (unsigned i = 0; key->words && key->words[i] && used < size; i++)
		if (*key->words[i])
			used += (size_t)snprintf(ret_text + used, size - used, " %s%s", key->words[i],
						 key->words[i + 1] ? "," : "");
}

static int take_text(const struct reader *reader, const struct key *key, const char *text, void *object, const char *where)
{
	char wants[160];

	if (key->type->parse(key, text, (char *)object + key->offset) == 0)
		return 0;
	format_wants(key, wants, sizeof(wants));
	return fail(reader, line_of(reader, where), "%s: '%.64s' is not %s; write one", where, text, wants);
}

static int take(const struct reader *reader, const struct mapping *of, const struct raw *raw, void *object,
		const char *where);

/* Behind those that are there already: a gate may have been given by its name. */
static int take_list(const struct reader *reader, const struct key *key, const struct raw *entries, unsigned n,
		     void *object, const char *where)
{
	unsigned *count = (unsigned *)((char *)object + key->count_offset);
	char entry[CONFIG_WHERE_MAX];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++) {
		char *field = (char *)object + key->offset + *count * key->size;

		snprintf(entry, sizeof(entry), "%.100s[%u]", where, i);
		if (*count == key->most)
			return fail(reader, line_of(reader, entry), "more than %u entries in '%s', which is the most; leave some out",
				    key->most, key->name);
		if (key->init)
			key->init(field);
		r = take(reader, key->of, &entries[i], field, entry);
		(*count)++;
	}
	return r;
}

static int take(const struct reader *reader, const struct mapping *of, const struct raw *raw, void *object,
		const char *where)
{
	char path[CONFIG_WHERE_MAX];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < of->n; i++) {
		const struct key *key = &of->keys[i];

		snprintf(path, sizeof(path), "%.80s%s%s", where, *where ? "." : "", key->name);
		if (!raw->slot[i] && key->needed)
			return fail(reader, line_of(reader, where), "%s has no '%s', which it needs; add it", where, key->name);
		if (!raw->slot[i])
			continue;
		if (key->kind == LEAF)
			r = take_text(reader, key, raw->slot[i], object, path);
		else if (key->kind == MAP)
			r = take(reader, key->of, raw->slot[i], (char *)object + key->offset, path);
		else
			r = take_list(reader, key, raw->slot[i], raw->count[i], object, path);
	}
	return r;
}

static int load(const struct reader *reader, struct serin_config *config)
{
	_cleanup_free_ struct schemas *schemas = calloc(1, sizeof(*schemas));
	struct said said = {};
	cyaml_config_t options = {
		.log_fn = listen_to_cyaml,
		.log_ctx = &said,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS,
	};
	cyaml_schema_value_t top;
	struct raw *raw = NULL;
	cyaml_err_t err;
	int r;

	if (!schemas) {
		fail(reader, 0, "out of memory");
		return -ENOMEM;
	}
	top = mapping_value(CYAML_FLAG_POINTER, make_schema(schemas, &root_map));
	err = cyaml_load_data((const uint8_t *)reader->text, reader->length, &options, &top, (cyaml_data_t **)&raw, NULL);
	if (err != CYAML_OK)
		return fail(reader, 0, "it cannot be loaded: %s; write it more simply", *said.text ? said.text :
			    cyaml_strerror(err));
	r = take(reader, &root_map, raw, config, "");
	cyaml_free(&options, &top, raw, 0);
	return r;
}

/* ---- 5. what goes together ---- */

/* Clients dial what stable listens on, where nothing else is said. */
static void default_services(struct serin_config *config)
{
	for (unsigned i = 0; i < config->n_releases; i++) {
		struct serin_release_config *r = &config->releases[i];
		const struct serin_model *stable = config_model(config, r->name, r->stable);

		if (r->service.port || !stable)
			continue;
		if (endpoint_is_any(&r->service))
			r->service = stable->match.endpoint;
		r->service.port = stable->match.endpoint.port;
	}
}

/* Complaints are worded for the command line: what is an option there is a key here. */
static void without_dashes(char *text)
{
	for (char *at = text; (at = strstr(at, " --"));)
		memmove(at + 1, at + 3, strlen(at + 3) + 1);
}

static int check_min_requests(const struct reader *reader, const struct serin_config *config)
{
	for (unsigned i = 0; i < config->n_releases; i++) {
		char analysis[CONFIG_WHERE_MAX], gates[CONFIG_WHERE_MAX];

		snprintf(analysis, sizeof(analysis), "releases[%u].analysis.min_requests", i);
		snprintf(gates, sizeof(gates), "releases[%u].gates.min_requests", i);
		if (line_of_hash(reader, hash_on(FNV_BASIS, analysis)) && line_of_hash(reader, hash_on(FNV_BASIS, gates)))
			return fail(reader, line_of(reader, gates), "min_requests of analysis and of gates are one, and it is given "
								    "twice; leave one out");
	}
	return 0;
}

static int check(const struct reader *reader, const struct serin_config *config)
{
	char why[CONFIG_WHY_MAX], where[CONFIG_WHERE_MAX] = "";
	int r = check_min_requests(reader, config);

	if (r < 0)
		return r;
	if (!config->n_models)
		return fail(reader, 1, "no models, so there is nothing to watch; add models");
	if (config_check_where(config, why, sizeof(why), where) == 0)
		return 0;
	without_dashes(why);
	return fail(reader, line_of(reader, where), "%s", why);
}

int config_read(const char *path, struct serin_config *ret, char ret_why[CONFIG_WHY_MAX])
{
	_cleanup_free_ struct serin_config *config = calloc(1, sizeof(*config));
	struct reader reader = {.path = path, .why = ret_why};
	int r = config ? read_bytes(&reader) : -ENOMEM;

	if (!config)
		snprintf(ret_why, CONFIG_WHY_MAX, "out of memory");
	if (r == 0)
		r = walk_events(&reader);
	if (r >= 0) {
		config_init(config);
		r = r == 0 ? load(&reader, config) : 0;
	}
	if (r == 0) {
		default_services(config);
		r = check(&reader, config);
	}
	if (r == 0)
		*ret = *config;
	free(reader.places);
	free(reader.text);
	return r;
}
