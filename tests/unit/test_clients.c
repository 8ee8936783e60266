/* Links: user/clients.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "clients.h"
#include "util.h"

#include <string.h>

#define MANY (8 * CLIENTS_PLACES)

static struct clients clients;

static int empty(void **state)
{
	(void)state;
	memset(&clients, 0, sizeof(clients));
	return 0;
}

/* The i-th client's hash: spread as a hash of its address would be. */
static uint64_t hash_of(uint64_t i)
{
	return util_random_hash(UTIL_RANDOM_GAMMA * (i + 1));
}

/* Marks its block with its own number, and answers whether it was new. */
static bool visit(uint64_t i, uint64_t now_ns)
{
	struct evidence_client *client = clients_get(&clients, hash_of(i), now_ns);
	bool is_new = !client->started_ns;

	if (!is_new && client->started_ns != i + 1)
		fail_msg("client %llu was given the block of client %llu", (unsigned long long)i,
			 (unsigned long long)client->started_ns - 1);
	client->started_ns = i + 1;
	return is_new;
}

static void a_client_finds_its_block_again(void **state)
{
	(void)state;
	assert_true(visit(1, 1));
	assert_true(visit(2, 1));
	assert_false(visit(1, 2));
	assert_false(visit(2, 2));
}

static void a_hash_of_zero_is_a_client_too(void **state)
{
	(void)state;
	clients_get(&clients, 0, 1)->started_ns = 5;
	assert_int_equal(clients_get(&clients, 0, 2)->started_ns, 5);
}

static void so_many_are_remembered_at_once(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 16384; i++)
		assert_true(visit(i, 1 + i));
	for (uint64_t i = 0; i < 16384; i++)
		assert_false(visit(i, 20000 + i));
	assert_int_equal(clients.forgotten, 0);
}

static void many_more_than_places_all_get_one(void **state)
{
	uint64_t again = 0;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++)
		assert_true(visit(i, 1 + i));
	/* Each run forgets its own oldest, so the table is full, and the last half of as many is there nearly as a whole. */
	assert_in_range(clients.forgotten, MANY - CLIENTS_PLACES, MANY - CLIENTS_PLACES + CLIENTS_PLACES / 100);
	for (uint64_t i = MANY - CLIENTS_PLACES / 2; i < MANY; i++)
		again += !visit(i, MANY + i);
	assert_in_range(again, CLIENTS_PLACES / 2 * 99 / 100, CLIENTS_PLACES / 2);
}

/* Whoever asks all the time is not forgotten, however many come by once. */
static void the_quiet_ones_go_first(void **state)
{
	uint64_t now = 1, lost = 0;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		visit(i, now);
	for (uint64_t i = 100; i < MANY; i++) {
		visit(i, ++now);
		if (i % 1000 == 0)
			for (uint64_t j = 0; j < 100; j++)
				lost += visit(j, now);
	}
	assert_int_equal(lost, 0);
}

/* All of one run: the last place of the table is followed by the first. */
static void a_run_goes_round_the_end(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < CLIENTS_RUN; i++)
		clients_get(&clients, (i << 32) + CLIENTS_PLACES - 1, 1 + i)->started_ns = 1 + i;
	for (uint64_t i = 0; i < CLIENTS_RUN; i++)
		assert_int_equal(clients_get(&clients, (i << 32) + CLIENTS_PLACES - 1, 100 + i)->started_ns, 1 + i);
	assert_int_equal(clients_get(&clients, (1ULL << 62) + CLIENTS_PLACES - 1, 200)->started_ns, 0);
	assert_int_equal(clients.forgotten, 1);
	assert_int_equal(clients_get(&clients, CLIENTS_PLACES - 1, 201)->started_ns, 0);   /* it had been quiet for longest */
	assert_int_equal(clients_get(&clients, (2ULL << 32) + CLIENTS_PLACES - 1, 202)->started_ns, 3);
}

static void add_up(struct evidence_client *client, void *context)
{
	*(uint64_t *)context += client->started_ns;
}

static void each_is_visited_once(void **state)
{
	uint64_t sum = 0;

	(void)state;
	clients_each(&clients, add_up, &sum);
	assert_int_equal(sum, 0);
	for (uint64_t i = 0; i < 1000; i++)
		visit(i, 1);
	clients_each(&clients, add_up, &sum);
	assert_int_equal(sum, 1000 * 1001 / 2);
}

#define fresh(test) cmocka_unit_test_setup(test, empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(a_client_finds_its_block_again),
		fresh(a_hash_of_zero_is_a_client_too),
		fresh(so_many_are_remembered_at_once),
		fresh(many_more_than_places_all_get_one),
		fresh(the_quiet_ones_go_first),
		fresh(a_run_goes_round_the_end),
		fresh(each_is_visited_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
