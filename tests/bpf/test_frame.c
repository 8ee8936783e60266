/* Links: tests/bpf/exchange.c tests/bpf/exchange_samples.c tests/bpf/host.c tests/fuzz/input.c tests/unit/http1_reference.c tests/unit/http1_samples.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The product's reading of a connection, in the kernel and in user space: after every segment the two must have the same
 * connection and the same counts, to the byte, and what is counted must be what the plain parser says.
 *
 *	frame		the test; needs root
 *	frame --bench	what the framing of an exchange costs in the kernel
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "../fuzz/input.h"
#include "../unit/http1_samples.h"
#include "exchange.h"
#include "frame.skel.h"
#include "host.h"

#define CORPUS "tests/fuzz/corpus"
#define MUTATIONS 200000
#define EXCHANGES 30000
#define EXIT_SKIP 77
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct frame_bpf *kernel;
static const struct serin_client_key client_key = {.hash = HOST_CLIENT, .release = HOST_RELEASE};

/* ---- the kernel's side ---- */

/* A frame as BPF_PROG_TEST_RUN wants it. The programs see it from the IP header on. */
struct packet {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t payload[EXCHANGE_SEGMENT_MAX];
} __attribute__((packed));

_Static_assert(offsetof(struct packet, payload) - sizeof(struct ethhdr) == HOST_AT, "both machines see the payload there");

static size_t make_packet(struct packet *ret_packet, const void *payload, size_t len, bool fin)
{
	memset(ret_packet, 0, offsetof(struct packet, payload));
	ret_packet->eth.h_proto = htons(ETH_P_IP);
	ret_packet->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
					.tot_len = htons(sizeof(struct iphdr) + sizeof(struct tcphdr) + len)};
	ret_packet->tcp.doff = sizeof(struct tcphdr) / 4;
	ret_packet->tcp.fin = fin;
	memcpy(ret_packet->payload, payload, len);
	return offsetof(struct packet, payload) + len;
}

static uint32_t run(const struct bpf_program *program, struct packet *packet, size_t len, int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = len, .repeat = repeat);
	int error = bpf_prog_test_run_opts(bpf_program__fd(program), &options);

	if (error || options.retval != 1)
		fail_msg("%s: %s, retval %u", bpf_program__name(program), strerror(-error), options.retval);
	return options.duration;
}

static void reset(void)
{
	memset(&kernel->bss->conn, 0, sizeof(kernel->bss->conn));
	memset(&kernel->bss->tally, 0, sizeof(kernel->bss->tally));
	kernel->bss->conn.service = 1;
	bpf_map_delete_elem(bpf_map__fd(kernel->maps.serin_clients), &client_key);
	host_reset();
}

/* What is counted of the client. Nothing yet: no element. */
static struct serin_client counted_of_client(void)
{
	struct serin_client client = {};

	bpf_map_lookup_elem(bpf_map__fd(kernel->maps.serin_clients), &client_key, &client);
	return client;
}

/* ---- both ---- */

static void print_text(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		print_error(text[i] < ' ' || text[i] > '~' || text[i] == '"' ? "\\x%02x" : "%c", text[i]);
	print_error("\n");
}

static void print_conn(const char *who, const struct serin_conn *conn, const struct serin_tally *tally)
{
	const struct http1 *sides[] = {&conn->in.http, &conn->out.http};
	char said[EXCHANGE_SAY_MAX];

	exchange_say(conn, tally, said);
	print_error("%-6s: mode %u begun %u answered %u counted %u: %s\n", who, conn->mode, conn->begun, conn->answered,
		    conn->counted, said);
	for (size_t i = 0; i < 2; i++)
		print_error("        %s: state %u left %llu length %llu status %u flags %u name %u matched %u\n", i ? "out" : "in",
			    sides[i]->state, (unsigned long long)sides[i]->left, (unsigned long long)sides[i]->length,
			    sides[i]->status, sides[i]->flags, sides[i]->name, sides[i]->matched);
}

