// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "http1_llhttp.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <llhttp/llhttp.h>

struct reader {
	const struct http1_text *text;
	struct http1_reading *reading;
	size_t at; /* of the byte that is being read */
	size_t finals;
	bool open;
};

static struct http1_message *current(struct reader *r)
{
	return &r->reading->message[r->reading->count - 1];
}

static int on_message_begin(llhttp_t *parser)
{
	struct reader *r = parser->data;

	if (r->reading->count == HTTP1_MESSAGES_MAX)
		return -1;
	parser->content_length = 0; /* after HTTP/1.0 it keeps that of a message whose body it was told to skip */
	r->reading->count++;
	*current(r) = (struct http1_message){.begin = r->at};
	r->open = true;
	return 0;
}

/* 1: there is no body. 0: look at the header. */
static int on_headers_complete(llhttp_t *parser)
{
	struct reader *r = parser->data;
	struct http1_message *m = current(r);

	m->header_end = r->at + 1;
	if (r->text->side == HTTP1_REQUEST) {
		m->flags = parser->method == HTTP_HEAD ? HTTP1_F_HEAD : 0;
		return 0;
	}
	m->status = parser->status_code;
	return m->status < 200 || m->status == 204 || m->status == 304 || r->text->heads >> (r->finals % 64) & 1;
}

static int on_body(llhttp_t *parser, const char *bytes, size_t n)
{
	(void)bytes;
	current(parser->data)->body += n;
	return 0;
}

static int on_message_complete(llhttp_t *parser)
{
	struct reader *r = parser->data;
	struct http1_message *m = current(r);

	m->end = r->at + (r->at < r->text->len);
	m->fate = m->status && m->status < 200 ? HTTP1_FATE_INTERIM : HTTP1_FATE_ENDED;
	if (r->at == r->text->len)
		m->fate = HTTP1_FATE_CLOSED;
	r->finals += m->fate != HTTP1_FATE_INTERIM;
	r->open = false;
	return 0;
}

static void give_up(struct reader *r)
{
	if (!r->open)
		*current((r->reading->count++, r)) = (struct http1_message){.begin = r->at};
	current(r)->fate = HTTP1_FATE_OPAQUE;
	current(r)->end = r->at + 1;
}

