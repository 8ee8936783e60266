// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A server on Node's own http: node server.mjs PORT LOG. It logs a line for each request when its response is over:
// status, method, path. It is also what the proxies have behind them.

import { appendFileSync } from "node:fs";
import http from "node:http";

const [port, log] = process.argv.slice(2);
const big = Buffer.alloc(1 << 20, "b");
const huge = Buffer.alloc(64 << 20, "h");

// Pieces 20 ms apart, until there have been so many or the client has left.
function pieces(response, type, count) {
	response.writeHead(200, { "Content-Type": type });
	let sent = 0;
	const timer = setInterval(() => {
		response.write(`data: piece ${++sent}\n\n`);
		if (sent === count) response.end();
	}, 20);
	response.on("close", () => clearInterval(timer));
}

const answers = {
	"/": (_, response) => response.end("hello\n"),
	"/big": (_, response) => response.setHeader("Content-Length", big.length).end(big),
	"/broken": (_, response) => response.writeHead(500).end("broken\n"),
	"/throttled": (_, response) => response.writeHead(429, { "Retry-After": "1" }).end(),
	"/nothing": (_, response) => response.writeHead(204).end(),
	"/stream": (_, response) => pieces(response, "text/event-stream", 5),
	"/chunks/stream": (_, response) => pieces(response, "application/octet-stream", 5),
	"/long/stream": (_, response) => pieces(response, "text/event-stream", 250),
	"/abort/stream": (_, response) => pieces(response, "text/event-stream", Infinity),
	"/abort/huge": (_, response) => response.setHeader("Content-Length", huge.length).end(huge),
	"/dropped/unanswered": (request) => request.socket.destroy(),
	"/dropped/cut": (request, response) => {
		response.writeHead(200, { "Content-Length": 1000 });
		response.write("not all of it\n", () => request.socket.destroy());
	},
	// Chunked, but a single send.
	"/chunked": (_, response) => {
		response.write("one piece");
		response.end("and another\n");
	},
	"/post": async (request, response) => {
		let bytes = 0;
		for await (const piece of request) bytes += piece.length;
		response.end(`${bytes}\n`);
	},
};

http.createServer((request, response) => {
	const answer = answers[request.url.split("?")[0]];
	response.on("close", () => appendFileSync(log, `${response.statusCode} ${request.method} ${request.url}\n`));
	if (answer) answer(request, response);
	else response.writeHead(404).end("missing\n");
}).listen(Number(port), "127.0.0.1");
