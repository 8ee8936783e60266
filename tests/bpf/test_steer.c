/* Links: tests/bpf/node.c tests/bpf/sweeper.c user/steer.c user/loader.c user/match.c user/config.c user/quantity.c user/pins.c user/targets.c user/container.c user/discover.c user/endpoint.c user/system.c user/util.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * user/steer.c and the program it writes for: real connections, and who took them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "node.h"
#include "serin.skel.h"
#include "serin/siphash.h"
#include "util.h"

#define RELEASE 0
#define ALL SERIN_WEIGHT_MAX
#define CLIENTS 200

static struct steer *steer;

static int open_steer(void **state)
{
	struct serin_endpoint service = node_service();
	int r = steer_open(node.loader, RELEASE, &service, &steer);

	(void)state;
	return r < 0 ? r : steer_offer(steer, node.listener[NODE_CANARY]); /* the hold before it let go of it */
}

static int close_steer(void **state)
{
	(void)state;
	steer_close(steer);
	steer = NULL;
	return 0;
}

/* ---- rules ---- */

static struct serin_rule rule(const char *from, unsigned bits, enum serin_role to)
{
	struct serin_rule rule = {.prefix = bits, .to = to};

	if (strchr(from, ':')) {
		assert_int_equal(inet_pton(AF_INET6, from, rule.from.address), 1);
		return rule;
	}
	rule.prefix = 96 + bits;
	rule.from.address[10] = rule.from.address[11] = 0xff;
	assert_int_equal(inet_pton(AF_INET, from, rule.from.address + 12), 1);
	return rule;
}

static uint64_t steered(enum serin_steered kind)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t key = RELEASE * SERIN_STEERED_KINDS + kind;
	uint64_t values[256], sum = 0;

	assert_in_range(cpus, 1, 256);
	assert_int_equal(bpf_map_lookup_elem(loader_maps(node.loader)->steered, &key, values), 0);
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	return sum;
}

#define expect_by(from, who) assert_int_equal(node_asks(from, NODE_SERVICE), who)

/* Who takes it, and as what it is counted. */
#define expect_steered(from, who, kind)                                   \
	do {                                                              \
		uint64_t before_ = steered(kind);                         \
		expect_by(from, who);                                     \
		assert_int_equal(steered(kind), before_ + 1);             \
	} while (0)

#define configure(sticky, ...)                                                                     \
	do {                                                                                       \
		const struct serin_rule rules_[] = {__VA_ARGS__};                                  \
		assert_int_equal(steer_configure(steer, sticky, rules_, ARRAY_SIZE(rules_)), 0);   \
	} while (0)

