#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Writes initial_rows.json, the golden vectors of docs/formats/initial-rows.md, from the definition alone.

Python floats are binary64. The sum, difference, product, quotient or root of two binary32 values computed in binary64 and then
rounded to binary32 is the correctly rounded binary32 result, because 53 >= 2 * 24 + 2; f32() is that rounding.
"""
import json
import math
import os
import struct

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def mix64(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def bits32(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def below(x):
    """The largest binary32 value below x."""
    if x == 0:
        return -f32(2.0**-149)
    b = bits32(x)
    return struct.unpack("<f", struct.pack("<I", b - 1 if x > 0 else b + 1))[0]


def uniform_row(seed, row_id, dim, low, high):
    key = mix64((mix64((seed + GAMMA) & MASK) + row_id) & MASK)
    row = []
    for column in range(dim):
        bits = mix64((key + (column + 1) * GAMMA) & MASK)
        u = (bits >> 40) * 2.0**-24
        value = f32(low + f32(f32(high - low) * u))
        row.append(below(high) if low < high and value == high else value)
    return row


def case(initializer, seed, row_id, dim, value=0.0, low=0.0, high=0.0):
    value, low, high = f32(value), f32(low), f32(high)
    if initializer == "zeros":
        row = [0.0] * dim
    elif initializer == "constant":
        row = [value] * dim
    elif initializer == "uniform":
        row = uniform_row(seed, row_id, dim, low, high)
    else:
        bound = f32(1.0 / f32(math.sqrt(dim)))
        row = uniform_row(seed, row_id, dim, -bound, bound)
    out = {"initializer": initializer, "seed": "0x%016x" % seed, "id": "0x%016x" % row_id, "dim": dim}
    if initializer == "constant":
        out["value_bits"] = "0x%08x" % bits32(value)
    if initializer == "uniform":
        out["low_bits"], out["high_bits"] = "0x%08x" % bits32(low), "0x%08x" % bits32(high)
    out["row_bits"] = ["0x%08x" % bits32(v) for v in row]
    return out


def main():
    cases = [case("zeros", 1, 2, 3), case("constant", 1, 2, 3, value=0.1), case("constant", 0, 0, 2, value=-0.0)]
    for seed in (0, 1, 42, 0x9E3779B97F4A7C15, MASK):
        for row_id in (0, 1, 2, 1 << 32, 1 << 63, MASK):
            cases.append(case("uniform", seed, row_id, 5, low=-0.05, high=0.05))
            cases.append(case("inverse_sqrt_dim", seed, row_id, 3))
    for dim in (1, 7, 16, 39):
        cases.append(case("inverse_sqrt_dim", 7, 123456789, dim))
        cases.append(case("uniform", 7, 123456789, dim, low=0.0, high=1.0))
    # A range of one unit in the last place: every draw of a half or more rounds to high and becomes the float below it.
    cases.append(case("uniform", 3, 9, 16, low=1.0, high=1.0 + 2.0**-23))
    cases.append(case("uniform", 3, 9, 4, low=2.5, high=2.5))
    cases.append(case("uniform", 3, 9, 8, low=-(2.0**-149), high=0.0))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "initial_rows.json")
    with open(path, "w", encoding="ascii") as out:
        out.write('{"format": "docs/formats/initial-rows.md", "version": 1, "cases": [\n')
        out.write(",\n".join(json.dumps(c) for c in cases))
        out.write("\n]}\n")


if __name__ == "__main__":
    main()
