// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool endpoint_is_any(const struct serin_endpoint *endpoint)
{
	static const uint8_t any[16];

	return !memcmp(endpoint->address, any, sizeof(any));
}

void endpoint_from_kernel(int family, const void *address, uint16_t port, struct serin_endpoint *ret)
{
	static const uint8_t any4[4];
	struct serin_endpoint e = {.port = port};

	if (family == AF_INET6) {
		memcpy(e.address, address, 16);
	} else if (memcmp(address, any4, sizeof(any4))) {
		memcpy(e.address, mapped_prefix, sizeof(mapped_prefix));
		memcpy(e.address + sizeof(mapped_prefix), address, 4);
	}
	*ret = e;
}

static int parse_port(const char *text, uint16_t *ret)
{
	unsigned long port;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	port = strtoul(text, &end, 10);
	if (*end || port == 0 || port > 65535)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* The length of what stands before the port's colon, brackets taken off; *ret_host then points into the text. */
static int split(const char *text, const char *colon, const char **ret_host, size_t *ret_length)
{
	size_t length = (size_t)(colon - text);

	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		*ret_host = text + 1;
		*ret_length = length - 2;
		return 0;
	}
	if (memchr(text, ':', length))
		return -EINVAL; /* IPv6 without brackets: which colon starts the port? */
	*ret_host = text;
	*ret_length = length;
	return 0;
}

int endpoint_parse(const char *text, struct serin_endpoint *ret)
{
	const char *colon = strrchr(text, ':'), *host;
	char buffer[INET6_ADDRSTRLEN] = "";
	struct in6_addr address;
	uint16_t port;
	size_t length;

	if (parse_port(colon ? colon + 1 : text, &port) < 0)
		return -EINVAL;
	if (!colon) {
		*ret = (struct serin_endpoint){.port = port};
		return 0;
	}
	if (split(text, colon, &host, &length) < 0 || length >= sizeof(buffer))
		return -EINVAL;
	memcpy(buffer, host, length);
	if (host == text && inet_pton(AF_INET, buffer, &address) == 1)
		endpoint_from_kernel(AF_INET, &address, port, ret);
	else if (host != text && inet_pton(AF_INET6, buffer, &address) == 1)
		endpoint_from_kernel(AF_INET6, &address, port, ret);
	else
		return -EINVAL;
	return 0;
}

static bool is_mapped(const struct serin_endpoint *endpoint)
{
	return !memcmp(endpoint->address, mapped_prefix, sizeof(mapped_prefix));
}

void endpoint_format_address(const struct serin_endpoint *endpoint, char ret_text[ENDPOINT_TEXT_MAX])
{
	if (endpoint_is_any(endpoint))
		snprintf(ret_text, ENDPOINT_TEXT_MAX, "0.0.0.0");
	else if (is_mapped(endpoint))
		inet_ntop(AF_INET, endpoint->address + sizeof(mapped_prefix), ret_text, ENDPOINT_TEXT_MAX);
	else
		inet_ntop(AF_INET6, endpoint->address, ret_text, ENDPOINT_TEXT_MAX);
}

void endpoint_format(const struct serin_endpoint *endpoint, char ret_text[ENDPOINT_TEXT_MAX])
{
	char address[ENDPOINT_TEXT_MAX];

	endpoint_format_address(endpoint, address);
	if (endpoint_is_any(endpoint))
		snprintf(ret_text, ENDPOINT_TEXT_MAX, "%u", endpoint->port);
	else if (is_mapped(endpoint))
		snprintf(ret_text, ENDPOINT_TEXT_MAX, "%.46s:%u", address, endpoint->port);
	else
		snprintf(ret_text, ENDPOINT_TEXT_MAX, "[%.46s]:%u", address, endpoint->port);
}

bool endpoint_matches(const struct serin_endpoint *want, const struct serin_endpoint *listener)
{
	return want->port == listener->port &&
	       (endpoint_is_any(want) || !memcmp(want->address, listener->address, sizeof(want->address)));
}

bool endpoint_overlaps(const struct serin_endpoint *a, const struct serin_endpoint *b)
{
	return endpoint_matches(a, b) || endpoint_matches(b, a);
}
