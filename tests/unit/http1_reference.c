// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "http1_reference.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the reference ---- */

/*
 * Where RFC 9112 and RFC 9110 let a recipient choose:
 *  - an LF alone ends a line (2.2), of chunked bodies too; a CR elsewhere in a field counts as a space, and makes a
 *    line that begins with it invalid;
 *  - any number of empty lines before a message is ignored (2.2);
 *  - a repeated Content-Length is refused even if the values agree (9110, 8.6), and so is an invalid one beside
 *    Transfer-Encoding;
 *  - only the method of a request line is looked at; methods are upper case and at most HTTP1_METHOD_MAX long;
 *  - a space before the colon (5.1) and folded values (5.2) may be refused or repaired: where the body's length
 *    depends on it, that is no certain end;
 *  - whatever follows the size on a chunk's line is taken for an extension (7.1.1).
 */

struct source {
	const struct http1_text *text;
	size_t at;
	size_t finals; /* messages so far, without interim responses */
};

struct line {
	const uint8_t *bytes;
	size_t len; /* without LF or CR LF */
	size_t begin;
};

enum field { FIELD_OTHER, FIELD_FRAMING, FIELD_INVALID };

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool at_end(const struct source *s)
{
	return s->at == s->text->len;
}

static uint8_t peek(const struct source *s)
{
	return s->text->bytes[s->at];
}

/* The line that begins there is unfinished. False, for the callers to pass on. */
static bool cut(const struct source *s, struct http1_message *m, size_t line_begin)
{
	m->fate = HTTP1_FATE_CUT;
	m->line_begin = line_begin;
	m->end = m->line_end = s->text->len;
	return false;
}

/* The line that begins there is wrong. False, too. */
static bool opaque(const struct source *s, struct http1_message *m, size_t line_begin)
{
	const uint8_t *bytes = s->text->bytes;
	const uint8_t *lf = memchr(bytes + line_begin, '\n', s->text->len - line_begin);

	m->fate = HTTP1_FATE_OPAQUE;
	m->line_begin = line_begin;
	m->end = m->line_end = lf ? (size_t)(lf + 1 - bytes) : s->text->len;
	return false;
}

static bool end(const struct source *s, struct http1_message *m, enum http1_fate fate)
{
	m->fate = fate;
	m->end = s->at;
	return true;
}

/* False: there is no LF. */
static bool next_line(struct source *s, struct line *ret_line)
{
	const uint8_t *bytes = s->text->bytes + s->at;
	const uint8_t *lf = memchr(bytes, '\n', s->text->len - s->at);

	if (!lf)
		return false;
	ret_line->bytes = bytes;
	ret_line->len = lf - bytes;
	ret_line->begin = s->at;
	s->at += ret_line->len + 1;
	if (ret_line->len && bytes[ret_line->len - 1] == '\r')
		ret_line->len--;
	return true;
}

/* 3: method SP request-target SP HTTP-version */
static bool request_line(struct source *s, struct http1_message *m)
{
	const uint8_t *method = s->text->bytes + m->begin;
	size_t most = s->text->len - m->begin, n = 0;
	struct line line;

	while (n < most && ((method[n] >= 'A' && method[n] <= 'Z') || (n && (method[n] == '-' || method[n] == '_'))))
		n++;
	if (n > HTTP1_METHOD_MAX || (n < most && (!n || method[n] != ' ')))
		return opaque(s, m, m->begin);
	if (n == 3 && n < most && !memcmp(method, "PRI", 3)) /* HTTP/2 begins so: RFC 9113, 3.4 */
		return opaque(s, m, m->begin);
	if (!next_line(s, &line))
		return cut(s, m, m->begin);
	if (n == 4 && !memcmp(method, "HEAD", 4))
		m->flags |= HTTP1_F_HEAD;
	if (n == 7 && !memcmp(method, "CONNECT", 7))
		m->flags |= HTTP1_F_CONNECT;
	return true;
}

/* Is `c` what the pattern asks for? 'd': a digit, 'n': one from 1, 's': white space, else the letter itself. */
static bool fits(char pattern, uint8_t c)
{
	if (pattern == 'd')
		return c >= '0' && c <= '9';
	if (pattern == 'n')
		return c >= '1' && c <= '9';
	if (pattern == 's')
		return is_space(c) || c == '\n';
	return c == (uint8_t)pattern;
}

