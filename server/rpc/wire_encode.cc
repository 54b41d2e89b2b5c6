// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "common/check.h"
#include "common/message_checksum.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/wire_codec.h"

namespace rowhouse::server {
namespace {

constexpr size_t kMaxResultMessageBytes = 512;
constexpr uint32_t kTablesTag = 15 << 3 | 2;  // PullResponse.tables
constexpr uint8_t kFloat32 = 1;               // DataType

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

class WireWriter {
 public:
  explicit WireWriter(uint8_t* at) : at_(at) {}
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      *at_++ = static_cast<uint8_t>(value | 0x80);
      value >>= 7;
    }
    *at_++ = static_cast<uint8_t>(value);
  }
  // A singular number; nothing when it is 0, as proto3 has it.
  void Number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    Varint(field << 3);
    Varint(value);
  }
  // Tag and length of a string, bytes or message.
  void Header(uint32_t field, size_t length) {
    Varint(field << 3 | 2);
    Varint(length);
  }
  void Raw(const void* from, size_t size) {
    if (size == 0) return;  // then `from` may be null, which memcpy may not see
    std::memcpy(at_, from, size);
    at_ += size;
  }
  uint8_t* Skip(size_t size) {
    uint8_t* const here = at_;
    at_ += size;
    return here;
  }
  uint8_t* at() const { return at_; }

 private:
  uint8_t* at_;
};

// All fields used here have numbers below 16: tags of one byte.
size_t NumberSize(uint64_t value) { return value == 0 ? 0 : 1 + VarintSize(value); }
size_t FieldSize(size_t length) { return 1 + VarintSize(length) + length; }

// ---- the checksum: room at the message's beginning, filled in at its end

size_t ChecksumSize(bool checksum) { return checksum ? kChecksumBytes : 0; }

Buffer Sealed(Buffer message, std::optional<uint32_t> request_checksum) {
  if (request_checksum.has_value()) WriteChecksum(message.data(), message.size(), *request_checksum);
  return message;
}

// ---- PartitionResult

struct Result {
  const PartitionFailure* failure = nullptr;
  std::string message;
  size_t size = 0;  // of the message, without tag and length
};

Result MakeResult(const PartitionFailure& failure) {
  Result result{.failure = &failure, .message = WireMessage(failure.status, kMaxResultMessageBytes)};
  result.size = NumberSize(failure.partition) + NumberSize(WireCode(failure.status)) +
                NumberSize(failure.epoch) + NumberSize(failure.lsn) + NumberSize(failure.retry_after_ms) +
                (result.message.empty() ? 0 : FieldSize(result.message.size()));
  return result;
}

std::vector<Result> MakeResults(absl::Span<const PartitionFailure> failures, size_t* bytes) {
  std::vector<Result> results;
  for (const PartitionFailure& failure : failures) {
    results.push_back(MakeResult(failure));
    *bytes += FieldSize(results.back().size);
  }
  return results;
}

void WriteResults(WireWriter& writer, uint32_t field, const std::vector<Result>& results) {
  for (const Result& result : results) {
    writer.Header(field, result.size);
    writer.Number(1, result.failure->partition);
    writer.Number(2, static_cast<uint64_t>(WireCode(result.failure->status)));
    writer.Number(3, result.failure->epoch);
    writer.Number(4, result.failure->lsn);
    writer.Number(5, result.failure->retry_after_ms);
    if (result.message.empty()) continue;
    writer.Header(6, result.message.size());
    writer.Raw(result.message.data(), result.message.size());
  }
}

// ---- PullTableRows

struct TablePlan {
  size_t padding = 0;       // bytes of repeated fields at the message's start: 0 or at least 2
  size_t message_size = 0;  // without tag and length
};

// Plans the table's message at `offset` such that its values begin at a multiple of 4.
TablePlan PlanTable(const PullResponseBuilder::Table& table, size_t offset) {
  const size_t stored_bytes = (table.rows + 7) / 8;
  const size_t value_bytes = table.rows * table.dim * sizeof(float);
  const size_t before_values =
      NumberSize(table.table) + 2 + FieldSize(stored_bytes) + 1 + VarintSize(value_bytes);
  // Padding may make the length's own varint longer, so that a fit is looked for and not computed. One of
  // five neighbouring sizes fits, for the varint grows at most once among them.
  for (size_t padding = 0;; padding = padding == 0 ? 2 : padding + 1) {
    const size_t size = padding + before_values + value_bytes;
    const size_t values_at = offset + 1 + VarintSize(size) + padding + before_values;
    if (values_at % sizeof(float) == 0) return {padding, size};
  }
}