/* Byte by byte, since it does not say where it is. */
void http1_llhttp_read(const struct http1_text *text, bool strict, struct http1_reading *ret_reading)
{
	static const llhttp_settings_t settings = {
		.on_message_begin = on_message_begin,
		.on_headers_complete = on_headers_complete,
		.on_body = on_body,
		.on_message_complete = on_message_complete,
	};
	struct reader r = {.text = text, .reading = ret_reading};
	llhttp_t parser;

	ret_reading->count = 0;
	ret_reading->fault = NULL;
	llhttp_init(&parser, text->side == HTTP1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
	parser.data = &r;
	llhttp_set_lenient_headers(&parser, !strict);
	llhttp_set_lenient_chunked_length(&parser, !strict);
	llhttp_set_lenient_keep_alive(&parser, 1);
	for (; r.at < text->len; r.at++) {
		if (llhttp_execute(&parser, (const char *)text->bytes + r.at, 1) == HPE_OK)
			continue;
		give_up(&r);
		return;
	}
	llhttp_finish(&parser);
	if (r.open) {
		current(&r)->fate = HTTP1_FATE_CUT;
		current(&r)->end = text->len;
	}
}

/* NULL: the same, as far as both say. */
static const char *difference(const struct http1_message *m, const struct http1_message *l)
{
	if (m->begin != l->begin)
		return "llhttp: where a message begins";
	if (m->header_end != l->header_end)
		return "llhttp: where a header ends";
	if (m->status != l->status)
		return "llhttp: the status";
	if ((m->flags & HTTP1_F_HEAD) != l->flags)
		return "llhttp: whether it is HEAD";
	if (m->body != l->body)
		return "llhttp: how long a body is";
	if (m->fate != l->fate)
		return "llhttp: how a message ends";
	return m->end != l->end ? "llhttp: where a message ends" : NULL;
}

static bool has_bare_cr(const uint8_t *bytes, size_t n)
{
	const uint8_t *cr = n ? memchr(bytes, '\r', n) : NULL;

	for (; cr; cr = memchr(cr + 1, '\r', bytes + n - cr - 1))
		if (cr + 1 == bytes + n || cr[1] != '\n')
			return true;
	return false;
}

static bool begins_with(const uint8_t *line, size_t n, const char *name)
{
	return n >= strlen(name) && !strncasecmp((const char *)line, name, strlen(name));
}

/* Is the value of this field empty, or a list, or followed by a tab? */
static bool is_odd(const uint8_t *value, size_t n)
{
	size_t i = 0;

	while (i < n && value[i] == ' ')
		i++;
	return i == n || value[i] == '\r' || memchr(value, ',', n) || memchr(value, '\t', n);
}

static bool is_disputed_line(const uint8_t *line, size_t n)
{
	static const char *const framing[] = {"Content-Length:", "Transfer-Encoding:"};

	if (n && (*line == ' ' || *line == '\t'))
		return true;
	for (size_t i = 0; i < 2; i++)
		if (begins_with(line, n, framing[i]))
			return is_odd(line + strlen(framing[i]), n - strlen(framing[i]));
	return begins_with(line, n, "Upgrade:");
}

static bool is_disputed_header(const uint8_t *line, const uint8_t *end)
{
	const uint8_t *lf;

	for (; line < end; line = lf + 1) {
		lf = memchr(line, '\n', end - line);
		lf = lf ? lf : end;
		if (is_disputed_line(line, lf - line))
			return true;
	}
	return false;
}

/* "HTTP/1.x nnn", of what was taken for a status line. */
static bool is_plain_status(const uint8_t *line)
{
	return line[5] == '1' && line[9] >= '1' && line[9] <= '9' && line[10] >= '0' && line[10] <= '9' && line[11] >= '0' &&
	       line[11] <= '9' && (line[12] == ' ' || line[12] == '\r' || line[12] == '\n');
}

/* Is there something in the message that the two read differently on purpose? */
static bool is_disputed(const struct http1_text *text, const struct http1_message *m, const struct http1_message *l)
{
	const uint8_t *begin = text->bytes + m->begin, *end = text->bytes + m->end, *header_end = end;

	if (m->header_end || l->header_end)
		header_end = text->bytes + (m->header_end ? m->header_end : l->header_end);
	if (m->flags & HTTP1_F_CONNECT || has_bare_cr(begin, header_end - begin) || is_disputed_header(begin, header_end))
		return true;
	if (m->flags & HTTP1_F_CHUNKED && has_bare_cr(header_end, end - header_end))
		return true;
	if (text->side == HTTP1_REQUEST)
		return begins_with(begin, header_end - begin, "PRI ");
	return l->header_end && !is_plain_status(begin);
}

const char *http1_llhttp_difference(const struct http1_text *text, const struct http1_reading *machine,
				    const struct http1_reading *llhttp, bool strict, size_t *ret_agreed)
{
	size_t i;

	if (ret_agreed)
		*ret_agreed = 0;
	for (i = 0; i < machine->count && i < llhttp->count; i++) {
		const struct http1_message *m = &machine->message[i], *l = &llhttp->message[i];
		const char *what;

		if (l->fate == HTTP1_FATE_OPAQUE || m->fate == HTTP1_FATE_SWITCHED || is_disputed(text, m, l))
			return NULL;
		if (m->fate == HTTP1_FATE_OPAQUE)
			return strict && l->fate != HTTP1_FATE_CUT ? "llhttp: opaque, although strictly valid" : NULL;
		what = difference(m, l);
		if (what)
			return what;
		if (ret_agreed)
			++*ret_agreed;
	}
	return machine->count != llhttp->count ? "llhttp: how many messages there are" : NULL;
}
