# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""What the peers of bench/peer_process.h have in common: the protocol, and the ids that they are asked for.

A peer prints "ready", then one number (more is better) for each line "run" on its standard input, and ends when that does."""
import sys
import time

import numpy as np

RUN_SECONDS = 2
BATCHES = 16
SEED = 20240901


def add_step_flags(parser):
    """What a step works on: W6 unless told otherwise."""
    parser.add_argument("--tables", type=int, default=26)
    parser.add_argument("--rows", type=int, default=384615, help="of each table")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2048, help="ids of each table in a step")
    parser.add_argument("--threads", type=int, default=2)


def serve(measure):
    """Answers each "run" with measure()."""
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "run":
            print(f"peer: expected the line 'run', got {line.strip()!r}", file=sys.stderr)
            return 2
        print(f"{measure():.6g}", flush=True)
    return 0


def rate_of(step, items):
    """A measure of `items` a step: items per second of as many steps as take about RUN_SECONDS. step(i) does the i-th one."""
    for i in range(BATCHES):  # every page that a step needs is there
        step(i)
    steps = 0
    start = time.perf_counter()
    while time.perf_counter() - start < RUN_SECONDS / 4:
        step(steps)
        steps += 1
    steps = max(1, 4 * steps)

    def measure():
        begin = time.perf_counter()
        for i in range(steps):
            step(i)
        return steps * items / (time.perf_counter() - begin)
    return measure


def draw_ids(rows, count, zipf):
    """`count` ids below `rows`: uniform, or, for zipf > 0, the id of rank r (from 1) in proportion to 1 / r**zipf, with ranks scattered
    over the ids."""
    random = np.random.default_rng(SEED)
    if zipf == 0:
        return random.integers(0, rows, count, dtype=np.int64)
    below = np.cumsum(np.arange(1, rows + 1, dtype=np.float64) ** -zipf)
    ranks = np.searchsorted(below, random.random(count) * below[-1])
    return random.permutation(rows)[np.minimum(ranks, rows - 1)]
