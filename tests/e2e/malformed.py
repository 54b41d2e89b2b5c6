# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Malformed inputs for test_malformed.py: generators, the same from the same seed."""
import gzip
import itertools
import struct
import zlib

from http2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS,
                   WINDOW_UPDATE, begin, call, frame, header, integer, message, request_fields)

LARGE = (0x7F, 0x80, 0x4000, 1 << 20, (1 << 31) - 1, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1)


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    out.append(value)
    return bytes(out)


def tag(field, wire_type):
    return varint(field << 3 | wire_type)


# ---- bodies of messages

def of_no_message():
    """Bytes that are no message of any kind."""
    for size in (1, 2, 3, 9, 10, 11, 12, 100):
        yield b"\xff" * size  # a tag that does not end
        yield tag(1, 0) + b"\xff" * size  # a number that does not
    for field in (1, 2, 15, 100, (1 << 29) - 1):
        for length in LARGE:
            yield tag(field, 2) + varint(length) + b"x" * 8  # a length beyond the end
        for wire_type in (6, 7):
            yield tag(field, wire_type) + b"\0" * 16
        yield tag(field, 4)  # the end of a group that did not begin
        yield tag(field, 3)  # a group that does not end
        yield tag(field, 3) + tag(field + 1 if field < 1000 else 1, 4)
        yield tag(field, 1) + b"\0" * 7
        yield tag(field, 5) + b"\0" * 3
    yield b"\0"  # field 0
    yield b"\0\0"
    yield tag(1 << 29, 0) + b"\1"
    yield tag(20, 3) * 10000
    yield b"\x80" * 5 + b"\1"


def damaged(whole, random):
    """A message and what becomes of it: cut at each byte, a bit flipped in each, fields again, of other types, unknown and many."""
    for size in range(len(whole)):
        yield whole[:size]
    for at in range(len(whole)):
        yield whole[:at] + bytes([whole[at] ^ 1 << random.randrange(8)]) + whole[at + 1:]
    for field in range(1, 17):
        for wire_type in (0, 1, 2, 5):
            yield whole + tag(field, wire_type) + {0: b"\1", 1: b"\1" * 8, 2: b"\3\1\1\1", 5: b"\1" * 4}[wire_type]
        for length in LARGE[2:]:
            yield whole + tag(field, 2) + varint(length)
        yield whole + tag(field, 0) + b"\xff" * 9 + b"\1"  # the largest number
        yield whole + tag(field, 0) + b"\xff" * 9 + b"\2"  # and one beyond it
        yield whole + tag(field, 0) + b"\x80" * 9 + b"\0"  # 0, as long as it can be
    for count in (2, 50):
        yield whole * count
    for depth in (1, 10, 31, 32, 33, 34, 99, 101, 5000):
        yield whole + tag(30, 3) * depth + tag(30, 4) * depth
    for field in (1000, (1 << 29) - 1):
        yield whole + tag(field, 2) + b"\4\xff\xfe\xfd\xfc"
    for count in (4096, 4097, 20000):
        for field in (3, 15):
            yield whole + (tag(field, 2) + b"\0") * count  # two bytes each
    for _ in range(100):
        mutated = bytearray(whole)
        for _ in range(1 + random.randrange(4)):
            at = random.randrange(len(mutated) + 1)
            mutated[at:at + random.randrange(4)] = bytes(random.randrange(256) for _ in range(random.randrange(4)))
        yield bytes(mutated)
    yield from of_no_message()


# ---- calls whose frames, lengths or headers are wrong. (bytes after the connection's beginning, whether an answer must come)

def wrong_lengths(path, body):
    """A message whose prefix says another length."""
    said = sorted({0, 1, 2, len(body) - 1, len(body) + 1, len(body) * 2, 1 << 16, 1 << 20, 8 << 20, (8 << 20) + 1, 64 << 20, (64 << 20) + 1,
                   1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1})
    for length in said:
        yield call(path, message(body, length=length)), True
        yield call(path, message(body, length=length), end=False), False
    for size in range(5):
        yield call(path, message(body)[:size]), True
    yield call(path, message(body) * 2), True
    yield call(path, message(body) + b"\0"), True
    yield call(path, b""), True
    yield call(path, message(b"") * 1000), True


