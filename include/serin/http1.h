/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * HTTP/1 framing (RFC 9112): bytes in, state out. It answers where a message begins, where its body begins and
 * where it ends, and keeps nothing of what it reads but a status code and lengths.
 *
 * One `struct http1` reads one direction of a connection. It may stop and go on at any byte. The same source is
 * compiled into the BPF program, the unit tests and the fuzzer, so there is no kernel, no libc and no loop without
 * a bound in it. Lines that do not matter, which is most of a header, are crossed 64 bytes a step.
 *
 * It recognises and does not judge: a message that a strict server would refuse is framed as long as its end is
 * certain, and everything else becomes HTTP1_OPAQUE.
 */
#ifndef SERIN_HTTP1_H
#define SERIN_HTTP1_H

#include <linux/types.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the word-at-a-time scan below is written for little-endian machines"
#endif

#define HTTP1_SLACK 96 /* readable bytes that must follow the window; their content does not matter */
#define HTTP1_SCAN 64  /* bytes of lines that do not matter that one step crosses */
#define HTTP1_METHOD_MAX 24

enum http1_side { HTTP1_REQUEST, HTTP1_RESPONSE };

/* What a response answers, as far as its framing depends on it. */
enum http1_to { HTTP1_TO_OTHER, HTTP1_TO_HEAD, HTTP1_TO_CONNECT };

enum http1_state {
	HTTP1_START,	   /* between messages */
	HTTP1_METHOD,	   /* request: in the method */
	HTTP1_VERSION,	   /* response: in "HTTP/1.x NNN" */
	HTTP1_LINE,	   /* in a line that does not matter (any more) */
	HTTP1_FIELD,	   /* at the start of a header line */
	HTTP1_UNFOLDED,	   /* the same after a line that frames, which must not go on in this one */
	HTTP1_NAME,	   /* in a header name that may matter */
	HTTP1_LENGTH,	   /* in the value of Content-Length */
	HTTP1_CODING,	   /* in the value of Transfer-Encoding */
	HTTP1_TYPE,	   /* in the value of Content-Type */
	HTTP1_BLANK,	   /* the header's last line: its CR was read */
	HTTP1_BODY,	   /* `left` bytes of body to come */
	HTTP1_CHUNK_SIZE,
	HTTP1_CHUNK_EXT,
	HTTP1_CHUNK_DATA,  /* `left` bytes of chunk to come */
	HTTP1_CHUNK_END,   /* its CR LF */
	HTTP1_TRAILER,	   /* at the start of a trailer line */
	HTTP1_TRAILER_LINE,
	HTTP1_TRAILER_BLANK,
	HTTP1_UNTIL_CLOSE, /* body up to the end of the connection */
	HTTP1_OPAQUE,	   /* not HTTP/1, or not any more */
	HTTP1_STATES
};

/* What a step found, as bits: one step may find several. */
enum http1_event {
	HTTP1_BEGIN = 1,    /* first byte of a message */
	HTTP1_INTERIM = 2,  /* end of a 1xx response: the final one follows */
	HTTP1_HEADERS = 4,  /* end of the (final) header; `status` and the flags are valid */
	HTTP1_DATA = 8,	    /* body bytes */
	HTTP1_END = 16,	    /* last byte of the message */
	HTTP1_BROKEN = 32,  /* not HTTP/1: the state is HTTP1_OPAQUE from here on */
	HTTP1_SWITCHED = 64 /* with END: after this message the connection speaks something else */
};

enum http1_flag {
	HTTP1_F_LENGTH = 1,   /* Content-Length was given */
	HTTP1_F_CHUNKED = 2,  /* the last transfer coding is chunked */
	HTTP1_F_CODED = 4,    /* some Transfer-Encoding was given */
	HTTP1_F_EVENTS = 8,   /* Content-Type: text/event-stream */
	HTTP1_F_HEAD = 16,    /* request: HEAD */
	HTTP1_F_CONNECT = 32, /* request: CONNECT */
};

