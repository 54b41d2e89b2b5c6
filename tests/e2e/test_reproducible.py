# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Same pushes, same bits: one training gives one AUC and one digest through any cluster, durability and memory budget."""
import json
import os
import tempfile
import unittest

from cluster import DLRM, SYNTH, Cluster, run

# Rows of 64 weights and 64 accumulators: more bytes than the smallest budget keeps in memory.
TRAINING = ["--arch-sparse-feature-size", "64", "--arch-mlp-bot", "13-64-64", "--arch-mlp-top", "64-1", "--optimizer", "adagrad",
            "--mini-batch-size", "256", "--reproducible", "--digest", "--print-freq", "1000000"]


class Reproducible(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="rowhouse-e2e-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.data = os.path.join(cls.directory.name, "data")
        run(SYNTH, "--out", cls.data, "--rows", "6000", "--test-rows", "2000")

    def train(self, name, *arguments):
        result = os.path.join(self.directory.name, f"{name}.json")
        run(DLRM, "--data", self.data, "--json", result, *TRAINING, *arguments)
        with open(result, encoding="ascii") as file:
            return json.load(file)

    def assert_same(self, trained, twin):
        self.assertEqual(trained["iterations"], twin["iterations"])
        for figure in ("auc", "log_loss", "calibration"):
            self.assertEqual(trained["test"][figure], twin["test"][figure], figure)  # floats: to the last digit
        self.assertEqual(trained["final_loss"], twin["final_loss"])
        self.assertEqual(trained["storage"]["stored_rows"], twin["storage"]["stored_rows"])
        self.assertEqual(trained["digest"], twin["digest"])

    def test_one_auc_and_one_digest(self):
        twin = self.train("twin", "--in-process-twin")
        self.assertTrue(0.5 < twin["test"]["auc"] < 1)
        self.assertEqual(len(twin["digest"]), 64)
        self.assert_same(self.train("local", "--address", "local:"), twin)

        with Cluster(servers=1, partitions=4, budget="128MiB") as tight:
            trained = self.train("tight", "--address", tight.addresses[0], "--durability", "async")
            self.assertGreater(trained["storage"]["spill_read_rows"], 0, "the budget was not tight")
            self.assert_same(trained, twin)
            tight_digest = tight.cli("table", "digest").stdout
        with Cluster(servers=3, partitions=256, budget="512MiB") as ample:
            trained = self.train("ample", "--address", ",".join(ample.addresses), "--durability", "sync")
            self.assertEqual(trained["storage"]["spill_read_rows"], 0, "the budget was not ample")
            self.assert_same(trained, twin)
            ample_digest = ample.cli("table", "digest").stdout
        self.assertRegex(tight_digest, r"^[0-9a-f]{64}  26 tables, \d+ rows$")
        self.assertEqual(tight_digest, ample_digest)

    def test_another_learning_rate_gives_another_digest(self):
        """So that the test above can fail."""
        digests = {self.train("rate", "--in-process-twin", "--max-batches", "3", "--learning-rate", rate)["digest"] for rate in ("0.1", "0.1000001")}
        self.assertEqual(len(digests), 2)


if __name__ == "__main__":
    unittest.main()
