# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Both ends of a connection in one process, so that each step begins when the other end has seen the one before.

A step is a segment of its own: it is sent with TCP_NODELAY when nothing of the step before is under way. Its time lies
between `before`, read before the sending, and `after`, read when the other end has all of it. What serin measures is
such a time minus another, so its figures have bounds that are certain, however slow the machine is: Bounds keeps them.
"""

import json
import os
import select
import socket
import struct
import time

KINDS = ("pickup", "first_byte", "first_chunk", "stream_first_chunk", "gap", "duration", "stream_duration", "turn")
PATIENCE = 30  # seconds
SURE = 32000   # bytes that one send makes one segment of, whatever the windows


def now():
    return time.monotonic_ns()


def stay_on_one_cpu():
    """A sender that moves to another CPU has the segments it sends there overtake those it sent here: on loopback, five
    times in 6 GiB. Outside a body of known length that costs the framing, and is told as a gap."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


# ---- messages ----

class Request:
    def __init__(self, line, *headers, body=b"", version="1.1"):
        head = [f"{line} HTTP/{version}", "Host: test", *headers]
        self.data = "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Response:
    """`parts` follow the header; those in a list of one are body, the others frame it."""

    def __init__(self, status, *headers, parts=(), interim=b"", until_close=False, version="1.1"):
        head = "\r\n".join([f"HTTP/{version} {status}", *headers]).encode() + b"\r\n\r\n"
        self.first = len(interim)
        self.chunked = any(h.lower().startswith("transfer-encoding") for h in headers)
        self.events = any("text/event-stream" in h for h in headers)
        self.until_close = until_close
        pieces, mask = [interim, head], bytearray(len(interim) + len(head))
        for part in parts:
            piece = part[0] if isinstance(part, list) else part
            pieces.append(piece)
            mask += (b"\1" if isinstance(part, list) else b"\0") * len(piece)
        self.data, self.mask = b"".join(pieces), mask


def get(path="/", *headers):
    return Request(f"GET {path}", *headers)


def post(body, *headers):
    return Request("POST /", f"Content-Length: {len(body)}", *headers, body=body)


def sized(body=b"hello", *headers, status="200 OK", **options):
    return Response(status, f"Content-Length: {len(body)}", *headers, parts=([body],) if body else (), **options)


def bodiless(status, *headers, **options):
    return Response(status, *headers, **options)


def chunked(bodies, *headers, extension="", trailers=(), status="200 OK", **options):
    parts = []
    for body in bodies:
        parts += [f"{len(body):x}{extension}\r\n".encode(), [body], b"\r\n"]
    parts.append(("\r\n".join([f"0{extension}", *trailers]) + "\r\n\r\n").encode())
    return Response(status, "Transfer-Encoding: chunked", *headers, parts=parts, **options)


def until_close(body, **options):
    return Response("200 OK", "Connection: close", parts=([body],) if body else (), until_close=True, **options)


# ---- what must come out ----

class Bounds:
    """Least and most of each histogram's count, sum and maximum, and of the bytes; kept in a file between runs."""

    def __init__(self, path):
        self.path = path
        self.kinds = {kind: {"count": [0, 0], "sum": [0, 0], "max": [0, 0]} for kind in KINDS}
        self.totals = {"in": 0, "out": 0, "opened": 0}
        try:
            with open(path) as file:
                self.kinds, self.totals = json.load(file)
        except FileNotFoundError:
            pass

    def save(self):
        with open(self.path, "w") as file:
            json.dump([self.kinds, self.totals], file)

    def add(self, kind, low, high, certain=True):
        """One time between low and high. Not certain: it may be there or not."""
        bound, low = self.kinds[kind], max(low, 0)
        bound["count"][0] += certain
        bound["count"][1] += 1
        bound["sum"][0] += low if certain else 0
        bound["sum"][1] += high
        bound["max"][0] = max(bound["max"][0], low if certain else 0)
        bound["max"][1] = max(bound["max"][1], high)

    def many(self, kind, high):
        """Any number of times that add up to at most that."""
        bound = self.kinds[kind]
        bound["count"][1] += 10 ** 9
        bound["sum"][1] += high
        bound["max"][1] = max(bound["max"][1], high)

    def between(self, kind, since, until, certain=True):
        """From one step to another, each (before, after)."""
        self.add(kind, until[0] - since[1], until[1] - since[0], certain)

    def judge(self, model):
        """What is wrong with a model of `serin dump`, one a line."""
        wrong = []
        for kind, bound in self.kinds.items():
            got = model["latency_seconds"][kind]
            if got is None and kind == "pickup":
                continue
            for key in ("count", "sum", "max"):
                low, high = bound[key]
                value = got[key] or 0
                if key == "count":
                    fits = low <= value <= high
                else:
                    fits = low - 1 <= value * 1e9 <= high + 1
                    low, high = low / 1e9, high / 1e9
                if not fits:
                    wrong.append(f"{kind}.{key}: {value}, expected {low} to {high}")
        got = {**model["bytes"], "opened": model["connections"]["opened"]}
        for key, value in self.totals.items():
            if got[key] != value:
                wrong.append(f"{key}: {got[key]}, expected {value}")
        return wrong


