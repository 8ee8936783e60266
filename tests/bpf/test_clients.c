/* Links: tests/bpf/node.c tests/bpf/sweeper.c user/collect.c user/hist.c user/steer.c user/loader.c user/match.c user/config.c user/quantity.c user/pins.c user/targets.c user/container.c user/discover.c user/endpoint.c user/system.c user/util.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the programs count of each client of real connections, and user/collect.c, which takes it out.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "collect.h"
#include "node.h"
#include "serin.skel.h"
#include "serin/siphash.h"
#include "util.h"

#define RELEASE 0
#define REQUEST "GET / HTTP/1.1\r\nHost: chat\r\n\r\n"
#define DRAIN_NS (5 * NSEC_PER_MSEC) /* of 16,384 clients */

static struct steer *steer;
static struct collect_drained sums;

static void set_by_client(bool by_client)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(targets_set_by_client(&node.targets, node.loader, i, by_client), 0);
}

static void set_edges(uint64_t p50, uint64_t p90, uint64_t p99)
{
	const struct targets_edges edges = {.duration_ns = {p50, p90, p99}, .slow_duration_ns = p99};

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(targets_set_edges(&node.targets, node.loader, i, &edges), 0);
}

/* ---- draining ---- */

struct drained {
	unsigned n;
	uint64_t lost, requests;
	struct serin_client_key key;
	struct serin_client client; /* of the last one */
};

static void take(const struct serin_client_key *key, const struct serin_client *client, void *context)
{
	struct drained *drained = context;

	drained->n++;
	drained->key = *key;
	drained->client = *client;
	drained->requests += client->arm[0].n + client->arm[1].n;
}

static struct drained drain(void)
{
	struct drained drained = {};

	assert_int_equal(collect_clients(loader_maps(node.loader), &sums, take, &drained, &drained.lost), 0);
	return drained;
}

static int begin(void **state)
{
	struct serin_endpoint service = node_service();
	int r = steer_open(node.loader, RELEASE, &service, &steer);

	(void)state;
	if (r == 0)
		r = steer_offer(steer, node.listener[NODE_CANARY]);
	set_edges(0, 0, 0);
	set_by_client(true);
	drain();
	return r;
}

static int end(void **state)
{
	(void)state;
	steer_close(steer);
	return 0;
}

/* ---- requests ---- */

static const char *answers[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
	"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
};
enum answer { GOOD, MISSING, THROTTLED, BROKEN };

