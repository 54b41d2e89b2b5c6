#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Rowhouse from Python without a client library: gRPC stubs made from the protos, NumPy for rows.

Everything a client in another language needs is here: the partition map, the routing hash, initial rows, a registered writer,
exactly-once pushes (the same seq again after a failure), pulls from several servers, checksums from end to end.

  plain_grpc.py --address 127.0.0.1:7600    make a table, pull, push, check Adagrad against NumPy, drop the table
  plain_grpc.py --golden tests/golden       check this file's routing hash and initial rows against the golden vectors

Needs (Debian): python3-grpcio python3-numpy python3-protobuf protobuf-compiler protobuf-compiler-grpc.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GAMMA = np.uint64(0x9E3779B97F4A7C15)
RETRY_SECONDS = 30
# google.rpc.Code of answers that may be sent again as they are.
RESOURCE_EXHAUSTED, UNAVAILABLE = 8, 14


def mix64(x):
    """SplitMix64's finalizer on an array of uint64; arithmetic is modulo 2^64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def words(values):
    return np.array(values, dtype=np.uint64)


def routing_hash(table, ids):
    """docs/formats/routing-hash.md: hashes of an array of ids of one table."""
    return mix64(words(ids) + mix64(words([table]) + GAMMA))


def partition_of(hashes, partition_count):
    """The top log2(P) bits."""
    bits = partition_count.bit_length() - 1
    return np.zeros(len(hashes), np.uint64) if bits == 0 else hashes >> np.uint64(64 - bits)


def uniform_rows(seed, ids, dim, low, high):
    """docs/formats/initial-rows.md, initializer uniform: float32, shape (len(ids), dim)."""
    low, high = np.float32(low), np.float32(high)
    key = mix64(mix64(words([seed]) + GAMMA) + words(ids))
    columns = np.arange(1, dim + 1, dtype=np.uint64)
    bits = mix64(key[:, None] + columns[None, :] * GAMMA)
    u = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    rows = low + (high - low) * u
    return np.where((rows == high) & (low < high), np.nextafter(high, low), rows)


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc32c(data, crc=0):
    """CRC-32C of bytes, continued from `crc`. Slow: the package google-crc32c has a fast one."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def with_checksum(message, crc):
    """The field `checksum`, tag 0x75 and four bytes, in front of a serialized message: what is sent is still that message."""
    return b"\x75" + crc.to_bytes(4, "little") + message


def check_golden(directory):
    """The number of vectors checked; AssertionError at the first that differs."""
    checked = 0
    for vector in json.loads((directory / "routing.json").read_text())["vectors"]:
        hashes = routing_hash(vector["table"], [int(vector["id"])])
        assert int(hashes[0]) == int(vector["hash"], 16), vector
        for count, partition in vector["partitions"].items():
            assert int(partition_of(hashes, int(count))[0]) == partition, vector
        checked += 1
    for case in json.loads((directory / "initial_rows.json").read_text())["cases"]:
        dim, expected = case["dim"], words([int(b, 16) for b in case["row_bits"]]).astype(np.uint32)

        def number(key):
            return words([int(case[key], 16)]).astype(np.uint32).view(np.float32)[0]

        if case["initializer"] == "zeros":
            row = np.zeros(dim, np.float32)
        elif case["initializer"] == "constant":
            row = np.full(dim, number("value_bits"))
        else:
            bound = np.float32(1) / np.sqrt(np.float32(dim))
            low, high = (number("low_bits"), number("high_bits")) if case["initializer"] == "uniform" else (-bound, bound)
            row = uniform_rows(int(case["seed"], 16), [int(case["id"], 16)], dim, low, high)[0]
        assert np.array_equal(row.astype(np.float32).view(np.uint32), expected), case
        checked += 1
    for vector in json.loads((directory / "checksums.json").read_text())["vectors"]:
        request, answer = bytes.fromhex(vector["request"]), bytes.fromhex(vector["answer"])
        assert with_checksum(request, crc32c(request)).hex() == vector["request_on_wire"], vector
        assert with_checksum(answer, crc32c(answer, crc32c(request))).hex() == vector["answer_on_wire"], vector
        checked += 1
    return checked


