// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The maths of one row's update. The last step of the push staircase: Table::Push -> RowStore::Update ->
// Optimizer::Apply.
//
// An optimizer is stateless and const: what it remembers of a row lies in the row's state floats.
// Thread-safe. Arithmetic is IEEE binary32 in one written order (no contraction, no reassociation; sums over
// a row in the fixed 16-lane tree of kernels.h), so that the same pushes give the same bits on every machine.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/floating_point_mode.h"  // what Apply runs under
#include "common/schema/table_schema.h"

namespace rowhouse::server {

// Version of all update rules together, kept in each log record: a replay by a binary that computes otherwise
// is refused.
inline constexpr uint32_t kUpdateRuleVersion = 1;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // The name in schemas and docs, e.g. "rowwise_adagrad".
  virtual std::string_view name() const = 0;
  // Floats of state beside a row of `dim` weights.
  virtual uint32_t StateFloats(uint32_t dim) const = 0;
  // The state of a row never updated. `state`: StateFloats(dim) floats.
  virtual void InitState(const OptimizerSpec& spec, uint32_t dim, float* state) const = 0;
  // One update. `gradient` and `weights`: dim floats; `state`: StateFloats(dim) floats; none may overlap; no
  // alignment is required beyond that of float. NaN results are stored as the canonical quiet NaN
  // (0x7FC00000).
  virtual void Apply(const HyperParameters& hyper, uint32_t dim, const float* gradient, float* weights,
                     float* state) const = 0;
};

// The optimizer of a kind; one object for the process, never destroyed. Null for a number outside the enum.
const Optimizer* GetOptimizer(OptimizerKind kind);

}  // namespace rowhouse::server
