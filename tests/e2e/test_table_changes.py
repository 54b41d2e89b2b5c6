#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Tables are created, altered and dropped while a server is away: each change holds, says who has not taken it up, and is taken up later."""
import json
import unittest

from cluster import ROWHOUSE, Cluster, run


class TestTableChangesWhileAServerIsAway(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(servers=2)
        self.cluster.__enter__()
        self.addCleanup(self.cluster.__exit__, None, None, None)
        for name in ("altered", "dropped"):
            self.cluster.cli("table", "create", name, "--dim", "2")

    def tables(self, index):
        said = run(ROWHOUSE, "table", "list", "-o", "json", "--address", self.cluster.addresses[index]).stdout
        return {table["name"]: table for table in json.loads(said)}

    def test_every_change_holds_and_names_the_server(self):
        self.cluster.kill(1)
        warning = f"warning: server 1 ({self.cluster.addresses[1]}) is unreachable and has not taken this up: it does when it is started again\n"
        for words in (("create", "created", "--dim", "4"), ("alter", "altered", "--learning-rate", "0.5"), ("drop", "dropped", "--yes")):
            done = self.cluster.cli("table", *words, check=False)
            self.assertEqual(done.returncode, 0, (words, done.stderr))
            self.assertTrue(done.stderr.endswith(warning), (words, done.stderr))
        self.cluster.start(1)
        self.cluster.wait_ready()
        for index in (0, 1):
            tables = self.tables(index)
            self.assertEqual(sorted(tables), ["altered", "created"], index)
            self.assertEqual((tables["altered"]["learning_rate"], tables["created"]["dim"]), (0.5, 4), index)
        done = self.cluster.cli("table", "create", "all", "--dim", "4")
        self.assertEqual(done.stderr, "", "nobody is away")

    def test_without_the_server_that_keeps_the_schemas_nothing_changes(self):
        self.cluster.kill(0)
        for words in (("create", "created", "--dim", "4"), ("alter", "altered", "--learning-rate", "0.5"), ("drop", "dropped", "--yes")):
            done = run(ROWHOUSE, "table", *words, "--timeout", "3s", "--address", self.cluster.addresses[1], check=False)
            self.assertEqual(done.returncode, 4, (words, done.stdout, done.stderr))
        self.cluster.start(0)
        self.cluster.wait_ready()
        self.assertEqual(sorted(self.tables(0)), ["altered", "dropped"])
        self.assertNotEqual(self.tables(0)["altered"]["learning_rate"], 0.5)

    def test_a_table_that_never_was_is_not_found_also_then(self):
        self.cluster.kill(1)
        done = self.cluster.cli("table", "drop", "nobody", "--yes", check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
