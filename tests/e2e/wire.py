# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A plain gRPC client for the tests: that of examples/python/plain_grpc.py, and requests that a well-behaved client never sends."""
import atexit
import importlib
import os
import shutil
import subprocess
import sys
import tempfile

import grpc
import numpy as np
from cluster import SOURCE

sys.path.insert(0, os.path.join(SOURCE, "examples", "python"))
import plain_grpc  # noqa: E402

_directory = tempfile.mkdtemp(prefix="rowhouse-stubs-")
atexit.register(shutil.rmtree, _directory, ignore_errors=True)
STUBS = plain_grpc.import_stubs(_directory)
_, _, pb, embedding_grpc, schema_pb = STUBS


def import_messages(name):
    """The messages of another proto of ours, such as rowhouse/v1/checkpoint_service."""
    subprocess.run(["protoc", f"--proto_path={SOURCE}/proto", f"--python_out={_directory}", f"{name}.proto"], check=True)
    importlib.invalidate_caches()  # the file is younger than what the importer knows of the folder
    return importlib.import_module(name.replace("/", ".") + "_pb2")


def id_bytes(ids):
    return np.asarray(ids, dtype="<u8").tobytes()


def value_bytes(values):
    return np.asarray(values, dtype="<f4").tobytes()


class Client(plain_grpc.Cluster):
    """All servers of a cluster.Cluster, one writer."""

    def __init__(self, cluster, writer="e2e"):
        # All channels of a process to one address share a connection; that of a server that was killed may not be known to be dead.
        for attempt in range(10):
            try:
                super().__init__(cluster.addresses[0], STUBS)
                break
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or attempt == 9:
                    raise
        self.register_writer(writer)

    def create_table(self, name, dim, **fields):
        """SGD with learning rate 1 and initial rows that are uniform in [-1, 1), unless told otherwise."""
        fields.setdefault("optimizer", schema_pb.Optimizer(learning_rate=1.0, sgd=schema_pb.SgdOptimizer()))
        fields.setdefault("initializer", schema_pb.Initializer(uniform=schema_pb.UniformInitializer(low=-1.0, high=1.0)))
        request = self.admin_pb.CreateTableRequest(schema=schema_pb.TableSchema(name=name, dim=dim, **fields))
        return self.admin.CreateTable(request, timeout=30).schema

    def partitions(self, table, ids):
        return plain_grpc.partition_of(plain_grpc.routing_hash(table.table_id, ids), len(self.map.owners)).astype(np.int64)

    def ids_of_server(self, table, server, count):
        """The `count` lowest ids that a server owns."""
        ids = np.arange(count * 64 * len(self.servers), dtype=np.uint64)
        owners = np.array(self.map.owners)[self.partitions(table, ids)]
        return ids[owners == server][:count]

    def in_hash_order(self, table, ids):
        """As they lie in the spill."""
        ids = np.asarray(ids, dtype=np.uint64)
        return ids[np.argsort(plain_grpc.routing_hash(table.table_id, ids), kind="stable")]

    def pull_request(self, table, ids, **changes):
        """For the ids of one server. `changes` of tables[0] begin with "table_"."""
        request = pb.PullRequest(history=self.map.history, map_version=self.map.map_version)
        request.tables.add(table_id=table.table_id, schema_version=table.schema_version, dim=table.dim, ids=id_bytes(ids))
        return _change(request, changes)

    def push_request(self, table, ids, values, kind=pb.PUSH_KIND_GRADIENT, **changes):
        """For the ids of one server, with the writer's next seq; `changes` as in pull_request."""
        self.seq += 1
        request = pb.PushRequest(history=self.map.history, map_version=self.map.map_version, writer=self.writer, seq=self.seq,
                                 low=self.seq, kind=kind, part_count=len(set(self.partitions(table, ids).tolist())))
        request.tables.add(table_id=table.table_id, schema_version=table.schema_version, dim=table.dim, ids=id_bytes(ids),
                           values=value_bytes(values))
        return _change(request, changes)

    def push_rows(self, table, ids, values, kind, server=0):
        """Applies once, waiting for a server that is full."""
        return self.call(self.servers[server].Push, self.push_request(table, ids, values, kind))


def _change(request, changes):
    for name, value in changes.items():
        if name.startswith("table_"):
            setattr(request.tables[0], name[len("table_"):], value)
        else:
            setattr(request, name, value)
    return request


def code_and_words(error):
    """(name of the code, message) of a grpc.RpcError."""
    assert isinstance(error, grpc.RpcError), error
    return error.code().name, error.details()
