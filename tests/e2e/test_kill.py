# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Acknowledged is kept, and applied once: servers are killed while a push is in flight to them, and the rows end as if nothing had
been. A kill counts when the trainer says that its push was begun before the kill and had to be sent again to the server that was
killed; others (between two pushes) are repeated.

ROWHOUSE_E2E_SEED repeats the moments of a run, as far as the machine's timing allows."""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import unittest

from cluster import DLRM, SYNTH, Cluster, run, wait_until

KILLS = 10  # that count, in each of sync and async
ATTEMPTS_PER_KILL = 6  # how many kills may be needed for each that counts
BATCHES = 150 * KILLS
BATCH = 32
TRAINING = ["--arch-sparse-feature-size", "8", "--arch-mlp-bot", "13-32-8", "--arch-mlp-top", "32-1", "--optimizer", "adagrad",
            "--mini-batch-size", str(BATCH), "--max-batches", str(BATCHES), "--reproducible", "--digest", "--print-freq", "1"]
SENT_AGAIN = re.compile(r"the push of step (\d+), begun at unix time ([\d.]+), was sent again: (\d+) retr")


class Trainer:
    """dlrm in the background; its progress is read from what it prints."""

    def __init__(self, directory, data, *arguments):
        self.result = os.path.join(directory, "result.json")
        self.output = os.path.join(directory, "trainer.log")
        with open(self.output, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([DLRM, "--data", data, "--json", self.result, *TRAINING, *arguments], stdout=log, stderr=log)

    def text(self):
        with open(self.output, encoding="utf-8", errors="replace") as log:
            return log.read()

    def progress(self):
        """(batches done so far, milliseconds of the last one, all that was printed)."""
        if self.process.poll() not in (None, 0):
            raise AssertionError(f"the trainer ended with {self.process.returncode}:\n{self.text()[-4000:]}")
        text = self.text()
        finished = re.findall(r"training: finished it (\d+) \(\d+%\), ([\d.]+) ms/it", text)
        return (int(finished[-1][0]), float(finished[-1][1]), text) if finished else (0, 0, text)

    def batches(self):
        return self.progress()[0]

    def figures(self):
        if self.process.wait(timeout=300) != 0:
            raise AssertionError(f"the trainer ended with {self.process.returncode}:\n{self.text()[-4000:]}")
        with open(self.result, encoding="ascii") as file:
            return json.load(file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Kill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="rowhouse-e2e-")
        cls.addClassCleanup(directory.cleanup)
        cls.data = os.path.join(directory.name, "data")
        run(SYNTH, "--out", cls.data, "--rows", str(BATCHES * BATCH), "--test-rows", "1000")
        with Cluster(servers=1, partitions=4) as cluster, Trainer(cluster.directory, cls.data, "--address", cluster.addresses[0]) as trainer:
            cls.undisturbed = trainer.figures()
            cls.digest = cluster.cli("table", "digest").stdout

    def kill_and_restart(self, cluster, trainer, generator, at_batch):
        """kill -9 of one server when the trainer is past `at_batch`, somewhere in a batch. Afterwards the trainer must go on. True when
        a push to the server was in flight: begun before the kill, and not acknowledged by the server that was killed."""
        wait_until(lambda: trainer.batches() >= at_batch, f"batch {at_batch}")
        _, batch_ms, _ = trainer.progress()
        time.sleep(generator.uniform(0, min(batch_ms, 50) / 1000))  # anywhere in a batch
        victim = generator.randrange(cluster.count)
        begin = len(trainer.text())
        self.assertIsNone(trainer.process.poll(), "the trainer was done before the kill")
        killed_at = time.time()
        cluster.kill(victim)
        done = trainer.batches()
        self.assertLess(done, BATCHES)
        cluster.start(victim)
        cluster.wait_ready()
        wait_until(lambda: trainer.batches() > done + 1, f"two batches after {done}, when server {victim} was killed")
        text = trainer.text()[begin:]
        refused = [line for line in text.splitlines() if "trying again" in line and cluster.addresses[victim] in line]
        in_flight = any(float(begun) < killed_at for _, begun, _ in SENT_AGAIN.findall(text))
        self.assertFalse(in_flight and not refused, f"a push was sent again, but not to the server that was killed:\n{text}")
        return in_flight

    def kills(self, durability):
        seed = int(os.environ.get("ROWHOUSE_E2E_SEED", time.time_ns() % 1_000_000))
        generator = random.Random(f"{durability} {seed}")
        counted, attempts = 0, 0
        with Cluster(servers=3, partitions=16) as cluster:
            addresses = ",".join(cluster.addresses)
            with Trainer(cluster.directory, self.data, "--address", addresses, "--durability", durability) as trainer:
                while counted < KILLS:
                    self.assertLess(attempts, KILLS * ATTEMPTS_PER_KILL, f"only {counted} kills met a push in flight")
                    attempts += 1
                    # Spread over the run, so that logs and tables are of many sizes.
                    at_batch = generator.randrange(*(BATCHES * 8 // 10 * i // KILLS + 1 for i in (counted, counted + 1)))
                    counted += self.kill_and_restart(cluster, trainer, generator, at_batch)
                figures = trainer.figures()
                sent_again = SENT_AGAIN.findall(trainer.text())
            digest = cluster.cli("table", "digest").stdout
        print(f"\n{durability}: ROWHOUSE_E2E_SEED={seed}: {attempts} kills, {counted} of them with a push in flight; "
              f"{figures['storage']['retries']} retries, {figures['storage']['duplicate_parts']} parts had been applied before", file=sys.stderr)
        self.assertEqual(digest, self.digest)
        self.assertEqual(figures["digest"], self.undisturbed["digest"])
        self.assertEqual(figures["test"]["auc"], self.undisturbed["test"]["auc"])
        self.assertEqual(figures["iterations"], BATCHES)
        self.assertGreaterEqual(len({step for step, _, _ in sent_again}), KILLS, "each kill met another push")
        self.assertGreaterEqual(figures["storage"]["retries"], KILLS)

    def test_sync(self):
        self.kills("sync")

    def test_async(self):
        self.kills("async")


if __name__ == "__main__":
    unittest.main()
