#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Clients that keep connections and say how each one ended: `eof` in order, `reset`, or `open` when nobody ended it.

hold HOST PORT COUNT PATH STOP         that many connections with a request each, then silence. Says `held COUNT`, and a line
                                       for each connection at its end, or when that file exists: port, end, seconds after
                                       the last answer
ask HOST PORT PATH STOP                a request on one connection; says `asked`, then `answered STATUS LENGTH SHA256` or
                                       `broken`, then how the connection ended, as above
part HOST PORT STOP                    half of a request's header on one connection; says `held 1`, then its end
loop HOST PORT COUNT PATH STOP MS      so many connections that ask again and again with pauses of about MS milliseconds
                                       (0: none), until that file exists; a connection that has ended is opened anew. Says
                                       `looping`, and at the end: answered N, ended N (between requests), raced N
                                       (requests that were sent and got not a byte), cut N (answers that broke off)
"""

import hashlib
import http.client
import os
import random
import selectors
import socket
import sys
import time


def say(*words):
    print(*words, flush=True)


def connect(host, port):
    peer = socket.create_connection((host, int(port)), timeout=20)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode()


def ask_on(peer, path):
    peer.sendall(request(path))
    response = http.client.HTTPResponse(peer, method="GET")
    response.begin()
    return response.status, response.read()


def end_of(peer):
    """None while it is open."""
    peer.setblocking(False)
    try:
        data = peer.recv(65536)
    except BlockingIOError:
        return None
    except OSError:
        return "reset"
    return "more" if data else "eof"


def await_ends(peers, stop):
    since = {peer: time.monotonic() for peer in peers}
    ports = {peer: peer.getsockname()[1] for peer in peers}
    while since:
        over = os.path.exists(stop)
        for peer in list(since):
            end = end_of(peer) or ("open" if over else None)
            if end:
                say(ports[peer], end, f"{time.monotonic() - since.pop(peer):.3f}")
                peer.close()
        time.sleep(0.002)


def hold(host, port, count, path, stop):
    peers = [connect(host, port) for _ in range(int(count))]
    for peer in peers:
        ask_on(peer, path)
    say("held", len(peers))
    await_ends(peers, stop)


def ask(host, port, path, stop):
    peer = connect(host, port)
    peer.settimeout(60)
    say("asked")
    try:
        status, body = ask_on(peer, path)
        say("answered", status, len(body), hashlib.sha256(body).hexdigest())
    except (OSError, http.client.HTTPException):
        say("broken")
    await_ends([peer], stop)


def part(host, port, stop):
    peer = connect(host, port)
    peer.sendall(b"GET / HTTP/1.1\r\nHost: te")
    say("held 1")
    await_ends([peer], stop)


class Looper:
    def __init__(self, selector, host, port, path, pause, tally):
        self.selector, self.where, self.path, self.pause, self.tally = selector, (host, port), path, pause, tally
        self.open()

    def open(self):
        self.peer = connect(*self.where)
        self.peer.setblocking(False)
        self.selector.register(self.peer, selectors.EVENT_READ, self)
        self.asking, self.data, self.due = False, b"", 0

    def again(self, why):
        self.tally[why] += 1
        self.selector.unregister(self.peer)
        self.peer.close()
        self.open()

    def send(self, now):
        """As good clients do, it looks first whether the connection has ended."""
        if self.asking or now < self.due:
            return
        if end_of(self.peer):
            self.again("ended")
        self.asking, self.data = True, b""
        try:
            self.peer.send(request(self.path))
        except OSError:
            self.again("raced")

    def receive(self, now):
        try:
            piece = self.peer.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self.again(("cut" if self.data else "raced") if self.asking else "ended")
            return
        self.data += piece
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) < length:
            return
        self.tally["answered"] += 1
        self.asking = False
        self.due = now + self.pause * random.uniform(0.5, 1.5)


def loop(host, port, count, path, stop, pause):
    selector, tally = selectors.DefaultSelector(), {"answered": 0, "ended": 0, "raced": 0, "cut": 0}
    loopers = [Looper(selector, host, port, path, float(pause) / 1000, tally) for _ in range(int(count))]
    say("looping")
    while not os.path.exists(stop):
        now = time.monotonic()
        for looper in loopers:
            looper.send(now)
        for key, _ in selector.select(0.001):
            key.data.receive(time.monotonic())
    for name, number in tally.items():
        say(name, number)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
