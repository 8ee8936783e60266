// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "load_tally.h"

#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

static const char *const outcome_names[] = {
	[LOAD_SUCCESS] = "success",
	[LOAD_CLIENT_ERROR] = "client_error",
	[LOAD_THROTTLED] = "throttled",
	[LOAD_SERVER_ERROR] = "server_error",
	[LOAD_SERVER_ABORT] = "server_abort",
	[LOAD_CLIENT_ABORT] = "client_abort",
	[LOAD_CONNECT_ERROR] = "connect_error",
	[LOAD_UNKNOWN] = "unknown",
};
_Static_assert(ARRAY_SIZE(outcome_names) == LOAD_OUTCOMES, "every outcome has a name");

static const char *const latency_names[] = {
	[LOAD_CONNECT] = "connect",
	[LOAD_WAIT] = "wait",
	[LOAD_FIRST_BYTE] = "first_byte",
	[LOAD_FIRST_CHUNK] = "first_chunk",
	[LOAD_STREAM_FIRST_CHUNK] = "stream_first_chunk",
	[LOAD_DURATION] = "duration",
	[LOAD_STREAM_DURATION] = "stream_duration",
};
_Static_assert(ARRAY_SIZE(latency_names) == LOAD_LATENCIES, "every latency has a name");

const char *load_outcome_name(enum load_outcome outcome)
{
	return outcome_names[outcome];
}

enum load_outcome load_outcome_of_status(unsigned status)
{
	if (status >= 500)
		return LOAD_SERVER_ERROR;
	if (status == 408 || status == 429)
		return LOAD_THROTTLED;
	return status >= 400 ? LOAD_CLIENT_ERROR : LOAD_SUCCESS;
}

/* Histograms */

#define SUB_BUCKETS (1u << LOAD_HISTOGRAM_SUB_BITS)

/* Below SUB_BUCKETS a bucket holds one value; above, each octave has SUB_BUCKETS of equal width. */
static size_t bucket_of(uint64_t value)
{
	unsigned shift;
	size_t index;

	if (value < SUB_BUCKETS)
		return value;
	shift = 63 - (unsigned)__builtin_clzll(value) - LOAD_HISTOGRAM_SUB_BITS;
	index = ((size_t)shift << LOAD_HISTOGRAM_SUB_BITS) + (value >> shift);
	return index < LOAD_HISTOGRAM_BUCKETS ? index : LOAD_HISTOGRAM_BUCKETS - 1;
}

static double bucket_middle(size_t index)
{
	unsigned shift;

	if (index < SUB_BUCKETS)
		return (double)index;
	shift = (unsigned)(index >> LOAD_HISTOGRAM_SUB_BITS) - 1;
	return ((double)(index - ((size_t)shift << LOAD_HISTOGRAM_SUB_BITS)) + 0.5) * (double)(1ULL << shift);
}

void load_observe(struct load_tally *tally, enum load_latency latency, uint64_t nanoseconds)
{
	struct load_histogram *histogram = &tally->latencies[latency];

	histogram->count++;
	histogram->sum += nanoseconds;
	if (nanoseconds > histogram->max)
		histogram->max = nanoseconds;
	histogram->bucket[bucket_of(nanoseconds)]++;
}

/* In seconds; of a histogram that is not empty. */
static double quantile(const struct load_histogram *histogram, double q)
{
	double rank = q * (double)histogram->count, middle;
	uint64_t below = 0;
	size_t i;

	for (i = 0; i + 1 < LOAD_HISTOGRAM_BUCKETS; i++) {
		below += histogram->bucket[i];
		if (below > 0 && (double)below >= rank)
			break;
	}
	middle = bucket_middle(i);
	return (middle < (double)histogram->max ? middle : (double)histogram->max) * 1e-9;
}

/* Telling */

static json_t *latency_to_json(const struct load_histogram *histogram)
{
	double sum = (double)histogram->sum * 1e-9, max = (double)histogram->max * 1e-9;

	if (histogram->count == 0)
		return json_pack("{s:i, s:f, s:n, s:n, s:n, s:n}", "count", 0, "sum", 0.0, "p50", "p90", "p99", "max");
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "count", (json_int_t)histogram->count, "sum", sum, "p50",
			 quantile(histogram, 0.5), "p90", quantile(histogram, 0.9), "p99", quantile(histogram, 0.99),
			 "max", max);
}

