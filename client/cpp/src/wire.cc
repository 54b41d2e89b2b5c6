// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/wire.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/coding.h"
#include "common/message_checksum.h"
#include "common/status_macros.h"

namespace rowhouse::client {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

size_t VarintSize(uint64_t v) {
  size_t size = 1;
  for (; v >= 0x80; v >>= 7) ++size;
  return size;
}

// The two sinks below take the same calls, so that the size of a message and its bytes cannot disagree.
class SizeSink {
 public:
  void Varint(uint32_t field, uint64_t v) {
    if (v != 0) size_ += VarintSize(field << 3) + VarintSize(v);
  }
  void Fixed64(uint32_t field, uint64_t v) {
    if (v != 0) size_ += VarintSize(field << 3) + 8;
  }
  void Float(uint32_t field, float) { size_ += VarintSize(field << 3) + 4; }
  void Checksum() { size_ += kChecksumBytes; }
  void Open(uint32_t field, size_t length) { size_ += VarintSize(field << 3) + VarintSize(length); }
  uint8_t* Bytes(uint32_t field, size_t length) {
    Open(field, length);
    size_ += length;
    return nullptr;
  }
  size_t size() const { return size_; }

 private:
  size_t size_ = 0;
};

class BufferSink {
 public:
  explicit BufferSink(uint8_t* out) : out_(out) {}
  void Varint(uint32_t field, uint64_t v) {
    if (v == 0) return;
    Raw(field << 3 | kVarint);
    Raw(v);
  }
  void Fixed64(uint32_t field, uint64_t v) {
    if (v == 0) return;
    Raw(field << 3 | kFixed64);
    StoreLittle(out_, v);
    out_ += 8;
  }
  void Float(uint32_t field, float v) {
    Raw(field << 3 | kFixed32);
    StoreLittle(out_, v);
    out_ += 4;
  }
  void Checksum() { out_ += kChecksumBytes; }
  void Open(uint32_t field, size_t length) {
    Raw(field << 3 | kBytes);
    Raw(length);
  }
  uint8_t* Bytes(uint32_t field, size_t length) {
    Open(field, length);
    uint8_t* at = out_;
    out_ += length;
    return at;
  }
  uint8_t* end() const { return out_; }

