# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Lays serin's times beside those of the packet capture and of the servers' own clocks, for tools/accuracy.

    accuracy_report.py DIRECTORY SERVER:PORT...
"""

import collections
import json
import math
import os
import sys

import accuracy_pcap

AIM_US, AIM_SHARE = 20, 0.01  # a median error below either is what we want
BUCKET = 0.032  # the histograms' resolution
KINDS = ("duration", "first_byte", "first_chunk", "stream_first_chunk", "gap", "stream_duration", "pickup")
QUANTILES = (0.5, 0.9, 0.99)
NGINX_RESOLUTION_US = 1000

CAPTURE = """\
pcap: the kernel's time of a segment as loopback delivers it. A request's is taken before IP, TCP and serin have it, a
response's after serin had it and it left. serin's times are shorter by those two ways and by what capturing costs: 2 us
on a busy machine, 5 to 30 us on one that was idle before, whose caches are cold. Longer times are not off by more.
"""
NOTES = {
    "a": "The server's clock begins when it has read. The difference is pickup, which the server cannot see; less\n"
         "    pickup (the rows below it) the two agree.",
    "b": "The middleware's clock begins when uvicorn has read, parsed and scheduled the request, and the bytes leave\n"
         "    some Python after the call of a send; of a large body some leave after its return. The table of parts\n"
         "    says how long that is.",
    "c": "nginx logs milliseconds, of a clock that it reads once a wake-up: what it does within one takes no time.",
    "d": "A send that has to wait for room is called long before its last byte leaves; one that has room returns when\n"
         "    loopback has delivered it, receiver included.",
    "e": "The server was late: by its own clock, at the call of the send, about as late as by serin's.",
}

Pair = collections.namedtuple("Pair", "value truth")


def quantile(values, q):
    """By rank, as the histograms do it."""
    values = sorted(values)
    return values[math.ceil(q * len(values)) - 1]


def mean(values):
    return sum(values) / len(values)


class Log:
    """A line of accuracy-server or of the middleware."""

    def __init__(self, words):
        (self.read, first_call, first_return, body_call, body_return, last_call, last_return, self.gap_sum,
         self.gaps) = map(int, words)
        self.first, self.body = (first_call, first_return), (body_call, body_return)
        self.last = (last_call, last_return)


class Run:
    """All that was recorded."""

    def __init__(self, path, ports):
        self.ports = ports
        self.complaints = []
        with open(os.path.join(path, "driven"), encoding="ascii") as file:
            lines = [json.loads(line) for line in file]
        self.asked = [x for x in lines if "target" in x]
        self.crowds = {x["server"]: x for x in lines if "crowd" in x}
        self.totals = {x["server"]: x["total"] for x in lines if "total" in x}
        self.losses = [x["losses"] for x in lines if "losses" in x]
        offsets = [x["offset"] for x in lines if "offset" in x]
        self.offset, self.offset_moved = mean(offsets), max(offsets) - min(offsets)
        self.captured = accuracy_pcap.exchanges(os.path.join(path, "run.pcap"), ports.values())
        self.logs = {name: self.read_log(os.path.join(path, f"{name}.log")) for name in ("exact", "uvicorn", "nginx")}

    @staticmethod
    def read_log(path):
        """Lines by target."""
        logs = collections.defaultdict(list)
        with open(path, encoding="ascii") as file:
            for line in file:
                target, *words = line.split()
                logs[target].append(words)
        return logs

    def of(self, server):
        """The captured exchanges with that server."""
        return [x for all_of_target in self.captured.values() for x in all_of_target if x.port == self.ports[server]]

    def one(self, request):
        """The captured exchange that this single request was."""
        found = [x for x in self.captured.get(request["target"], []) if x.port == self.ports[request["server"]]]
        if len(found) != 1:
            sys.exit(f"accuracy: the capture has {len(found)} exchanges for {request['target']}")
        return found[0]

    def log(self, request):
        """What the server wrote of this single request; None: it keeps no log."""
        if request["server"] not in self.logs:
            return None
        lines = self.logs[request["server"]][request["target"]]
        if len(lines) != 1:
            sys.exit(f"accuracy: {request['server']} logged {len(lines)} requests for {request['target']}")
        return lines[0] if request["server"] == "nginx" else Log(lines[0])


# ---- counts: these must be the same ----


def same(run, what, got, wanted):
    if got != wanted:
        run.complaints.append(f"{what}: {got}, expected {wanted}")


def check_totals(run):
    for server in run.ports:
        total = run.totals[server]
        asked = sum(x["server"] == server for x in run.asked) + run.crowds[server]["requests"]
        same(run, f"requests to {server} that serin counted", total["total"], asked)
        same(run, f"successes of {server} that serin counted", total["success"], asked)
        captured = sum(f"?q={server}." in x.target for x in run.of(server))
        same(run, f"requests to {server} in the capture", captured, asked)
        if server in run.logs:
            logged = sum(len(lines) for target, lines in run.logs[server].items() if f"?q={server}." in target)
            same(run, f"requests that {server} logged", logged, asked)
    for losses in run.losses:
        same(run, "losses", {k: v for k, v in losses.items() if v}, {})


def check_single(run, request, exchange):
    times, before = exchange.times(), len(run.complaints)
    for kind, difference in request["serin"].items():
        wanted = len(exchange.gaps()) if kind == "gap" else int(kind == "pickup" or kind in times)
        if difference:
            same(run, f"{kind} of {request['target']}", difference[0], wanted)
    return len(run.complaints) == before


def check_crowd(run, server, exchanges):
    counts = collections.Counter(kind for x in exchanges for kind in x.times())
    counts["gap"] = sum(len(x.gaps()) for x in exchanges)
    for kind in KINDS[:-1]:
        same(run, f"{kind} of the crowd at {server}", run.crowds[server]["crowd"][kind]["count"], counts[kind])


# ---- pairs: serin's time and what it should be, in ns ----


def of_serin(request):
    """ns of each kind; a gap is the mean of the request's gaps."""
    return {kind: d[1] / d[0] for kind, d in request["serin"].items() if d and d[0]}


