# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC by hand over a plain socket, so that a test can say what no library would let it say."""
import re
import select
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
FRAME_HEADER = 9
PATIENCE_SECONDS = 20  # how long an answer is waited for


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """`length`: what the frame says of its payload, if not the truth."""
    said = len(payload) if length is None else length
    return struct.pack(">I", said)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(value, bits, first=0):
    """An integer of HPACK after a prefix of `bits` bits, whose byte also has `first`."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    out.append(value)
    return bytes(out)


def header(name, value, kind=0):
    """A literal header field with a new name. `kind` 0x40 puts it into the dynamic table."""
    name, value = (text if isinstance(text, bytes) else text.encode() for text in (name, value))
    return bytes([kind]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def request_fields(path, changes=None):
    """The fields of a gRPC call. `changes`: name -> another value, or None for none."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost", "te": "trailers",
              "content-type": "application/grpc", **(changes or {})}
    return b"".join(header(name, value) for name, value in fields.items() if value is not None)


def message(body, compressed=0, length=None):
    """A message of gRPC with its prefix; `length`: what the prefix says, if not the truth."""
    return bytes([compressed]) + struct.pack(">I", len(body) if length is None else length) + body


def call(path, data, stream=1, changes=None, end=True):
    """The frames of a call whose data is `data`, in frames of at most 16 KiB."""
    out = frame(HEADERS, END_HEADERS, stream, request_fields(path, changes))
    pieces = [data[at:at + 16384] for at in range(0, len(data), 16384)] or [b""]
    for at, piece in enumerate(pieces):
        out += frame(DATA, END_STREAM if end and at + 1 == len(pieces) else 0, stream, piece)
    return out


def begin():
    """What a client's connection begins with; windows are as large as they can be."""
    return PREFACE + frame(SETTINGS, payload=struct.pack(">HI", 4, 0x7FFFFFFF)) + frame(WINDOW_UPDATE, payload=struct.pack(">I", 0x7FFF0000))


class Connection:
    """A connected socket. Use as a context manager."""

    def __init__(self, address):
        self.socket = connect(address)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the other side has closed."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def finish(self):
        """Sends no more and reads to the end; the bytes. The other side must close."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            while self.read():
                pass
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise AssertionError(f"the connection is not closed; received {self.received[-200:]}") from error
        return self.received

    def read(self):
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return b""
        self.received += data
        return data

    def frames_from(self, at):
        """(kind, flags, stream, payload, its end) of each whole frame received from offset `at` on."""
        out = []
        while at + FRAME_HEADER <= len(self.received):
            size = int.from_bytes(self.received[at:at + 3], "big")
            if at + FRAME_HEADER + size > len(self.received):
                break
            kind, flags = self.received[at + 3], self.received[at + 4]
            stream = int.from_bytes(self.received[at + 5:at + 9], "big") & 0x7FFFFFFF
            payload, at = self.received[at + FRAME_HEADER:at + FRAME_HEADER + size], at + FRAME_HEADER + size
            out.append((kind, flags, stream, payload, at))
        return out

    def frames(self):
        """(kind, flags, stream, payload) of each frame received so far."""
        return [one[:4] for one in self.frames_from(0)]

    def outcome(self, stream=1):
        """How a call ended: the number of its grpc-status, "reset", "goaway" or "closed"."""
        while True:
            block = b""
            for kind, flags, of_stream, payload in self.frames():
                if kind == HEADERS and of_stream == stream:
                    block += payload
                    if flags & END_STREAM:
                        # The first time on a connection the name stands there in letters.
                        status = re.search(rb"grpc-status[\x01\x02](\d+)", block)
                        return int(status[1]) if status else "no status"
                if kind == RST_STREAM and of_stream == stream:
                    return "reset"
                if kind == GOAWAY and int.from_bytes(payload[4:8], "big") != 0:
                    return "goaway"
            if not self.read():
                return "closed"


def send_slowly(connection, path, beginning, size):
    """A call of `size` bytes of data that begins with `beginning`, within the windows that the server gives. Until it ends the call."""
    connection.send(begin() + frame(HEADERS, END_HEADERS, 1, request_fields(path)))
    windows, seen, sent = {0: 65535, 1: 65535}, 0, 0
    while sent < size:
        frames = connection.frames_from(seen)
        for kind, flags, stream, payload, seen in frames:
            if kind == WINDOW_UPDATE:
                windows[stream] = windows.get(stream, 0) + int.from_bytes(payload, "big")
            elif kind == SETTINGS and not flags & ACK:
                for name, value in struct.iter_unpack(">HI", payload):
                    windows[1] += value - 65535 if name == 4 else 0
                connection.send(frame(SETTINGS, ACK))
            elif kind == PING and not flags & ACK:
                connection.send(frame(PING, ACK, payload=payload))
            elif kind in (HEADERS, RST_STREAM, GOAWAY):
                return
        room = min(windows[0], windows[1], 16384)
        if room > 0:
            piece = (beginning + b"z" * room)[:room] if sent == 0 else b"z" * room
            connection.send(frame(DATA, 0, 1, piece))
            sent += room
            windows[0], windows[1] = windows[0] - room, windows[1] - room
        if room <= 0 or select.select([connection.socket], [], [], 0)[0]:
            if not connection.read():
                return


def connect(address):
    """A socket to host:port or unix:/path."""
    if address.startswith("unix:"):
        out = socket.socket(socket.AF_UNIX)
        out.connect(address[len("unix:"):])
        return out
    host, port = address.rsplit(":", 1)
    out = socket.create_connection((host, int(port)))
    out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return out
