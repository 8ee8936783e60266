/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the BPF programs and user space share. It is the only header both sides include, so every struct here is
 * fixed-width, explicitly padded, and its size is asserted. Times are nanoseconds of CLOCK_MONOTONIC.
 *
 * Addresses are 16 bytes in network order: IPv6 as it is, IPv4 as ::ffff:a.b.c.d, any address as all zero.
 * Ports are in host order.
 */
#ifndef SERIN_ABI_H
#define SERIN_ABI_H

#include <linux/types.h>
#include <stddef.h>

#include "http1.h"

/* Raised whenever a struct below changes: an agent never reads pins of another layout. */
#define SERIN_LAYOUT 4

#define SERIN_TARGETS_MAX 16  /* a target is one version of one model */
#define SERIN_RELEASES_MAX 8
#define SERIN_SLOTS 16	      /* listeners a canary may have: a reuseport group, or IPv4 beside IPv6 */
#define SERIN_CLIENTS_MAX 32768 /* between two ticks, of all releases */
#define SERIN_RULES_MAX 1024  /* of all releases */
#define SERIN_STATE_MAX 16384 /* bytes that an agent leaves for the next one, a release */
#define SERIN_NAME_MAX 64
#define SERIN_WEIGHT_MAX 10000 /* basis points */
#define SERIN_NONE 0xffffffffu

/* DESIGN: the outcome of a request. The words are in serin_outcome_name(). */
enum serin_outcome {
	SERIN_SUCCESS,
	SERIN_CLIENT_ERROR,
	SERIN_THROTTLED,
	SERIN_SERVER_ERROR,
	SERIN_SERVER_ABORT,
	SERIN_TIMEOUT,
	SERIN_CLIENT_ABORT,
	SERIN_UNKNOWN,
	SERIN_OUTCOMES
};

/* What a connection speaks, by its first bytes. HTTP/1 is framed; the others are told by turns until they have a framing of
 * their own. The words are in serin_protocol_name(). */
enum serin_protocol {
	SERIN_PROTOCOL_UNSEEN, /* no byte of the client's yet, or too few to say */
	SERIN_HTTP1,
	SERIN_HTTP2, /* by its preface; gRPC too */
	SERIN_TLS,
	SERIN_OTHER,
	SERIN_UPGRADED, /* of HTTP/1, what another protocol took over: 101 */
	SERIN_PROTOCOLS
};

/* Histograms, per target. Each is in nanoseconds. */
enum serin_latency {
	SERIN_PICKUP,		  /* start -> first read by the server; from Linux 6.3 on */
	SERIN_FIRST_BYTE,	  /* start -> first byte of the final response's status line */
	SERIN_FIRST_CHUNK,	  /* start -> first body byte, any response that has a body */
	SERIN_STREAM_FIRST_CHUNK, /* the same, streaming responses only */
	SERIN_GAP,		  /* one body-carrying send -> the next, while streaming */
	SERIN_DURATION,		  /* start -> last byte of a response that does not stream */
	SERIN_STREAM_DURATION,	  /* start -> last byte of one that does */
	SERIN_TURN,		  /* opaque protocols: first client byte of a turn -> first server byte */
	SERIN_RUN_QUEUE,	  /* runnable -> running, any thread of the target */
	SERIN_LATENCIES,
	/*
	 * A response that does not stream and was sent at once has one time, which is its first byte's, its first chunk's
	 * and its duration. Most responses are so: one histogram is filled for them instead of three, and whoever reads
	 * adds it to the three.
	 */
	SERIN_AT_ONCE = SERIN_LATENCIES,
	SERIN_AT_ONCE_BODILESS, /* the same without a body: first byte and duration */
	SERIN_HISTS
};

/* What could not be counted. Each is itself counted, and shown as `losses`. */
enum serin_loss {
	SERIN_LOSS_GAP,		    /* the server's TCP has bytes outside a body that were not seen in order */
	SERIN_LOSS_CONTENDED,	    /* two CPUs held segments of one connection for too long */
	SERIN_LOSS_PIPELINE,	    /* more requests in flight on a connection than the ring of start times holds */
	SERIN_LOSS_AFTER_CLOSE,	    /* a request that arrived after the server had closed: never seen by it */
	SERIN_LOSS_STORAGE,	    /* no memory for a socket's or a task's state */
	SERIN_LOSS_UNREADABLE,	    /* a segment whose bytes or headers could not be read */
	SERIN_LOSS_LISTENERS,	    /* a canary's listener found no free slot */
	SERIN_LOSS_PROCESSES,	    /* a process of a target found no place in the list of those whose CPU is counted */
	SERIN_LOSS_CLIENTS,	    /* a client's counts had no place, or gave it to another's before they were read */
	SERIN_LOSS_STORE,	    /* a record that the store could not keep */
	SERIN_LOSSES
};

