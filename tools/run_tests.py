#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""./x test: builds and runs every CI lane, then prints one closing line for all of them.

Lanes (--lane NAME runs one; --list names them): check, release, asan, thread-safety; and, not in the default set, fuzz, crash (every row
of docs/reliability.md but the soak: parts of release and asan, the fuzzers, the planted bugs), soak and coverage.
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
WIRE_MESSAGES = "100000"  # random messages that each test of the wire writes and reads, beside the generated code
ROW = re.compile(r"^reliability: (.+)$", re.M)  # a row of docs/reliability.md, as its test prints it
UNITTEST_PREFIX = "e2e_"  # tests that are unittest programs, see tests/e2e/CMakeLists.txt


class Totals:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, []
        self.failures = []
        self.notes = []  # what tests measured
        self.reliability = []  # rows of docs/reliability.md: what was tried, how often, how often it failed, what was seen

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


def run_and_note(command, totals, env=None):
    """The same, noting the rows of docs/reliability.md that the command prints."""
    print("+ " + " ".join(command), flush=True)
    process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ, **(env or {})), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        print(line, end="", flush=True)
        totals.reliability += re.findall(ROW, line)
    return process.wait()


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
        totals.reliability += re.findall(ROW, case.findtext("system-out") or "")
        if name.startswith(UNITTEST_PREFIX):
            totals.notes += re.findall(r"^\s+[\d.]+ s  (.+?)(?: \.\.\. ok| ok|ok)?$", case.findtext("system-out") or "", re.M)
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
    # Two at a time; tests/e2e/CMakeLists.txt says which of them run alone.
    ctest("release", totals, only, label="unit|contract|integration", jobs=2, env={"ROWHOUSE_TEST_MESSAGES": WIRE_MESSAGES})
    ctest("release", totals, only, label="e2e|crash", jobs=2)


def lane_crash(totals, only):
    """Every row of docs/reliability.md but the soak's. With ROWHOUSE_CRASH_FULL=1 as often as was promised to be shown once."""
    if build("release") != 0:
        totals.one("crash: build", False)
        return
    ctest("release", totals, only, label="crash", jobs=2)
    ctest("release", totals, only or "LostReplies|DamagedBytes|OneLogIsOneState|NoPushIsHalfInTheCut", label="integration", jobs=2)
    ctest("release", totals, only or "TornTail", label="unit", jobs=2)
    ctest("release", totals, only or "^e2e_(full_disk|malformed|container_memory)$", label="e2e", jobs=2)
    # Failpoints are in test builds only.
    if build("asan", ["integration_failpoint_test"]) != 0:
        totals.one("crash: build of asan", False)
        return
    ctest("asan", totals, only or "Failpoint", label="integration", jobs=2)
    if only:
        return
    lane_fuzz(totals, only)
    planted = [sys.executable, "tools/plant_bugs.py", "--work", os.path.join("build", "planted")]
    totals.one("planted bugs (tools/plant_bugs.py)", run_and_note(planted, totals) == 0)


def lane_soak(totals, only):
    if only:
        return
    if build("release", ["rowhouse", "rowhouse_soak_trainer"]) != 0:
        totals.one("soak: build", False)
        return
    ctest("release", totals, "^e2e_soak$", label="e2e")


def lane_asan(totals, only):
    if build("asan", ["rowhouse_unit_tests"]) != 0:
        totals.one("asan: build", False)
        return
    ctest("asan", totals, only, label="unit|contract|integration", jobs=2,
          env={"ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=0", "UBSAN_OPTIONS": "print_stacktrace=1"})


def lane_fuzz(totals, only):
    if only:
        return
    ok = build("fuzz", ["rowhouse_fuzz"]) == 0
    totals.one("fuzzers of every decoder (tools/run_fuzzers.py)",
               ok and run_and_note([sys.executable, "tools/run_fuzzers.py"], totals) == 0)


def lane_thread_safety(totals, only):
    if only:
        return
    ok = build("clang", ["rowhouse_proto", "rowhouse_grpc"]) == 0
    totals.one("clang with -Werror=thread-safety", ok and run([sys.executable, "tools/check_thread_safety.py", "build/clang"]) == 0)


def lane_coverage(totals, only):
    if build("coverage") != 0:
        totals.one("coverage: build", False)
        return
    ctest("coverage", totals, only, label="unit|contract|integration")
    totals.one("coverage: at least 85 % of the lines of server/ and client/",
               run([sys.executable, "tools/coverage.py", "--build-dir", "build/coverage", "--minimum", "85"]) == 0)


LANES = {"check": lane_check, "release": lane_release, "crash": lane_crash, "soak": lane_soak, "asan": lane_asan, "fuzz": lane_fuzz,
         "thread-safety": lane_thread_safety, "coverage": lane_coverage}
DEFAULT = ["check", "release", "asan", "thread-safety"]


def by_number(row):
    """R02 before R10, and what has no number last."""
    number = re.match(r"R(\d+) ", row)
    return (int(number[1]) if number else 1000, row)


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
    parser.add_argument("--crash", action="store_true", help="run the tests of docs/reliability.md as often as CI does, and print its table")
    parser.add_argument("--crash-full", action="store_true", help="the same as often as was to be shown once: a day and more on two processors")
    parser.add_argument("--fuzz", action="store_true", help="the fuzzers of every decoder alone; longer with --seconds")
    parser.add_argument("--seconds", type=int, metavar="N", help="of each fuzzer (default 10; 600 with --crash-full)")
    parser.add_argument("--soak", action="store_true", help="one long run with kills (tests/e2e/test_soak.py) alone; --minutes says how long")
    parser.add_argument("--minutes", type=float, metavar="N", default=30, help="of --soak (default 30)")
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
    if args.crash_full:
        os.environ["ROWHOUSE_CRASH_FULL"] = "1"
        os.environ.setdefault("ROWHOUSE_FUZZ_SECONDS", "600")
    if args.crash or args.crash_full:
        args.lane = ["crash"]
    if args.soak:
        os.environ["ROWHOUSE_SOAK_MINUTES"] = str(args.minutes)
        args.lane = ["soak"]
    if args.fuzz:
        args.lane = ["fuzz"]
    if args.seconds:
        os.environ["ROWHOUSE_FUZZ_SECONDS"] = str(args.seconds)
    totals = Totals()
    took = []
    for lane in args.lane or (["release"] if args.only else DEFAULT):
        started = time.monotonic()
        print(f"\n==== lane {lane}", flush=True)
        LANES[lane](totals, args.only)
        took.append((lane, time.monotonic() - started))
    judge_skips(totals, allowed_skips())
    print()
    if totals.reliability:
        print("| fault | tries | failures | seen |\n|---|---|---|---|")
        for row in sorted(totals.reliability, key=by_number):
            print(f"| {row} |")
        print()
    for note in totals.notes:
        print(f"measured: {note}")
    for lane, seconds in took:
        print(f"lane {lane}: {seconds / 60:.1f} min on {os.cpu_count()} processors")
    for name in totals.failures:
        print(f"FAILED {name}")
    skipped = f", {len(totals.skipped)} skipped" if totals.skipped else ""
    print(f"{totals.passed} passed, {totals.failed} failed{skipped}", flush=True)
    return 1 if totals.failed or totals.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