def compressed(path, body):
    """Compression, which a server refuses: bombs too."""
    bomb = b"\0" * (32 << 20)
    packed = {"gzip": gzip.compress(bomb, 1), "deflate": zlib.compress(bomb, 1)}
    for encoding, data in packed.items():
        yield call(path, message(data, compressed=1), changes={"grpc-encoding": encoding}), True
        yield call(path, message(data[:1000], compressed=1), changes={"grpc-encoding": encoding}), True
    for encoding in (None, "identity", "gzip", "deflate", "snappy", "zstd", "", "x" * 200, "gzip,gzip", b"\xff\0"):
        yield call(path, message(body, compressed=1), changes={"grpc-encoding": encoding}), True
        yield call(path, message(body), changes={"grpc-encoding": encoding}), True
    for flag in (2, 3, 0x7F, 0x80, 0xFF):
        yield call(path, message(body, compressed=flag)), True
    yield call(path, message(gzip.compress(body), compressed=1), changes={"grpc-encoding": "gzip", "grpc-accept-encoding": "gzip"}), True


def wrong_headers(path, body):
    """Calls that are none, or are said in odd words."""
    data = message(body)
    changes = [{name: None} for name in (":method", ":scheme", ":path", ":authority", "te", "content-type")]
    changes += [{":method": method} for method in ("GET", "PUT", "OPTIONS", "CONNECT", "", "post", "P\0ST", "X" * 1000)]
    changes += [{":path": p} for p in ("", "/", "//", path + "/", path + "?x", path[1:], "*", "/a/b/c", "/" + "a" * 5000, b"/\xff\xfe", "/a b", "/\n",
                                       path.lower(), "/grpc.health.v1.Health/", "/rowhouse.v1.EmbeddingService/pull", "/../..", "http://x" + path)]
    changes += [{"content-type": t} for t in ("", "text/html", "application/grpc+json", "application/grpc-web", "application/grpcx", b"\xff")]
    changes += [{"grpc-timeout": t} for t in ("", "0", "0S", "1", "-1S", "1x", "S", "999999999S", "99999999H", "1" * 500 + "S", "1.5S", b"\xff")]
    changes += [{"x-request-id": v} for v in ("", "a" * 5000, "line\r\nline", b"\0\1\2", b"\xff" * 200, "%s%n")]
    changes += [{name: "x"} for name in (":status", ":unknown", "UPPER", "", " ", "a b", "connection", "transfer-encoding", "host", b"\xff", "a\0b",
                                         "grpc-status", "grpc-message", "retry-after-ms")]
    changes += [{"bin-bin": v} for v in ("", "!!!", "AAAA", "A", "=" * 10, b"\xff")]
    changes += [{"content-length": v} for v in ("0", "-1", "99999999999999999999", "x")]
    changes += [{"te": "gzip"}, {":scheme": "x" * 100}, {":authority": "a" * 5000}, {":authority": b"\xff\n"}, {"user-agent": "u" * 5000}]
    for change in changes:
        yield call(path, data, changes=change), False
    fields = request_fields(path)
    yield frame(HEADERS, END_HEADERS | END_STREAM, 1, fields), True  # a call without a message
    yield frame(HEADERS, END_HEADERS, 1, header("late", "x") + fields) + frame(DATA, END_STREAM, 1, data), False  # pseudo fields come first
    yield frame(HEADERS, END_HEADERS, 1, fields * 2) + frame(DATA, END_STREAM, 1, data), False


