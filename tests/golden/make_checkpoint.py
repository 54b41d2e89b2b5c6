#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Writes checkpoint_rows.img, checkpoint_server.json and checkpoint_manifest.json, the golden files of docs/formats/checkpoint.md, from
that page alone: its own CRC-32C, its own protobuf encoding."""
import base64
import json
import os
import struct

CLUSTER, HISTORY, CHECKPOINT, SERVER = 0x0102030405060708, 0x1112131415161718, 0x2122232425262728, 2
FOLDER = os.path.dirname(os.path.abspath(__file__))


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def u64(*values):
    return struct.pack(f"<{len(values)}Q", *values)


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def block(seed, number, partition, table, row_bytes, rows):
    seed = crc32c(u64(number), seed)
    payload = u64(*(r[0] for r in rows)) + u64(*(r[1] for r in rows)) + b"".join(r[2] for r in rows)
    payload += bytes(-len(payload) % 8)
    header = b"RHBK" + u32(partition, table, row_bytes, len(rows), len(payload), crc32c(payload, seed))
    return header + u32(crc32c(header, seed)) + payload


def image():
    header = b"RHROWIMG" + u32(1, SERVER) + u64(CLUSTER, HISTORY, CHECKPOINT) + u32(0) + bytes(16)
    header += u32(crc32c(header))
    seed = crc32c(u64(CLUSTER, HISTORY, CHECKPOINT) + u32(SERVER, 0))
    rows = [(0xC000000000000001, 20, floats(1, 2, 0.5)), (0xC000000000000002, 0, floats(3, 4, 0.25)),
            (0xFFFFFFFFFFFFFFFF, 21, floats(5, 6, 0.125))]
    blocks = block(seed, 0, 3, 1, 4, [(0xD000000000000000, 19, floats(-1))]) + block(seed, 1, 3, 7, 12, rows)
    footer = b"RHND" + u32(0) + u64(4, 2) + u32(0)
    return header + blocks + footer + u32(crc32c(footer, seed))


def sealed(fields):
    fields = dict(fields, format_version=1)
    fields["checksum"] = f"{crc32c(json.dumps(fields, sort_keys=True, separators=(',', ':')).encode()):08x}"
    return (json.dumps(fields, sort_keys=True, indent=2) + "\n").encode()


def file(name, content):
    return {"name": name, "bytes": len(content), "crc32c": f"{crc32c(content):08x}"}


def server_manifest(rows):
    return sealed({"checkpoint": f"{CHECKPOINT:016x}", "server": SERVER,
                   "partitions": [{"partition": 3, "all_rows": True, "begin_lsn": 18, "cut_lsn": 2**48 - 1, "rows": 4}],
                   "images": [file("rows-000000.img", rows)],
                   "log": [{"name": "log/segment-00000000000000000001.log", "bytes": 528, "crc32c": "0000beef"}]})


def varint(field, value):
    assert field < 16 and value < 128
    return bytes([field << 3, value])


def message(field, content):
    return bytes([field << 3 | 2, len(content)]) + content


def fixed32(field, value):
    return bytes([field << 3 | 5]) + floats(value)


def schema(name, table, dim, optimizer):
    return (message(1, name.encode()) + varint(2, table) + varint(3, 1) + varint(4, dim) + varint(5, 1) + message(6, optimizer) +
            message(7, message(1, b"")) + bytes([8 << 3 | 1]) + u64(42) + varint(9, 1) + varint(11, 1) + varint(12, 1) + varint(15, 2))


def table(name, number, dim, optimizer):
    content = base64.b64encode(schema(name, number, dim, optimizer)).decode()
    return {"name": name, "table_id": str(number), "version": 1, "dim": dim, "schema": content}


def manifest(server):
    sgd = message(1, b"") + fixed32(15, 0.5)
    rowwise = message(3, fixed32(1, 0.25) + fixed32(2, 0.125)) + fixed32(15, 0.5)
    servers = [file(f"server-{i:04d}/SERVER.json", b"") for i in range(2)] + [file("server-0002/SERVER.json", server)]
    return sealed({"name": "day-2", "id": f"{CHECKPOINT:016x}", "kind": "incremental", "base": "day-1", "base_id": "0" * 15 + "7",
                   "cluster": f"{CLUSTER:016x}", "history": f"{HISTORY:016x}", "partitions": 4, "hash_version": 1,
                   "begin_unix_micros": 1700000000000000, "cut_unix_micros": 1700000060000000, "hold_micros": 1500, "servers": servers,
                   "tables": [table("bias", 1, 1, sgd), table("item", 7, 2, rowwise)],
                   "writers": [{"name": "trainer-0", "writer": "3", "complete_seq": "18446744073709551615", "step": "12"},
                               {"name": "", "writer": "9007199254740993", "complete_seq": "1", "step": "0"}],
                   "incomplete": [{"writer": "3", "seq": "17", "part_count": 4, "parts": 1}],
                   "highest_table": "9", "highest_writer": "9007199254740994", "rows": 4, "bytes": 4096})


def main():
    rows = image()
    server = server_manifest(rows)
    for name, content in ("checkpoint_rows.img", rows), ("checkpoint_server.json", server), ("checkpoint_manifest.json", manifest(server)):
        with open(os.path.join(FOLDER, name), "wb") as out:
            out.write(content)


if __name__ == "__main__":
    main()
