#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Scenes on connections of which both ends are here: see dialogue.py.

scenes.py PORT SCENE [ARGUMENT...]   plays it on a listener of its own on 127.0.0.1:PORT; the bounds of what must be
                                     measured are added to bounds.json in the working directory
scenes.py judge VERSION              reads `serin dump -o json`; prints what is outside those bounds, one a line
"""

import json
import os
import select
import sys
import time

import transfers
from dialogue import (PATIENCE, Bounds, Request, Response, Stage, bodiless, bytes_sent, chunked, get, move, now, post,
                      receive, sized, stay_on_one_cpu, until_close)

PAUSE = 0.06  # seconds: an end taken one step too early or late is off by more than the bounds allow


def await_cue(name):
    """Says that it waits, and waits until the test has made the file."""
    print(name, flush=True)
    until = now() + PATIENCE * 10 ** 9
    while not os.path.exists(f"cue.{name}"):
        if now() > until:
            raise TimeoutError(f"no cue {name}")
        time.sleep(0.01)


# ---- pipelining ----

def pipeline(stage, count, how):
    """All requests in one segment; the responses in one, or each in its own. heads: every other is a HEAD."""
    count = int(count)
    exchanges = []
    for i in range(count):
        if how == "heads" and i % 2:
            exchanges.append((Request("HEAD /"), bodiless("200 OK", "Content-Length: 5")))
        else:
            exchanges.append((get(f"/{i}"), sized(status="404 Not Found" if i % 3 == 0 else "200 OK")))
    d = stage.open(*exchanges).ask()
    if how == "one":
        d.answer()
    else:
        for _, response in exchanges:
            d.answer(len(response.data))
    d.over(remembered=count <= 16)


def pipeline_in_turns(stage, count):
    """Always eight ahead: no more are ever in flight."""
    exchanges = [(get(f"/{i}"), sized()) for i in range(int(count))]
    d = stage.open(*exchanges)
    for i in range(int(count) + 8):
        if i < int(count):
            d.ask(len(exchanges[i][0].data))
        if i >= 8:
            d.answer(len(exchanges[i - 8][1].data))
    d.over()


def pipeline_overflow(stage, count, heads=""):
    """More at once than are remembered; a while later one more, before any response; all answered, that one late; and
    a last one on the quiet connection. Only the last takes less than the while."""
    ok, oops = sized(), sized(status="500 Oops")
    many = [(get(f"/{i}"), ok) for i in range(int(count))]
    if heads:
        many[1::2] = [(Request("HEAD /"), bodiless("200 OK", "Content-Length: 5"))] * (int(count) // 2)
    d = stage.open(*many, (get("/between"), oops), (get("/last"), sized(status="404 Not Found")))
    d.ask(sum(len(q.data) for q, _ in many))
    time.sleep(2 * PAUSE)
    d.ask(len(get("/between").data))
    for _, response in many:
        d.answer(len(response.data))
    time.sleep(2 * PAUSE)
    d.answer(len(oops.data))
    d.ask().answer().over(remembered=False)


def pipeline_unseen(stage):
    """Four in flight, the fifth comes while nobody looks (the test sees to that), and then always four or five ahead, each
    answered a while later. The answer to the fifth is another one. What is known is the first four."""
    stay_on_one_cpu()
    exchanges = [(get(f"/{i}"), sized(status="500 Oops" if i == 4 else "200 OK")) for i in range(12)]
    d = stage.open(*exchanges)
    for request, _ in exchanges[:4]:
        d.ask(len(request.data))
    await_cue("four")
    d.ask(len(exchanges[4][0].data))
    await_cue("unseen")
    for i, (_, response) in enumerate(exchanges):
        time.sleep(PAUSE)
        d.answer(len(response.data))
        if i + 5 < len(exchanges):
            d.ask(len(exchanges[i + 5][0].data))
    d.over(told=4)


# ---- one byte at a time, and cuts at every byte ----

def requests_to_cut():
    return {"get": get("/path?q=1", "Content-Type: text/plain", "Content-Length: 0", "Cookie: c=t", "TE: trailers"),
            "post": post(b"a body of 17 byte", "Content-Type: text/event-stream", "Connection: keep-alive"),
            "chunked": Request("POST /", "Transfer-Encoding: chunked", "Trailer: T",
                               body=b"5;e=\"a;\\\"b\"\r\nhello\r\n1\r\n!\r\n0\r\nT: x\r\n\r\n")}


def responses_to_cut():
    return {"sized": sized(b"hello, world", "Content-Type: text/plain", "Date: Thu, 01 Jan 1970 00:00:00 GMT"),
            "chunked": chunked([b"hello", b"world!", b"x" * 17], "Content-Type: text/plain", "Trailer: T",
                               extension=';a="b;\\"c";d', trailers=("T: 1", "Content-Length: 3")),
            "events": chunked([b"data: 1\n\n", b"data: 2\n\n"], "Content-Type: text/event-stream; charset=utf-8"),
            "interim": sized(b"hello", interim=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")}


def cut_requests(stage, name):
    """A connection for each place to cut the request at, and one in single bytes."""
    request = requests_to_cut()[name]
    for at in range(1, len(request.data)):
        stage.open((request, sized())).ask(at).ask().answer().over()
    stage.open((request, sized()), (request, sized())).each("ask").answer().over()


def cut_responses(stage, name):
    response = responses_to_cut()[name]
    for at in range(1, len(response.data)):
        stage.open((get(), response)).ask().answer(at).answer().over()
    stage.open((get(), response), (get(), response)).ask().each("answer").over()


def count_cuts(_, *names):
    """How many exchanges the cuts of these make."""
    messages = {**{f"q-{k}": v for k, v in requests_to_cut().items()},
                **{f"r-{k}": v for k, v in responses_to_cut().items()}}
    print(sum(len(messages[name].data) + 1 for name in names))


def cut_on_one_connection(stage):
    """Requests cut at each byte, one after the other; then responses."""
    request, response = requests_to_cut()["post"], responses_to_cut()["chunked"]
    d = stage.open(*[(request, response)] * (len(request.data) - 1 + len(response.data) - 1))
    for at in range(1, len(request.data)):
        d.ask(at).ask(len(request.data) - at).answer(len(response.data))
    for at in range(1, len(response.data)):
        d.ask(len(request.data)).answer(at).answer(len(response.data) - at)
    d.over()


# ---- interim responses, responses without a body ----

def interims(stage):
    body = b"x" * 1000
    ask = Request("POST /", f"Content-Length: {len(body)}", "Expect: 100-continue", body=body)
    on = b"HTTP/1.1 100 Continue\r\n\r\n"
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nContent-Length: 7\r\n\r\n"
    head = len(ask.data) - len(body)
    # The final response in a segment of its own, and late.
    d = stage.open((ask, sized(interim=on, status="201 Created"))).ask(head).answer(len(on)).ask()
    time.sleep(PAUSE)
    d.answer().over()
    # Both in one segment: the client did not wait.
    stage.open((ask, sized(interim=on, status="201 Created"))).ask().answer().over()
    # Several interim responses, together and apart, on a connection that goes on.
    d = stage.open((get(), sized(interim=hints)), (get(), sized(interim=hints + on + hints)), (get(), sized()))
    d.ask(len(get().data)).answer(len(hints))
    time.sleep(PAUSE)
    d.answer(len(sized().data)).ask().answer().over()
    # 102 again and again while it works.
    working = b"HTTP/1.1 102 Processing\r\n\r\n"
    d = stage.open((get(), sized(interim=working * 5))).ask()
    for _ in range(5):
        d.answer(len(working))
        time.sleep(PAUSE / 5)
    d.answer().over()


def expectation_failed(stage):
    """417, or a final answer without 100, to a client that has not sent its body; the server closes."""
    ask = Request("POST /", "Content-Length: 100000", "Expect: 100-continue")
    for status in ("417 Expectation Failed", "413 Too Large", "201 Created"):
        stage.open((ask, sized(status=status))).ask().answer().leave("server").over()
        # The same said so that it ends with the connection.
        stage.open((ask, until_close(b"no"))).ask().answer().leave("server").over()


def answered_early(stage):
    """The response comes before the body has been sent; the connection goes on with the next request."""
    first = post(b"x" * 3000)
    d = stage.open((first, sized(status="403 Forbidden")), (get(), sized()))
    d.ask(1000).answer(len(sized(status="403 Forbidden").data)).ask(1000).ask(len(first.data) - 2000).ask().answer().over()


def without_body(stage):
    head, ok = Request("HEAD /"), (get(), sized())
    length, coded = "Content-Length: 500", "Transfer-Encoding: chunked"
    kinds = [(head, bodiless("200 OK", length)), (head, bodiless("200 OK", coded)), (head, bodiless("404 Not Found", length)),
             (get(), bodiless("204 No Content")), (get(), bodiless("304 Not Modified", length)),
             (get(), bodiless("304 Not Modified", coded)), (head, bodiless("200 OK")),
             (Request("DELETE /"), bodiless("204 No Content", length)), (get(), sized(b"")), (post(b""), sized(b""))]
    between = [x for kind in kinds for x in (kind, ok)]
    # In turns, pipelined with the answers in one segment, and pipelined with an answer a segment.
    d = stage.open(*between)
    for request, response in between:
        d.ask(len(request.data)).answer(len(response.data))
    d.over()
    for part in (between[:10], between[10:]):
        stage.open(*part).ask().answer().over()
        d = stage.open(*part).ask()
        for _, response in part:
            time.sleep(PAUSE / 10)
            d.answer(len(response.data))
        d.over()


# ---- chunks ----

def chunks(stage, count, how):
    """Chunks of one byte: all in one send, each in its own, or also cut in the middle of each."""
    response = chunked([b"x"] * int(count), trailers=("Checked: yes",))
    d = stage.open((get(), response), (get(), sized())).ask(len(get().data))
    if how == "one":
        d.answer(len(response.data))
    else:
        d.each_of(response, {"each": 0, "cut": 2}[how])
    d.ask().answer().over()


def chunk_forms(stage):
    """What RFC 9112 allows in a chunked body, in one send and one step a byte."""
    odd = [b'5;name\r\nhello\r\n', b'0005;a=b;c="d;\\"e\r"\r\nhello\r\n', b'a ; x = y\r\n0123456789\r\n', b'F\r\n0123456789abcde\r\n']
    parts = []
    for chunk in odd:
        line, _, rest = chunk.partition(b"\r\n")
        parts += [line + b"\r\n", [rest[:-2]], b"\r\n"]
    ends = [b"0\r\n\r\n", b"000;last\r\n\r\n", b"0\r\nA: b\r\nC: d\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n"]
    for end in ends:
        response = Response("200 OK", "Transfer-Encoding: chunked", parts=[*parts, end])
        stage.open((get(), response), (get(), sized())).ask().answer().over()
        stage.open((get(), response), (get(), sized())).ask().each("answer").over()


def late_end(stage):
    """The last chunk, and then its blank line, come late: the response ends there."""
    response = chunked([b"hello"], trailers=("T: 1",))
    for tail in (2, 4, 7, 15):
        d = stage.open((get(), response)).ask().answer(len(response.data) - tail)
        time.sleep(PAUSE)
        d.answer().over()
    d = stage.open((get(), sized(b"hello"))).ask().answer(len(sized(b"hello").data) - 1)
    time.sleep(PAUSE)
    d.answer().over()
    events = chunked([b"data: 1\n\n"] * 3, "Content-Type: text/event-stream")
    d = stage.open((get(), events)).ask()
    for _ in range(3):
        time.sleep(PAUSE)
        d.answer(len(events.data) // 4)
    time.sleep(PAUSE)
    d.answer().over()


def slow_header(stage):
    """The header comes long before the body, as uvicorn does it; the status line long before the header's end."""
    response = chunked([b"token", b"token"], "Content-Type: text/event-stream")
    head = response.data.index(b"\r\n\r\n") + 4
    d = stage.open((get(), response)).ask()
    time.sleep(PAUSE)
    d.answer(5)
    time.sleep(PAUSE)
    d.answer(head - 5)
    time.sleep(PAUSE)
    d.answer(10)
    time.sleep(PAUSE)
    d.answer().over()


