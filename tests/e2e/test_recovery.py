# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Damaged files: a torn end of the log is cut and said; other damage is refused, and never read as a row that is not there."""
import glob
import os
import unittest

import grpc
import numpy as np
from cluster import Cluster, run, wait_until
from wire import Client, code_and_words, pb

DIM = 64
RECORD_MAGIC = b"RHRC"  # docs/formats/log-record.md
RECORD_HEADER_BYTES = 136


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x40]))


class CleanStop(unittest.TestCase):
    ROWS = 120_000  # 29 MiB of a budget of 128 MiB, which has 18 MiB for rows: a part of them is spilled

    def test_count_is_exact_and_nothing_is_replayed(self):
        with Cluster(partitions=16, budget="128MiB") as cluster:
            client = Client(cluster)
            table = client.create_table("counted", DIM)
            for begin in range(0, self.ROWS, 10_000):
                ids = np.arange(begin, begin + 10_000, dtype=np.uint64)
                client.push_rows(table, ids, np.ones((len(ids), DIM), np.float32), pb.PUSH_KIND_VALUE)
            (status,) = cluster.status()
            self.assertEqual(status["stored_rows"], self.ROWS)
            self.assertLess(status["resident_rows"], self.ROWS, "nothing was spilled: the test tests nothing")
            for _ in range(2):
                self.assertEqual(cluster.stop(0), 0)
                cluster.start(0)
                cluster.wait_ready()
                (status,) = cluster.status()
                self.assertEqual(status["stored_rows"], self.ROWS)
                self.assertEqual(status["resident_rows"], 0, "a start after a clean stop replays nothing")
            self.assertTrue((Client(cluster, "again").pull(table, np.arange(self.ROWS, dtype=np.uint64)[::7])[0] == 1).all())


