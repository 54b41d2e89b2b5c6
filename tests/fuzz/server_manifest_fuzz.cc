// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// SERVER.json of a checkpoint. What the decoder takes, the encoder writes, and that is read as the same.

#include "absl/strings/match.h"
#include "server/checkpoint/manifest.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"
#include "tests/fuzz/sealed_input.h"

namespace rowhouse::fuzz {
namespace {

constexpr char kPath[] = "/checkpoints/c/server-0000/SERVER.json";

void Run(absl::Span<const uint8_t> input) {
  const std::string text = TextOf(input);
  const MemoryScope memory;
  const absl::StatusOr<server::ServerManifest> manifest = server::DecodeServerManifest(kPath, text);
  memory.RequireAtMost(kJsonMemoryFixed, kJsonMemoryFactor, text.size());
  if (!manifest.ok()) {
    RequireError(manifest.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
    return Require(absl::StrContains(manifest.status().message(), kPath), "an error names no file");
  }
  const std::string written = server::EncodeServerManifest(*manifest);
  const absl::StatusOr<server::ServerManifest> again = server::DecodeServerManifest(kPath, written);
  Require(again.ok() && *again == *manifest, "written anew it is refused, or another one");
}

std::vector<std::string> Seeds() {
  return SealedSeeds(
      server::EncodeServerManifest({.checkpoint = 1,
                                    .server = 0,
                                    .partitions = {{0, true, 5, 9, 6}, {3, false, 0, 0, 0}},
                                    .images = {{"rows-000000.img", 500, 1}, {"rows-000001.img", 100, 2}},
                                    .log = {{"log/segment-00000000000000000001.log", 300, 3}}}));
}

}  // namespace

Fuzzer ServerManifestFuzzer() { return {"server_manifest", Run, Seeds, 2048}; }

}  // namespace rowhouse::fuzz
