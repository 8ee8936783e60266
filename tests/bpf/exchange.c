// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/http1_samples.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the text ---- */

bool exchange_parse(const uint8_t *text, size_t len, struct exchange *ret_exchange)
{
	struct exchange_segment *segment = NULL;

	ret_exchange->count = 0;
	for (size_t i = 0; i < len; i++) {
		bool is_mark = text[i] >= EXCHANGE_IN && text[i] <= EXCHANGE_CLOSE;

		if (!is_mark && (!segment || segment->mark == EXCHANGE_CLOSE))
			return false;
		if (is_mark || segment->len == EXCHANGE_SEGMENT_MAX) {
			enum exchange_mark mark = is_mark ? text[i] : segment->mark;

			if (ret_exchange->count == EXCHANGE_SEGMENTS_MAX || (segment && segment->mark == EXCHANGE_CLOSE))
				return false;
			segment = &ret_exchange->segment[ret_exchange->count++];
			*segment = (struct exchange_segment){.bytes = text + i + is_mark, .mark = mark};
		}
		segment->len += !is_mark;
	}
	return true;
}

/* ---- what it says ---- */

/* One direction, read as a whole. */
struct side {
	uint8_t bytes[HTTP1_TEXT_MAX];
	size_t segment_of[HTTP1_TEXT_MAX]; /* that a byte came in */
	size_t len;
	struct http1_reading reading;
};

enum what { REQUEST_BEGINS, REQUEST_OPAQUE, RESPONSE_BEGINS, RESPONSE_ENDS, RESPONSE_SWITCHES, RESPONSE_OPAQUE };

/* What happens, in order. */
struct happening {
	size_t segment;
	enum what what;
	unsigned int message;
};

struct happenings {
	size_t count;
	size_t certain; /* segments of which all that happens is known */
	struct happening at[4 * (HTTP1_MESSAGES_MAX + 1)];
};

static void join(const struct exchange *exchange, enum exchange_mark mark, struct side *ret_side)
{
	ret_side->len = 0;
	for (size_t i = 0; i < exchange->count; i++) {
		const struct exchange_segment *segment = &exchange->segment[i];

		if (segment->mark != mark)
			continue;
		memcpy(ret_side->bytes + ret_side->len, segment->bytes, segment->len);
		for (size_t j = 0; j < segment->len; j++)
			ret_side->segment_of[ret_side->len++] = i;
	}
}

static void read_side(struct side *side, enum http1_side which, uint64_t heads)
{
	struct http1_text text = {side->bytes, side->len, which, heads};

	http1_reference_read(&text, &side->reading);
}

static void add(struct happenings *h, size_t segment, enum what what, size_t message)
{
	h->at[h->count++] = (struct happening){segment, what, message};
}

/* From segment `from` on, it is not certain what is known when. */
static void doubt(struct happenings *h, size_t from)
{
	if (from < h->certain)
		h->certain = from;
}

/* Not HTTP/1: that shows somewhere in the line. */
static void add_opaque(struct happenings *h, const struct side *side, const struct http1_message *m, enum what what,
		       size_t message)
{
	size_t first = side->segment_of[m->line_begin], last = side->segment_of[m->line_end - 1];

	add(h, last, what, message);
	if (first != last)
		doubt(h, first);
}

/* A line that is unfinished may already be wrong. */
static void doubt_cut(struct happenings *h, const struct side *side, const struct http1_message *m)
{
	if (m->line_begin < side->len)
		doubt(h, side->segment_of[m->line_begin]);
}

/* What a connection speaks is chosen by its first bytes. Where these are not HTTP/1's, what is counted is not told here. */
static bool is_http1(const struct side *in)
{
	const struct http1_message *m = &in->reading.message[0];

	return !in->reading.count || ((m->fate != HTTP1_FATE_OPAQUE || m->line_begin > m->begin) &&
				      (m->begin + 3 > in->len || memcmp(in->bytes + m->begin, "PRI", 3)));
}

static void requests(const struct side *in, struct happenings *ret_h)
{
	if (!is_http1(in))
		doubt(ret_h, in->segment_of[in->reading.message[0].begin]);
	for (size_t i = 0; i < in->reading.count; i++) {
		const struct http1_message *m = &in->reading.message[i];

		add(ret_h, in->segment_of[m->begin], REQUEST_BEGINS, i);
		if (m->header_end && m->flags & HTTP1_F_CONNECT) /* its response decides, which the reference reads without it */
			doubt(ret_h, in->segment_of[m->header_end - 1]);
		else if (m->fate == HTTP1_FATE_OPAQUE)
			add_opaque(ret_h, in, m, REQUEST_OPAQUE, i);
		else if (m->fate == HTTP1_FATE_CUT)
			doubt_cut(ret_h, in, m);
	}
}

