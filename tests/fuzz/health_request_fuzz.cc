// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The request of grpc.health.v1: its service name, in a message that has nothing else.

#include "absl/strings/str_cat.h"
#include "server/rpc/health_service.h"
#include "tests/fuzz/request_checks.h"

namespace rowhouse::fuzz {
namespace {

constexpr size_t kMaxName = 256;

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const uint8_t piece = in.Take<uint8_t>();
  const Pieces pieces(in.rest(), piece);
  const MemoryScope memory;
  const absl::StatusOr<std::string> name = server::HealthService::DecodeRequest(pieces.view());
  memory.RequireAtMost(kRequestMemoryFixed, kRequestMemoryFactor, pieces.view().size());
  if (!name.ok()) return RequireError(name.status(), {absl::StatusCode::kInvalidArgument});
  Require(name->size() <= kMaxName, "a service name is longer than the limit");
  // Written anew: field 1, its length in one or two bytes, the name.
  std::string written = "\x0a";
  if (name->size() >= 0x80) written += static_cast<char>(name->size() | 0x80);
  written += static_cast<char>(name->size() < 0x80 ? name->size() : name->size() >> 7);
  written += *name;
  const Pieces again(AsBytes(written), piece);
  const absl::StatusOr<std::string> same = server::HealthService::DecodeRequest(again.view());
  Require(same.ok() && *same == *name, "written anew it is another name");
}

std::vector<std::string> Seeds() {
  const std::string name = "rowhouse.v1.EmbeddingService";
  return {std::string(1, '\0'), absl::StrCat("\3\x0a", std::string(1, static_cast<char>(name.size())), name)};
}

}  // namespace

Fuzzer HealthRequestFuzzer() { return {"health_request", Run, Seeds, kMaxWireInput}; }

}  // namespace rowhouse::fuzz