def header_bombs(path):
    """Headers that are many, long, or long when they are unpacked."""
    fields = request_fields(path)
    many = b"".join(header(f"k{i}", "v" * 50) for i in range(5000))
    for block in (fields + header("k", "v" * 10000), fields + header("k", "v" * 100000), fields + header("k" * 100000, "v"), fields + many):
        pieces = [block[at:at + 16000] for at in range(0, len(block), 16000)]
        out = frame(HEADERS, 0, 1, pieces[0])
        for piece in pieces[1:-1]:
            out += frame(CONTINUATION, 0, 1, piece)
        yield out + frame(CONTINUATION, END_HEADERS, 1, pieces[-1] if len(pieces) > 1 else b"")
    # A field of 4,000 bytes in the dynamic table, then its index, thousands of times: 64 MB of headers in 20 KB.
    yield frame(HEADERS, 0, 1, fields + header("bomb", "v" * 3900, kind=0x40)) + frame(CONTINUATION, END_HEADERS, 1, b"\xbe" * 16000)
    for streams in (1, 50):  # again and again
        yield b"".join(frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, fields + header("bomb", "v" * 3900, kind=0x40) + b"\xbe" * 4000)
                       for i in range(streams))
    yield frame(HEADERS, 0, 1, fields) + frame(CONTINUATION, 0, 1, b"") * 10000  # it never ends


def bad_hpack(path):
    fields = request_fields(path)
    for block in (b"\x80", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", integer(62, 7, 0x80), integer(10000, 7, 0x80), b"\x3f\xff\xff\xff\xff\x0f",
                  b"\x20" * 10, b"\0\xff" + b"\xff" * 20, b"\0\x81\xff\1x", b"\0\x84\xff\xff\xff\xff\1x", b"\0", b"\0\5ab", b"\x40\0\0", b"\x7f\xff"):
        yield frame(HEADERS, END_HEADERS | END_STREAM, 1, fields + block)
        yield frame(HEADERS, END_HEADERS | END_STREAM, 1, block + fields)


# ---- connections, from their first byte

def no_http2(random):
    """What is no HTTP/2 at all."""
    for size in range(len(PREFACE)):
        yield PREFACE[:size]
        yield PREFACE[:size] + b"X" + PREFACE[size + 1:] + frame(SETTINGS)
    for request in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /metrics HTTP/1.0\r\n\r\n", b"POST /rowhouse.v1.EmbeddingService/Pull HTTP/1.1\r\n\r\n",
                    b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
                    b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"\r\n" * 1000, b"GET /" + b"a" * 100000, b"SSH-2.0-OpenSSH_9.2\r\n", b"EHLO x\r\n", b"*1\r\n$4\r\nPING\r\n"):
        yield request
    hello = bytes.fromhex("0303") + b"\0" * 32 + bytes.fromhex("000004130113020100000f000d000b0403")
    hello = b"\x16\x03\x01" + struct.pack(">H", len(hello) + 4) + b"\1" + struct.pack(">I", len(hello))[1:] + hello
    for tls in (hello, hello[:20], hello * 100, b"\x16\x03\x01\xff\xff" + b"\0" * 70000, b"\x15\x03\x01\0\2\2\x28"):
        yield tls
    for _ in range(200):
        yield bytes(random.randrange(256) for _ in range(1 + random.randrange(100)))
    for _ in range(100):
        yield begin() + bytes(random.randrange(256) for _ in range(1 + random.randrange(100)))


def wrong_frames(path, body, random):
    """Frames of all kinds on streams, with flags, lengths and payloads that they may not have."""
    yield from (begin() + frame(SETTINGS, payload=struct.pack(">HI", kind, value))
                for kind in (*range(8), 0xFFFF) for value in (0, 1, 2, 16383, 16384, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1))
    for size in (1, 5, 7, 12, 600):
        yield begin() + frame(SETTINGS, payload=b"\0" * size)
    yield begin() + frame(SETTINGS, ACK, payload=b"\0" * 6)
    yield begin() + frame(SETTINGS, stream=1)
    for kind, flags, stream, size in itertools.product(range(12), (0, 1, 4, 8, 0x20, 0xFF), (0, 1, 2, 0x7FFFFFFF, 0x80000001), (0, 1, 4, 8, 9)):
        if random.random() < 0.25:  # of 1,800
            yield begin() + frame(kind, flags, stream, b"\0" * size)
    for length in (1, 100, 16385, 1 << 20, (1 << 24) - 1):
        for kind in (DATA, HEADERS, SETTINGS, PING, 200):
            yield begin() + frame(kind, 0, 1, b"x" * 50, length=length)
    well = call(path, message(body))
    yield begin() + well + well  # the same stream again
    yield begin() + call(path, message(body), stream=3) + well  # a lower one after a higher one
    yield begin() + well + frame(DATA, 0, 1, b"after the end")
    yield begin() + frame(DATA, END_STREAM, 1, message(body))  # a stream that did not begin
    yield begin() + frame(HEADERS, 0, 1, request_fields(path)) + frame(PING, payload=b"\0" * 8)  # where CONTINUATION must follow
    yield begin() + frame(HEADERS, 0, 1, request_fields(path)) + frame(CONTINUATION, END_HEADERS, 3, b"")
    yield begin() + frame(CONTINUATION, END_HEADERS, 1, request_fields(path))
    yield begin() + frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + request_fields(path))
    yield begin() + frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 0))  # depends on itself
    yield begin() + frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)) + well
    yield begin() + frame(HEADERS, END_HEADERS | 8, 1, b"\xff" + request_fields(path))  # more padding than there is
    for increment in (0, 0x7FFFFFFF, 0x80000000):
        for stream in (0, 1):
            yield begin() + frame(HEADERS, END_HEADERS, 1, request_fields(path)) + frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment)) * 2
    for block in bad_hpack(path):
        yield begin() + block
    for bomb in header_bombs(path):
        yield begin() + bomb