static void responses(const struct side *out, size_t closed, struct happenings *ret_h)
{
	for (size_t i = 0; i < out->reading.count; i++) {
		const struct http1_message *m = &out->reading.message[i];
		size_t last = out->segment_of[m->end - 1];

		add(ret_h, out->segment_of[m->begin], RESPONSE_BEGINS, i);
		if (m->fate == HTTP1_FATE_OPAQUE)
			add_opaque(ret_h, out, m, RESPONSE_OPAQUE, i);
		else if (m->fate == HTTP1_FATE_CUT)
			doubt_cut(ret_h, out, m);
		else if (m->fate == HTTP1_FATE_SWITCHED)
			add(ret_h, last, RESPONSE_SWITCHES, i);
		else if (m->fate == HTTP1_FATE_ENDED)
			add(ret_h, last, RESPONSE_ENDS, i);
		else if (m->fate == HTTP1_FATE_CLOSED && closed != SIZE_MAX)
			add(ret_h, closed, RESPONSE_ENDS, i);
	}
}

/* Two lists, each in order, made one: a segment holds bytes of one direction only. */
static void merge(const struct happenings *a, const struct happenings *b, struct happenings *ret_h)
{
	size_t i = 0, j = 0;

	ret_h->count = 0;
	ret_h->certain = a->certain < b->certain ? a->certain : b->certain;
	while (i < a->count || j < b->count) {
		bool from_a = j == b->count || (i < a->count && a->at[i].segment < b->at[j].segment);

		ret_h->at[ret_h->count++] = from_a ? a->at[i++] : b->at[j++];
	}
}

static enum serin_outcome outcome_of(unsigned int status)
{
	static const enum serin_outcome by_class[10] = {
		[4] = SERIN_CLIENT_ERROR, [5] = SERIN_SERVER_ERROR, [6] = SERIN_SERVER_ERROR, [7] = SERIN_SERVER_ERROR,
		[8] = SERIN_SERVER_ERROR, [9] = SERIN_SERVER_ERROR,
	};

	return status == 408 || status == 429 ? SERIN_THROTTLED : by_class[status / 100];
}

/* How the happenings are counted. */
struct counting {
	const struct side *in, *out;
	struct exchange_count now;
	uint32_t answers; /* the request that the response under way answers */
	uint32_t settled; /* requests with an outcome */
	bool counts;	  /* it answers one */
	bool over;	  /* it is another protocol from here */
	uint64_t heads;	  /* of final response n, whether it answers HEAD: bit n */
	size_t finals;
};

static void response_begins(struct counting *c, const struct http1_message *m)
{
	bool is_head;

	c->counts = c->now.answered < c->now.begun;
	c->answers = c->now.answered;
	if (m->fate == HTTP1_FATE_INTERIM)
		return;
	is_head = c->counts && c->in->reading.message[c->answers].flags & HTTP1_F_HEAD;
	c->heads |= (uint64_t)is_head << c->finals++ % 64;
}

static void response_ends(struct counting *c, const struct http1_message *m)
{
	if (!c->counts)
		return;
	c->now.answered++;
	c->settled++;
	c->now.outcome[outcome_of(m->status)]++;
}

/* What is in flight cannot be known any more: of a request that is not one, only that it was one turn. */
static void other_protocol(struct counting *c, bool turn)
{
	uint32_t pending = c->now.begun - c->settled;

	c->over = true;
	c->now.is_http1 = false;
	c->now.outcome[SERIN_UNKNOWN] += turn && pending ? pending - 1 : pending;
	c->settled = c->now.begun;
}

static void happen(struct counting *c, const struct happening *h)
{
	const struct http1_message *m = &c->out->reading.message[h->message];

	switch (h->what) {
	case REQUEST_BEGINS:
		c->now.begun++;
		break;
	case REQUEST_OPAQUE:
		other_protocol(c, true);
		break;
	case RESPONSE_BEGINS:
		response_begins(c, m);
		break;
	case RESPONSE_ENDS:
		response_ends(c, m);
		break;
	case RESPONSE_SWITCHES: /* what was asked behind it is never answered in HTTP/1 */
		response_ends(c, m);
		other_protocol(c, false);
		break;
	case RESPONSE_OPAQUE:
		other_protocol(c, false);
		break;
	}
}

static size_t closes(const struct exchange *exchange)
{
	size_t last = exchange->count - 1;

	return exchange->count && exchange->segment[last].mark == EXCHANGE_CLOSE ? last : SIZE_MAX;
}

static void count_all(struct counting *c, const struct happenings *h, size_t segments,
		      struct exchange_expected *ret_expected)
{
	size_t at = 0;

