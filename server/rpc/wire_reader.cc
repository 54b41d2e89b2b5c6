// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/wire_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/coding.h"

namespace rowhouse::server {
namespace {

constexpr int kMaxGroupDepth = 32;
constexpr int kMaxVarintBytes = 10;
constexpr int kMaxTagBytes = 5;  // also of lengths, as in the generated parsers
constexpr uint64_t kMaxTag = (uint64_t{1} << 32) - 1;

}  // namespace

WireReader::WireReader(const char* what, const ChunkedBytes& bytes)
    : what_(what), bytes_(bytes), limit_(bytes.size()) {
  if (bytes.chunk_count() == 0) return;
  chunk_begin_ = at_ = bytes.chunk(0).data();
  chunk_end_ = chunk_begin_ + bytes.chunk(0).size();
}

void WireReader::Fail(absl::Status status) {
  if (!ok_) return;
  ok_ = false;
  status_ = std::move(status);
}

void WireReader::Malformed(const char* why) {
  Fail(absl::InvalidArgumentError(absl::StrCat(what_, " is malformed at byte ", position(), " of ",
                                               bytes_.size(), ", field ", field_, ": ", why,
                                               "; send it as rowhouse/v1/*.proto describes it")));
}

bool WireReader::NextByte(uint8_t* byte) {
  if (remaining() == 0) {
    Malformed("it ends within a field");
    return false;
  }
  if (at_ == chunk_end_) Advance(0);
  *byte = *at_++;
  return true;
}

// Requires: size <= remaining(). Leaves at_ inside a piece unless that was the last byte of all.
void WireReader::Advance(size_t size) {
  while (true) {
    const size_t step = std::min(size, static_cast<size_t>(chunk_end_ - at_));
    at_ += step;
    size -= step;
    if (at_ != chunk_end_ || chunk_ + 1 >= bytes_.chunk_count()) return;
    chunk_start_ += static_cast<size_t>(chunk_end_ - chunk_begin_);
    const absl::Span<const uint8_t> next = bytes_.chunk(++chunk_);
    chunk_begin_ = at_ = next.data();
    chunk_end_ = at_ + next.size();
  }
}

uint64_t WireReader::RawVarint(int max_bytes) {
  uint64_t value = 0;
  for (int i = 0; i < max_bytes; ++i) {
    uint8_t byte;
    if (!NextByte(&byte)) return 0;
    if (i == kMaxVarintBytes - 1 && byte > 1) break;
    value |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) return value;
  }
  Malformed("a varint is too long");
  return 0;
}

void WireReader::RawBytes(void* out, size_t size) {
  if (remaining() < size) {
    Malformed("it ends within a field");
    std::memset(out, 0, size);
    return;
  }
  bytes_.CopyTo(position(), size, out);
  Advance(size);
}

bool WireReader::NextField() {
  if (!ok_ || remaining() == 0) return false;
  const uint64_t tag = RawVarint(kMaxTagBytes);
  if (!ok_) return false;
  field_ = static_cast<uint32_t>(tag >> 3);
  type_ = static_cast<uint32_t>(tag & 7);
  if (tag > kMaxTag || field_ == 0) {
    Malformed("a field number is outside 1 to 536870911");
  } else if (type_ == kEndGroup || type_ > kFixed32) {
    Malformed("a wire type is none of protobuf's, or a group ends that did not begin");
  }
  return ok_;
}

bool WireReader::Expect(Type type) {
  if (ok_ && type_ != type) {
    Fail(absl::InvalidArgumentError(absl::StrCat(
        what_, " has field ", field_, " with wire type ", type_, " before byte ", position(), ", allowed is ",
        static_cast<uint32_t>(type), "; send it as rowhouse/v1/*.proto describes it")));
  }
  return ok_;
}

uint64_t WireReader::Varint() { return Expect(kVarint) ? RawVarint(kMaxVarintBytes) : 0; }

uint64_t WireReader::Fixed64() {
  uint8_t raw[8] = {};
  if (Expect(kFixed64)) RawBytes(raw, sizeof(raw));
  return LoadLittle<uint64_t>(raw);
}

uint32_t WireReader::Fixed32() {
  uint8_t raw[4] = {};
  if (Expect(kFixed32)) RawBytes(raw, sizeof(raw));
  return LoadLittle<uint32_t>(raw);
}

bool WireReader::ReadLength(size_t* length) {
  const uint64_t value = RawVarint(kMaxTagBytes);
  if (!ok_) return false;
  if (value > remaining()) {
    Malformed("a length is larger than what is left of the message");
    return false;
  }
  *length = value;
  return true;
}

ChunkedBytes WireReader::Bytes() {
  size_t length = 0;
  if (!Expect(kBytes) || !ReadLength(&length)) return {};
  ChunkedBytes out = bytes_.Sub(position(), length);
  Advance(length);
  return out;
}

bool WireReader::EnterMessage() {
  size_t length = 0;
  if (!Expect(kBytes) || !ReadLength(&length)) return false;
  limit_ = position() + length;
  return true;
}

void WireReader::Skip() { SkipValue(type_, field_, 0); }

void WireReader::SkipValue(uint32_t type, uint32_t field, int depth) {
  if (!ok_) return;
  uint8_t scratch[8];
  size_t length = 0;
  switch (type) {
    case kVarint:
      RawVarint(kMaxVarintBytes);
      return;
    case kFixed64:
      RawBytes(scratch, 8);
      return;
    case kFixed32:
      RawBytes(scratch, 4);
      return;
    case kBytes:
      if (ReadLength(&length)) Advance(length);
      return;
    case kStartGroup:
      break;
    default:
      Malformed("a wire type is none of protobuf's");
      return;
  }
  if (depth >= kMaxGroupDepth) return Malformed("groups of an unknown field are nested too deep");
  while (ok_) {
    const uint64_t tag = RawVarint(kMaxTagBytes);
    if (!ok_) return;
    const uint64_t inner = tag >> 3;
    if (tag > kMaxTag || inner == 0) return Malformed("a field number is outside 1 to 536870911");
    if ((tag & 7) == kEndGroup) {
      if (inner != field) Malformed("a group ends that did not begin");
      return;
    }
    SkipValue(static_cast<uint32_t>(tag & 7), static_cast<uint32_t>(inner), depth + 1);
  }
}

}  // namespace rowhouse::server