def against_capture(serin, exchange):
    truth = dict(exchange.times())
    if exchange.gaps():
        truth["gap"] = mean(exchange.gaps())
    for kind in truth:
        yield kind, "pcap", Pair(serin[kind], truth[kind])


def whole(serin):
    return "stream_duration" if "stream_duration" in serin else "duration"


def against_log(serin, log):
    """A server's clock begins when it has read; serin's pickup is the time before."""
    kind = whole(serin)

    def less_pickup(kind, clock, moment):
        return f"{kind} - pickup", f"server: read to {clock}", Pair(serin[kind] - serin["pickup"], moment - log.read)

    yield kind, "server: read to last send's return", Pair(serin[kind], log.last[1] - log.read)
    if "gap" in serin:
        yield "gap", "server: between body sends' calls", Pair(serin["gap"], log.gap_sum / log.gaps)
    if "pickup" in serin:
        yield less_pickup(kind, "last send's call", log.last[0])
        yield less_pickup(kind, "last send's return", log.last[1])
        yield less_pickup("first_byte", "first send's call", log.first[0])
        yield less_pickup("first_chunk", "body send's call", log.body[0])


def against_exact_server(serin, log, exchange, request, offset):
    """What only a server of known delays can say."""
    case, _, ms = request["case"].partition("-")
    if "pickup" in serin:
        yield "pickup", "pcap to server's read", Pair(serin["pickup"], log.read + offset - exchange.start)
        if case == "delay":
            answered = serin["first_byte"] - serin["pickup"]
            yield "first_byte - pickup", "the delay asked for", Pair(answered, int(ms) * 1e6)


def against_nginx(serin, words, exchange):
    """Both its times are from a clock that it reads once a wake-up, cut to milliseconds: half of one is missing in
    $msec on average, nothing in a difference of two."""
    request_time, msec = (float(w) for w in words)
    kind = whole(serin)
    yield kind, "nginx: $request_time", Pair(serin[kind], request_time * 1e9)
    if "pickup" in serin:
        yield f"{kind} - pickup", "nginx: $request_time", Pair(serin[kind] - serin["pickup"], request_time * 1e9)
    yield kind, "pcap to nginx's $msec", Pair(serin[kind], round(msec * 1000) * 1_000_000 + 500_000 - exchange.start)


