// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

socklen_t address_length(const union address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

static int parse_port(const char *text, in_port_t *ret)
{
	unsigned long port;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	port = strtoul(text, &end, 10);
	if (*end || port > 65535)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

int address_parse_host(const char *text, union address *ret)
{
	union address address = {};

	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1)
		address.any.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1)
		address.any.sa_family = AF_INET6;
	else
		return -EINVAL;
	*ret = address;
	return 0;
}

/* Splits "ADDR:PORT" at the last colon and takes the brackets off an IPv6 address. */
static int split(const char *text, char host[ADDRESS_TEXT_MAX], const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t length;

	if (!colon) {
		strcpy(host, "127.0.0.1");
		*ret_port = text;
		return 0;
	}
	length = (size_t)(colon - text);
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return -EINVAL; /* IPv6 without brackets: which colon starts the port? */
	}
	if (length >= ADDRESS_TEXT_MAX)
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	*ret_port = colon + 1;
	return 0;
}

int address_parse(const char *text, union address *ret)
{
	char host[ADDRESS_TEXT_MAX];
	union address address;
	const char *port;

	if (split(text, host, &port) < 0 || address_parse_host(host, &address) < 0)
		return -EINVAL;
	/* sin_port and sin6_port lie at the same offset. */
	if (parse_port(port, &address.v4.sin_port) < 0)
		return -EINVAL;
	*ret = address;
	return 0;
}

void address_format(const union address *address, char text[ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
		snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(address->v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
		snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(address->v4.sin_port));
	}
}

/* Where the last 32 bits of the address are, in network order. */
static uint32_t *low_word(union address *address)
{
	return address->any.sa_family == AF_INET6 ? &address->v6.sin6_addr.s6_addr32[3] : &address->v4.sin_addr.s_addr;
}

union address address_plus(const union address *address, uint32_t n)
{
	union address sum = *address;
	uint32_t *low = low_word(&sum);

	*low = htonl(ntohl(*low) + n);
	return sum;
}

int64_t address_distance(const union address *first, const union address *last)
{
	union address a = *first, b = *last;

	if (a.any.sa_family != b.any.sa_family || ntohl(*low_word(&b)) < ntohl(*low_word(&a)))
		return -1;
	return (int64_t)ntohl(*low_word(&b)) - ntohl(*low_word(&a));
}
