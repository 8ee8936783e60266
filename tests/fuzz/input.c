// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "input.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool input_parse(const uint8_t *data, size_t size, struct input *ret_input)
{
	size_t count, at = 0;

	if (size < INPUT_HEAD)
		return false;
	count = data[0] >> 2 & 7;
	if (size < INPUT_HEAD + count || size - INPUT_HEAD - count > HTTP1_TEXT_MAX)
		return false;
	ret_input->text = (struct http1_text){data + INPUT_HEAD + count, size - INPUT_HEAD - count,
					      data[0] & 1 ? HTTP1_RESPONSE : HTTP1_REQUEST, data[1]};
	for (size_t i = 0; i < count; i++) {
		at += data[INPUT_HEAD + i];
		ret_input->cuts[i] = at < ret_input->text.len ? at : ret_input->text.len;
	}
	ret_input->feed = (struct http1_feed){ret_input->cuts, count, (data[0] >> 5) % HTTP1_GARBAGES, data[0] & 2};
	return true;
}

static const char *const words[] = {
	"GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "HEAD / HTTP/1.1\r\n", "CONNECT a HTTP/1.1\r\n", "PRI ",
	"HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 C\r\n", "HTTP/1.1 101 S\r\n", "HTTP/1.0 204 N\r\n", "HTTP/1.1 304 N\r\n",
	"Content-Length: 3\r\n", "Content-Length: 0\r\n", "Content-Length:", "Content-Type: text/event-stream",
	"Content-Type:", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding:", "chunked", "gzip", ",", ";", " ", "\t", ":",
	"\r", "\n", "\r\n", "\r\n\r\n", "0\r\n\r\n", "3\r\nabc\r\n", "A: b\r\n", "\r\n ", "fffffffffffffff", "18446744073709551615",
	"\1", "\2", "\3", "\1GET / HTTP/1.1\r\n\r\n", "\2HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
};

size_t input_put_word(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	const char *word = words[seed % COUNT(words)];
	size_t len = strlen(word), at = seed / 64 % (size + 1);

	if (size + len > max)
		return 0;
	memmove(data + at + len, data + at, size - at);
	memcpy(data + at, word, len);
	return size + len;
}