/* Fails when the kernel's connection and the one in user space differ in a single byte. */
static void expect_same(const char *name, const struct exchange *exchange, size_t i)
{
	struct serin_client client = counted_of_client();

	if (!memcmp(&kernel->bss->conn, host_conn(), sizeof(*host_conn())) &&
	    !memcmp(&kernel->bss->tally, host_tally(), sizeof(*host_tally())) &&
	    !memcmp(&client, host_client(), sizeof(client)))
		return;
	print_error("%s: after segment %zu of %zu:\n", name, i, exchange->count);
	print_conn("kernel", &kernel->bss->conn, &kernel->bss->tally);
	print_conn("user", host_conn(), host_tally());
	print_error("of the client: %u requests in the kernel, %u in user space\n", client.arm[1].n, host_client()->arm[1].n);
	for (size_t j = 0; j <= i; j++) {
		print_error("  %s ", exchange->segment[j].mark == EXCHANGE_IN ? ">" : "<");
		print_text(exchange->segment[j].bytes, exchange->segment[j].len);
	}
	fail();
}

static size_t segments_run;

/* A segment, through both machines. */
static void feed(const char *name, const struct exchange *exchange, size_t i)
{
	const struct exchange_segment *s = &exchange->segment[i];
	bool is_in = s->mark == EXCHANGE_IN, fin = s->mark == EXCHANGE_CLOSE;
	struct packet packet;
	size_t len = make_packet(&packet, s->bytes, s->len, fin);

	segments_run++;
	kernel->bss->now_ns = 1000 * (i + 1);
	run(is_in ? kernel->progs.frame_in : kernel->progs.frame_out, &packet, len, 1);
	host_segment(is_in ? HOST_IN : HOST_OUT, s->bytes, s->len, fin, 1000 * (i + 1));
	expect_same(name, exchange, i);
}

/* An exchange through both. It is judged, too, if the parser can tell what it should be. */
static void expect_exchange(const char *name, const uint8_t *text, size_t len)
{
	static struct exchange exchange;
	static struct exchange_expected expected;
	bool is_told;

	if (!exchange_parse(text, len, &exchange))
		fail_msg("%s: not an exchange", name);
	is_told = exchange_expect(&exchange, &expected);
	reset();
	for (size_t i = 0; i < exchange.count; i++) {
		const char *difference;

		feed(name, &exchange, i);
		difference = is_told ? exchange_difference(&expected, i, host_conn(), host_tally()) : NULL;
		if (!difference)
			continue;
		print_conn("both", host_conn(), host_tally());
		print_text(text, len);
		fail_msg("%s: %s, after segment %zu", name, difference, i);
	}
}

/* Adds a segment, or several where it is longer than a packet. */
static void add(struct exchange *exchange, enum exchange_mark mark, const uint8_t *bytes, size_t len)
{
	size_t n;

	do {
		n = len < EXCHANGE_SEGMENT_MAX ? len : EXCHANGE_SEGMENT_MAX;
		exchange->segment[exchange->count++] = (struct exchange_segment){.bytes = bytes, .len = n, .mark = mark};
		bytes += n;
		len -= n;
	} while (len);
}

/* One direction, cut as the fuzzer's input says. Before responses go the requests that they answer: HEAD or not. */
static void expect_text(const char *name, const struct http1_text *text, const struct http1_feed *cuts)
{
	static struct exchange exchange;
	static char asked[64 * sizeof("HEAD / HTTP/1.1\r\n\r\n")];
	enum exchange_mark mark = text->side == HTTP1_REQUEST ? EXCHANGE_IN : EXCHANGE_OUT;
	size_t len = 0, at = 0;

	exchange.count = 0;
	for (size_t i = 0; i < 64 && mark == EXCHANGE_OUT; i++)
		len += sprintf(asked + len, "%s / HTTP/1.1\r\n\r\n", text->heads >> i & 1 ? "HEAD" : "GET");
	if (len)
		add(&exchange, EXCHANGE_IN, (uint8_t *)asked, len);
	for (size_t i = 0; i < cuts->count; at = cuts->cuts[i++])
		add(&exchange, mark, text->bytes + at, cuts->cuts[i] - at);
	add(&exchange, mark, text->bytes + at, text->len - at);
	reset();
	for (size_t i = 0; i < exchange.count; i++)
		feed(name, &exchange, i);
}

/* ---- tests ---- */

static void test_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < http1_samples_count; i++) {
		struct buffer bytes;
		struct http1_text text = http1_sample_text(&http1_samples[i], &bytes);

		expect_text(http1_samples[i].name, &text, &(struct http1_feed){0});
		for (size_t cut = 0; cut <= text.len; cut += 1 + text.len / 32)
			expect_text(http1_samples[i].name, &text, &(struct http1_feed){.cuts = &cut, .count = 1});
	}
}