 private:
  void Raw(uint64_t v) {
    for (; v >= 0x80; v >>= 7) *out_++ = static_cast<uint8_t>(v | 0x80);
    *out_++ = static_cast<uint8_t>(v);
  }
  uint8_t* out_;
};

// Writes a nested message: its length first, then itself.
template <typename Sink, typename Fill>
void Nested(Sink& sink, uint32_t field, const Fill& fill) {
  SizeSink size;
  fill(size);
  sink.Open(field, size.size());
  fill(sink);
}

template <typename Sink>
void PutEpochs(Sink& sink, uint32_t field, absl::Span<const PartitionEpochEntry> epochs) {
  for (const PartitionEpochEntry& e : epochs) {
    Nested(sink, field, [&](auto& inner) {
      inner.Varint(1, e.partition);
      inner.Varint(2, e.epoch);
    });
  }
}

template <typename Sink>
void PutPull(Sink& sink, const PullHeader& header, absl::Span<const PullTableHeader> tables,
             std::vector<uint8_t*>* ids) {
  if (header.checksum) sink.Checksum();
  sink.Fixed64(1, header.history);
  if (!header.prefetch) {
    sink.Varint(2, header.map_version);
    PutEpochs(sink, 3, header.epochs);
    sink.Varint(5, static_cast<uint32_t>(DataType::kFloat32));
  }
  for (const PullTableHeader& t : tables) {
    uint8_t* at = nullptr;
    Nested(sink, 15, [&](auto& inner) {
      inner.Varint(1, t.table);
      inner.Varint(2, t.version);
      inner.Varint(3, t.dim);
      at = inner.Bytes(4, t.rows * 8);
    });
    if (ids != nullptr) ids->push_back(at);
  }
}

template <typename Sink>
void PutDelete(Sink& sink, const PushHeader& header, const PushTableHeader& table,
               std::vector<PushTableArea>* areas) {
  sink.Fixed64(1, header.history);
  sink.Varint(2, header.map_version);
  sink.Varint(3, header.writer);
  sink.Varint(4, header.seq);
  sink.Varint(5, header.low);
  sink.Varint(6, header.part_count);
  sink.Varint(7, table.table);
  sink.Varint(8, table.version);
  PutEpochs(sink, 10, header.epochs);
  sink.Varint(12, header.step);
  PushTableArea area;
  area.ids = sink.Bytes(9, table.rows * 8);
  if (areas != nullptr) areas->push_back(area);
}

template <typename Sink>
void PutPush(Sink& sink, const PushHeader& header, absl::Span<const PushTableHeader> tables,
             std::vector<PushTableArea>* areas) {
  if (header.checksum) sink.Checksum();
  if (header.is_delete) return PutDelete(sink, header, tables[0], areas);
  sink.Fixed64(1, header.history);
  sink.Varint(2, header.map_version);
  PutEpochs(sink, 3, header.epochs);
  sink.Varint(5, header.writer);
  sink.Varint(6, header.seq);
  sink.Varint(7, header.low);
  sink.Varint(8, header.part_count);
  sink.Varint(9, header.step);
  sink.Varint(10, header.group_size);
  sink.Varint(11, header.rank);
  sink.Varint(12, static_cast<uint32_t>(header.kind));
  for (const PushTableHeader& t : tables) {
    PushTableArea area;
    Nested(sink, 15, [&](auto& inner) {
      inner.Varint(1, t.table);
      inner.Varint(2, t.version);
      inner.Varint(3, t.dim);
      if (t.learning_rate.has_value()) inner.Float(4, *t.learning_rate);
      area.ids = inner.Bytes(5, t.rows * 8);
      if (t.counts) area.counts = inner.Bytes(6, t.rows * 4);
      area.values = inner.Bytes(7, t.rows * t.dim * 4);
    });
    if (areas != nullptr) areas->push_back(area);
  }
}

absl::Status Broken(absl::string_view message, size_t offset) {
  return absl::InternalError(absl::StrCat("the server's ", message,
                                          " cannot be read: broken field before byte ", offset,
                                          "; is a proxy in between, or another version?"));
}

// One field of a message: numbers in `value`, bytes in `extent` (the cursor is then at their beginning).
struct Field {
  uint32_t number = 0;
  uint32_t type = 0;
  uint64_t value = 0;
  Extent extent;
};

constexpr int kTagBytes = 5;  // the most of a tag, and of a length, as in the generated parsers

// Reads the next field that ends at or before `end`.
bool NextField(ByteCursor& in, size_t end, Field* field) {
  uint64_t tag;
  if (!in.Varint(&tag, kTagBytes) || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) return false;
  field->number = static_cast<uint32_t>(tag >> 3);
  field->type = tag & 7;
  switch (field->type) {
    case kVarint:
      return in.Varint(&field->value) && in.offset() <= end;
    case kFixed64:
      return in.Read(&field->value, 8) && in.offset() <= end;
    case kFixed32:
      field->value = 0;
      return in.Read(&field->value, 4) && in.offset() <= end;
    case kBytes:
      if (!in.Varint(&field->value, kTagBytes) || in.offset() > end || field->value > end - in.offset())
        return false;
      field->extent = {in.offset(), static_cast<size_t>(field->value)};
      return true;
    default:
      return false;  // groups are not proto3
  }
}

// Calls visit(field) for each field up to `end`; a bytes field that visit did not read is skipped.
template <typename Visit>
bool ForEachField(ByteCursor& in, size_t end, const Visit& visit) {
  while (in.offset() < end) {
    Field field;
    if (!NextField(in, end, &field)) return false;
    size_t after = field.type == kBytes ? field.extent.offset + field.extent.size : in.offset();
    if (!visit(field)) return false;
    if (in.offset() > after || !in.Skip(after - in.offset())) return false;
  }
  return in.offset() == end;
}

bool DecodeFailure(ByteCursor& in, size_t end, std::vector<PartitionFailure>* out) {
  PartitionFailure failure;
  int code = 0;
  std::string message;
  bool ok = ForEachField(in, end, [&](const Field& f) {
    if (f.number == 1 && f.type == kVarint) failure.partition = static_cast<PartitionId>(f.value);
    if (f.number == 2 && f.type == kVarint) code = static_cast<int>(f.value);
    if (f.number == 5 && f.type == kVarint) failure.retry_after_ms = static_cast<uint32_t>(f.value);
    if (f.number == 6 && f.type == kBytes) {
      message.resize(f.extent.size);
      return in.Read(message.data(), message.size());
    }
    return true;
  });
  if (!ok) return false;
  if (code == 0) return true;
  failure.status = absl::Status(static_cast<absl::StatusCode>(code), message);
  out->push_back(std::move(failure));
  return true;
}

}  // namespace

size_t PullRequestSize(const PullHeader& header, absl::Span<const PullTableHeader> tables) {
  SizeSink size;
  PutPull(size, header, tables, nullptr);
  return size.size();
}