void WriteTable(WireWriter& writer, const PullResponseBuilder::Table& table, const TablePlan& plan,
                ReadTarget* target) {
  const size_t stored_bytes = (table.rows + 7) / 8;
  const size_t value_bytes = table.rows * table.dim * sizeof(float);
  writer.Varint(kTablesTag);
  writer.Varint(plan.message_size);
  size_t padding = plan.padding;
  if (padding % 2 != 0) {
    writer.Number(1, 128);  // three bytes; the true table_id follows
    padding -= 3;
  }
  for (; padding > 0; padding -= 2) writer.Number(2, kFloat32);
  writer.Number(1, table.table);
  writer.Number(2, kFloat32);
  writer.Header(3, stored_bytes);
  target->stored = writer.Skip(stored_bytes);
  std::memset(target->stored, 0, stored_bytes);
  writer.Header(4, value_bytes);
  target->values = reinterpret_cast<float*>(writer.Skip(value_bytes));
}

}  // namespace

uint64_t PullResponseBuilder::SizeOf(uint64_t map_version, absl::Span<const Table> tables, bool checksum) {
  size_t size = ChecksumSize(checksum) + NumberSize(map_version);
  for (const Table& table : tables) size += FieldSize(PlanTable(table, size).message_size);
  return size;
}

PullResponseBuilder::PullResponseBuilder(uint64_t map_version, absl::Span<const Table> tables,
                                         std::optional<uint32_t> request_checksum)
    : request_checksum_(request_checksum),
      buffer_(Buffer::Allocate(SizeOf(map_version, tables, request_checksum.has_value()))),
      targets_(tables.size()) {
  WireWriter writer(buffer_.data());
  writer.Skip(ChecksumSize(request_checksum.has_value()));
  writer.Number(1, map_version);
  for (size_t i = 0; i < tables.size(); ++i) {
    const size_t offset = static_cast<size_t>(writer.at() - buffer_.data());
    WriteTable(writer, tables[i], PlanTable(tables[i], offset), &targets_[i]);
  }
  RH_CHECK(writer.at() == buffer_.data() + buffer_.size());
}

Buffer PullResponseBuilder::Finish(absl::Span<const PartitionFailure> failures) {
  if (failures.empty()) return Sealed(std::move(buffer_), request_checksum_);
  size_t bytes = 0;
  const std::vector<Result> results = MakeResults(failures, &bytes);
  Buffer out = Buffer::Allocate(buffer_.size() + bytes);
  WireWriter writer(out.data());
  writer.Raw(buffer_.data(), buffer_.size());
  WriteResults(writer, 2, results);
  RH_CHECK(writer.at() == out.data() + out.size());
  return Sealed(std::move(out), request_checksum_);
}

Buffer EncodePushResponse(uint64_t map_version, const PushOutcome& outcome, bool want_lsn,
                          std::optional<uint32_t> request_checksum) {
  size_t bytes = ChecksumSize(request_checksum.has_value()) + NumberSize(map_version) +
                 NumberSize(outcome.duplicate_parts) + NumberSize(outcome.skipped_rows);
  const std::vector<Result> results = MakeResults(outcome.failures, &bytes);
  const absl::Span<const PartitionPosition> applied =
      want_lsn ? absl::MakeSpan(outcome.applied) : absl::Span<const PartitionPosition>();
  const auto position_size = [](const PartitionPosition& p) {
    return NumberSize(p.partition) + NumberSize(p.epoch) + NumberSize(p.lsn);
  };
  for (const PartitionPosition& position : applied) bytes += FieldSize(position_size(position));

  Buffer out = Buffer::Allocate(bytes);
  WireWriter writer(out.data());
  writer.Skip(ChecksumSize(request_checksum.has_value()));
  writer.Number(1, map_version);
  WriteResults(writer, 2, results);
  writer.Number(3, outcome.duplicate_parts);
  writer.Number(4, outcome.skipped_rows);
  for (const PartitionPosition& position : applied) {
    writer.Header(5, position_size(position));
    writer.Number(1, position.partition);
    writer.Number(2, position.epoch);
    writer.Number(3, position.lsn);
  }
  RH_CHECK(writer.at() == out.data() + out.size());
  return Sealed(std::move(out), request_checksum);
}

Buffer EncodeDeleteResponse(const PushOutcome& outcome, std::optional<uint32_t> request_checksum) {
  size_t bytes = ChecksumSize(request_checksum.has_value()) + NumberSize(outcome.duplicate_parts);
  const std::vector<Result> results = MakeResults(outcome.failures, &bytes);
  Buffer out = Buffer::Allocate(bytes);
  WireWriter writer(out.data());
  writer.Skip(ChecksumSize(request_checksum.has_value()));
  WriteResults(writer, 1, results);
  writer.Number(2, outcome.duplicate_parts);
  RH_CHECK(writer.at() == out.data() + out.size());
  return Sealed(std::move(out), request_checksum);
}

}  // namespace rowhouse::server