static void test_samples_byte_by_byte(void **state)
{
	static size_t cuts[EXCHANGE_SEGMENTS_MAX / 2];

	(void)state;
	for (size_t i = 0; i < COUNT(cuts); i++)
		cuts[i] = i + 1;
	for (size_t i = 0; i < http1_samples_count; i++) {
		struct buffer bytes;
		struct http1_text text = http1_sample_text(&http1_samples[i], &bytes);
		size_t count = text.len < COUNT(cuts) ? text.len : COUNT(cuts);

		expect_text(http1_samples[i].name, &text, &(struct http1_feed){.cuts = cuts, .count = count});
	}
}

static void test_mutations(void **state)
{
	(void)state;
	for (size_t i = 0; i < MUTATIONS; i++) {
		struct buffer bytes;
		struct http1_text text = http1_random_text(&bytes);
		size_t cuts[2] = {http1_random_below(text.len + 1), http1_random_below(text.len + 1)};

		expect_text("mutation", &text, &(struct http1_feed){.cuts = cuts, .count = cuts[0] <= cuts[1] ? 2 : 1});
	}
}

static void test_exchange_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < exchange_samples_count; i++) {
		const struct exchange_sample *sample = &exchange_samples[i];
		char said[EXCHANGE_SAY_MAX];

		expect_exchange(sample->name, (const uint8_t *)sample->text, sample->len);
		exchange_say(&kernel->bss->conn, &kernel->bss->tally, said);
		if (strcmp(said, sample->counted))
			fail_msg("%s: counted \"%s\", should be \"%s\"", sample->name, said, sample->counted);
	}
}

/* The client's counts are those of the connection. */
static void expect_client(const uint64_t outcome[SERIN_OUTCOMES])
{
	struct serin_client_counts counts = counted_of_client().arm[1];
	uint64_t failed = outcome[SERIN_THROTTLED] + outcome[SERIN_SERVER_ERROR] + outcome[SERIN_SERVER_ABORT];

	assert_int_equal(counts.hit[0], failed);
	assert_int_equal(counts.n, outcome[SERIN_SUCCESS] + outcome[SERIN_CLIENT_ERROR] + failed);
}

static void test_random_exchanges(void **state)
{
	(void)state;
	for (size_t i = 0; i < EXCHANGES; i++) {
		uint8_t text[EXCHANGE_TEXT_MAX];
		uint64_t outcome[SERIN_OUTCOMES];
		size_t len = exchange_random(text, outcome);

		expect_exchange("random exchange", text, len);
		assert_memory_equal(kernel->bss->tally.outcome, outcome, sizeof(outcome));
		expect_client(outcome);
		assert_int_equal(kernel->bss->conn.counted, kernel->bss->conn.begun);
	}
}

static void with_text_input(const char *name, const uint8_t *data, size_t size)
{
	struct input input;

	if (input_parse(data, size, &input))
		expect_text(name, &input.text, &input.feed);
}

static void with_exchange_input(const char *name, const uint8_t *data, size_t size)
{
	static struct exchange exchange;

	if (size <= EXCHANGE_TEXT_MAX && exchange_parse(data, size, &exchange))
		expect_exchange(name, data, size);
}

/* Every file of a folder. Answers how many, 0 if there is no such folder. */
static size_t each_file(const char *folder, void (*use)(const char *, const uint8_t *, size_t))
{
	static uint8_t bytes[2 * HTTP1_TEXT_MAX];
	DIR *directory = opendir(folder);
	struct dirent *entry;
	size_t files = 0;

	if (!directory)
		return 0;
	while ((entry = readdir(directory))) {
		char path[4096];
		size_t size;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		file = fopen(path, "r");
		if (!file)
			fail_msg("%s: %s", path, strerror(errno));
		size = fread(bytes, 1, sizeof(bytes), file);
		fclose(file);
		use(path, bytes, size);
		files++;
	}
	closedir(directory);
	return files;
}

/* The repository's, and what `make fuzz` has found here. */
static void test_corpus_of_texts(void **state)
{
	(void)state;
	assert_true(each_file(CORPUS "/http1", with_text_input));
	print_message("%zu inputs found by the fuzzer\n", each_file(FOUND "/http1", with_text_input));
}

static void test_corpus_of_exchanges(void **state)
{
	(void)state;
	assert_true(each_file(CORPUS "/exchange", with_exchange_input));
	print_message("%zu inputs found by the fuzzer\n", each_file(FOUND "/exchange", with_exchange_input));
}

