// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Node's fetch: node client.mjs URL CONCURRENCY <SCRIPT. The script and what is printed are those of client.py, but so many
// requests are under way at once, on connections of fetch's own choice.

import { readFileSync } from "node:fs";

const [base, concurrency] = process.argv.slice(2);
const wanted = [];
for (const line of readFileSync(0, "utf8").split("\n")) {
	const [count, method, path, status, size, chunked] = line.trim().split(/\s+/);
	for (let i = 0; i < Number(count); i++) wanted.push({ method, path, status, size, chunked });
}

function body({ size, chunked }) {
	if (size === undefined) return {};
	if (!chunked) return { body: "x".repeat(Number(size)) };
	let left = Number(size);
	const stream = new ReadableStream({
		pull(controller) {
			const n = Math.min(left, 16384);
			if (n) controller.enqueue(new TextEncoder().encode("x".repeat(n)));
			else controller.close();
			left -= n;
		},
	});
	return { body: stream, duplex: "half" };
}

async function ask(request) {
	const controller = new AbortController();
	const response = await fetch(base + request.path, { method: request.method, signal: controller.signal, ...body(request) });
	if (request.status !== "abort") {
		await response.arrayBuffer();
		return response.status;
	}
	const { done } = await response.body.getReader().read();
	if (done) throw new Error("over before it was aborted");
	controller.abort();
	return "abort";
}

async function client() {
	for (let request; (request = wanted.shift()); ) {
		let status;
		try {
			status = await ask(request);
		} catch (error) {
			status = "dropped";
			if (request.status !== status) console.error(request.path, error, error.cause);
		}
		if (String(status) !== request.status) {
			console.error(`${request.method} ${request.path}: ${status}, expected ${request.status}`);
			process.exitCode = 1;
		}
		console.log(`1 ${status} ${request.method} ${request.path}`);
	}
}

await Promise.all(Array.from({ length: Number(concurrency) }, client));
