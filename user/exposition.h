/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The text of metrics, sample by sample: OpenMetrics 1.0, and the text format 0.0.4 that came before. Both have the same
 * samples with the same names and labels; heads and ends differ. Pure.
 */
#ifndef SERIN_EXPOSITION_H
#define SERIN_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exposition_format {
	EXPOSITION_TEXT, /* 0.0.4 */
	EXPOSITION_OPENMETRICS,
	EXPOSITION_FORMATS
};

/* What the header Content-Type says of each. */
const char *exposition_content_type(enum exposition_format format);

/* What a caller would have who sent this header Accept; NULL: it sent none. */
enum exposition_format exposition_format_for(const char *accept);

enum exposition_type {
	EXPOSITION_COUNTER,
	EXPOSITION_GAUGE,
	EXPOSITION_INFO,
	EXPOSITION_HISTOGRAM,
	EXPOSITION_TYPES
};

/* Samples of one name. */
struct exposition_family {
	const char *name; /* a counter's without _total, an info's without _info */
	enum exposition_type type;
	const char *unit; /* the name's end; NULL: it has none */
	const char *help; /* without backslash and line's end */
};

/* What its samples' names have behind the family's: of a histogram "", as it has three kinds. */
const char *exposition_suffix(enum exposition_type type);

struct exposition_label {
	const char *name, *value; /* value NULL: it is left out */
};

struct exposition_edge {
	uint64_t ns;
	const char *le; /* in seconds, as it is written */
};

struct exposition_hist {
	const struct exposition_edge *edges;
	unsigned n;
	const uint64_t *at_most; /* values that are not above each edge */
	uint64_t count, sum_ns;	 /* of all */
};

/* A text that grows. Of no concern to others. */
struct exposition {
	char *text;
	size_t length, size;
	bool failed; /* out of memory */
	enum exposition_format format;
	const struct exposition_family *family;
	bool headed; /* its head is written */
};

/* All zero but for the format is the beginning. */
#define EXPOSITION(f) {.format = (f)}

/* What comes next is of this family, which lives longer. Its head comes with the first sample: without one there is none. */
void exposition_family(struct exposition *x, const struct exposition_family *family);

/* One sample, or all of one histogram. What is not finite is not written; nanoseconds are written as seconds, exactly. */
void exposition_count(struct exposition *x, const struct exposition_label *labels, unsigned n, uint64_t count);
void exposition_real(struct exposition *x, const struct exposition_label *labels, unsigned n, double value);
void exposition_time(struct exposition *x, const struct exposition_label *labels, unsigned n, uint64_t ns);
void exposition_hist(struct exposition *x, const struct exposition_label *labels, unsigned n,
		     const struct exposition_hist *hist);

/* The whole text, which is the caller's to free and ends without a NUL. 0, or -ENOMEM with nothing. */
int exposition_end(struct exposition *x, char **ret_text, size_t *ret_length);

#endif