/* 4: HTTP-version SP status-code SP [reason-phrase]. Any minor version is read like 1.1 (9110, 6.2). */
static bool status_line(struct source *s, struct http1_message *m)
{
	static const char pattern[] = "HTTP/1.d ndds";
	const uint8_t *text = s->text->bytes + m->begin;
	struct line line;

	for (size_t i = 0; pattern[i]; i++) {
		if (m->begin + i == s->text->len)
			return cut(s, m, m->begin);
		if (!fits(pattern[i], text[i]))
			return opaque(s, m, m->begin);
	}
	if (!next_line(s, &line))
		return cut(s, m, m->begin);
	m->status = (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
	return true;
}

/* 6.2: 1*DIGIT */
static enum field content_length(struct http1_message *m, const uint8_t *value, size_t len)
{
	unsigned __int128 n = 0;

	if ((m->flags & HTTP1_F_LENGTH) || !len)
		return FIELD_INVALID;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return FIELD_INVALID;
		n = n * 10 + (value[i] - '0');
		if (n > HTTP1_LENGTH_MAX)
			return FIELD_INVALID;
	}
	m->length = n;
	m->flags |= HTTP1_F_LENGTH;
	return FIELD_FRAMING;
}

static void trim(const uint8_t **text, size_t *len)
{
	while (*len && is_space(**text))
		++*text, --*len;
	while (*len && is_space((*text)[*len - 1]))
		--*len;
}

/* 6.1 and 9110, 5.6.1: a list, over all lines of that name; empty elements do not count. */
static enum field transfer_encoding(struct http1_message *m, const uint8_t *value, size_t len)
{
	m->flags |= HTTP1_F_CODED;
	while (len) {
		const uint8_t *comma = memchr(value, ',', len), *element = value;
		size_t n = comma ? (size_t)(comma - value) : len;

		value += comma ? n + 1 : n;
		len -= comma ? n + 1 : n;
		trim(&element, &n);
		if (n)
			m->flags &= ~HTTP1_F_CHUNKED;
		if (n == 7 && !strncasecmp((const char *)element, "chunked", n))
			m->flags |= HTTP1_F_CHUNKED;
	}
	return FIELD_FRAMING;
}

static void content_type(struct http1_message *m, const uint8_t *value, size_t len)
{
	static const char stream[] = "text/event-stream";
	const size_t n = sizeof(stream) - 1;

	while (len && (*value == ' ' || *value == '\t'))
		value++, len--;
	if (len < n || strncasecmp((const char *)value, stream, n))
		return;
	if (len == n || value[n] == ';' || is_space(value[n]))
		m->flags |= HTTP1_F_EVENTS;
}

static bool is_named(const struct line *line, size_t len, const char *name)
{
	return len == strlen(name) && !strncasecmp((const char *)line->bytes, name, len);
}

/* 5: field-name ":" OWS field-value OWS */
static enum field field_line(struct http1_message *m, const struct line *line)
{
	size_t name = 0, len;
	const uint8_t *value;
	bool length, coding;

	while (name < line->len && line->bytes[name] != ':' && !is_space(line->bytes[name]))
		name++;
	length = is_named(line, name, "Content-Length");
	coding = is_named(line, name, "Transfer-Encoding");
	if (name == line->len)
		return FIELD_OTHER;
	if (line->bytes[name] != ':')
		return (length || coding) && line->bytes[name] != '\r' ? FIELD_INVALID : FIELD_OTHER;
	value = line->bytes + name + 1;
	len = line->len - name - 1;
	if (is_named(line, name, "Content-Type"))
		content_type(m, value, len);
	trim(&value, &len);
	if (length)
		return content_length(m, value, len);
	return coding ? transfer_encoding(m, value, len) : FIELD_OTHER;
}

/* 2.1: *( field-line CRLF ) CRLF */
static bool header(struct source *s, struct http1_message *m)
{
	enum field last = FIELD_OTHER;

	for (;;) {
		struct line line;
		bool continued;

		if (!next_line(s, &line))
			return cut(s, m, s->at);
		if (!line.len)
			break;
		continued = line.bytes[0] == ' ' || line.bytes[0] == '\t';
		if (line.bytes[0] == '\r' || (continued && last == FIELD_FRAMING))
			return opaque(s, m, line.begin);
		last = continued ? FIELD_OTHER : field_line(m, &line);
		if (last == FIELD_INVALID)
			return opaque(s, m, line.begin);
	}
	m->header_end = s->at;
	return true;
}

/* Passes `n` bytes of body, or as many as there are. */
static bool take(struct source *s, struct http1_message *m, uint64_t n)
{
	size_t most = s->text->len - s->at;

	if (n <= most) {
		m->body += n;
		s->at += n;
		return true;
	}
	m->body += most;
	return cut(s, m, s->text->len);
}

