// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// A record of the log: what its header's decoder takes, the encoder writes, bit by bit. An input is a byte
// that says whether checksums are put right, then header and body.

#include "common/crc32c.h"
#include "server/log/log_format.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

constexpr uint32_t kSegmentSeed = 0x12345678;
constexpr size_t kReservedAt = 7, kBodyCrcAt = 124, kReservedWordAt = 128, kHeaderCrcAt = 132;

// Lengths and checksums as the encoder gives them.
void Repair(std::string* record) {
  char* const out = record->data();
  const size_t body = record->size() - server::kRecordHeaderBytes;
  StoreLittle<uint32_t>(out + 8, static_cast<uint32_t>(server::RecordBytes(body)));
  StoreLittle<uint32_t>(out + 12, static_cast<uint32_t>(body));
  const uint32_t seed = Crc32c(out + 24, 8, kSegmentSeed);
  const std::string padding(server::RecordBytes(body) - record->size(), '\0');
  const uint32_t body_crc = Crc32c(out + server::kRecordHeaderBytes, body, seed);
  StoreLittle<uint32_t>(out + kBodyCrcAt, Crc32c(padding.data(), padding.size(), body_crc));
  out[kReservedAt] = 0;
  StoreLittle<uint32_t>(out + kReservedWordAt, 0);
  StoreLittle<uint32_t>(out + kHeaderCrcAt, Crc32c(out, kHeaderCrcAt, seed));
}

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const bool asked = in.Take<uint8_t>() % 2 == 1;
  std::string record = AsString(in.rest());
  const bool repair = asked && record.size() >= server::kRecordHeaderBytes;
  if (repair) Repair(&record);
  const MemoryScope memory;
  const absl::StatusOr<server::RecordFrame> frame = server::DecodeRecordHeader(AsBytes(record), kSegmentSeed);
  memory.RequireAtMost(4096, 0, 0);
  if (!frame.ok()) {
    return RequireError(frame.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
  }
  Require(frame->total_bytes <= limits::kMaxRecordBytes && frame->body_bytes < frame->total_bytes,
          "a record is longer than the limit");
  if (!repair) return;
  std::string written(server::kRecordHeaderBytes, '\0');
  server::EncodeRecordHeader(frame->header, AsBytes(record).subspan(server::kRecordHeaderBytes), kSegmentSeed,
                             reinterpret_cast<uint8_t*>(written.data()));
  Require(written == record.substr(0, server::kRecordHeaderBytes), "written anew it has other bytes");
}

std::vector<std::string> Seeds() {
  server::RecordHeader header;
  header.kind = PushKind::kDelta;
  header.history = 9;
  header.sequence = 1000;
  header.partition = 3;
  header.generation = 2;
  header.epoch = 1;
  header.lsn = 1ull << 40;
  header.committed_lsn = header.lsn - 1;
  header.writer = 5;
  header.seq = header.low = 77;
  header.part_count = 2;
  header.fingerprint = 0xabcdef01;
  header.step = 4;
  header.time_unix_micros = -1;
  header.update_rule_version = 1;
  const std::string body = "eleven byte";
  std::string record(server::kRecordHeaderBytes, '\0');
  server::EncodeRecordHeader(header, AsBytes(body), kSegmentSeed, reinterpret_cast<uint8_t*>(record.data()));
  return {std::string(1, '\0') + record + body, std::string(1, '\1') + record + body};
}

}  // namespace

Fuzzer LogRecordFuzzer() { return {"log_record", Run, Seeds, 512}; }

}  // namespace rowhouse::fuzz
