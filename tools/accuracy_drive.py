# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Sends the requests of tools/accuracy and writes down what serin says of them, as lines of JSON.

    accuracy_drive.py SERIN INSTANCE LOAD OUT SERVER:VERSION:PORT[:CONTROL]...

serin publishes sums and counts, no single requests. The sums are exact, so with one request at a time the difference
between two dumps is that request. What eight clients ask at once comes first, on an agent that has seen nothing else,
for histograms have no differences in the JSON.
"""

import http.client
import json
import subprocess
import sys
import time

KINDS = ("pickup", "first_byte", "first_chunk", "stream_first_chunk", "gap", "duration", "stream_duration")
CLIENTS = 8
PATIENCE = 10  # seconds for a count to rise

# case: requests, target, a connection for each?
CASES = {
    "small": (200, "/delay/0", False),
    "connect": (50, "/delay/0", True),
    "delay-1": (40, "/delay/1", False),
    "delay-10": (30, "/delay/10", False),
    "delay-100": (15, "/delay/100", False),
    "1MiB": (20, "/bytes/1048576", False),
    "stream": (10, "/stream/50/5", False),
}
UNTIL_CLOSE = {"until-close": (20, "/until-close/1000", True)}
# case: requests, target, requests a connection (0: all)
CROWD = {
    "crowd-small": (400, "/delay/0", 0),
    "crowd-connect": (160, "/delay/0", 1),
    "crowd-delay-10": (160, "/delay/10", 0),
    "crowd-stream": (24, "/stream/50/5", 0),
}
# The model server has paths of its own; it is told to be slow, and streams what is asked for as a stream.
MODEL_TARGET = "/v1/completions"
MODEL_FAULTS = {
    "delay-1": {"delay_ms": 1},
    "delay-10": {"delay_ms": 10},
    "delay-100": {"delay_ms": 100},
    "stream": {"chunk_delay_ms": 5},
    "crowd-delay-10": {"delay_ms": 10},
    "crowd-stream": {"chunk_delay_ms": 5},
}
NO_FAULTS = {"delay_ms": 0, "chunk_delay_ms": 0}


class Server:
    def __init__(self, text):
        self.name, self.version, port, *control = text.split(":")
        self.port = int(port)
        self.control = int(control[0]) if control else None

    def cases(self):
        if self.control:
            return {name: case for name, case in CASES.items() if name != "1MiB"}
        return CASES | UNTIL_CLOSE if self.name == "exact" else CASES

    def target(self, case, path, label):
        return f"{MODEL_TARGET if self.control else path}?q={self.name}.{case}.{label}"

    def body(self, case):
        if not self.control:
            return None
        streams = "stream" in case
        return json.dumps({"prompt": "The", "max_tokens": 50 if streams else 1, "stream": streams, "seed": 1})

    def misbehave(self, case):
        if not self.control:
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=PATIENCE)
        connection.request("POST", "/fault", json.dumps(NO_FAULTS | MODEL_FAULTS.get(case, {})))
        if connection.getresponse().status != 200:
            sys.exit("accuracy: the model server does not take the faults")
        connection.close()


class Serin:
    def __init__(self, binary, instance):
        self.command = [binary, "dump", "-o", "json", "--instance", instance]

    def dump(self):
        return json.loads(subprocess.run(self.command, check=True, capture_output=True).stdout)

    def of(self, server):
        return next(m for m in self.dump()["models"] if m["version"] == server.version)

    def after(self, server, done):
        """When that many requests have their outcome."""
        deadline = time.monotonic() + PATIENCE
        while True:
            model = self.of(server)
            if model["requests"]["total"] - model["requests"]["in_flight"] >= done:
                return model
            if time.monotonic() > deadline:
                sys.exit(f"accuracy: of {done} requests to {server.name} serin has counted "
                         f"{model['requests']} after {PATIENCE} s")


def exact(model):
    """Counts and sums in ns of each kind."""
    latency = model["latency_seconds"]
    return {k: (latency[k]["count"], round(latency[k]["sum"] * 1e9)) if latency[k] else None for k in KINDS}


def difference(before, after):
    return {k: after[k] and [a - b for a, b in zip(after[k], before[k])] for k in KINDS}


def ask(connection, server, target, body, closes):
    headers = {"Connection": "close"} if closes else {}
    if body:
        headers["Content-Type"] = "application/json"
    connection.request("POST" if body else "GET", target, body, headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        sys.exit(f"accuracy: {server.name} answers {answer.status} to {target}")


def one_by_one(serin, server, out):
    model = serin.of(server)
    for case, (count, path, closes) in server.cases().items():
        server.misbehave(case)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        for i in range(count):
            before = exact(model)
            done = model["requests"]["total"] + 1
            target = server.target(case, path, i)
            ask(connection, server, target, server.body(case), closes)
            model = serin.after(server, done)
            out({"server": server.name, "case": case, "target": target, "serin": difference(before, exact(model))})
        connection.close()


def crowd(serin, load, server, out):
    done = 0
    for case, (count, path, per_connection) in CROWD.items():
        server.misbehave(case)
        url = f"http://127.0.0.1:{server.port}{server.target(case, path, 'x')}"
        body = server.body(case)
        options = ["--body", body] if body else []
        said = subprocess.run([load, "--url", url, "--method", "POST" if body else "GET", "--connections", str(CLIENTS),
                               "--requests", str(count), "--per-connection", str(per_connection), "--json", *options],
                              check=True, capture_output=True).stdout
        if json.loads(said)["outcomes"]["success"] != count:
            sys.exit(f"accuracy: {case} of {server.name}: {said.decode()}")
        done += count
    model = serin.after(server, done)
    out({"server": server.name, "crowd": model["latency_seconds"], "requests": done})


def realtime_offset():
    """CLOCK_REALTIME - CLOCK_MONOTONIC in ns: the best of many readings, each between two of the other."""
    best = None
    for _ in range(1000):
        before, real, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, real - (before + after) // 2)
    return best[1]


def main():
    binary, instance, load, path, *servers = sys.argv[1:]
    serin = Serin(binary, instance)
    servers = [Server(text) for text in servers]
    with open(path, "a", encoding="ascii") as file:

        def out(thing):
            file.write(json.dumps(thing) + "\n")

        out({"offset": realtime_offset()})
        for server in servers:
            crowd(serin, load, server, out)
        for server in servers:
            one_by_one(serin, server, out)
        out({"offset": realtime_offset()})
        dump = serin.dump()
        for server in servers:
            model = next(m for m in dump["models"] if m["version"] == server.version)
            out({"server": server.name, "total": model["requests"]})
        out({"losses": dump["losses"]})


if __name__ == "__main__":
    main()