	ret_expected->certain = segments;
	for (size_t i = 0; i < segments; i++) {
		for (; at < h->count && h->at[at].segment == i; at++)
			if (!c->over)
				happen(c, &h->at[at]);
		ret_expected->after[i] = c->now;
		if (c->over && i + 1 < ret_expected->certain)
			ret_expected->certain = i + 1; /* turns and tunnels are not told here */
	}
	if (h->certain < ret_expected->certain)
		ret_expected->certain = h->certain;
}

bool exchange_expect(const struct exchange *exchange, struct exchange_expected *ret_expected)
{
	static struct side in, out;
	static struct happenings ins, outs, both;
	uint64_t heads = 0;

	join(exchange, EXCHANGE_IN, &in);
	join(exchange, EXCHANGE_OUT, &out);
	read_side(&in, HTTP1_REQUEST, 0);
	ins.count = 0;
	ins.certain = exchange->count;
	requests(&in, &ins);
	if (in.reading.count > EXCHANGE_REQUESTS_MAX)
		return false;
	/* Where a response ends depends on what it answers, and that on where those before it ended. */
	for (;;) {
		struct counting c = {.in = &in, .out = &out, .now.is_http1 = true};

		read_side(&out, HTTP1_RESPONSE, heads);
		if (out.reading.count > EXCHANGE_REQUESTS_MAX)
			return false;
		outs.count = 0;
		outs.certain = exchange->count;
		responses(&out, closes(exchange), &outs);
		merge(&ins, &outs, &both);
		count_all(&c, &both, exchange->count, ret_expected);
		if (c.heads == heads)
			return true;
		heads = c.heads;
	}
}

const char *exchange_difference(const struct exchange_expected *expected, size_t i, const struct serin_conn *conn,
				const struct serin_tally *tally)
{
	const struct exchange_count *e = &expected->after[i];

	if (i >= expected->certain)
		return NULL;
	if (conn->begun != e->begun)
		return "requests begun";
	if (memcmp(tally->outcome, e->outcome, sizeof(e->outcome)))
		return "outcomes";
	if ((conn->mode == SERIN_MODE_HTTP1) != e->is_http1)
		return "whether it is HTTP/1";
	return e->is_http1 && conn->answered != e->answered ? "requests answered" : NULL;
}

void exchange_say(const struct serin_conn *conn, const struct serin_tally *tally, char ret_said[EXCHANGE_SAY_MAX])
{
	static const char *const names[SERIN_OUTCOMES] = {"success", "client_error", "throttled", "server_error",
							  "server_abort", "timeout", "client_abort", "unknown"};
	size_t len = 0;

	ret_said[0] = 0;
	for (size_t i = 0; i < SERIN_OUTCOMES; i++)
		if (tally->outcome[i])
			len += snprintf(ret_said + len, EXCHANGE_SAY_MAX - len, "%s%s=%llu", len ? " " : "", names[i],
					(unsigned long long)tally->outcome[i]);
	if (conn->begun != conn->counted)
		snprintf(ret_said + len, EXCHANGE_SAY_MAX - len, "%sin_flight=%u", len ? " " : "",
			 conn->begun - conn->counted);
}

/* ---- random exchanges ---- */

struct answer {
	const char *text;
	const char *to_head; /* the same without a body. NULL: it has none */
	int outcome;	     /* -1: it is not final */
};

#define LENGTH_5 "Content-Length: 5\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define EVENTS "Content-Type: text/event-stream\r\n" CHUNKED
#define WITH(line, header, body, outcome) {line "\r\n" header body, line "\r\n" header, outcome}
#define WITHOUT(line, header, outcome) {line "\r\n" header "\r\n", NULL, outcome}

