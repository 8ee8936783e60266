#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Clients whose connections must be held in a way that no common client can be told to.

keepalive HOST PORT              one connection; a path on each line of standard input, the answer's status and
                                 length on each line of standard output
tls HOST PORT                    the same over TLS, whatever certificate the server has
ports HOST PORT FIRST COUNT      a connection and a request from each of these source ports; prints port and body
pipeline HOST PORT COUNT PATH    that many requests in one segment; prints how many answers came
dribble HOST PORT PATH           a request, a byte a segment; prints the answer's status
persist HOST PORT STOP           a connection and a request again and again, whatever becomes of them, until that file
                                 exists; prints how many were answered, how many had no complete answer, and how
                                 many connections were refused
send HOST PORT                   standard input as it is, then reads until nothing comes for a second; prints it
"""

import http.client
import os
import socket
import ssl
import struct
import sys
import time


def tls(host, port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    ask_for_lines(http.client.HTTPSConnection(host, port, timeout=20, context=context))


def keepalive(host, port):
    ask_for_lines(http.client.HTTPConnection(host, port, timeout=20))


def ask_for_lines(connection):
    for line in sys.stdin:
        connection.request("GET", line.strip())
        response = connection.getresponse()
        print(response.status, len(response.read()), flush=True)


def ports(host, port, first, count):
    for source in range(int(first), int(first) + int(count)):
        peer = socket.socket()
        peer.settimeout(20)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        peer.bind((host, source))
        peer.connect((host, port))
        peer.sendall(request("/", True))
        print(source, read_all(peer).split(b"\r\n\r\n")[1].decode().strip())
        # A reset after the answer leaves no TIME_WAIT, so that the port can be used again at once.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()


def read_all(peer):
    data = b""
    while True:
        try:
            piece = peer.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return data
        if not piece:
            return data
        data += piece


def request(path, last):
    return f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: {'close' if last else 'keep-alive'}\r\n\r\n".encode()


def pipeline(host, port, count, path):
    with socket.create_connection((host, port), timeout=20) as peer:
        peer.sendall(b"".join(request(path, i == int(count) - 1) for i in range(int(count))))
        print(read_all(peer).count(b"HTTP/1.1 "))


def dribble(host, port, path):
    with socket.create_connection((host, port), timeout=20) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(path, True):
            peer.send(bytes([byte]))
        print(read_all(peer).split()[1].decode())


def persist(host, port, stop):
    answered = broken = refused = 0
    while not os.path.exists(stop):
        try:
            with socket.create_connection((host, port), timeout=20) as peer:
                try:
                    peer.sendall(request("/", True))
                except (ConnectionResetError, BrokenPipeError):
                    pass # an answer may have come all the same
                if read_all(peer).endswith(b"\r\n\r\ncanary\n"):
                    answered += 1
                else:
                    broken += 1
        except (ConnectionRefusedError, ConnectionResetError):
            refused += 1
            time.sleep(0.01)
    print(answered, broken, refused)


def send(host, port):
    with socket.create_connection((host, port), timeout=1) as peer:
        peer.sendall(sys.stdin.buffer.read())
        sys.stdout.buffer.write(read_all(peer))


if __name__ == "__main__":
    commands = {c.__name__: c for c in (keepalive, tls, ports, pipeline, dribble, persist, send)}
    commands[sys.argv[1]](sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