def pairs(run, request):
    """(quantity, clock, pair) of a single request."""
    exchange, serin, log = run.one(request), of_serin(request), run.log(request)
    if not check_single(run, request, exchange):
        return
    yield from against_capture(serin, exchange)
    if request["server"] == "nginx":
        yield from against_nginx(serin, log, exchange)
    elif log:
        yield from against_log(serin, log)
    if request["server"] == "exact":
        yield from against_exact_server(serin, log, exchange, request, run.offset)


# ---- tables ----


class Errors:
    """Of some pairs; in us."""

    def __init__(self, some):
        errors = [(p.value - p.truth) / 1e3 for p in some]
        self.n = len(errors)
        self.median = quantile(map(abs, errors), 0.5)
        self.p99 = quantile(map(abs, errors), 0.99)
        self.bias = mean(errors)
        self.share = quantile([abs(p.value - p.truth) / p.truth if p.truth > 0 else math.inf for p in some], 0.5)
        self.mean_truth = mean([p.truth for p in some]) / 1e3

    def reached(self):
        return self.median < AIM_US or self.share < AIM_SHARE

    def biased(self):
        return abs(self.bias) >= AIM_US and abs(self.bias) >= AIM_SHARE * self.mean_truth


ROW = "| {:<8} | {:<24} | {:<34} | {:>4} | {:>9} | {:>9} | {:>8} | {:>9} | {}"


def row(server, what, clock, errors, mark):
    share = f"{100 * errors.share:.2f}%" if math.isfinite(errors.share) else "-"
    print(ROW.format(server, what, clock, errors.n, f"{errors.median:.1f}", f"{errors.p99:.1f}", share,
                     f"{errors.bias:+.1f}", mark))


def note(server, quantity, clock):
    """Why such a row may miss."""
    if "nginx" in clock:
        return "c"
    if clock == "the delay asked for":
        return "e"
    if clock == "pcap" or quantity == "gap":
        return None
    if "pickup" in quantity:
        return "b" if server == "uvicorn" else "d"
    return "a, b" if server == "uvicorn" else "a"


def verdict(server, quantity, clock, cases):
    """Of a row, from its cases: a miss in one is not hidden by the others."""
    if "nginx" in clock:
        near = all(e.median < NGINX_RESOLUTION_US for e in cases.values())
        return "within its resolution (c)" if near else "MISS (c)"
    missed = [case for case, e in cases.items() if not e.reached()]
    biased = [case for case, e in cases.items() if e.reached() and e.biased()]
    if not missed and not biased:
        return "ok"
    words = [f"MISS: {', '.join(missed)}"] if missed else []
    words += [f"biased: {', '.join(biased)}"] if biased else []
    why = note(server, quantity, clock)
    return "; ".join(words) + (f" ({why})" if why else "")


def print_singles(run, details):
    rows = collections.defaultdict(lambda: collections.defaultdict(list))
    for request in run.asked:
        for quantity, clock, pair in pairs(run, request):
            rows[request["server"], quantity, clock][request["case"]].append(pair)
    print("One request at a time (errors: serin - truth)")
    print(ROW.format("server", "time", "against", "n", "median us", "p99 us", "median", "bias us", ""))
    for server in run.ports:
        for (of, quantity, clock), cases in rows.items():
            if of != server:
                continue
            errors = {case: Errors(some) for case, some in cases.items()}
            row(server, quantity, clock, Errors(sum(cases.values(), [])),
                verdict(server, quantity, clock, errors))
            if details:
                for case, e in errors.items():
                    row("", "", f"  {case}", e, verdict(server, quantity, clock, {case: e}))
    print(CAPTURE, end="")
    for name, text in NOTES.items():
        print(f"({name}) {text}")


