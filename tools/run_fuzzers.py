#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Runs the fuzzers of tests/fuzz, two at a time, and prints a table of them. Each begins with its seeds, the kept inputs of
tests/fuzz/corpus and what earlier runs here have found to be of interest (build/fuzz/corpus); a finding is kept in
build/fuzz/findings and fails the run.

  run_fuzzers.py [--seconds N] [--only REGEX] [--keep]

--keep puts the fewest inputs that reach all that was reached into tests/fuzz/corpus, in place of those that are there; regressions
(regression-*) stay.
"""
import argparse
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "fuzz")
PROGRAM = os.path.join(BUILD, "bin", "rowhouse_fuzz")
KEPT = os.path.join(ROOT, "tests", "fuzz", "corpus")
DEFAULT_SECONDS = 10  # in CI: all of them in about three minutes
AT_A_TIME = 2
LIMITS = ["-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=64"]  # of an input: seconds, memory in all, one allocation
ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def run(name, *arguments, seconds=None):
    """A run of libFuzzer to its end: (exit code, what it said)."""
    command = [PROGRAM, f"--fuzzer={name}", *arguments]
    done = subprocess.run(command, cwd=BUILD, env=dict(os.environ, **ENVIRONMENT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=None if seconds is None else seconds + 120, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def fuzzers():
    """(name, most bytes of an input) of each."""
    listed = subprocess.run([PROGRAM, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [(line.split()[0], int(line.split()[1])) for line in listed.splitlines()]


def folder(*parts):
    path = os.path.join(*parts)
    os.makedirs(path, exist_ok=True)
    return path


def corpora(name):
    """Where inputs come from; new ones go to the first."""
    return [folder(BUILD, "corpus", name), folder(BUILD, "seeds", name), folder(KEPT, name)]


class Outcome:
    def __init__(self, name, code, said, seconds, findings):
        def number(pattern):
            found = re.findall(pattern, said)
            return int(found[-1]) if found else 0

        self.name, self.code, self.said, self.seconds, self.findings = name, code, said, seconds, findings
        self.executions = number(r"stat::number_of_executed_units:\s*(\d+)")
        self.features, self.edges = number(r"\bft: (\d+)"), number(r"\bcov: (\d+)")
        self.ok = code == 0 and not findings and self.executions > 0


def fuzz(name, most_bytes, seconds, seed):
    findings = folder(BUILD, "findings", name)
    before = set(os.listdir(findings))
    started = time.monotonic()
    try:
        code, said = run(name, *corpora(name), f"-max_total_time={seconds}", f"-max_len={most_bytes}", f"-seed={seed}", *LIMITS,
                         f"-artifact_prefix={findings}/", "-print_final_stats=1", "-use_value_profile=1", seconds=seconds)
    except subprocess.TimeoutExpired:
        code, said = 1, f"it did not end {120} s after its time"
    new = [os.path.join(findings, found) for found in sorted(set(os.listdir(findings)) - before)]
    return Outcome(name, code, said, time.monotonic() - started, new)


def report(outcome):
    if outcome.ok:
        print(f"  {outcome.name}: {outcome.executions} inputs", flush=True)
        return
    print(outcome.said[-6000:])
    print(f"FAILED fuzzer {outcome.name}, exit code {outcome.code}")
    for path in outcome.findings:
        print(f"  the input: {path}")
        print(f"  again: {PROGRAM} --fuzzer={outcome.name} {path}", flush=True)


def table(outcomes):
    lines = ["| fuzzer | inputs/s | inputs | seconds | features | edges | findings |", "|---|---|---|---|---|---|---|"]
    for o in outcomes:
        lines.append(f"| {o.name} | {o.executions / max(o.seconds, 1):,.0f} | {o.executions:,} | {o.seconds:.0f} | {o.features:,} | {o.edges:,} "
                     f"| {len(o.findings)} |")
    return "\n".join(lines)


def keep(name, most_bytes):
    """The fewest inputs, as libFuzzer's cover says, in place of the kept ones; how many bytes they have."""
    fresh = folder(BUILD, "merged", name)
    shutil.rmtree(fresh)
    os.makedirs(fresh)
    code, said = run(name, "-set_cover_merge=1", f"-max_len={most_bytes}", *LIMITS, fresh, *corpora(name))
    if code != 0:
        raise SystemExit(f"the inputs of {name} cannot be merged:\n{said[-4000:]}")
    kept = folder(KEPT, name)
    seeds = {read(os.path.join(BUILD, "seeds", name, seed)) for seed in os.listdir(os.path.join(BUILD, "seeds", name))}
    for old in os.listdir(kept):
        if not old.startswith("regression-"):
            os.remove(os.path.join(kept, old))
    for new in os.listdir(fresh):
        if read(os.path.join(fresh, new)) not in seeds:  # those are made anew each time
            shutil.copy(os.path.join(fresh, new), kept)
    return sum(os.path.getsize(os.path.join(kept, file)) for file in os.listdir(kept))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = int(os.environ.get("ROWHOUSE_FUZZ_SECONDS", DEFAULT_SECONDS))
    parser.add_argument("--seconds", type=int, default=default, help="of each fuzzer (default ROWHOUSE_FUZZ_SECONDS, or %(default)s)")
    parser.add_argument("--only", metavar="REGEX", default="", help="the fuzzers whose names match")
    parser.add_argument("--keep", action="store_true", help="renew tests/fuzz/corpus")
    args = parser.parse_args()
    shutil.rmtree(os.path.join(BUILD, "seeds"), ignore_errors=True)
    subprocess.run([PROGRAM, f"--write-seeds={os.path.join(BUILD, 'seeds')}"], check=True)
    chosen = [(name, most) for name, most in fuzzers() if re.search(args.only, name)]
    seed = random.randrange(1, 1 << 31)
    print(f"{len(chosen)} fuzzers, {AT_A_TIME} at a time, {args.seconds} s each, -seed={seed}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = []
        for outcome in pool.map(lambda one: fuzz(*one, args.seconds, seed), chosen):
            report(outcome)
            outcomes.append(outcome)
    print(table(outcomes))
    inputs, findings = sum(o.executions for o in outcomes), sum(not o.ok for o in outcomes)
    print(f"reliability: R11 any bytes to each decoder, libFuzzer with the sanitizers, {args.seconds} s each | {len(outcomes)} decoders | {findings} "
          f"| {inputs:,} inputs", flush=True)
    if args.keep:
        total = sum(keep(name, most) for name, most in chosen)
        print(f"tests/fuzz/corpus: {total} bytes of these fuzzers")
    return 0 if outcomes and all(outcome.ok for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
