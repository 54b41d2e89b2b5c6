// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/workload.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"

namespace rowhouse::cli::bench {
namespace {

TEST(MakeWorkload, DefaultsAreThoseOfTheStruct) {
  const auto made = MakeWorkload(Operation::kPull, {});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->tables.size(), 1u);
  EXPECT_EQ(made->tables[0].rows, 1'000'000u);
  EXPECT_EQ(made->dim, 64u);
  EXPECT_EQ(made->IdsPerCall(), 2048u);
  EXPECT_EQ(made->BytesPerCall(), 2048u * 256);
  EXPECT_EQ(made->duration, absl::Seconds(10));
  EXPECT_EQ(made->rate, 0);
}

TEST(MakeWorkload, EveryFlagArrives) {
  const auto made = MakeWorkload(Operation::kMixed, {.tables = "3",
                                                     .rows = "500",
                                                     .dim = "7",
                                                     .batch = "10",
                                                     .pooling = "4",
                                                     .zipf = "0.99",
                                                     .clients = "2",
                                                     .in_flight = "5",
                                                     .duration = "1500ms",
                                                     .warm_up = "0s",
                                                     .rate = "12.5",
                                                     .push_share = "0.25",
                                                     .optimizer = "rowwise_adagrad",
                                                     .durability = "sync",
                                                     .seed = "9",
                                                     .keep = true,
                                                     .fill = true});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->tables.size(), 3u);
  EXPECT_EQ(made->tables[2].rows, 500u);
  EXPECT_EQ(made->IdsPerCall(), 3u * 10 * 4);
  EXPECT_EQ(made->BytesPerCall(), 3u * 10 * 4 * 7 * 4);
  EXPECT_EQ(made->zipf, 0.99);
  EXPECT_EQ(made->workers(), 10u);
  EXPECT_EQ(made->duration, absl::Milliseconds(1500));
  EXPECT_EQ(made->warm_up, absl::ZeroDuration());
  EXPECT_EQ(made->rate, 12.5);
  EXPECT_EQ(made->push_share, 0.25);
  EXPECT_EQ(made->optimizer, OptimizerConfig::Kind::kRowwiseAdagrad);
  EXPECT_EQ(made->durability, DurabilityLevel::kSync);
  EXPECT_EQ(made->seed, 9u);
  EXPECT_TRUE(made->keep && made->fill);
}

TEST(MakeWorkload, PresetsAreThePublishedTables) {
  const auto kaggle = MakeWorkload(Operation::kPull, {.preset = "dlrm-kaggle"});
  ASSERT_TRUE(kaggle.ok()) << kaggle.status();
  const auto rows = [](const Workload& w) {
    uint64_t sum = 0;
    for (const TableShape& table : w.tables) sum += table.rows;
    return sum;
  };
  EXPECT_EQ(kaggle->tables.size(), 26u);
  EXPECT_EQ(rows(*kaggle), 33'762'577u);
  EXPECT_EQ(kaggle->dim, 16u);
  EXPECT_EQ(kaggle->IdsPerCall(), 26u * 2048);
  const auto mlperf = MakeWorkload(Operation::kPull, {.preset = "dlrm-mlperf-v2"});
  ASSERT_TRUE(mlperf.ok()) << mlperf.status();
  EXPECT_EQ(mlperf->tables.size(), 26u);
  EXPECT_EQ(rows(*mlperf), 204'184'588u);
  EXPECT_EQ(mlperf->dim, 128u);
  EXPECT_EQ(mlperf->IdsPerCall(), 214u * 2048);
}

