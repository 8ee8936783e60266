#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The commands of a tutorial as files, and what they print against what it says they print.

tutorial.py extract FILE DIR    every block "```sh" becomes DIR/NN.sh; the block "```text" after it DIR/NN.text; with
                                <!-- again --> before it, DIR/NN.again says that it is repeated until it prints that
tutorial.py compare TEXT OUT    every line of TEXT must be in OUT, in this order; "..." is anything. Prints the first
                                that is not; exit code 1 then
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"(?P<again><!-- again -->\n)?```(?P<kind>sh|text)\n(?P<text>.*?)^```$", re.M | re.S)


def extract(page, directory):
    number = 0
    for block in BLOCK.finditer(pathlib.Path(page).read_text()):
        if block["kind"] == "sh":
            number += 1
            if block["again"]:
                pathlib.Path(directory, f"{number:02}.again").touch()
        pathlib.Path(directory, f"{number:02}.{block['kind']}").write_text(block["text"])
    return 0 if number else 1


def pattern_of(line):
    """Blanks are as many as there are: columns move with what stands in them."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in line.split("...")]
    return re.compile(r".*".join(parts))


def compare(text, out):
    said = iter(pathlib.Path(out).read_text(errors="replace").splitlines())
    for line in filter(None, map(str.strip, pathlib.Path(text).read_text().splitlines())):
        if not any(pattern_of(line).search(" ".join(there.split())) for there in said):
            print(line)
            return 1
    return 0


sys.exit({"extract": extract, "compare": compare}[sys.argv[1]](*sys.argv[2:]))
