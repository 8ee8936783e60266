#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Both ends of many connections, played from one score: a client, and servers in processes of their own.

duet.py [OPTION...] PORT
  --listen ADDRESS      of the server (127.0.0.1); an IPv6 one takes IPv4 clients too
  --connect ADDRESS     that the client dials (127.0.0.1)
  --connections N       (1)
  --workers N           forked server processes on the one listener (1)
  --client-netns PATH   the client's network namespace

Each line of standard input is a step, done on all connections that are open. Its answer is a line on standard output: "ok", once
the other end has read all of it, or what was wrong.
  open              the client connects, the server accepts
  c[*N] TEXT        the client sends TEXT, N times over, in one call; s: the server does
  +c[*N], +s[*N]    the same, but nobody reads it now
  c @fin            the client half-closes; @rst: resets; @end: closes; the other end must see it. s, +c, +s too
  c @dst            the client's segments carry IPv6 destination options from now on; @hop: hop-by-hop options,
                    of 8 bytes as BIG TCP's; @hop2: of 16. s too
  s @repair TEXT    the server's TCP takes TEXT for sent, without sending it (TCP_REPAIR): it is sent again
  c @forged FLAGS N [TEXT]
                    somebody else sends TEXT in the client's name, with numbers that are N beyond the connection's, so
                    that TCP does not take it. FLAGS are of F, R and A. IPv4 only
  s @keepalive      the server's TCP probes a client of which nothing comes for a second, and a second later gives it up
  +s @gone          the server waits until its TCP has given the client up, and closes