static void the_longest_prefix_decides(void **state)
{
	(void)state;
	configure(false, rule("127.0.0.0", 8, SERIN_ROLE_STABLE), rule("127.1.0.0", 16, SERIN_ROLE_CANARY),
		  rule("127.1.2.0", 24, SERIN_ROLE_STABLE), rule("127.1.2.3", 32, SERIN_ROLE_CANARY));
	assert_int_equal(steer_weight(steer, 1), 0);
	for (int i = 0; i < 5; i++) {
		expect_steered("127.9.0.1", NODE_STABLE, SERIN_STEERED_RULED_STABLE);
		expect_steered("127.1.9.1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
		expect_steered("127.1.2.9", NODE_STABLE, SERIN_STEERED_RULED_STABLE);
		expect_steered("127.1.2.3", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
	}
	assert_int_equal(steer_weight(steer, ALL), 0);
	expect_steered("127.9.0.1", NODE_STABLE, SERIN_STEERED_RULED_STABLE);
	expect_steered("127.1.9.1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
	expect_steered("fd00::1", NODE_CANARY, SERIN_STEERED_CANARY); /* no rule */
}

static void rules_of_ipv6(void **state)
{
	(void)state;
	configure(false, rule("fd00::", 16, SERIN_ROLE_CANARY), rule("fd00:0:0:7::", 64, SERIN_ROLE_STABLE),
		  rule("fd00:0:0:7::9", 128, SERIN_ROLE_CANARY));
	assert_int_equal(steer_weight(steer, 1), 0);
	for (int i = 0; i < 5; i++) {
		expect_steered("fd00::1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
		expect_steered("fd00:0:0:7::1", NODE_STABLE, SERIN_STEERED_RULED_STABLE);
		expect_steered("fd00:0:0:7::9", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
	}
}

/* Every IPv4 address is below ::ffff:0:0/96, and every address at all below ::/0. */
static void rules_for_everybody(void **state)
{
	(void)state;
	configure(false, rule("0.0.0.0", 0, SERIN_ROLE_CANARY), rule("::", 0, SERIN_ROLE_STABLE));
	assert_int_equal(steer_weight(steer, 5000), 0);
	for (int i = 0; i < 5; i++) {
		expect_steered("127.0.0.1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
		expect_steered("fd00::1", NODE_STABLE, SERIN_STEERED_RULED_STABLE);
	}
}

static void bits_behind_the_prefix_mean_nothing(void **state)
{
	(void)state;
	configure(false, rule("127.5.77.88", 17, SERIN_ROLE_CANARY));
	assert_int_equal(steer_weight(steer, 1), 0);
	expect_steered("127.5.1.1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
	configure(false, rule("127.5.66.99", 17, SERIN_ROLE_CANARY)); /* the same one */
	expect_steered("127.5.1.1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
	assert_int_equal(steer_configure(steer, false, NULL, 0), 0);
	assert_int_equal(steer_weight(steer, ALL), 0);
	expect_steered("127.5.1.1", NODE_CANARY, SERIN_STEERED_CANARY);
}

/* After a rollback nothing goes to the canary, whatever the rules say. */
static void no_rule_to_the_canary_at_weight_0(void **state)
{
	(void)state;
	configure(false, rule("127.1.0.0", 16, SERIN_ROLE_CANARY), rule("127.2.0.0", 16, SERIN_ROLE_STABLE));
	expect_steered("127.1.0.1", NODE_STABLE, SERIN_STEERED_STABLE);
	expect_steered("127.2.0.1", NODE_STABLE, SERIN_STEERED_RULED_STABLE);
	assert_int_equal(steer_weight(steer, 1), 0);
	expect_steered("127.1.0.1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
	assert_int_equal(steer_weight(steer, 0), 0);
	expect_steered("127.1.0.1", NODE_STABLE, SERIN_STEERED_STABLE);
}

static void the_lease_comes_before_the_rules(void **state)
{
	(void)state;
	configure(false, rule("127.1.0.0", 16, SERIN_ROLE_CANARY));
	assert_int_equal(steer_weight(steer, ALL), 0);
	loader_bpf(node.loader)->bss->serin_lease_until_ns = 1;
	expect_steered("127.1.0.1", NODE_STABLE, SERIN_STEERED_EXPIRED);
	steer_renew(node.loader, 3600 * NSEC_PER_SEC);
	expect_steered("127.1.0.1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
}

static void wrong_rules_change_nothing(void **state)
{
	struct serin_rule wrong[] = {rule("127.1.0.0", 16, SERIN_ROLE_STABLE), {.prefix = 129, .to = SERIN_ROLE_CANARY}};

	(void)state;
	configure(false, rule("127.1.0.0", 16, SERIN_ROLE_CANARY));
	assert_int_equal(steer_weight(steer, 1), 0);
	assert_int_equal(steer_configure(steer, true, wrong, 2), -EINVAL);
	wrong[1] = rule("127.2.0.0", 16, SERIN_ROLE_NONE);
	assert_int_equal(steer_configure(steer, true, wrong, 2), -EINVAL);
	expect_by("127.1.0.1", NODE_CANARY);
}

/* Others have taken the room: what was there is there again. */
static void too_many_rules_change_nothing(void **state)
{
	int map = bpf_map__fd(loader_bpf(node.loader)->maps.serin_rules);
	struct serin_rule_key key = {.prefix_bits = 160, .release = RELEASE + 1};
	static struct serin_rule many[100];
	uint32_t role = SERIN_ROLE_CANARY;
	unsigned others = 0;

	(void)state;
	configure(false, rule("127.1.0.0", 16, SERIN_ROLE_CANARY), rule("127.2.0.0", 16, SERIN_ROLE_STABLE));
	assert_int_equal(steer_weight(steer, ALL), 0);
	while (memcpy(key.address, &others, sizeof(others)), bpf_map_update_elem(map, &key, &role, BPF_NOEXIST) == 0)
		others++;
	assert_int_equal(errno, ENOSPC);
	for (unsigned i = 0; i < 50; i++) { /* room for fifty of a hundred and one */
		memcpy(key.address, &i, sizeof(i));
		bpf_map_delete_elem(map, &key);
	}
	many[0] = rule("127.1.0.0", 16, SERIN_ROLE_STABLE);
	for (unsigned i = 1; i < ARRAY_SIZE(many); i++) {
		many[i] = rule("127.3.0.0", 32, SERIN_ROLE_CANARY);
		many[i].from.address[15] = (uint8_t)i;
	}
	assert_int_equal(steer_configure(steer, false, many, ARRAY_SIZE(many)), -ENOSPC);
	expect_steered("127.1.0.1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
	expect_steered("127.2.0.1", NODE_STABLE, SERIN_STEERED_RULED_STABLE);
	expect_steered("127.3.0.1", NODE_CANARY, SERIN_STEERED_CANARY);
	for (unsigned i = 50; i < others; i++) {
		memcpy(key.address, &i, sizeof(i));
		bpf_map_delete_elem(map, &key);
	}
}

static bool replacing;

struct replaced {
	unsigned times;
	int failed;
};

static void *replace_rules(void *context)
{
	struct serin_rule first[] = {rule("127.1.0.0", 16, SERIN_ROLE_CANARY), rule("127.1.2.0", 24, SERIN_ROLE_CANARY)};
	struct serin_rule second[] = {rule("127.7.0.0", 16, SERIN_ROLE_STABLE), rule("127.1.0.0", 16, SERIN_ROLE_CANARY)};

	struct replaced *replaced = context;

	for (unsigned i = 0; __atomic_load_n(&replacing, __ATOMIC_RELAXED); i++) {
		replaced->failed |= steer_configure(steer, i % 4 > 1, i % 2 ? first : second, 2);
		__atomic_fetch_add(&replaced->times, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* What the program would find for that client, as often as this thread can look: connections are too slow. */
static void expect_rule(const uint8_t address[16], uint32_t role)
{
	int map = bpf_map__fd(loader_bpf(node.loader)->maps.serin_rules);
	struct serin_rule_key key = {.prefix_bits = 160, .release = RELEASE};
	uint32_t found = SERIN_ROLE_NONE;

	memcpy(key.address, address, sizeof(key.address));
	bpf_map_lookup_elem(map, &key, &found);
	assert_int_equal(found, role);
}

/* A rule that was there and stays is never missing while others come and go. */
static void a_rule_that_stays_is_never_missing(void **state)
{
	static const uint8_t clients[2][16] = {{[10] = 0xff, 0xff, 127, 1, 2, 3}, {[10] = 0xff, 0xff, 127, 1, 9, 9}};
	struct replaced replaced = {};
	pthread_t thread;

	(void)state;
	configure(false, rule("127.1.0.0", 16, SERIN_ROLE_CANARY));
	assert_int_equal(steer_weight(steer, 1), 0);
	replacing = true;
	assert_int_equal(pthread_create(&thread, NULL, replace_rules, &replaced), 0);
	for (int i = 0; __atomic_load_n(&replaced.times, __ATOMIC_RELAXED) < 500; i++) {
		expect_rule(clients[i % 2], SERIN_ROLE_CANARY);
		if (i % 256 == 0)
			expect_by(i % 512 ? "127.1.2.3" : "127.1.9.9", NODE_CANARY);
	}
	__atomic_store_n(&replacing, false, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(replaced.failed, 0);
}

/* ---- the weight ---- */

static const char *client(unsigned i)
{
	static char text[INET6_ADDRSTRLEN];

	snprintf(text, sizeof(text), i % 2 ? "127.20.%u.1" : "fd00::20:%u", i);
	return text;
}

/* Which clients the canary gets, of so many; answers how many. */
static unsigned on_canary(bool ret_canary[CLIENTS])
{
	unsigned n = 0;

	for (unsigned i = 0; i < CLIENTS; i++)
		n += ret_canary[i] = node_asks(client(i), NODE_SERVICE) == NODE_CANARY;
	return n;
}

static void a_sticky_client_stays(void **state)
{
	(void)state;
	assert_int_equal(steer_configure(steer, true, NULL, 0), 0);
	assert_int_equal(steer_weight(steer, 5000), 0);
	for (unsigned i = 0; i < 40; i++) {
		int by = node_asks(client(i), NODE_SERVICE);

		for (unsigned j = 0; j < 20; j++)
			expect_by(client(i), by);
	}
}

static void sticky_shares_grow_with_the_weight(void **state)
{
	static const uint32_t weights[] = {0, 1000, 2500, 5000, 9000, ALL};
	bool before[CLIENTS] = {}, now[CLIENTS];

	(void)state;
	assert_int_equal(steer_configure(steer, true, NULL, 0), 0);
	for (size_t w = 0; w < ARRAY_SIZE(weights); w++) {
		double share = weights[w] / (double)ALL, deviation = 5 * 0.5 * 14.2; /* five standard deviations of 200 at a half */
		unsigned n;

		assert_int_equal(steer_weight(steer, weights[w]), 0);
		n = on_canary(now);
		if (n < share * CLIENTS - deviation || n > share * CLIENTS + deviation || (share == 0 && n) ||
		    (share == 1 && n != CLIENTS))
			fail_msg("%u of %u clients on the canary at %u basis points", n, CLIENTS, weights[w]);
		for (unsigned i = 0; i < CLIENTS; i++)
			if (before[i] && !now[i])
				fail_msg("%s left the canary when the weight rose to %u", client(i), weights[w]);
		memcpy(before, now, sizeof(before));
	}
}

static void others_are_on_both(void **state)
{
	unsigned canary = 0;

	(void)state;
	assert_int_equal(steer_configure(steer, true, NULL, 0), 0);
	assert_int_equal(steer_configure(steer, false, NULL, 0), 0);
	assert_int_equal(steer_weight(steer, 5000), 0);
	for (unsigned i = 0; i < 100; i++)
		canary += node_asks("127.0.0.1", NODE_SERVICE) == NODE_CANARY;
	assert_in_range(canary, 20, 80);
}

/* ---- what a connection knows ---- */

static void expect_conn(const char *from, const uint8_t address[16], uint32_t weight)
{
	struct node_connection connection = node_connect(from, NODE_SERVICE);
	struct serin_conn conn = node_conn(&connection);

	assert_int_equal(conn.target, connection.by);
	assert_int_equal(conn.service, 1);
	assert_int_equal(conn.place < weight, connection.by == NODE_CANARY);
	assert_int_equal(conn.client, siphash_address(loader_bpf(node.loader)->bss->serin_salt, address));
	assert_in_range(conn.opened_ns, util_now() - 5 * NSEC_PER_SEC, util_now());
	node_disconnect(&connection);
}

/* The place that counts is the one that steered, in both families, on listeners that take both. */
static void a_connection_knows_its_place(void **state)
{
	static const uint8_t v4[16] = {[10] = 0xff, 0xff, 127, 3, 2, 1}, v6[16] = {[0] = 0xfd, [15] = 5};

	(void)state;
	for (int sticky = 0; sticky < 2; sticky++) {
		assert_int_equal(steer_configure(steer, sticky, NULL, 0), 0);
		for (uint32_t weight = 0; weight <= ALL; weight += 1000) {
			assert_int_equal(steer_weight(steer, weight), 0);
			for (int i = 0; i < 20; i++) {
				expect_conn("127.3.2.1", v4, weight);
				expect_conn("fd00::5", v6, weight);
			}
		}
	}
}

static void expect_place(const char *from, uint16_t port, uint32_t place)
{
	struct node_connection connection = node_connect(from, port);

	assert_int_equal(node_conn(&connection).place, place);
	node_disconnect(&connection);
}

static void rules_are_places_too(void **state)
{
	(void)state;
	configure(false, rule("127.1.0.0", 16, SERIN_ROLE_CANARY), rule("fd00::", 16, SERIN_ROLE_STABLE));
	assert_int_equal(steer_weight(steer, 5000), 0);
	expect_place("127.1.0.1", NODE_SERVICE, 0);
	expect_place("fd00::1", NODE_SERVICE, SERIN_WEIGHT_MAX);
	expect_place("127.1.0.1", NODE_CANARY_PORT, SERIN_NONE);
}

/* ---- one agent after another ---- */

static void what_was_left_is_taken_over(void **state)
{
	struct serin_endpoint service = node_service();
	bool before[CLIENTS], after[CLIENTS];

	(void)state;
	configure(true, rule("127.1.0.0", 16, SERIN_ROLE_CANARY));
	assert_int_equal(steer_weight(steer, 3000), 0);
	on_canary(before);
	steer_leave(steer);
	assert_int_equal(node_asks("127.1.0.1", NODE_SERVICE), NODE_CANARY); /* nobody is there, and it goes on */
	assert_int_equal(steer_open(node.loader, RELEASE, &service, &steer), 0);
	assert_int_equal(steer_current_weight(steer), 3000);
	on_canary(after);
	assert_memory_equal(before, after, sizeof(before));
	expect_steered("127.1.0.1", NODE_CANARY, SERIN_STEERED_RULED_CANARY);
	assert_int_equal(steer_weight(steer, ALL), 0);
	assert_int_equal(on_canary(after), CLIENTS);
}

/* What a release steered that had the place before is not this one's. */
static void another_release_counts_from_zero(void **state)
{
	const struct serin_maps *maps = loader_maps(node.loader);
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *counts = calloc((size_t)cpus, sizeof(*counts));
	uint32_t mine = RELEASE * SERIN_STEERED_KINDS + SERIN_STEERED_CANARY, other = mine + SERIN_STEERED_KINDS;

	(void)state;
	assert_non_null(counts);
	counts[0] = 77;
	assert_int_equal(bpf_map_update_elem(maps->steered, &mine, counts, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(maps->steered, &other, counts, BPF_ANY), 0);
	assert_int_equal(steer_forget_counts(node.loader, RELEASE), 0);
	assert_int_equal(bpf_map_lookup_elem(maps->steered, &mine, counts), 0);
	assert_int_equal(counts[0], 0);
	assert_int_equal(bpf_map_lookup_elem(maps->steered, &other, counts), 0);
	assert_int_equal(counts[0], 77);
}

static void another_address_begins_anew(void **state)
{
	struct serin_endpoint elsewhere = {.port = NODE_SERVICE};

	(void)state;
	memcpy(elsewhere.address, (uint8_t[16]){[10] = 0xff, 0xff, 127, 0, 0, 9}, 16);
	assert_int_equal(steer_weight(steer, ALL), 0);
	steer_leave(steer);
	assert_int_equal(steer_open(node.loader, RELEASE, &elsewhere, &steer), 0);
	assert_int_equal(steer_current_weight(steer), 0);
	assert_int_equal(steer_weight(steer, ALL), 0);
	expect_by("127.0.0.1", NODE_STABLE); /* 127.0.0.1 is the service no longer */
}

static void another_port_lets_go_of_the_old_one(void **state)
{
	struct serin_endpoint elsewhere = {.port = 8002};

	(void)state;
	assert_int_equal(steer_weight(steer, ALL), 0);
	expect_by("127.0.0.1", NODE_CANARY);
	steer_leave(steer);
	assert_int_equal(steer_open(node.loader, RELEASE, &elsewhere, &steer), 0);
	expect_by("127.0.0.1", NODE_STABLE);
}

static void the_port_of_another_release_is_refused(void **state)
{
	struct serin_endpoint service = node_service();
	struct steer *other = NULL;

	(void)state;
	assert_int_equal(steer_open(node.loader, RELEASE + 1, &service, &other), -EBUSY);
	assert_null(other);
}

static void what_is_let_go_has_no_rules(void **state)
{
	(void)state;
	configure(false, rule("127.1.0.0", 16, SERIN_ROLE_CANARY));
	close_steer(state);
	assert_int_equal(open_steer(state), 0);
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(loader_bpf(node.loader)->maps.serin_rules), NULL,
					      &(struct serin_rule_key){}), -ENOENT);
	assert_int_equal(steer_weight(steer, 1), 0);
	expect_by("127.1.0.1", NODE_STABLE);
}

#define steering(test) cmocka_unit_test_setup_teardown(test, open_steer, close_steer)

int main(void)
{
	const struct CMUnitTest tests[] = {
		steering(the_longest_prefix_decides),
		steering(rules_of_ipv6),
		steering(rules_for_everybody),
		steering(bits_behind_the_prefix_mean_nothing),
		steering(no_rule_to_the_canary_at_weight_0),
		steering(the_lease_comes_before_the_rules),
		steering(wrong_rules_change_nothing),
		steering(too_many_rules_change_nothing),
		steering(a_rule_that_stays_is_never_missing),
		steering(a_sticky_client_stays),
		steering(sticky_shares_grow_with_the_weight),
		steering(others_are_on_both),
		steering(a_connection_knows_its_place),
		steering(rules_are_places_too),
		steering(what_was_left_is_taken_over),
		steering(another_release_counts_from_zero),
		steering(another_address_begins_anew),
		steering(another_port_lets_go_of_the_old_one),
		steering(the_port_of_another_release_is_refused),
		steering(what_is_let_go_has_no_rules),
	};
	int result = node_start();

	if (!result)
		result = cmocka_run_group_tests_name("steer", tests, NULL, NULL);
	node_stop();
	return result;
}