def import_stubs(directory):
    """Makes the stubs in `directory` and imports them."""
    plugin = shutil.which("grpc_python_plugin")
    if plugin is None or shutil.which("protoc") is None:
        sys.exit("plain_grpc.py needs protoc and grpc_python_plugin (Debian: protobuf-compiler protobuf-compiler-grpc)")
    protos = [f"rowhouse/v1/{name}.proto" for name in ("table_schema", "embedding_service", "admin_service")]
    subprocess.run(["protoc", f"--proto_path={ROOT / 'proto'}", f"--python_out={directory}",
                    f"--plugin=protoc-gen-grpc={plugin}", f"--grpc_out={directory}", *protos], check=True)
    sys.path.insert(0, directory)
    import rowhouse.v1.admin_service_pb2 as admin
    import rowhouse.v1.admin_service_pb2_grpc as admin_grpc
    import rowhouse.v1.embedding_service_pb2 as embedding
    import rowhouse.v1.embedding_service_pb2_grpc as embedding_grpc
    import rowhouse.v1.table_schema_pb2 as schema
    return admin, admin_grpc, embedding, embedding_grpc, schema


class Cluster:
    """Connections to all servers, the partition map, and one writer. checksums: of pulls and pushes and their answers."""

    def __init__(self, address, stubs, checksums=False):
        import grpc
        self.grpc = grpc
        self.admin_pb, admin_grpc, self.pb, embedding_grpc, self.schema_pb = stubs
        options = [("grpc.max_receive_message_length", 64 << 20)]
        self.admin = admin_grpc.AdminServiceStub(grpc.insecure_channel(address, options))
        self.map = self.admin.GetPartitionMap(self.admin_pb.GetPartitionMapRequest(), timeout=10, wait_for_ready=True)
        channels = {s.server: grpc.insecure_channel(s.address, options) for s in self.map.servers}
        self.servers = {server: embedding_grpc.EmbeddingServiceStub(channel) for server, channel in channels.items()}
        if checksums:
            for server, stub in self.servers.items():
                stub.Pull = self.checked(channels[server], "Pull", self.pb.PullResponse)
                stub.Push = self.checked(channels[server], "Push", self.pb.PushResponse)
        self.writer, self.seq, self.damaged_answers = 0, 0, 0

    def checked(self, channel, method, answer_type):
        """A method as the stub has it, with a checksum in front of each request. Its answer's continues the request's; one without it,
        or with another, was damaged on its way, and is asked for again, as a lost one is."""
        send = channel.unary_unary(f"/rowhouse.v1.EmbeddingService/{method}")  # bytes in, bytes out

        def call(request, timeout, wait_for_ready=False):
            message = request.SerializeToString()
            crc = crc32c(message)
            deadline = time.monotonic() + RETRY_SECONDS
            while True:
                answer = send(with_checksum(message, crc), timeout=timeout, wait_for_ready=wait_for_ready)
                if answer[:5] == with_checksum(b"", crc32c(answer[5:], crc)):
                    return answer_type.FromString(answer)
                self.damaged_answers += 1
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no answer of {method} has the right checksum within {RETRY_SECONDS} s")

        return call

    def register_writer(self, name):
        request = self.admin_pb.RegisterWriterRequest(name=name)
        self.writer = self.admin.RegisterWriter(request, timeout=10).writer

    def split(self, table, ids):
        """{server: (indices of its ids, the partitions they touch)}."""
        partitions = partition_of(routing_hash(table.table_id, ids), len(self.map.owners)).astype(np.int64)
        owners = np.array(self.map.owners)[partitions]
        return {int(server): (np.flatnonzero(owners == server), sorted(set(partitions[owners == server].tolist())))
                for server in np.unique(owners)}

    def call(self, method, request):
        """Sends until the answer has no part that may be sent again. Sending a push again is safe: its seq is the same."""
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            try:
                answer = method(request, timeout=10, wait_for_ready=True)
                if not answer.results:
                    return answer
                worst = answer.results[0]
                if any(r.code not in (RESOURCE_EXHAUSTED, UNAVAILABLE) for r in answer.results):
                    raise RuntimeError(f"partition {worst.partition}: code {worst.code}: {worst.message}")
                wait = max(r.retry_after_ms for r in answer.results) / 1000
            except self.grpc.RpcError as error:
                if error.code() not in (self.grpc.StatusCode.UNAVAILABLE, self.grpc.StatusCode.DEADLINE_EXCEEDED,
                                        self.grpc.StatusCode.RESOURCE_EXHAUSTED):
                    raise
                wait = 0.1
            if time.monotonic() > deadline:
                raise TimeoutError(f"no success within {RETRY_SECONDS} s")
            time.sleep(max(wait, 0.01))

    def epochs(self, partitions):
        return [self.pb.PartitionEpoch(partition=p, epoch=self.map.epochs[p]) for p in partitions]

    def pull(self, table, ids):
        """(rows, stored): float32 of shape (n, dim), and for each id whether it was ever pushed."""
        ids = words(ids)
        rows, stored = np.empty((len(ids), table.dim), np.float32), np.empty(len(ids), bool)
        for server, (indices, partitions) in self.split(table, ids).items():
            request = self.pb.PullRequest(
                history=self.map.history, map_version=self.map.map_version, epochs=self.epochs(partitions),
                tables=[self.pb.PullTable(table_id=table.table_id, schema_version=table.schema_version, dim=table.dim,
                                          ids=ids[indices].astype("<u8").tobytes())])
            answer = self.call(self.servers[server].Pull, request).tables[0]
            rows[indices] = np.frombuffer(answer.values, "<f4").reshape(len(indices), table.dim)
            bits = np.unpackbits(np.frombuffer(answer.stored, np.uint8), bitorder="little")
            stored[indices] = bits[:len(indices)].astype(bool)
        return rows, stored

    def push(self, table, ids, gradients):
        """Applies the gradients once, waits, and gives the requests, for whoever wants to send them again."""
        ids = words(ids)
        self.seq += 1
        parts = self.split(table, ids)
        requests = {
            server: self.pb.PushRequest(
                history=self.map.history, map_version=self.map.map_version, epochs=self.epochs(partitions),
                writer=self.writer, seq=self.seq, low=self.seq, step=self.seq, kind=self.pb.PUSH_KIND_GRADIENT,
                part_count=sum(len(p) for _, p in parts.values()),
                tables=[self.pb.PushTable(table_id=table.table_id, schema_version=table.schema_version, dim=table.dim,
                                          ids=ids[indices].astype("<u8").tobytes(),
                                          values=gradients[indices].astype("<f4").tobytes())])
            for server, (indices, partitions) in parts.items()}
        for server, request in requests.items():
            self.call(self.servers[server].Push, request)
        return requests


