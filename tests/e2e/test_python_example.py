# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""examples/python/plain_grpc.py, as a user runs it."""
import os
import sys
import unittest

from cluster import SOURCE, Cluster, run

EXAMPLE = os.path.join(SOURCE, "examples", "python", "plain_grpc.py")


class PythonExample(unittest.TestCase):
    def test_golden_vectors(self):
        done = run(sys.executable, "-B", EXAMPLE, "--golden", os.path.join(SOURCE, "tests", "golden"))
        self.assertRegex(done.stdout, r"^[1-9]\d+ golden vectors: all as computed here")

    def test_against_two_servers(self):
        with Cluster(servers=2, partitions=8) as cluster:
            done = run(sys.executable, "-B", EXAMPLE, "--address", cluster.addresses[1])
            self.assertIn("2 servers, 8 partitions", done.stdout)
            self.assertIn("initial rows: as computed here", done.stdout)
            self.assertIn("the same bits as Adagrad in NumPy", done.stdout)
            self.assertIn("sent the last push again: 8 parts, none applied twice", done.stdout)
            self.assertNotIn("plain_grpc", cluster.cli("table", "list").stdout, "the example leaves its table behind")


if __name__ == "__main__":
    unittest.main()
