// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config.h"

#include "endpoint.h"
#include "util.h"
#include "window.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define INSTANCE_MAX 32

void config_init(struct serin_config *ret)
{
	*ret = (struct serin_config){
		.success = {[SERIN_SUCCESS] = true, [SERIN_CLIENT_ERROR] = true},
		.window_ns = 10 * NSEC_PER_SEC,
		.tick_ns = 250 * NSEC_PER_MSEC,
		.lease_ns = 10 * NSEC_PER_SEC,
		.keep_ns = 30 * 86400 * NSEC_PER_SEC,
		.deadline_ns = 60 * NSEC_PER_SEC,
	};
}

void config_release_init(struct serin_release_config *ret)
{
	*ret = (struct serin_release_config){
		.policy = {
			.gates = {.p_min = serin_known(0.95), .d_max = serin_known(5), .min_requests = 50},
			.automatic = true,
			.external_age_ns = 300 * NSEC_PER_SEC,
			.on_inconclusive = SERIN_INCONCLUSIVE_HOLD,
			.exits_max = 3,
			.absent_ns = 60 * NSEC_PER_SEC,
		},
		.alpha = 0.01,
		.margin = 0.01,
		.latency_margin = 1.1,
		.latency_floor_ns = NSEC_PER_MSEC,
		.evidence = true,
		.deadline_ns = 60 * NSEC_PER_SEC,
		.drain_ns = 30 * NSEC_PER_SEC,
	};
}

/* ---- what goes together, and what does not ---- */

/* The first complaint: where it is written, and about which key. */
struct complaint {
	char *why, *where;
	size_t size;
};

static void at(const struct complaint *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void at(const struct complaint *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->where, CONFIG_WHERE_MAX, format, args);
	va_end(args);
}

static bool say(const struct complaint *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool say(const struct complaint *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->why, c->size, format, args);
	va_end(args);
	return false;
}

bool config_is_port_only(const struct serin_match *match)
{
	return match->endpoint.port && !*match->exe && !*match->cmdline && !*match->cgroup && !*match->env && !match->pid;
}

static bool has_match(const struct serin_match *match)
{
	return match->endpoint.port || !endpoint_is_any(&match->endpoint) || *match->exe || *match->cmdline ||
	       *match->cgroup || *match->env || match->pid;
}

const struct serin_model *config_model(const struct serin_config *config, const char *name, const char *version)
{
	for (unsigned i = 0; i < config->n_models; i++)
		if (!strcmp(config->models[i].name, name) && !strcmp(config->models[i].version, version))
			return &config->models[i];
	return NULL;
}

static bool overlap(const struct serin_endpoint *a, const struct serin_endpoint *b)
{
	return a->port && b->port && endpoint_overlaps(a, b);
}

/* Would both have the same listeners? Where one asks for the port alone, nothing tells the other's from its own. */
static bool is_told_apart(const struct serin_match *a, const struct serin_match *b)
{
	if (!config_is_port_only(a) && !config_is_port_only(b))
		return memcmp(a, b, sizeof(*a)) != 0;
	return !overlap(&a->endpoint, &b->endpoint);
}

/* Two versions of one release are complained about where the release is looked at. */
static bool are_released_together(const struct serin_config *config, const struct serin_model *a,
				  const struct serin_model *b)
{
	for (unsigned i = 0; i < config->n_releases; i++) {
		const struct serin_release_config *r = &config->releases[i];
		const struct serin_model *stable = config_model(config, r->name, r->stable);
		const struct serin_model *canary = config_model(config, r->name, r->canary);

		if ((a == stable && b == canary) || (a == canary && b == stable))
			return true;
	}
	return false;
}

static bool check_pair(const struct serin_config *config, unsigned first, unsigned second, const struct complaint *c)
{
	const struct serin_model *a = &config->models[first], *b = &config->models[second];

	at(c, "models[%u]", second);
	if (!strcmp(a->name, b->name) && !strcmp(a->version, b->version)) {
		for (unsigned i = 0; i < config->n_releases; i++)
			if (!strcmp(config->releases[i].stable, config->releases[i].canary))
				return say(c, "both versions are called %s; name them apart", a->version);
		return say(c, "%s version %s is there twice; name them apart, or leave one out", a->name, a->version);
	}
	if (!are_released_together(config, a, b) && !is_told_apart(&a->match, &b->match))
		return say(c, "%s version %s and %s version %s have the same listeners, and nothing tells whose they are; give "
			      "each a port of its own, or match it by exe, cmdline, cgroup, env or pid", a->name, a->version,
			   b->name, b->version);
	return true;
}

