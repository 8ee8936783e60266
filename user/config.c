// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config.h"

#include "endpoint.h"
#include "util.h"
#include "window.h"

#include <errno.h>
#include <string.h>

#define INSTANCE_MAX 32

void config_init(struct serin_config *ret)
{
	*ret = (struct serin_config){
		.stable_version = "stable",
		.canary_version = "canary",
		.gates = {.p_min = serin_known(0.95), .d_max = serin_known(5), .min_requests = 50},
		.window_ns = 10 * NSEC_PER_SEC,
		.tick_ns = 250 * NSEC_PER_MSEC,
		.lease_ns = 10 * NSEC_PER_SEC,
		.deadline_ns = 60 * NSEC_PER_SEC,
	};
}

int config_check(const struct serin_config *config, char *ret_why, size_t size)
{
	char text[ENDPOINT_TEXT_MAX];

	endpoint_format(&config->canary, text);
	if (!config->stable.port)
		snprintf(ret_why, size, "no server to watch; give --stable [ADDR:]PORT");
	else if (config->canary.port && endpoint_overlaps(&config->stable, &config->canary))
		snprintf(ret_why, size, "stable and canary both listen on %s; give the canary a port of its own", text);
	else if (config->canary.port && endpoint_overlaps(&config->service, &config->canary))
		snprintf(ret_why, size, "clients would dial the canary itself on %s, whatever its weight; give --service "
					"another port", text);
	else if (!config->canary.port && config->weight)
		snprintf(ret_why, size, "a weight needs a canary; give --canary [ADDR:]PORT");
	else if (config->canary.port && !strcmp(config->stable_version, config->canary_version))
		snprintf(ret_why, size, "both versions are called %s; name them apart", config->stable_version);
	else if (config->window_ns > (WINDOW_SNAPSHOTS - 1) * config->tick_ns)
		snprintf(ret_why, size, "a window holds at most %d ticks; lengthen --tick or shorten --window",
			 WINDOW_SNAPSHOTS - 1);
	else if (config->lease_ns < 2 * config->tick_ns)
		snprintf(ret_why, size, "the lease would run out between two ticks; lengthen --lease or shorten --tick");
	else
		return 0;
	return -EINVAL;
}

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
	return 0;
}
