// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Both directions of a connection through the BPF program's code, compiled for user space (tests/bpf/host.h), against
 * what the plain parser says is to be counted. The input is an exchange (tests/bpf/exchange.h).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../bpf/exchange.h"
#include "../bpf/host.h"
#include "input.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct exchange exchange;
	static struct exchange_expected expected;

	if (size > EXCHANGE_TEXT_MAX || !exchange_parse(data, size, &exchange) || !exchange_expect(&exchange, &expected))
		return 0;
	host_reset();
	for (size_t i = 0; i < exchange.count; i++) {
		const struct exchange_segment *s = &exchange.segment[i];
		const char *difference;
		char said[EXCHANGE_SAY_MAX];

		host_segment(s->mark == EXCHANGE_IN ? HOST_IN : HOST_OUT, s->bytes, s->len, s->mark == EXCHANGE_CLOSE,
			     1000 * (i + 1));
		difference = exchange_difference(&expected, i, host_conn(), host_tally());
		if (!difference)
			continue;
		exchange_say(host_conn(), host_tally(), said);
		fprintf(stderr, "exchange: %s, after segment %zu: %s; begun %u, should be %u\n", difference, i, said,
			host_conn()->begun, expected.after[i].begun);
		abort();
	}
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	size_t longer = seed & 1 ? 0 : input_put_word(data, size, max, seed / 2);

	return longer ? longer : LLVMFuzzerMutate(data, size, max);
}