class DamagedLog(unittest.TestCase):
    PUSHES = 40

    def written(self, cluster):
        """A killed server whose log ends with PUSHES pushes to one row, each minus 1. The last segment, its records' offsets, the
        client, the table, the row's id and initial row, the last request."""
        client = Client(cluster)
        table = client.create_table("log", DIM)
        ids = np.array([42], dtype=np.uint64)
        initial, _ = client.pull(table, ids)
        for _ in range(self.PUSHES):
            request = client.push_request(table, ids, np.ones((1, DIM), np.float32))
            self.assertFalse(client.servers[0].Push(request, timeout=30).results)
        cluster.kill(0)
        segment = sorted(glob.glob(os.path.join(cluster.data_dir(0), "log", "segment-*.log")))[-1]
        with open(segment, "rb") as file:
            content = file.read()
        offsets = [at for at in range(0, len(content), 8) if content[at:at + 4] == RECORD_MAGIC]
        self.assertGreaterEqual(len(offsets), self.PUSHES)
        return segment, offsets, table, ids, initial, request

    def expected(self, initial, pushes):
        row = initial.copy()
        for _ in range(pushes):
            row -= np.float32(1)
        return row.tobytes()

    def log_text(self, cluster):
        with open(cluster.log_path(0), encoding="utf-8") as log:
            return log.read()

    def test_damaged_tail_is_cut_and_said(self):
        with Cluster(partitions=4) as cluster:
            segment, offsets, table, ids, initial, last = self.written(cluster)
            flip(segment, offsets[-1] + RECORD_HEADER_BYTES + 20)
            cluster.start(0)
            cluster.wait_ready()
            text = self.log_text(cluster)
            for word in ("torn tail", os.path.basename(segment), f"offset {offsets[-1]}"):
                self.assertIn(word, text)
            client = Client(cluster, "after")
            rows, stored = client.pull(table, ids)
            self.assertTrue(stored.all())
            self.assertEqual(rows.tobytes(), self.expected(initial, self.PUSHES - 1))
            # The push that was cut off is not known: sent again, it is applied; once.
            answers = [client.servers[0].Push(last, timeout=30) for _ in range(2)]
            self.assertEqual([(len(a.results), a.duplicate_parts) for a in answers], [(0, 0), (0, 1)])
            self.assertEqual(client.pull(table, ids)[0].tobytes(), self.expected(initial, self.PUSHES))
            # Nothing is left to cut.
            cluster.kill(0)
            cluster.start(0)
            cluster.wait_ready()
            self.assertEqual(self.log_text(cluster).count("torn tail"), text.count("torn tail"))
            self.assertEqual(Client(cluster, "again").pull(table, ids)[0].tobytes(), self.expected(initial, self.PUSHES))

    def test_half_a_record_at_the_end_is_cut(self):
        with Cluster(partitions=4) as cluster:
            segment, offsets, table, ids, initial, _ = self.written(cluster)
            os.truncate(segment, offsets[-1] + RECORD_HEADER_BYTES + 3)
            cluster.start(0)
            cluster.wait_ready()
            self.assertIn("torn tail", self.log_text(cluster))
            self.assertEqual(Client(cluster, "after").pull(table, ids)[0].tobytes(), self.expected(initial, self.PUSHES - 1))

    def test_damage_before_the_end_is_refused(self):
        with Cluster(partitions=4) as cluster:
            segment, offsets, table, ids, initial, _ = self.written(cluster)
            middle = offsets[-self.PUSHES // 2]
            for at in (middle, middle + 50, middle + RECORD_HEADER_BYTES + 20):  # magic, header, body
                flip(segment, at)
                done = run(*cluster.command(0), check=False, timeout=60)
                self.assertEqual(done.returncode, 1, done.stderr)
                for word in (segment, f"offset {middle}", "not the end of the log"):
                    self.assertIn(word, done.stderr)
                flip(segment, at)
            cluster.start(0)  # and nothing was changed by the refusals
            cluster.wait_ready()
            self.assertEqual(Client(cluster, "after").pull(table, ids)[0].tobytes(), self.expected(initial, self.PUSHES))


class DamagedSpill(unittest.TestCase):
    ROWS = 4096
    SEGMENT = 1 << 20  # a sweep begins after four

    def fill_spill(self, cluster):
        """Rows that lie only in the spill: pushed, and swept together with what was pushed after them."""
        client = Client(cluster)
        table = client.create_table("spill", DIM)
        ids = np.arange(self.ROWS, dtype=np.uint64)
        values = (ids[:, None] * np.uint64(DIM) + np.arange(DIM, dtype=np.uint64)).astype(np.float32)
        client.push_rows(table, ids, values, pb.PUSH_KIND_VALUE)
        filler = client.create_table("filler", DIM)
        sweeps = cluster.metrics(0)["rowhouse_sweeps_total"]

        def swept():
            client.push_rows(filler, ids, -1 - values, pb.PUSH_KIND_VALUE)
            return cluster.metrics(0)["rowhouse_sweeps_total"] >= sweeps + 2
        wait_until(swept, "two sweeps")
        return client, table, ids, values

    def damage(self, cluster, row):
        """Flips a bit of a row where it lies. How many files had it."""
        found = 0
        for path in glob.glob(os.path.join(cluster.data_dir(0), "spill", "*.sst")):
            with open(path, "rb") as file:
                at = file.read().find(row.tobytes())
            if at >= 0:
                flip(path, at + 100)
                found += 1
        return found

    def data_loss(self, method, request):
        with self.assertRaises(grpc.RpcError) as caught:
            method(request, timeout=30)
        code, message = code_and_words(caught.exception)
        self.assertEqual(code, "DATA_LOSS", message)
        self.assertIn("spill", message)

    def test_damaged_row_is_data_loss(self):
        with Cluster(partitions=1, extra=["--log-segment-bytes", str(self.SEGMENT)]) as cluster:
            client, table, ids, values = self.fill_spill(cluster)
            self.assertEqual(cluster.stop(0), 0)
            order = client.in_hash_order(table, ids)
            victim, far = order[self.ROWS // 2], np.concatenate([order[:self.ROWS // 4], order[-self.ROWS // 4:]])
            self.assertGreater(self.damage(cluster, values[victim]), 0, "the row is in no file of the spill")
            cluster.start(0)
            cluster.wait_ready()
            client = Client(cluster, "after")
            server = client.servers[0]
            for _ in range(2):  # also when asked again
                self.data_loss(server.Pull, client.pull_request(table, [victim]))
            self.data_loss(server.Pull, client.pull_request(table, ids))
            push = client.push_request(table, [victim], np.ones((1, DIM), np.float32))
            try:
                answer = server.Push(push, timeout=30)
                self.assertEqual([r.code for r in answer.results], [grpc.StatusCode.DATA_LOSS.value[0]], answer)
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.DATA_LOSS, error.details())
            rows, stored = client.pull(table, far)  # rows of other blocks are well
            self.assertTrue(stored.all())
            self.assertEqual(rows.tobytes(), values[far.astype(np.int64)].tobytes())


if __name__ == "__main__":
    unittest.main()
