#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Python's http.client: client.py URL keepalive|each <SCRIPT

A line of the script is COUNT METHOD PATH STATUS [BODY_BYTES [chunked]]. The status wanted may also be "abort": the
client leaves in the middle of the body; or "dropped": the server does. For every request "1 STATUS METHOD PATH" is
printed, of what really happened; the exit code is 1 when it was not what was wanted; "*" is anything.
keepalive: one connection as long as the server keeps it; each: a connection a request.
"""

import http.client
import sys
import urllib.parse


def pieces(size):
    for at in range(0, size, 16384):
        yield b"x" * min(16384, size - at)


def send(connection, method, path, size, chunked, headers):
    if size is None:
        connection.request(method, path, headers=headers)
    elif chunked:
        connection.request(method, path, pieces(size), headers, encode_chunked=True)
    else:
        connection.request(method, path, b"x" * size, headers)


def ask(connection, method, path, wanted, size=None, chunked=None, headers=None):
    try:
        send(connection, method, path, size, chunked, headers or {})
        response = connection.getresponse()
        if wanted == "abort":
            assert len(response.read(8)) == 8, "no body to leave"
            response.close()
            connection.close()
            return "abort"
        response.read()
        return str(response.status)
    except (http.client.IncompleteRead, ConnectionError) as error:
        if wanted not in ("dropped", "*"):
            print(method, path, repr(error), file=sys.stderr)
        connection.close()
        return "dropped"


def main(url, how):
    host = urllib.parse.urlsplit(url).netloc
    connection = http.client.HTTPConnection(host, timeout=20)
    good = True
    for line in sys.stdin:
        count, method, path, wanted, *body = line.split()
        size = int(body[0]) if body else None
        for _ in range(int(count)):
            headers = {"Connection": "close"} if how == "each" else {}
            got = ask(connection, method, path, wanted, size, "chunked" in body, headers)
            print(1, got, method, path, flush=True)
            if wanted not in (got, "*"):
                print(f"{method} {path}: {got}, expected {wanted}", file=sys.stderr)
                good = False
    connection.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