static int hex_digit(uint8_t c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* 7.1: chunk-size [ chunk-ext ] CRLF */
static bool chunk_size(struct source *s, struct http1_message *m, uint64_t *ret_size)
{
	size_t begin = s->at;
	uint64_t size = 0;
	struct line line;

	for (; !at_end(s) && hex_digit(peek(s)) >= 0; s->at++) {
		size = size * 16 + hex_digit(peek(s));
		if (size > HTTP1_CHUNK_MAX)
			return opaque(s, m, begin);
	}
	if (at_end(s))
		return cut(s, m, begin);
	if (s->at == begin || !memchr(";\r\n \t", peek(s), 5))
		return opaque(s, m, begin);
	if (!next_line(s, &line))
		return cut(s, m, begin);
	*ret_size = size;
	return true;
}

/* The CRLF after a chunk's bytes. */
static bool chunk_end(struct source *s, struct http1_message *m)
{
	size_t begin = s->at;

	if (!at_end(s) && peek(s) == '\r')
		s->at++;
	if (at_end(s))
		return cut(s, m, begin);
	if (peek(s) != '\n')
		return opaque(s, m, begin);
	s->at++;
	return true;
}

/* 7.1.2 */
static bool trailers(struct source *s, struct http1_message *m)
{
	struct line line;

	for (;;) {
		if (!next_line(s, &line))
			return cut(s, m, s->at);
		if (!line.len)
			return end(s, m, HTTP1_FATE_ENDED);
		if (line.bytes[0] == '\r')
			return opaque(s, m, line.begin);
	}
}

static bool chunked_body(struct source *s, struct http1_message *m)
{
	uint64_t size;

	for (;;) {
		if (!chunk_size(s, m, &size))
			return false;
		if (!size)
			return trailers(s, m);
		if (!take(s, m, size) || !chunk_end(s, m))
			return false;
	}
}

static bool sized_body(struct source *s, struct http1_message *m)
{
	return take(s, m, m->length) && end(s, m, HTTP1_FATE_ENDED);
}

/* 6.3, for requests. */
static bool request_body(struct source *s, struct http1_message *m)
{
	if (m->flags & HTTP1_F_CHUNKED)
		return chunked_body(s, m);
	if (m->flags & HTTP1_F_CODED)
		return opaque(s, m, m->header_end - 1);
	return sized_body(s, m); /* no Content-Length: none */
}

/* 6.3, for responses. */
static bool response_body(struct source *s, struct http1_message *m, bool answers_head)
{
	if (m->status == 101)
		return end(s, m, HTTP1_FATE_SWITCHED) && false;
	if (m->status < 200)
		return end(s, m, HTTP1_FATE_INTERIM);
	if (answers_head || m->status == 204 || m->status == 304)
		return end(s, m, HTTP1_FATE_ENDED);
	if (m->flags & HTTP1_F_CHUNKED)
		return chunked_body(s, m);
	if ((m->flags & HTTP1_F_LENGTH) && !(m->flags & HTTP1_F_CODED))
		return sized_body(s, m);
	take(s, m, s->text->len - s->at);
	end(s, m, HTTP1_FATE_CLOSED);
	return false;
}

/* False: nothing can follow it. */
static bool one_message(struct source *s, struct http1_message *m)
{
	bool answers_head = s->text->heads >> (s->finals % 64) & 1;

	memset(m, 0, sizeof(*m));
	m->begin = s->at;
	if (s->text->side == HTTP1_REQUEST)
		return request_line(s, m) && header(s, m) && request_body(s, m);
	return status_line(s, m) && header(s, m) && response_body(s, m, answers_head);
}

void http1_reference_read(const struct http1_text *text, struct http1_reading *ret_reading)
{
	struct source s = {.text = text};
	bool more = true;

	ret_reading->count = 0;
	ret_reading->fault = NULL;
	while (more) {
		while (!at_end(&s) && (peek(&s) == '\r' || peek(&s) == '\n'))
			s.at++;
		if (at_end(&s))
			return;
		more = one_message(&s, &ret_reading->message[ret_reading->count]);
		s.finals += ret_reading->message[ret_reading->count++].fate != HTTP1_FATE_INTERIM;
	}
}

/* ---- the machine ---- */

struct machine {
	const struct http1_text *text;
	const struct http1_feed *feed;
	struct http1_reading *reading;
	struct http1 http;
	size_t at;
	size_t finals;
	bool open;  /* within a message */
	bool last;  /* nothing may be found any more */
	bool stood; /* the step before consumed nothing */
};

/*
 * A window of n bytes and its slack, on the heap and not a byte more, so that a read beyond the slack is caught. Kept
 * for the next of this size; at exit they are still reachable.
 */
static uint8_t *window_of(enum http1_garbage garbage, size_t n)
{
	static const char *const garbages[HTTP1_GARBAGES] = {
		[HTTP1_ZEROS] = "",
		[HTTP1_LINE_FEEDS] = "\n",
		[HTTP1_HEADER_LINES] = "\r\nContent-Length: 7\r\nT:\r\n\r\nGET",
		[HTTP1_CHUNK_LINES] = "0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n7\r\nab",
		[HTTP1_WHAT_FOLLOWS] = "",
	};
	static uint8_t *windows[HTTP1_GARBAGES][SERIN_WINDOW + 1];
	uint8_t **window = &windows[garbage][n];

	if (*window)
		return *window;
	*window = malloc(n + HTTP1_SLACK);
	if (!*window)
		abort();
	for (size_t i = 0; i < HTTP1_SLACK; i++) {
		size_t len = strlen(garbages[garbage]);

		(*window)[n + i] = len ? garbages[garbage][i % len] : 0;
	}
	return *window;
}

static void fault(struct machine *m, const char *what)
{
	if (!m->reading->fault)
		m->reading->fault = what;
}

static struct http1_message *begin_message(struct machine *m, size_t at)
{
	struct http1_message *message = &m->reading->message[m->reading->count];

	if (m->open)
		fault(m, "a message begins within another");
	memset(message, 0, sizeof(*message));
	message->begin = at;
	m->reading->count++;
	m->open = true;
	return message;
}

static void header_ends(struct machine *m, struct http1_message *message, size_t at)
{
	if (message->header_end)
		fault(m, "a header ends twice");
	message->header_end = at;
	message->status = m->http.status;
	message->flags = m->http.flags;
	message->length = m->http.length;
}

static void message_ends(struct machine *m, struct http1_message *message, enum http1_fate fate, size_t at)
{
	message->fate = fate;
	message->end = at;
	m->open = false;
	m->finals += fate != HTTP1_FATE_INTERIM;
	m->last = fate > HTTP1_FATE_ENDED;
	if ((fate == HTTP1_FATE_SWITCHED || fate == HTTP1_FATE_OPAQUE) && m->http.state != HTTP1_OPAQUE)
		fault(m, "the end of HTTP/1 is not kept");
	if (fate <= HTTP1_FATE_ENDED && m->http.state != HTTP1_START)
		fault(m, "after a message the state is not START");
}

/* What the step from `from` to `to` found. */
static void note(struct machine *m, __u32 events, size_t from, size_t to)
{
	struct http1_message *message;

	if (!events)
		return;
	if (m->last || (!m->open && !(events & HTTP1_BEGIN))) {
		fault(m, "an event outside of a message");
		return;
	}
	message = events & HTTP1_BEGIN ? begin_message(m, from) : &m->reading->message[m->reading->count - 1];
	if (events & (HTTP1_HEADERS | HTTP1_INTERIM))
		header_ends(m, message, to);
	if ((events & (HTTP1_DATA | HTTP1_END)) && !message->header_end)
		fault(m, "body or end before the end of the header");
	if (events & HTTP1_DATA)
		message->body += to - from;
	if (events & HTTP1_INTERIM)
		message_ends(m, message, HTTP1_FATE_INTERIM, to);
	if (events & HTTP1_END)
		message_ends(m, message, events & HTTP1_SWITCHED ? HTTP1_FATE_SWITCHED : HTTP1_FATE_ENDED, to);
	if (events & HTTP1_BROKEN)
		message_ends(m, message, HTTP1_FATE_OPAQUE, to);
	if ((events & HTTP1_SWITCHED) && !(events & HTTP1_END))
		fault(m, "SWITCHED without END");
}

static void advance(struct machine *m, size_t taken, size_t most, __u32 events)
{
	if (taken > most)
		fault(m, "a step went beyond its window");
	if (!taken && m->stood)
		fault(m, "two steps in a row consumed nothing");
	if (m->http.state >= HTTP1_STATES)
		fault(m, "no such state");
	m->stood = !taken;
	note(m, events, m->at, m->at + taken);
	m->at += taken;
}

static bool bodiless(const struct machine *m)
{
	return m->text->heads >> (m->finals % 64) & 1;
}

static __u32 step(struct machine *m, const uint8_t *w, __u32 n, __u32 *events)
{
	if (m->feed->by_step)
		return http1_step(&m->http, m->text->side, bodiless(m), w, n, events);
	return http1_frame(&m->http, m->text->side, bodiless(m), w, n, events);
}

/* The window at `at`, of `n` bytes. */
static const uint8_t *fill(const struct machine *m, size_t at, size_t n)
{
	uint8_t *w = window_of(m->feed->garbage, n);
	size_t after = m->text->len - at - n;

	memcpy(w, m->text->bytes + at, n);
	if (m->feed->garbage == HTTP1_WHAT_FOLLOWS)
		memcpy(w + n, m->text->bytes + at + n, after < HTTP1_SLACK ? after : HTTP1_SLACK);
	return w;
}

/* One segment, up to `end`. This is walk_step() of bpf/observe.bpf.c without what it counts. */
static void segment(struct machine *m, size_t end)
{
	size_t window = m->at, filled = 0;
	const uint8_t *w = NULL;

	while (m->at < end && !m->reading->fault) {
		__u32 events = 0, taken = 0;

		if (!m->feed->by_step)
			taken = http1_body_ahead(&m->http, end - m->at);
		if (taken) {
			http1_pass_body(&m->http, taken, &events);
			advance(m, taken, end - m->at, events);
			continue;
		}
		if (m->at - window >= filled) {
			window = m->at;
			filled = end - m->at < SERIN_WINDOW ? end - m->at : SERIN_WINDOW;
			w = fill(m, window, filled);
		}
		taken = step(m, w + (m->at - window), filled - (m->at - window), &events);
		advance(m, taken, window + filled - m->at, events);
	}
}

static void eof(struct machine *m)
{
	__u32 events = http1_eof(&m->http);
	struct http1_message *message;

	if (m->reading->fault)
		return;
	if (!m->open) {
		if (events)
			fault(m, "http1_eof: an event outside of a message");
		return;
	}
	message = &m->reading->message[m->reading->count - 1];
	if (events == HTTP1_END)
		message_ends(m, message, HTTP1_FATE_CLOSED, m->text->len);
	else if (events == HTTP1_BROKEN)
		message_ends(m, message, HTTP1_FATE_CUT, m->text->len);
	else
		fault(m, "http1_eof: neither END nor BROKEN within a message");
}

void http1_machine_read(const struct http1_text *text, const struct http1_feed *feed, struct http1_reading *ret_reading,
			enum http1_state *ret_state)
{
	struct machine m = {.text = text, .feed = feed, .reading = ret_reading};

	ret_reading->count = 0;
	ret_reading->fault = NULL;
	for (size_t i = 0; i < feed->count; i++)
		segment(&m, feed->cuts[i]);
	segment(&m, text->len);
	if (ret_state)
		*ret_state = m.http.state;
	eof(&m);
}

/* ---- two readings ---- */

bool http1_reading_equal(const struct http1_reading *a, const struct http1_reading *b)
{
	return a->fault == b->fault && a->count == b->count &&
	       !memcmp(a->message, b->message, a->count * sizeof(a->message[0]));
}

static const char *header_difference(const struct http1_message *m, const struct http1_message *r)
{
	if (m->begin != r->begin)
		return "where a message begins";
	if (m->header_end != r->header_end)
		return "where a header ends";
	if (!r->header_end)
		return NULL;
	if (m->status != r->status)
		return "the status";
	if (m->flags != r->flags)
		return "the flags";
	return m->length != r->length ? "the length" : NULL;
}

static const char *message_difference(const struct http1_message *m, const struct http1_message *r)
{
	const char *header = header_difference(m, r);

	if (header)
		return header;
	if (m->body != r->body)
		return "how long a body is";
	if (r->fate == HTTP1_FATE_CUT && m->fate == HTTP1_FATE_OPAQUE)
		return m->end <= r->line_begin ? "opaque too soon" : NULL;
	if (m->fate != r->fate)
		return "how a message ends";
	if (r->fate == HTTP1_FATE_OPAQUE)
		return m->end <= r->line_begin || m->end > r->line_end ? "where opacity shows" : NULL;
	return m->end != r->end ? "where a message ends" : NULL;
}

const char *http1_reading_difference(const struct http1_reading *machine, const struct http1_reading *reference)
{
	if (machine->fault)
		return machine->fault;
	for (size_t i = 0; i < machine->count && i < reference->count; i++) {
		const char *difference = message_difference(&machine->message[i], &reference->message[i]);

		if (difference)
			return difference;
	}
	return machine->count != reference->count ? "how many messages there are" : NULL;
}
