// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/kernels.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/server/optimizer/special_floats.h"

namespace rowhouse::server {
namespace {

using Row = std::vector<float>;

constexpr size_t kDims[] = {0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 39, 64, 100, 128, 255};

// A copy of a row that ends where memory ends, or `bytes_after` before: to read or write one element more is
// a crash, and what is written before the row is found in the end.
class EndOfMemory {
 public:
  explicit EndOfMemory(const Row& values, size_t bytes_after = 0) : count_(values.size()) {
    const size_t page = sysconf(_SC_PAGESIZE);
    size_ = (values.size() * sizeof(float) + bytes_after + page - 1) / page * page + page;
    base_ =
        static_cast<char*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_NE(base_, MAP_FAILED);
    EXPECT_EQ(mprotect(base_ + size_ - page, page, PROT_NONE), 0);
    begin_ = base_ + size_ - page - bytes_after - values.size() * sizeof(float);
    memset(base_, 0x5A, begin_ - base_);
    if (count_ > 0) memcpy(begin_, values.data(), count_ * sizeof(float));
  }
  EndOfMemory(const EndOfMemory&) = delete;
  EndOfMemory& operator=(const EndOfMemory&) = delete;
  ~EndOfMemory() {
    for (const char* at = base_; at < begin_; ++at) {
      if (*at != 0x5A) {
        ADD_FAILURE() << "written " << begin_ - at << " bytes before the row";
        break;
      }
    }
    munmap(base_, size_);
  }
  float* data() { return reinterpret_cast<float*>(begin_); }
  std::vector<uint32_t> bits() const {
    std::vector<uint32_t> bits(count_);
    if (count_ > 0) memcpy(bits.data(), begin_, count_ * sizeof(float));
    return bits;
  }

