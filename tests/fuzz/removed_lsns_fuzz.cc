// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What a log notes of its removed segments. What it takes comes back when it is written again. An input is a
// byte that says whether the file's checksum is put right, then the file.

#include "absl/strings/match.h"
#include "common/crc32c.h"
#include "common/memory_file_system.h"
#include "server/log/removed_lsns.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

constexpr server::LogIdentity kIdentity{.cluster = 7, .server = 1, .history = 9};
// An entry takes 12 bytes of the file, and a node of a map.
constexpr size_t kMemoryFixed = 16 << 10, kMemoryFactor = 32;

std::string Path() { return std::string("/") + server::kRemovedName; }

void Repair(std::string* file) {
  if (file->size() < 4) return;
  const size_t body = file->size() - 4;
  StoreLittle<uint32_t>(file->data() + body, Crc32c(file->data(), body));
}

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const bool repair = in.Take<uint8_t>() % 2 == 1;
  std::string file = AsString(in.rest());
  if (repair) Repair(&file);
  const auto fs = MakeMemoryFileSystem();
  Require(ReplaceFileDurably(*fs, Path(), file).ok(), "no file in memory");
  const MemoryScope memory;
  const auto removed = server::ReadRemovedLsns(*fs, "", kIdentity);
  memory.RequireAtMost(kMemoryFixed, kMemoryFactor, file.size());
  if (!removed.ok()) {
    RequireError(removed.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
    return Require(absl::StrContains(removed.status().message(), Path()), "an error names no file");
  }
  Require(server::WriteRemovedLsns(*fs, "", kIdentity, *removed).ok(), "it cannot be written");
  const auto again = server::ReadRemovedLsns(*fs, "", kIdentity);
  Require(again.ok() && *again == *removed, "what was written reads as something else");
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  const auto fs = MakeMemoryFileSystem();
  server::RemovedLsns removed;
  for (PartitionId partition = 0; partition < 3; ++partition) {
    Require(server::WriteRemovedLsns(*fs, "", kIdentity, removed).ok(), "a seed cannot be made");
    const absl::StatusOr<std::string> file = ReadFile(*fs, Path(), 1 << 20);
    seeds.push_back(std::string(1, '\0') + *file);
    seeds.push_back(std::string(1, '\1') + *file);
    removed[partition] = 1'000 + partition;
  }
  return seeds;
}

}  // namespace

Fuzzer RemovedLsnsFuzzer() { return {"removed_lsns", Run, Seeds, 256}; }

}  // namespace rowhouse::fuzz
