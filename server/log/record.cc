// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/record.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/coding.h"
#include "common/limits.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

constexpr size_t kBodyHeaderBytes = 8;
constexpr size_t kSliceHeaderBytes = 32;
constexpr size_t kMaxPaddingPerSlice = 8;  // four bytes after the counts, four after the values
constexpr uint32_t kHasCounts = 1;         // bit of a slice's flags
constexpr size_t kFloorHeaderBytes = 16;

size_t Align8(size_t n) { return (n + 7) & ~size_t{7}; }

absl::Status Damaged(const std::string& what) {
  return absl::DataLossError(
      absl::StrCat("push body: ", what, "; the record was not written by this format's encoder"));
}

// A slice's header as it lies in the body.
struct RawSlice {
  PushSlice slice;
  uint32_t flags = 0;
  uint64_t rows = 0;
};

RawSlice ReadSliceHeader(ByteReader& reader) {
  RawSlice raw;
  raw.slice.table = reader.Fixed<uint32_t>();
  raw.slice.schema_version = reader.Fixed<uint32_t>();
  raw.slice.dim = reader.Fixed<uint32_t>();
  raw.flags = reader.Fixed<uint32_t>();
  raw.rows = reader.Fixed<uint32_t>();
  raw.slice.cutoff_unix_seconds = reader.Fixed<uint32_t>();
  raw.slice.hyper.learning_rate = reader.Fixed<float>();
  raw.slice.hyper.epsilon = reader.Fixed<float>();
  return raw;
}

// Takes `count` values of T and the padding to 8 bytes from `reader`.
template <typename T>
absl::StatusOr<absl::Span<const T>> TakeArray(ByteReader& reader, uint64_t count, size_t slice,
                                              const char* what) {
  uint64_t bytes = 0;
  // The rounding may not wrap either: a count that is refused here is far above what a body can hold.
  if (__builtin_mul_overflow(count, uint64_t{sizeof(T)}, &bytes) || bytes > limits::kMaxRecordBytes ||
      Align8(bytes) > reader.remaining()) {
    return Damaged(absl::StrCat("slice ", slice, " has ", count, " ", what, " of ", sizeof(T), " bytes, ",
                                reader.remaining(), " bytes are left"));
  }
  const uint8_t* data = reader.Bytes(Align8(bytes)).data();
  return absl::Span<const T>(reinterpret_cast<const T*>(data), count);
}

absl::StatusOr<PushSlice> ParseSlice(ByteReader& reader, size_t index) {
  RawSlice raw = ReadSliceHeader(reader);
  if (!reader.ok()) return Damaged(absl::StrCat("slice ", index, " ends inside its header"));
  if ((raw.flags & ~kHasCounts) != 0)
    return Damaged(absl::StrCat("slice ", index, " has unknown flags ", raw.flags));
  if (raw.slice.dim > limits::kMaxDim) {
    return Damaged(absl::StrCat("slice ", index, " has dim ", raw.slice.dim, ", limit ", limits::kMaxDim));
  }
  RH_ASSIGN_OR_RETURN(raw.slice.ids, TakeArray<Id>(reader, raw.rows, index, "ids"));
  if ((raw.flags & kHasCounts) != 0) {
    RH_ASSIGN_OR_RETURN(raw.slice.counts, TakeArray<uint32_t>(reader, raw.rows, index, "counts"));
  }
  uint64_t floats = 0;
  if (__builtin_mul_overflow(raw.rows, uint64_t{raw.slice.dim}, &floats)) {
    return Damaged(absl::StrCat("slice ", index, " has too many values"));
  }
  RH_ASSIGN_OR_RETURN(raw.slice.values, TakeArray<float>(reader, floats, index, "values"));
  return raw.slice;
}

}  // namespace

size_t PushBodySize::bytes() const {
  return kBodyHeaderBytes + table_count * (kSliceHeaderBytes + kMaxPaddingPerSlice) + rows * sizeof(Id) +
         Align8(rows_with_counts * sizeof(uint32_t) + value_floats * sizeof(float));
}

PushBodyBuilder::PushBodyBuilder(const PushBodySize& size)
    : buffer_(Buffer::Allocate(size.bytes())), used_(kBodyHeaderBytes) {}

