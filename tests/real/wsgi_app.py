# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A WSGI application for gunicorn, without a framework."""

import os
import time

BIG = b"b" * (1 << 20)
HUGE = b"h" * (64 << 20)
PLAIN, EVENTS = "text/plain", "text/event-stream"


def pieces(count):
    sent = 0
    while count is None or sent < count:
        yield f"data: piece {sent}\n\n".encode()
        sent += 1
        time.sleep(0.02)


# The worker dies with the response half sent.
def dying():
    yield b"not all of it\n"
    os._exit(1)


def upload(environ):
    size = 0
    while piece := environ["wsgi.input"].read(65536):
        size += len(piece)
    return b"%d\n" % size


def application(environ, start_response):
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    status, kind, body = "200 OK", PLAIN, b"hello\n"
    if path == "/broken":
        raise RuntimeError("as asked")
    if path == "/dropped/unanswered":
        os._exit(1)
    streams = {
        "/stream": (EVENTS, 5),
        "/chunks/stream": (PLAIN, 5),
        "/long/stream": (EVENTS, 250),
        "/abort/stream": (EVENTS, None),
    }
    if path in streams:
        kind, count = streams[path]
        start_response(status, [("Content-Type", kind)])
        return pieces(count)
    if path == "/dropped/cut":
        start_response(status, [("Content-Type", kind), ("Content-Length", "1000")])
        return dying()
    if path == "/post":
        body = upload(environ)
    elif path == "/big":
        body = BIG
    elif path == "/abort/huge":
        body = HUGE
    elif path == "/throttled":
        status = "429 Too Many Requests"
    elif path != "/":
        status, body = "404 Not Found", b"missing\n"
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [] if method == "HEAD" else [body]
