// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A bad wire: joins two network devices and loses, doubles, delays and reorders the TCP segments between them, each
 * direction by its own probabilities, or just the nth of a kind. Frames pass with their virtio_net header, so offloaded
 * checksums and super-packets of several segments (GSO) stay what they are: one frame is lost or late as a whole.
 *
 *   wire [--seed N] [--seconds N] A B [A>B|B>A: FAULT...]...
 *
 * FAULT: loss=PCT, dup=PCT, late=PCT (those frames wait `hold`), hold=MS, spoil=PCT (a byte of the payload is another, and
 * the checksum does not say so; super-packets have none and are left alone), drop=KIND:N (the nth, from 1), swap=KIND:N (the
 * nth waits `hold`). KIND: data (carries payload), fin, syn (SYN and SYN-ACK), ack (bare). What is not TCP passes.
 * It says "ready" when both devices are open, and, ended by SIGTERM or its time, what it did, one JSON object.
 */
#define _GNU_SOURCE 1

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX (sizeof(struct virtio_net_hdr) + ETH_HLEN + 1024 * 1024) /* BIG TCP goes beyond 64 KiB */
#define NTH_MAX 8
#define NSEC_PER_MSEC 1000000ULL
#define SOCKET_BUFFER (64 << 20)

enum kind { DATA, FIN, SYN, ACK, KINDS, NOT_TCP = KINDS };
static const char *const kind_names[] = {"data", "fin", "syn", "ack"};
_Static_assert(sizeof(kind_names) / sizeof(*kind_names) == KINDS, "a word for each kind");

struct nth {
	enum kind kind;
	uint64_t n;
	bool swap; /* late instead of lost */
};

/* One direction. */
struct lane {
	int from, to;
	double loss, dup, late, spoil; /* shares of 1 */
	uint64_t hold_ns;
	struct nth nths[NTH_MAX];
	unsigned n_nths;
	uint64_t seen[KINDS];
	uint64_t passed, lost, doubled, delayed, spoiled;
};

struct frame {
	TAILQ_ENTRY(frame) link;
	uint64_t due;
	struct lane *lane;
	size_t length;
	uint8_t bytes[];
};

TAILQ_HEAD(frames, frame);

struct wire {
	struct lane lanes[2];
	struct frames waiting; /* in the order they are due */
	uint8_t *buffer;
	uint64_t random;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "wire: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

/* xorshift64*: the same faults for the same seed and the same frames. */
static bool chance(struct wire *wire, double share)
{
	wire->random ^= wire->random >> 12;
	wire->random ^= wire->random << 25;
	wire->random ^= wire->random >> 27;
	return (double)((wire->random * 0x2545f4914f6cdd1dULL) >> 11) / (double)(1ULL << 53) < share;
}

/* ---- what a frame is ---- */

static enum kind kind_of_tcp(const uint8_t *at, size_t length)
{
	const struct tcphdr *tcp = (const struct tcphdr *)at;

	if (length < sizeof(*tcp))
		return NOT_TCP;
	if (tcp->syn)
		return SYN;
	if (length > (size_t)tcp->doff * 4)
		return DATA;
	return tcp->fin ? FIN : ACK;
}

static enum kind kind_of(const uint8_t *frame, size_t length)
{
	const struct ethhdr *eth = (const struct ethhdr *)frame;
	const uint8_t *at = frame + ETH_HLEN;
	const struct iphdr *ip = (const struct iphdr *)at;

