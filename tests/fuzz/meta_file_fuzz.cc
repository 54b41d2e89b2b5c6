// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The file of the local meta store. What it takes it keeps through a change and the next opening. An input is
// a byte that says whether the file's checksum is put right, then the file.

#include "absl/strings/match.h"
#include "common/crc32c.h"
#include "common/memory_file_system.h"
#include "server/meta/meta_store.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

constexpr ClusterId kCluster = 7;
constexpr HistoryId kHistory = 9;
constexpr char kPath[] = "/META", kOwnKey[] = "fuzz";
// An entry takes 16 bytes of the file.
constexpr size_t kMemoryFixed = 16 << 10, kMemoryFactor = 32;

void Repair(std::string* file) {
  if (file->size() < 4) return;
  const size_t body = file->size() - 4;
  StoreLittle<uint32_t>(file->data() + body, Crc32c(file->data(), body));
}

// All entries but the fuzzer's own, each with its revision.
std::vector<std::string> EntriesOf(server::MetaStore& store) {
  const absl::StatusOr<server::MetaRange> range = store.Range("");
  Require(range.ok(), "an open store cannot be read");
  std::vector<std::string> entries;
  for (size_t i = 0; i < range->kvs.size(); ++i) {
    const server::MetaKeyValue& kv = range->kvs[i];
    Require(i == 0 || range->kvs[i - 1].key < kv.key, "keys do not ascend");
    if (kv.key == kOwnKey) continue;
    ByteWriter entry;
    entry.LengthPrefixed(AsBytes(kv.key));
    entry.LengthPrefixed(AsBytes(kv.value));
    entry.Fixed(kv.mod_revision);
    entries.push_back(entry.Take());
  }
  return entries;
}

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const bool repair = in.Take<uint8_t>() % 2 == 1;
  std::string file = AsString(in.rest());
  if (repair) Repair(&file);
  const auto fs = MakeMemoryFileSystem();
  Require(ReplaceFileDurably(*fs, kPath, file).ok(), "no file in memory");
  const MemoryScope memory;
  auto store = server::OpenLocalMetaStore(fs.get(), kPath, kCluster, kHistory);
  memory.RequireAtMost(kMemoryFixed, kMemoryFactor, file.size());
  if (!store.ok()) {
    RequireError(store.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
    return Require(absl::StrContains(store.status().message(), kPath), "an error names no file");
  }
  const std::vector<std::string> before = EntriesOf(**store);
  Require((*store)->Txn({}, {{.key = kOwnKey, .value = "v"}}).ok(), "a change is refused");
  const auto reopened = server::OpenLocalMetaStore(fs.get(), kPath, kCluster, kHistory);
  Require(reopened.ok(), "what was written is refused");
  const absl::StatusOr<server::MetaRange> own = (*reopened)->Range(kOwnKey);
  Require(own.ok() && !own->kvs.empty() && own->kvs[0].value == "v", "a change is lost");
  Require(EntriesOf(**store) == before && EntriesOf(**reopened) == before, "a change touched other entries");
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  const auto fs = MakeMemoryFileSystem();
  const auto store = server::OpenLocalMetaStore(fs.get(), kPath, kCluster, kHistory);
  for (const char* key : {"counter/table", "table/t", "writer/w"}) {
    const absl::StatusOr<std::string> file = ReadFile(*fs, kPath, 1 << 20);
    seeds.push_back(std::string(1, '\0') + *file);
    seeds.push_back(std::string(1, '\1') + *file);
    Require((*store)->Txn({}, {{.key = key, .value = "17"}}).ok(), "a seed cannot be made");
  }
  return seeds;
}

}  // namespace

Fuzzer MetaFileFuzzer() { return {"meta_file", Run, Seeds, 512}; }

}  // namespace rowhouse::fuzz