# ---- large headers ----

def large_headers(stage, side):
    stay_on_one_cpu()
    huge = "X-Huge: " + "abcdefghijklmno " * 4000
    small = [f"X-{i}: {i}" for i in range(4500)]
    like = ["Content-" + "x" * 60, "Transfer-Encodings: none", "C: d", "T: u"] * 400
    for lines in ([huge], small, like, ["Cookie: " + "c" * 63000]):
        if side == "request":
            body = b"b" * 100
            request = Request("POST /", *lines, f"Content-Length: {len(body)}", body=body)
            response = sized()
        else:
            request, response = get(), sized(b"b" * 100, *lines)
            response = Response("200 OK", *lines, "Content-Length: 100", parts=([b"b" * 100],))
        d = stage.open((request, response), (get(), sized(status="404 Not Found")))
        d.ask(len(request.data)).answer(len(response.data)).ask().answer().over()
        # In pieces that a header name does not fit into.
        d = stage.open((request, response), (get(), sized(status="404 Not Found")))
        for stream, step in ((d.asked, d.ask), (d.answered, d.answer)):
            end = len(request.data) if stream is d.asked else len(response.data)
            while stream.at < end:
                step(min(997, end - stream.at))
        d.ask().answer().over()


# ---- bodies that end with the connection ----

