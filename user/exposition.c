// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "exposition.h"

#include "util.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#define FIRST_SIZE (64 << 10)

/* ---- which format ---- */

const char *exposition_content_type(enum exposition_format format)
{
	static const char *const content_types[EXPOSITION_FORMATS] = {
		[EXPOSITION_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
		[EXPOSITION_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
	};

	return content_types[format];
}

/* A word of a header: without the spaces around it. Answers what comes behind it. */
static const char *next_word(const char *text, const char *ends, char *ret_word, size_t size)
{
	size_t length;

	text += strspn(text, " \t");
	length = strcspn(text, ends);
	snprintf(ret_word, size, "%.*s", (int)(length < size ? length : size - 1), text);
	for (size_t i = strlen(ret_word); i && isspace((unsigned char)ret_word[i - 1]);)
		ret_word[--i] = '\0';
	return text + length;
}

/* An element of Accept, "type/subtype;name=value;...": how much it is liked; 0: not at all, or not in a version that is
 * written. */
static const char *next_element(const char *accept, char ret_type[64], double *ret_q)
{
	char word[64];

	accept = next_word(accept, ";,", ret_type, 64);
	*ret_q = 1;
	while (*accept == ';') {
		accept = next_word(accept + 1, ";,", word, sizeof(word));
		if (!strncasecmp(word, "q=", 2))
			*ret_q = fmin(*ret_q, strtod(word + 2, NULL));
		else if (!strncasecmp(word, "version=", 8) && strcmp(word + 8, "1.0.0") && strcmp(word + 8, "0.0.1") &&
			 strcmp(word + 8, "0.0.4"))
			*ret_q = 0;
	}
	return *accept ? accept + 1 : accept;
}

enum exposition_format exposition_format_for(const char *accept)
{
	double open = 0, plain = 0, q;
	char type[64];

	while (accept && *accept) {
		accept = next_element(accept, type, &q);
		if (!strcasecmp(type, "application/openmetrics-text"))
			open = fmax(open, q);
		else if (!strcasecmp(type, "text/plain"))
			plain = fmax(plain, q);
	}
	return open > 0 && open >= plain ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}

/* ---- bytes ---- */

static const struct {
	const char *word, *old_word; /* of the type: OpenMetrics has one for info, the older format has not */
	const char *suffix;
} types[EXPOSITION_TYPES] = {
	[EXPOSITION_COUNTER] = {"counter", "counter", "_total"},
	[EXPOSITION_GAUGE] = {"gauge", "gauge", ""},
	[EXPOSITION_INFO] = {"info", "gauge", "_info"},
	[EXPOSITION_HISTOGRAM] = {"histogram", "histogram", ""},
};

const char *exposition_suffix(enum exposition_type type)
{
	return types[type].suffix;
}

/* Room for so many bytes more. */
static bool reserve(struct exposition *x, size_t n)
{
	size_t size = x->size ? 2 * x->size + n : FIRST_SIZE + n;
	char *more;

	if (x->failed || x->length + n <= x->size)
		return !x->failed;
	more = realloc(x->text, size);
	if (!more) {
		x->failed = true;
		return false;
	}
	x->text = more;
	x->size = size;
	return true;
}

static void put(struct exposition *x, const char *bytes, size_t n)
{
	if (!reserve(x, n))
		return;
	memcpy(x->text + x->length, bytes, n);
	x->length += n;
}

/* Once more what stands there already. */
static void put_again(struct exposition *x, size_t from, size_t n)
{
	if (reserve(x, n))
		put(x, x->text + from, n);
}

static void put_text(struct exposition *x, const char *text)
{
	put(x, text, strlen(text));
}

static void put_texts(struct exposition *x, const char *const *texts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put_text(x, texts[i]);
}

/* `digits` at least, with leading zeros. */
static void put_number(struct exposition *x, uint64_t number, unsigned digits)
{
	char text[24];
	unsigned at = sizeof(text);

	do {
		text[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number || sizeof(text) - at < digits);
	put(x, text + at, sizeof(text) - at);
}

/* In a label's value a backslash, a quote and a line's end are written with a backslash. */
static void put_escaped(struct exposition *x, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			put_text(x, "\\n");
		else if (*text == '\\' || *text == '"')
			put(x, (const char[]){'\\', *text}, 2);
		else
			put(x, text, 1);
	}
}

/* ---- samples ---- */

void exposition_family(struct exposition *x, const struct exposition_family *family)
{
	x->family = family;
	x->headed = false;
}

/* The older format has a family's samples under their own name, and takes no unit. */
static void put_head(struct exposition *x)
{
	const struct exposition_family *f = x->family;
	bool open = x->format == EXPOSITION_OPENMETRICS;
	const char *suffix = open ? "" : types[f->type].suffix;
	const char *word = open ? types[f->type].word : types[f->type].old_word;

	put_texts(x, (const char *const[]){"# HELP ", f->name, suffix, " ", f->help, "\n"}, 6);
	put_texts(x, (const char *const[]){"# TYPE ", f->name, suffix, " ", word, "\n"}, 6);
	if (open && f->unit)
		put_texts(x, (const char *const[]){"# UNIT ", f->name, " ", f->unit, "\n"}, 5);
	x->headed = true;
}

/* A sample's name and labels, the last brace left open. Answers whether there is one. */
static bool put_series(struct exposition *x, const char *suffix, const struct exposition_label *labels, unsigned n)
{
	bool opened = false;

	if (!x->headed)
		put_head(x);
	put_text(x, x->family->name);
	put_text(x, suffix);
	for (unsigned i = 0; i < n; i++) {
		if (!labels[i].value)
			continue;
		put_texts(x, (const char *const[]){opened ? "," : "{", labels[i].name, "=\""}, 3);
		put_escaped(x, labels[i].value);
		put_text(x, "\"");
		opened = true;
	}
	return opened;
}

static void begin(struct exposition *x, const char *suffix, const struct exposition_label *labels, unsigned n)
{
	put_text(x, put_series(x, suffix, labels, n) ? "} " : " ");
}

static void end_count(struct exposition *x, uint64_t count)
{
	put_number(x, count, 1);
	put_text(x, "\n");
}

static void end_time(struct exposition *x, uint64_t ns)
{
	put_number(x, ns / NSEC_PER_SEC, 1);
	put_text(x, ".");
	put_number(x, ns % NSEC_PER_SEC, 9);
	put_text(x, "\n");
}

void exposition_count(struct exposition *x, const struct exposition_label *labels, unsigned n, uint64_t count)
{
	begin(x, types[x->family->type].suffix, labels, n);
	end_count(x, count);
}

void exposition_time(struct exposition *x, const struct exposition_label *labels, unsigned n, uint64_t ns)
{
	begin(x, types[x->family->type].suffix, labels, n);
	end_time(x, ns);
}

void exposition_real(struct exposition *x, const struct exposition_label *labels, unsigned n, double value)
{
	char text[32];

	if (!isfinite(value))
		return;
	begin(x, types[x->family->type].suffix, labels, n);
	snprintf(text, sizeof(text), "%.15g\n", value);
	put_text(x, text);
}

/* Buckets differ in `le` and the count alone: the text before is written once, and copied. */
static void put_buckets(struct exposition *x, const struct exposition_label *labels, unsigned n,
			const struct exposition_hist *hist)
{
	size_t from, length;

	if (!x->headed)
		put_head(x);
	from = x->length;
	put_text(x, put_series(x, "_bucket", labels, n) ? ",le=\"" : "{le=\"");
	length = x->length - from;
	for (unsigned i = 0; i <= hist->n; i++) {
		if (i)
			put_again(x, from, length);
		put_text(x, i < hist->n ? hist->edges[i].le : "+Inf");
		put_text(x, "\"} ");
		end_count(x, i < hist->n ? hist->at_most[i] : hist->count);
	}
}

void exposition_hist(struct exposition *x, const struct exposition_label *labels, unsigned n,
		     const struct exposition_hist *hist)
{
	put_buckets(x, labels, n, hist);
	begin(x, "_sum", labels, n);
	end_time(x, hist->sum_ns);
	begin(x, "_count", labels, n);
	end_count(x, hist->count);
}

int exposition_end(struct exposition *x, char **ret_text, size_t *ret_length)
{
	if (x->format == EXPOSITION_OPENMETRICS)
		put_text(x, "# EOF\n");
	else
		reserve(x, 1); /* no metrics at all are an empty text, not none */
	if (x->failed) {
		free(TAKE_PTR(x->text));
		return -ENOMEM;
	}
	*ret_text = TAKE_PTR(x->text);
	*ret_length = x->length;
	return 0;
}
