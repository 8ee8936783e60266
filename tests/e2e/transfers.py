# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Scenes with large bodies, and with the system calls that servers send them by."""

import os
import socket
import struct
import tempfile
import threading
import time

from dialogue import PATIENCE, get, now, stay_on_one_cpu

MIB = 1 << 20
LARGE = 24 * MIB  # more than the socket buffers of both ends hold
WRITES = 40       # of a small response
PAUSE = 0.15      # seconds that the client stops reading for
SO_SNDBUFFORCE = 32 # which the socket module lacks


# ---- how a server sends `size` bytes of zeros after a header ----

def sparse(size):
    file = tempfile.TemporaryFile(dir=".")
    file.truncate(size)
    return file


def by_sendfile(sock, head, size):
    sock.sendall(head, socket.MSG_MORE)
    with sparse(size) as file:
        at = 0
        while at < size:
            at += os.sendfile(sock.fileno(), file.fileno(), at, size - at)


def by_splice(sock, head, size):
    sock.sendall(head)
    reader, writer = os.pipe()
    with sparse(size) as file:
        left = size
        while left:
            n = os.splice(file.fileno(), writer, min(left, 65536))
            left -= n
            while n:
                n -= os.splice(reader, sock.fileno(), n)
    os.close(reader)
    os.close(writer)