static bool check_models(const struct serin_config *config, const struct complaint *c)
{
	at(c, "models");
	if (!config->n_models)
		return say(c, "no server to watch; give --stable [ADDR:]PORT");
	for (unsigned i = 0; i < config->n_models; i++) {
		const struct serin_model *m = &config->models[i];

		at(c, "models[%u].match", i);
		if (!has_match(&m->match))
			return say(c, "nothing tells %s version %s from others; match it by port, exe, cmdline, cgroup, env or pid",
				   m->name, m->version);
		if (!m->match.endpoint.port && !endpoint_is_any(&m->match.endpoint) && !*m->match.exe && !*m->match.cmdline &&
		    !*m->match.cgroup && !*m->match.env && !m->match.pid)
			return say(c, "an address alone is every server on it; match %s version %s by port, exe, cmdline, cgroup, "
				      "env or pid too", m->name, m->version);
		for (unsigned j = 0; j < i; j++)
			if (!check_pair(config, j, i, c))
				return false;
	}
	return true;
}

/* The versions of a release, as servers. */
static bool check_versions(const struct serin_config *config, unsigned index, const struct complaint *c)
{
	const struct serin_release_config *r = &config->releases[index];
	const struct serin_model *stable = config_model(config, r->name, r->stable);
	const struct serin_model *canary = config_model(config, r->name, r->canary);
	char text[ENDPOINT_TEXT_MAX];

	at(c, "releases[%u].canary", index);
	if (!*r->canary && r->weight)
		return say(c, "a weight needs a canary; give --canary [ADDR:]PORT");
	if (!*r->canary)
		return say(c, "a release needs a canary; give --canary [ADDR:]PORT");
	if (!strcmp(r->stable, r->canary))
		return say(c, "both versions are called %s; name them apart", r->stable);
	if (!canary)
		return say(c, "there is no model %s of version %s; add it to models", r->name, r->canary);
	at(c, "releases[%u].stable", index);
	if (!stable)
		return say(c, "there is no model %s of version %s; add it to models", r->name, r->stable);
	at(c, "releases[%u].canary", index);
	endpoint_format(&canary->match.endpoint, text);
	if (overlap(&stable->match.endpoint, &canary->match.endpoint))
		return say(c, "stable and canary both listen on %s; give the canary a port of its own", text);
	if (!is_told_apart(&stable->match, &canary->match))
		return say(c, "stable and canary match the same processes; match each by what only it has");
	return true;
}

/* A miss, weight 0 and an expired lease all end at whoever owns the service's port: that must not be a canary. */
static bool check_service(const struct serin_config *config, unsigned index, const struct complaint *c)
{
	const struct serin_release_config *r = &config->releases[index];
	char text[ENDPOINT_TEXT_MAX];

	at(c, "releases[%u].service", index);
	if (!r->service.port)
		return say(c, "%s has no port that clients dial, and stable is not matched by one; give --service a port",
			   r->name);
	for (unsigned i = 0; i < config->n_releases; i++) {
		const struct serin_release_config *other = &config->releases[i];
		const struct serin_model *canary = config_model(config, other->name, other->canary);

		if (!canary || !overlap(&r->service, &canary->match.endpoint))
			continue;
		endpoint_format(&canary->match.endpoint, text);
		if (i == index)
			return say(c, "clients would dial the canary itself on %s, whatever its weight; give --service another port",
				   text);
		return say(c, "clients of %s would dial the canary of %s on %s; give --service another port", r->name,
			   other->name, text);
	}
	for (unsigned i = 0; i < index; i++)
		if (config->releases[i].service.port == r->service.port)
			return say(c, "%s and %s have the same service port %u, and a port can be steered by one alone; give one of "
				      "them another", config->releases[i].name, r->name, r->service.port);
	return true;
}

static bool is_named_twice(const struct serin_release_config *r, unsigned index)
{
	for (unsigned i = 0; i < index; i++)
		if (!strcmp(r->policy.external[i].name, r->policy.external[index].name))
			return true;
	return false;
}

