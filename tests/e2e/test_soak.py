# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A long run: three servers with rows of several budgets, two trainers that push, delete and pull and know every bit, a checkpoint every
minute, and now and then a server that is killed and started again. ./x test --soak MINUTES; without ROWHOUSE_SOAK_MINUTES it is skipped.

In the end every row is as the trainers' oracles have it, no server's memory went beyond its budget, and neither memory nor open
descriptors of the last third of the run are above those of the middle third. ROWHOUSE_E2E_SEED repeats the moments of a run, as far as
the machine's timing allows."""
import json
import os
import random
import statistics
import subprocess
import sys
import time
import unittest

from checkpoints import Checkpointed
from cluster import BUILD

MINUTES = float(os.environ.get("ROWHOUSE_SOAK_MINUTES", "0"))
BUDGET = 128 << 20
TRAINERS = 2
IDS = 150_000  # of each trainer, 512 bytes a row beside the index: more than five times what the three servers have for rows
SAMPLE_SECONDS = 2
KILL_SECONDS = (20, 60)  # between two kills
TRAINER = os.path.join(BUILD, "bin", "rowhouse_soak_trainer")


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


class Watch:
    """Samples of memory and descriptors of each server, and the peaks of all its lives."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.samples = [[] for _ in range(cluster.count)]  # (seconds, resident bytes, descriptors)
        self.peaks = [0] * cluster.count

    def sample(self, seconds):
        for index, process in enumerate(self.cluster.processes):
            try:
                self.peaks[index] = max(self.peaks[index], self.cluster.peak_resident_bytes(index))
                self.samples[index].append((seconds, resident_bytes(process.pid), len(os.listdir(f"/proc/{process.pid}/fd"))))
            except (OSError, AssertionError):
                pass  # it is being started

    def print(self):
        """Memory and descriptors of each server over time, in twelve steps."""
        print("\n  seconds  " + "  ".join(f"server {index}: MiB, descriptors" for index in range(self.cluster.count)), file=sys.stderr)
        last = max(samples[-1][0] for samples in self.samples)
        for step in range(12):
            upto = last * (step + 1) / 12
            now = [max((s for s in samples if s[0] <= upto), default=None) for samples in self.samples]
            print(f"  {upto:7.0f}  " + "  ".join("%18.1f, %11d" % (s[1] / 2**20, s[2]) if s else f"{'-':>31}" for s in now), file=sys.stderr)

    def third(self, index, number, field):
        """The field's values in a third of the run, by time."""
        last = self.samples[index][-1][0]
        return [s[field] for s in self.samples[index] if last * number / 3 <= s[0] <= last * (number + 1) / 3]


@unittest.skipUnless(MINUTES > 0, "ROWHOUSE_SOAK_MINUTES runs it, for so many minutes")
class Soak(unittest.TestCase):
    def run_beside(self, cluster, trainers, watch, generator):
        """Until the trainers have ended: samples, and kills while time is left. How many servers were killed."""
        begin, kills = time.monotonic(), 0
        next_kill = generator.uniform(*KILL_SECONDS)
        while any(trainer.poll() is None for trainer in trainers):
            time.sleep(SAMPLE_SECONDS)
            seconds = time.monotonic() - begin
            watch.sample(seconds)
            for trainer in trainers:
                self.assertIn(trainer.poll(), (None, 0), "a trainer has failed")
            if seconds < next_kill or seconds > MINUTES * 60:
                continue
            victim = generator.randrange(cluster.count)
            cluster.kill(victim)
            cluster.start(victim)
            cluster.wait_ready()
            kills += 1
            next_kill = time.monotonic() - begin + generator.uniform(*KILL_SECONDS)
        return kills

    def test_mixed_load_with_kills(self):
        seed = int(os.environ.get("ROWHOUSE_E2E_SEED", time.time_ns() % 1_000_000))
        generator = random.Random(seed)
        print(f"\nROWHOUSE_E2E_SEED={seed}, {MINUTES} minutes", file=sys.stderr)
        with Checkpointed(servers=3, partitions=16, keep_log=False, budget="128MiB",
                          extra=["--checkpoint-every", "1m", "--checkpoint-keep", "3"]) as cluster:
            watch = Watch(cluster)
            command = [TRAINER, ",".join(cluster.addresses)]
            trainers = [subprocess.Popen([*command, str(n), str(IDS), str(int(MINUTES * 60)), str(seed)], stdout=subprocess.PIPE, text=True)
                        for n in range(TRAINERS)]
            try:
                kills = self.run_beside(cluster, trainers, watch, generator)
            finally:
                for trainer in trainers:
                    trainer.kill()
            counts = [json.loads(trainer.communicate()[0]) for trainer in trainers]
            made = cluster.names()
        print(f"{kills} kills, checkpoints kept: {', '.join(made)}; trainers: {json.dumps(counts)}", file=sys.stderr)
        watch.print()
        self.check(watch)
        self.assertGreater(kills, 0)
        self.assertGreater(len(made), 0)
        for count in counts:
            self.assertEqual(count["rows_in_the_end"], IDS)
        peak = max(watch.peaks) / 2**20
        print(f"\nreliability: R26 {MINUTES:g} minutes of mixed load with random kills | {kills} | {self.failed()} | {TRAINERS} trainers push "
              f"and pull all the time; peak memory {peak:.1f} MiB of {BUDGET >> 20}; every row in the end, {TRAINERS * IDS}; {json.dumps(counts)}", flush=True)

    def failed(self):
        """How many subtests have failed."""
        result = self._outcome.result
        return len(result.failures) + len(result.errors)

    def check(self, watch):
        for index, peak in enumerate(watch.peaks):
            middle, last = (watch.third(index, number, 1) for number in (1, 2))
            descriptors = [max(watch.third(index, number, 2)) for number in (1, 2)]
            print(f"server {index}: peak {peak / 2**20:.1f} MiB of {BUDGET >> 20}; resident, median of the middle third "
                  f"{statistics.median(middle) / 2**20:.1f} MiB, of the last {statistics.median(last) / 2**20:.1f} MiB; descriptors, "
                  f"most of the middle third {descriptors[0]}, of the last {descriptors[1]}", file=sys.stderr)
            with self.subTest(f"server {index}"):
                self.assertLessEqual(peak, BUDGET, "VmHWM")
                self.assertLessEqual(statistics.median(last), statistics.median(middle) * 1.05 + (4 << 20), "resident bytes grow")
                self.assertLessEqual(descriptors[1], descriptors[0] * 1.1 + 8, "descriptors grow")


if __name__ == "__main__":
    unittest.main()
