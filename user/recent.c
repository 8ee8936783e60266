// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "recent.h"

#include "hist.h"

#include <string.h>

struct serin_hist *recent_push(struct recent *recent)
{
	if (recent->n == RECENT_LOOKS)
		recent->first = (recent->first + 1) % RECENT_LOOKS;
	else
		recent->n++;
	return &recent->looks[(recent->first + recent->n - 1) % RECENT_LOOKS];
}

const struct serin_hist *recent_newest(const struct recent *recent)
{
	return &recent->looks[(recent->first + recent->n - 1) % RECENT_LOOKS];
}

void recent_hist(const struct recent *recent, struct serin_hist *ret)
{
	if (recent->n < 2) {
		memset(ret, 0, sizeof(*ret));
		return;
	}
	hist_since(&recent->looks[recent->first], recent_newest(recent), ret);
}
