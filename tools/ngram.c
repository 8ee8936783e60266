// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The model is the sorted list of all n-grams of its text, each packed into 64 bits with the first character on top.
 * How often a context was seen, and what followed it, is then the length of a range found by binary search: no table
 * of counts, and backing off to a shorter context is the same search with a shorter prefix.
 */
#include "ngram.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define ORDER (NGRAM_CONTEXT + 1)
#define SYMBOLS 128
#define EVIDENCE 3	    /* a context seen less often says too little about what follows: back off */
#define BACK_OFF_FACTOR 0.4 /* "stupid back-off" (Brants et al. 2007) */

_Static_assert(ORDER <= 8, "an n-gram is packed into 64 bits");

struct ngram {
	size_t count;
	uint64_t grams[];
};

struct range {
	size_t begin, end;
};

struct symbol {
	char character;
	size_t count;
	double weight;
};

void ngram_normalise(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= SYMBOLS - 1)
			text[i] = '?';
		else if (c < ' ' && c != '\n')
			text[i] = ' ';
	}
}

/* The first `length` characters on top, zero below: also the lower bound of all n-grams that begin so. */
static uint64_t pack(const char *text, size_t length)
{
	uint64_t gram = 0;

	for (size_t i = 0; i < length; i++)
		gram |= (uint64_t)(unsigned char)text[i] << (56 - 8 * i);
	return gram;
}

static char unpack(uint64_t gram, size_t index)
{
	return (char)(gram >> (56 - 8 * index));
}

static int compare_grams(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int ngram_train(const char *text, size_t length, struct ngram **ret)
{
	struct ngram *model;
	size_t count;

	if (length < ORDER)
		return -EINVAL;
	count = length - ORDER + 1;
	model = malloc(sizeof(*model) + count * sizeof(model->grams[0]));
	if (!model)
		return -ENOMEM;

	model->count = count;
	for (size_t i = 0; i < count; i++)
		model->grams[i] = pack(text + i, ORDER);
	qsort(model->grams, count, sizeof(model->grams[0]), compare_grams);
	*ret = model;
	return 0;
}

void ngram_free(struct ngram *model)
{
	free(model);
}

/* The first n-gram within the range that is not below the bound. */
static size_t lower_bound(const struct ngram *model, struct range within, uint64_t bound)
{
	while (within.begin < within.end) {
		size_t middle = within.begin + (within.end - within.begin) / 2;

		if (model->grams[middle] < bound)
			within.begin = middle + 1;
		else
			within.end = middle;
	}
	return within.begin;
}

/* The n-grams within the range that begin with the prefix. Symbols are below 128, so adding one cannot carry over. */
static struct range find_prefix(const struct ngram *model, struct range within, uint64_t prefix, size_t length)
{
	within.begin = lower_bound(model, within, prefix);
	if (length > 0)
		within.end = lower_bound(model, within, prefix + (1ULL << (64 - 8 * length)));
	return within;
}

/* The n-grams that begin with the last `length` characters of the context. */
static struct range find_context(const struct ngram *model, const char *context, size_t length, size_t take)
{
	struct range all = {.end = model->count};

	return find_prefix(model, all, pack(context + length - take, take), take);
}

/* What followed: every distinct character at `index` of the n-grams in the range, with its count. */
static size_t list_symbols(const struct ngram *model, struct range range, size_t index, struct symbol *ret)
{
	size_t n = 0;

	while (range.begin < range.end && n < SYMBOLS) {
		uint64_t prefix = model->grams[range.begin] & ~(UINT64_MAX >> (8 * (index + 1)));
		struct range same = find_prefix(model, range, prefix, index + 1);

		ret[n].character = unpack(prefix, index);
		ret[n].count = same.end - same.begin;
		n++;
		range.begin = same.end;
	}
	return n;
}

static char most_frequent(const struct symbol *symbols, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++) {
		if (symbols[i].count > symbols[best].count)
			best = i;
	}
	return symbols[best].character;
}

/* Weighs each symbol by count^(1/temperature) and draws one. */
static char draw(struct symbol *symbols, size_t n, double temperature, double uniform)
{
	double total = 0.0, mark;

	for (size_t i = 0; i < n; i++) {
		symbols[i].weight = pow((double)symbols[i].count, 1.0 / temperature);
		total += symbols[i].weight;
	}
	mark = uniform * total;
	for (size_t i = 0; i + 1 < n; i++) {
		mark -= symbols[i].weight;
		if (mark < 0.0)
			return symbols[i].character;
	}
	return symbols[n - 1].character;
}

char ngram_next(const struct ngram *model, const char *context, size_t length, double temperature, double uniform)
{
	size_t take = length < NGRAM_CONTEXT ? length : NGRAM_CONTEXT;
	struct symbol symbols[SYMBOLS];
	struct range range;
	size_t n;

	for (;; take--) {
		range = find_context(model, context, length, take);
		if (take == 0 || range.end - range.begin >= EVIDENCE)
			break;
	}
	n = list_symbols(model, range, take, symbols);
	/* Below 0.05 the powers overflow, and the most frequent symbol has all the weight anyway. */
	return temperature < 0.05 ? most_frequent(symbols, n) : draw(symbols, n, temperature, uniform);
}

/*
 * score(next | context) = count(context next) / count(context)      where it was seen,
 *                         factor * score(next | shorter context)    where not;
 * a symbol never seen at all scores as if it had been seen once in SYMBOLS more.
 */
double ngram_log_score(const struct ngram *model, const char *context, size_t length, char next)
{
	size_t take = length < NGRAM_CONTEXT ? length : NGRAM_CONTEXT;
	struct range range, followed;
	double penalty = 0.0;

	for (;; take--) {
		range = find_context(model, context, length, take);
		followed = find_prefix(model, range, pack(context + length - take, take) | pack(&next, 1) >> (8 * take),
				       take + 1);
		if (followed.end > followed.begin)
			return penalty + log((double)(followed.end - followed.begin) / (double)(range.end - range.begin));
		if (take == 0)
			return penalty - log((double)(model->count + SYMBOLS));
		penalty += log(BACK_OFF_FACTOR);
	}
}
