// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "http1_samples.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define REQUEST(name, marked, say) {name, HTTP1_REQUEST, 0, marked, sizeof(marked) - 1, say}
#define RESPONSE(name, marked, say) {name, HTTP1_RESPONSE, 0, marked, sizeof(marked) - 1, say}
#define ANSWER(name, heads, marked, say) {name, HTTP1_RESPONSE, heads, marked, sizeof(marked) - 1, say}

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X256 X64 X64 X64 X64
#define GET "<GET / HTTP/1.1\r\n"
#define POST "<POST / HTTP/1.1\r\n"
#define OK "<HTTP/1.1 200 OK\r\n"

const struct sample http1_samples[] = {
	/* ---- requests: lines ---- */
	REQUEST("nothing", "", ""),
	REQUEST("get", GET "Host: a\r\n\r\n|>", "body=0"),
	REQUEST("no fields", GET "\r\n|>", "body=0"),
	REQUEST("HTTP/1.0", "<GET / HTTP/1.0\r\n\r\n|>", "body=0"),
	REQUEST("shortest", "<A \n\n|>", "body=0"),
	REQUEST("bare LF", "<GET / HTTP/1.1\nHost: a\n\n|>", "body=0"),
	REQUEST("bare LF, body", "<PUT / HTTP/1.1\nContent-Length: 2\n\n|ab>", "length=2 body=2"),
	REQUEST("keep-alive", GET "Host: a\r\n\r\n|>" GET "Host: b\r\n\r\n|>", "body=0; body=0"),
	REQUEST("pipelined",
		GET "\r\n|>" POST "Content-Length: 1\r\n\r\n|x>"
		    "<HEAD /b HTTP/1.1\r\n\r\n|>" GET "\r\n|>",
		"body=0; length=1 body=1; head body=0; body=0"),
	REQUEST("leading CRLF", "\r\n" GET "\r\n|>", "body=0"),
	REQUEST("leading CRLFs, CRs and LFs", "\r\n\r\n\n\n\r\r" GET "\r\n|>\r\n\r\n" GET "\r\n|>\r\n",
		"body=0; body=0"),
	REQUEST("only CRLF", "\r\n\r\n", ""),
	REQUEST("long target", "<GET /" X256 " HTTP/1.1\r\nHost: a\r\n\r\n|>", "body=0"),
	REQUEST("long field", GET "Cookie: " X256 "\r\nContent-Length: 1\r\n\r\n|x>", "length=1 body=1"),
	REQUEST("long name", GET X256 ": a\r\n\r\n|>", "body=0"),
	REQUEST("lines around the step", GET X16 X16 "\r\nx" X16 X16 "\n" X16 X16 "xx\n" X16 "xxxxxxxxxxxxxx\r\n\r\n|>",
		"body=0"),
	REQUEST("many short lines",
		GET "a\nb\n\x0e\n:\nx: y\r\nd: e\r\nS\nu\n\xff\n \n\t\nz\r\nContent-Length: 1\r\na\r\nb\r\n\r\n|x>",
		"length=1 body=1"),
	REQUEST("short lines that may matter",
		GET "c\nt\nC: a\r\nT: a\r\nTE: b\r\nct: c\r\nContent-Length: 1\nT\nC\r\n\n|x>", "length=1 body=1"),
	REQUEST("lines as long as a word",
		GET
		"abcdef\r\nabcdefg\nabcdef\r\nabcdefg\nabcdef\r\nabcdefg\nabcdef\r\nabcdefg\nabcdef\r\nContent-Length:1\n\n|x>",
		"length=1 body=1"),
	REQUEST("no colon, no name, controls", GET "abc\r\n: x\r\na\x01\x7f\xff: \x80\r\n\r\n|>", "body=0"),
	REQUEST("NUL in a line", GET "a: \0\0\r\n\r\n|>", "body=0"),
	REQUEST("bare CR in a line", GET "a: b\rc\r\r\n\r\n|>", "body=0"),
	REQUEST("bare CR at the start of a line", GET "\rX!: b\r\n\r\n", ""),
	REQUEST("two CR in the last line", GET "\r\r!\n", ""),

	/* ---- requests: methods ---- */
	REQUEST("post", POST "Content-Length: 5\r\n\r\n|hello>", "length=5 body=5"),
	REQUEST("head", "<HEAD / HTTP/1.1\r\n\r\n|>" GET "\r\n|>", "head body=0; body=0"),
	REQUEST("connect", "<CONNECT a:443 HTTP/1.1\r\n\r\n|>", "connect body=0"),
	REQUEST("not quite head",
		"<HEADS / HTTP/1.1\r\n\r\n|>"
		"<HEA / HTTP/1.1\r\n\r\n|>"
		"<XHEAD / HTTP/1.1\r\n\r\n|>",
		"body=0; body=0; body=0"),
	REQUEST("ends in connect",
		"<XCONNECT / HTTP/1.1\r\n\r\n|>"
		"<CONNECTX / HTTP/1.1\r\n\r\n|>",
		"body=0; body=0"),
	REQUEST("unknown methods",
		"<M-SEARCH * HTTP/1.1\r\n\r\n|>"
		"<VERSION-CONTROL /a HTTP/1.1\r\n\r\n|>"
		"<X_Y / HTTP/1.1\r\n\r\n|>",
		"body=0; body=0; body=0"),
	REQUEST("longest method", "<ABCDEFGHIJKLMNOPQRSTUVWX / HTTP/1.1\r\n\r\n|>", "body=0"),
	REQUEST("longer method", "<ABCDEFGHIJKLMNOPQRSTUVWXY! / HTTP/1.1\r\n\r\n", ""),
	REQUEST("method and tab", "<GET\t! / HTTP/1.1\r\n\r\n", ""),
	REQUEST("method and line end", "<GET\r!\n\r\n", ""),
	REQUEST("lower-case method", "<g!et / HTTP/1.1\r\n\r\n", ""),
	REQUEST("mixed-case method", "<Ge!t / HTTP/1.1\r\n\r\n", ""),
	REQUEST("digit in a method", "<G3!T / HTTP/1.1\r\n\r\n", ""),
	REQUEST("leading space", "< !GET / HTTP/1.1\r\n\r\n", ""),
	REQUEST("leading dash", "<-!GET / HTTP/1.1\r\n\r\n", ""),
	REQUEST("HTTP/2 preface", "<PRI !* HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
	REQUEST("nearly the preface",
		"<PRIX * HTTP/1.1\r\n\r\n|>"
		"<XPRI / HTTP/1.1\r\n\r\n|>",
		"body=0; body=0"),
	REQUEST("TLS hello", "<\x16!\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", ""),
	REQUEST("random", "<\x8f!\x1b\xe2\x00\x47\x45\x54\x20\xfe\x0d\x0a\x0d\x0a\x99", ""),
	REQUEST("NULs", "<\0!\0\0\0", ""),
	REQUEST("SSH", "<SSH-2!.0-OpenSSH_9.2\r\n", ""),
	REQUEST("RESP", "<*!1\r\n+PING\r\n", ""),
	REQUEST("a response", "<HTTP/!1.1 200 OK\r\n\r\n", ""),
	REQUEST("a request, then not",
		GET "\r\n|>"
		    "<\x16!\x03\x01"
		    "GET / HTTP/1.1\r\n\r\n",
		"body=0"),

	/* ---- requests: Content-Length ---- */
	REQUEST("length 0", POST "Content-Length: 0\r\n\r\n|>" GET "\r\n|>", "length=0 body=0; body=0"),
	REQUEST("no length", POST "\r\n|>" GET "\r\n|>", "body=0; body=0"),
	REQUEST("length not forgotten nor kept", POST "Content-Length: 3\r\n\r\n|abc>" POST "\r\n|>",
		"length=3 body=3; body=0"),
	REQUEST("body like a header", POST "Content-Length: 24\r\n\r\n|GET / HTTP/1.1\r\nA: b\r\n\r\n>" GET "\r\n|>",
		"length=24 body=24; body=0"),
	REQUEST("length, white space", POST "Content-Length:3\r\n\r\n|abc>" POST "Content-Length: \t 3\t \r\n\r\n|abc>",
		"length=3 body=3; length=3 body=3"),
	REQUEST("length, ten digits", POST "Content-Length: 4294967296\r\nA: b\r\n\r\n|abc?",
		"length=4294967296 body=3"),
	REQUEST("length, eleven digits", POST "Content-Length: 99999999999\r\nA: b\r\n\r\n|abc?",
		"length=99999999999 body=3"),
	REQUEST("length, twelve digits", POST "Content-Length: 123456789012\r\nA: b\r\n\r\n|abc?",
		"length=123456789012 body=3"),
	REQUEST("length, a CR that ends nothing", POST "Content-Length: 1\rA!: b\r\n\r\nabc", ""),
	REQUEST("length, leading zeros", POST "Content-Length: 0000000000000000000000000000003\r\n\r\n|abc>",
		"length=3 body=3"),
	REQUEST("length, largest", POST "Content-Length: 2882303761517117449\r\n\r\n|abc?",
		"length=2882303761517117449 body=3"),
	REQUEST("length, larger", POST "Content-Length: 2882303761517117450!\r\n\r\nabc", ""),
	REQUEST("length, 2^64", POST "Content-Length: 18446744073709551616!\r\n\r\nabc", ""),
	REQUEST("length, 20 digits", POST "Content-Length: 9999999999999999999!9\r\n\r\nabc", ""),
	REQUEST("length twice", POST "Content-Length: 3\r\nContent-Length: 3!\r\n\r\nabc", ""),
	REQUEST("length twice, different", POST "Content-Length: 3\r\nA: b\r\ncontent-length: 4!\r\n\r\nabcd", ""),
	REQUEST("length 0 twice", POST "Content-Length: 0\r\nContent-Length: 0!\r\n\r\n", ""),
	REQUEST("length, list", POST "Content-Length: 3,! 3\r\n\r\nabc", ""),
	REQUEST("length, word", POST "Content-Length: t!hree\r\n\r\nabc", ""),
	REQUEST("length, negative", POST "Content-Length: -!3\r\n\r\nabc", ""),
	REQUEST("length, plus", POST "Content-Length: +!3\r\n\r\nabc", ""),
	REQUEST("length, hexadecimal", POST "Content-Length: 0x!3\r\n\r\nabc", ""),
	REQUEST("length, two numbers", POST "Content-Length: 3 4!\r\n\r\nabcd", ""),
	REQUEST("length, bare CR between", POST "Content-Length: 3\r4!\r\n\r\nabcd", ""),
	REQUEST("length, empty", POST "Content-Length:\r\n!\r\n", ""),
	REQUEST("length, blank", POST "Content-Length:  \t\n!\r\n", ""),
	REQUEST("length, folded", POST "Content-Length: 1\r\n !2\r\n\r\nabcdefghijkl", ""),
	REQUEST("length, folded before", POST "Content-Length:\r\n! 3\r\n\r\nabc", ""),
	REQUEST("length after a folded field", POST "A: b\r\n c\r\n\td\r\nContent-Length: 3\r\n\r\n|abc>",
		"length=3 body=3"),
	REQUEST("length after a fold of many lines",
		POST
		"A: b\r\n c\r\n \r\n\tContent-Length: 9\r\n Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n|abc>",
		"length=3 body=3"),
	REQUEST("length in a fold", POST "A: b\r\n Content-Length: 3\r\n\r\n|>", "body=0"),
	REQUEST("fold of nothing", POST " Content-Length: 3\r\nHost: a\r\n\r\n|>", "body=0"),
	REQUEST("length, space before the colon", POST "Content-Length !: 3\r\n\r\nabc", ""),
	REQUEST("length, tab before the colon", POST "content-length\t!: 3\r\n\r\nabc", ""),
	REQUEST("length, no colon", POST "Content-Length\r\n\r\n|>", "body=0"),
	REQUEST("length, any case",
		POST "CONTENT-LENGTH: 1\r\n\r\n|x>" POST "content-length: 1\r\n\r\n|x>" POST
		     "cOnTeNt-LeNgTh: 1\r\n\r\n|x>",
		"length=1 body=1; length=1 body=1; length=1 body=1"),
	REQUEST("length last, short", POST "Content-Length:1\n\n|x>", "length=1 body=1"),

	/* ---- requests: names ---- */
	REQUEST("not quite length",
		POST
		"Content-Lengthy: 9\r\nXcontent-length: 9\r\nX-Content-Length: 9\r\nContent-Lengt: 9\r\n"
		"Content-Length-Hint: 9\r\nContent_Length: 9\r\nContentLength: 9\r\nContent--Length: 9\r\nContent: 9\r\nC: 9\r\n"
		"Content-L: 9\r\nContent-: 9\r\nc\r\n\r\n|>",
		"body=0"),
	REQUEST("not quite coding",
		POST
		"Transfer-Encodings: chunked\r\nTransfer-Encodin: chunked\r\nTE: chunked\r\nt:\r\n"
		"XTransfer-Encoding: chunked\r\nTransfer_Encoding: chunked\r\nTransfer: chunked\r\nTrailer: A\r\nt\r\n\r\n|>",
		"body=0"),
	REQUEST("controls that fold to name characters",
		POST "Content\rLength: 9\r\nContent-Length\x1a 9\r\nTransfer\rEncoding: chunked\r\n"
		     "Transfer-Encoding\x1a"
		     "chunked\r\n\r\n|>",
		"body=0"),
	REQUEST("names at the end",
		POST "t\n\n|>" POST "c\n\n|>" POST "t:\n\n|>" POST "Content-\n\n|>" POST "Transfer\r\n\r\n|>",
		"body=0; body=0; body=0; body=0; body=0"),

	/* ---- requests: Transfer-Encoding ---- */
	REQUEST("chunked", POST "Transfer-Encoding: chunked\r\n\r\n|5\r\nhello\r\n0\r\n\r\n>" GET "\r\n|>",
		"chunked body=5; body=0"),
	REQUEST("chunked, any case",
		POST "tRANSFER-eNCODING:CHUNKED\r\n\r\n|1\r\na\r\n0\r\n\r\n>" POST
		     "transfer-encoding: \tChunkeD \t\r\n\r\n|0\r\n\r\n>",
		"chunked body=1; chunked body=0"),
	REQUEST("chunked and length",
		POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n|5\r\nhello\r\n0\r\n\r\n>" POST
		     "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n|0\r\n\r\n>",
		"length=3 chunked body=5; length=3 chunked body=0"),
	REQUEST("chunked and no length", POST "Transfer-Encoding: chunked\r\nContent-Length: x!\r\n\r\n0\r\n\r\n", ""),
	REQUEST("coded, then chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n|0\r\n\r\n>", "chunked body=0"),
	REQUEST("coded, then chunked, two lines",
		POST "Transfer-Encoding: gzip\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n|0\r\n\r\n>",
		"chunked body=0"),
	REQUEST("chunked, empty elements", POST "Transfer-Encoding: ,, chunked , ,\r\n\r\n|0\r\n\r\n>",
		"chunked body=0"),
	REQUEST("chunked, empty line", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n|0\r\n\r\n>",
		"chunked body=0"),
	REQUEST("not chunked", POST "Transfer-Encoding: gzip\r\n\r\n|!abc", "coded body=0"),
	REQUEST("not chunked last", POST "Transfer-Encoding: chunked, gzip\r\n\r\n|!0\r\n\r\n", "coded body=0"),
	REQUEST("not chunked last, two lines",
		POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n|!0\r\n\r\n", "coded body=0"),
	REQUEST("not chunked but length", POST "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\n|!abc",
		"length=3 coded body=0"),
	REQUEST("not quite chunked", POST "Transfer-Encoding: chunke\r\n\r\n|!", "coded body=0"),
	REQUEST("not quite chunked: more", POST "Transfer-Encoding: chunkedd\r\n\r\n|!", "coded body=0"),
	REQUEST("not quite chunked: before", POST "Transfer-Encoding: xchunked\r\n\r\n|!", "coded body=0"),
	REQUEST("not quite chunked: split", POST "Transfer-Encoding: chun ked\r\n\r\n|!", "coded body=0"),
	REQUEST("not quite chunked: two words", POST "Transfer-Encoding: chunked x\r\n\r\n|!", "coded body=0"),
	REQUEST("not quite chunked: parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n|!", "coded body=0"),
	REQUEST("no coding", POST "Transfer-Encoding:\r\n\r\n|!", "coded body=0"),
	REQUEST("coding, folded", POST "Transfer-Encoding: gzip,\r\n !chunked\r\n\r\n0\r\n\r\n", ""),
	REQUEST("coding, folded away", POST "Transfer-Encoding: chunked\r\n\t!, gzip\r\n\r\n0\r\n\r\n", ""),
	REQUEST("coding, space before the colon", POST "Transfer-Encoding !: chunked\r\n\r\n0\r\n\r\n", ""),

	/* ---- chunks ---- */
	REQUEST("chunks",
		POST
		"Transfer-Encoding: chunked\r\n\r\n|4\r\nWiki\r\n5\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\n\r\n>",
		"chunked body=23"),
	REQUEST("chunks of 1",
		POST "Transfer-Encoding: chunked\r\n\r\n|1\r\na\r\n1\r\nb\r\n1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n>",
		"chunked body=4"),
	REQUEST("chunk sizes in both cases",
		POST "Transfer-Encoding: chunked\r\n\r\n|a\r\n0123456789\r\nA\r\n0123456789\r\n1f\r\n"
		     "0123456789abcdef0123456789abcde\r\n1F\r\n0123456789abcdef0123456789abcde\r\n0\r\n\r\n>",
		"chunked body=82"),
	REQUEST("chunk size, leading zeros",
		POST "Transfer-Encoding: chunked\r\n\r\n|000000000000000000003\r\nabc\r\n00000000000000000000\r\n\r\n>",
		"chunked body=3"),
	REQUEST("chunk size, largest", POST "Transfer-Encoding: chunked\r\n\r\n|fffffffffffffff\r\nabc?",
		"chunked body=3"),
	REQUEST("chunk size, larger", POST "Transfer-Encoding: chunked\r\n\r\n|1000000000000000!\r\nabc",
		"chunked body=0"),
	REQUEST("chunk extensions",
		POST "Transfer-Encoding: chunked\r\n\r\n|3;a=b;c=\"d;e\"\r\nabc\r\n3 ; a\r\nabc\r\n3\t\r\nabc\r\n0;" X64
		     "\r\n\r\n>",
		"chunked body=9"),
	REQUEST("chunk extension, bare CR", POST "Transfer-Encoding: chunked\r\n\r\n|3\rx\nabc\r\n0\r\n\r\n>",
		"chunked body=3"),
	REQUEST("trailers",
		POST "Transfer-Encoding: chunked\r\n\r\n|1\r\na\r\n0\r\nContent-Length: 7\r\nA: " X64 "\r\n\r\n>" GET
		     "\r\n|>",
		"chunked body=1; body=0"),
	REQUEST("trailers, bare CR", POST "Transfer-Encoding: chunked\r\n\r\n|0\r\n\rA!: b\r\n\r\n", "chunked body=0"),
	REQUEST("chunks, bare LF", POST "Transfer-Encoding: chunked\n\n|3\nabc\n0\nA: b\n\n>" GET "\r\n|>",
		"chunked body=3; body=0"),
	REQUEST("chunk size, word", POST "Transfer-Encoding: chunked\r\n\r\n|x!yz\r\n", "chunked body=0"),
	REQUEST("chunk size, none", POST "Transfer-Encoding: chunked\r\n\r\n|\r!\nabc\r\n", "chunked body=0"),
	REQUEST("chunk size, extension only", POST "Transfer-Encoding: chunked\r\n\r\n|;!a\r\nabc\r\n",
		"chunked body=0"),
	REQUEST("chunk size, leading space", POST "Transfer-Encoding: chunked\r\n\r\n| !3\r\nabc\r\n",
		"chunked body=0"),
	REQUEST("chunk size, 0x", POST "Transfer-Encoding: chunked\r\n\r\n|0x!3\r\nabc\r\n", "chunked body=0"),
	REQUEST("chunk size, negative", POST "Transfer-Encoding: chunked\r\n\r\n|-!3\r\nabc\r\n", "chunked body=0"),
	REQUEST("second chunk size, word", POST "Transfer-Encoding: chunked\r\n\r\n|3\r\nabc\r\ng!\r\n",
		"chunked body=3"),
	REQUEST("chunk longer than its size", POST "Transfer-Encoding: chunked\r\n\r\n|3\r\nabcd!\r\n0\r\n\r\n",
		"chunked body=3"),
	REQUEST("chunk without LF", POST "Transfer-Encoding: chunked\r\n\r\n|3\r\nabc\r0!\r\n\r\n", "chunked body=3"),
	REQUEST("chunk without CRLF", POST "Transfer-Encoding: chunked\r\n\r\n|3\r\nabc0!\r\n\r\n", "chunked body=3"),
	REQUEST("chunk, two CR", POST "Transfer-Encoding: chunked\r\n\r\n|3\r\nabc\r\r!\n0\r\n\r\n", "chunked body=3"),
	REQUEST("request cut in its line",
		GET "\r\n|>"
		    "<GET / HT?",
		"body=0"),
	REQUEST("request cut in a chunk", POST "Transfer-Encoding: chunked\r\n\r\n|5\r\nabc?", "chunked body=3"),

	/* ---- responses: status lines ---- */
	RESPONSE("none", "", ""),
	RESPONSE("ok", OK "Content-Length: 5\r\n\r\n|hello>", "200 length=5 body=5"),
	RESPONSE("length 0", OK "Content-Length: 0\r\n\r\n|>" OK "Content-Length: 1\r\n\r\n|x>",
		 "200 length=0 body=0; 200 length=1 body=1"),
	RESPONSE("pipelined",
		 OK "Content-Length: 1\r\n\r\n|a>"
		    "<HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n|>"
		    "<HTTP/1.1 500 E\r\nContent-Length: 2\r\n\r\n|ab>",
		 "200 length=1 body=1; 404 length=0 body=0; 500 length=2 body=2"),
	RESPONSE("bare LF", "<HTTP/1.1 200 OK\nContent-Length: 1\n\n|x>", "200 length=1 body=1"),
	RESPONSE("no reason", "<HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n|x>", "200 length=1 body=1"),
	RESPONSE("no reason and no space",
		 "<HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n|>"
		 "<HTTP/1.1 503\nContent-Length: 0\n\n|>",
		 "503 length=0 body=0; 503 length=0 body=0"),
	RESPONSE("odd reason", "<HTTP/1.1 200 200 404 \xff\x01\r\nContent-Length: 0\r\n\r\n|>", "200 length=0 body=0"),
	RESPONSE("long reason", "<HTTP/1.1 200 " X256 "\r\nContent-Length: 0\r\n\r\n|>", "200 length=0 body=0"),
	RESPONSE("HTTP/1.0", "<HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n|x>", "200 length=1 body=1"),
	RESPONSE("HTTP/1.9", "<HTTP/1.9 200 OK\r\nContent-Length: 1\r\n\r\n|x>", "200 length=1 body=1"),
	RESPONSE("leading CRLF", "\r\n\n" OK "Content-Length: 1\r\n\r\n|x>\r\n" OK "Content-Length: 0\r\n\r\n|>",
		 "200 length=1 body=1; 200 length=0 body=0"),
	RESPONSE("lowest and highest status",
		 "<HTTP/1.1 100 \r\n\r\n^"
		 "<HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n|>",
		 "100 body=0; 999 length=0 body=0"),
	RESPONSE("status 099", "<HTTP/1.1 0!99 OK\r\n\r\n", ""),
	RESPONSE("status of two digits", "<HTTP/1.1 20 !OK\r\n\r\n", ""),
	RESPONSE("status of four digits", "<HTTP/1.1 2000! OK\r\n\r\n", ""),
	RESPONSE("status with a letter", "<HTTP/1.1 20x! OK\r\n\r\n", ""),
	RESPONSE("status and reason in one", "<HTTP/1.1 200O!K\r\n\r\n", ""),
	RESPONSE("status negative", "<HTTP/1.1 -!20 OK\r\n\r\n", ""),
	RESPONSE("no status", "<HTTP/1.1\r!\n\r\n", ""),
	RESPONSE("two spaces", "<HTTP/1.1  !200 OK\r\n\r\n", ""),
	RESPONSE("HTTP/2", "<HTTP/2! 200\r\n\r\n", ""),
	RESPONSE("HTTP/1", "<HTTP/1 !200 OK\r\n\r\n", ""),
	RESPONSE("HTTP/1.x", "<HTTP/1.x! 200 OK\r\n\r\n", ""),
	RESPONSE("HTTP/1.10", "<HTTP/1.10! 200 OK\r\n\r\n", ""),
	RESPONSE("HTTP/11", "<HTTP/11!.1 200 OK\r\n\r\n", ""),
	RESPONSE("lower case", "<h!ttp/1.1 200 OK\r\n\r\n", ""),
	RESPONSE("HTML", "<HTM!L\r\n\r\n", ""),
	RESPONSE("a request", "<G!ET / HTTP/1.1\r\n\r\n", ""),
	RESPONSE("SSH banner", "<S!SH-2.0-OpenSSH_9.2\r\n", ""),
	RESPONSE("RESP", "<+!PONG\r\n", ""),
	RESPONSE("RESP error", "<-!ERR unknown command 'GET'\r\n", ""),
	RESPONSE("SMTP", "<2!20 mail ESMTP\r\n", ""),
	RESPONSE("TLS", "<\x16!\x03\x03\x00\x7a\x02\x00\x00\x76", ""),
	RESPONSE("HTTP/2 settings", "<\0!\0\0\x04\0\0\0\0\0", ""),
	RESPONSE("more after the body",
		 OK "Content-Length: 1\r\n\r\n|x>"
		    "<y!z",
		 "200 length=1 body=1"),

	/* ---- responses: bodies ---- */
	ANSWER("head", 1, OK "Content-Length: 5\r\n\r\n|>" OK "Content-Length: 1\r\n\r\n|x>",
	       "200 length=5 body=0; 200 length=1 body=1"),
	ANSWER("head, second", 2,
	       OK "Content-Length: 1\r\n\r\n|x>" OK "Content-Length: 5\r\n\r\n|>" OK "Content-Length: 0\r\n\r\n|>",
	       "200 length=1 body=1; 200 length=5 body=0; 200 length=0 body=0"),
	ANSWER("head, chunked or nothing said", 3,
	       OK "Transfer-Encoding: chunked\r\n\r\n|>" OK "\r\n|>" OK "Content-Length: 0\r\n\r\n|>",
	       "200 chunked body=0; 200 body=0; 200 length=0 body=0"),
	ANSWER("head, after an interim response", 1, "<HTTP/1.1 100 Continue\r\n\r\n^" OK "Content-Length: 5\r\n\r\n|>",
	       "100 body=0; 200 length=5 body=0"),
	RESPONSE("continue", "<HTTP/1.1 100 Continue\r\n\r\n^" OK "Content-Length: 1\r\n\r\n|x>",
		 "100 body=0; 200 length=1 body=1"),
	RESPONSE("interim responses",
		 "<HTTP/1.1 102 Processing\r\n\r\n^"
		 "<HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n^" OK "Content-Length: 0\r\n\r\n|>",
		 "102 body=0; 103 body=0; 200 length=0 body=0"),
	RESPONSE(
		"interim says nothing about the final",
		"<HTTP/1.1 103 H\r\nContent-Length: 9\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n^" OK
		"Content-Length: 1\r\n\r\n|x>",
		"103 length=9 chunked events body=0; 200 length=1 body=1"),
	RESPONSE("last interim and first final status",
		 "<HTTP/1.1 199 \r\n\r\n^"
		 "<HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n|>",
		 "199 body=0; 200 length=0 body=0"),
	RESPONSE("interim only", "<HTTP/1.1 100 Continue\r\n\r\n^", "100 body=0"),
	RESPONSE("switched", "<HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n@\x81\x05hello",
		 "101 body=0"),
	RESPONSE("switched to what looks like HTTP/1",
		 "<HTTP/1.1 101 S\r\nContent-Length: 3\r\n\r\n@HTTP/1.1 200 OK\r\n\r\n", "101 length=3 body=0"),
	RESPONSE("204",
		 "<HTTP/1.1 204 No Content\r\n\r\n|>"
		 "<HTTP/1.1 204 N\r\nContent-Length: 9\r\n\r\n|>" OK "Content-Length: 0\r\n\r\n|>",
		 "204 body=0; 204 length=9 body=0; 200 length=0 body=0"),
	RESPONSE("304",
		 "<HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n|>"
		 "<HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n|>" OK "Content-Length: 0\r\n\r\n|>",
		 "304 length=9 body=0; 304 chunked body=0; 200 length=0 body=0"),
	RESPONSE("205 can have a body", "<HTTP/1.1 205 Reset Content\r\nContent-Length: 1\r\n\r\n|x>",
		 "205 length=1 body=1"),
	RESPONSE("until close", OK "\r\n|hello$", "200 body=5"),
	RESPONSE("until close, nothing", OK "\r\n|$", "200 body=0"),
	RESPONSE("until close, like a response", OK "\r\n|HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n$",
		 "200 body=38"),
	RESPONSE("until close, long", OK "Content-Type: text/event-stream\r\n\r\n|" X256 X64 "$",
		 "200 events body=320"),
	RESPONSE("length, cut", OK "Content-Length: 5\r\n\r\n|hel?", "200 length=5 body=3"),
	RESPONSE("header, cut", OK "Content-Le?", ""),
	RESPONSE("status line, cut", "<HTTP/1.?", ""),
	RESPONSE("long body", OK "Content-Length: 272\r\n\r\n|" X256 X16 ">" OK "Content-Length: 0\r\n\r\n|>",
		 "200 length=272 body=272; 200 length=0 body=0"),
	RESPONSE("chunked",
		 OK "Transfer-Encoding: chunked\r\n\r\n|5\r\nhello\r\n0\r\n\r\n>" OK "Content-Length: 0\r\n\r\n|>",
		 "200 chunked body=5; 200 length=0 body=0"),
	RESPONSE("chunked and length",
		 OK "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n|5\r\nhello\r\n0\r\n\r\n>",
		 "200 length=3 chunked body=5"),
	RESPONSE("chunked, cut before the last chunk", OK "Transfer-Encoding: chunked\r\n\r\n|5\r\nhello\r\n?",
		 "200 chunked body=5"),
	RESPONSE("chunked, cut in the trailers", OK "Transfer-Encoding: chunked\r\n\r\n|5\r\nhello\r\n0\r\nA: b\r\n?",
		 "200 chunked body=5"),
	RESPONSE("chunked, empty elements",
		 OK "Transfer-Encoding: chunked,\r\n\r\n|1\r\na\r\n0\r\n\r\n>" OK "Content-Length: 0\r\n\r\n|>",
		 "200 chunked body=1; 200 length=0 body=0"),
	RESPONSE("coded, not chunked", OK "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\n|hello$",
		 "200 length=3 coded body=5"),
	RESPONSE("coded and folded", OK "Transfer-Encoding: gzip,\r\n !chunked\r\n\r\n0\r\n\r\n", ""),
	RESPONSE("length twice", OK "Content-Length: 3\r\nContent-Length: 3!\r\n\r\nabc", ""),
	RESPONSE("length, space before the colon", OK "Content-Length !: 3\r\n\r\nabc", ""),

	/* ---- responses: Content-Type ---- */
	RESPONSE("events", OK "Content-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n|>",
		 "200 length=0 events body=0"),
	RESPONSE("events, any case, parameters",
		 OK "CONTENT-TYPE:TEXT/Event-Stream;charset=utf-8\r\nContent-Length: 0\r\n\r\n|>"
		    "<HTTP/1.1 200 \ncontent-type: \t text/event-stream \ncontent-length: 0\n\n|>",
		 "200 length=0 events body=0; 200 length=0 events body=0"),
	RESPONSE(
		"events, chunked",
		OK
		"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n|9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\n\r\n>" OK
		"Content-Length: 0\r\n\r\n|>",
		"200 chunked events body=18; 200 length=0 body=0"),
	RESPONSE("events, line ends", "<HTTP/1.1 200 \nContent-Type:text/event-stream\nContent-Length:0\n\n|>",
		 "200 length=0 events body=0"),
	RESPONSE("not quite events",
		 OK "Content-Type: text/event-streams\r\nContent-Length: 0\r\n\r\n|>" OK
		    "Content-Type: text/event-strea\r\nContent-Length: 0\r\n\r\n|>" OK
		    "Content-Type: text/event\r\nContent-Length: 0\r\n\r\n|>" OK
		    "Content-Typed: text/event-stream\r\nContent-Length: 0\r\n\r\n|>",
		 "200 length=0 body=0; 200 length=0 body=0; 200 length=0 body=0; 200 length=0 body=0"),
	RESPONSE("not events either",
		 OK "Content-Type: text/event-stream-x\r\nContent-Length: 0\r\n\r\n|>" OK
		    "Content-Type: xtext/event-stream\r\nContent-Length: 0\r\n\r\n|>" OK "Content-Type: text\x0f"
		    "event\rstream\r\nContent-Length: 0\r\n\r\n|>" OK "Content-Type:\r\nContent-Length: 0\r\n\r\n|>",
		 "200 length=0 body=0; 200 length=0 body=0; 200 length=0 body=0; 200 length=0 body=0"),
	RESPONSE("not events: other names",
		 OK "Content-Encoding: text/event-stream\r\nAccept: text/event-stream\r\nContent-Length: 0\r\n\r\n|>",
		 "200 length=0 body=0"),
};
const size_t http1_samples_count = COUNT(http1_samples);

void buffer_put(struct buffer *b, char c)
{
	if (b->len == sizeof(b->bytes))
		abort();
	b->bytes[b->len++] = c;
}

struct http1_text http1_sample_text(const struct sample *sample, struct buffer *ret_bytes)
{
	ret_bytes->len = 0;
	for (size_t i = 0; i < sample->len; i++)
		if (!sample->marked[i] || !strchr(HTTP1_MARKS, sample->marked[i]))
			buffer_put(ret_bytes, sample->marked[i]);
	return (struct http1_text){(const uint8_t *)ret_bytes->bytes, ret_bytes->len, sample->side, sample->heads};
}

/* ---- mutations of the samples ---- */

#define MUTANT_MAX 1024

/* xorshift64*: the same cases on every machine. */
uint64_t http1_random_below(uint64_t n)
{
	static uint64_t x = 0x5e21a5e21a5e21a5;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	return (x * 0x2545f4914f6cdd1d >> 32) % n;
}

/* Replaces `gone` bytes at `at` by `n` others. What does not fit is left out. */
static void splice(struct buffer *b, size_t at, size_t gone, const char *bytes, size_t n)
{
	char copy[MUTANT_MAX];

	if (b->len - gone + n > MUTANT_MAX || n > sizeof(copy))
		return;
	if (n)
		memcpy(copy, bytes, n); /* they may be its own */
	memmove(b->bytes + at + n, b->bytes + at + gone, b->len - at - gone);
	memcpy(b->bytes + at, copy, n);
	b->len += n - gone;
}

static void insert_token(struct buffer *b, size_t at, size_t gone)
{
	static const char *const tokens[] = {
		"\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", ":", ",", ";", "0", "1", "9", "f", "00000000",
		"Content-Length:", "content-length: 3\r\n", "Transfer-Encoding:", "transfer-encoding: chunked\r\n",
		"Content-Type: text/event-stream", "chunked", ", chunked", "gzip", "HTTP/1.1 ", "100 ", "101 ", "204 ",
		"\r\n ", "\x1a", "-", "GET / HTTP/1.1\r\n\r\n", "HEAD ", "3\r\nabc\r\n", "0\r\n\r\n",
	};
	const char *token = tokens[http1_random_below(COUNT(tokens))];

	splice(b, at, gone, token, strlen(token));
}

static void mutate(struct buffer *b)
{
	size_t at = http1_random_below(b->len + 1), gone = http1_random_below(b->len - at + 1) % 20;
	char byte = (char)http1_random_below(256);

	switch (http1_random_below(7)) {
	case 0: /* another byte */
		splice(b, at, gone > 0, &byte, 1);
		break;
	case 1: /* a bit, which for letters is often the case */
		if (at < b->len)
			b->bytes[at] ^= http1_random_below(2) ? 0x20 : 1 << http1_random_below(8);
		break;
	case 2: /* fewer bytes */
		splice(b, at, gone, NULL, 0);
		break;
	case 3: /* the same bytes again */
		splice(b, at, 0, b->bytes + at, gone);
		break;
	case 4: /* the end is missing */
		if (!http1_random_below(4))
			b->len = at;
		break;
	default:
		insert_token(b, at, http1_random_below(2) ? gone : 0);
	}
}

struct http1_text http1_random_text(struct buffer *b)
{
	const struct sample *sample = &http1_samples[http1_random_below(COUNT(http1_samples))];
	struct http1_text text = http1_sample_text(sample, b);

	if (!http1_random_below(4)) {
		struct buffer other;
		size_t at = http1_random_below(b->len + 1);

		http1_sample_text(&http1_samples[http1_random_below(COUNT(http1_samples))], &other);
		splice(b, at, http1_random_below(2) ? b->len - at : 0, other.bytes, other.len);
	}
	for (size_t n = 1 + http1_random_below(4); n; n--)
		mutate(b);
	text.len = b->len;
	if (!http1_random_below(4))
		text.heads = http1_random_below(8);
	return text;
}
