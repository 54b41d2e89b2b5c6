// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads protobuf's wire format out of bytes in pieces, without copying them. Strict where it matters (every
// length is checked against what is there), lenient as proto3 demands (unknown fields are skipped, a singular
// field may be repeated: the last one holds).
//
//   while (reader.NextField()) switch (reader.field()) { case 1: x = reader.Fixed64(); break; ... default:
//   reader.Skip(); }
//
// After an error NextField is false, values are 0 and status() says what and where. Not thread-safe; the
// bytes outlive it.

#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "common/bytes.h"

namespace rowhouse::server {

class WireReader {
 public:
  enum Type : uint32_t {
    kVarint = 0,
    kFixed64 = 1,
    kBytes = 2,
    kStartGroup = 3,
    kEndGroup = 4,
    kFixed32 = 5
  };

  // `what` begins the error: a message's name.
  WireReader(const char* what, const ChunkedBytes& bytes);

  // Moves to the next field of the current message; false at its end or after an error.
  bool NextField();
  uint32_t field() const { return field_; }

  // The value of the field that NextField found; an error when it is of another wire type. Call exactly one
  // of these.
  uint64_t Varint();
  uint64_t Fixed64();
  uint32_t Fixed32();
  ChunkedBytes Bytes();
  void Skip();

  // Reads an embedded message: `read` is called with the reader inside it, for each of its fields.
  template <typename ReadField>
  void Message(ReadField&& read) {
    const size_t outer_limit = limit_;
    if (!EnterMessage()) return;
    while (NextField()) read();
    if (ok_) limit_ = outer_limit;
  }

  // Makes the whole message an error: for limits that only its reader knows.
  void Fail(absl::Status status);

  // Bytes read so far.
  size_t position() const { return chunk_start_ + static_cast<size_t>(at_ - chunk_begin_); }
  bool ok() const { return ok_; }
  const absl::Status& status() const { return status_; }

 private:
  size_t remaining() const { return limit_ - position(); }
  bool NextByte(uint8_t* byte);
  uint64_t RawVarint(int max_bytes);
  void RawBytes(void* out, size_t size);
  void Advance(size_t size);
  bool ReadLength(size_t* length);
  bool EnterMessage();
  bool Expect(Type type);
  void SkipValue(uint32_t type, uint32_t field, int depth);
  void Malformed(const char* why);

  const char* const what_;
  const ChunkedBytes& bytes_;
  size_t chunk_ = 0;        // index of the piece that at_ is in
  size_t chunk_start_ = 0;  // its offset
  const uint8_t* chunk_begin_ = nullptr;
  const uint8_t* at_ = nullptr;
  const uint8_t* chunk_end_ = nullptr;
  size_t limit_ = 0;  // end of the current message
  uint32_t field_ = 0;
  uint32_t type_ = 0;
  bool ok_ = true;
  absl::Status status_;
};

}  // namespace rowhouse::server
