# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Acknowledged is kept, and applied once: servers are killed while a trainer pushes, and the rows end as if nothing had been."""
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

BATCHES = 300
BATCH = 32
KILLS = 5  # in each of two durabilities
TRAINING = ["--arch-sparse-feature-size", "8", "--arch-mlp-bot", "13-32-8", "--arch-mlp-top", "32-1", "--optimizer", "adagrad",
            "--mini-batch-size", str(BATCH), "--max-batches", str(BATCHES), "--reproducible", "--digest", "--print-freq", "1"]


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

    def batches(self):
        """Done so far."""
        if self.process.poll() not in (None, 0):
            raise AssertionError(f"the trainer ended with {self.process.returncode}:\n{self.text()[-4000:]}")
        finished = re.findall(r"finished it (\d+) ", self.text())
        return int(finished[-1]) if finished else 0

    def figures(self):
        if self.process.wait(timeout=120) != 0:
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
        """kill -9 of one server while the trainer is past `at_batch` and far from done; the trainer must go on afterwards."""
        wait_until(lambda: trainer.batches() >= at_batch, f"batch {at_batch}")
        time.sleep(generator.uniform(0, 0.03))  # anywhere in a batch
        victim = generator.randrange(cluster.count)
        pushed = sum(value for name, value in cluster.metrics(victim).items() if name.startswith("rowhouse_pushed_rows_total"))
        cluster.kill(victim)
        done = trainer.batches()
        self.assertIsNone(trainer.process.poll(), "the trainer was done before the kill")
        self.assertLess(done, BATCHES)
        self.assertGreater(pushed, 0, "nothing had been pushed to the server that was killed")
        cluster.start(victim)
        cluster.wait_ready()
        wait_until(lambda: trainer.batches() > done, f"a batch after {done}, when server {victim} was killed")

    def kills(self, durability):
        seed = int(os.environ.get("ROWHOUSE_E2E_SEED", time.time_ns() % 1_000_000))
        print(f"\n{durability}: ROWHOUSE_E2E_SEED={seed}", file=sys.stderr)
        generator = random.Random(f"{durability} {seed}")
        moments = sorted(generator.sample(range(1, BATCHES * 9 // 10), KILLS))
        with Cluster(servers=3, partitions=16) as cluster:
            addresses = ",".join(cluster.addresses)
            with Trainer(cluster.directory, self.data, "--address", addresses, "--durability", durability) as trainer:
                for at_batch in moments:
                    self.kill_and_restart(cluster, trainer, generator, at_batch)
                figures = trainer.figures()
            digest = cluster.cli("table", "digest").stdout
        self.assertEqual(digest, self.digest)
        self.assertEqual(figures["digest"], self.undisturbed["digest"])
        self.assertEqual(figures["test"]["auc"], self.undisturbed["test"]["auc"])
        self.assertEqual(figures["iterations"], BATCHES)
        self.assertGreaterEqual(figures["storage"]["retries"], 1, "no call of the trainer met a server that was gone")

    def test_sync(self):
        self.kills("sync")

    def test_async(self):
        self.kills("async")


if __name__ == "__main__":
    unittest.main()