 private:
  const size_t count_;
  size_t size_;
  char* base_;
  char* begin_;
};

class KernelsOfTarget : public EachTarget {
 protected:
  // Calls test(n, special, random) for every dim, with ordinary and special floats.
  template <class Test>
  void ForRandomRows(const Test& test) {
    for (const size_t n : kDims) {
      for (uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(absl::StrCat(GetParam()->target, " dim ", n, " seed ", seed));
        std::mt19937_64 random(seed * 1000 + n);
        test(n, seed % 2 == 0, random);
        if (HasFailure()) return;
      }
    }
  }
  static Row Draw(size_t n, bool special, std::mt19937_64& random) {
    Row row(n);
    // Now and then a quiet row, so that sums that are zero or merely tiny are met.
    const uint64_t mood = random() % 5;
    for (float& v : row) {
      v = mood == 0 ? 0.0f : DrawFloat(random, special) * (mood == 1 ? 1e-25f : 1.0f);
    }
    return row;
  }
};

TEST_P(KernelsOfTarget, StepsGiveTheTwinsBits) {
  ForRandomRows([&](size_t n, bool special, std::mt19937_64& random) {
    const Row gradient = Draw(n, special, random);
    const Row weights = Draw(n, special, random);
    Row state = Draw(n, special, random);
    if (random() % 3 == 0) state.assign(n, 0.0f);
    const float lr = random() % 4 == 0 ? DrawFloat(random, special) : 0.1f;
    const float eps = random() % 2 == 0 ? 0.0f : 1e-10f;
    EndOfMemory g(gradient), w(weights), s(state), twin_w(weights), twin_s(state);
    GetParam()->adagrad(n, lr, eps, g.data(), w.data(), s.data());
    kScalarKernels.adagrad(n, lr, eps, g.data(), twin_w.data(), twin_s.data());
    EXPECT_EQ(w.bits(), twin_w.bits());
    EXPECT_EQ(s.bits(), twin_s.bits());
    GetParam()->subtract_scaled(n, lr, g.data(), w.data());
    kScalarKernels.subtract_scaled(n, lr, g.data(), twin_w.data());
    EXPECT_EQ(w.bits(), twin_w.bits());
    EXPECT_EQ(g.bits(), Bits(gradient));
  });
}

TEST_P(KernelsOfTarget, SumsGiveTheTwinsBits) {
  ForRandomRows([&](size_t n, bool special, std::mt19937_64& random) {
    EndOfMemory g(Draw(n, special, random));
    EXPECT_EQ(std::bit_cast<uint32_t>(GetParam()->tree_sum_of_squares(n, g.data())),
              std::bit_cast<uint32_t>(kScalarKernels.tree_sum_of_squares(n, g.data())));
  });
}

TEST_P(KernelsOfTarget, FiniteLoopsGiveTheTwinsBitsAndAnswers) {
  ForRandomRows([&](size_t n, bool special, std::mt19937_64& random) {
    const Row values = Draw(n, special, random);
    bool finite = true;
    for (const float v : values) finite = finite && std::isfinite(v);
    EndOfMemory from(values, /*bytes_after=*/random() % 4);
    EXPECT_EQ(GetParam()->all_finite(from.data(), n), finite);

    EndOfMemory copy{Row(n, 3.0f)};
    EXPECT_EQ(GetParam()->copy_finite(from.data(), n, copy.data()), finite);
    EXPECT_EQ(copy.bits(), from.bits());

    const Row before = Draw(n, special, random);
    EndOfMemory sums(before), twin_sums(before);
    const bool finite_sums = GetParam()->add_finite(from.data(), n, sums.data());
    EXPECT_EQ(finite_sums, kScalarKernels.add_finite(from.data(), n, twin_sums.data()));
    EXPECT_EQ(sums.bits(), twin_sums.bits());
  });
}

TEST_P(KernelsOfTarget, OneBadValueIsFoundWhereverItIs) {
  const float bads[] = {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                        std::bit_cast<float>(0x7F800001u), std::bit_cast<float>(0xFFFFFFFFu)};
  for (const size_t n : kDims) {
    Row values(n, -std::numeric_limits<float>::max());
    Row to(n, 0.0f);
    EXPECT_TRUE(AllFinite(values.data(), n));
    EXPECT_TRUE(CopyFinite(values.data(), n, to.data()));
    for (size_t at = 0; at < n; ++at) {
      const float bad = bads[at % 4];
      values[at] = bad;
      EXPECT_FALSE(AllFinite(values.data(), n)) << at << " of " << n;
      EXPECT_FALSE(CopyFinite(values.data(), n, to.data())) << at << " of " << n;
      to.assign(n, 0.0f);
      EXPECT_FALSE(AddFinite(values.data(), n, to.data())) << at << " of " << n;
      values[at] = 1.0f;
      to.assign(n, 0.0f);
      to[at] = bad;
      EXPECT_FALSE(AddFinite(values.data(), n, to.data())) << at << " of " << n;
      values[at] = -std::numeric_limits<float>::max();
    }
  }
}

TEST_P(KernelsOfTarget, SumsThatOverflowAreNotFinite) {
  for (const size_t n : kDims) {
    if (n == 0) continue;
    const Row big(n, std::numeric_limits<float>::max());
    Row to(n, 0.0f);
    EXPECT_TRUE(AddFinite(big.data(), n, to.data()));
    to.assign(n, 0.0f);
    to[n - 1] = std::numeric_limits<float>::max();
    EXPECT_FALSE(AddFinite(big.data(), n, to.data()));
    EXPECT_EQ(to[n - 1], std::numeric_limits<float>::infinity());
  }
}

TEST_P(KernelsOfTarget, ProductsAreRoundedBeforeTheyAreAdded) {
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 rounds to 1 + 2^-11: fused, the difference would be 2^-24.
  const float g = 1.0f + 0x1p-12f;
  const Row gradient(39, g);
  Row weights(39, 1.0f + 0x1p-11f);
  ActiveKernels().subtract_scaled(39, g, gradient.data(), weights.data());
  EXPECT_THAT(Bits(weights), testing::Each(0u));
  Row state(39, -(1.0f + 0x1p-11f));
  weights.assign(39, 2.0f);
  ActiveKernels().adagrad(39, 1.0f, 0.0f, gradient.data(), weights.data(), state.data());
  EXPECT_THAT(Bits(state), testing::Each(0u));
  EXPECT_THAT(weights, testing::Each(2.0f));  // the divisor is zero
}

TEST_P(KernelsOfTarget, NamesItself) { EXPECT_STREQ(SimdTargetName(), GetParam()->target); }

INSTANTIATE_TEST_SUITE_P(All, KernelsOfTarget, testing::ValuesIn(SupportedKernels()), TargetOf);

TEST(Kernels, BestIsUsedAndTheTwinIsLast) {
  const std::vector<const Kernels*> supported = SupportedKernels();
  EXPECT_EQ(&ActiveKernels(), supported.front());
  EXPECT_EQ(supported.back(), &kScalarKernels);
  EXPECT_STREQ(kScalarKernels.target, "scalar");
}

#ifdef __x86_64__
TEST(Kernels, TargetsAreThoseOfTheProcessor) {
  std::vector<std::string> expected;
  // The parts of AVX-512 that Highway asks for.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
    expected.emplace_back("AVX512");
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
    expected.emplace_back("AVX2");
  }
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) expected.emplace_back("SSE4");
  expected.emplace_back("scalar");
  std::vector<std::string> found;
  for (const Kernels* kernels : SupportedKernels()) found.emplace_back(kernels->target);
  EXPECT_EQ(found, expected);
}
#endif

}  // namespace
}  // namespace rowhouse::server