Buffer LayOutPullRequest(const PullHeader& header, absl::Span<const PullTableHeader> tables,
                         std::vector<uint8_t*>* ids) {
  Buffer buffer = Buffer::Allocate(PullRequestSize(header, tables));
  BufferSink sink(buffer.data());
  ids->clear();
  PutPull(sink, header, tables, ids);
  RH_CHECK(sink.end() == buffer.data() + buffer.size());
  return buffer;
}

size_t PushRequestSize(const PushHeader& header, absl::Span<const PushTableHeader> tables) {
  SizeSink size;
  PutPush(size, header, tables, nullptr);
  return size.size();
}

Buffer LayOutPushRequest(const PushHeader& header, absl::Span<const PushTableHeader> tables,
                         std::vector<PushTableArea>* areas) {
  Buffer buffer = Buffer::Allocate(PushRequestSize(header, tables));
  BufferSink sink(buffer.data());
  areas->clear();
  PutPush(sink, header, tables, areas);
  RH_CHECK(sink.end() == buffer.data() + buffer.size());
  return buffer;
}

void ByteCursor::Settle() {
  while (chunk_ < bytes_->chunk_count() && within_ == bytes_->chunk(chunk_).size()) {
    base_ += within_;
    within_ = 0;
    ++chunk_;
  }
}

bool ByteCursor::Read(void* out, size_t size) {
  if (size > remaining()) return false;
  auto* to = static_cast<uint8_t*>(out);
  while (size > 0) {
    absl::Span<const uint8_t> chunk = bytes_->chunk(chunk_);
    size_t now = std::min(size, chunk.size() - within_);
    std::memcpy(to, chunk.data() + within_, now);
    to += now;
    size -= now;
    within_ += now;
    Settle();
  }
  return true;
}

bool ByteCursor::Skip(size_t size) {
  if (size > remaining()) return false;
  while (size > 0) {
    size_t now = std::min(size, bytes_->chunk(chunk_).size() - within_);
    size -= now;
    within_ += now;
    Settle();
  }
  return true;
}

bool ByteCursor::Varint(uint64_t* value, int most_bytes) {
  uint64_t v = 0;
  for (int shift = 0; shift < 7 * most_bytes; shift += 7) {
    uint8_t byte;
    if (!Read(&byte, 1)) return false;
    v |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) {
      *value = v;
      return true;
    }
  }
  return false;
}

absl::StatusOr<PullAnswer> DecodePullResponse(const ChunkedBytes& bytes) {
  PullAnswer out;
  ByteCursor in(bytes);
  bool ok = ForEachField(in, bytes.size(), [&](const Field& f) {
    if (f.number == 1 && f.type == kVarint) out.map_version = f.value;
    if (f.number == 2 && f.type == kBytes)
      return DecodeFailure(in, f.extent.offset + f.extent.size, &out.failures);
    if (f.number == 15 && f.type == kBytes) {
      PullTableAnswer table;
      bool fine = ForEachField(in, f.extent.offset + f.extent.size, [&](const Field& g) {
        if (g.number == 1 && g.type == kVarint) table.table = static_cast<TableId>(g.value);
        if (g.number == 2 && g.type == kVarint) table.dtype = static_cast<uint32_t>(g.value);
        if (g.number == 3 && g.type == kBytes) table.stored = g.extent;
        if (g.number == 4 && g.type == kBytes) table.values = g.extent;
        return true;
      });
      out.tables.push_back(table);
      return fine;
    }
    return true;
  });
  if (!ok) return Broken("PullResponse", in.offset());
  return out;
}

absl::StatusOr<PushAnswer> DecodePushResponse(const ChunkedBytes& bytes) {
  PushAnswer out;
  ByteCursor in(bytes);
  bool ok = ForEachField(in, bytes.size(), [&](const Field& f) {
    if (f.number == 1 && f.type == kVarint) out.map_version = f.value;
    if (f.number == 2 && f.type == kBytes)
      return DecodeFailure(in, f.extent.offset + f.extent.size, &out.failures);
    if (f.number == 3 && f.type == kVarint) out.duplicate_parts = f.value;
    if (f.number == 4 && f.type == kVarint) out.skipped_rows = f.value;
    return true;
  });
  if (!ok) return Broken("PushResponse", in.offset());
  return out;
}

absl::StatusOr<PushAnswer> DecodeDeleteResponse(const ChunkedBytes& bytes) {
  PushAnswer out;
  ByteCursor in(bytes);
  bool ok = ForEachField(in, bytes.size(), [&](const Field& f) {
    if (f.number == 1 && f.type == kBytes)
      return DecodeFailure(in, f.extent.offset + f.extent.size, &out.failures);
    if (f.number == 2 && f.type == kVarint) out.duplicate_parts = f.value;
    return true;
  });
  if (!ok) return Broken("DeleteResponse", in.offset());
  return out;
}

}  // namespace rowhouse::client