TEXT has Python's escapes: \\r\\n, \\x16. Its first character cannot be @.
"""

import argparse
import codecs
import ctypes
import os
import select
import selectors
import socket
import struct
import sys
import time

from dialogue import segments_received

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_RECV_QUEUE, TCP_SEND_QUEUE = 19, 20, 21, 1, 2
REPAIR_OFF = -1  # without a window probe
IPV6_HOPOPTS, IPV6_DSTOPTS = 54, 59
PADDING = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # a header of 8 bytes; the kernel writes the first two
CLONE_NEWNET = 0x40000000
DEADLINE = 20


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


ENDINGS = {"@fin": lambda s: s.shutdown(socket.SHUT_WR), "@rst": reset, "@end": lambda s: s.close()}
# Seven bytes of padding in a row are all that is allowed: a router alert stands between.
PADDING_TWICE = bytes([0, 1, 0, 0, 0, 5, 2, 0, 0, 1, 5, 0, 0, 0, 0, 0])
OPTIONS = {"@dst": [(socket.IPPROTO_IPV6, IPV6_DSTOPTS, PADDING)], "@hop": [(socket.IPPROTO_IPV6, IPV6_HOPOPTS, PADDING)],
           "@hop2": [(socket.IPPROTO_IPV6, IPV6_HOPOPTS, PADDING_TWICE)],
           "@keepalive": [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
                          (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1), (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 1)]}


def repair(sock, text):
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE)
    sock.send(text)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)


def await_given_up(sock):
    gone = select.poll()
    gone.register(sock, 0)
    if not gone.poll(DEADLINE * 1000):
        raise EOFError("TCP does not give up")
    sock.close()


# ---- segments that nobody of the two has sent ----

FLAGS = {"F": 1, "R": 4, "A": 16}


def next_numbers(sock):
    """Those of the next bytes that it sends, and receives."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    numbers = []
    for queue in (TCP_SEND_QUEUE, TCP_RECV_QUEUE):
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        numbers.append(sock.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ))
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF)
    return numbers


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def forge(sock, flags, beyond, text):
    """A segment from that client to its server."""
    (source, sport), (server, port) = sock.getsockname(), sock.getpeername()
    seq, ack = [(number + beyond) & 0xffffffff for number in next_numbers(sock)]
    bits = sum(FLAGS[flag] for flag in flags)
    tcp = struct.pack("!HHIIBBHHH", sport, port, seq, ack, 5 << 4, bits, 1000, 0, 0) + text
    addresses = socket.inet_aton(source) + socket.inet_aton(server)
    pseudo = addresses + struct.pack("!HH", socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    # The kernel fills in the length and the checksum of this one.
    packet = struct.pack("!BBHHHBBH", 0x45, 0, 0, 1, 0, 64, socket.IPPROTO_TCP, 0) + addresses + tcp
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(packet, (server, 0))


# ---- the two ends ----

class End:
    """The sockets of one process, and what each is still to read."""

    def __init__(self):
        self.sockets = []
        self.due = 0  # bytes on each

    def add(self, sock):
        sock.settimeout(DEADLINE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sockets.append(sock)

    def open(self):
        return [sock for sock in self.sockets if sock.fileno() >= 0]

    def act(self, text, times):
        """Returns the number of bytes that the other end is to read of each socket, -1 for the end."""
        word, _, rest = text.partition(b" ")
        word = word.decode(errors="replace")
        for sock in self.open():
            if word in ENDINGS:
                ENDINGS[word](sock)
            elif word in OPTIONS:
                for option in OPTIONS[word]:
                    sock.setsockopt(*option)
            elif word == "@repair":
                repair(sock, rest)
            elif word == "@gone":
                await_given_up(sock)
            else:
                sock.sendall(text * times)
        if word in ENDINGS:
            return -1
        if word in OPTIONS or word == "@gone":
            return 0
        return len(rest) if word == "@repair" else len(text) * times

    def read(self):
        for sock in self.open():
            left = self.due
            while left > 0:
                piece = sock.recv(min(left, 1 << 20))
                if not piece:
                    raise EOFError(f"end of file {left} bytes early")
                left -= len(piece)
        self.due = 0

    def read_end(self):
        for sock in self.open():
            try:
                if sock.recv(1):
                    raise EOFError("more bytes instead of the end")
            except ConnectionResetError:
                pass


def serve(listener, control):
    """One server process. Requests on `control`: a letter, then the argument; the answer is a number and a reason."""
    end = End()
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    ready.register(control, selectors.EVENT_READ)
    listener.setblocking(False)
    while True:
        for key, _ in ready.select():
            if key.fileobj is listener:
                try:
                    end.add(listener.accept()[0])
                except BlockingIOError:  # another worker was quicker
                    pass
                continue
            message = control.recv(1 << 20)
            if not message:
                return
            try:
                control.send(answer(end, message[:1], message[1:]))
            except (OSError, EOFError) as error:
                control.send(b"-1 " + str(error).encode())


def answer(end, letter, argument):
    value = len(end.sockets)
    if letter == b"a":
        times, _, text = argument.partition(b" ")
        value = end.act(text, int(times))
    elif letter == b"r":
        end.due = int(argument)
        end.read()
    elif letter == b"e":
        end.read_end()
    elif letter == b"s":
        value = sum(segments_received(sock) for sock in end.open())
    return str(value).encode()


class Servers:
    def __init__(self, family, address, port, workers):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(1024)
        self.controls = []
        for _ in range(workers):
            mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            if os.fork() == 0:
                mine.close()
                for other in self.controls:
                    other.close()
                serve(listener, theirs)
                os._exit(0)
            theirs.close()
            mine.settimeout(DEADLINE)
            self.controls.append(mine)
        listener.close()  # the client's process is no server

    def ask(self, message):
        for control in self.controls:
            control.send(message)
        numbers = []
        for control in self.controls:
            number, _, why = control.recv(1024).decode().partition(" ")
            if why:
                raise EOFError("server: " + why)
            numbers.append(int(number))
        return numbers

    def act(self, text, times):
        return max(self.ask(b"a%d " % times + text))

    def read(self, due):
        self.ask(b"r%d" % due)

    def read_end(self):
        self.ask(b"e")

    def await_accepted(self, count):
        while sum(self.ask(b"n")) < count:
            pass

    def segments(self):
        return sum(self.ask(b"s"))


class Client(End):
    def read(self, due):
        self.due = due
        super().read()


def connect(family, address, port, netns):
    if netns and ctypes.CDLL(None, use_errno=True).setns(os.open(netns, os.O_RDONLY), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), netns)
    sock = socket.socket(family)
    sock.settimeout(DEADLINE)
    sock.connect((address, port))
    return sock


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Score:
    def __init__(self, options):
        self.options = options
        self.servers = Servers(family_of(options.listen), options.listen, options.port, options.workers)
        self.client = Client()
        self.unread = {"c": 0, "s": 0}

    def open(self):
        o = self.options
        for _ in range(o.connections):
            self.client.add(connect(family_of(o.connect), o.connect, o.port, o.client_netns))
        self.servers.await_accepted(len(self.client.sockets))

    def forge(self, flags, beyond, text=b""):
        """Until the servers' TCP has looked at it."""
        wanted = self.servers.segments() + len(self.client.open())
        for sock in self.client.open():
            forge(sock, flags.decode(), int(beyond), text)
        until = time.monotonic() + DEADLINE
        while self.servers.segments() < wanted:
            if time.monotonic() > until:
                raise EOFError("the forged segments do not come")

    def play(self, line):
        verb, _, text = line.partition(" ")
        if verb == "open":
            return self.open()
        later = verb.startswith("+")
        who, _, times = verb.lstrip("+").partition("*")
        actor, other = (self.client, self.servers) if who == "c" else (self.servers, self.client)
        said = codecs.escape_decode(text)[0]
        if said.startswith(b"@forged "):
            return self.forge(*said.split(b" ", 3)[1:])
        sent = actor.act(said, int(times or 1))
        if sent < 0:
            if text != "@fin":  # what has come to it nobody will read
                self.unread["s" if who == "c" else "c"] = 0
            return None if later else other.read_end()
        self.unread[who] += sent
        if not later and self.unread[who]:
            other.read(self.unread[who])
            self.unread[who] = 0
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--connect", default="127.0.0.1")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--client-netns")
    parser.add_argument("port", type=int)
    score = Score(parser.parse_args())
    for line in sys.stdin:
        try:
            score.play(line.rstrip("\n"))
            print("ok", flush=True)
        except (OSError, EOFError) as error:
            print(repr(error), flush=True)


if __name__ == "__main__":
    main()
