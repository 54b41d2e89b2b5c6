// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The loops of kernels.h with vectors. kernels.cc includes this file once for each instruction set, which
// Highway's macros name; that is why its guard flips instead of being #pragma once. Nothing else may include
// it.
//
// Only operations that are IEEE's own or exact take part (Add, Sub, Mul, Div, Sqrt, comparisons, integers and
// moves): never MulAdd, which fuses where it can, nor Min, Max or approximations of floats.
#if defined(ROWHOUSE_SERVER_OPTIMIZER_KERNELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ROWHOUSE_SERVER_OPTIMIZER_KERNELS_INL_H_
#undef ROWHOUSE_SERVER_OPTIMIZER_KERNELS_INL_H_
#else
#define ROWHOUSE_SERVER_OPTIMIZER_KERNELS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>

#include "server/optimizer/kernels.h"

// The two targets without vectors have the scalar twin.
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
HWY_BEFORE_NAMESPACE();
namespace rowhouse::server::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Elements of a full vector; the tree of sums has no use for more than its lanes.
constexpr size_t kFull = HWY_MIN(size_t{kLanes}, HWY_LANES(float));

template <size_t kWidth>
using Floats = hn::FixedTag<float, kWidth>;
template <size_t kWidth>
using Ints = hn::FixedTag<int32_t, kWidth>;

// The elements from i up to n, fewer than 2 * kWidth, by blocks that halve, the last of one element.
template <size_t kWidth, class Step>
HWY_INLINE void ForRest(size_t i, size_t n, const Step& step) {
  if (i + kWidth <= n) {
    step(Floats<kWidth>(), i);
    i += kWidth;
  }
  if constexpr (kWidth > 1) ForRest<kWidth / 2>(i, n, step);
}

// Calls step(tag, i) for blocks that cover the elements from i up to n and no other: full vectors while they
// fit, then narrower ones.
template <class Step>
HWY_INLINE void ForBlocks(size_t i, size_t n, const Step& step) {
  for (; i + kFull <= n; i += kFull) step(Floats<kFull>(), i);
  if (i < n) ForRest<kFull / 2>(i, n, step);
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V CanonicalOf(D d, V value) {
  const auto nan = hn::BitCast(d, hn::Set(hn::RebindToSigned<D>(), static_cast<int32_t>(kCanonicalNaNBits)));
  return hn::IfThenElse(hn::Eq(value, value), value, nan);
}

void SubtractScaled(size_t n, float k, const float* g, float* w) {
  ForBlocks(0, n, [=](auto d, size_t i) HWY_ATTR {
    const auto product = hn::Mul(hn::Set(d, k), hn::LoadU(d, g + i));
    hn::StoreU(CanonicalOf(d, hn::Sub(hn::LoadU(d, w + i), product)), d, w + i);
  });
}

void Adagrad(size_t n, float lr, float eps, const float* g, float* w, float* s) {
  ForBlocks(0, n, [=](auto d, size_t i) HWY_ATTR {
    const auto gradient = hn::LoadU(d, g + i);
    const auto weights = hn::LoadU(d, w + i);
    const auto sum = hn::Add(hn::LoadU(d, s + i), hn::Mul(gradient, gradient));
    const auto divisor = hn::Add(hn::Sqrt(sum), hn::Set(d, eps));
    const auto next = hn::Sub(weights, hn::Div(hn::Mul(hn::Set(d, lr), gradient), divisor));
    const auto stays = hn::Eq(divisor, hn::Zero(d));
    hn::StoreU(CanonicalOf(d, sum), d, s + i);
    hn::StoreU(CanonicalOf(d, hn::IfThenElse(stays, weights, next)), d, w + i);
  });
}

// The first `count` elements, fewer than kWidth, and zeros after them; reads no more. Goes by halves of the
// vector, for a load of what was just stored in pieces would wait for the stores.
template <size_t kWidth>
HWY_INLINE hn::Vec<Floats<kWidth>> LoadFirst(const float* from, size_t count) {
  const Floats<kWidth> d;
  if constexpr (kWidth == 1) {
    return hn::Zero(d);
  } else {
    constexpr size_t kHalf = kWidth / 2;
    if (count < kHalf) return hn::ZeroExtendVector(d, LoadFirst<kHalf>(from, count));
    return hn::Combine(d, LoadFirst<kHalf>(from + kHalf, count - kHalf), hn::LoadU(Floats<kHalf>(), from));
  }
}

// kCount lanes of the tree, in one vector or in two halves that are lanes themselves.
template <size_t kCount, bool kInOneVector = (kCount <= kFull)>
struct Lanes {
  static constexpr size_t kHalf = kCount / 2;
  Lanes<kHalf> low, high;

  static HWY_INLINE Lanes Zero() { return {Lanes<kHalf>::Zero(), Lanes<kHalf>::Zero()}; }
  HWY_INLINE void AddSquares(const float* g) {
    low.AddSquares(g);
    high.AddSquares(g + kHalf);
  }
  // Of `count` elements, fewer than kCount.
  HWY_INLINE void AddSquaresOfRest(const float* g, size_t count) {
    if (count < kHalf) return low.AddSquaresOfRest(g, count);
    low.AddSquares(g);
    high.AddSquaresOfRest(g + kHalf, count - kHalf);
  }
  HWY_INLINE void Add(const Lanes& other) {
    low.Add(other.low);
    high.Add(other.high);
  }
  HWY_INLINE float Sum() {
    low.Add(high);
    return low.Sum();
  }
};

template <size_t kCount>
struct Lanes<kCount, true> {
  hn::Vec<Floats<kCount>> lanes;

  static HWY_INLINE Lanes Zero() { return {hn::Zero(Floats<kCount>())}; }
  HWY_INLINE void AddSquaresOf(hn::Vec<Floats<kCount>> gradient) {
    lanes = hn::Add(lanes, hn::Mul(gradient, gradient));
  }
  HWY_INLINE void AddSquares(const float* g) { AddSquaresOf(hn::LoadU(Floats<kCount>(), g)); }
  // Lanes without an element add +0, which changes no bit: no lane is ever -0.
  HWY_INLINE void AddSquaresOfRest(const float* g, size_t count) {
    AddSquaresOf(LoadFirst<kCount>(g, count));
  }
  HWY_INLINE void Add(const Lanes& other) { lanes = hn::Add(lanes, other.lanes); }
  HWY_INLINE float Sum() {
    if constexpr (kCount == 4) {
      const auto pair = hn::Add(lanes, hn::Shuffle1032(lanes));
      return hn::GetLane(hn::Add(pair, hn::Shuffle2301(pair)));
    } else {
      const Floats<kCount / 2> half;
      Lanes<kCount / 2> sums{hn::Add(hn::LowerHalf(half, lanes), hn::UpperHalf(half, lanes))};
      return sums.Sum();
    }
  }
};

float TreeSum(size_t n, const float* g) {
  auto lanes = Lanes<kLanes>::Zero();
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) lanes.AddSquares(g + i);
  if (i < n) lanes.AddSquaresOfRest(g + i, n - i);
  return Canonical(lanes.Sum());
}

