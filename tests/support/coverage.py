#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What tests/coverage prints: the branches that the tests took.

    coverage.py [--missing [PART]] < llvm-cov's export

A branch is one side of a condition: of each operand of && and ||, each ?:,
each case, and the default that a switch implies. Conditions of constants have
none. Two classes are left out: what is within an assert() (its other side is a
bug), and the implied default of a switch (-Wswitch-enum proves that each value
has its case). What cannot be taken for another reason has a comment that says
why, at the end of its line or before it:

    /* Unreached: two sessions never have one id. */

If all sides of such a line are taken, the comment is wrong, and this fails. It
fails, too, if a part has less than it promises.

What it cannot see: a process that is killed within a condition has not decided
it, but counts as if it had been false.
"""
import argparse
import collections
import json
import os
import re
import sys

TOP = os.path.realpath(os.path.dirname(__file__) + "/../..") + "/"
# What each part is, and how much of it must be taken.
PARTS = [
    ("codec", r"proto/", 100),
    ("engine", r"server/engine/", 100),
    ("gate", r"server/(gate\.|store/)", 100),
    ("client core", r"client/(core[^/]*|id_table)\.", 100),
    ("whole", r"(server|client(?!/examples)|proto)/", 85),
]
CONSTANT = re.compile(r"^(true|false|0|1)$")
ASSERT = re.compile(r"\b(_Static_)?assert\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)


class Source:
    """A file's text: what is left out of it, and why."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.asserts = [self.until_closed(found.end())
                        for found in ASSERT.finditer(self.text)]
        self.unreached = set()
        for comment in COMMENT.finditer(self.text):
            if re.match(r"/\*\s*Unreached: \w", comment.group()):
                self.unreached.add(self.line_of(comment))

    def until_closed(self, start):
        """From start to the parenthesis that closes what is open there."""
        depth, end = 1, start
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(self.text[end], 0)
            end += 1
        return range(start, end)

    def line_of(self, comment):
        """The line that a comment is about: its own, or the one behind it."""
        before = self.text.rfind("\n", 0, comment.start()) + 1
        alone = self.text[before:comment.start()].isspace()
        end = comment.start() if not alone else comment.end()
        return self.text.count("\n", 0, end) + (2 if alone else 1)

    def counts(self, branch):
        first, first_column, last, last_column = branch[:4]
        start = self.starts[first - 1] + first_column - 1
        text = self.text[start:self.starts[last - 1] + last_column - 1]
        is_implied = re.search(r"\bswitch \($", self.text[:start][-40:])
        return not (is_implied or CONSTANT.match(text)
                    or any(start in inside for inside in self.asserts))


def read_branches(export):
    """{path: {(line, column, end line, end column): [true, false]}}"""
    files = collections.defaultdict(lambda: collections.defaultdict(
        lambda: [0, 0]))
    for function in json.load(export)["data"][0]["functions"]:
        for branch in function["branches"]:
            path = os.path.realpath(function["filenames"][branch[6]])
            if path.startswith(TOP):
                sides = files[path[len(TOP):]][tuple(branch[:4])]
                sides[0] += branch[4]
                sides[1] += branch[5]
    return files


class Figures:
    def __init__(self):
        self.taken, self.all, self.unreached = 0, 0, 0
        self.missing = []

    def add(self, other):
        self.taken += other.taken
        self.all += other.all
        self.unreached += other.unreached
        self.missing += other.missing

    def percent(self):
        # Never rounded up: 100.0 means all.
        return self.taken * 1000 // self.all / 10 if self.all else 100.0


def figures_of(path, branches):
    """Figures of a file, and the lines whose comment is wrong."""
    source, figures = Source(TOP + path), Figures()
    open_lines = set()
    for branch, sides in sorted(branches.items()):
        if not source.counts(branch):
            continue
        for side, count in zip(("true", "false"), sides):
            figures.all += 1
            figures.taken += count > 0
            if count > 0:
                continue
            open_lines.add(branch[0])
            if branch[0] in source.unreached:
                figures.all -= 1
                figures.unreached += 1
            else:
                figures.missing.append(
                    f"{path}:{branch[0]}:{branch[1]}: never {side}")
    wrong = [f"{path}:{line}: is reached, or no branch; its comment is wrong"
             for line in sorted(source.unreached - open_lines)]
    return figures, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--missing", nargs="?", const="whole", metavar="PART",
                        help="list what PART misses, and figures by file")
    arguments = parser.parse_args()
    parts = {name: Figures() for name, _, _ in PARTS}
    failures, by_file = [], {}
    for path, branches in sorted(read_branches(sys.stdin).items()):
        names = [name for name, pattern, _ in PARTS if re.match(pattern, path)]
        if not names:
            continue
        figures, wrong = figures_of(path, branches)
        failures += wrong
        by_file[path] = figures
        for name in names:
            parts[name].add(figures)
    print(f"{'part':12} {'branches':>9} {'taken':>7} {'%':>6}"
          f" {'at least':>9} {'unreached, with why':>20}")
    for name, pattern, least in PARTS:
        part = parts[name]
        print(f"{name:12} {part.all:9} {part.taken:7} {part.percent():6.1f}"
              f" {least:9} {part.unreached:20}")
        if part.percent() < least or part.all == 0:
            failures.append(f"{name}: less than {least} %")
            if least == 100:
                failures += part.missing
        if name == arguments.missing:
            for path, figures in by_file.items():
                if re.match(pattern, path):
                    print(f"{figures.percent():6.1f} {figures.taken:5}"
                          f" of {figures.all:5}  {path}")
            print(*part.missing, sep="\n")
    print(*failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
