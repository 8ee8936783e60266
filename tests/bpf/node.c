// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "serin.skel.h"
#include "sweeper.h"

#define WAIT_MS 5000

struct node node = {.listener = {-1, -1}};

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), both = 0, again = 1;

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &again, sizeof(again));
	return bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 64) ? -1 : fd;
}

struct serin_endpoint node_service(void)
{
	return (struct serin_endpoint){.port = NODE_SERVICE};
}

static int add(const char *version, enum serin_role role, const struct serin_endpoint *endpoint, struct steer *steer)
{
	struct serin_model model = {.name = "chat", .match.endpoint = *endpoint};
	int index;

	snprintf(model.version, sizeof(model.version), "%s", version);
	index = targets_add(&node.targets, node.loader, &model, role);
	return index < 0 ? index : targets_steer(&node.targets, (unsigned)index, 0, NODE_SERVICE, steer);
}

/* The kernel is to offer the canary's listener; each test opens its own hold on the service. */
static int publish(void)
{
	struct serin_endpoint stable = node_service(), canary = {.port = NODE_CANARY_PORT};
	struct steer *steer = NULL;
	int r = steer_open(node.loader, 0, &stable, &steer);

	if (r == 0)
		r = add("stable", SERIN_ROLE_STABLE, &stable, NULL);
	if (r == 0)
		r = add("canary", SERIN_ROLE_CANARY, &canary, steer);
	if (r == 0)
		r = targets_publish(&node.targets, node.loader);
	node.targets.steer[NODE_CANARY] = NULL;
	steer_close(steer);
	return r;
}

int node_start(void)
{
	struct serin_paths paths = {};
	char note[LOADER_WHY_MAX], why[LOADER_WHY_MAX] = "";
	bool taken_over;

	if (geteuid()) {
		printf("SKIP: loading BPF programs needs root\n");
		return NODE_EXIT_SKIP;
	}
	snprintf(paths.pins, sizeof(paths.pins), "/sys/fs/bpf/serin@test-%d", getpid());
	if (unshare(CLONE_NEWNET) || system("ip link set lo up && ip -6 route add local fd00::/16 dev lo")) {
		printf("SKIP: no network namespace, or no ip(8)\n");
		return NODE_EXIT_SKIP;
	}
	if (sweeper_start(&paths) < 0 || loader_start(&paths, &node.loader, &taken_over, note, why) < 0 || publish() < 0) {
		printf("the kernel does not take the programs: %s\n", why);
		return 1;
	}
	/* The kernel recognises them as they start, as it does a server's. */
	node.listener[NODE_STABLE] = listen_on(NODE_SERVICE);
	node.listener[NODE_CANARY] = listen_on(NODE_CANARY_PORT);
	steer_renew(node.loader, 3600 * 1000000000ULL);
	return 0;
}

void node_stop(void)
{
	close(node.listener[NODE_STABLE]);
	close(node.listener[NODE_CANARY]);
	loader_stop(node.loader, false);
	targets_free(&node.targets);
}

/* ---- connections ---- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t parse(const char *text, uint16_t port, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (strchr(text, ':')) {
		ret->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
		assert_int_equal(inet_pton(AF_INET6, text, &ret->v6.sin6_addr), 1);
		return sizeof(ret->v6);
	}
	ret->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET, text, &ret->v4.sin_addr), 1);
	return sizeof(ret->v4);
}

static void take(struct node_connection *connection)
{
	struct pollfd listeners[] = {{node.listener[NODE_STABLE], POLLIN, 0}, {node.listener[NODE_CANARY], POLLIN, 0}};

	if (poll(listeners, 2, WAIT_MS) <= 0)
		fail_msg("nobody took the connection");
	connection->by = listeners[NODE_CANARY].revents ? NODE_CANARY : NODE_STABLE;
	connection->server = accept(node.listener[connection->by], NULL, NULL);
	assert_true(connection->server >= 0);
}

struct node_connection node_connect(const char *from, uint16_t port)
{
	struct node_connection connection;
	struct linger at_once = {.l_onoff = 1};
	int any_address = 1; /* all of fd00::/16 is routed here, but no device has it; all of 127.0.0.0/8 is lo's */
	union address source, to;
	socklen_t size = parse(from, 0, &source);

	parse(strchr(from, ':') ? "::1" : "127.0.0.1", port, &to);
	connection.client = socket(source.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(connection.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	setsockopt(connection.client, IPPROTO_IPV6, IPV6_FREEBIND, &any_address, sizeof(any_address));
	if (bind(connection.client, &source.any, size) || connect(connection.client, &to.any, size))
		fail_msg("from %s to port %u: %s", from, port, strerror(errno));
	take(&connection);
	return connection;
}

void node_disconnect(struct node_connection *connection)
{
	close(connection->client);
	close(connection->server);
}

int node_asks(const char *from, uint16_t port)
{
	struct node_connection connection = node_connect(from, port);

	node_disconnect(&connection);
	return connection.by;
}

struct serin_conn node_conn(const struct node_connection *connection)
{
	struct serin_conn conn;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(loader_bpf(node.loader)->maps.serin_conns), &connection->server, &conn), 0);
	return conn;
}