// A block at any address; LoadU's shortest form is for addresses of floats.
template <class D>
HWY_INLINE hn::Vec<D> LoadAnywhere(D d, const float* from) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    float value;
    std::memcpy(&value, reinterpret_cast<const unsigned char*>(from), sizeof(value));
    return hn::Set(d, value);
  } else {
    return hn::LoadU(d, from);
  }
}

// Without their signs, bits of floats are ordered as integers: infinity is above all finite values, and NaNs
// are above it.
template <size_t kWidth>
HWY_INLINE hn::Vec<Ints<kWidth>> Magnitudes(hn::Vec<Floats<kWidth>> values) {
  const Ints<kWidth> d;
  return hn::And(hn::BitCast(d, values), hn::Set(d, 0x7FFFFFFF));
}

// As ForRest. `greatest` has the greatest magnitude of each lane before i, and halves with the blocks.
template <size_t kWidth, class Values>
HWY_INLINE bool FiniteRest(hn::Vec<Ints<kWidth>> greatest, size_t i, size_t n, const Values& values) {
  if (i + kWidth <= n) {
    greatest = hn::Max(greatest, Magnitudes<kWidth>(values(Floats<kWidth>(), i)));
    i += kWidth;
  }
  if constexpr (kWidth == 1) {
    return hn::GetLane(greatest) < 0x7F800000;
  } else {
    const Ints<kWidth / 2> half;
    return FiniteRest<kWidth / 2>(hn::Max(hn::LowerHalf(half, greatest), hn::UpperHalf(half, greatest)), i, n,
                                  values);
  }
}

// As ForBlocks, and tells whether all that values(tag, i) gives is finite.
template <class Values>
HWY_INLINE bool Finite(size_t n, const Values& values) {
  auto greatest = hn::Zero(Ints<kFull>());
  size_t i = 0;
  for (; i + kFull <= n; i += kFull) {
    greatest = hn::Max(greatest, Magnitudes<kFull>(values(Floats<kFull>(), i)));
  }
  return FiniteRest<kFull>(greatest, i, n, values);
}

bool AllFiniteOf(const float* from, size_t n) {
  return Finite(n, [=](auto d, size_t i) HWY_ATTR { return LoadAnywhere(d, from + i); });
}

bool CopyFiniteOf(const float* from, size_t n, float* to) {
  return Finite(n, [=](auto d, size_t i) HWY_ATTR {
    const auto values = LoadAnywhere(d, from + i);
    hn::StoreU(values, d, to + i);
    return values;
  });
}

bool AddFiniteOf(const float* from, size_t n, float* to) {
  return Finite(n, [=](auto d, size_t i) HWY_ATTR {
    const auto sums = CanonicalOf(d, hn::Add(hn::LoadU(d, to + i), LoadAnywhere(d, from + i)));
    hn::StoreU(sums, d, to + i);
    return sums;
  });
}

}  // namespace

const Kernels* TargetKernels() {
  // Highway's name without the "N_" of its namespace, but for the one that nobody else uses.
  static constexpr const char* kName = HWY_TARGET == HWY_AVX3 ? "AVX512" : HWY_STR(HWY_NAMESPACE) + 2;
  static constexpr Kernels kKernels = {.target = kName,
                                       .subtract_scaled = SubtractScaled,
                                       .adagrad = Adagrad,
                                       .tree_sum_of_squares = TreeSum,
                                       .all_finite = AllFiniteOf,
                                       .copy_finite = CopyFiniteOf,
                                       .add_finite = AddFiniteOf};
  return &kKernels;
}

}  // namespace rowhouse::server::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // a target with vectors

#endif  // the guard that flips
