// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/routing/routing_hash.h"

#include <fstream>
#include <string>

#include "common/random.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace rowhouse {
namespace {

TEST(RoutingHash, GoldenVectors) {
  std::ifstream in(ROWHOUSE_SOURCE_DIR "/tests/golden/routing.json");
  ASSERT_TRUE(in.is_open());
  const nlohmann::json golden = nlohmann::json::parse(in);
  EXPECT_EQ(golden["hash_version"].get<uint32_t>(), kRoutingHashVersion);
  ASSERT_GE(golden["vectors"].size(), 64u);
  for (const nlohmann::json& vector : golden["vectors"]) {
    SCOPED_TRACE(vector.dump());
    const TableId table = vector["table"].get<TableId>();
    const Id id = std::stoull(vector["id"].get<std::string>());
    const uint64_t hash = std::stoull(vector["hash"].get<std::string>(), nullptr, 16);
    EXPECT_EQ(RoutingHash(table, id), hash);
    EXPECT_EQ(IdOfRoutingHash(table, hash), id);
    EXPECT_EQ(PartitionOfHash(hash, 2), vector["partitions"]["4"].get<uint32_t>());
    EXPECT_EQ(PartitionOfHash(hash, 4), vector["partitions"]["16"].get<uint32_t>());
    EXPECT_EQ(PartitionOfHash(hash, 8), vector["partitions"]["256"].get<uint32_t>());
    EXPECT_EQ(PartitionOfHash(hash, 14), vector["partitions"]["16384"].get<uint32_t>());
  }
}

TEST(RoutingHash, OnePartitionTakesEverything) {
  EXPECT_EQ(PartitionOfHash(0, 0), 0u);
  EXPECT_EQ(PartitionOfHash(~uint64_t{0}, 0), 0u);
}

TEST(RoutingHash, IsABijection) {
  constexpr uint64_t kSeed = 7;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  SeededRandom random(kSeed);
  for (int i = 0; i < 100'000; ++i) {
    const auto table = static_cast<TableId>(random.Next64());
    const uint64_t word = random.Next64();
    ASSERT_EQ(IdOfRoutingHash(table, RoutingHash(table, word)), word);
    ASSERT_EQ(RoutingHash(table, IdOfRoutingHash(table, word)), word);
    ASSERT_EQ(UnMix64(Mix64(word)), word);
  }
}

TEST(RoutingHash, SpreadsConsecutiveIds) {
  // 256 bins of 1000 expected; a fair hash stays within 200 of it (6 sigma) at every bin.
  std::vector<int> bins(256);
  for (Id id = 0; id < 256'000; ++id) ++bins[PartitionOfHash(RoutingHash(1, id), 8)];
  for (int count : bins) EXPECT_NEAR(count, 1000, 200);
}

TEST(RoutingHash, TablesAreSpreadDifferently) {
  int same = 0;
  for (Id id = 0; id < 10'000; ++id) {
    if (PartitionOfHash(RoutingHash(1, id), 8) == PartitionOfHash(RoutingHash(2, id), 8)) ++same;
  }
  EXPECT_LT(same, 100);  // about 39 by chance
}

}  // namespace
}  // namespace rowhouse
