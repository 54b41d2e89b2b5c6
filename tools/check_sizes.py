#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Sizes and repetition of the C++ sources and tests, by lizard (PyPI): names the largest files and functions, fails beyond the house's limits.

  check_sizes.py LIZARD...      LIZARD...: the command line of lizard
"""
import csv
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ["bench", "client", "common", "examples", "server", "tests"]
MOST_LINES = {".h": 300, ".cc": 500}
MOST_FUNCTION_LINES = 70
MOST_DUPLICATE_PERCENT = 1.0
SHOWN = 5


def files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *FOLDERS], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    for name in listed.stdout.splitlines():
        if os.path.splitext(name)[1] in MOST_LINES and os.path.exists(os.path.join(ROOT, name)):
            with open(os.path.join(ROOT, name), encoding="utf-8") as text:
                yield sum(1 for _ in text), name


def functions(lizard):
    """(lines, place, name), of every function; lizard takes `class alignas(64) X` for one."""
    report = subprocess.run([*lizard, "-l", "cpp", "--csv", *FOLDERS], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    for row in csv.reader(report.splitlines()):
        if not row[7].endswith("alignas"):
            yield int(row[4]), f"{row[6]}:{row[9]}", row[7]


def duplicate_percent(lizard):
    report = subprocess.run([*lizard, "-l", "cpp", "-Eduplicate", *FOLDERS], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    return float(re.search(r"Total duplicate rate: ([\d.]+)%", report)[1]), report


def main():
    lizard, ok = sys.argv[1:], True
    by_lines = sorted(files(), reverse=True)
    for lines, name in by_lines:
        if lines > MOST_LINES[os.path.splitext(name)[1]]:
            ok = False
            print(f"  {name} has {lines} lines, at most {MOST_LINES[os.path.splitext(name)[1]]} are allowed: split it")
    by_length = sorted(functions(lizard), reverse=True)
    for lines, place, name in by_length:
        if lines > MOST_FUNCTION_LINES:
            ok = False
            print(f"  {place} {name} has {lines} lines, at most {MOST_FUNCTION_LINES} are allowed: split it")
    percent, report = duplicate_percent(lizard)
    if percent > MOST_DUPLICATE_PERCENT:
        ok = False
        print(report[report.index("Duplicates"):])
    print("  largest files: " + ", ".join(f"{name} {lines}" for lines, name in by_lines[:SHOWN]))
    print("  longest functions: " + ", ".join(f"{name.split('::')[-1]} {lines} ({place})" for lines, place, name in by_length[:SHOWN]))
    print(f"  lines that stand twice: {percent} %, at most {MOST_DUPLICATE_PERCENT} %")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
