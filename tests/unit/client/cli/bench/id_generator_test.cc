// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/id_generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/random.h"

namespace rowhouse::cli::bench {
namespace {

// A new seed each time, printed where a test fails.
uint64_t NewSeed() { return SystemRandom()->Next64(); }

// Pearson's statistic, over cells of which each is expected several times.
double ChiSquare(const std::vector<uint64_t>& seen, const std::vector<double>& expected) {
  double sum = 0;
  for (size_t i = 0; i < seen.size(); ++i) {
    const double off = static_cast<double>(seen[i]) - expected[i];
    sum += off * off / expected[i];
  }
  return sum;
}

// Ranks 0..9 by themselves and the rest together: chi-square with 10 degrees of freedom exceeds 46 once in a
// million times.
void ExpectZipf(uint64_t rows, double exponent) {
  constexpr int kDraws = 400'000;
  constexpr size_t kApart = 10;
  constexpr double kOnceInAMillion = 46;
  const uint64_t seed = NewSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed << " rows " << rows << " exponent " << exponent);
  double total = 0;
  for (uint64_t k = rows; k >= 1; --k) total += std::pow(static_cast<double>(k), -exponent);
  std::vector<double> expected(kApart + 1, 0);
  expected[kApart] = kDraws;
  for (size_t k = 0; k < kApart; ++k) {
    expected[k] = kDraws * std::pow(static_cast<double>(k + 1), -exponent) / total;
    expected[kApart] -= expected[k];
  }
  const ZipfDistribution zipf(rows, exponent);
  RandomStream random(seed);
  std::vector<uint64_t> seen(kApart + 1, 0);
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t rank = zipf.Draw(random);
    ASSERT_LT(rank, rows);
    ++seen[std::min<uint64_t>(rank, kApart)];
  }
  EXPECT_LT(ChiSquare(seen, expected), kOnceInAMillion);
}

TEST(ZipfDistribution, FirstRanksHaveTheirExactShares) {
  for (const double exponent : {0.2, 0.99, 1.0, 1.0 + 1e-12, 1.2, 2.0}) {
    ExpectZipf(1000, exponent);
    ExpectZipf(1'000'000, exponent);
  }
}

TEST(ZipfDistribution, EveryRankOfASmallTableHasItsExactShare) {
  constexpr int kDraws = 300'000;
  const uint64_t seed = NewSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const ZipfDistribution zipf(4, 1.5);
  RandomStream random(seed);
  std::vector<uint64_t> seen(4, 0);
  for (int i = 0; i < kDraws; ++i) ++seen[zipf.Draw(random)];
  // 1, 2^-1.5, 3^-1.5, 4^-1.5 sum to 1.671003; 3 degrees of freedom exceed 31 once in a million times.
  std::vector<double> expected;
  for (const double weight : {1.0, 0.353553, 0.192450, 0.125}) expected.push_back(kDraws * weight / 1.671003);
  EXPECT_LT(ChiSquare(seen, expected), 31);
}

TEST(ZipfDistribution, EndsOfItsRange) {
  RandomStream random(1);
  const ZipfDistribution one(1, 0.99), steep(1ull << 48, 10), flat(1ull << 48, 0.01);
  uint64_t highest = 0;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_EQ(one.Draw(random), 0u);
    EXPECT_LT(steep.Draw(random), 100u);
    const uint64_t rank = flat.Draw(random);
    ASSERT_LT(rank, 1ull << 48);
    highest = std::max(highest, rank);
  }
  EXPECT_GT(highest, 1ull << 47);
}

TEST(IdPermutation, IsABijection) {
  for (const uint64_t count : {1, 2, 3, 4, 5, 7, 16, 17, 1000, 4096, 4097, 65537}) {
    const IdPermutation permutation(count, 7);
    std::vector<bool> hit(count, false);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t id = permutation(i);
      ASSERT_LT(id, count);
      ASSERT_FALSE(hit[id]) << count << ": " << id << " twice";
      hit[id] = true;
    }
  }
}

TEST(IdPermutation, ScattersNeighboursAndDiffersByKey) {
  constexpr uint64_t kCount = 1'000'000;
  const IdPermutation one(kCount, 1), other(kCount, 2);
  int near = 0, same = 0;
  for (uint64_t i = 0; i + 1 < 1000; ++i) {
    const auto a = static_cast<int64_t>(one(i)), b = static_cast<int64_t>(one(i + 1));
    near += std::abs(a - b) < 1000 ? 1 : 0;
    same += one(i) == other(i) ? 1 : 0;
  }
  EXPECT_LT(near, 20);  // 2 expected
  EXPECT_LT(same, 5);   // 0.001 expected
}

TEST(IdGenerator, UniformCoversTheTableEvenly) {
  constexpr int kDraws = 200'000;
  const uint64_t seed = NewSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const IdGenerator generator(10, 0, 0);
  RandomStream random(seed);
  std::vector<uint64_t> ids(kDraws), seen(10, 0);
  generator.Draw(random, absl::MakeSpan(ids));
  for (const uint64_t id : ids) ++seen.at(id);
  EXPECT_LT(ChiSquare(seen, std::vector<double>(10, kDraws / 10.0)), 44) << "9 degrees: once in a million";
}

TEST(IdGenerator, HotIdIsTheSameForEverySeedAndAnotherInEachTable) {
  const auto hottest = [](uint64_t table, uint64_t seed) {
    const IdGenerator generator(100'000, 1.2, table);
    RandomStream random(seed);
    std::vector<uint64_t> ids(10'000);
    generator.Draw(random, absl::MakeSpan(ids));
    std::sort(ids.begin(), ids.end());
    uint64_t best = 0, best_count = 0;
    for (auto i = ids.begin(); i != ids.end();) {
      const auto end = std::upper_bound(i, ids.end(), *i);
      if (static_cast<uint64_t>(end - i) > best_count) best = *i, best_count = end - i;
      i = end;
    }
    return best;
  };
  EXPECT_EQ(hottest(0, 1), hottest(0, 2));
  EXPECT_NE(hottest(0, 1), hottest(1, 1));
}

}  // namespace
}  // namespace rowhouse::cli::bench