/*
 * A log-linear histogram: 16 buckets an octave, so a bucket is 1/16 of its lower bound wide and its middle is at
 * most 3.125% from any value in it. Octaves from 2^10 ns (1 us) to 2^43 ns (2.4 h); the first bucket holds what is
 * below, the last what is above. The count is the sum of the buckets.
 */
#define SERIN_HIST_LOW 10
#define SERIN_HIST_OCTAVES 33
#define SERIN_HIST_SUB_BITS 4
#define SERIN_HIST_BUCKETS (2 + (SERIN_HIST_OCTAVES << SERIN_HIST_SUB_BITS))

struct serin_hist {
	__u64 sum;
	__u64 max;
	__u64 bucket[SERIN_HIST_BUCKETS];
};

/* The bucket of a value. Shared, so that kernel and user space cannot disagree. */
static inline __attribute__((always_inline)) __u32 serin_hist_bucket(__u64 ns)
{
	__u64 v = ns;
	__u32 msb, s;

	if (ns < 1ULL << SERIN_HIST_LOW)
		return 0;
	if (ns >= 1ULL << (SERIN_HIST_LOW + SERIN_HIST_OCTAVES))
		return SERIN_HIST_BUCKETS - 1;
	/* Position of the highest set bit by halving: BPF has no instruction for it. */
	msb = (v > 0xffffffffULL) << 5, v >>= msb;
	s = (v > 0xffff) << 4, v >>= s, msb |= s;
	s = (v > 0xff) << 3, v >>= s, msb |= s;
	s = (v > 0xf) << 2, v >>= s, msb |= s;
	s = (v > 0x3) << 1, v >>= s, msb |= s;
	msb |= v >> 1;
	return 1 + ((msb - SERIN_HIST_LOW) << SERIN_HIST_SUB_BITS) +
	       (__u32)((ns >> (msb - SERIN_HIST_SUB_BITS)) & ((1 << SERIN_HIST_SUB_BITS) - 1));
}

/* What one CPU has counted of one target since load. */
struct serin_tally {
	__u64 started;			  /* requests whose first byte arrived */
	__u64 outcome[SERIN_OUTCOMES];	  /* requests whose outcome is known */
	__u64 slow;			  /* successes that were slow for their target */
	__u64 service_requests;		  /* of `started`, those on connections to the release's service address */
	__u64 bytes_in;			  /* TCP payload, each byte once */
	__u64 bytes_out;
	__u64 retransmits;		  /* segments sent again by the server's side */
	__u64 retransmitted_bytes;
	__u64 protocol[SERIN_PROTOCOLS];  /* connections by what they speak */
	__u64 cut_short;		  /* responses that the server ended before their Content-Length */
	__u64 unended;			  /* the same, chunked and without a last chunk */
	__u64 unknown_client_abort;	  /* of outcome[SERIN_UNKNOWN], turns that the client broke off */
	__u64 unknown_server_abort;
	__u64 opened;			  /* connections accepted or adopted */
	__u64 closed;
	__u64 service_opened;		  /* of `opened`, those to the release's service address */
	__u64 cpu_ns;
	__u64 exits_signal;		  /* processes ended by a signal */
	__u64 exits_error;		  /* processes that exited with a status other than 0 */
};

/* Stable's quantiles, frozen when a step begins: p50, p90, p99. */
#define SERIN_EDGES 3