def by_writev(sock, head, size):
    """A thousand pieces of a hundred bytes a call."""
    sock.sendall(head)
    while size:
        n = min(size, 100000)
        pieces = [bytes(100)] * (n // 100) + ([bytes(n % 100)] if n % 100 else [])
        size -= sock.sendmsg(pieces)


def by_more(sock, head, size):
    """Small sends that the kernel gathers: MSG_MORE on all but the last."""
    for byte in head:
        sock.send(bytes([byte]), socket.MSG_MORE)
    for i in range(WRITES):
        sock.sendall(bytes(size // WRITES), socket.MSG_MORE if i < WRITES - 1 else 0)


def by_cork(sock, head, size):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    sock.sendall(head)
    for _ in range(WRITES):
        sock.sendall(bytes(size // WRITES))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


# ---- the other end ----

class Reader:
    """Reads what comes; when its first byte and its last came. Bodies are thrown away unseen, by the kernel."""

    def __init__(self, sock):
        self.sock, self.first, self.total = sock, None, 0

    def until(self, total):
        """Up to so many bytes in all."""
        waste = bytearray(4 * MIB)
        while self.total < total:
            n = self.sock.recv_into(waste, min(len(waste), total - self.total), socket.MSG_TRUNC)
            if not n:
                raise EOFError(f"{self.total} of {total} bytes came")
            self.first = self.first or now()
            self.total += n
        return now()


class Sender(threading.Thread):
    """A thread, so that the other end can take what it sends."""

    def __init__(self, send, *arguments):
        super().__init__()
        self.send, self.arguments, self.failed = send, arguments, None
        self.start()

    def run(self):
        try:
            self.send(*self.arguments)
        except Exception as error:
            self.failed = error

    def done(self):
        self.join(PATIENCE)
        if self.failed or self.is_alive():
            raise self.failed or TimeoutError("the sending does not end")


def ask(stage, client, server):
    """A GET; when it began."""
    request = get().data
    before = now()
    client.sendall(request)
    got = b""
    while len(got) < len(request):
        got += server.recv(len(request) - len(got))
    begun = (before, now())
    stage.bounds.totals["in"] += len(request)
    stage.bounds.add("pickup", 0, begun[1] - begun[0])
    return begun


def small_exchange(stage, client, server):
    """Is the connection's framing still right?"""
    begun = ask(stage, client, server)
    response = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    before = now()
    server.sendall(response)
    end = (before, Reader(client).until(len(response)))
    stage.bounds.totals["out"] += len(response)
    stage.bounds.between("first_byte", begun, end)
    stage.bounds.between("duration", begun, end)


def sent(stage, how):
    """A response sent in that way, and a small one after it. Of a large one the client reads half and then waits a
    while, so that the end cannot have been sent before."""
    size = 40000 if how in ("more", "cork") else LARGE + 77
    client, server = stage.connect()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
    begun = ask(stage, client, server)
    sending = now()
    sender = Sender({"sendfile": by_sendfile, "splice": by_splice, "writev": by_writev, "more": by_more,
                     "cork": by_cork}[how], server, head, size)
    reader = Reader(client)
    if size > LARGE:
        reader.until(MIB)
        time.sleep(PAUSE)
    resumed = now() if size > LARGE else sending
    end = (resumed, reader.until(len(head) + size))
    sender.done()
    stage.bounds.totals["out"] += len(head) + size
    stage.bounds.between("first_byte", begun, (sending, reader.first))
    stage.bounds.between("first_chunk", begun, (sending, end[1]))
    stage.bounds.between("duration", begun, end)
    small_exchange(stage, client, server)
    client.close()
    server.close()


def huge(stage, how, mib):
    """One body, or one chunk of a body, of so many MiB: a sparse file, sent again and again."""
    size = int(mib) * MIB
    client, server = stage.connect()
    head = {"sized": f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n",
            "chunked": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size:X}\r\n"}[how].encode()
    tail = b"\r\n0\r\n\r\n" if how == "chunked" else b""
    begun = ask(stage, client, server)
    last = []

    def send():
        server.sendall(head)
        with sparse(64 * MIB) as file:
            left = size
            while left:
                last[:] = [now()]
                left -= os.sendfile(server.fileno(), file.fileno(), 0, min(left, 64 * MIB))
        if tail:
            last[:] = [now()]
            server.sendall(tail)

    sending = now()
    sender = Sender(send)
    reader = Reader(client)
    done = reader.until(len(head) + size + len(tail))
    sender.done()
    stage.bounds.totals["out"] += len(head) + size + len(tail)
    stage.bounds.between("first_byte", begun, (sending, reader.first))
    stage.bounds.between("first_chunk", begun, (sending, done))
    if how == "chunked":
        stage.bounds.between("stream_first_chunk", begun, (sending, done))
        stage.bounds.many("gap", done - sending)
    stage.bounds.between("duration" if how == "sized" else "stream_duration", begun, (last[0], done))
    small_exchange(stage, client, server)
    client.close()
    server.close()


def upload(stage, how, mib):
    """A request with so large a body, and a small one after it."""
    stay_on_one_cpu()
    size = int(mib) * MIB
    client, server = stage.connect()
    framing = f"Content-Length: {size}" if how == "sized" else "Transfer-Encoding: chunked"
    head = f"POST / HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n".encode()
    if how == "sized":
        pieces = [bytes(MIB)] * int(mib)
    else: # odd lengths, so that every place of a segment has a chunk's end once
        length = 65521
        pieces = [f"{length:x}\r\n".encode() + bytes(length) + b"\r\n"] * (size // length) + [b"0\r\n\r\n"]
    total = len(head) + sum(len(p) for p in pieces)

    def send():
        client.sendall(head)
        for piece in pieces:
            client.sendall(piece)

    before = now()
    sender = Sender(send)
    reader = Reader(server)
    reader.until(1)
    begun = (before, reader.first)
    reader.until(total)
    sender.done()
    response = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    time.sleep(PAUSE)
    sending = now()
    server.sendall(response)
    end = (sending, Reader(client).until(len(response)))
    stage.bounds.totals["in"] += total
    stage.bounds.totals["out"] += len(response)
    stage.bounds.add("pickup", 0, begun[1] - begun[0])
    stage.bounds.between("first_byte", begun, end)
    stage.bounds.between("duration", begun, end)
    small_exchange(stage, client, server)
    client.close()
    server.close()


def buffered(stage, end):
    """The server writes 2 MiB into its socket's buffer and closes, long before the client takes them. Then the client
    takes all, or resets; or it finds half of what was announced."""
    size = 2 * MIB
    client, server = stage.connect()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    server.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 8 * MIB)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size * 2 if end == 'short' else size}\r\n\r\n".encode()
    begun = ask(stage, client, server)
    sending = now()
    server.sendall(head + bytes(size))
    server.close()
    time.sleep(PAUSE)
    if end == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        return # how much of it was sent is not known
    resumed, reader = now(), Reader(client)
    done = reader.until(len(head) + size)
    if client.recv(1):
        raise ValueError("more came than was sent")
    client.close()
    stage.bounds.totals["out"] += len(head) + size
    stage.bounds.between("first_byte", begun, (sending, reader.first))
    stage.bounds.between("first_chunk", begun, (sending, done))
    if end == "read":
        stage.bounds.between("duration", begun, (resumed, done))


def broken_off(stage):
    """A client that leaves in the middle of 24 MiB that wait for it."""
    client, server = stage.connect()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n".encode()
    ask(stage, client, server)
    sender = Sender(by_sendfile, server, head, LARGE)
    Reader(client).until(MIB)
    client.close()
    try:
        sender.done()
    except (ConnectionResetError, BrokenPipeError):
        server.close()
        return
    raise ValueError("all was sent to a client that had left")


def fetch(stage, port, mib):
    """From a server that is not ours: a large body, of which half is read and then, after a while, the rest; and a
    small one."""
    client = socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE)
    stage.bounds.totals["opened"] += 1
    for size, pause in ((int(mib) * MIB, PAUSE), (1, 0), (0, 0)):
        request = get(f"/{size}").data
        before = now()
        client.sendall(request)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
            first = now()
        reader = Reader(client)
        reader.until(size // 2)
        time.sleep(pause)
        resumed = now() if pause else before
        done = reader.until(size)
        stage.bounds.totals["in"] += len(request)
        stage.bounds.totals["out"] += len(head) + size
        stage.bounds.add("pickup", 0, first - before)
        stage.bounds.add("first_byte", 0, first - before)
        if size:
            stage.bounds.add("first_chunk", 0, done - before)
        stage.bounds.add("duration", resumed - first if pause else 0, done - before)
    client.close()


def ahead(_, port, count, window):
    """GETs and HEADs to a server that is not ours, pipelined: always so many in flight, while it answers on another CPU."""
    kinds = [b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", b"HEAD /small HTTP/1.1\r\nHost: test\r\n\r\n",
             b"GET /missing HTTP/1.1\r\nHost: test\r\n\r\n"]
    answered, asked, rest = 0, 0, b""
    with socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while answered < int(count):
            while asked < min(answered + int(window), int(count)):
                client.sendall(kinds[asked % 3])
                asked += 1
            data = rest + client.recv(1 << 16)
            answered += data.count(b"HTTP/1.1 ")
            rest = data[-8:] # the mark may be cut


SCENES = (sent, huge, upload, buffered, broken_off, fetch, ahead)
