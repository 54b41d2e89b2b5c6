# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""How much faster or slower one build is than another: runs both builds' rowhouse_bench alternately and gives, for each result, the
ratio of what was measured with its 95 % confidence interval. The machine should have nothing else to do.

  git worktree add ../before COMMIT && (cd ../before && ./x build release rowhouse_bench)
  ./x build release rowhouse_bench
  python3 tools/compare_builds.py ../before . --only engine_ --only rpc_pull

Exit status 1 when some result may be more than --most slower: when its interval reaches below."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

# Student's t for 95 %, two-sided, by degrees of freedom; from 30 on the normal distribution is near enough.
STUDENT = (0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101,
           2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045)
LOWER_IS_BETTER = ("us", "ms", "s", "bytes")


def measure(tree, only, full):
    """{name: (figure, unit)} of one run of that tree's bench."""
    with tempfile.TemporaryDirectory(prefix="rowhouse-compare-") as directory:
        out = os.path.join(directory, "bench.json")
        command = [os.path.join(tree, "build", "release", "bin", "rowhouse_bench"), "--source", tree, "--directory", os.path.join(directory, "scratch"),
                   "--out", out, *([] if full else ["--quick"])]
        for part in only:
            command += ["--only", part]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if not os.path.exists(out):  # goals that are not met give exit code 1 as well
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}")
        with open(out, encoding="utf-8") as report:
            return {r["name"]: (r["ours"], r["unit"]) for r in json.load(report)["results"] if r.get("ours")}


def interval(ratios):
    """Mean ratio and its 95 % interval: of the logarithms, for half and twice as fast are equally far."""
    logs = [math.log(ratio) for ratio in ratios]
    t = STUDENT[len(logs) - 1] if len(logs) <= len(STUDENT) else 1.96
    half = t * statistics.stdev(logs) / math.sqrt(len(logs))
    middle = statistics.mean(logs)
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", help="source tree with build/release/bin/rowhouse_bench")
    parser.add_argument("after", help="the other one")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="results whose name contains this (repeatable)")
    parser.add_argument("--alternations", type=int, default=20)
    parser.add_argument("--full", action="store_true", help="10 million rows and 5 runs each instead of the quick ones")
    parser.add_argument("--most", type=float, default=5, metavar="PERCENT", help="a slowdown that is accepted (default 5)")
    flags = parser.parse_args()
    if flags.alternations < 3:
        parser.error(f"--alternations is {flags.alternations}, want at least 3")
    ratios, units = {}, {}
    for alternation in range(flags.alternations):
        trees = (flags.before, flags.after)
        figures = {}
        for tree in trees if alternation % 2 == 0 else reversed(trees):
            figures[tree] = measure(tree, flags.only, flags.full)
        for name, (after, unit) in figures[flags.after].items():
            if name not in figures[flags.before]:
                continue
            before = figures[flags.before][name][0]
            ratios.setdefault(name, []).append(before / after if unit in LOWER_IS_BETTER else after / before)
            units[name] = unit
        print(f"alternation {alternation + 1} of {flags.alternations}", file=sys.stderr, flush=True)
    slow = []
    print(f"{'result':32} {'speed after / before':>22} {'95 % interval':>18}")
    for name, values in ratios.items():
        middle, low, high = interval(values)
        print(f"{name:32} {middle:22.3f} {low:8.3f} to {high:.3f}")
        if low < 1 - flags.most / 100:
            slow.append(name)
    if slow:
        print(f"may be more than {flags.most:g} % slower: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