static bool check_gates(const struct serin_config *config, unsigned index, const struct complaint *c)
{
	const struct serin_release_config *r = &config->releases[index];
	const struct serin_gates *gates = &r->policy.gates;
	bool any = gates->p_min.known || gates->r_max.known || gates->d_max.known || gates->cpu_ratio_max.known;

	at(c, "releases[%u].gates", index);
	if (any && !gates->min_requests)
		return say(c, "gates without min_requests would judge a canary by no request at all; give at least 1");
	for (unsigned i = 0; i < r->policy.n_external; i++) {
		const struct serin_external_gate *gate = &r->policy.external[i];

		if (is_named_twice(r, i))
			return say(c, "there are two gates on %s; give min and max in one", gate->name);
		if (!gate->min.known && !gate->max.known)
			return say(c, "the gate on %s has no bound; give min, max or both", gate->name);
		if (gate->min.known && gate->max.known && gate->min.v > gate->max.v)
			return say(c, "no %s is both at least %g and at most %g; exchange min and max", gate->name, gate->min.v,
				   gate->max.v);
	}
	return true;
}

static bool check_steps(const struct serin_config *config, unsigned index, const struct complaint *c)
{
	const struct serin_release_config *r = &config->releases[index];
	const struct serin_step *steps = r->policy.steps;

	for (unsigned i = 0; i < r->policy.n_steps; i++) {
		at(c, "releases[%u].steps[%u].weight", index, i);
		if (!steps[i].weight)
			return say(c, "a step of weight 0 gives the canary nothing; begin above 0");
		if (steps[i].weight > SERIN_WEIGHT_MAX)
			return say(c, "a step of more than 100%% cannot be; end at 100");
		if (i && steps[i].weight <= steps[i - 1].weight)
			return say(c, "step %u of %g%% does not rise above %g%%; let weights rise from step to step", i + 1,
				   steps[i].weight / 100.0, steps[i - 1].weight / 100.0);
	}
	at(c, "releases[%u].steps", index);
	if (r->policy.n_steps && r->weight)
		return say(c, "both a weight and steps; steps set the weight themselves: leave --weight out");
	return true;
}

static void masked(const struct serin_rule *rule, struct serin_endpoint *ret)
{
	*ret = rule->from;
	for (unsigned bit = rule->prefix; bit < 128; bit++)
		ret->address[bit / 8] &= (uint8_t)~(0x80u >> bit % 8);
}

static bool check_rules(const struct serin_config *config, unsigned index, const struct complaint *c)
{
	const struct serin_release_config *r = &config->releases[index];

	for (unsigned i = 0; i < r->n_rules; i++) {
		const struct serin_rule *rule = &r->rules[i];
		struct serin_endpoint network;
		char text[ENDPOINT_TEXT_MAX];

		at(c, "releases[%u].rules[%u]", index, i);
		masked(rule, &network);
		if (memcmp(network.address, rule->from.address, sizeof(network.address))) {
			endpoint_format_address(&network, text);
			return say(c, "an address of a network, not the network; write %s and the same prefix", text);
		}
		for (unsigned j = 0; j < i; j++)
			if (r->rules[j].prefix == rule->prefix &&
			    !memcmp(r->rules[j].from.address, rule->from.address, sizeof(rule->from.address)))
				return say(c, "two rules for the same addresses; leave one out");
	}
	return true;
}

static bool check_analysis(const struct serin_config *config, unsigned index, const struct complaint *c)
{
	const struct serin_release_config *r = &config->releases[index];

	at(c, "releases[%u].analysis", index);
	if (!(r->alpha > 0 && r->alpha <= 0.5))
		return say(c, "alpha %g is no share of false rollbacks; give one above 0 and at most 0.5", r->alpha);
	if (!(r->margin > 0 && r->margin < 1))
		return say(c, "success_margin %g is no share of requests; give one above 0 and below 1", r->margin);
	if (!(r->latency_margin >= 1))
		return say(c, "latency_margin %g asks the canary to be faster; give a factor of at least 1", r->latency_margin);
	return true;
}