/* A target as both sides know it. Written by user space only. */
struct serin_target_info {
	char model[SERIN_NAME_MAX];
	char version[SERIN_NAME_MAX];
	__u32 role;			/* enum serin_role */
	__u32 release;			/* index, or SERIN_NONE */
	__u64 slow_duration_ns;		/* a success is slow above these; 0: not known yet */
	__u64 slow_first_chunk_ns;	/* streaming responses only */
	/* What clients' requests are held against; of the canary these are wider by what it may be slower. 0: no edge yet */
	__u64 duration_edge_ns[SERIN_EDGES];
	__u64 first_chunk_edge_ns[SERIN_EDGES];
	__u64 deadline_ns;		/* without a byte from the server after which a request has timed out */
	__u16 port;
	__u8 by_client;			/* count within each client too: the release compares versions now */
	__u8 pad[5];
	__u8 address[16];
};

/*
 * What one client (by a salted hash of its address) did on the two versions of a release since it was read last. hit[0]:
 * failed; the others: took longer than the edge. In the form of struct evidence_counts.
 */
struct serin_client_key {
	__u64 hash;
	__u32 release;
	__u32 pad;
};

struct serin_client_counts {
	__u32 n;
	__u32 hit[1 + SERIN_EDGES];
};

struct serin_client {
	struct serin_client_counts arm[2]; /* stable, canary */
};

enum serin_role { SERIN_ROLE_NONE, SERIN_ROLE_STABLE, SERIN_ROLE_CANARY, SERIN_ROLES };

/* What one socket is to us. */
enum serin_socket {
	SERIN_SOCKET_LISTENER = 1, /* the value waits to be cloned into accepted sockets */
	SERIN_SOCKET_ACCEPTED,	   /* one connection */
	SERIN_SOCKET_FOUND,	   /* one that was open before the agent: the adopting iterator makes it ACCEPTED */
};

/* How a connection's bytes are read. */
enum serin_mode {
	SERIN_MODE_HTTP1,
	SERIN_MODE_LOST,   /* not at a message boundary: until the next request line */
	SERIN_MODE_OPAQUE, /* another protocol: turns only */
	SERIN_MODE_TUNNEL, /* after 101 or CONNECT: bytes only */
};

#define SERIN_WINDOW 128 /* bytes of a segment looked at together */
#define SERIN_RING 16	 /* start times of requests in flight on a connection */

/*
 * A request that has begun, in one word, so that one cache line of the ring is all that passes from the CPU that
 * received the request to the one that sends the response: its start in nanoseconds (36 years of uptime), its round,
 * which tells it from those before it in its place, and whether it is a HEAD.
 */
#define SERIN_ASKED_NS ((1ULL << 60) - 1)
#define SERIN_ASKED_ROUND_SHIFT 60
#define SERIN_ASKED_ROUND 7 /* of n / SERIN_RING: n % SERIN_RING is the place */
#define SERIN_ASKED_HEAD (1ULL << 63)

/* Bytes of a segment, and as many behind them as the framing may read without looking. */
struct serin_view {
	__u8 bytes[SERIN_WINDOW + HTTP1_SLACK];
};

/* One direction of a connection. */
struct serin_stream {
	struct http1 http;
	__u64 last_ns;	/* when its newest byte passed */
	__u32 next;	/* sequence number of the next new byte */
	__u32 seen;	/* `next` is known */
	/* The walk over the segment at hand, as offsets in the packet. Here and not on the program's stack: the
	 * verifier does not follow values in maps, so the loop over the bytes is one state to it, not thousands. */
	__u32 at, end;	    /* bytes to look at */
	__u32 window_at;    /* of the window's first byte */
	__u32 window_bytes; /* in the window */
};

/* The client's side of an HTTP/1 connection was lost. It is found again at a request line with nothing in flight. */
enum serin_adrift {
	SERIN_ON_COURSE,
	SERIN_ADRIFT, /* in a header, after CONNECT, or beyond whole requests: as many answers must have passed */
};

/*
 * The value of the socket storage, for a listener and (cloned) for every connection accepted from it.
 *
 * Two CPUs may hold segments of one connection, one in each direction: the client's segments are received on one, the
 * server sends on another. A cache line that both write costs more than all that is done with it, so the members stand
 * by who writes them. The value itself begins 8 bytes into a cache line, behind a pointer that every lookup reads.
 *
 * `begun`, `asked`, `head` and `in` are written by the ingress program only (one at a time, under `busy`), `answered`
 * and `out` by the egress program only (the kernel serialises it), `read_ns` by the one that sees reads, and `counted`,
 * `picked` and `turn_ns` by whoever wins an atomic exchange: that is what makes every request count exactly once.
 */
