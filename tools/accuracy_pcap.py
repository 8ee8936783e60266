# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A packet capture -> the exchanges in it, with the kernel's time of the segments that DESIGN's moments are.

Written for itself, with nothing of serin's framing: what tshark says of each segment, and Python's own splitting.
"""

import subprocess
import sys

FIELDS = ("frame.time_epoch", "tcp.stream", "tcp.dstport", "tcp.seq_raw", "tcp.len", "tcp.flags.syn", "tcp.flags.fin",
          "tcp.payload")


class Exchange:
    """Times in ns of CLOCK_REALTIME; None: not seen."""

    def __init__(self, port, start):
        self.port, self.start = port, start
        self.target = self.status = self.first_byte = self.end = None
        self.bodies = []  # of each segment that carries bytes of the body
        self.events = self.chunked = False

    def streams(self):
        return self.events or (self.chunked and len(self.bodies) > 1)

    def gaps(self):
        """Only what streams has gaps."""
        if not self.events and not self.chunked:
            return []
        return [b - a for a, b in zip(self.bodies, self.bodies[1:])]

    def times(self):
        times = {"first_byte": self.first_byte - self.start}
        if self.bodies:
            times["first_chunk"] = self.bodies[0] - self.start
            if self.streams():
                times["stream_first_chunk"] = times["first_chunk"]
        times["stream_duration" if self.streams() else "duration"] = self.end - self.start
        return times


class Stream:
    """One direction's bytes, each once and in order. Two CPUs may deliver loopback's segments the wrong way round: one
    that came too early waits for the bytes before it, and keeps its time."""

    def __init__(self):
        self.next = None
        self.early = {}

    def fresh(self, at, seq, length, payload, syn):
        """(time, length, what was captured) of all bytes that can now be read."""
        if syn or self.next is None:
            self.next = seq + 1 if syn else seq
        if syn or not length:
            return
        self.early[seq] = (at, length, payload)
        while found := min(((self.ahead(s), s) for s in self.early if self.ahead(s) <= 0), default=None):
            ahead, seq = found
            at, length, payload = self.early.pop(seq)
            if length + ahead > 0:
                self.next = (seq + length) % (1 << 32)
                yield at, length + ahead, payload[-ahead:]

    def ahead(self, seq):
        return (seq - self.next + (1 << 31)) % (1 << 32) - (1 << 31)


class Connection:
    """One exchange after another; the clients here do not pipeline."""

    def __init__(self, port):
        self.port = port
        self.to_server, self.to_client = Stream(), Stream()
        self.request = self.head = b""
        self.current = None
        self.left = 0  # bytes of the body still to come; None: until the connection's end
        self.state = "head"

    def segment(self, at, to_server, seq, length, syn, fin, payload):
        stream = self.to_server if to_server else self.to_client
        for when, length, payload in stream.fresh(at, seq, length, payload, syn):
            if to_server:
                self.asked(when, payload)
            else:
                yield from self.answered(when, length, payload)
        if fin and not to_server and self.current and self.state == "body" and self.left is None:
            yield self.done(at)

    def asked(self, at, payload):
        if not self.current:
            self.current, self.request = Exchange(self.port, at), b""
        self.request += payload
        if not self.current.target and b"\r\n" in self.request:
            self.current.target = self.request.split(b" ", 2)[1].decode()

    def answered(self, at, length, payload):
        if self.state == "head":
            if not self.head:
                self.current.first_byte = at
            self.head += payload
            while self.state == "head" and b"\r\n\r\n" in self.head:
                head, _, rest = self.head.partition(b"\r\n\r\n")
                length -= len(payload) - len(rest)
                payload = self.head = rest
                self.headers(at, head.decode("latin-1").lower().split("\r\n"))
            if self.state == "head":
                return
            self.head = b""
            if self.left == 0 and not self.current.chunked:
                yield self.done(at)
                return
        if not length:
            return
        if not self.current.chunked:
            self.current.bodies.append(at)
            if self.left is not None:
                self.left -= length
                if self.left == 0:
                    yield self.done(at)
            return
        if len(payload) != length:
            sys.exit("accuracy: a segment of a chunked body is longer than what was captured of it")
        yield from self.chunks(at, payload)

    def headers(self, at, lines):
        self.current.status = int(lines[0].split(" ")[1])
        if self.current.status < 200:
            self.current.first_byte = at if self.head else None
            return
        fields = dict(line.split(":", 1) for line in lines[1:])
        self.current.chunked = "chunked" in fields.get("transfer-encoding", "")
        self.current.events = "text/event-stream" in fields.get("content-type", "")
        length = fields.get("content-length")
        self.left = 0 if self.current.chunked or self.current.status in (204, 304) else length and int(length)
        self.state = "size" if self.current.chunked else "body"
        self.line = b""

    def chunks(self, at, payload):
        """Bytes of a chunked body. The states: size (a line), data, gap (the line end after data), trailer (lines)."""
        carries = False
        while payload:
            if self.state == "data":
                carries = True
                taken = min(self.left, len(payload))
                self.left -= taken
                payload = payload[taken:]
                if not self.left:
                    self.state, self.line = "gap", b""
                continue
            line, end, rest = payload.partition(b"\n")
            self.line += line + end
            payload = rest
            if not end:
                break
            line, self.line = self.line.strip(), b""
            if self.state == "gap":
                self.state = "size"
            elif self.state == "size":
                self.left = int(line.split(b";")[0], 16)
                self.state = "data" if self.left else "trailer"
            elif not line:
                if carries:
                    self.current.bodies.append(at)
                yield self.done(at)
                return
        if carries:
            self.current.bodies.append(at)

    def done(self, at):
        exchange, self.current = self.current, None
        exchange.end = at
        self.state, self.head = "head", b""
        return exchange


def ns(text):
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def exchanges(path, ports):
    """All complete exchanges with servers on these ports, by the target that was asked for."""
    command = ["tshark", "-n", "-r", path, "-Y", "tcp", "--disable-protocol", "http", "-T", "fields"]
    for field in FIELDS:
        command += ["-e", field]
    rows = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = sorted((ns(at), stream, *rest) for at, stream, *rest in (row.split("\t") for row in rows))
    connections, found, server_port = {}, {}, {}
    for at, stream, to, _, _, syn, _, _ in rows:
        # The first packet of a connection is the client's SYN.
        if stream not in server_port and int(to) in ports and syn == "1":
            server_port[stream] = to
    for at, stream, to, seq, length, syn, fin, payload in rows:
        if stream not in server_port:
            continue
        connection = connections.setdefault(stream, Connection(int(server_port[stream])))
        for exchange in connection.segment(at, to == server_port[stream], int(seq), int(length), syn == "1",
                                           fin == "1", bytes.fromhex(payload)):
            found.setdefault(exchange.target, []).append(exchange)
    return found