# ---- connections ----

class Stage:
    """Where scenes are played: a listener on 127.0.0.1."""

    def __init__(self, port):
        self.bounds = Bounds("bounds.json")
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(128)
        self.listener.settimeout(PATIENCE)

    def open(self, *exchanges):
        return Dialogue(self, list(exchanges), *self.connect())

    def open_deferred(self, *exchanges, end=False):
        """The first request, and the client's FIN where it is the end, are in the segment that completes the handshake:
        the listener waits for it (TCP_DEFER_ACCEPT)."""
        request = exchanges[0][0].data
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, PATIENCE)
        client = socket.create_connection(self.listener.getsockname(), timeout=PATIENCE)
        before = now()
        client.send(request, socket.MSG_MORE if end else 0)
        if end:
            client.shutdown(socket.SHUT_WR)
        d = Dialogue(self, list(exchanges), *self._accept(client))
        assert segments_received(d.server) == 2, "not the SYN and one more segment"
        assert receive(d.server, len(request)) == request, "the bytes were changed"
        d.asked.at = len(request)
        d.asked.sends.append((d.asked.at, before, now()))
        return d

    def connect(self):
        """Both ends of a new connection, blocking."""
        return self._accept(socket.create_connection(self.listener.getsockname(), timeout=PATIENCE))

    def _accept(self, client):
        server, _ = self.listener.accept()
        for sock in (client, server): # not settimeout(), which makes them non-blocking: sendfile() and splice() would see it
            sock.settimeout(None)
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", PATIENCE, 0))
        self.bounds.totals["opened"] += 1
        return client, server


class Stream:
    """One direction of a connection, and when each byte of it passed."""

    def __init__(self, messages):
        self.data = b"".join(m.data for m in messages)
        self.sends = []  # (offset of its end, before, after)
        self.at = 0

    def step_of(self, offset):
        for end, before, after in self.sends:
            if offset < end:
                return before, after
        return None

    def steps_with(self, mask, base):
        """The steps that carry marked bytes of a message at that offset."""
        found, start = [], 0
        for end, before, after in self.sends:
            low, high = max(start - base, 0), min(end - base, len(mask))
            if low < high and mask.find(1, low, high) >= 0:
                found.append((before, after, end - start))
            start = end
        return found


