#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""./x test: builds and runs every CI lane, then prints one closing line for all of them.

Lanes (--lane NAME runs one; --list names them): check, release, asan, thread-safety, coverage (not in the default set).
A skipped test fails the run unless tests/allowed_skips.txt names it with a reason. A test that a file of tests/e2e skips by itself is
named FILE.CLASS.TEST, as in e2e_kill.Kill.test_sync.
"""
import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

OUTPUT_BYTES = 1 << 20  # of one test, kept in ctest's report: what it says of skips must not be cut off
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SKIPS = os.path.join(ROOT, "tests", "allowed_skips.txt")
UNITTEST_PREFIX = "e2e_"  # tests that are unittest programs, see tests/e2e/CMakeLists.txt


class Totals:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, []
        self.failures = []

    def one(self, name, ok):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            self.failures.append(name)


def run(command, env=None, quiet=False):
    print("+ " + " ".join(command), flush=True)
    merged = dict(os.environ, **(env or {}))
    result = subprocess.run(command, cwd=ROOT, env=merged, stdout=subprocess.PIPE if quiet else None,
                            stderr=subprocess.STDOUT if quiet else None, text=True)
    if quiet and result.returncode != 0:
        print(result.stdout, flush=True)
    return result.returncode


def build(preset, targets=()):
    return run(["./x", "build", preset, *targets], quiet=False)


def ctest(preset, totals, only, label=None, jobs=2, env=None):
    """Runs the tests of a preset and adds what its JUnit report says."""
    report = os.path.join(ROOT, "build", preset, "ctest-report.xml")
    if os.path.exists(report):
        os.remove(report)
    command = ["ctest", "--test-dir", os.path.join("build", preset), "--output-on-failure", "--output-junit", report,
               "--test-output-size-passed", str(OUTPUT_BYTES), "--test-output-size-failed", str(OUTPUT_BYTES), "-j", str(jobs),
               "--progress", "--no-tests=error" if not only else "--no-tests=ignore"]
    if label:
        command += ["-L", label]
    if only:
        command += ["-R", only]
    code = run(command, env=env)
    if not os.path.exists(report):
        if code != 0:
            totals.one(f"{preset}: ctest", False)
        return
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        status, name = case.get("status"), case.get("name")
        if status in ("notrun", "disabled") or case.find("skipped") is not None:
            totals.skipped.append(name)
            continue
        totals.one(f"{preset}: {name}", status == "run")
        if name.startswith(UNITTEST_PREFIX):
            note_skips_inside(totals, name, case.findtext("system-out") or "")


def skips_inside(name, output):
    """(the tests that a unittest program skipped, as NAME.CLASS.TEST; how many tests it ran), from what it printed with -v."""
    skipped, last = [], "?"
    for line in output.splitlines():
        test = re.match(r"(\w+) \(__main__\.?([\w.]*)\)", line)
        if test:
            method, owner = test[1], test[2]  # Class.test_x, or Class for setUpClass, or nothing for setUpModule
            last = ".".join(part for part in (name, owner, None if owner.endswith(f".{method}") else method) if part)
        if re.search(r"(^|\.\.\. )skipped ['\"]", line):  # not always on the line of the name: docstrings, prints
            skipped.append(last)
    counts = re.findall(r"^(?:OK|FAILED) \(.*skipped=(\d+)", output, re.M)
    missing = (int(counts[-1]) if counts else 0) - len(skipped)
    skipped += [f"{name} (a test whose name is not printed)"] * max(0, missing)
    ran = re.findall(r"^Ran (\d+) tests? in ", output, re.M)
    return skipped, int(ran[-1]) if ran else 0


def note_skips_inside(totals, name, output):
    skipped, ran = skips_inside(name, output)
    totals.skipped += skipped
    if ran == 0:
        totals.one(f"{name} ran no test", False)


def judge_skips(totals, allowed):
    """Prints each skipped test with its reason, or counts it as failed."""
    for name in sorted(set(totals.skipped)):
        if allowed.get(name):
            print(f"skipped: {name}: {allowed[name]}")
        else:
            totals.one(f"{name} was skipped, and tests/allowed_skips.txt gives no reason for it", False)


def lane_check(totals, only):
    if not only:
        totals.one("check", run([sys.executable, "tools/run_checks.py"]) == 0)


def lane_release(totals, only):
    if build("release") != 0:
        totals.one("release: build", False)
        return
    # Lanes that measure memory or start clusters run alone; the rest share the two cores.
    ctest("release", totals, only, label="unit|contract|integration", jobs=2)
    ctest("release", totals, only, label="e2e|crash", jobs=1)


def lane_asan(totals, only):
    if build("asan", ["rowhouse_unit_tests"]) != 0:
        totals.one("asan: build", False)
        return
    ctest("asan", totals, only, label="unit|contract|integration", jobs=2,
          env={"ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=0", "UBSAN_OPTIONS": "print_stacktrace=1"})


def lane_thread_safety(totals, only):
    if not only:
        totals.one("clang with -Werror=thread-safety: build", build("clang", ["rowhouse_libraries"]) == 0)


def lane_coverage(totals, only):
    if build("coverage") != 0:
        totals.one("coverage: build", False)
        return
    ctest("coverage", totals, only, label="unit|contract|integration")
    totals.one("coverage: at least 85 % of the lines of server/ and client/",
               run([sys.executable, "tools/coverage.py", "--build-dir", "build/coverage", "--minimum", "85"]) == 0)


LANES = {"check": lane_check, "release": lane_release, "asan": lane_asan, "thread-safety": lane_thread_safety,
         "coverage": lane_coverage}
DEFAULT = ["check", "release", "asan", "thread-safety"]


def allowed_skips():
    allowed = {}
    with open(SKIPS, encoding="utf-8") as lines:
        for line in lines:
            line = line.strip()
            if line and not line.startswith("#"):
                name, _, reason = line.partition(":")
                allowed[name.strip()] = reason.strip()
    return allowed


def main():
    parser = argparse.ArgumentParser(prog="./x test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="REGEX", help="run the tests whose names match, and no checks")
    parser.add_argument("--lane", action="append", choices=sorted(LANES), help="run this lane (repeatable)")
    parser.add_argument("--list", action="store_true", help="name the lanes and stop")
    args = parser.parse_args()
    if args.list:
        print("\n".join(LANES))
        return 0
    if args.only:
        try:
            re.compile(args.only)
        except re.error as error:
            parser.error(f"--only: not a regular expression: {error}")
    totals = Totals()
    took = []
    for lane in args.lane or (["release"] if args.only else DEFAULT):
        started = time.monotonic()
        print(f"\n==== lane {lane}", flush=True)
        LANES[lane](totals, args.only)
        took.append((lane, time.monotonic() - started))
    judge_skips(totals, allowed_skips())
    print()
    for lane, seconds in took:
        print(f"lane {lane}: {seconds / 60:.1f} min")
    for name in totals.failures:
        print(f"FAILED {name}")
    skipped = f", {len(totals.skipped)} skipped" if totals.skipped else ""
    print(f"{totals.passed} passed, {totals.failed} failed{skipped}", flush=True)
    return 1 if totals.failed or totals.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
