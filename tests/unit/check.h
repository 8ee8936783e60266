/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the unit tests share: cmocka after what it wants included first, and comparisons of figures. */
#ifndef SERIN_UNIT_CHECK_H
#define SERIN_UNIT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serin/model.h"

#define SECOND 1000000000ULL

/* Equal to a billionth: what is worked out by hand is exact, its division in floating point is not. */
#define check_near(actual, expected)                                                                       \
	do {                                                                                               \
		double actual_ = (actual), expected_ = (expected), off_ = actual_ - expected_;             \
		double room_ = 1e-9 * (expected_ < 0 ? 1 - expected_ : 1 + expected_);                     \
		if (!(off_ <= room_ && -off_ <= room_))                                                    \
			fail_msg("%s is %.17g, not %.17g", #actual, actual_, expected_);                   \
	} while (0)

#define check_value(value, expected)                                                                       \
	do {                                                                                               \
		struct serin_value value_ = (value);                                                       \
		if (!value_.known)                                                                         \
			fail_msg("%s is absent", #value);                                                  \
		check_near(value_.v, expected);                                                            \
	} while (0)

#define check_absent(value) assert_false((value).known)

#endif
