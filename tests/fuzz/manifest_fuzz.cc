// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// MANIFEST.json of a checkpoint. What the decoder takes, the encoder writes, and that is read as the same.

#include "absl/strings/match.h"
#include "common/schema/schema_proto.h"
#include "server/checkpoint/manifest.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"
#include "tests/fuzz/sealed_input.h"

namespace rowhouse::fuzz {
namespace {

constexpr char kPath[] = "/checkpoints/c/MANIFEST.json";

void Run(absl::Span<const uint8_t> input) {
  const std::string text = TextOf(input);
  const MemoryScope memory;
  const absl::StatusOr<server::Manifest> manifest = server::DecodeManifest(kPath, text);
  memory.RequireAtMost(kJsonMemoryFixed, kJsonMemoryFactor, text.size());
  if (!manifest.ok()) {
    RequireError(manifest.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
    return Require(absl::StrContains(manifest.status().message(), kPath), "an error names no file");
  }
  const std::string written = server::EncodeManifest(*manifest);
  const absl::StatusOr<server::Manifest> again = server::DecodeManifest(kPath, written);
  Require(again.ok(), "what was written anew is refused");
  Require(*again == *manifest && server::EncodeManifest(*again) == written, "written anew it is another one");
}

std::vector<std::string> Seeds() {
  TableSchema table;
  table.name = "t";
  table.table_id = 3;
  table.version = 1;
  table.dim = 4;
  server::Manifest manifest{.name = "c",
                            .id = 1,
                            .kind = server::CheckpointKind::kIncremental,
                            .base = "b",
                            .base_id = 2,
                            .cluster = 7,
                            .history = 9,
                            .partitions = 8,
                            .hash_version = 1,
                            .begin_unix_micros = 1'000'000,
                            .cut_unix_micros = 2'000'000,
                            .hold_micros = 5,
                            .servers = {{"server-0000/SERVER.json", 10, 1}},
                            .tables = {table},
                            .writers = {{"w", 5, 100, 3}},
                            .incomplete = {{5, 101, 2, 1}},
                            .highest_table = 3,
                            .highest_writer = 5,
                            .rows = 6,
                            .bytes = 700};
  std::vector<std::string> seeds = SealedSeeds(server::EncodeManifest(manifest));
  manifest.kind = server::CheckpointKind::kFull;
  manifest.base.clear();
  manifest.tables.clear();
  manifest.incomplete.clear();
  for (std::string& seed : SealedSeeds(server::EncodeManifest(manifest))) seeds.push_back(std::move(seed));
  return seeds;
}

}  // namespace

Fuzzer ManifestFuzzer() { return {"manifest", Run, Seeds, 2048}; }

}  // namespace rowhouse::fuzz