TEST(MakeWorkload, FlagsGoBeforeThePreset) {
  const auto made =
      MakeWorkload(Operation::kPull,
                   {.preset = "dlrm-mlperf-v2", .tables = "2", .dim = "8", .batch = "16", .pooling = "1"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->IdsPerCall(), 32u);
  EXPECT_EQ(made->tables[1].rows, 39060u);
  EXPECT_EQ(made->dim, 8u);
  const auto rows = MakeWorkload(Operation::kPull, {.preset = "dlrm-kaggle", .rows = "5"});
  EXPECT_EQ(rows->tables[25].rows, 5u);
}

void ExpectRefused(Operation operation, const WorkloadFlags& flags, const std::vector<const char*>& words) {
  const auto made = MakeWorkload(operation, flags);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << words[0];
  for (const char* word : words)
    EXPECT_TRUE(absl::StrContains(made.status().message(), word)) << made.status() << " lacks " << word;
}

TEST(MakeWorkload, BadFlagsAreNamedWithValueAndRange) {
  const auto pull = [](const WorkloadFlags& flags, const std::vector<const char*>& words) {
    ExpectRefused(Operation::kPull, flags, words);
  };
  pull({.tables = "0"}, {"--tables is 0", "1 to 4096"});
  pull({.tables = "4097"}, {"--tables is 4097", "1 to 4096"});
  pull({.rows = "0"}, {"--rows is 0", "from 1 to"});
  pull({.rows = "1e6"}, {"--rows is \"1e6\"", "whole number"});
  pull({.dim = "65537"}, {"--dim is 65537", "65536"});
  pull({.batch = "-1"}, {"--batch is \"-1\"", "from 1 to"});
  pull({.pooling = "0"}, {"--pooling is 0", "from 1 to"});
  pull({.zipf = "-0.5"}, {"--zipf is -0.5", "0 (uniform) to 10"});
  pull({.zipf = "nan"}, {"--zipf is nan", "to 10"});
  pull({.zipf = "hot"}, {"--zipf is \"hot\"", "to 10"});
  pull({.clients = "257"}, {"--clients is 257", "256"});
  pull({.in_flight = "0"}, {"--in-flight is 0", "256"});
  pull({.duration = "10"}, {"--duration", "10", "100ms to 24h"});
  pull({.duration = "1ms"}, {"--duration is 1ms", "100ms to 24h"});
  pull({.warm_up = "-1s"}, {"--warm-up", "-1s", "0s to 1h"});
  pull({.rate = "0"}, {"--rate is 0", "more than 0"});
  pull({.rate = "inf"}, {"--rate is inf", "1e7"});
  pull({.push_share = "0.5"}, {"--push-share is 0.5", "bench pull", "bench mixed"});
  pull({.optimizer = "adam"}, {"--optimizer", "adam", "rowwise_adagrad"});
  pull({.durability = "often"}, {"--durability", "often", "volatile"});
  pull({.seed = "x"}, {"--seed is \"x\""});
  pull({.preset = "dlrm"}, {"--preset is \"dlrm\"", "dlrm-kaggle"});
  pull({.preset = "dlrm-kaggle", .tables = "27"}, {"--tables is 27", "1 to 26", "dlrm-kaggle"});
  ExpectRefused(Operation::kPush, {.push_share = "1"}, {"--push-share is 1", "bench push"});
  ExpectRefused(Operation::kMixed, {.push_share = "0"}, {"--push-share is 0", "more than 0"});
  ExpectRefused(Operation::kMixed, {.push_share = "1"}, {"--push-share is 1", "less than 1"});
}

TEST(MakeWorkload, TooMuchTogetherIsNamed) {
  ExpectRefused(Operation::kPull, {.clients = "256", .in_flight = "256"},
                {"--clients x --in-flight", "1024"});
  ExpectRefused(Operation::kPull, {.tables = "4096", .batch = "1048576"}, {"--batch", "ids a call"});
  ExpectRefused(Operation::kPull, {.dim = "65536", .batch = "65536", .clients = "4"},
                {"of memory here", "16GiB"});
}

TEST(WorkloadJson, TablesThatAreAlikeAreOneNumber) {
  EXPECT_EQ(WorkloadJson(*MakeWorkload(Operation::kPull, {.tables = "3"}))["rows"], 1'000'000);
  const Json json = WorkloadJson(*MakeWorkload(Operation::kPull, {.preset = "dlrm-mlperf-v2"}));
  EXPECT_EQ(json["rows"].size(), 26u);
  EXPECT_EQ(json["pooling"][20], 100);
  EXPECT_TRUE(json["push_share"].is_null());
  EXPECT_TRUE(json["rate"].is_null());
}

}  // namespace
}  // namespace rowhouse::cli::bench
