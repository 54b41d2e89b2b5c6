# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""What a server says to requests that no good client sends. Each is refused with its code and words, and changes no row."""
import math
import time
import unittest

import grpc
import numpy as np
from cluster import Cluster
from wire import Client, code_and_words, value_bytes

DIM = 4
BOUND = 1000  # ids of the bounded table
INVALID_ARGUMENT, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE = 3, 9, 10, 11  # google.rpc.Code


class BadInputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(servers=2, partitions=8, budget="128MiB")
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)
        cls.client = Client(cls.cluster, "good")
        cls.table = cls.client.create_table("bad_inputs", DIM)
        cls.bounded = cls.client.create_table("bounded", DIM, num_rows=BOUND)
        cls.ids = cls.client.ids_of_server(cls.table, 0, 16)
        cls.values = np.arange(16 * DIM, dtype=np.float32).reshape(16, DIM)
        cls.good_push(cls.table, cls.ids[:8], cls.values[:8])  # half of them stored, half initial
        cls.server = cls.client.servers[0]

    @classmethod
    def good_push(cls, table, ids, values):
        answer = cls.client.servers[0].Push(cls.client.push_request(table, ids, values), timeout=30)
        assert not answer.results, answer
        return answer

    def setUp(self):
        self.before = self.rows()

    def tearDown(self):
        self.assert_unchanged()

    def rows(self):
        """Bits of all watched rows, and which of them are stored."""
        rows, stored = self.client.pull(self.table, self.ids)
        return rows.tobytes(), stored.tobytes()

    def assert_unchanged(self):
        self.assertEqual(self.rows(), self.before, "a refused request changed rows")

    def refused(self, method, request, code, *words):
        """The whole request, by a gRPC error: nothing was read or done."""
        deadline = time.monotonic() + 30
        while True:
            with self.assertRaises(grpc.RpcError) as caught:
                method(request, timeout=30)
            got, message = code_and_words(caught.exception)
            if got != "UNAVAILABLE" or time.monotonic() > deadline:  # it asks the meta store whether it is behind
                break
            time.sleep(0.02)
        self.assertEqual(got, code, message)
        for word in words:
            self.assertIn(str(word), message)
        self.assert_unchanged()

    def refused_both(self, changes, code, *words):
        """A pull and a push with the same fault."""
        self.refused(self.server.Pull, self.client.pull_request(self.table, self.ids, **changes), code, *words)
        self.refused(self.server.Push, self.client.push_request(self.table, self.ids, self.values, **changes), code, *words)

    def refused_in_results(self, answer, code, *words):
        """Every partition of the request, in the answer."""
        self.assertTrue(answer.results)
        for result in answer.results:
            self.assertEqual(result.code, code, result.message)
            for word in words:
                self.assertIn(str(word), result.message)

    # ---- tables and shapes

    def test_unknown_table(self):
        self.refused_both({"table_table_id": 999999}, "NOT_FOUND", "999999", "unknown")

    def test_dropped_table(self):
        gone = self.client.create_table("gone", DIM)
        self.client.admin.DropTable(self.client.admin_pb.DropTableRequest(name="gone"), timeout=30)
        self.refused_both({"table_table_id": gone.table_id}, "NOT_FOUND", gone.table_id, "dropped")

    def test_wrong_schema_version(self):
        for version in (0, 7):
            self.refused_both({"table_schema_version": version}, "FAILED_PRECONDITION", f"schema_version is {version}", "has 1")

    def test_wrong_dim(self):
        for dim in (0, DIM + 1, 2**32 - 1):
            self.refused_both({"table_dim": dim}, "INVALID_ARGUMENT", f"dim is {dim}", f"has {DIM}")

    def test_ids_that_are_no_multiple_of_8_bytes(self):
        self.refused_both({"table_ids": b"\1" * 7}, "INVALID_ARGUMENT", "ids has 7 bytes", "multiple of 8")

    def test_no_ids(self):
        self.refused_both({"table_ids": b""}, "INVALID_ARGUMENT", "ids is empty")

    def test_no_tables(self):
        pull, push = self.client.pull_request(self.table, self.ids), self.client.push_request(self.table, self.ids, self.values)
        for method, request in ((self.server.Pull, pull), (self.server.Push, push)):
            del request.tables[:]
            self.refused(method, request, "INVALID_ARGUMENT", "tables is empty")

    def test_values_of_other_length(self):
        for values in (b"", value_bytes(self.values)[:-1], value_bytes(self.values) + b"\0\0\0\0"):
            request = self.client.push_request(self.table, self.ids, self.values, table_values=values)
            self.refused(self.server.Push, request, "INVALID_ARGUMENT", f"values has {len(values)} bytes", f"need {self.values.nbytes}")

    def test_table_twice_in_a_push(self):
        request = self.client.push_request(self.table, self.ids, self.values)
        request.tables.append(request.tables[0])
        self.refused(self.server.Push, request, "INVALID_ARGUMENT", "tables[1]", "second")

    def test_reserved_reply_type(self):
        request = self.client.pull_request(self.table, self.ids, reply_dtype=self.client.schema_pb.DATA_TYPE_BFLOAT16)
        self.refused(self.server.Pull, request, "UNIMPLEMENTED", "reply_dtype 2")

    # ---- limits

    def test_too_many_rows(self):
        info = self.client.admin.GetServerInfo(self.client.admin_pb.GetServerInfoRequest(), timeout=30)
        ids = np.arange(info.max_rows_per_request + 1, dtype=np.uint64)
        self.refused(self.server.Pull, self.client.pull_request(self.table, ids), "INVALID_ARGUMENT", len(ids), info.max_rows_per_request)

    def test_message_over_the_limit(self):
        info = self.client.admin.GetServerInfo(self.client.admin_pb.GetServerInfoRequest(), timeout=30)
        request = self.client.push_request(self.table, self.ids, self.values, table_values=b"\0" * (info.max_message_bytes + 1))
        self.refused(self.server.Push, request, "RESOURCE_EXHAUSTED", info.max_message_bytes)

    def test_bytes_that_are_no_message(self):
        channel = grpc.insecure_channel(self.cluster.addresses[0])
        self.addCleanup(channel.close)
        for name in ("Pull", "Push"):
            self.refused(channel.unary_unary(f"/rowhouse.v1.EmbeddingService/{name}"), b"\xff" * 100, "INVALID_ARGUMENT")

    # ---- values

    def test_gradients_with_nan_or_infinity_are_skipped_and_counted(self):
        ids = self.client.ids_of_server(self.table, 0, 24)[20:]
        initial, _ = self.client.pull(self.table, ids)
        gradients = np.ones((4, DIM), np.float32)
        gradients[1, 2], gradients[3, 0] = math.nan, -math.inf
        answer = self.good_push(self.table, ids, gradients)
        self.assertEqual(answer.skipped_rows, 2)
        rows, stored = self.client.pull(self.table, ids)
        self.assertEqual(stored.tolist(), [True, False, True, False])
        expected = initial.copy()
        expected[[0, 2]] -= 1
        self.assertEqual(rows.tobytes(), expected.tobytes())

    def test_bad_learning_rate(self):
        for rate in (math.nan, -0.5, math.inf):
            request = self.client.push_request(self.table, self.ids, self.values, table_learning_rate=rate)
            self.refused(self.server.Push, request, "INVALID_ARGUMENT", "learning_rate", "finite")

    def test_id_outside_a_bounded_table(self):
        for bad in (BOUND, 2**64 - 1):
            ids = np.array([BOUND - 1, bad], dtype=np.uint64)
            words = ("INVALID_ARGUMENT", f"ids[1] is {bad}", f"0 to {BOUND - 1}")
            self.refused(self.server.Pull, self.client.pull_request(self.bounded, ids), *words)
            self.refused(self.server.Push, self.client.push_request(self.bounded, ids, self.values[:2]), *words)
        self.assertFalse(self.client.pull(self.bounded, [BOUND - 1])[1].any())

    # ---- history, epochs, owners

    def test_wrong_history(self):
        self.refused_both({"history": self.client.map.history ^ 1}, "FAILED_PRECONDITION", "history")

    def test_stale_epoch(self):
        """Of one partition: only it is refused, and it can be sent again with the same seq."""
        ids = self.client.ids_of_server(self.table, 0, 48)[32:]
        partitions = self.client.partitions(self.table, ids)
        stale = int(partitions[0])
        initial, _ = self.client.pull(self.table, ids)
        request = self.client.push_request(self.table, ids, np.ones((16, DIM), np.float32))
        request.epochs.add(partition=stale, epoch=self.client.map.epochs[stale] + 1)
        answer = self.server.Push(request, timeout=30)
        self.refused_in_results(answer, ABORTED, f"partition {stale}", "epoch")
        self.assertEqual([r.partition for r in answer.results], [stale])
        self.assertEqual(answer.results[0].epoch, self.client.map.epochs[stale])
        expected = np.where((partitions == stale)[:, None], initial, initial - 1)
        rows, stored = self.client.pull(self.table, ids)
        self.assertEqual(rows.tobytes(), expected.tobytes())
        self.assertEqual(stored.tolist(), (partitions != stale).tolist())

        del request.epochs[:]
        answer = self.server.Push(request, timeout=30)
        self.assertFalse(answer.results)
        self.assertEqual(answer.duplicate_parts, request.part_count - 1)
        self.assertEqual(self.client.pull(self.table, ids)[0].tobytes(), (initial - 1).tobytes())

        pull = self.client.pull_request(self.table, ids)
        pull.epochs.add(partition=stale, epoch=self.client.map.epochs[stale] + 1)
        answer = self.server.Pull(pull, timeout=30)
        self.refused_in_results(answer, ABORTED, f"partition {stale}", "epoch")
        expected = np.where((partitions == stale)[:, None], np.float32(0), initial - 1)
        self.assertEqual(answer.tables[0].values, expected.tobytes())

    def test_partition_of_another_server(self):
        ids = self.client.ids_of_server(self.table, 1, 8)
        answer = self.server.Push(self.client.push_request(self.table, ids, self.values[:8]), timeout=30)
        self.refused_in_results(answer, FAILED_PRECONDITION, "not owned by server 0", "GetPartitionMap")
        answer = self.server.Pull(self.client.pull_request(self.table, ids), timeout=30)
        self.refused_in_results(answer, FAILED_PRECONDITION, "not owned by server 0", "GetPartitionMap")
        self.assertFalse(self.client.pull(self.table, ids)[1].any())

    def test_partition_that_does_not_exist(self):
        request = self.client.push_request(self.table, self.ids, self.values)
        request.epochs.add(partition=8, epoch=1)
        self.refused(self.server.Push, request, "INVALID_ARGUMENT", "epochs[0].partition is 8", "0 to 7")

    # ---- writers

    def test_dead_writer(self):
        dead = Client(self.cluster, "twice")
        Client(self.cluster, "twice")
        answer = self.server.Push(dead.push_request(self.table, self.ids[:1], self.values[:1]), timeout=30)
        self.refused_in_results(answer, FAILED_PRECONDITION, f"writer {dead.writer} is dead")

    def test_no_writer_and_no_seq(self):
        for field in ("writer", "seq", "low", "part_count"):
            request = self.client.push_request(self.table, self.ids, self.values, **{field: 0})
            self.refused(self.server.Push, request, "INVALID_ARGUMENT", f"{field} is 0")

    def test_seq_above_the_window(self):
        writer = Client(self.cluster, "far-ahead")
        request = writer.push_request(self.table, self.ids, self.values, seq=257, low=1)
        self.refused(self.server.Push, request, "INVALID_ARGUMENT", "seq is 257", "256")

    def test_seq_below_the_window(self):
        writer = Client(self.cluster, "far-behind")
        nothing = np.zeros((1, DIM), np.float32)
        ids = self.ids[:1]  # a stored row that nothing was taken from
        self.assertFalse(self.server.Push(writer.push_request(self.table, ids, nothing, seq=9, low=9), timeout=30).results)
        answer = self.server.Push(writer.push_request(self.table, ids, self.values[1:2], seq=8, low=8), timeout=30)
        self.refused_in_results(answer, OUT_OF_RANGE, "seq 8", "begins at 9")

    def check_seq_again(self, field, other):
        """Applied once, then the same, then with another value of a field of its table."""
        ids = self.client.ids_of_server(self.table, 0, 49)[48:]
        request = self.client.push_request(self.table, ids, self.values[1:2])
        self.assertFalse(self.server.Push(request, timeout=30).results)
        rows, _ = self.client.pull(self.table, ids)
        answer = self.server.Push(request, timeout=30)
        self.assertEqual((len(answer.results), answer.duplicate_parts), (0, 1))
        setattr(request.tables[0], field, other)
        self.refused_in_results(self.server.Push(request, timeout=30), INVALID_ARGUMENT, f"seq {request.seq}", "other content")
        self.assertEqual(self.client.pull(self.table, ids)[0].tobytes(), rows.tobytes())

    def test_seq_again_with_other_values(self):
        self.check_seq_again("values", value_bytes(self.values[2:3]))

    def test_seq_again_with_another_learning_rate(self):
        self.check_seq_again("learning_rate", 0.5)

    # ---- after all of it

    def test_zz_server_is_well(self):
        self.assertEqual(self.cluster.http_code(0, "/readyz"), 200)
        ids = self.client.ids_of_server(self.table, 0, 50)[49:]
        self.good_push(self.table, ids, self.values[:1])
        self.assertTrue(self.client.pull(self.table, ids)[1].all())


if __name__ == "__main__":
    unittest.main()
