# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Same pushes, same bits: one training gives one AUC and one digest through any cluster, durability and memory budget.
ROWHOUSE_E2E_FULL=1 adds 1, 2 and 3 servers x 4, 16 and 256 partitions x both budgets, and prints them as a table."""
import json
import os
import sys
import tempfile
import unittest

from cluster import DLRM, SYNTH, Cluster, run

FULL = os.environ.get("ROWHOUSE_E2E_FULL") == "1"
TIGHT, AMPLE = "128MiB", "512MiB"  # the smallest budget there is, and one that keeps all rows in memory
# Rows of 128 weights and 128 accumulators: 1 KiB, in all more than three servers of the tight budget keep in memory.
TRAINING = ["--arch-sparse-feature-size", "128", "--arch-mlp-bot", "13-64-128", "--arch-mlp-top", "64-1", "--optimizer", "adagrad",
            "--mini-batch-size", "256", "--reproducible", "--digest", "--print-freq", "1000000"]


class Reproducible(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="rowhouse-e2e-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.data = os.path.join(cls.directory.name, "data")
        run(SYNTH, "--out", cls.data, "--rows", "8000", "--test-rows", "2000")
        cls.twin = cls.train("twin", "--in-process-twin")

    @classmethod
    def train(cls, name, *arguments):
        result = os.path.join(cls.directory.name, f"{name}.json")
        run(DLRM, "--data", cls.data, "--json", result, *TRAINING, *arguments)
        with open(result, encoding="ascii") as file:
            return json.load(file)

    def check(self, trained, budget):
        """As the twin, and from spill exactly when the budget is tight."""
        twin = self.twin
        self.assertEqual(trained["iterations"], twin["iterations"])
        for figure in ("auc", "log_loss", "calibration"):
            self.assertEqual(trained["test"][figure], twin["test"][figure], figure)  # floats: to the last digit
        self.assertEqual(trained["final_loss"], twin["final_loss"])
        storage = trained["storage"]
        self.assertEqual(storage["stored_rows"], twin["storage"]["stored_rows"])
        self.assertEqual(trained["digest"], twin["digest"])
        if budget == TIGHT:
            self.assertGreater(storage["spill_read_rows"], 0, "the budget was not tight")
            self.assertLess(storage["resident_rows"], storage["stored_rows"])
        else:
            self.assertEqual(storage["spill_read_rows"], 0, "the budget was not ample")

    def through(self, servers, partitions, budget, durability="async"):
        """The figures of a training through a new cluster, and the digest that the command line computes."""
        with Cluster(servers=servers, partitions=partitions, budget=budget) as cluster:
            trained = self.train("cluster", "--address", ",".join(cluster.addresses), "--durability", durability)
            self.check(trained, budget)
            digest = cluster.cli("table", "digest").stdout
        self.assertRegex(digest, rf"^[0-9a-f]{{64}}  26 tables, {self.twin['storage']['stored_rows']} rows$")
        return trained, digest

    def test_twin_is_worth_comparing_with(self):
        self.assertTrue(0.5 < self.twin["test"]["auc"] < 1)
        self.assertEqual(len(self.twin["digest"]), 64)

    def test_in_process_with_4_partitions_and_3_servers_with_256(self):
        for budget in (AMPLE, TIGHT):
            with self.subTest("local:", budget=budget):
                arguments = ("--address", "local:", "--local-partitions", "4", "--local-memory-budget", budget)
                trained = self.train("local", *arguments)
                self.assertIn("4 partitions, at local:", trained["source"])
                self.check(trained, budget)
        digests = set()
        for budget, durability in ((AMPLE, "sync"), (TIGHT, "async")):
            with self.subTest("3 servers", budget=budget):
                trained, digest = self.through(3, 256, budget, durability)
                self.assertIn("3 Rowhouse servers, 256 partitions", trained["source"])
                digests.add(digest)
        self.assertEqual(len(digests), 1)

    @unittest.skipUnless(FULL, "ROWHOUSE_E2E_FULL=1 asks for it")
    def test_every_number_of_servers_and_partitions(self):
        digests = set()
        print(f"\n{'servers':>7} {'P':>4} {'budget':>7} {'AUC':>19} {'from spill':>10}  SHA-256 of all rows", file=sys.stderr)
        for servers in (1, 2, 3):
            for partitions in (4, 16, 256):
                for budget in (AMPLE, TIGHT):
                    trained, digest = self.through(servers, partitions, budget)
                    print(f"{servers:>7} {partitions:>4} {budget:>7} {trained['test']['auc']!r:>19} "
                          f"{trained['storage']['spill_read_rows']:>10}  {digest.split()[0]}", file=sys.stderr)
                    digests.add(digest)
        self.assertEqual(len(digests), 1)

    def test_another_learning_rate_gives_another_digest(self):
        """So that the tests above can fail."""
        digests = {self.train("rate", "--in-process-twin", "--max-batches", "3", "--learning-rate", rate)["digest"] for rate in ("0.1", "0.1000001")}
        self.assertEqual(len(digests), 2)


if __name__ == "__main__":
    unittest.main()