/* Zeroed, it is ready for the first message. */
struct http1 {
	__u64 left;    /* bytes of body or chunk to come; while in the method, its last 8 bytes */
	__u64 length;  /* Content-Length, with HTTP1_F_LENGTH */
	__u16 status;  /* response */
	__u8 state;    /* enum http1_state */
	__u8 flags;    /* enum http1_flag */
	__u8 name;     /* which header name is being matched */
	__u8 matched;  /* how much of it, or of the value */
	__u8 pad[2];
};

#define HTTP1_INLINE static inline __attribute__((always_inline, unused))
/* What few steps need stands apart in the kernel: instructions that are passed over have to be fetched all the same. */
#ifdef __bpf__
#define HTTP1_APART static __attribute__((noinline, unused))
#else
#define HTTP1_APART HTTP1_INLINE
#endif

#define HTTP1_EACH(byte) (0x0101010101010101ULL * (byte))
#define HTTP1_TEXT8(a, b, c, d, e, f, g, h)                                                                \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |           \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

/* Text is compared with bit 5 set, which folds the case of letters. It also makes '-', '/' and ':' out of control
 * characters, which have to be excluded. */
#define HTTP1_FOLD 0x20

struct http1_word {
	__u64 v;
} __attribute__((packed, may_alias));

HTTP1_INLINE __u64 http1_load8(const __u8 *p)
{
	return ((const struct http1_word *)p)->v;
}

