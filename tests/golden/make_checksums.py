#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Writes checksums.json, the golden vectors of what proto/rowhouse/v1/embedding_service.proto says of checksums, from that text alone:
its own CRC-32C, its own protobuf encoding. Each vector has a request and an answer as a generated writer makes them, their checksums,
and the bytes that go over the wire; all in hex."""
import json
import os
import struct

TAG = b"\x75"  # field 14, fixed32


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def fixed64(field, value):
    return varint(field << 3 | 1) + struct.pack("<Q", value)


def data(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def with_checksum(message, crc):
    return TAG + struct.pack("<I", crc) + message


def vector(method, request, answer):
    """The answer's checksum is that of the request's bytes followed by the answer's, both without their checksums."""
    of_request = crc32c(request)
    of_answer = crc32c(answer, of_request)
    assert of_answer == crc32c(request + answer)
    return {"method": method, "request": request.hex(), "request_checksum": f"{of_request:08x}",
            "request_on_wire": with_checksum(request, of_request).hex(), "answer": answer.hex(),
            "answer_checksum": f"{of_answer:08x}", "answer_on_wire": with_checksum(answer, of_answer).hex()}


def vectors():
    ids, rows = struct.pack("<2Q", 7, 1 << 40), struct.pack("<4f", 0.5, -1.25, 3.0, 0.0)
    history, epoch = fixed64(1, 0x0123456789ABCDEF), data(3, number(1, 200) + number(2, 3))
    table = number(1, 1) + number(2, 1) + number(3, 2)
    pull = history + number(2, 300) + epoch + number(5, 1) + data(15, table + data(4, ids))
    pulled = number(1, 300) + data(15, number(1, 1) + number(2, 1) + data(3, b"\x03") + data(4, rows))
    push = (history + number(2, 300) + epoch + number(5, 7) + number(6, 300) + number(7, 299) + number(8, 1) + number(12, 1)
            + data(15, table + data(5, ids) + data(7, rows)))
    failure = number(1, 200) + number(2, 8) + number(3, 3) + number(4, 12) + number(5, 50) + data(6, b"no room")
    delete = history + number(2, 300) + number(3, 7) + number(4, 301) + number(5, 299) + number(6, 1) + number(7, 1) + number(8, 1) + data(9, ids)
    return [vector("Pull", pull, pulled), vector("Push", push, number(1, 300) + number(3, 1)),
            vector("Push", push, number(1, 300) + data(2, failure)), vector("Delete", delete, number(2, 1)), vector("Delete", delete, b"")]


def main():
    assert crc32c(b"123456789") == 0xE3069283
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checksums.json")
    with open(path, "w", encoding="ascii") as out:
        json.dump({"check_of_123456789": "e3069283", "vectors": vectors()}, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