def ended_by_close(stage):
    for version in ("1.0", "1.1"):
        for body in (b"", b"hello", b"x" * 20000):
            request = Request("GET /", version=version)
            response = until_close(body, version=version)
            stage.open((request, response)).ask().answer().leave("server").over()
            # The FIN comes late: the response lasts until then.
            d = stage.open((request, response)).ask().answer()
            time.sleep(PAUSE)
            d.leave("server").over()
    # Events without a length.
    events = Response("200 OK", "Content-Type: text/event-stream", parts=[[b"data: 1\n\n"], [b"data: 2\n\n"]], until_close=True)
    d = stage.open((get(), events)).ask().answer(len(events.data) - 9)
    time.sleep(PAUSE)
    d.answer()
    time.sleep(PAUSE)
    d.leave("server").over()
    # A client that has sent its FIN before.
    d = stage.open((get(), until_close(b"hello"))).ask().finish("client").answer()
    time.sleep(PAUSE)
    d.leave("server").over()


# ---- clients that leave ----

def client_leaves(stage, when, how):
    """A server notices a reset at once; a close, when it sends the rest."""
    body = b"x" * 5000
    response = {"chunk": chunked([body]), "close": until_close(body)}.get(when, sized(body))
    d = stage.open((get(), response)).ask()
    if when == "header":
        d.answer(10)
    elif when in ("body", "chunk", "close"):
        d.answer(3000)
    elif when == "after":
        d.answer()
    getattr(d, how)("client")
    if how == "leave" and when != "after":
        d.answer_nobody()
    d.over(settled=when == "after")


