# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""`rowhouse log dump` and `verify` on the files that a real server leaves: whole, killed, torn, damaged, mixed."""
import hashlib
import json
import os
import shutil
import tempfile
import unittest

import numpy
from cluster import ROWHOUSE, Cluster, run
from wire import Client

RECORD_HEADER_BYTES = 136


def fingerprint(directory):
    """Content, names and times of change of all that is there."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[path] = (hashlib.sha256(file.read()).hexdigest(), os.stat(path).st_mtime_ns)
    return found


def log(*words, check=True):
    return run(ROWHOUSE, "log", *words, check=check)


class LogFiles(unittest.TestCase):
    """One server that was killed after pushes of two writers to two tables; each test works on a copy of its files."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="rowhouse-e2e-log-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.data = os.path.join(cls.folder, "data")
        with Cluster(servers=1, partitions=4) as cluster:
            first, second = Client(cluster, "first"), Client(cluster, "second")
            user, item = first.create_table("user", 2), second.create_table("item", 1)
            ids = numpy.arange(20, dtype=numpy.uint64)
            first.push(user, ids, numpy.full((20, 2), 0.5, numpy.float32))
            second.push(item, ids[:5], numpy.full((5, 1), 0.25, numpy.float32))
            cls.user, cls.item = user.table_id, item.table_id
            cls.writers = {writer["name"]: writer["id"] for writer in json.loads(cluster.cli("writer", "list", "-o", "json").stdout)}
            cls.while_it_runs = log("verify", cluster.data_dir(0))
            cluster.kill(0)
            shutil.copytree(cluster.data_dir(0), cls.data)

    def copy(self):
        place = tempfile.mkdtemp(prefix="copy-", dir=self.folder)
        shutil.copytree(self.data, os.path.join(place, "data"))
        return os.path.join(place, "data")

    def segments(self, data):
        place = os.path.join(data, "log")
        return [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.startswith("segment-")]

    def records(self, *words):
        return [json.loads(line) for line in log("dump", *words, "-o", "json").stdout.splitlines()]

    def test_a_running_server_is_named(self):
        self.assertRegex(self.while_it_runs.stderr, r"^note: process \d+ runs a server on this log: its last records may be on their way")
        self.assertEqual(log("verify", self.data).stderr, "")

    def test_dump_has_every_record_once(self):
        records = self.records(self.data)
        self.assertEqual([record["sequence"] for record in records], list(range(1, len(records) + 1)))
        pushed = [(table["table_id"], table["rows"]) for record in records if record["type"] == "push" for table in record["tables"]]
        self.assertEqual(sum(rows for table, rows in pushed if table == self.user), 20)
        self.assertEqual(sum(rows for table, rows in pushed if table == self.item), 5)
        self.assertEqual({table["name"] for record in records if record["type"] == "schema" for table in record["tables"]}, {"user", "item"})
        lines = log("dump", self.data).stdout.splitlines()
        self.assertEqual(len(lines), len(records) + 1)
        self.assertRegex(lines[0], "^SEQUENCE +PARTITION +LSN +TYPE +WRITER +SEQ +TABLES +ROWS +TIME$")
        whole = [record for segment in self.segments(self.data) for record in self.records(segment)]
        self.assertEqual(whole, records, "a segment at a time")

    def test_dump_filters(self):
        everything = self.records(self.data)
        for flag, value, agrees in (
                ("--partition", 2, lambda r: r["partition"] == 2),
                ("--table", self.item, lambda r: self.item in [t["table_id"] for t in r["tables"]]),
                ("--writer", self.writers["second"], lambda r: r["writer"] == self.writers["second"])):
            wanted = [record for record in everything if agrees(record)]
            self.assertTrue(wanted, flag)
            self.assertLess(len(wanted), len(everything), flag)
            self.assertEqual(self.records(self.data, flag, str(value)), wanted, flag)

    def test_dump_with_values(self):
        records = self.records(self.data, "--table", str(self.user), "--values")
        rows = {int(row_id): values for record in records if record["type"] == "push" for table in record["tables"] if table["table_id"] == self.user
                for row_id, values in zip(table["ids"], table["values"])}
        self.assertEqual(rows, {i: [0.5, 0.5] for i in range(20)})
        self.assertRegex(log("dump", self.data, "--values").stdout, rf"(?m)^  table {self.item} id 3(?: count 1)?: 0.25$")

    def test_verify_writes_nothing(self):
        data = self.copy()
        before = fingerprint(data)
        said = log("verify", data, "-o", "json")
        self.assertEqual(fingerprint(data), before)
        reports = json.loads(said.stdout)
        self.assertEqual({report["verdict"] for report in reports}, {"ok"})
        self.assertEqual(sum(report["records"] for report in reports), len(self.records(data)))
        log("dump", data)
        self.assertEqual(fingerprint(data), before)

    def cut_last(self, data, size):
        path = self.segments(data)[-1]
        with open(path, "r+b") as file:
            file.truncate(size)
        return path

    def test_a_torn_tail_is_no_damage(self):
        data = self.copy()
        (report,) = json.loads(log("verify", data, "-o", "json").stdout)[-1:]
        with open(self.segments(data)[-1], "rb") as file:
            end = len(file.read().rstrip(b"\0"))  # the file may be longer than what is written
        self.cut_last(data, end - 10)
        before = fingerprint(data)
        torn = log("verify", data)
        self.assertEqual(torn.returncode, 0)
        self.assertRegex(torn.stdout, r"torn tail +\d+ +\d+ bytes: ")
        self.assertRegex(torn.stderr, r"^note: torn tail: segment-\d+\.log, offset \d+: \d+ bytes: .* which the next start of the server cuts off\n$")
        self.assertEqual(len(self.records(data)), report["last_sequence"] - 1)
        self.assertEqual(fingerprint(data), before)

    def test_damage_in_the_middle(self):
        data = self.copy()
        path = self.segments(data)[-1]
        with open(path, "r+b") as file:
            file.seek(64 + 40)  # in the header of the first record
            byte = file.read(1)
            file.seek(64 + 40)
            file.write(bytes([byte[0] ^ 1]))
        bad = log("verify", data, check=False)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("1 of ", bad.stderr)
        self.assertIn("is damaged, the first is " + os.path.basename(path) + ", offset 64: record header: checksum", bad.stderr)
        self.assertIn("put back a copy of this log", bad.stderr)
        self.assertRegex(bad.stdout, r"damaged +64 ")
        dumped = log("dump", data, check=False)
        self.assertEqual(dumped.returncode, 1)
        self.assertIn("offset 64", dumped.stderr)

    def test_logs_of_two_clusters_in_one_directory(self):
        data = self.copy()
        with Cluster(servers=1, partitions=4) as other:
            client = Client(other, "w")
            client.push(client.create_table("t", 1), [1], numpy.ones((1, 1), numpy.float32))
            other.kill(0)
            mine, theirs = self.segments(data)[-1], self.segments(other.data_dir(0))[-1]
            following = json.loads(log("verify", data, "-o", "json").stdout)[-1]["last_sequence"] + 1
            shutil.copy(theirs, os.path.join(os.path.dirname(mine), f"segment-{following:020d}.log"))
        bad = log("verify", data, check=False)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("give each server its own log directory", bad.stderr)

    def test_what_is_no_log(self):
        for path, said in (("/nonexistent", "/nonexistent does not exist"), (self.folder, "holds no segment-*.log")):
            for verb in ("dump", "verify"):
                done = log(verb, path, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(said, done.stderr)
                self.assertIn("want a server's log directory, its data directory, or one segment", done.stderr)
        for words in (("dump", self.data, "--partition", "x"), ("dump", self.data, "-o", "yaml"), ("dump",), ("verify", self.data, "-o", "xml")):
            self.assertEqual(log(*words, check=False).returncode, 2, words)

    def test_a_reader_that_leaves(self):
        done = run("bash", "-c", f"{ROWHOUSE} log dump {self.data} --values | head -n 1", check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