PushBodyBuilder::Slots PushBodyBuilder::AddSlice(const PushSlice& slice, size_t rows, bool with_counts) {
  const size_t id_bytes = rows * sizeof(Id);
  const size_t count_bytes = with_counts ? rows * sizeof(uint32_t) : 0;
  const size_t value_bytes = rows * slice.dim * sizeof(float);
  const size_t total = kSliceHeaderBytes + id_bytes + Align8(count_bytes) + Align8(value_bytes);
  RH_CHECK(rows <= UINT32_MAX);
  RH_CHECK(total <= buffer_.size() - used_);  // the caller announced fewer rows than it adds

  uint8_t* at = buffer_.data() + used_;
  StoreLittle<uint32_t>(at, slice.table);
  StoreLittle<uint32_t>(at + 4, slice.schema_version);
  StoreLittle<uint32_t>(at + 8, slice.dim);
  StoreLittle<uint32_t>(at + 12, with_counts ? kHasCounts : 0);
  StoreLittle<uint32_t>(at + 16, static_cast<uint32_t>(rows));
  StoreLittle<uint32_t>(at + 20, slice.cutoff_unix_seconds);
  StoreLittle<float>(at + 24, slice.hyper.learning_rate);
  StoreLittle<float>(at + 28, slice.hyper.epsilon);

  uint8_t* ids = at + kSliceHeaderBytes;
  uint8_t* counts = ids + id_bytes;
  uint8_t* values = counts + Align8(count_bytes);
  // The padding is stored and summed, so it may not be whatever the block held before.
  std::memset(counts + count_bytes, 0, Align8(count_bytes) - count_bytes);
  std::memset(values + value_bytes, 0, Align8(value_bytes) - value_bytes);
  used_ += total;
  ++tables_;
  return Slots{reinterpret_cast<Id*>(ids), with_counts ? reinterpret_cast<uint32_t*>(counts) : nullptr,
               reinterpret_cast<float*>(values)};
}

Buffer PushBodyBuilder::Finish() {
  RH_CHECK(buffer_.size() >= kBodyHeaderBytes);  // Finish was called before
  StoreLittle<uint32_t>(buffer_.data(), tables_);
  StoreLittle<uint32_t>(buffer_.data() + 4, 0);
  buffer_.Truncate(used_);
  Buffer out = std::move(buffer_);
  buffer_ = Buffer();
  used_ = 0;
  tables_ = 0;
  return out;
}

absl::StatusOr<std::vector<PushSlice>> ParsePushBody(absl::Span<const uint8_t> body) {
  if (reinterpret_cast<uintptr_t>(body.data()) % 8 != 0) {
    return absl::InternalError(
        "push body: must lie at an address divisible by 8, for its arrays are used in place");
  }
  ByteReader reader(body);
  const uint32_t tables = reader.Fixed<uint32_t>();
  const uint32_t reserved = reader.Fixed<uint32_t>();
  if (!reader.ok())
    return Damaged(absl::StrCat(body.size(), " bytes, at least ", kBodyHeaderBytes, " needed"));
  if (reserved != 0) return Damaged(absl::StrCat("reserved bytes are ", reserved, ", not 0"));
  if (tables > reader.remaining() / kSliceHeaderBytes) {
    return Damaged(absl::StrCat(tables, " slices do not fit ", reader.remaining(), " bytes"));
  }
  std::vector<PushSlice> slices;
  slices.reserve(tables);
  for (size_t i = 0; i < tables; ++i) {
    RH_ASSIGN_OR_RETURN(PushSlice slice, ParseSlice(reader, i));
    slices.push_back(slice);
  }
  if (!reader.AtEnd()) return Damaged(absl::StrCat(reader.remaining(), " bytes follow the last slice"));
  return slices;
}

std::string EncodeWriterFloor(const WriterFloor& floor) {
  ByteWriter writer;
  writer.Fixed<uint64_t>(floor.floor);
  writer.Fixed<uint32_t>(static_cast<uint32_t>(floor.dead.size()));
  writer.Fixed<uint32_t>(0);
  for (WriterId dead : floor.dead) writer.Fixed<uint64_t>(dead);
  return writer.Take();
}

absl::StatusOr<WriterFloor> DecodeWriterFloor(absl::Span<const uint8_t> body) {
  ByteReader reader(body);
  WriterFloor out;
  out.floor = reader.Fixed<uint64_t>();
  const uint64_t count = reader.Fixed<uint32_t>();
  const uint32_t reserved = reader.Fixed<uint32_t>();
  if (!reader.ok() || reserved != 0 || reader.remaining() != count * sizeof(WriterId)) {
    return absl::DataLossError(absl::StrCat("writer floor: ", body.size(), " bytes do not hold a floor and ",
                                            count, " dead writers (",
                                            kFloorHeaderBytes + count * sizeof(WriterId), " bytes)"));
  }
  out.dead.reserve(count);
  WriterId previous = out.floor;
  for (uint64_t i = 0; i < count; ++i) {
    const WriterId dead = reader.Fixed<uint64_t>();
    if (dead <= previous) {
      return absl::DataLossError(absl::StrCat("writer floor: dead writer ", dead, " after ", previous,
                                              "; they must ascend above the floor ", out.floor));
    }
    out.dead.push_back(dead);
    previous = dead;
  }
  return out;
}

}  // namespace rowhouse::server
