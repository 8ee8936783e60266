// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Writes the samples as the fuzzers' first inputs: those of one direction, each in as many parts as its turn is, and
 * those of both. */
#include <stdio.h>
#include <stdlib.h>

#include "../bpf/exchange.h"
#include "../unit/http1_samples.h"
#include "input.h"

static void write_file(const char *directory, size_t number, const void *head, size_t head_len, const void *bytes, size_t len)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/sample-%03zu", directory, number);
	file = fopen(path, "w");
	if (!file || fwrite(head, 1, head_len, file) != head_len || fwrite(bytes, 1, len, file) != len || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void write_text(const char *directory, size_t number, const struct http1_text *text)
{
	size_t cuts = number % (INPUT_CUTS_MAX + 1);
	uint8_t head[INPUT_HEAD + INPUT_CUTS_MAX] = {
		(text->side == HTTP1_RESPONSE) | cuts << 2 | number % HTTP1_GARBAGES << 5, text->heads};

	for (size_t i = 0; i < cuts; i++)
		head[INPUT_HEAD + i] = text->len / (cuts + 1);
	write_file(directory, number, head, INPUT_HEAD + cuts, text->bytes, text->len);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: seeds DIRECTORY-OF-HTTP1 DIRECTORY-OF-EXCHANGE\n");
		return 2;
	}
	for (size_t i = 0; i < http1_samples_count; i++) {
		struct buffer bytes;
		struct http1_text text = http1_sample_text(&http1_samples[i], &bytes);

		write_text(argv[1], i, &text);
	}
	for (size_t i = 0; i < exchange_samples_count; i++)
		write_file(argv[2], i, NULL, 0, exchange_samples[i].text, exchange_samples[i].len);
	return 0;
}
