/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Socket addresses as people write them. Literals only: no name is ever looked up.
 */
#ifndef TOOLS_ADDRESS_H
#define TOOLS_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>

#define ADDRESS_TEXT_MAX 64 /* "[", an IPv6 address, "]:65535" and NUL */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The size the kernel wants for this family. */
socklen_t address_length(const union address *address);

/* "PORT" (on 127.0.0.1), "ADDR:PORT" or "[IPV6]:PORT". 0 or -EINVAL. */
int address_parse(const char *text, union address *ret);

/* "ADDR" or "IPV6", without a port; the port is 0. 0 or -EINVAL. */
int address_parse_host(const char *text, union address *ret);

/* The address as address_parse() reads it. */
void address_format(const union address *address, char text[ADDRESS_TEXT_MAX]);

/* The address n above this one: 127.0.0.2 + 3 = 127.0.0.5. Counts in the last 32 bits. */
union address address_plus(const union address *address, uint32_t n);

/* How far `last` lies above `first`, in the last 32 bits; -1 when below or of another family. */
int64_t address_distance(const union address *first, const union address *last);

#endif
