/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Quantities as people write them: times, shares, weights, factors. Pure; a point is the decimal point everywhere. */
#ifndef SERIN_QUANTITY_H
#define SERIN_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

#define QUANTITY_TEXT_MAX 32

/* Each returns 0, or -EINVAL for what is not written so; a sign, a space, an exponent and "nan" are not. */

/* "12", "0.5". */
int quantity_number(const char *text, double *ret);

/* "250ms", "60s", "5m", "2h", "30d"; "0". In nanoseconds. */
int quantity_duration(const char *text, double *ret_ns);

/* "1%" or "0.01": a share of one. */
int quantity_share(const char *text, double *ret);

/* "5" or "5%", in hundredths of a percent at the finest: basis points, which are a whole number. */
int quantity_weight(const char *text, double *ret);

/* "1.1x" or "1.1". */
int quantity_factor(const char *text, double *ret);

/* A time in the largest unit that it is a whole number of, as "90s" or "5m"; read again it is the same. */
void quantity_format_duration(uint64_t ns, char ret_text[QUANTITY_TEXT_MAX]);

#endif
