#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""links.py ROOT: every relative link in the documentation leads to a file and to a heading of it, and every page that
is named in words, there or in the code, exists. A line for each that does not; exit code 1 when there is one."""

import pathlib
import re
import sys
import urllib.parse

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"#{1,6} +(.*?) *#*$")
PAGE = re.compile(r"\bdocs/(?:[\w-]+/)?[\w.-]+\.(?:md|[1-9])\b")
CODE = ("user/*.[ch]", "include/serin/*.h", "bpf/*.[ch]", "tools/*", "docs/man/*")


def lines_of(path):
    """The lines outside blocks of code, numbered, without what is set as code."""
    inside = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield number, line


def slug(heading):
    """What GitHub makes of a heading: letters, digits, - and _ in lower case, blanks as -."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors_of(path):
    seen = {}
    for _, line in lines_of(path):
        if match := HEADING.match(line):
            name = slug(match[1])
            n = seen[name] = seen.get(name, -1) + 1
            yield f"{name}-{n}" if n else name


def complaint(page, target):
    """What is wrong with a link, or None."""
    url = urllib.parse.urlsplit(target)
    if url.scheme or url.netloc:
        return None
    path = page.parent / urllib.parse.unquote(url.path) if url.path else page
    if not path.exists():
        return "no such file"
    if url.fragment and url.fragment not in anchors_of(path):
        return "no such heading"
    return None


def check_links(root, pages):
    for page in pages:
        for number, line in lines_of(page):
            for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                if why := complaint(page, target):
                    yield f"{page.relative_to(root)}:{number}: {target}: {why}"


def check_names(root, files):
    for path in files:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for name in PAGE.findall(line):
                if not (root / name).exists():
                    yield f"{path.relative_to(root)}:{number}: {name}: no such page"


def main():
    root = pathlib.Path(sys.argv[1])
    pages = [root / "README.md", *root.glob("docs/**/*.md"), *root.glob("deploy/**/*.md")]
    code = [path for pattern in CODE for path in root.glob(pattern) if path.is_file()]
    wrong = [*check_links(root, pages), *check_names(root, pages + code)]
    for line in wrong:
        print(line)
    sys.exit(bool(wrong))


main()
