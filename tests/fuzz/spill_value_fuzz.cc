// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// A key and a value of spill, as RocksDB hands them back. An input is a byte that says whether the value's
// checksum is put right, the key, the value.

#include "common/crc32c.h"
#include "server/spill/spill_value.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

constexpr size_t kChecksumAt = 13;

void Repair(absl::Span<const uint8_t> key, std::string* stored) {
  if (stored->size() < server::kSpillHeaderBytes) return;
  uint32_t crc = Crc32c(key.data(), key.size());
  crc = Crc32c(stored->data() + 1, kChecksumAt - 1, crc);
  crc = Crc32c(stored->data() + server::kSpillHeaderBytes, stored->size() - server::kSpillHeaderBytes, crc);
  StoreLittle<uint32_t>(stored->data() + kChecksumAt, crc);
}

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const bool repair = in.Take<uint8_t>() % 2 == 1;
  const absl::Span<const uint8_t> key_bytes = in.Take(server::kSpillKeyBytes);
  std::string stored = AsString(in.rest());
  if (repair) Repair(key_bytes, &stored);
  const MemoryScope memory;
  const absl::StatusOr<server::SpillKey> key = server::DecodeSpillKey(key_bytes);
  if (!key.ok()) return RequireError(key.status(), {absl::StatusCode::kDataLoss});
  const absl::StatusOr<server::SpillValue> value = server::DecodeSpillValue(*key, AsBytes(stored));
  memory.RequireAtMost(4096, 0, 0);
  const server::SpillKeyBytes same_key = server::EncodeSpillKey(*key);
  Require(AsString(same_key) == AsString(key_bytes), "written anew it is another key");
  if (!value.ok()) return RequireError(value.status(), {absl::StatusCode::kDataLoss});
  const std::string written =
      AsString(server::EncodeSpillHeader(same_key, *value)) + AsString(value->payload);
  Require(written == stored, "written anew it is another value");
}

std::vector<std::string> Seeds() {
  const std::string payload = "weights and state";
  std::vector<std::string> seeds;
  for (const TableId table : {TableId{0}, TableId{7}}) {
    const server::SpillKeyBytes key = server::EncodeSpillKey({3, 1, table, 0x0123456789abcdef});
    const server::SpillValue value{.schema_version = 2, .lsn = 1ull << 40, .payload = AsBytes(payload)};
    const std::string stored = AsString(server::EncodeSpillHeader(key, value)) + payload;
    seeds.push_back(std::string(1, '\0') + AsString(key) + stored);
    seeds.push_back(std::string(1, '\1') + AsString(key) + stored);
  }
  return seeds;
}

}  // namespace

Fuzzer SpillValueFuzzer() { return {"spill_value", Run, Seeds, 256}; }

}  // namespace rowhouse::fuzz