struct serin_conn {
	/* Read by both, written a few times in a connection's life. */
	__u32 target;
	__u8 socket;	     /* enum serin_socket */
	__u8 mode;	     /* enum serin_mode */
	__u8 service;	     /* the client dialled the release's service address */
	__u8 half_seen;	     /* an exchange was under way when we came: counted as unknown once */
	__u8 protocol;	     /* enum serin_protocol, chosen once */
	__u8 adrift;	     /* enum serin_adrift */
	__u8 doubtful_reset; /* a RST came that TCP may not have taken */
	__u8 client_fin;     /* closed by the client */
	__u8 server_fin;     /* closed by the server */
	__u8 deep;	     /* so many requests were in flight once that the numbers in `asked` came round */
	__u8 extra;	     /* responses that answered no request that was seen, since the newest that was; at most 255 */
	__u8 pad;
	__u32 closed;
	__u32 connect;	     /* number of the newest CONNECT, from 1 on */
	__u64 client;	     /* salted hash of the client's address */
	__u64 opened_ns;     /* when it was accepted, or found */
	__u32 place;	     /* among SERIN_WEIGHT_MAX: on the canary if the weight is above it */
	__u32 pad_place;
	__u64 pad_shared;

	/* From ingress to egress. */
	__u64 asked[SERIN_RING]; /* request n is at n % SERIN_RING */

	/* Ingress. */
	__u32 busy;
	__u32 begun;	     /* requests begun */
	__u32 answered_seen; /* `answered`, some time ago */
	__u32 unseen;	     /* adrift: requests that passed and are not in `begun`, at least */
	__u64 head;	     /* bit n % 64: request n has no response body whatever the headers say */
	__u64 turn_ns;	     /* opaque: start of the turn not yet answered */
	struct serin_stream in;
	struct serin_view in_window;
	__u64 pad_egress;

	/* Egress. */
	__u32 answered;	     /* responses complete */
	__u32 counted;	     /* requests with an outcome */
	__u32 body_sends;    /* sends of the current response that carried body bytes */
	__u32 held;	     /* outcome + 1 of a response sent to a client that has sent its FIN, until the client's ACK or
			      * RST says whether it still listened */
	__u8 held_streaming;
	__u8 untimed;	     /* enum serin_untimed: what of the current response waits to be timed */
	__u8 to;	     /* enum http1_to: what it answers */
	__u8 pad_out;
	__u32 picked;	     /* requests whose pickup is timed, or never will be; by whoever wins */
	__u64 held_ns;	     /* when that response ended */
	__u64 start_ns;	     /* start of the request that the current response answers. 0: not known */
	__u64 begin_ns;	     /* first byte of the current response. 0: it answers nothing */
	__u64 first_body_ns;
	__u64 last_body_ns;
	__u64 read_ns;	     /* a read since the last response's end, of which it is not known what it was of. 0: none */
	__u64 read_before_ns; /* the same, up to it */
	struct serin_stream out;
	struct serin_view out_window;
};

enum serin_untimed {
	SERIN_UNTIMED_FIRST_BYTE = 1,
	SERIN_UNTIMED_FIRST_CHUNK = 2,
};

/*
 * A request that came with the ACK that completes the handshake (TCP_DEFER_ACCEPT, or a lost ACK): the kernel shows
 * that segment with the listener's socket, before the connection's own exists. It is read into this, and handed on a
 * moment later on the same CPU.
 */
struct serin_early {
	struct serin_conn conn;
	struct serin_tally tally;
	__u32 seq;   /* of its first byte */
	__u16 port;  /* the client's */
	__u16 valid;
};

/* A listening port to recognise when a server starts to listen. */
struct serin_watch_key {
	__u64 netns; /* cookie */
	__u8 address[16];
	__u16 port;
	__u16 pad[3];
};

struct serin_watch {
	__u32 target;
	__u32 release; /* whose canary this is, or SERIN_NONE */
};

/* A service address whose new connections are steered. Keyed by port; written by user/steer.c only. */
struct serin_service {
	__u8 address[16];
	__u32 weight; /* basis points of new connections for the canary */
	__u32 salt;
	__u32 release;
	__u32 flags; /* SERIN_SERVICE_* */
};