	if (length < ETH_HLEN + sizeof(struct ip6_hdr))
		return NOT_TCP;
	length -= ETH_HLEN;
	if (eth->h_proto == htons(ETH_P_IP) && ip->protocol == IPPROTO_TCP) {
		size_t header = (size_t)ip->ihl * 4, total = ntohs(ip->tot_len);

		if (total && total < length) /* short ones are padded */
			length = total;
		return length > header ? kind_of_tcp(at + header, length - header) : NOT_TCP;
	}
	if (eth->h_proto == htons(ETH_P_IPV6) && ((const struct ip6_hdr *)at)->ip6_nxt == IPPROTO_TCP)
		return kind_of_tcp(at + sizeof(struct ip6_hdr), length - sizeof(struct ip6_hdr));
	return NOT_TCP;
}

/* Its last byte, which is payload where there is any. A checksum that was left to the device is not made up now, so what
 * stands in its place is wrong, as that of a spoiled segment is. */
static void spoil(struct lane *lane, uint8_t *bytes, size_t length)
{
	struct virtio_net_hdr *header = (struct virtio_net_hdr *)bytes;

	if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return;
	header->flags = 0;
	bytes[length - 1] ^= 0x55;
	lane->spoiled++;
}

/* ---- passing frames ---- */

static int transmit(struct lane *lane, const uint8_t *bytes, size_t length)
{
	if (write(lane->to, bytes, length) < 0 && errno != ENOBUFS && errno != EAGAIN)
		return -errno;
	lane->passed++;
	return 0;
}

static int keep(struct wire *wire, struct lane *lane, size_t length)
{
	struct frame *frame = malloc(sizeof(*frame) + length), *before;

	if (!frame)
		return -ENOMEM;
	frame->due = now_ns() + lane->hold_ns;
	frame->lane = lane;
	frame->length = length;
	memcpy(frame->bytes, wire->buffer, length);
	lane->delayed++;
	TAILQ_FOREACH_REVERSE(before, &wire->waiting, frames, link) {
		if (before->due <= frame->due) {
			TAILQ_INSERT_AFTER(&wire->waiting, before, frame, link);
			return 0;
		}
	}
	TAILQ_INSERT_HEAD(&wire->waiting, frame, link);
	return 0;
}

/* The fault that was ordered for exactly this one. */
static const struct nth *ordered(struct lane *lane, enum kind kind)
{
	uint64_t n = ++lane->seen[kind];

	for (unsigned i = 0; i < lane->n_nths; i++)
		if (lane->nths[i].kind == kind && lane->nths[i].n == n)
			return &lane->nths[i];
	return NULL;
}

/* One frame from the lane's device. */
static int pass(struct wire *wire, struct lane *lane)
{
	ssize_t length = read(lane->from, wire->buffer, FRAME_MAX);
	const struct nth *nth;
	enum kind kind;

	if (length < 0)
		return errno == EAGAIN || errno == ENETDOWN ? 0 : -errno;
	if ((size_t)length < sizeof(struct virtio_net_hdr) + ETH_HLEN)
		return 0;
	kind = kind_of(wire->buffer + sizeof(struct virtio_net_hdr), (size_t)length - sizeof(struct virtio_net_hdr));
	if (kind == NOT_TCP)
		return transmit(lane, wire->buffer, (size_t)length);
	nth = ordered(lane, kind);
	if ((nth && !nth->swap) || chance(wire, lane->loss)) {
		lane->lost++;
		return 0;
	}
	if (kind == DATA && chance(wire, lane->spoil))
		spoil(lane, wire->buffer, (size_t)length);
	if (chance(wire, lane->dup)) {
		int r = transmit(lane, wire->buffer, (size_t)length);

		lane->doubled++;
		if (r < 0)
			return r;
	}
	if (nth || chance(wire, lane->late))
		return keep(wire, lane, (size_t)length);
	return transmit(lane, wire->buffer, (size_t)length);
}

static int release_due(struct wire *wire)
{
	struct frame *frame;

	while ((frame = TAILQ_FIRST(&wire->waiting)) && frame->due <= now_ns()) {
		int r = transmit(frame->lane, frame->bytes, frame->length);

		TAILQ_REMOVE(&wire->waiting, frame, link);
		free(frame);
		if (r < 0)
			return r;
	}
	return 0;
}

static int run(struct wire *wire, int signals, uint64_t end)
{
	struct pollfd fds[] = {{.fd = wire->lanes[0].from, .events = POLLIN},
			       {.fd = wire->lanes[1].from, .events = POLLIN},
			       {.fd = signals, .events = POLLIN}};
	uint64_t now;

	while ((now = now_ns()) < end) {
		const struct frame *first = TAILQ_FIRST(&wire->waiting);
		uint64_t until = first && first->due < end ? first->due : end, left = until > now ? until - now : 0;
		struct timespec timeout = {.tv_sec = (time_t)(left / 1000000000ULL),
					   .tv_nsec = (long)(left % 1000000000ULL)};
		int r;

		if (ppoll(fds, 3, &timeout, NULL) < 0)
			return -errno;
		if (fds[2].revents)
			return 0;
		for (int i = 0; i < 2; i++) {
			r = fds[i].revents ? pass(wire, &wire->lanes[i]) : 0;
			if (r < 0)
				return r;
		}
		r = release_due(wire);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- setting up ---- */

static int open_device(const char *name)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd, on = 1, size = SOCKET_BUFFER;
	struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};

	address.sll_ifindex = (int)if_nametoindex(name);
	promiscuous.mr_ifindex = address.sll_ifindex;
	if (!address.sll_ifindex)
		return -errno;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* "data:3" */
static bool parse_nth(struct lane *lane, const char *text, bool swap)
{
	const char *colon = strchr(text, ':');

	if (!colon || lane->n_nths == NTH_MAX)
		return false;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		if (strlen(kind_names[kind]) != (size_t)(colon - text) ||
		    strncmp(kind_names[kind], text, (size_t)(colon - text)) != 0)
			continue;
		lane->nths[lane->n_nths++] = (struct nth){kind, strtoull(colon + 1, NULL, 10), swap};
		return lane->nths[lane->n_nths - 1].n > 0;
	}
	return false;
}

static bool parse_number(const char *text, double scale, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || value < 0)
		return false;
	*ret = value * scale;
	return true;
}

