# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A FastAPI application with a clock around it, for uvicorn: what tools/accuracy holds serin's times against.

The middleware is the outermost thing that a Python server can time: it begins when uvicorn has read, parsed and
scheduled the request. Its log has the columns of accuracy-server's (tools/accuracy_server.c).
"""

import asyncio
import os
from time import monotonic_ns as now

from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

BIG = bytes(1 << 20)


class Clock:
    """CLOCK_MONOTONIC at the first receive, and at call and return of the first, the first body and the last send."""

    def __init__(self, app, path):
        self.app = app
        self.log = open(path, "a", buffering=1, encoding="ascii")

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held = [await receive()]  # not all applications receive: asked for here, and handed on
        stamps = Stamps(now())

        async def receive_held():
            return held.pop() if held else await receive()

        async def send_clocked(message):
            called = now()
            await send(message)
            stamps.sent(called, now(), bool(message.get("body")))

        await self.app(scope, receive_held, send_clocked)
        self.log.write(f"{scope['path']}?{scope['query_string'].decode()} {stamps}\n")


class Stamps:
    def __init__(self, read):
        self.read = read
        self.first = self.body = self.last = None
        self.last_body = self.gap_sum = self.gaps = 0

    def sent(self, called, returned, has_body):
        self.last = (called, returned)
        self.first = self.first or self.last
        if not has_body:
            return
        if self.body:
            self.gap_sum += called - self.last_body
            self.gaps += 1
        self.body = self.body or self.last
        self.last_body = called

    def __str__(self):
        return " ".join(map(str, (self.read, *self.first, *self.body, *self.last, self.gap_sum, self.gaps)))


api = FastAPI()


@api.get("/delay/{ms}")
async def delay(ms: int):
    if ms:
        await asyncio.sleep(ms / 1000)
    return {"choices": [{"text": "hello"}]}


@api.get("/bytes/1048576")
async def big():
    return Response(BIG)


@api.get("/stream/{count}/{ms}")
async def stream(count: int, ms: int):
    async def chunks():
        for _ in range(count):
            await asyncio.sleep(ms / 1000)
            yield b'{"t": 1}\n'

    return StreamingResponse(chunks(), media_type="application/x-ndjson")  # no event stream: only chunked


app = Clock(api, os.environ["ACCURACY_LOG"])
