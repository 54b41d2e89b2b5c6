// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The files that say whose a data directory is. The text as IDENTITY: what the decoder takes, the encoder
// writes. Then a start on a directory that has it as IDENTITY, and one that has it as GENERATION.

#include "absl/strings/match.h"
#include "common/memory_file_system.h"
#include "common/random.h"
#include "server/identity.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"
#include "tests/fuzz/sealed_input.h"

namespace rowhouse::fuzz {
namespace {

constexpr char kDirectory[] = "/data", kPath[] = "/data/IDENTITY";

server::Identity KnownIdentity() {
  return {.cluster = 7, .history = 9, .server = 1, .servers = {"a:1", "b:2"}, .partitions = 16};
}

std::string GenerationText(uint64_t generation) {
  return server::SealJson({{"volatile_generation", generation}}, 1);
}

void Start(const std::string& identity, const std::string& generation) {
  const auto fs = MakeMemoryFileSystem();
  Require(fs->CreateDirectories(kDirectory).ok(), "no directory in memory");
  Require(ReplaceFileDurably(*fs, kPath, identity).ok(), "no file in memory");
  Require(ReplaceFileDurably(*fs, "/data/GENERATION", generation).ok(), "no file in memory");
  const server::Identity known = KnownIdentity();
  const server::IdentityRequest request{.data_directory = kDirectory,
                                        .log_directory = "/data/log",
                                        .server = known.server,
                                        .servers = known.servers,
                                        .partitions = known.partitions};
  const auto no_cluster = []() -> absl::StatusOr<server::ClusterIdentity> {
    return absl::UnavailableError("there is no other server");
  };
  SeededRandom random(1);
  const auto opened = server::OpenDataDirectory(*fs, random, request, no_cluster);
  if (!opened.ok()) {
    RequireError(opened.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
    return Require(absl::StrContains(opened.status().message(), kDirectory), "an error names no file");
  }
  Require(opened->identity.server == known.server && opened->identity.partitions == known.partitions &&
              opened->identity.servers == known.servers,
          "another server's directory is taken");
  Require(opened->volatile_generation > server::kDurableGeneration, "a generation is used again");
}

void Run(absl::Span<const uint8_t> input) {
  const std::string text = TextOf(input);
  const MemoryScope memory;
  const absl::StatusOr<server::Identity> identity = server::DecodeIdentity(kPath, text);
  memory.RequireAtMost(kJsonMemoryFixed, kJsonMemoryFactor, text.size());
  if (identity.ok()) {
    const absl::StatusOr<server::Identity> again =
        server::DecodeIdentity(kPath, server::EncodeIdentity(*identity));
    Require(again.ok() && *again == *identity, "written anew it is refused, or another one");
  } else {
    RequireError(identity.status(), {absl::StatusCode::kDataLoss, absl::StatusCode::kFailedPrecondition});
    Require(absl::StrContains(identity.status().message(), kPath), "an error names no file");
  }
  Start(text, GenerationText(1));
  Start(server::EncodeIdentity(KnownIdentity()), text);
}

std::vector<std::string> Seeds() {
  server::Identity alone = KnownIdentity();
  alone.servers.clear();
  std::vector<std::string> seeds;
  for (const std::string& text : {server::EncodeIdentity(KnownIdentity()), server::EncodeIdentity(alone),
                                  GenerationText(5), GenerationText(UINT32_MAX)}) {
    for (std::string& seed : SealedSeeds(text)) seeds.push_back(std::move(seed));
  }
  return seeds;
}

}  // namespace

Fuzzer IdentityFuzzer() { return {"identity", Run, Seeds, 1024}; }

}  // namespace rowhouse::fuzz