static void say(int from, int to, const char *text)
{
	char heard[256];

	assert_int_equal(send(from, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	assert_int_equal(recv(to, heard, sizeof(heard), 0), strlen(text));
}

static void ask(const char *from, uint16_t port, enum answer answer)
{
	struct node_connection connection = node_connect(from, port);

	say(connection.client, connection.server, REQUEST);
	say(connection.server, connection.client, answers[answer]);
	node_disconnect(&connection);
}

static void expect_counts(const struct serin_client_counts *counts, uint32_t n, uint32_t failed, uint32_t p50, uint32_t p90,
			  uint32_t p99)
{
	const struct serin_client_counts expected = {n, {failed, p50, p90, p99}};

	if (memcmp(counts, &expected, sizeof(expected)))
		fail_msg("%u requests, hits %u %u %u %u; should be %u, %u %u %u %u", counts->n, counts->hit[0], counts->hit[1],
			 counts->hit[2], counts->hit[3], n, failed, p50, p90, p99);
}

/* ---- what is counted ---- */

static void of_each_version_apart(void **state)
{
	static const uint8_t address[16] = {[10] = 0xff, 0xff, 127, 4, 5, 6};
	struct drained drained;

	(void)state;
	ask("127.4.5.6", NODE_SERVICE, GOOD);
	ask("127.4.5.6", NODE_SERVICE, BROKEN);
	assert_int_equal(steer_weight(steer, SERIN_WEIGHT_MAX), 0);
	ask("127.4.5.6", NODE_SERVICE, GOOD);
	ask("127.4.5.6", NODE_SERVICE, THROTTLED);
	ask("127.4.5.6", NODE_SERVICE, MISSING);
	drained = drain();
	assert_int_equal(drained.n, 1);
	assert_int_equal(drained.lost, 0);
	assert_int_equal(drained.key.release, RELEASE);
	assert_int_equal(drained.key.hash, siphash_address(loader_bpf(node.loader)->bss->serin_salt, address));
	expect_counts(&drained.client.arm[0], 2, 1, 0, 0, 0);
	expect_counts(&drained.client.arm[1], 3, 1, 0, 0, 0);
	assert_int_equal(drain().n, 0);
}

static void nothing_past_the_service(void **state)
{
	(void)state;
	ask("127.0.0.1", NODE_CANARY_PORT, GOOD);
	assert_int_equal(drain().n, 0);
}

static void nothing_while_nothing_is_compared(void **state)
{
	(void)state;
	set_by_client(false);
	ask("127.0.0.1", NODE_SERVICE, BROKEN);
	assert_int_equal(drain().n, 0);
	set_by_client(true);
	ask("127.0.0.1", NODE_SERVICE, BROKEN);
	assert_int_equal(drain().n, 1);
}

static void a_time_above_an_edge(void **state)
{
	struct drained drained;

	(void)state;
	set_edges(1, 0, 3600 * NSEC_PER_SEC);
	ask("127.0.0.1", NODE_SERVICE, GOOD);
	ask("127.0.0.1", NODE_SERVICE, BROKEN);
	drained = drain();
	expect_counts(&drained.client.arm[0], 2, 1, 2, 0, 0);
}

/* A hung version is not invisible: late is failed, and above every edge there is. */
static void a_timeout_is_above_every_edge(void **state)
{
	struct node_connection connection;
	struct drained drained = {};
	uint64_t until = util_now() + 10 * NSEC_PER_SEC;

	(void)state;
	set_edges(1800 * NSEC_PER_SEC, 0, 3600 * NSEC_PER_SEC);
	assert_int_equal(targets_set_deadline(&node.targets, node.loader, NODE_STABLE, 20 * NSEC_PER_MSEC), 0);
	connection = node_connect("127.0.0.1", NODE_SERVICE);
	say(connection.client, connection.server, REQUEST);
	while (!drained.n && util_now() < until) {
		assert_int_equal(loader_sweep(node.loader), 0);
		drained = drain();
	}
	expect_counts(&drained.client.arm[0], 1, 1, 1, 0, 1);
	node_disconnect(&connection);
	assert_int_equal(drain().n, 0);
	assert_int_equal(targets_set_deadline(&node.targets, node.loader, NODE_STABLE, 0), 0);
}

/* Each target has its own deadline, and one that is not set is long. */
static void another_targets_deadline_is_another(void **state)
{
	struct node_connection connection;
	uint64_t since = util_now();

	(void)state;
	assert_int_equal(targets_set_deadline(&node.targets, node.loader, NODE_CANARY, 1), 0);
	connection = node_connect("127.0.0.1", NODE_SERVICE);
	say(connection.client, connection.server, REQUEST);
	while (util_now() - since < 50 * NSEC_PER_MSEC)
		assert_int_equal(loader_sweep(node.loader), 0);
	assert_int_equal(drain().n, 0);
	node_disconnect(&connection);
	assert_int_equal(targets_set_deadline(&node.targets, node.loader, NODE_CANARY, 0), 0);
}

static void what_the_server_breaks_off_is_failed_and_not_slow(void **state)
{
	struct node_connection connection = node_connect("127.0.0.1", NODE_SERVICE);
	struct drained drained;

	(void)state;
	set_edges(1, 1, 1);
	say(connection.client, connection.server, REQUEST);
	close(connection.server);
	recv(connection.client, (char[1]){}, 1, 0);
	close(connection.client);
	drained = drain();
	expect_counts(&drained.client.arm[0], 1, 1, 0, 0, 0);
}

static void what_the_client_breaks_off_is_nobodys(void **state)
{
	struct node_connection connection = node_connect("127.0.0.1", NODE_SERVICE);

	(void)state;
	say(connection.client, connection.server, REQUEST);
	node_disconnect(&connection);
	assert_int_equal(drain().n, 0);
}

static uint64_t slow_of_stable(void)
{
	static struct serin_snapshot snapshot;

	assert_int_equal(collect_snapshot(loader_maps(node.loader), 2, &snapshot), 0);
	return snapshot.tally[NODE_STABLE].slow;
}

/* Which outcomes fail may be changed, and "slow" goes by it: only a success is. */
static void success_is_what_the_user_says(void **state)
{
	bool success[SERIN_OUTCOMES] = {[SERIN_SUCCESS] = true, [SERIN_THROTTLED] = true};
	uint64_t slow;
	struct drained drained;

	(void)state;
	set_edges(0, 0, 1);
	loader_set_success(node.loader, success);
	slow = slow_of_stable();
	ask("127.0.0.1", NODE_SERVICE, MISSING);
	assert_int_equal(slow_of_stable(), slow);
	ask("127.0.0.1", NODE_SERVICE, THROTTLED);
	assert_int_equal(slow_of_stable(), slow + 1);
	drained = drain();
	expect_counts(&drained.client.arm[0], 2, 1, 0, 0, 2);
	success[SERIN_CLIENT_ERROR] = true;
	success[SERIN_THROTTLED] = false;
	loader_set_success(node.loader, success);
	ask("127.0.0.1", NODE_SERVICE, MISSING);
	ask("127.0.0.1", NODE_SERVICE, THROTTLED);
	assert_int_equal(slow_of_stable(), slow + 2);
	drained = drain();
	expect_counts(&drained.client.arm[0], 2, 1, 0, 0, 2);
}

/* ---- how many ---- */

/* More clients than there are places: some of them have to make room, and that is told. */
static void who_made_room_is_counted(void **state)
{
	const unsigned n = SERIN_CLIENTS_MAX + 4000;
	struct drained drained;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		char from[INET_ADDRSTRLEN];

		snprintf(from, sizeof(from), "127.%u.%u.1", 100 + i / 256, i % 256);
		ask(from, NODE_SERVICE, GOOD);
	}
	drained = drain();
	print_message("%u clients drained, %llu had made room\n", drained.n, (unsigned long long)drained.lost);
	assert_in_range(drained.n, SERIN_CLIENTS_MAX / 2, SERIN_CLIENTS_MAX);
	assert_int_equal(drained.n + drained.lost, n);
	assert_int_equal(drained.requests, drained.n);
	ask("127.0.0.1", NODE_SERVICE, GOOD);
	drained = drain();
	assert_int_equal(drained.n, 1);
	assert_int_equal(drained.lost, 0);
}

/* Clients as the programs would put them there. */
static void put(unsigned n)
{
	struct serin_client client = {.arm[1].n = 1};

	for (unsigned i = 0; i < n; i++) {
		struct serin_client_key key = {.hash = util_random_hash(UTIL_RANDOM_GAMMA * (i + 1))};

		assert_int_equal(bpf_map_update_elem(loader_maps(node.loader)->clients, &key, &client, BPF_ANY), 0);
	}
	loader_bpf(node.loader)->bss->serin_clients_added += n;
}

/* Of this thread: the machine may have others. */
static uint64_t cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void many_are_drained_quickly(void **state)
{
	uint64_t best = UINT64_MAX;

	(void)state;
	for (int i = 0; i < 5; i++) { /* the quickest: anything else is somebody else's time */
		struct drained drained;
		uint64_t began, took;

		put(16384);
		began = cpu_time();
		drained = drain();
		took = cpu_time() - began;
		best = took < best ? took : best;
		assert_int_equal(drained.n + drained.lost, 16384);
		assert_int_equal(drained.lost, 0);
	}
	print_message("16384 clients drained in %.2f ms\n", (double)best / 1e6);
	assert_in_range(best, 1, DRAIN_NS);
}

/* An agent that takes over finds what has come meanwhile, and nothing that it could call lost. */
static void what_went_before_is_not_told(void **state)
{
	struct drained drained;

	(void)state;
	put(100);
	loader_bpf(node.loader)->bss->serin_clients_added += 5000;
	sums = (struct collect_drained){};
	drained = drain();
	assert_int_equal(drained.n, 100);
	assert_int_equal(drained.lost, 0);
	put(10);
	drained = drain();
	assert_int_equal(drained.n, 10);
	assert_int_equal(drained.lost, 0);
}

#define counting(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		counting(of_each_version_apart),
		counting(nothing_past_the_service),
		counting(nothing_while_nothing_is_compared),
		counting(a_time_above_an_edge),
		counting(a_timeout_is_above_every_edge),
		counting(another_targets_deadline_is_another),
		counting(what_the_server_breaks_off_is_failed_and_not_slow),
		counting(what_the_client_breaks_off_is_nobodys),
		counting(success_is_what_the_user_says),
		counting(who_made_room_is_counted),
		counting(many_are_drained_quickly),
		counting(what_went_before_is_not_told),
	};
	int result = node_start();

	if (!result)
		result = cmocka_run_group_tests_name("clients", tests, NULL, NULL);
	node_stop();
	return result;
}
