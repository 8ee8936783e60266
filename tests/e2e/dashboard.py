#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Looks at a Grafana dashboard without Grafana.

check FILE                           its structure: what an import or a reader would stumble over
ask FILE URL START ARGUMENT...       sends every query of it to the Prometheus at that address, from START (Unix seconds)
                                     until now, and says what had no data in any second of it. ARGUMENT: NAME=VALUE
                                     of a variable, or -TITLE of a panel that is not asked

Prints a line a finding and ends with 1 when there is one; `ask` prints what it asked on standard error.
"""

import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# What is in every Grafana 10 and 11; everything else would be a plugin to install.
PANELS = {"row", "text", "stat", "gauge", "bargauge", "timeseries", "heatmap", "table", "state-timeline"}
UNITS = {"short", "none", "percent", "percentunit", "s", "bytes", "Bps", "reqps", "ops", "cps", "dateTimeFromNow"}
# What Grafana itself puts in place of a name; the values are for a scrape a second.
BUILT_IN = {"__interval": "2s", "__rate_interval": "5s"}
NAME = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$([a-zA-Z_]\w*)")
LABEL_VALUES = re.compile(r"label_values\((?:(.*), *)?(\w+)\)")
COLUMNS = 24


def panels_of(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def targets_of(panel):
    return panel.get("targets", [])


def variables_of(dashboard):
    return dashboard["templating"]["list"]


def annotations_of(dashboard):
    """Those that are queries: one comes with Grafana."""
    return [one for one in dashboard["annotations"]["list"] if not one.get("builtIn")]


def names_in(text):
    return {first or second for first, second in NAME.findall(text)}


# ---- check ----


def check_panel(panel):
    if panel["type"] not in PANELS:
        yield f"the type {panel['type']} is none of every Grafana's"
    if panel["type"] == "row":
        return
    if not panel.get("description"):
        yield "no description"
    if not panel.get("targets"):
        yield "no query"
    if panel["datasource"]["uid"] != "${datasource}":
        yield "another data source than the variable's"
    refs = [target["refId"] for target in targets_of(panel)]
    if len(refs) != len(set(refs)):
        yield "two queries of one refId"
    for target in targets_of(panel):
        if target["datasource"]["uid"] != "${datasource}":
            yield f"{target['refId']}: another data source than the variable's"
        if not target.get("legendFormat"):
            yield f"{target['refId']}: no legend"
    defaults = panel["fieldConfig"]["defaults"]
    if panel["type"] != "heatmap" and defaults.get("unit") not in UNITS:
        yield f"the unit {defaults.get('unit')}"
    yield from check_thresholds(defaults)


def check_thresholds(defaults):
    steps = [step["value"] for step in defaults.get("thresholds", {}).get("steps", [])]
    if steps and steps[0] is not None:
        yield "the lowest threshold has a value"
    if steps[1:] != sorted(steps[1:]):
        yield "thresholds are not in order"


def check_places(dashboard):
    """Nothing over anything else, nothing outside."""
    taken = {}
    for panel in panels_of(dashboard):
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            yield f"{panel['title']}: beyond column {COLUMNS}"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other != panel["title"]:
                    yield f"{panel['title']}: over {other}"
                    return


def check_annotations(dashboard):
    """Grafana up to 11 looks for the query beside the name, later ones there too."""
    for one in annotations_of(dashboard):
        if not one.get("expr") or not one.get("step"):
            yield f"annotation {one['name']}: no expr or no step"


def check_names(dashboard):
    known = {variable["name"] for variable in variables_of(dashboard)} | set(BUILT_IN) | {"__range", "__url_time_range"}
    for name in sorted(names_in(json.dumps(dashboard)) - known):
        yield f"${name} is no variable"


def check(dashboard):
    if dashboard.get("id") is not None:
        yield "it has an id, which is for one installation"
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", dashboard["uid"]):
        yield "the uid"
    if dashboard["schemaVersion"] < 36:
        yield "the schema is older than Grafana 10"
    ids = [panel["id"] for panel in panels_of(dashboard)]
    if len(ids) != len(set(ids)):
        yield "two panels of one id"
    titles = [panel["title"] for panel in panels_of(dashboard)]
    if not all(titles) or len(titles) != len(set(titles)):
        yield "a panel without a title, or two of one"
    for panel in panels_of(dashboard):
        for finding in check_panel(panel):
            yield f"{panel['title']}: {finding}"
    yield from check_places(dashboard)
    yield from check_annotations(dashboard)
    yield from check_names(dashboard)


# ---- ask ----


class Prometheus:
    def __init__(self, url, start):
        self.url = url
        self.start = start
        self.end = time.time()

    def get(self, path, **parameters):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from error

    def values_of(self, label, selector):
        span = {"start": self.start, "end": self.end}
        if selector:
            span["match[]"] = selector
        return self.get(f"label/{label}/values", **span)

    def ask(self, expression):
        """[(labels, values)] of every second, without what is no number."""
        data = self.get("query_range", query=expression, start=self.start, end=self.end, step=1)
        series = [(one["metric"], [float(v) for _, v in one["values"]]) for one in data["result"]]
        kept = [(labels, [v for v in values if math.isfinite(v)]) for labels, values in series]
        return [(labels, values) for labels, values in kept if values]


def filled(text, values):
    return NAME.sub(lambda match: values[match[1] or match[2]], text)


def ask_variable(prometheus, variable, values):
    """A query variable offers the value that the panels are asked with."""
    query = variable["query"]
    query = query["query"] if isinstance(query, dict) else query
    match = LABEL_VALUES.fullmatch(query)
    if not match:
        return f"'{query}' is not understood here"
    offered = prometheus.values_of(match[2], filled(match[1] or "", values))
    print(f"${variable['name']}: {' '.join(offered)}", file=sys.stderr)
    if values[variable["name"]] not in offered:
        return f"{values[variable['name']]} is not among its values: {offered}"
    return None


def ask_query(prometheus, where, expression, legends):
    try:
        series = prometheus.ask(expression)
    except ValueError as error:
        return f"{error} in: {expression}"
    print(f"{where}: {len(series)} series", file=sys.stderr)
    if not series:
        return f"no data for: {expression}"
    for label in re.findall(r"\{\{ *(\w+) *\}\}", legends):
        if not any(label in labels for labels, _ in series):
            return f"the legend's {label} is no label of: {expression}"
    return None


def ask(dashboard, url, start, given, unasked):
    prometheus = Prometheus(url, start)
    values = BUILT_IN | {"__range": f"{math.ceil(prometheus.end - start)}s"} | given
    for variable in variables_of(dashboard):
        if variable["type"] == "query":
            yield f"${variable['name']}", ask_variable(prometheus, variable, values)
    for one in annotations_of(dashboard):
        where = f"annotation {one['name']}"
        legends = one.get("titleFormat", "") + one.get("textFormat", "")
        yield where, ask_query(prometheus, where, filled(one["expr"], values), legends)
    for panel in panels_of(dashboard):
        for target in targets_of(panel) if panel["title"] not in unasked else []:
            where = f"{panel['title']} {target['refId']}"
            expression = filled(target["expr"], values)
            yield where, ask_query(prometheus, where, expression, target["legendFormat"])


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in ("check", "ask"):
        sys.exit(__doc__)
    with open(arguments[1], encoding="utf-8") as file:
        dashboard = json.load(file)
    if arguments[0] == "check":
        findings = list(check(dashboard))
    else:
        given = dict(one.split("=", 1) for one in arguments[4:] if not one.startswith("-"))
        unasked = [one[1:] for one in arguments[4:] if one.startswith("-")]
        answers = ask(dashboard, arguments[2], float(arguments[3]), given, unasked)
        findings = [f"{where}: {finding}" for where, finding in answers if finding]
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
