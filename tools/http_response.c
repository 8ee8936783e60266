// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "http_response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void response_begin(struct http_response *response, bool to_head)
{
	*response = (struct http_response){.to_head = to_head};
}

bool response_is_stream(const struct http_response *response)
{
	return response->event_stream || response->n_chunks > 1;
}

void response_end_of_file(struct http_response *response)
{
	if (response->state == RESPONSE_BODY_CLOSE)
		response->state = RESPONSE_COMPLETE;
}

/* Headers */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK": a status of three digits, then a space and words or nothing. */
static enum response_state take_status_line(struct http_response *response)
{
	const char *line = response->line;

	if (strncmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ' || !is_digit(line[9]) ||
	    !is_digit(line[10]) || !is_digit(line[11]) || (line[12] != ' ' && line[12] != '\0') || line[9] == '0')
		return RESPONSE_MALFORMED;
	response->status = (unsigned)strtoul(line + 9, NULL, 10);
	response->keep_alive = line[7] != '0';
	return RESPONSE_HEADER;
}

/* Whether a comma-separated list holds the word. */
static bool list_has(const char *list, const char *word)
{
	size_t length;

	while (*list) {
		list += strspn(list, " \t,");
		length = strcspn(list, " \t,;");
		if (length == strlen(word) && strncasecmp(list, word, length) == 0)
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

static bool take_content_length(struct http_response *response, const char *value)
{
	uint64_t length = 0;
	const char *c = value;

	for (; is_digit(*c); c++) {
		if (length > (UINT64_MAX - 9) / 10)
			return false;
		length = length * 10 + (uint64_t)(*c - '0');
	}
	if (c == value || c[strspn(c, " \t")] != '\0' || (response->has_length && response->left != length))
		return false;
	response->has_length = true;
	response->left = length;
	return true;
}

/* False when the header makes the framing ambiguous. */
static bool take_field(struct http_response *response, const char *name, const char *value)
{
	if (strcasecmp(name, "content-length") == 0)
		return take_content_length(response, value);
	if (strcasecmp(name, "transfer-encoding") == 0) {
		response->chunked = list_has(value, "chunked");
		return response->chunked;
	}
	if (strcasecmp(name, "content-type") == 0)
		response->event_stream = list_has(value, "text/event-stream");
	if (strcasecmp(name, "connection") == 0) {
		if (list_has(value, "close"))
			response->keep_alive = false;
		else if (list_has(value, "keep-alive"))
			response->keep_alive = true;
	}
	return true;
}

/* What follows the empty line (RFC 9112, section 6.3). */
static enum response_state after_headers(struct http_response *response)
{
	if (response->status < 200 && response->status != 101) {
		response_begin(response, response->to_head); /* interim: the final response is still to come */
		return RESPONSE_STATUS_LINE;
	}
	if (response->status == 101)
		response->keep_alive = false; /* no longer HTTP */
	if (response->to_head || response->status == 101 || response->status == 204 || response->status == 304)
		return RESPONSE_COMPLETE;
	if (response->chunked)
		return RESPONSE_CHUNK_SIZE;
	if (response->has_length)
		return response->left > 0 ? RESPONSE_BODY_LENGTH : RESPONSE_COMPLETE;
	response->keep_alive = false;
	return RESPONSE_BODY_CLOSE;
}

static enum response_state take_header(struct http_response *response)
{
	char *line = response->line, *colon;

	if (!*line)
		return after_headers(response);
	colon = strchr(line, ':');
	if (!colon)
		return RESPONSE_MALFORMED;
	*colon = '\0';
	return take_field(response, line, colon + 1 + strspn(colon + 1, " \t")) ? RESPONSE_HEADER : RESPONSE_MALFORMED;
}

/* "1a2b" and, after a semicolon, extensions nobody uses. */
static enum response_state take_chunk_size(struct http_response *response)
{
	const char *line = response->line;
	size_t digits = strspn(line, "0123456789abcdefABCDEF");

	if (digits == 0 || digits > 15 || !strchr("; \t", line[digits]))
		return RESPONSE_MALFORMED;
	response->left = strtoull(line, NULL, 16);
	response->head_bytes = 0;
	if (response->left == 0)
		return RESPONSE_TRAILER;
	response->n_chunks++;
	return RESPONSE_CHUNK_DATA;
}

static enum response_state take_chunk_end(struct http_response *response)
{
	return *response->line ? RESPONSE_MALFORMED : RESPONSE_CHUNK_SIZE;
}

static enum response_state take_trailer(struct http_response *response)
{
	return *response->line ? RESPONSE_TRAILER : RESPONSE_COMPLETE;
}

/* Lines and bodies */

static enum response_state (*const take_line[RESPONSE_STATES])(struct http_response *) = {
	[RESPONSE_STATUS_LINE] = take_status_line,
	[RESPONSE_HEADER] = take_header,
	[RESPONSE_CHUNK_SIZE] = take_chunk_size,
	[RESPONSE_CHUNK_END] = take_chunk_end,
	[RESPONSE_TRAILER] = take_trailer,
};

/* Gathers a line, of which only the beginning is kept; at its end lets the state's function take it. */
static size_t feed_line(struct http_response *response, const char *data, size_t length)
{
	const char *end = memchr(data, '\n', length);
	size_t used = end ? (size_t)(end - data) : length;
	size_t room = RESPONSE_LINE_MAX - 1 - response->line_length;
	size_t kept = used < room ? used : room;

	memcpy(response->line + response->line_length, data, kept);
	response->line_length += kept;
	response->head_bytes += used;
	if (response->head_bytes > RESPONSE_HEAD_MAX) {
		response->state = RESPONSE_MALFORMED;
		return used;
	}
	if (!end)
		return used;

	if (response->line_length > 0 && response->line[response->line_length - 1] == '\r')
		response->line_length--;
	response->line[response->line_length] = '\0';
	response->line_length = 0;
	response->state = take_line[response->state](response);
	return used + 1;
}

static size_t feed_body(struct http_response *response, size_t length)
{
	size_t used = length;

	if (response->state != RESPONSE_BODY_CLOSE) {
		if (used > response->left)
			used = (size_t)response->left;
		response->left -= used;
		if (response->left == 0)
			response->state = response->state == RESPONSE_CHUNK_DATA ? RESPONSE_CHUNK_END :
										   RESPONSE_COMPLETE;
	}
	response->body_bytes += used;
	return used;
}

size_t response_feed(struct http_response *response, const char *data, size_t length)
{
	size_t at = 0;

	while (at < length && response->state < RESPONSE_COMPLETE) {
		if (response->state == RESPONSE_STATUS_LINE)
			response->begun = true;
		if (take_line[response->state])
			at += feed_line(response, data + at, length - at);
		else
			at += feed_body(response, length - at);
	}
	return at;
}