static bool check_releases(const struct serin_config *config, const struct complaint *c)
{
	static bool (*const all[])(const struct serin_config *config, unsigned index, const struct complaint *c) = {
		check_versions, check_service, check_gates, check_steps, check_rules, check_analysis,
	};

	for (unsigned i = 0; i < config->n_releases; i++) {
		at(c, "releases[%u].name", i);
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(config->releases[i].name, config->releases[j].name))
				return say(c, "two releases of %s: the versions of a model are released one at a time; leave one out",
					   config->releases[i].name);
	}
	for (unsigned i = 0; i < config->n_releases; i++)
		for (size_t j = 0; j < ARRAY_SIZE(all); j++)
			if (!all[j](config, i, c))
				return false;
	return true;
}

static bool check_outcomes(const struct serin_config *config, const struct complaint *c)
{
	at(c, "outcomes");
	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		if (config->success[i])
			return true;
	return say(c, "no outcome counts as a success, so P would be 0 for ever; let `success` be one");
}

static bool check_api(const struct serin_config *config, const struct complaint *c)
{
	const struct serin_api_config *api = &config->api;

	at(c, "api");
	if (!api->listen.port && (*api->token_file || *api->certificate_file || *api->key_file))
		return say(c, "the API on TCP has files, but no port; add listen: 127.0.0.1:9465");
	if (!api->listen.port && api->open_metrics)
		return say(c, "metrics are open on TCP, where the API does not listen; add listen and token_file");
	if (api->listen.port && !*api->token_file)
		return say(c, "the API on TCP would obey anyone; give a token_file that only root can read");
	if (!*api->certificate_file != !*api->key_file)
		return say(c, "TLS needs a certificate and its key; give certificate_file and key_file, or neither");
	return true;
}

static bool check_times(const struct serin_config *config, const struct complaint *c)
{
	at(c, "window");
	if (config->window_ns > (WINDOW_SNAPSHOTS - 1) * config->tick_ns)
		return say(c, "a window holds at most %d ticks; lengthen --tick or shorten --window", WINDOW_SNAPSHOTS - 1);
	at(c, "lease");
	if (config->lease_ns < 2 * config->tick_ns)
		return say(c, "the lease would run out between two ticks; lengthen --lease or shorten --tick");
	return true;
}

int config_check_where(const struct serin_config *config, char *ret_why, size_t size, char ret_where[CONFIG_WHERE_MAX])
{
	static bool (*const all[])(const struct serin_config *config, const struct complaint *c) = {
		check_models, check_releases, check_outcomes, check_api, check_times,
	};
	char where[CONFIG_WHERE_MAX] = "";
	const struct complaint c = {.why = ret_why, .where = where, .size = size};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i](config, &c))
			continue;
		memcpy(ret_where, where, sizeof(where));
		return -EINVAL;
	}
	return 0;
}

int config_check(const struct serin_config *config, char *ret_why, size_t size)
{
	char where[CONFIG_WHERE_MAX];

	return config_check_where(config, ret_why, size, where);
}

/* ---- names and paths ---- */

static bool is_instance_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool is_name_char(char c)
{
	return is_instance_char(c) || (c && strchr(".:@+", c));
}

bool config_is_name(const char *text)
{
	size_t length = strlen(text);

	for (const char *c = text; *c; c++)
		if (!is_name_char(*c))
			return false;
	return length > 0 && length < SERIN_NAME_MAX;
}

void config_to_name(char *text)
{
	for (; *text; text++)
		if (!is_name_char(*text))
			*text = '_';
}

int config_paths(const char *instance, struct serin_paths *ret)
{
	char suffix[INSTANCE_MAX + 2] = "";

	if (instance && *instance) {
		if (strlen(instance) > INSTANCE_MAX)
			return -EINVAL;
		for (const char *c = instance; *c; c++)
			if (!is_instance_char(*c))
				return -EINVAL;
		snprintf(suffix, sizeof(suffix), "@%s", instance);
	}
	snprintf(ret->pins, sizeof(ret->pins), "/sys/fs/bpf/serin%s", suffix);
	snprintf(ret->run, sizeof(ret->run), "/run/serin%s", suffix);
	snprintf(ret->socket, sizeof(ret->socket), "/run/serin%s/api.sock", suffix);
	snprintf(ret->lock, sizeof(ret->lock), "/run/serin%s/lock", suffix);
	snprintf(ret->store, sizeof(ret->store), "/var/lib/serin/serin%s.db", suffix);
	return 0;
}