class Dialogue:
    """A connection and its exchanges: (request, response), in order. Responses to nobody have None for a request."""

    def __init__(self, stage, exchanges, client, server):
        self.exchanges = exchanges
        self.bounds = stage.bounds
        self.asked = Stream([q for q, _ in exchanges if q])
        self.answered = Stream([r for _, r in exchanges if r])
        self.client, self.server = client, server
        self.end = None  # the server's FIN
        for sock in (self.client, self.server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)

    def ask(self, n=None):
        """The next n bytes of the requests, or all that is left, from the client to the server."""
        self._step(self.asked, self.client, self.server, n)
        return self

    def answer(self, n=None):
        self._step(self.answered, self.server, self.client, n)
        return self

    def each(self, side, n=1):
        """All that is left, n bytes a step."""
        stream, step = {"ask": (self.asked, self.ask), "answer": (self.answered, self.answer)}[side]
        while stream.at < len(stream.data):
            step(min(n, len(stream.data) - stream.at))
        return self

    def each_of(self, response, cut):
        """The response, a chunk of one byte a step; with a cut, that many bytes of each before the rest."""
        head, end = response.mask.find(1) - 3, self.answered.at + len(response.data)
        self.answer(head)
        while end - self.answered.at > 6 and response.mask[len(response.data) - (end - self.answered.at) + 3]:
            if cut:
                self.answer(cut)
            self.answer(6 - cut)
        return self.answer(end - self.answered.at)

    def _step(self, stream, sender, receiver, n):
        data = stream.data[stream.at:] if n is None else stream.data[stream.at:stream.at + n]
        assert data, "nothing left to send"
        stream.at += len(data)
        before = now()
        assert move(sender, receiver, data) == data, "the bytes were changed"
        stream.sends.append((stream.at, before, now()))

    def stray(self, sender, data):
        """Bytes of no exchange, from "client" or "server"."""
        ends = (self.client, self.server) if sender == "client" else (self.server, self.client)
        assert move(*ends, data) == data, "the bytes were changed"
        self.bounds.totals["in" if sender == "client" else "out"] += len(data)
        return self

    def answer_nobody(self):
        """The rest, when the client has closed: its kernel resets the connection."""
        before = now()
        self.server.send(self.answered.data[self.answered.at:])
        gone = select.poll()
        gone.register(self.server, 0)
        assert gone.poll(PATIENCE * 1000), "no reset came"
        self.answered.at = len(self.answered.data)
        self.answered.sends.append((self.answered.at, before, now()))
        return self

    def finish(self, side):
        """FIN: that side has no more to say, and may listen on."""
        sender, receiver = self._ends(side)
        before = now()
        sender.shutdown(socket.SHUT_WR)
        assert receive(receiver, 1) == b"", "data instead of the end"
        if side == "server":
            self.end = (before, now())
        return self

    def reset(self, side):
        sender, receiver = self._ends(side)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sender.close()
        try:
            assert not receive(receiver, 1), "data instead of the end"
        except ConnectionResetError:
            return self
        raise AssertionError("a FIN instead of a reset")

    def leave(self, side):
        """close(), which is a FIN when all that came was read."""
        sender, receiver = self._ends(side)
        before = now()
        sender.close()
        assert receive(receiver, 1) == b"", "data instead of the end"
        if side == "server":
            self.end = (before, now())
        return self

    def _ends(self, side):
        return (self.client, self.server) if side == "client" else (self.server, self.client)

    def over(self, settled=True, remembered=True, late=False, told=None):
        """Closes what is open, and adds the times that there must be. Not settled: the response was not complete, or
        not to anybody. Not remembered: more were in flight than are. Late: the deadline had passed before. Told: of the
        exchanges only so many, the first, can be known."""
        self.client.close()
        self.server.close()
        self.bounds.totals["in"] += self.asked.at
        self.bounds.totals["out"] += self.answered.at
        asked = answered = 0
        for request, response in self.exchanges[:told]:
            if request:
                start = self.asked.step_of(asked)
                asked += len(request.data)
                if start:
                    self.bounds.add("pickup", 0, start[1] - start[0], certain=remembered)
                if start and response:
                    self._times(start, response, answered, settled, remembered and not late)
            if response:
                answered += len(response.data)

    def _times(self, start, response, base, settled, certain):
        body = self.answered.steps_with(response.mask, base)
        headers = bytes(response.data).find(b"\r\n\r\n", response.first) + 3
        first, last = self.answered.step_of(base + response.first), self.answered.step_of(base + len(response.data) - 1)
        if self.answered.step_of(base + headers):
            self.bounds.between("first_byte", start, first, certain)
        if body:
            self.bounds.between("first_chunk", start, body[0][:2], certain)
        sure = all(n <= SURE for _, _, n in body)
        stream = response.events or (response.chunked and len(body) > 1)
        if stream and body:
            self.bounds.between("stream_first_chunk", start, body[0][:2], certain)
            for one, next_one in zip(body, body[1:]):
                self.bounds.between("gap", one[:2], next_one[:2], certain)
        if response.chunked and not sure: # a send may have been several
            self.bounds.many("gap", body[-1][1] - body[0][0])
        end = self.end if response.until_close else last
        if end and settled:
            self.bounds.between("stream_duration" if stream else "duration", start, end, certain)


def receive(sock, n):
    """At least one byte, at most n; none at the end."""
    if not select.select([sock], [], [], PATIENCE)[0]:
        raise TimeoutError("nothing came")
    return sock.recv(n)


def move(sender, receiver, data, sent=0):
    """Sends it all, but for what is sent already, and receives it, by turns, so that no window is too small. Answers what
    came."""
    view, got, pieces = memoryview(data), 0, []
    while got < len(data):
        writing = [sender] if sent < len(data) else []
        readable, writable, _ = select.select([receiver], writing, [], PATIENCE)
        if not readable and not writable:
            raise TimeoutError(f"{got} of {len(data)} bytes came")
        if writable:
            sent += sender.send(view[sent:])
        if readable:
            pieces.append(receiver.recv(min(len(data) - got, 1 << 20)))
            if not pieces[-1]:
                raise EOFError(f"{got} of {len(data)} bytes came")
            got += len(pieces[-1])
    return b"".join(pieces)


# ---- what TCP has counted of a connection: struct tcp_info ----

def tcp_info(sock, kind, offset):
    return struct.unpack_from(kind, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), offset)[0]


def segments_received(sock):
    return tcp_info(sock, "I", 140)


def bytes_sent(sock):
    """Each byte once."""
    return tcp_info(sock, "Q", 200) - tcp_info(sock, "Q", 208)