static const struct answer answers[] = {
	WITH("HTTP/1.1 200 OK", LENGTH_5, "hello", SERIN_SUCCESS),
	WITH("HTTP/1.1 200 OK", "Content-Length: 39\r\n\r\n", "HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n12", SERIN_SUCCESS),
	WITH("HTTP/1.1 201 Created", CHUNKED, "5\r\nhello\r\n0\r\n\r\n", SERIN_SUCCESS),
	WITH("HTTP/1.1 200 OK", EVENTS, "9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\nA: b\r\n\r\n", SERIN_SUCCESS),
	WITHOUT("HTTP/1.1 200 OK", "Content-Length: 0\r\n", SERIN_SUCCESS),
	WITHOUT("HTTP/1.1 204 No Content", "", SERIN_SUCCESS),
	WITHOUT("HTTP/1.1 204 No Content", "Content-Length: 9\r\n", SERIN_SUCCESS),
	WITHOUT("HTTP/1.1 304 Not Modified", "Content-Length: 9\r\nETag: \"a\"\r\n", SERIN_SUCCESS),
	WITHOUT("HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked\r\n", SERIN_SUCCESS),
	WITH("HTTP/1.1 404 Not Found", LENGTH_5, "hello", SERIN_CLIENT_ERROR),
	WITH("HTTP/1.1 429 Too Many Requests", CHUNKED, "1\r\na\r\n0\r\n\r\n", SERIN_THROTTLED),
	WITHOUT("HTTP/1.1 408 Request Timeout", "Content-Length: 0\r\n", SERIN_THROTTLED),
	WITH("HTTP/1.1 500 Internal Server Error", LENGTH_5, "hello", SERIN_SERVER_ERROR),
	WITH("HTTP/1.0 503 Service Unavailable", "Server: a\r\nContent-Length: 2\r\n\r\n", "ab", SERIN_SERVER_ERROR),
	WITHOUT("HTTP/1.1 100 Continue", "", -1),
	WITHOUT("HTTP/1.1 103 Early Hints", "Link: </a>\r\nContent-Length: 4\r\n", -1),
};

static const char *const questions[] = {
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /v1/models HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
	"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\n\r\n",
	"\r\nDELETE /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
};
static const char *const head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";

/* Parts of one direction, one after the other: where each ends says what may follow it in the other. */
struct stream {
	char bytes[EXCHANGE_TEXT_MAX];
	size_t end[EXCHANGE_REQUESTS_MAX];
	size_t len;
};

static void put(struct stream *s, const char *text)
{
	size_t n = strlen(text);

	if (s->len + n > sizeof(s->bytes))
		abort();
	memcpy(s->bytes + s->len, text, n);
	s->len += n;
}

/* Interim responses, then the final one. */
static void put_answer(struct stream *s, bool is_head, uint64_t outcome[SERIN_OUTCOMES])
{
	const struct answer *a;

	do {
		a = &answers[http1_random_below(COUNT(answers))];
		put(s, is_head && a->to_head ? a->to_head : a->text);
	} while (a->outcome < 0);
	outcome[a->outcome]++;
}

/* Moves up to `most` bytes of the stream, with its mark, to the text. */
static void move_segment(uint8_t *text, size_t *len, enum exchange_mark mark, const struct stream *s, size_t *at,
			 size_t most)
{
	size_t n = most - *at;

	if (http1_random_below(3))
		n = 1 + http1_random_below(n);
	text[(*len)++] = mark;
	memcpy(text + *len, s->bytes + *at, n);
	*len += n;
	*at += n;
}

/* Any order in which no response begins before its request has ended. */
static size_t interleave(const struct stream *in, const struct stream *out, size_t exchanges, uint8_t *ret_text)
{
	size_t i = 0, o = 0, asked = 0, len = 0;

	while (i < in->len || o < out->len) {
		size_t may = 0;

		while (asked < exchanges && in->end[asked] <= i)
			asked++;
		may = asked ? out->end[asked - 1] : 0;
		if (o < may && (i == in->len || http1_random_below(2)))
			move_segment(ret_text, &len, EXCHANGE_OUT, out, &o, may);
		else if (i < in->len)
			move_segment(ret_text, &len, EXCHANGE_IN, in, &i, http1_random_below(2) ? in->len : in->end[asked]);
	}
	return len;
}

size_t exchange_random(uint8_t *ret_text, uint64_t ret_outcome[SERIN_OUTCOMES])
{
	static struct stream in, out;
	size_t exchanges = 1 + http1_random_below(8), len;

	in.len = out.len = 0;
	memset(ret_outcome, 0, SERIN_OUTCOMES * sizeof(ret_outcome[0]));
	for (size_t i = 0; i < exchanges && out.len < EXCHANGE_TEXT_MAX / 4; i++) {
		bool is_head = !http1_random_below(4);

		put(&in, is_head ? head : questions[http1_random_below(COUNT(questions))]);
		in.end[i] = in.len;
		put_answer(&out, is_head, ret_outcome);
		out.end[i] = out.len;
		if (out.len >= EXCHANGE_TEXT_MAX / 4)
			exchanges = i + 1;
	}
	len = interleave(&in, &out, exchanges, ret_text);
	if (!http1_random_below(4)) { /* the last response may as well go on to the end of the connection */
		static const char last[] =
			"\1GET /last HTTP/1.1\r\n\r\n\2HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nhel\2lo\3";

		memcpy(ret_text + len, last, sizeof(last) - 1);
		len += sizeof(last) - 1;
		ret_outcome[SERIN_SUCCESS]++;
	}
	return len;
}
