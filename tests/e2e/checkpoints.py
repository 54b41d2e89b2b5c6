# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Clusters with checkpoints, a trainer that pushes to them all the time, and the checkpoint service over plain gRPC."""
import json
import os
import tempfile
import shutil
import subprocess
import sys
import threading

import grpc
import numpy as np
import wire
from cluster import ROWHOUSE, SOURCE, Cluster, run


def _stubs():
    directory = wire._directory
    subprocess.run(["protoc", f"--proto_path={SOURCE}/proto", f"--python_out={directory}", "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin",
                    f"--grpc_out={directory}", "rowhouse/v1/checkpoint_service.proto"], check=True)
    import rowhouse.v1.checkpoint_service_pb2 as pb
    import rowhouse.v1.checkpoint_service_pb2_grpc as service
    return pb, service


pb, _service = _stubs()


class Checkpointed(Cluster):
    """With a directory for checkpoints; `own` has flags of one server in place of it."""

    def __init__(self, servers=3, partitions=16, keep_log=True, extra=(), own=None, checkpoints=None, budget="192MiB"):
        super().__init__(servers, partitions, budget, [*(["--checkpoint-keep-log"] if keep_log else []), *extra])
        self.checkpoints = checkpoints or os.path.join(self.directory, "checkpoints")
        self.own = own or {}

    def command(self, index):
        return [*super().command(index), *self.own.get(index, ["--checkpoint-directory", self.checkpoints])]

    def checkpoint(self, *words, check=True):
        return self.cli("checkpoint", *words, check=check)

    def make(self, *words):
        """Creates one; its job."""
        return json.loads(self.checkpoint(*words, "-o", "json").stdout)

    def job(self):
        return json.loads(self.checkpoint("status", "-o", "json").stdout)

    def names(self):
        return [one["name"] for one in json.loads(self.checkpoint("list", "-o", "json").stdout)]

    def left(self):
        """What is in the directory."""
        return sorted(os.listdir(self.checkpoints)) if os.path.isdir(self.checkpoints) else []

    def folder(self, name):
        return os.path.join(self.checkpoints, name)

    def digest(self, *tables):
        return self.cli("table", "digest", *tables).stdout

    def service(self):
        """The checkpoint service of server 0, on a connection of its own."""
        channel = grpc.insecure_channel(self.addresses[0], [("grpc.use_local_subchannel_pool", 1)])
        return _service.CheckpointServiceStub(channel)


class Restored(Checkpointed):
    """The servers of an offline restore."""

    def __init__(self, data, servers, partitions, **kwargs):
        super().__init__(servers, partitions, **kwargs)
        self.data = data

    def data_dir(self, index):
        return os.path.join(self.data, f"server-{index}")


class Load:
    """A trainer that pushes to two tables, and deletes rows of one, until it is stopped. A context manager."""
    ROWS, DIM = 3000, 8

    def __init__(self, cluster, writer="trainer", tables=None):
        self.client = wire.Client(cluster, writer)
        self.tables = tables or [self.client.create_table(name, self.DIM, optimizer=self.client.schema_pb.Optimizer(
            learning_rate=0.1, adagrad=self.client.schema_pb.AdagradOptimizer(epsilon=1e-8))) for name in ("user", "item")]
        self.random = np.random.default_rng(7)
        self.pushes, self.error, self.ending = 0, None, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def push(self, table):
        ids = np.unique(self.random.integers(0, self.ROWS, 64)).astype(np.uint64)
        self.client.push(table, ids, self.random.standard_normal((len(ids), self.DIM)).astype(np.float32))
        self.pushes += 1

    def delete(self, table):
        ids = np.unique(self.random.integers(0, self.ROWS, 8)).astype(np.uint64)
        self.client.seq += 1
        parts = self.client.split(table, ids)
        for server, (indices, _) in parts.items():
            request = wire.pb.DeleteRequest(
                history=self.client.map.history, map_version=self.client.map.map_version, writer=self.client.writer, seq=self.client.seq,
                low=self.client.seq, part_count=sum(len(p) for _, p in parts.values()), table_id=table.table_id,
                schema_version=table.schema_version, ids=wire.id_bytes(ids[indices]))
            self.client.call(self.client.servers[server].Delete, request)

    def _run(self):
        try:
            while not self.ending.is_set():
                for table in self.tables:
                    self.push(table)
                self.delete(self.tables[0])
        except BaseException as error:  # told by stop
            self.error = error

    def stop(self):
        self.ending.set()
        if self.thread.ident is not None:
            self.thread.join()
        if self.error is not None:
            raise AssertionError(f"the trainer failed: {self.error}") from self.error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.ending.set()
            self.thread.join()


def fill(client, name, rows, dim):
    """A table with that many rows."""
    table = client.create_table(name, dim)
    values = np.random.default_rng(3).standard_normal((rows, dim)).astype(np.float32)
    for begin in range(0, rows, 20000):
        ids = np.arange(begin, min(begin + 20000, rows), dtype=np.uint64)
        client.push(table, ids, values[begin:begin + len(ids)])
    return table


def measured(text):
    print(f"\nmeasured: {text}", file=sys.stderr)


NAMES = ("CHECKPOINT_PHASE_" + name for name in ("IMAGE", "WAITING", "CUT", "LOG", "PUBLISH", "DONE", "FAILED", "CANCELLED"))
IMAGE, WAITING, CUT, LOG, PUBLISH, DONE, FAILED, CANCELLED = (pb.CheckpointPhase.Value(name) for name in NAMES)


def temporary(test):
    directory = tempfile.mkdtemp(prefix="rowhouse-e2e-")
    test.addCleanup(shutil.rmtree, directory, ignore_errors=True)
    return directory


def restore(*words, check=True):
    return run(ROWHOUSE, "checkpoint", "restore", *words, check=check)
