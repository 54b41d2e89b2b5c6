#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Line coverage of server/ and client/ from a build with gcov, by gcovr; fails below a minimum."""
import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--minimum", type=float, default=85)
    args = parser.parse_args()
    report = os.path.join(ROOT, args.build_dir, "coverage.json")
    subprocess.run(["gcovr", "-r", ROOT, "--object-directory", args.build_dir, "-f", "server/", "-f", "client/", "-j", str(os.cpu_count()),
                    "--exclude-throw-branches", "--gcov-ignore-parse-errors", "--json-summary", report], cwd=ROOT, check=True)
    with open(report, encoding="utf-8") as file:
        summary = json.load(file)
    for entry in sorted(summary["files"], key=lambda f: f["line_percent"] or 0):
        print(f"{entry['line_percent'] or 0:6.1f} % of {entry['line_total']:5d} lines  {entry['filename']}")
    print(f"line coverage of server/ and client/: {summary['line_percent']:.1f} % (goal {args.minimum:.0f} %)")
    return 0 if summary["line_percent"] >= args.minimum else 1


if __name__ == "__main__":
    sys.exit(main())
