#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Servers with a trait that no common server can be told to have. Each listens on 127.0.0.1.

prefork PORT COUNT   that many forked workers on one listener, replaced when they end; /exit/N ends the one that
                     answers with that code, /burn/MS has it use that much processor time first
plain PORT           one process, one connection at a time, in a reuseport group with all others on the port
heir PORT PATH       takes the listener over from the server that waits at the path, which exits then, or makes one, and
                     waits there for its own heir
reception PORT PATH  accepts connections, and hands them to the clerk at the path
clerk PATH           serves the connections it is handed, one at a time
mptcp PORT           an HTTP server on a Multipath TCP listener
echo PORT            sends back what it gets: no HTTP at all
silent PORT          accepts and never answers
"""

import http.server
import os
import select
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


def listener(port, protocol=0, option=socket.SO_REUSEADDR):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    sock.setsockopt(socket.SOL_SOCKET, option, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(128)
    return sock


def server_on(sock):
    server = http.server.HTTPServer(sock.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = sock
    return server


def serve_on(sock):
    server_on(sock).serve_forever()


def plain(port):
    serve_on(listener(port, option=socket.SO_REUSEPORT))


def waiting_at(path):
    """A unix socket on which others wait for a descriptor, or bring one."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path + ".new")
    sock.listen(8)
    os.rename(path + ".new", path)
    return sock


def descriptor_from(peer):
    _, (descriptor, *_), _, _ = socket.recv_fds(peer, 1, 1)
    return socket.socket(fileno=descriptor)


def connected_to(path):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(path)
    return peer


def heir(port, path):
    sock = descriptor_from(connected_to(path)) if os.path.exists(path) else listener(port)
    will, server = waiting_at(path), server_on(sock)
    while True:
        ready, _, _ = select.select([will, sock], [], [])
        if will in ready:
            socket.send_fds(will.accept()[0], [b"."], [sock.fileno()])
            return
        server.handle_request()


def reception(port, path):
    sock, clerk_at = listener(port), connected_to(path)
    while True:
        visitor, _ = sock.accept()
        socket.send_fds(clerk_at, [b"."], [visitor.fileno()])
        visitor.close()


def clerk(_, path):
    reception_at, _ = waiting_at(path).accept()
    while True:
        visitor = descriptor_from(reception_at)
        Handler(visitor, visitor.getpeername(), None)
        visitor.close()


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
    selector = selectors.DefaultSelector()
    server = listener(port)
    selector.register(server, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is server:
                selector.register(server.accept()[0], selectors.EVENT_READ)
            elif data := key.fileobj.recv(65536):
                key.fileobj.sendall(data)
            else:
                selector.unregister(key.fileobj)
                key.fileobj.close()


def silent(port):
    server = listener(port)
    kept = []
    while True:
        kept.append(server.accept())


if __name__ == "__main__":
    kinds = {k.__name__: k for k in (prefork, plain, heir, reception, clerk, mptcp, echo, silent)}
    kinds[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:])
