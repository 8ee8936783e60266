/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Addresses of listeners as people write them and as the kernel side keeps them. Pure. */
#ifndef SERIN_ENDPOINT_H
#define SERIN_ENDPOINT_H

#include "serin/model.h"

#define ENDPOINT_TEXT_MAX 64

/* "PORT" (any address), "ADDR:PORT" or "[IPV6]:PORT"; "0.0.0.0" and "[::]" are any address. Literals only: no name is
 * looked up. 0, or -EINVAL for anything else. */
int endpoint_parse(const char *text, struct serin_endpoint *ret);

/* As endpoint_parse() reads it; any address is written as the bare port. */
void endpoint_format(const struct serin_endpoint *endpoint, char ret_text[ENDPOINT_TEXT_MAX]);

/* The address alone, "0.0.0.0" for any. */
void endpoint_format_address(const struct serin_endpoint *endpoint, char ret_text[ENDPOINT_TEXT_MAX]);

bool endpoint_is_any(const struct serin_endpoint *endpoint);

/* Would both claim the same connections? The same port, and the same address or any on either side. */
bool endpoint_overlaps(const struct serin_endpoint *a, const struct serin_endpoint *b);

/* Is `listener` what is watched for as `want`? The same port, and any address wanted or the same. */
bool endpoint_matches(const struct serin_endpoint *want, const struct serin_endpoint *listener);

/* From the kernel's form: an address of `family` in network order. 0.0.0.0 becomes any. */
void endpoint_from_kernel(int family, const void *address, uint16_t port, struct serin_endpoint *ret);

#endif