def adagrad(weights, state, gradients, learning_rate, epsilon):
    """docs/formats: s += g*g; w -= learning_rate * g / (sqrt(s) + epsilon), in float32."""
    state += gradients * gradients
    weights -= np.float32(learning_rate) * gradients / (np.sqrt(state) + np.float32(epsilon))


def run(address, stubs):
    cluster = Cluster(address, stubs, checksums=True)
    print(f"{len(cluster.servers)} servers, {len(cluster.map.owners)} partitions, history {cluster.map.history:016x}")
    name = f"plain_grpc.{os.getpid()}.{time.time_ns()}"
    schema = cluster.schema_pb.TableSchema(
        name=name, dim=8, seed=7,
        optimizer=cluster.schema_pb.Optimizer(learning_rate=0.1, adagrad=cluster.schema_pb.AdagradOptimizer(epsilon=1e-8)),
        initializer=cluster.schema_pb.Initializer(uniform=cluster.schema_pb.UniformInitializer(low=-0.05, high=0.05)))
    table = cluster.admin.CreateTable(cluster.admin_pb.CreateTableRequest(schema=schema), timeout=10).schema
    try:
        cluster.register_writer(name)
        ids = np.concatenate([np.arange(1000, dtype=np.uint64), words([2**63, 2**64 - 1])])
        rows, stored = cluster.pull(table, ids)
        expected, state = uniform_rows(7, ids, 8, -0.05, 0.05), np.zeros((len(ids), 8), np.float32)
        assert np.array_equal(rows, expected) and not stored.any(), "initial rows differ from docs/formats/initial-rows.md"
        print(f"pulled {len(ids)} initial rows: as computed here")

        random = np.random.default_rng(1)
        for _ in range(3):
            gradients = random.standard_normal((len(ids), 8)).astype(np.float32)
            requests = cluster.push(table, ids, gradients)
            adagrad(expected, state, gradients, 0.1, 1e-8)
        rows, stored = cluster.pull(table, ids)
        assert np.array_equal(rows, expected) and stored.all(), "rows differ from Adagrad in NumPy"
        print(f"pushed 3 times {len(ids)} gradients: the same bits as Adagrad in NumPy")

        duplicates = sum(cluster.call(cluster.servers[server].Push, request).duplicate_parts
                         for server, request in requests.items())
        rows, _ = cluster.pull(table, ids)
        assert np.array_equal(rows, expected), "a push that was sent again was applied again"
        assert duplicates == next(iter(requests.values())).part_count, f"{duplicates} duplicate parts"
        print(f"sent the last push again: {duplicates} parts, none applied twice")
    finally:
        cluster.admin.DropTable(cluster.admin_pb.DropTableRequest(name=name), timeout=10)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="127.0.0.1:7600", help="any server of the cluster (default %(default)s)")
    parser.add_argument("--golden", type=pathlib.Path, help="check against the golden vectors of this directory instead")
    flags = parser.parse_args()
    if flags.golden:
        print(f"{check_golden(flags.golden)} golden vectors: all as computed here")
        return
    with tempfile.TemporaryDirectory(prefix="rowhouse_stubs_") as directory:
        run(flags.address, import_stubs(directory))


if __name__ == "__main__":
    main()
