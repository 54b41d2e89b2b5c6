// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/routing/partition_map.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(PartitionMap, EmptyOwnsNothing) {
  const PartitionMap map;
  EXPECT_EQ(map.partition_count(), 0u);
  EXPECT_EQ(map.server_count(), 0u);
  EXPECT_TRUE(map.OwnedBy(0).empty());
}

TEST(PartitionMap, FixedGivesContiguousRanges) {
  const auto map = PartitionMap::Fixed(8, {"a:1", "b:2", "c:3"});
  ASSERT_TRUE(map.ok()) << map.status();
  // s owns [s*8/3, (s+1)*8/3): 0-1, 2-4, 5-7.
  EXPECT_THAT(map->OwnedBy(0), ElementsAre(0, 1));
  EXPECT_THAT(map->OwnedBy(1), ElementsAre(2, 3, 4));
  EXPECT_THAT(map->OwnedBy(2), ElementsAre(5, 6, 7));
  EXPECT_EQ(map->version(), 1u);
  EXPECT_EQ(map->partition_bits(), 3u);
  EXPECT_EQ(map->partition_count(), 8u);
  EXPECT_EQ(map->address(2), "c:3");
  for (PartitionId p = 0; p < 8; ++p) EXPECT_EQ(map->epoch(p), 1u);
}

TEST(PartitionMap, FixedWithOnePartition) {
  const auto map = PartitionMap::Fixed(1, {"a:1"});
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->partition_bits(), 0u);
  EXPECT_EQ(map->PartitionOf(9, 12345), 0u);
}

TEST(PartitionMap, FixedAtItsLimits) {
  EXPECT_TRUE(PartitionMap::Fixed(16384, {"a"}).ok());
  EXPECT_TRUE(PartitionMap::Fixed(2, {"a", "b"}).ok());
  const std::vector<std::pair<uint32_t, size_t>> bad = {{0, 1}, {3, 1}, {32768, 1},
                                                        {4, 0}, {4, 5}, {2048, 1025}};
  for (const auto& [partitions, servers] : bad) {
    SCOPED_TRACE(testing::Message() << partitions << " partitions, " << servers << " servers");
    const auto map = PartitionMap::Fixed(partitions, std::vector<std::string>(servers, "x"));
    EXPECT_TRUE(absl::IsInvalidArgument(map.status())) << map.status();
  }
  EXPECT_THAT(Message(PartitionMap::Fixed(3, {"a"}).status()), HasSubstr("partitions is 3"));
  EXPECT_THAT(Message(PartitionMap::Fixed(3, {"a"}).status()), HasSubstr("16384"));
}

TEST(PartitionMap, FromPartsKeepsWhatItWasTold) {
  const auto map = PartitionMap::FromParts(9, {1, 0, 1, 1}, {5, 6, 7, 8}, {"a", "b"});
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->version(), 9u);
  EXPECT_EQ(map->owner(1), 0u);
  EXPECT_EQ(map->epoch(3), 8u);
  EXPECT_THAT(map->OwnedBy(1), ElementsAre(0, 2, 3));
  EXPECT_EQ(map->PartitionOf(1, 42), PartitionOfHash(RoutingHash(1, 42), 2));
}

TEST(PartitionMap, FromPartsRefusesWhatDoesNotFit) {
  EXPECT_THAT(Message(PartitionMap::FromParts(1, {0, 2}, {1, 1}, {"a", "b"}).status()),
              HasSubstr("owner of partition 1 is server 2, allowed are 0 to 1"));
  EXPECT_THAT(Message(PartitionMap::FromParts(1, {0, 0}, {1}, {"a"}).status()),
              HasSubstr("epochs has 1 entries"));
  EXPECT_TRUE(absl::IsInvalidArgument(PartitionMap::FromParts(1, {0, 0, 0}, {1, 1, 1}, {"a"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(PartitionMap::FromParts(1, {}, {}, {"a"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(PartitionMap::FromParts(1, {0}, {1}, {}).status()));
}

}  // namespace
}  // namespace rowhouse
