// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "exchange.h"

#define SAMPLE(name, text, counted) {name, text, sizeof(text) - 1, counted}
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
#define NOT_FOUND "HTTP/1.1 404 N\r\nContent-Length: 5\r\n\r\n"
#define X16 "xxxxxxxxxxxxxxxx"
#define X128 X16 X16 X16 X16 X16 X16 X16 X16

const struct exchange_sample exchange_samples[] = {
	SAMPLE("one", "\1" GET "\2" OK "hello", "success=1"),
	SAMPLE("keep-alive", "\1" GET "\2" OK "hello\1" GET "\2" NOT_FOUND "hello", "success=1 client_error=1"),
	SAMPLE("nothing answered", "\1" GET, "in_flight=1"),
	SAMPLE("half answered", "\1" GET "\2" OK "hel", "in_flight=1"),
	SAMPLE("half asked", "\1GET / HT", "in_flight=1"),
	SAMPLE("byte by byte", "\1P\1O\1S\1T\1 / HTTP/1.1\r\1\n\1\r\1\n\2H\2T\2T\2P\2/1.1 2\2" "01\2 C\r\2\nContent-Length:\2 2\r\n\r\2\n\2a\2b", "success=1"),
	SAMPLE("put, its method in a segment of its own", "\1PUT\1 / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx\2" OK "hello", "success=1"),
	SAMPLE("every class",
	       "\1" GET "\2HTTP/1.1 302 F\r\nContent-Length: 0\r\n\r\n\1" GET "\2HTTP/1.1 400 B\r\nContent-Length: 0\r\n\r\n"
	       "\1" GET "\2HTTP/1.1 408 T\r\nContent-Length: 0\r\n\r\n\1" GET "\2HTTP/1.1 429 T\r\nContent-Length: 0\r\n\r\n"
	       "\1" GET "\2HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n\1" GET "\2HTTP/1.1 599 E\r\nContent-Length: 0\r\n\r\n",
	       "success=1 client_error=1 throttled=2 server_error=2"),
	SAMPLE("head", "\1" HEAD "\2" OK "\1" GET "\2" NOT_FOUND "hello", "success=1 client_error=1"),
	SAMPLE("head, second of three", "\1" GET HEAD GET "\2" OK "hello" NOT_FOUND OK "hello", "success=2 client_error=1"),
	SAMPLE("head, answered with chunks", "\1" HEAD GET "\2HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" NOT_FOUND "hello", "success=1 client_error=1"),
	SAMPLE("head, answered without a length", "\1" HEAD GET "\2HTTP/1.1 200 OK\r\n\r\n" NOT_FOUND "hello", "success=1 client_error=1"),
	SAMPLE("head after an interim response", "\1" HEAD "\2HTTP/1.1 103 E\r\n\r\n" OK "\1" GET "\2" NOT_FOUND "hello", "success=1 client_error=1"),
	SAMPLE("head, refused before its header ended", "\1HEAD / HTTP/1.1\r\nCookie: " X128 "\2HTTP/1.1 431 F\r\nContent-Length: 5\r\n\r\n", "client_error=1"),
	SAMPLE("204 and 304",
	       "\1" GET "\2HTTP/1.1 204 N\r\n\r\n\1" GET "\2HTTP/1.1 304 N\r\nContent-Length: 7\r\n\r\n\1" GET "\2HTTP/1.1 204 N\r\nContent-Length: 7\r\n\r\n\1" GET
	       "\2" NOT_FOUND "hello",
	       "success=3 client_error=1"),
	SAMPLE("continue", "\1POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n\2HTTP/1.1 100 Continue\r\n\r\n\1hello\2" OK "hello", "success=1"),
	SAMPLE("interim only", "\1" GET "\2HTTP/1.1 103 E\r\nContent-Length: 5\r\n\r\n", "in_flight=1"),
	SAMPLE("two interim", "\1" GET "\2HTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n", "server_error=1"),
	SAMPLE("pipelined", "\1" GET POST "hello" GET "\2" OK "hello" NOT_FOUND "hello\2" OK "hello", "success=2 client_error=1"),
	SAMPLE("pipelined, cut anywhere", "\1" GET "GE\1T / HTTP/1.1\r\n\2" OK "he\1\r\n\2llo" NOT_FOUND "\2hello", "success=1 client_error=1"),
	SAMPLE("pipelined, more than the ring holds",
	       "\1" GET GET GET GET GET GET GET GET GET GET GET GET GET GET GET GET GET GET GET GET "\2" NOT_FOUND "hello" OK "hello" OK "hello",
	       "success=2 client_error=1 in_flight=17"),
	SAMPLE("answered before the body was sent", "\1" POST "he\2" NOT_FOUND "hello\1llo" GET "\2" OK "hello", "success=1 client_error=1"),
	SAMPLE("bodies like messages",
	       "\1POST / HTTP/1.1\r\nContent-Length: 27\r\n\r\n" GET GET "\2HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\nHTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n12" NOT_FOUND "hello",
	       "success=1 client_error=1"),
	SAMPLE("chunks both ways",
	       "\1POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\1" "0\r\n\r\n" GET "\2HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	       "5\r\nhello\r\n\2" "5\r\nhello\r\n0\r\nA: b\r\n\r\n" NOT_FOUND "hello",
	       "success=1 client_error=1"),
	SAMPLE("long header", "\1GET /" X128 X128 " HTTP/1.1\r\nCookie: " X128 "\r\n\r\n\2HTTP/1.1 200 OK\r\nSet-Cookie: " X128 "\r\nContent-Length: 256\r\n\r\n" X128 X128
	       "\1" GET, "success=1 in_flight=1"),
	SAMPLE("until the server closes", "\1" GET "\2HTTP/1.1 200 OK\r\n\r\nhel\2lo\3", "success=1"),
	SAMPLE("until the server closes, nothing", "\1" GET "\2HTTP/1.1 500 E\r\n\r\n\3", "server_error=1"),
	SAMPLE("until the server closes, which it does not", "\1" GET "\2HTTP/1.1 200 OK\r\n\r\nhello", "in_flight=1"),
	SAMPLE("closed within", "\1" GET "\2" OK "hel\3", "in_flight=1"),
	SAMPLE("upgraded", "\1" GET "\2HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n\x81\2\x81\1\x82", "success=1"),
	SAMPLE("answer without a question", "\2HTTP/1.1 408 T\r\nContent-Length: 5\r\n\r\nhello\3", ""),
	SAMPLE("answer without a question, after one", "\1" GET "\2" OK "hello\2HTTP/1.1 408 T\r\nContent-Length: 5\r\n\r\nhello\3", "success=1"),
	SAMPLE("answer without a question, then one", "\1" GET "\2" OK "hello\2HTTP/1.1 408 T\r\nContent-Length: 5\r\n\r\nhello\1" GET "\2" NOT_FOUND "hello",
	       "success=1 client_error=1"),
	SAMPLE("answer without a question, before a HEAD", "\2HTTP/1.1 408 T\r\nContent-Length: 5\r\n\r\n\1" HEAD "\2hello\2" NOT_FOUND "\1" GET "\2" OK "hello",
	       "success=1 client_error=1"),
	SAMPLE("not HTTP/1, asked", "\1\x16\x04\x05", ""),
	SAMPLE("not HTTP/1, answered", "\1" GET GET "\2+PONG\r\n", "unknown=2"),
	SAMPLE("not HTTP/1, after one", "\1" GET "\2" OK "hello\2junk", "success=1"),
	SAMPLE("not HTTP/1, asked after one", "\1" GET "\2" OK "hello\1" GET "{}", "success=1 unknown=1"),
};
const size_t exchange_samples_count = sizeof(exchange_samples) / sizeof(exchange_samples[0]);