static json_t *latencies_to_json(const struct load_tally *tally)
{
	json_t *object = json_object();

	for (size_t i = 0; i < LOAD_LATENCIES; i++)
		json_object_set_new(object, latency_names[i], latency_to_json(&tally->latencies[i]));
	return object;
}

static json_t *outcomes_to_json(const struct load_tally *tally)
{
	json_t *object = json_object();

	for (size_t i = 0; i < LOAD_OUTCOMES; i++)
		json_object_set_new(object, outcome_names[i], json_integer((json_int_t)tally->outcomes[i]));
	return object;
}

static json_t *statuses_to_json(const struct load_tally *tally)
{
	json_t *object = json_object();
	char status[16];

	for (unsigned i = 0; i < LOAD_STATUS_MAX; i++) {
		if (tally->statuses[i] == 0)
			continue;
		snprintf(status, sizeof(status), "%u", i);
		json_object_set_new(object, status, json_integer((json_int_t)tally->statuses[i]));
	}
	return object;
}

int load_print_json(const struct load_tally *tally)
{
	json_t *object;
	int ret;

	object = json_pack("{s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:{s:I, s:I}, s:{s:I, s:I}, s:o, s:f}",
			   "requests", (json_int_t)tally->requests,
			   "outcomes", outcomes_to_json(tally),
			   "statuses", statuses_to_json(tally),
			   "retried", (json_int_t)tally->retried,
			   "streams", (json_int_t)tally->streams,
			   "late", (json_int_t)tally->late,
			   "unsent", (json_int_t)tally->unsent,
			   "connections", "opened", (json_int_t)tally->opened,
				"closed_idle", (json_int_t)tally->closed_idle,
			   "bytes", "in", (json_int_t)tally->bytes_in, "out", (json_int_t)tally->bytes_out,
			   "latency_seconds", latencies_to_json(tally),
			   "seconds", tally->seconds);
	if (!object)
		return -ENOMEM;
	ret = json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(object);
	if (ret < 0 || putchar('\n') == EOF || fflush(stdout) == EOF)
		return -EIO;
	return 0;
}

static void print_latency(const char *name, const struct load_histogram *histogram)
{
	if (histogram->count == 0)
		return;
	printf("  %-18s %10" PRIu64 " %10.3f %10.3f %10.3f %10.3f\n", name, histogram->count,
	       quantile(histogram, 0.5) * 1e3, quantile(histogram, 0.9) * 1e3, quantile(histogram, 0.99) * 1e3,
	       (double)histogram->max * 1e-6);
}

int load_print_table(const struct load_tally *tally)
{
	printf("%" PRIu64 " requests in %.3f s (%.1f/s), %" PRIu64 " connections, %" PRIu64 " bytes in, %" PRIu64
	       " bytes out\n",
	       tally->requests, tally->seconds, tally->seconds > 0.0 ? (double)tally->requests / tally->seconds : 0.0,
	       tally->opened, tally->bytes_in, tally->bytes_out);
	for (size_t i = 0; i < LOAD_OUTCOMES; i++) {
		if (tally->outcomes[i] > 0)
			printf("  %-18s %10" PRIu64 " %9.3f%%\n", outcome_names[i], tally->outcomes[i],
			       100.0 * (double)tally->outcomes[i] / (double)tally->requests);
	}
	printf("retried %" PRIu64 ", late %" PRIu64 ", unsent %" PRIu64 ", closed by the server while idle %" PRIu64
	       "\n",
	       tally->retried, tally->late, tally->unsent, tally->closed_idle);
	printf("  %-18s %10s %10s %10s %10s %10s\n", "milliseconds", "count", "p50", "p90", "p99", "max");
	for (size_t i = 0; i < LOAD_LATENCIES; i++)
		print_latency(latency_names[i], &tally->latencies[i]);
	return fflush(stdout) == EOF ? -EIO : 0;
}