def parts(run, request):
    """Of a request: serin's time - the server's, and what of it is pickup, what the server did before its clock began,
    what passed between its last call and the last segment, and what is left, which is serin's error."""
    exchange, serin, log = run.one(request), of_serin(request), run.log(request)
    if not log or "pickup" not in serin:
        return None
    difference = serin[whole(serin)] - (log.last[0] - log.read)
    before = log.read + run.offset - exchange.start - serin["pickup"]
    after = exchange.end - run.offset - log.last[0]
    return difference, serin["pickup"], before, after, difference - serin["pickup"] - before - after


def print_parts(run):
    line = "| {:<8} | {:<12} | {:>14} | {:>8} | {:>19} | {:>22} | {:>6} |"
    print("\nWhat serin's time less that of the server's clock (read to last send's call) is made of: medians, us")
    print(line.format("server", "case", "serin - server", "= pickup", "+ read to its clock", "+ call to last segment",
                      "+ left"))
    for server in run.ports:
        cases = collections.defaultdict(list)
        for request in run.asked:
            if request["server"] == server and server != "nginx" and (found := parts(run, request)):
                cases[request["case"]].append(found)
        for case, found in cases.items():
            print(line.format(server, case, *(f"{quantile(part, 0.5) / 1e3:.1f}" for part in zip(*found))))


def values_of(exchanges, kind):
    if kind == "gap":
        return [gap for x in exchanges for gap in x.gaps()]
    return [x.times()[kind] for x in exchanges if kind in x.times()]


def crowd_pickup(run, server):
    """Mean error of pickup in us, of the server that logs its reads: sums need no pairs."""
    said = run.crowds[server]["crowd"]["pickup"]
    if server != "exact" or not said:
        return None
    starts = [x.start for x in run.of(server) if f"?q={server}.crowd-" in x.target]
    reads = [int(w[0]) for target, lines in run.logs[server].items() if f"?q={server}.crowd-" in target for w in lines]
    same(run, f"pickup of the crowd at {server}", said["count"], len(reads))
    if len(reads) != len(starts):
        return None
    return said["count"], said["sum"] * 1e6 / said["count"] - (mean(reads) + run.offset - mean(starts)) / 1e3


def print_crowds(run):
    line = "| {:<8} | {:<18} | {:>4} | {:>10} | {:>9} | {:>9} | {:>9} | {}"
    print("\nEight clients at once, against the capture (histograms resolve 3.2%; the mean's sums are exact)")
    print(line.format("server", "time", "n", "mean", "p50", "p90", "p99", ""))
    for server in run.ports:
        exchanges = [x for x in run.of(server) if f"?q={server}.crowd-" in x.target]
        check_crowd(run, server, exchanges)
        for kind in KINDS[:-1]:
            said, truth = run.crowds[server]["crowd"][kind], values_of(exchanges, kind)
            if not truth or said["count"] != len(truth):
                continue
            bias = said["sum"] * 1e6 / said["count"] - mean(truth) / 1e3
            off = [(said[f"p{round(100 * q)}"] * 1e9, quantile(truth, q)) for q in QUANTILES]
            fine = all(abs(a - b) <= BUCKET * b + AIM_US * 1e3 for a, b in off)
            fine = fine and abs(bias) < max(AIM_US, AIM_SHARE * mean(truth) / 1e3)
            print(line.format(server, kind, len(truth), f"{bias:+.1f} us",
                              *(f"{100 * (a / b - 1):+.1f}%" for a, b in off), "ok" if fine else "MISS"))
        if pickup := crowd_pickup(run, server):
            count, bias = pickup
            print(line.format(server, "pickup", count, f"{bias:+.1f} us", "-", "-", "-",
                              "ok" if abs(bias) < AIM_US else "MISS"))


def main():
    path, *servers = sys.argv[1:]
    run = Run(path, {name: int(port) for name, port in (text.split(":") for text in servers)})
    print_singles(run, os.environ.get("DETAILS"))
    print_parts(run)
    print_crowds(run)
    check_totals(run)
    print()
    print(f"CLOCK_REALTIME - CLOCK_MONOTONIC moved by {run.offset_moved} ns over the run.")
    for complaint in run.complaints:
        print(f"accuracy: {complaint}", file=sys.stderr)
    sys.exit(bool(run.complaints))


if __name__ == "__main__":
    main()
