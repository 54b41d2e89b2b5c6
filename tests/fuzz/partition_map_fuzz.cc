// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// A partition map as a server tells it. What is taken has an owner among its servers for every partition, and
// a partition for every id.

#include "absl/strings/str_cat.h"
#include "common/limits.h"
#include "common/routing/partition_map.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

void RequireWhole(const PartitionMap& map) {
  const uint32_t partitions = map.partition_count();
  Require(partitions == 1u << map.partition_bits() && partitions <= limits::kMaxPartitions,
          "the number of partitions is none");
  size_t owned = 0;
  for (ServerId s = 0; s < map.server_count(); ++s) {
    for (const PartitionId p : map.OwnedBy(s)) Require(map.owner(p) == s, "an owner owns another's");
    owned += map.OwnedBy(s).size();
  }
  Require(owned == partitions, "a partition has no owner");
  for (const Id id : {Id{0}, Id{1}, ~Id{0}}) Require(map.PartitionOf(1, id) < partitions, "an id is nowhere");
}

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const uint64_t version = in.Take<uint64_t>();
  std::vector<std::string> servers(in.Take<uint8_t>());
  for (size_t s = 0; s < servers.size(); ++s) servers[s] = absl::StrCat("host:", s);
  const uint32_t fixed_partitions = in.Take<uint16_t>();
  std::vector<Epoch> epochs(in.Take<uint8_t>(), version);
  std::vector<ServerId> owners;
  while (!in.rest().empty()) owners.push_back(in.Take<uint8_t>());
  if (epochs.size() == 255) epochs.resize(owners.size());  // else hardly ever as many

  const absl::StatusOr<PartitionMap> fixed = PartitionMap::Fixed(fixed_partitions, servers);
  if (fixed.ok()) {
    RequireWhole(*fixed);
  } else {
    RequireError(fixed.status(), {absl::StatusCode::kInvalidArgument});
  }
  const absl::StatusOr<PartitionMap> told = PartitionMap::FromParts(version, owners, epochs, servers);
  if (!told.ok()) return RequireError(told.status(), {absl::StatusCode::kInvalidArgument});
  RequireWhole(*told);
  Require(told->version() == version && told->servers() == servers, "a map is not the one that was told");
}

// Version, servers, partitions of the fixed map, epochs, owners.
std::string Seed(uint8_t servers, uint16_t partitions, uint8_t epochs, const std::string& owners) {
  ByteWriter out;
  out.Fixed<uint64_t>(1);
  out.Fixed(servers);
  out.Fixed(partitions);
  out.Fixed(epochs);
  return out.Take() + owners;
}

std::vector<std::string> Seeds() {
  return {Seed(1, 1, 1, std::string(1, '\0')), Seed(3, 16, 8, std::string("\0\0\0\1\1\1\2\2", 8)),
          Seed(3, 16384, 255, std::string(4, '\3'))};
}

}  // namespace

Fuzzer PartitionMapFuzzer() { return {"partition_map", Run, Seeds, 300}; }

}  // namespace rowhouse::fuzz