HTTP1_INLINE __u32 http1_min(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

HTTP1_INLINE int http1_is_space(__u8 c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The bytes of a word that equal `byte`: 0x80 in each of them, exactly. */
HTTP1_INLINE __u64 http1_equal(__u64 word, __u8 byte)
{
	__u64 x = word ^ HTTP1_EACH(byte);

	return ~(((x & HTTP1_EACH(0x7f)) + HTTP1_EACH(0x7f)) | x | HTTP1_EACH(0x7f));
}

/* The number of the lowest byte marked so. */
HTTP1_INLINE __u32 http1_lowest(__u64 marks)
{
	return (__u32)((((marks & -marks) >> 7) * 0x0001020304050607ULL) >> 56);
}

/* Offset of the first LF in w[0..limit), or `limit`. limit <= 32. */
HTTP1_INLINE __u32 http1_find_lf(const __u8 *w, __u32 limit)
{
#pragma GCC unroll 4
	for (__u32 i = 0; i < 32; i += 8) {
		__u64 lf = http1_equal(http1_load8(w + i), '\n');

		if (lf)
			return http1_min(i + http1_lowest(lf), limit);
	}
	return limit;
}

HTTP1_INLINE void http1_opaque(struct http1 *h, __u32 *events)
{
	h->state = HTTP1_OPAQUE;
	*events |= HTTP1_BROKEN;
}

HTTP1_INLINE void http1_end(struct http1 *h, __u32 *events)
{
	h->state = HTTP1_START;
	*events |= HTTP1_END;
}

/* A new message: nothing of the one before may be left. */
HTTP1_INLINE void http1_begin(struct http1 *h, __u32 *events)
{
	h->left = 0;
	h->length = 0;
	h->status = 0;
	h->flags = 0;
	h->matched = 0;
	*events |= HTTP1_BEGIN;
}

HTTP1_INLINE void http1_request_body(struct http1 *h, __u32 *events)
{
	*events |= HTTP1_HEADERS;
	if (h->flags & HTTP1_F_CHUNKED)
		h->state = HTTP1_CHUNK_SIZE, h->matched = 0, h->left = 0;
	else if (h->flags & HTTP1_F_CODED) /* its end cannot be known: RFC 9112, 6.3 */
		http1_opaque(h, events);
	else if (h->length)
		h->state = HTTP1_BODY, h->left = h->length;
	else
		http1_end(h, events);
}

/* RFC 9112, 6.3: how long is the body of this response? */
HTTP1_INLINE void http1_response_body(struct http1 *h, enum http1_to to, __u32 *events)
{
	if (h->status == 101 || (to == HTTP1_TO_CONNECT && h->status >= 200 && h->status < 300)) {
		/* The protocol changes here: the request is answered. */
		*events |= HTTP1_HEADERS | HTTP1_SWITCHED | HTTP1_END;
		h->state = HTTP1_OPAQUE;
		return;
	}
	if (h->status < 200) {
		*events |= HTTP1_INTERIM;
		h->state = HTTP1_START;
		return;
	}
	*events |= HTTP1_HEADERS;
	if (to == HTTP1_TO_HEAD || h->status == 204 || h->status == 304)
		http1_end(h, events);
	else if (h->flags & HTTP1_F_CHUNKED)
		h->state = HTTP1_CHUNK_SIZE, h->matched = 0, h->left = 0;
	else if (!(h->flags & HTTP1_F_LENGTH) || (h->flags & HTTP1_F_CODED))
		h->state = HTTP1_UNTIL_CLOSE;
	else if (h->length)
		h->state = HTTP1_BODY, h->left = h->length;
	else
		http1_end(h, events);
}

HTTP1_APART void http1_header_done(struct http1 *h, enum http1_side side, enum http1_to to, __u32 *events)
{
	if (side == HTTP1_REQUEST)
		http1_request_body(h, events);
	else
		http1_response_body(h, to, events);
}

/* Header names that matter, and where two of them part. */
enum { HTTP1_NAME_CONTENT, HTTP1_NAME_LENGTH, HTTP1_NAME_TYPE, HTTP1_NAME_CODING };
#define HTTP1_CONTENT_LEN 8 /* of "content-" */

/* Character `i` of a name, as switch tables: BPF programs on older kernels cannot index constant strings safely. */
HTTP1_INLINE __u8 http1_name_char(__u8 name, __u8 i)
{
	const __u64 content = HTTP1_TEXT8('c', 'o', 'n', 't', 'e', 'n', 't', '-');
	const __u64 length = HTTP1_TEXT8('l', 'e', 'n', 'g', 't', 'h', ':', 0);
	const __u64 type = HTTP1_TEXT8('t', 'y', 'p', 'e', ':', 0, 0, 0);
	const __u64 transfer = HTTP1_TEXT8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r');
	const __u64 encoding = HTTP1_TEXT8('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n');
	const __u64 rest = HTTP1_TEXT8('g', ':', 0, 0, 0, 0, 0, 0);
	__u64 text;

	if (name == HTTP1_NAME_CODING)
		text = i < 8 ? transfer : i < 16 ? encoding : rest;
	else if (i < HTTP1_CONTENT_LEN)
		text = content;
	else
		text = name == HTTP1_NAME_LENGTH ? length : type;
	return (__u8)(text >> (8 * (i & 7)));
}

/* A line that does not matter: to its LF, at most 32 bytes a step. */
HTTP1_INLINE __u32 http1_line(struct http1 *h, __u8 next_state, const __u8 *w, __u32 n)
{
	__u32 limit = http1_min(n, 32);
	__u32 lf = http1_find_lf(w, limit);

	if (lf >= limit)
		return limit;
	h->state = next_state;
	return lf + 1;
}

/*
 * Of the LFs marked in a word: those after which a header line begins that may matter (Content-, Transfer-, or the blank
 * line). `next`: the byte after the word's first. `left`: bytes of the window from the word on.
 */
HTTP1_APART __u64 http1_stops(const __u8 *next, __u64 lf, __u32 left)
{
	__u64 word = http1_load8(next), folded = word | HTTP1_EACH(HTTP1_FOLD);
	__u64 stops = lf & (http1_equal(folded, 'c') | http1_equal(folded, 't') | http1_equal(word, '\r') |
			    http1_equal(word, '\n'));
	__u32 last = 8 * (left - 1);

	if (left > 8)
		return stops;
	/* What follows the last byte is not known yet, what lies beyond it is not ours. */
	return (stops | (lf & 0x80ULL << last)) & (~0ULL >> (56 - last));
}

/*
 * In header lines that do not matter: to the start of the first that may, at most HTTP1_SCAN bytes a step. A word
 * without LF, as most are, costs six operations.
 */
HTTP1_INLINE __u32 http1_lines(struct http1 *h, const __u8 *w, __u32 n)
{
	__u32 limit = http1_min(n, HTTP1_SCAN);

#pragma GCC unroll 8
	for (__u32 i = 0; i < HTTP1_SCAN; i += 8) {
		__u64 lf = http1_equal(http1_load8(w + i), '\n'), stops;

		if (i >= limit)
			break;
		stops = lf ? http1_stops(w + i + 1, lf, limit - i) : 0;
		if (!stops)
			continue;
		h->state = HTTP1_FIELD;
		return i + http1_lowest(stops) + 1;
	}
	return limit;
}

HTTP1_INLINE __u32 http1_value(struct http1 *h, __u8 state, __u32 taken)
{
	h->state = state;
	h->matched = 0;
	return taken;
}

/* " 123" CR LF when all of it is in sight. Answers 0 and leaves it to http1_length() otherwise. */
HTTP1_APART __u32 http1_length_at_once(struct http1 *h, const __u8 *w, __u32 n)
{
	__u64 value = 0;
	__u32 i;

	if (n < 16 || w[0] != ' ' || h->flags & HTTP1_F_LENGTH)
		return 0;
#pragma GCC unroll 11
	for (i = 1; i < 12; i++) {
		__u8 digit = w[i] - '0';

		if (digit > 9)
			break;
		value = value * 10 + digit;
	}
	if (i == 1 || i == 12 || w[i] != '\r' || w[i + 1] != '\n')
		return 0;
	h->length = value;
	h->flags |= HTTP1_F_LENGTH;
	h->state = HTTP1_UNFOLDED;
	return i + 2;
}

/* " text/event-stream" or another type, when enough of it is in sight; http1_type() does it otherwise. */
HTTP1_INLINE __u32 http1_type_at_once(struct http1 *h, const __u8 *w, __u32 n)
{
	__u64 first = http1_load8(w + 1) | HTTP1_EACH(HTTP1_FOLD), second = http1_load8(w + 9) | HTTP1_EACH(HTTP1_FOLD);

	if (n < 19 || w[0] != ' ' || w[1] == ' ' || w[1] == '\t')
		return 0;
	if (first == HTTP1_TEXT8('t', 'e', 'x', 't', '/', 'e', 'v', 'e') && w[5] == '/' &&
	    second == HTTP1_TEXT8('n', 't', '-', 's', 't', 'r', 'e', 'a') && w[11] == '-' &&
	    (w[17] | HTTP1_FOLD) == 'm' && (w[18] == ';' || http1_is_space(w[18])))
		h->flags |= HTTP1_F_EVENTS;
	h->state = HTTP1_LINE;
	return 1;
}

/* After a name that frames. A space there is refused by some and hides the name from others: RFC 9112, 5.1. */
HTTP1_INLINE __u32 http1_colon(struct http1 *h, __u8 state, __u8 c, __u32 *events)
{
	if (c == ':')
		return http1_value(h, state, 1);
	if (c == ' ' || c == '\t') {
		http1_opaque(h, events);
		return 1;
	}
	h->state = HTTP1_LINE; /* consumes nothing: the byte may be the line's LF */
	return 0;
}

/* At the start of a header line. */
HTTP1_INLINE __u32 http1_field(struct http1 *h, enum http1_side side, enum http1_to to, const __u8 *w, __u32 n,
			       __u32 *events)
{
	__u8 c = w[0];

	if (h->state == HTTP1_UNFOLDED && (c == ' ' || c == '\t')) {
		http1_opaque(h, events);
		return 1;
	}
	if (c == '\n' || (c == '\r' && n >= 2 && w[1] == '\n')) {
		http1_header_done(h, side, to, events);
		return c == '\n' ? 1 : 2;
	}
	if (c == '\r') {
		h->state = HTTP1_BLANK;
		return 1;
	}
	c |= HTTP1_FOLD;
	if (c != 'c' && c != 't') {
		h->state = HTTP1_LINE;
		return 0;
	}
	if (n >= 18) { /* the whole name is in sight: compare words. HTTP1_NAME does the same byte by byte. */
		__u64 first = http1_load8(w) | HTTP1_EACH(HTTP1_FOLD);
		__u64 second = http1_load8(w + 8) | HTTP1_EACH(HTTP1_FOLD);

		if (first == HTTP1_TEXT8('c', 'o', 'n', 't', 'e', 'n', 't', '-') && w[7] == '-') {
			if ((second & (~0ULL >> 16)) == HTTP1_TEXT8('l', 'e', 'n', 'g', 't', 'h', 0, 0)) {
				if (w[14] != ':')
					return 14 + http1_colon(h, HTTP1_LENGTH, w[14], events);
				return http1_value(h, HTTP1_LENGTH, 15) + http1_length_at_once(h, w + 15, n - 15);
			}
			if ((second & (~0ULL >> 32)) == HTTP1_TEXT8('t', 'y', 'p', 'e', 0, 0, 0, 0) && w[12] == ':')
				return http1_value(h, HTTP1_TYPE, 13) + http1_type_at_once(h, w + 13, n - 13);
		} else if (first == HTTP1_TEXT8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r') &&
			   second == HTTP1_TEXT8('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n') && w[8] == '-' &&
			   (w[16] | HTTP1_FOLD) == 'g') {
			return 17 + http1_colon(h, HTTP1_CODING, w[17], events);
		}
		h->state = HTTP1_LINE;
		return 0;
	}
	h->name = c == 'c' ? HTTP1_NAME_CONTENT : HTTP1_NAME_CODING;
	h->matched = 1;
	h->state = HTTP1_NAME;
	return 1;
}

/* In a header name that may matter, one byte. A mismatch consumes nothing: the byte may be the line's LF. */
HTTP1_INLINE __u32 http1_name(struct http1 *h, __u8 c, __u32 *events)
{
	__u8 folded = c | HTTP1_FOLD, expected;

	if (h->name == HTTP1_NAME_CONTENT && h->matched == HTTP1_CONTENT_LEN)
		h->name = folded == 'l' ? HTTP1_NAME_LENGTH : HTTP1_NAME_TYPE;
	expected = http1_name_char(h->name, h->matched);
	if (expected == ':' && h->name != HTTP1_NAME_TYPE)
		return http1_colon(h, h->name == HTTP1_NAME_LENGTH ? HTTP1_LENGTH : HTTP1_CODING, c, events);
	if (folded != expected || c < ' ') {
		h->state = HTTP1_LINE;
		return 0;
	}
	h->matched++;
	return expected == ':' ? http1_value(h, HTTP1_TYPE, 1) : 1;
}

/* matched: 0 before the digits, 1 in them, 2 after them. */
HTTP1_INLINE __u32 http1_length(struct http1 *h, __u8 c, __u32 *events)
{
	if (c >= '0' && c <= '9' && h->matched < 2) {
		if (!h->matched) {
			if (h->flags & HTTP1_F_LENGTH) { /* given twice: RFC 9112, 6.3 (5) */
				http1_opaque(h, events);
				return 1;
			}
			h->matched = 1;
			h->length = 0;
			h->flags |= HTTP1_F_LENGTH;
		}
		if (h->length > (1ULL << 58)) {
			http1_opaque(h, events);
			return 1;
		}
		h->length = h->length * 10 + (c - '0');
		return 1;
	}
	if (c == ' ' || c == '\t' || c == '\r') {
		h->matched += h->matched == 1;
		return 1;
	}
	if (c == '\n' && h->matched) {
		h->state = HTTP1_UNFOLDED;
		return 1;
	}
	http1_opaque(h, events);
	return 1;
}

/* Is "chunked" the last of the codings? matched: its letters in the current token, 0: none yet (an empty one does not
 * count: RFC 9110, 5.6.1), 255: another token. */
HTTP1_INLINE __u32 http1_coding(struct http1 *h, __u8 c)
{
	const __u64 chunked = HTTP1_TEXT8('c', 'h', 'u', 'n', 'k', 'e', 'd', 0);

	if (c == '\n' || c == ',') {
		h->flags |= HTTP1_F_CODED;
		if (h->matched == 7)
			h->flags |= HTTP1_F_CHUNKED;
		else if (h->matched)
			h->flags &= ~HTTP1_F_CHUNKED;
		h->matched = 0;
		if (c == '\n')
			h->state = HTTP1_UNFOLDED;
	} else if (c == ' ' || c == '\t' || c == '\r') {
		if (h->matched && h->matched < 7)
			h->matched = 255;
	} else if (h->matched < 7 && (c | HTTP1_FOLD) == (__u8)(chunked >> (8 * (h->matched & 7)))) {
		h->matched++;
	} else {
		h->matched = 255;
	}
	return 1;
}

/* Is it text/event-stream? matched: its letters so far. */
HTTP1_INLINE __u32 http1_type(struct http1 *h, __u8 c)
{
	const __u64 first = HTTP1_TEXT8('t', 'e', 'x', 't', '/', 'e', 'v', 'e');
	const __u64 second = HTTP1_TEXT8('n', 't', '-', 's', 't', 'r', 'e', 'a');
	__u64 text = h->matched < 8 ? first : h->matched < 16 ? second : 'm';

	if ((c == ' ' || c == '\t') && !h->matched)
		return 1;
	if (h->matched == 17) {
		if (c == ';' || http1_is_space(c))
			h->flags |= HTTP1_F_EVENTS;
	} else if (c >= ' ' && (c | HTTP1_FOLD) == (__u8)(text >> (8 * (h->matched & 7)))) {
		h->matched++;
		return 1;
	}
	h->state = HTTP1_LINE; /* consumes nothing: the byte may be the line's LF */
	return 0;
}

HTTP1_INLINE int http1_is_method_char(__u8 c)
{
	return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

HTTP1_INLINE __u32 http1_request_start(struct http1 *h, const __u8 *w, __u32 n, __u32 *events)
{
	if (w[0] == '\r' || w[0] == '\n') /* RFC 9112, 2.2: empty lines before a request are ignored */
		return 1;
	http1_begin(h, events);
	if (n >= 8) { /* the two that nearly all requests have */
		__u64 word = http1_load8(w);

		if ((word & 0xffffffffULL) == HTTP1_TEXT8('G', 'E', 'T', ' ', 0, 0, 0, 0)) {
			h->state = HTTP1_LINE;
			return 4;
		}
		if ((word & 0xffffffffffULL) == HTTP1_TEXT8('P', 'O', 'S', 'T', ' ', 0, 0, 0)) {
			h->state = HTTP1_LINE;
			return 5;
		}
	}
	if (w[0] < 'A' || w[0] > 'Z') {
		http1_opaque(h, events);
		return 1;
	}
	h->state = HTTP1_METHOD;
	h->left = w[0];
	h->matched = 1;
	return 1;
}

HTTP1_INLINE __u32 http1_method(struct http1 *h, __u8 c, __u32 *events)
{
	if (http1_is_method_char(c) && h->matched < HTTP1_METHOD_MAX) {
		h->left = h->left << 8 | c;
		h->matched++;
		return 1;
	}
	if (c != ' ' || (h->left == ('P' << 16 | 'R' << 8 | 'I') && h->matched == 3)) { /* HTTP/2's preface */
		http1_opaque(h, events);
		return 1;
	}
	if (h->matched == 4 && h->left == ('H' << 24 | 'E' << 16 | 'A' << 8 | 'D'))
		h->flags |= HTTP1_F_HEAD;
	if (h->matched == 7 && h->left == ((__u64)'C' << 48 | (__u64)'O' << 40 | (__u64)'N' << 32 |
					   'N' << 24 | 'E' << 16 | 'C' << 8 | 'T'))
		h->flags |= HTTP1_F_CONNECT;
	h->left = 0;
	h->state = HTTP1_LINE;
	return 1;
}

HTTP1_INLINE __u32 http1_response_start(struct http1 *h, const __u8 *w, __u32 n, __u32 *events)
{
	if (w[0] == '\r' || w[0] == '\n')
		return 1;
	http1_begin(h, events);
	if (n >= 13) {
		__u64 word = http1_load8(w) & (~0ULL >> 8);
		__u8 minor = w[7] - '0', a = w[9] - '0', b = w[10] - '0', c = w[11] - '0';

		if (word == HTTP1_TEXT8('H', 'T', 'T', 'P', '/', '1', '.', 0) && minor <= 9 && w[8] == ' ' &&
		    a >= 1 && a <= 9 && b <= 9 && c <= 9 && http1_is_space(w[12])) {
			h->status = a * 100 + b * 10 + c;
			h->state = HTTP1_LINE;
			return 12;
		}
	}
	if (w[0] != 'H') {
		http1_opaque(h, events);
		return 1;
	}
	h->state = HTTP1_VERSION;
	h->matched = 1;
	return 1;
}

/* One byte of "HTTP/1.x NNN", from the second on, and the one after it, which may be the LF and is not consumed. */
HTTP1_INLINE __u32 http1_version(struct http1 *h, __u8 c, __u32 *events)
{
	const __u64 text = HTTP1_TEXT8('H', 'T', 'T', 'P', '/', '1', '.', 0);
	__u8 i = h->matched++;
	int ok;

	if (i < 7)
		ok = c == (__u8)(text >> (8 * (i & 7)));
	else if (i == 7)
		ok = c >= '0' && c <= '9'; /* any is read like 1.1: RFC 9110, 2.5 */
	else if (i == 8)
		ok = c == ' ';
	else if (i == 12)
		ok = http1_is_space(c);
	else
		ok = c >= (i == 9 ? '1' : '0') && c <= '9';
	if (!ok) {
		http1_opaque(h, events);
		return 1;
	}
	if (i == 12) {
		h->state = HTTP1_LINE;
		return 0;
	}
	if (i >= 9)
		h->status = h->status * 10 + (c - '0');
	return 1;
}

/* matched: there was a digit. */
HTTP1_INLINE __u32 http1_chunk_size(struct http1 *h, __u8 c, __u32 *events)
{
	__u8 lower = c | 0x20;
	__u8 digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;

	if (digit < 16 && !(h->left >> 56)) {
		h->left = h->left << 4 | digit;
		h->matched = 1;
		return 1;
	}
	if (!h->matched || (c != ';' && !http1_is_space(c))) {
		http1_opaque(h, events);
		return 1;
	}
	h->state = HTTP1_CHUNK_EXT;
	return 0;
}

/* To the LF that ends the chunk's size line. */
HTTP1_INLINE __u32 http1_chunk_ext(struct http1 *h, const __u8 *w, __u32 n)
{
	if (n >= 2 && w[0] == '\r' && w[1] == '\n') { /* as nearly always */
		h->state = h->left ? HTTP1_CHUNK_DATA : HTTP1_TRAILER;
		return 2;
	}
	return http1_line(h, h->left ? HTTP1_CHUNK_DATA : HTTP1_TRAILER, w, n);
}

HTTP1_INLINE __u32 http1_chunk_end(struct http1 *h, const __u8 *w, __u32 n, __u32 *events)
{
	if (w[0] == '\r' && !h->matched) {
		h->matched = 1;
		if (n < 2)
			return 1;
		w++;
		if (w[0] == '\n') {
			h->state = HTTP1_CHUNK_SIZE, h->matched = 0, h->left = 0;
			return 2;
		}
		http1_opaque(h, events);
		return 2;
	}
	if (w[0] == '\n') {
		h->state = HTTP1_CHUNK_SIZE, h->matched = 0, h->left = 0;
		return 1;
	}
	http1_opaque(h, events);
	return 1;
}

HTTP1_INLINE __u32 http1_trailer(struct http1 *h, const __u8 *w, __u32 n, __u32 *events)
{
	if (w[0] == '\r') {
		h->state = HTTP1_TRAILER_BLANK;
		return 1;
	}
	if (w[0] == '\n') {
		http1_end(h, events);
		return 1;
	}
	h->state = HTTP1_TRAILER_LINE;
	return http1_line(h, HTTP1_TRAILER, w, n);
}

/* Body bytes that can be passed without being looked at, of the `n` that come next. */
HTTP1_INLINE __u32 http1_body_ahead(const struct http1 *h, __u32 n)
{
	if (h->state == HTTP1_UNTIL_CLOSE || h->state == HTTP1_OPAQUE)
		return n;
	if (h->state != HTTP1_BODY && h->state != HTTP1_CHUNK_DATA)
		return 0;
	return h->left < n ? (__u32)h->left : n;
}

/* Passes `taken` body bytes. 0 < taken <= http1_body_ahead(). */
HTTP1_INLINE void http1_pass_body(struct http1 *h, __u32 taken, __u32 *events)
{
	if (h->state == HTTP1_OPAQUE)
		return;
	*events |= HTTP1_DATA;
	if (h->state == HTTP1_UNTIL_CLOSE)
		return;
	h->left -= taken;
	if (h->left)
		return;
	if (h->state == HTTP1_BODY)
		http1_end(h, events);
	else
		h->state = HTTP1_CHUNK_END, h->matched = 0;
}

/* The states that few steps are in. Side and `to` are one argument: a BPF function has five at most. */
HTTP1_APART __u32 http1_other(struct http1 *h, __u32 side_and_to, const __u8 *w, __u32 n, __u32 *events)
{
	enum http1_side side = side_and_to & 1 ? HTTP1_RESPONSE : HTTP1_REQUEST;
	enum http1_to to = side_and_to >> 1;

	switch (h->state) {
	case HTTP1_METHOD:
		return http1_method(h, w[0], events);
	case HTTP1_VERSION:
		return http1_version(h, w[0], events);
	case HTTP1_NAME:
		return http1_name(h, w[0], events);
	case HTTP1_LENGTH:
		return http1_length(h, w[0], events);
	case HTTP1_CODING:
		return http1_coding(h, w[0]);
	case HTTP1_TYPE:
		return http1_type(h, w[0]);
	case HTTP1_BLANK:
		if (w[0] == '\n')
			http1_header_done(h, side, to, events);
		else
			http1_opaque(h, events);
		return 1;
	case HTTP1_CHUNK_SIZE:
		return http1_chunk_size(h, w[0], events);
	case HTTP1_CHUNK_EXT:
		return http1_chunk_ext(h, w, n);
	case HTTP1_CHUNK_END:
		return http1_chunk_end(h, w, n, events);
	case HTTP1_TRAILER:
		return http1_trailer(h, w, n, events);
	case HTTP1_TRAILER_LINE:
		return http1_line(h, HTTP1_TRAILER, w, n);
	case HTTP1_TRAILER_BLANK:
		if (w[0] == '\n')
			http1_end(h, events);
		else
			http1_opaque(h, events);
		return 1;
	}
	http1_opaque(h, events); /* not reached: the states above are all there are */
	return n;
}

/*
 * One step over header or chunk framing, where http1_body_ahead() is 0: reads w[0..n), n > 0, and answers how many
 * bytes it consumed, which can be 0 when only the state changed (never twice in a row). Sets bits of enum
 * http1_event in *events. HTTP1_SLACK bytes after the window must be readable. `to`: what a response
 * answers.
 */
HTTP1_INLINE __u32 http1_frame(struct http1 *h, enum http1_side side, enum http1_to to, const __u8 *w, __u32 n,
			       __u32 *events)
{
	__u32 used = 0;

	/* The states that most steps are in come first: BPF has no jump tables. */
	if (h->state == HTTP1_FIELD || h->state == HTTP1_UNFOLDED)
		used = http1_field(h, side, to, w, n, events);
	else if (h->state == HTTP1_START)
		used = side == HTTP1_REQUEST ? http1_request_start(h, w, n, events)
					     : http1_response_start(h, w, n, events);
	else if (h->state != HTTP1_LINE)
		return http1_other(h, side | to << 1, w, n, events);
	/* What comes next is nearly always a line that does not matter: on in the same step. */
	if (h->state != HTTP1_LINE || used >= n || used > HTTP1_SLACK - HTTP1_SCAN)
		return used;
	return used + http1_lines(h, w + used, n - used);
}

/* The same over any bytes, body included. */
HTTP1_INLINE __u32 http1_step(struct http1 *h, enum http1_side side, enum http1_to to, const __u8 *w, __u32 n,
			      __u32 *events)
{
	__u32 ahead = http1_body_ahead(h, n);

	if (!ahead)
		return http1_frame(h, side, to, w, n, events);
	http1_pass_body(h, ahead, events);
	return ahead;
}

/*
 * The sender closed: is the message complete? HTTP1_END for a body that ends so, 0 between messages, HTTP1_BROKEN
 * for a message cut short.
 */
HTTP1_INLINE __u32 http1_eof(struct http1 *h)
{
	__u32 events = 0;

	if (h->state == HTTP1_UNTIL_CLOSE)
		http1_end(h, &events);
	else if (h->state != HTTP1_START && h->state != HTTP1_OPAQUE)
		http1_opaque(h, &events);
	return events;
}

#endif
