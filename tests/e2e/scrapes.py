#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What scrapes of /metrics must hold, whatever was counted. Each complaint is a line on standard output.

    scrapes.py text FILE...         the older format; of several, each later than the one before: no counter falls
    scrapes.py openmetrics FILE...  the same in OpenMetrics
"""
import sys

from prometheus_client import openmetrics, parser
import prometheus_client.openmetrics.parser


def families_of(form, path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    parse = parser.text_string_to_metric_families if form == "text" else openmetrics.parser.text_string_to_metric_families
    return list(parse(text))


def counted(families):
    """What may only grow: {series: value}."""
    series = {}
    for family in families:
        for sample in family.samples:
            grows = family.type == "counter" or family.type == "histogram"
            if grows:
                series[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return series


def complain_about_histograms(families, path):
    for family in families:
        if family.type != "histogram":
            continue
        hists = {}
        for sample in family.samples:
            rest = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            hists.setdefault(rest, []).append(sample)
        for labels, samples in hists.items():
            buckets = [(float(s.labels["le"]), s.value) for s in samples if s.name.endswith("_bucket")]
            count = [s.value for s in samples if s.name.endswith("_count")]
            if buckets != sorted(buckets) or sorted(v for _, v in buckets) != [v for _, v in buckets]:
                print(f"{path}: {family.name}{labels}: its buckets fall")
            if len(count) != 1 or buckets[-1] != (float("inf"), count[0]):
                print(f"{path}: {family.name}{labels}: +Inf is not the count")


def main():
    form, before = sys.argv[1], {}
    for path in sys.argv[2:]:
        families = families_of(form, path)
        complain_about_histograms(families, path)
        series = counted(families)
        if not series:
            print(f"{path}: no counters")
        for key, value in before.items():
            if series.get(key, -1) < value:
                print(f"{path}: {key} falls from {value} to {series.get(key)}")
        before = series


main()