def floods(path, body):
    """Within reason: each is a second's work at the most."""
    yield begin() + frame(PING, payload=b"\0" * 8) * 5000
    yield begin() + frame(SETTINGS, payload=struct.pack(">HI", 4, 1 << 20)) * 5000
    yield begin() + frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 1)) * 5000
    yield begin() + frame(WINDOW_UPDATE, payload=struct.pack(">I", 1)) * 5000
    yield begin() + frame(HEADERS, END_HEADERS, 1, request_fields(path)) + frame(DATA, 0, 1, b"") * 5000
    yield begin() + frame(200, 0, 0, b"u" * 100) * 5000  # a kind that there is not
    opened = [frame(HEADERS, END_HEADERS, 1 + 2 * i, request_fields(path)) for i in range(1000)]
    yield begin() + b"".join(opened)  # many streams, none of them ends
    yield begin() + b"".join(open_ + frame(RST_STREAM, 0, 1 + 2 * i, struct.pack(">I", 8)) for i, open_ in enumerate(opened))
    yield begin() + b"".join(call(path, message(body), stream=1 + 2 * i) + frame(RST_STREAM, 0, 1 + 2 * i, struct.pack(">I", 8)) for i in range(1000))
    yield begin() + b"".join(call(path, message(body), stream=1 + 2 * i) for i in range(1000))  # and nobody reads the answers


# ---- the HTTP endpoint

def bad_http(random):
    for path in ("/", "/nothing", "/../../etc/passwd", "//metrics", "/metrics/..", "/%00", "/%", "/%zz", "/metrics?" + "a=b&" * 500, "/" + "a" * 9000,
                 "/\xff", "http://x/metrics", "*", ""):
        for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PRI", "", "X" * 300):
            yield f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1")
    for line in ("Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: 4097\r\n\r\n" + "b" * 4097, "Content-Length: 1000000000",
                 "Content-Length: x", "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
                 "Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n" + "1\r\nx\r\n" * 10000,
                 "Expect: 100-continue\r\nContent-Length: 10", "Range: bytes=0-,1-,2-", "Range: bytes=-1-2", "Range: " + "bytes=0-1," * 500, "A: " + "b" * 100000,
                 "no colon", ": no name", "A\0: b", "A: b\0c", "Connection: keep-alive, " * 300, "Content-Type: multipart/form-data; boundary=" + "x" * 300,
                 "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\0\0", "\r\n".join(f"h{i}: v" for i in range(5000))):
        for method, path in (("GET", "/metrics"), ("POST", "/livez")):
            yield f"{method} {path} HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode("latin-1")
    whole = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
    for size in range(len(whole)):
        yield whole[:size]
        yield whole[:size] + bytes([random.randrange(256)]) + whole[size + 1:]
    yield from (bytes(random.randrange(256) for _ in range(1 + random.randrange(200))) for _ in range(50))
    yield PREFACE + frame(SETTINGS)
    yield b"\x16\x03\x01\0\5hello"
