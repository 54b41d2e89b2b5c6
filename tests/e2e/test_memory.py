# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A byte budget is a byte budget: a table several times the server's memory, loaded, read, and read again after a crash. Its weights
are half a GiB, four times the budget; 1 GiB with ROWHOUSE_E2E_FULL=1 (seven to nine minutes); ROWHOUSE_E2E_ROWS_GIB sets any other size."""
import contextlib
import json
import os
import sys
import time
import unittest

import numpy as np
from cluster import Cluster, wait_until
from wire import Client, pb

BUDGET = 128 << 20
DIM = 64
FULL = os.environ.get("ROWHOUSE_E2E_FULL") == "1"
ROWS = int(float(os.environ.get("ROWHOUSE_E2E_ROWS_GIB", "1" if FULL else "0.5")) * (1 << 30)) // (4 * DIM)
CHUNK = 16384  # rows of a request, 4 MiB
SAMPLE = 20000


def rows_of(ids):
    """A table's rows: whole numbers below 2^24 that tell id and column apart."""
    columns = np.arange(DIM, dtype=np.uint64) * np.uint64(7919)
    return ((ids[:, None] * np.uint64(31) + columns[None, :]) & np.uint64(0xFFFFFF)).astype(np.float32)


class Memory(unittest.TestCase):
    def check_peak(self, cluster, when):
        print(f"\npeak memory {when}: {cluster.peak_resident_bytes(0) / (1 << 20):.1f} MiB of {BUDGET >> 20} MiB; "
              f"{ROWS} rows of {ROWS * DIM * 4 / (1 << 30):.2f} GiB", file=sys.stderr)
        with self.subTest(f"peak memory {when}"):  # goes on after a failure: rows are of interest in any case
            self.assertLessEqual(cluster.peak_resident_bytes(0), BUDGET, "VmHWM")

    def check_rows(self, client, table, ids, stored=True):
        """Bit by bit."""
        for begin in range(0, len(ids), CHUNK):
            chunk = ids[begin:begin + CHUNK]
            rows, is_stored = client.pull(table, chunk)
            self.assertTrue((is_stored == stored).all(), f"stored bits of ids from {chunk[0]}")
            expected = rows_of(chunk) if stored else np.zeros((len(chunk), DIM), np.float32)
            self.assertTrue(np.array_equal(rows.view(np.uint32), expected.view(np.uint32)), f"rows of ids from {chunk[0]}")

    def load(self, cluster):
        client = Client(cluster)
        table = client.create_table("large", DIM, initializer=self.zeros(client))
        for begin in range(0, ROWS, CHUNK):
            ids = np.arange(begin, min(begin + CHUNK, ROWS), dtype=np.uint64)  # by hash, all over the spill
            client.push_rows(table, ids, rows_of(ids), pb.PUSH_KIND_VALUE)
        return client, table

    @staticmethod
    def zeros(client):
        return client.schema_pb.Initializer(zeros=client.schema_pb.ZerosInitializer())

    def test_rows_of_several_budgets(self):
        everything = np.arange(ROWS, dtype=np.uint64)
        sample = np.random.default_rng(1).permutation(ROWS)[:SAMPLE].astype(np.uint64)
        with Cluster(servers=1, partitions=16, budget="128MiB") as cluster:
            client, table = self.load(cluster)
            self.check_peak(cluster, "after the load")
            self.check_rows(client, table, everything)
            self.check_rows(client, table, sample)
            self.check_rows(client, table, everything[:CHUNK] + np.uint64(ROWS), stored=False)
            self.check_peak(cluster, "after reading all rows")
            (status,) = cluster.status()
            self.assertEqual(status["memory_budget_bytes"], BUDGET)
            self.assertEqual(status["stored_rows"], ROWS)
            self.assertGreater(status["spill_read_rows"], ROWS // 2)
            metrics = cluster.metrics(0)
            self.assertAlmostEqual(metrics['rowhouse_pull_hit_ratio{table="large"}'], 1 - status["spill_read_rows"] / status["pulled_rows"], 9)
            self.assertEqual(metrics['rowhouse_row_bytes{table="large",tier="stored"}'], status["stored_row_bytes"])
            self.assertEqual(metrics['rowhouse_row_bytes{table="large",tier="memory"}'] % status["resident_rows"], 0)

            cluster.kill(0)
            cluster.start(0)
            cluster.wait_ready()
            self.check_peak(cluster, "after the recovery")
            client = Client(cluster, "after-the-kill")
            self.check_rows(client, table, everything)
            self.check_rows(client, table, sample)
            self.check_peak(cluster, "after reading all rows again")
            (before,) = cluster.status()  # after a kill an estimate: tests/e2e/test_recovery.py has the exact count
            self.assertEqual(cluster.stop(0), 0)

            cluster.start(0)  # and once more after a clean stop
            cluster.wait_ready()
            (status,) = cluster.status()
            self.assertEqual(status["stored_rows"], before["stored_rows"])
            self.check_rows(Client(cluster, "after-the-stop"), table, sample)
            self.check_peak(cluster, "after a clean stop and start")
            self.check_drop(cluster)

    def check_drop(self, cluster):
        """A dropped table gives its memory and its disk back, by itself."""
        def spill_bytes():
            total = 0
            for entry in os.scandir(os.path.join(cluster.data_dir(0), "spill")):
                with contextlib.suppress(FileNotFoundError):  # it has just gone
                    total += entry.stat().st_size
            return total

        def ledger_bytes():
            lines = {line["line"]: line["bytes"] for line in json.loads(cluster.cli("server", "info", "-o", "json").stdout)[0]["memory"]}
            return lines["row_slabs"] + lines["row_index"]
        disk, memory, began = spill_bytes(), ledger_bytes(), time.monotonic()
        self.assertGreater(disk, ROWS * DIM * 4 // 2)
        cluster.cli("table", "drop", "large", "--yes")
        wait_until(lambda: spill_bytes() < disk // 20 and ledger_bytes() < memory // 20, "a dropped table's disk and memory", 300)
        print(f"\nmeasured: table drop: {disk / 2**20:.0f} MiB of spill became {spill_bytes() / 2**20:.0f} MiB and {memory / 2**20:.0f} MiB of memory "
              f"{ledger_bytes() / 2**20:.0f} MiB within {time.monotonic() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
