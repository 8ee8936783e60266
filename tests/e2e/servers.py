#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Servers with a trait that no common server can be told to have. Each listens on 127.0.0.1.

prefork PORT COUNT   that many forked workers on one listener, replaced when they end; /exit/N ends the one that
                     answers with that code, /burn/MS has it use that much processor time first
mptcp PORT           an HTTP server on a Multipath TCP listener
echo PORT            sends back what it gets: no HTTP at all
silent PORT          accepts and never answers
"""

import http.server
import os
import selectors
import socket
import sys
import time

IPPROTO_MPTCP = 262


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        what, _, value = self.path[1:].partition("/")
        if what == "burn":
            until = time.process_time() + int(value) / 1000
            while time.process_time() < until:
                pass
        body = b"canary\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if what == "exit":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        if what == "exit":
            self.connection.shutdown(socket.SHUT_RDWR)
            os._exit(int(value))

    def log_message(self, *_):
        pass


def listener(port, protocol=0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(128)
    return sock


def serve_on(sock):
    server = http.server.HTTPServer(sock.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = sock
    server.serve_forever()


def prefork(port, count):
    sock = listener(port)
    missing = int(count)
    while True:
        for _ in range(missing):
            if os.fork() == 0:
                serve_on(sock)
        os.wait()
        missing = 1


def mptcp(port):
    serve_on(listener(port, IPPROTO_MPTCP))


def echo(port):
    select = selectors.DefaultSelector()
    server = listener(port)
    select.register(server, selectors.EVENT_READ)
    while True:
        for key, _ in select.select():
            if key.fileobj is server:
                select.register(server.accept()[0], selectors.EVENT_READ)
            elif data := key.fileobj.recv(65536):
                key.fileobj.sendall(data)
            else:
                select.unregister(key.fileobj)
                key.fileobj.close()


def silent(port):
    server = listener(port)
    kept = []
    while True:
        kept.append(server.accept())


if __name__ == "__main__":
    kinds = {k.__name__: k for k in (prefork, mptcp, echo, silent)}
    kinds[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:])