static bool parse_fault(struct lane *lane, const char *text)
{
	const char *value = strchr(text, '=');
	double hold;

	if (!value)
		return false;
	value++;
	if (strncmp(text, "loss=", 5) == 0)
		return parse_number(value, 0.01, &lane->loss);
	if (strncmp(text, "dup=", 4) == 0)
		return parse_number(value, 0.01, &lane->dup);
	if (strncmp(text, "late=", 5) == 0)
		return parse_number(value, 0.01, &lane->late);
	if (strncmp(text, "spoil=", 6) == 0)
		return parse_number(value, 0.01, &lane->spoil);
	if (strncmp(text, "drop=", 5) == 0)
		return parse_nth(lane, value, false);
	if (strncmp(text, "swap=", 5) == 0)
		return parse_nth(lane, value, true);
	if (strncmp(text, "hold=", 5) != 0 || !parse_number(value, (double)NSEC_PER_MSEC, &hold))
		return false;
	lane->hold_ns = (uint64_t)hold;
	return true;
}

struct plan {
	uint64_t seed, seconds;
	const char *devices[2];
};

/* Returns the word that is wrong, or NULL. */
static const char *parse(int argc, char **argv, struct plan *plan, struct wire *wire)
{
	struct lane *lane = NULL;
	int devices = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			plan->seed = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
			plan->seconds = strtoull(argv[++i], NULL, 10);
		else if (devices < 2)
			plan->devices[devices++] = argv[i];
		else if (strcmp(argv[i], "A>B:") == 0)
			lane = &wire->lanes[0];
		else if (strcmp(argv[i], "B>A:") == 0)
			lane = &wire->lanes[1];
		else if (!lane || !parse_fault(lane, argv[i]))
			return argv[i];
	}
	return devices == 2 ? NULL : "two devices are needed";
}

static void tell(const struct wire *wire)
{
	for (int i = 0; i < 2; i++) {
		const struct lane *lane = &wire->lanes[i];

		printf("%s\"%s\": {\"passed\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"doubled\": %" PRIu64
		       ", \"late\": %" PRIu64 ", \"spoiled\": %" PRIu64 ", \"data\": %" PRIu64 "}%s",
		       i ? ", " : "{", i ? "B>A" : "A>B", lane->passed, lane->lost, lane->doubled, lane->delayed,
		       lane->spoiled, lane->seen[DATA], i ? "}\n" : "");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct plan plan = {.seed = 1, .seconds = 60};
	struct wire wire = {.lanes = {{.hold_ns = NSEC_PER_MSEC}, {.hold_ns = NSEC_PER_MSEC}}};
	const char *wrong = parse(argc, argv, &plan, &wire);
	sigset_t signals;
	int r, signal_fd;

	if (wrong)
		return complain("not understood", wrong);
	TAILQ_INIT(&wire.waiting);
	wire.random = plan.seed * 0x9e3779b97f4a7c15ULL | 1;
	wire.buffer = malloc(FRAME_MAX);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (!wire.buffer || signal_fd < 0)
		return complain("cannot start", strerror(errno));
	for (int i = 0; i < 2; i++) {
		r = open_device(plan.devices[i]);
		if (r < 0)
			return complain(plan.devices[i], strerror(-r));
		wire.lanes[i].from = r;
		wire.lanes[!i].to = r;
	}
	puts("ready");
	fflush(stdout);
	r = run(&wire, signal_fd, now_ns() + plan.seconds * 1000000000ULL);
	tell(&wire);
	return r < 0 ? complain("a frame", strerror(-r)) : EXIT_SUCCESS;
}
