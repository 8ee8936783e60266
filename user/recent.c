// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "recent.h"

#include "hist.h"

#include <string.h>

static unsigned newest(const struct recent *recent)
{
	return (recent->first + recent->n - 1) % RECENT_LOOKS;
}

struct serin_hist *recent_push(struct recent *recent, uint64_t now_ns)
{
	if (recent->n == RECENT_LOOKS)
		recent->first = (recent->first + 1) % RECENT_LOOKS;
	else
		recent->n++;
	recent->at_ns[newest(recent)] = now_ns;
	return &recent->looks[newest(recent)];
}

const struct serin_hist *recent_newest(const struct recent *recent)
{
	return &recent->looks[newest(recent)];
}

void recent_hist(const struct recent *recent, struct serin_hist *ret)
{
	if (recent->n < 2) {
		memset(ret, 0, sizeof(*ret));
		return;
	}
	hist_since(&recent->looks[recent->first], recent_newest(recent), ret);
}

double recent_seconds(const struct recent *recent)
{
	return recent->n < 2 ? 0 : (double)(recent->at_ns[newest(recent)] - recent->at_ns[recent->first]) / 1e9;
}