def client_leaves_unanswered(stage):
    """The server notices, and closes without a word."""
    stage.open((get(), None)).ask().leave("client").over()
    stage.open((get(), sized())).ask().answer(20).leave("client").over(settled=False)


def client_leaves_while_asking(stage, how):
    for request in (get(), post(b"x" * 1000)):
        d = stage.open((request, None)).ask(len(request.data) - 10)
        getattr(d, how)("client")
        d.over()


def client_leaves_pipelined(stage, how):
    """Three of five answered."""
    d = stage.open(*[(get(), sized())] * 5).ask()
    d.answer(3 * len(sized().data))
    getattr(d, how)("client")
    d.over()


# ---- servers that leave ----

def server_leaves(stage, when, how):
    body = b"x" * 5000
    response = sized(body) if when != "chunk" else chunked([body, body])
    at = {"nothing": 0, "line": 10, "header": 25, "body": len(response.data) - 1, "chunk": 3000, "last": 0}[when]
    if when == "last":  # all chunks have come, the last blank line has not
        response, at = chunked([body]), len(chunked([body]).data) - 2
    d = stage.open((get(), response)).ask()
    if at:
        d.answer(at)
    getattr(d, how)("server")
    d.over(settled=False)


def server_leaves_pipelined(stage, how):
    """Two of five answered, the third in part: three have failed."""
    d = stage.open(*[(get(), sized())] * 5).ask()
    d.answer(2 * len(sized().data)).answer(len(sized().data) - 1)
    getattr(d, how)("server")
    d.over()