/* What was not only counted in the connection: losses and times, over everything that was run above. */
static void expect_same_map(const struct bpf_map *map, const void *host, const char *name)
{
	size_t size = bpf_map__value_size(map), cpus = libbpf_num_possible_cpus();
	uint8_t *values = malloc(size * cpus), *sum = calloc(1, size);
	uint64_t seen = 0;

	for (uint32_t key = 0; key < bpf_map__max_entries(map); key++) {
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &key, values), 0);
		memset(sum, 0, size);
		for (size_t i = 0; i < cpus * size / 8; i++) {
			((uint64_t *)sum)[i % (size / 8)] += ((uint64_t *)values)[i];
			seen |= ((uint64_t *)values)[i];
		}
		if (memcmp(sum, (const uint8_t *)host + key * size, size))
			fail_msg("%s: what the two have at %u differs", name, key);
	}
	assert_true(seen);
	free(values);
	free(sum);
}

static void test_losses_and_times(void **state)
{
	(void)state;
	expect_same_map(kernel->maps.serin_losses, host_losses(), "losses");
	expect_same_map(kernel->maps.serin_hists, host_times(), "times");
}

/* ---- bench ---- */

#define BENCH_RUNS 1000000
#define BENCH_TRIES 5

static void set_target(const struct serin_target_info *info)
{
	bpf_map_update_elem(bpf_map__fd(kernel->maps.serin_targets), &(__u32){0}, info, BPF_ANY);
}

/* ns of a run, the quickest of some: anything else is somebody else's time. */
static uint32_t quickest(const struct bpf_program *program, struct packet *packet, size_t len)
{
	uint32_t best = UINT32_MAX;

	for (size_t i = 0; i < BENCH_TRIES; i++) {
		uint32_t ns = run(program, packet, len, BENCH_RUNS);

		best = ns < best ? ns : best;
	}
	return best;
}

static int bench(void)
{
	static const char request[] = "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";
	static const char response[] =
		"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 25 Nov 2025 00:00:00 GMT\r\n"
		"Content-Type: application/octet-stream\r\nContent-Length: 10\r\nConnection: keep-alive\r\n\r\n0123456789";
	char both[sizeof(request) + sizeof(response)];
	uint32_t plain, by_client, nothing;
	struct packet packet;
	size_t len;

	snprintf(both, sizeof(both), "%s%s", request, response);
	len = make_packet(&packet, both, strlen(both), false);
	kernel->bss->bench_at = strlen(request);
	kernel->bss->now_ns = 1000;
	reset();
	nothing = quickest(kernel->progs.bench_nothing, &packet, len);
	set_target(&(struct serin_target_info){.release = SERIN_NONE});
	plain = quickest(kernel->progs.bench_exchange, &packet, len);
	set_target(&host_target);
	by_client = quickest(kernel->progs.bench_exchange, &packet, len);
	if (kernel->bss->tally.outcome[SERIN_SUCCESS] != 2ULL * BENCH_TRIES * BENCH_RUNS ||
	    counted_of_client().arm[1].n != BENCH_TRIES * BENCH_RUNS) {
		fprintf(stderr, "frame: not every exchange was counted\n");
		return 1;
	}
	printf("framing a GET of %zu bytes and nginx's response of %zu: %u ns, %u ns with counts by client; reading only the "
	       "packet's header: %u ns\n", strlen(request), strlen(response), plain, by_client, nothing);
	return 0;
}

/* One CPU, so that what is per CPU is in one place and the bench does not move. */
static void stay_here(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		perror("sched_setaffinity");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_samples_byte_by_byte),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_corpus_of_texts),
		cmocka_unit_test(test_exchange_samples),
		cmocka_unit_test(test_random_exchanges),
		cmocka_unit_test(test_corpus_of_exchanges),
		cmocka_unit_test(test_losses_and_times),
	};
	int result;

	if (geteuid()) {
		printf("SKIP: BPF_PROG_TEST_RUN needs root\n");
		return EXIT_SKIP;
	}
	kernel = frame_bpf__open_and_load();
	if (!kernel) {
		fprintf(stderr, "frame: the kernel does not take the programs: %s\n", strerror(errno));
		return 1;
	}
	stay_here();
	set_target(&host_target);
	result = argc == 2 && !strcmp(argv[1], "--bench") ? bench() : cmocka_run_group_tests_name("frame", tests, NULL, NULL);
	frame_bpf__destroy(kernel);
	if (!result && argc == 1)
		printf("%zu segments\n", segments_run);
	return result;
}
