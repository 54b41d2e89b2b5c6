// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The ids that the cases ask for: the same in every run.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rowhouse::bench {

inline constexpr uint32_t kDim = 64;
inline constexpr size_t kBatchIds = 53248;  // 26 x 2,048
inline constexpr size_t kBatches = 16;

using Batches = std::vector<std::vector<uint64_t>>;

// `batches` of `ids` ids below `rows`, uniform.
Batches UniformBatches(uint64_t rows, size_t batches = kBatches, size_t ids = kBatchIds);
// The id of rank r (from 1) is drawn with probability proportional to 1 / r^exponent; ranks are scattered
// over the ids by a fixed permutation. Takes 8 bytes a row meanwhile.
Batches ZipfBatches(uint64_t rows, double exponent, size_t batches = kBatches, size_t ids = kBatchIds);

}  // namespace rowhouse::bench