def server_leaves_request_unread(stage):
    """close() with unread data is a reset."""
    d = stage.open((get(), None))
    d.client.send(d.asked.data)
    select.select([d.server], [], [], PATIENCE)
    d.asked.at = len(d.asked.data)
    d.server.close()
    try:
        receive(d.client, 1)
        raise AssertionError("a FIN instead of a reset")
    except ConnectionResetError:
        pass
    d.over()


# ---- half-closed and idle connections ----

def half_closed(stage):
    for response in (sized(), chunked([b"a", b"b"]), sized(status="503 Busy"), until_close(b"hello")):
        for pause in (0, 0.3):
            d = stage.open((get(), response)).ask().finish("client")
            time.sleep(pause)
            d.answer().leave("server").over()
    # Pipelined requests; the second response in two parts.
    whole = len(sized().data)
    stage.open(*[(get(), sized())] * 4).ask().finish("client").answer(whole + 10).answer().leave("server").over()
    # The FIN comes in mid response.
    stage.open((get(), sized())).ask().answer(10).finish("client").answer().leave("server").over()


def idle_ends(stage):
    """Connections that end while nothing is asked: with no exchange before, or some."""
    for exchanges in ([], [(get(), sized())] * 3):
        for side in ("client", "server"):
            for how in ("leave", "reset"):
                d = stage.open(*exchanges)
                for request, response in exchanges:
                    d.ask(len(request.data)).answer(len(response.data))
                getattr(d, how)(side)
                d.over()


def deferred(stage, how):
    """The client has finished asking before the server's socket exists."""
    if how == "left":
        stage.open_deferred((get(), None), end=True).leave("server").over()
    else:
        stage.open_deferred((get(), sized()), end=True).answer().leave("server").over()


FIN_WAIT2 = "05"  # in /proc/net/tcp


def until_acknowledged(client):
    """The FIN of the server, which the client's kernel acknowledges when it has nothing to say for a while."""
    _, port = client.getpeername()
    end, until = f":{port:04X}", now() + PATIENCE * 10 ** 9
    while now() < until:
        with open("/proc/net/tcp") as table:
            if any(fields[1].endswith(end) and fields[3] == FIN_WAIT2 for fields in map(str.split, table)):
                return
        time.sleep(0.005)
    raise TimeoutError("the FIN is not acknowledged")


def after_close(stage, how):
    """The server closes an idle connection while the next request is on its way."""
    d = stage.open((get(), sized())).ask().answer()
    if how == "timeout":
        d.stray("server", sized(status="408 Request Timeout").data)
    if how == "shutdown":
        d.finish("server")
    else:
        d.server.close()
        assert receive(d.client, 1) == b""
    if how == "acknowledged":  # the kernel has only a remainder of the server's socket left
        until_acknowledged(d.client)
    d.client.send(get("/late").data)
    if how == "shutdown":  # it reads, and throws it away
        assert receive(d.server, 1000) == get("/late").data
    else:
        try:
            assert receive(d.client, 1) == b""
            receive(d.client, 1)
        except ConnectionResetError:
            pass
    if how != "acknowledged":
        d.bounds.totals["in"] += len(get("/late").data)
    d.over()


# ---- what is no exchange ----

def uncalled_for(stage):
    """408 on connections that have asked nothing, or nothing more; and a second response to one request."""
    late = sized(status="408 Request Timeout")
    stage.open().stray("server", late.data).leave("server").over()
    stage.open((get(), sized())).ask().answer().stray("server", late.data).leave("server").over()
    twice = sized(status="500 Again")
    d = stage.open((get(), sized()), (get(), sized()))
    d.ask(len(get().data)).answer(len(sized().data)).stray("server", twice.data).ask().answer().over()
    d = stage.open((get(), sized()))
    d.ask()
    d.answered.data += twice.data
    d.answer().over()