#define SERIN_SERVICE_STICKY 1 /* by the client's address alone */
#define SERIN_SERVICE_RULED 2  /* it has address rules */

/* An address rule: the longest prefix that fits decides, before the weight. Value: enum serin_role, stable or canary. */
struct serin_rule_key {
	__u32 prefix_bits; /* of release and address together: 32 and more */
	__u32 release;
	__u8 address[16];
};

/* What became of the connections that the steering program looked at, per release. */
enum serin_steered {
	SERIN_STEERED_STABLE,  /* by weight */
	SERIN_STEERED_CANARY,
	SERIN_STEERED_ABSENT,  /* was the canary's turn, but it does not listen: to stable */
	SERIN_STEERED_EXPIRED, /* the agent's lease had run out: to stable */
	SERIN_STEERED_RULED_STABLE, /* by an address rule */
	SERIN_STEERED_RULED_CANARY,
	SERIN_STEERED_KINDS
};

/* A thread of a target. */
struct serin_task {
	__u32 target;
	__u32 exited;	   /* its exit is counted */
	__u64 runnable_ns; /* 0: not waiting for a CPU */
	__u64 runtime_ns;  /* of its CPU time, how much is counted */
};

/* What a CPU runs now, so that time on it shows before the thread is switched out. */
struct serin_running {
	__u64 since_ns; /* 0: nothing of ours */
	__u32 target;
	__u32 pad;
};

/* A process of a target, as the task iterator writes it. */
struct serin_member {
	__u32 pid;
	__u32 target;
};

/* A connection of a target, as the storage iterator writes it. */
struct serin_connection {
	__u64 cookie;
	__u64 opened_ns;
	__u64 spoke_ns;	 /* when its newest byte passed, either way; 0: none did */
	__u32 inode;	 /* of the socket, as in /proc/PID/fd; 0: no process holds it */
	__u32 target;
	__u32 place;
	__u32 in_flight; /* requests begun and not answered, and one that is on its way in */
	__u32 received;	 /* bytes that TCP had received before the rest was read, modulo 2^32 */
	__u8 service;
	__u8 unframed;	 /* its messages cannot be told apart: in_flight is a guess, by who spoke last */
	__u8 shut;	 /* the server has its end of file, the client's or ours, and has not closed yet */
	__u8 pad;
};

_Static_assert((SERIN_OUTCOMES & (SERIN_OUTCOMES - 1)) == 0, "outcomes are indexed with a mask");
#define SERIN_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " changed: raise SERIN_LAYOUT")
SERIN_SIZE(struct serin_hist, 16 + 8 * SERIN_HIST_BUCKETS);
SERIN_SIZE(struct serin_tally, 8 * (17 + SERIN_OUTCOMES + SERIN_PROTOCOLS));
SERIN_SIZE(struct serin_target_info, 128 + 8 + 16 + 16 * SERIN_EDGES + 16 + 16);
SERIN_SIZE(struct serin_client_key, 16);
SERIN_SIZE(struct serin_client, 8 * (1 + 1 + SERIN_EDGES));
SERIN_SIZE(struct serin_rule_key, 24);
SERIN_SIZE(struct serin_connection, 48);
SERIN_SIZE(struct serin_stream, 24 + 16 + 16);
#define SERIN_LINE 64 /* bytes; the value begins 8 bytes into one */
_Static_assert((offsetof(struct serin_conn, asked) + 8) % SERIN_LINE == 0, "the ring shares a cache line");
_Static_assert((offsetof(struct serin_conn, busy) + 8) % SERIN_LINE == 0, "ingress shares a cache line");
_Static_assert((offsetof(struct serin_conn, answered) + 8) % SERIN_LINE == 0, "egress shares a cache line");
SERIN_SIZE(struct serin_conn, 56 + 8 * SERIN_RING + 40 + 56 + 80 + 56 + 2 * sizeof(struct serin_view));
SERIN_SIZE(struct serin_early, sizeof(struct serin_conn) + sizeof(struct serin_tally) + 8);
SERIN_SIZE(struct serin_watch_key, 32);
SERIN_SIZE(struct serin_watch, 8);
SERIN_SIZE(struct serin_service, 32);
SERIN_SIZE(struct serin_task, 24);
SERIN_SIZE(struct serin_running, 16);
SERIN_SIZE(struct serin_member, 8);

#endif