# ---- other protocols on the connection ----

LOOKS_LIKE_HTTP = b"GET /fake HTTP/1.1\r\nHost: x\r\n\r\nHTTP/1.1 500 Fake\r\nContent-Length: 0\r\n\r\n\x81\x05hello\x00\xff"


def upgrade(stage):
    ask = get("/chat", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    yes = bodiless("101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket")
    for first in ("client", "server"):
        d = stage.open((ask, yes)).ask().answer()
        for _ in range(5):
            d.stray(first, LOOKS_LIKE_HTTP).stray("server" if first == "client" else "client", LOOKS_LIKE_HTTP)
        d.leave(first).over()
    # The first frame in the response's segment.
    d = stage.open((ask, yes)).ask()
    d.answered.data += LOOKS_LIKE_HTTP
    d.answer().stray("client", LOOKS_LIKE_HTTP).reset("server").over()


def upgrade_refused(stage):
    """The server goes on with HTTP/1, to h2c too."""
    ask = get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    d = stage.open((ask, sized()), (get(), sized(status="404 Not Found")))
    d.ask(len(ask.data)).answer(len(sized().data)).ask().answer().over()


def upgrade_pipelined(stage):
    """A request that is on its way when another protocol takes over: nobody answers it. Where none does, it is answered."""
    ask = get("/chat", "Connection: Upgrade", "Upgrade: websocket")
    yes = bodiless("101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket")
    d = stage.open((ask, yes), (get(), None)).ask().answer()
    await_cue("switched")
    d.stray("client", LOOKS_LIKE_HTTP).stray("server", LOOKS_LIKE_HTTP).leave("client").over()
    stage.open((ask, sized()), (get(), sized(status="404 Not Found"))).ask().answer().over()


def connect_deferred(stage):
    d = stage.open_deferred((Request("CONNECT example.test:443"), bodiless("200 Connection established"))).answer()
    for _ in range(3):
        d.stray("client", LOOKS_LIKE_HTTP).stray("server", LOOKS_LIKE_HTTP)
    d.leave("client").over()


def connect(stage):
    ask = Request("CONNECT example.test:443")
    for yes in (bodiless("200 Connection established"), bodiless("200 OK", "Content-Length: 5")):
        d = stage.open((ask, yes)).ask().answer()
        for _ in range(3):
            d.stray("client", LOOKS_LIKE_HTTP).stray("server", LOOKS_LIKE_HTTP)
        d.leave("client").over()


def connect_refused(stage):
    ask, no = Request("CONNECT example.test:443"), sized(status="405 Method Not Allowed")
    stage.open((ask, no), (get(), sized())).ask(len(ask.data)).answer(len(no.data)).ask().answer().over()


# ---- stalls: the agent's deadline is one second ----

def stalled(stage):
    """Twelve servers that say nothing, or nothing more, until the test has seen the deadline pass. Then the rest comes,
    and another exchange; or the server leaves; or the client does."""
    played = []
    for late in ("answer", "server", "client"):
        for part in (0, 20, "body", "chunk"):
            response = chunked([b"hello"] * 4) if part == "chunk" else sized(b"x" * 2000)
            d = stage.open((get(), response), (get(), sized(status="404 Not Found"))).ask(len(get().data))
            if part:
                d.answer(part if part == 20 else response.mask.find(1) + 2)
            played.append((late, d, response))
    await_cue("late")
    for late, d, response in played:
        if late == "answer":
            d.answer(len(response.data) - d.answered.at).ask().answer().over(late=True)
        elif late == "server":
            d.leave("server").over(settled=False)
        else:
            d.reset("client").over(settled=False)


def stalled_pipeline(stage, count):
    """None of so many is answered in time."""
    d = stage.open(*[(get(), sized())] * int(count)).ask()
    await_cue("late")
    d.answer().over(settled=False, remembered=int(count) <= 16, late=True)


def stalled_upload(stage):
    """The server takes nothing, so that its window closes and the client cannot go on."""
    request = post(b"x" * (32 << 20))
    d = stage.open((request, sized()))
    sent = 0
    while select.select([], [d.client], [], 0.2)[1]:
        sent += d.client.send(request.data[sent:sent + (1 << 20)])
    assert sent < len(request.data)
    await_cue("late")
    d.client.close()
    d.server.close()


LARGE = sized(b"x" * (32 << 20))


def overfill(stage):
    """The client takes the first body byte of a large response, and then none of what the server writes until its kernel
    takes no more. Answers the dialogue, and how many bytes of the rest that is."""
    d = stage.open((get(), LARGE)).ask().answer(LARGE.mask.find(1) + 1)
    rest, sent = memoryview(LARGE.data)[d.answered.at:], 0
    while select.select([], [d.server], [], 0.2)[1]:
        sent += d.server.send(rest[sent:sent + (1 << 20)])
    assert sent < len(rest)
    return d, sent


def unread(stage):
    """Three such clients. When the test has seen the deadline pass, one takes all; one resets; and of the third the server
    has nothing more to send, once it has taken what there is, until the test has seen the deadline pass again."""
    before = now()
    (whole, sent), (broken, _), (stalled, n) = [overfill(stage) for _ in range(3)]
    await_cue("unread")
    rest, resumed = LARGE.data[whole.answered.at:], now()
    assert move(whole.server, whole.client, rest, sent) == rest, "the bytes were changed"
    whole.answered.at = len(LARGE.data)
    whole.answered.sends += [(whole.answered.at - 1, before, now()), (whole.answered.at, resumed, now())]
    whole.over()
    broken.answered.at = bytes_sent(broken.server)
    broken.reset("client").over(settled=False)
    move(stalled.server, stalled.client, LARGE.data[stalled.answered.at:stalled.answered.at + n], n)
    stalled.answered.at += n
    await_cue("stalled")
    stalled.answer().over(settled=False)


def unread_gone(stage):
    """The test cuts it off, and TCP gives it up."""
    d, _ = overfill(stage)
    await_cue("unread")
    gone = select.poll()
    gone.register(d.server, 0)
    assert gone.poll(PATIENCE * 1000), "TCP does not give up"
    d.answered.at = bytes_sent(d.server)
    d.over(settled=False)


def no_continue(stage):
    """The client waits for 100 Continue, in vain."""
    d = stage.open((Request("POST /", "Content-Length: 100", "Expect: 100-continue"), None)).ask()
    await_cue("late")
    d.leave("client").over()


def slow(stage):
    """An upload and a download of ten steps, 0.3 s each: every step is in time, the whole is not."""
    request, response = post(b"0123456789"), chunked([b"hello"] * 10)
    up = stage.open((request, sized())).ask(len(request.data) - 10)
    down = stage.open((get(), response)).ask()
    for _ in range(10):
        time.sleep(0.3)
        up.ask(1)
        down.answer(len(response.data) // 10)
    up.answer().over()
    if down.answered.at < len(response.data):
        down.answer()
    down.over()


# ---- main ----

SCENES = {f.__name__: f for f in (
    pipeline, pipeline_in_turns, pipeline_overflow, pipeline_unseen, cut_requests, cut_responses, count_cuts, cut_on_one_connection,
    interims, expectation_failed, answered_early, without_body, chunks, chunk_forms, late_end, slow_header,
    large_headers, ended_by_close, client_leaves, client_leaves_unanswered,
    client_leaves_while_asking,
    client_leaves_pipelined, server_leaves, server_leaves_pipelined, server_leaves_request_unread, half_closed,
    idle_ends, deferred, after_close, uncalled_for, upgrade, upgrade_refused, upgrade_pipelined, connect, connect_deferred,
    connect_refused, stalled, stalled_pipeline, stalled_upload, unread, unread_gone, no_continue, slow, *transfers.SCENES)}


def judge(version):
    for model in json.load(sys.stdin)["models"]:
        if model["version"] == version:
            print("\n".join(Bounds("bounds.json").judge(model)))


def main():
    if sys.argv[1] == "judge":
        judge(sys.argv[2])
        return
    stage = Stage(int(sys.argv[1]))
    SCENES[sys.argv[2]](stage, *sys.argv[3:])
    stage.bounds.save()


if __name__ == "__main__":
    main()
