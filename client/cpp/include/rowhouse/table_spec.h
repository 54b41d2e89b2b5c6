// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a table is: its dim, update rule, initial rows and promises. Plain values; included by client.h.
// Ranges are checked where a table is created: InvalidArgument names field, value and limit. Every field's
// meaning and range: proto/rowhouse/v1/table_schema.proto.

#include <cstdint>
#include <optional>
#include <string>

namespace rowhouse {

enum class DurabilityLevel { kVolatile = 1, kAsync = 2, kSync = 3 };

// w -= learning_rate * g
struct Sgd {
  float learning_rate = 0.01f;
};
// torch.optim.Adagrad: s += g*g; w -= learning_rate * g / (sqrt(s) + epsilon)
struct Adagrad {
  float learning_rate = 0.01f;
  float epsilon = 1e-10f;
  float initial_accumulator = 0;
  explicit Adagrad(float lr = 0.01f, float eps = 1e-10f, float s0 = 0)
      : learning_rate(lr), epsilon(eps), initial_accumulator(s0) {}
};
// s += mean(g*g); w -= learning_rate / (sqrt(s) + epsilon) * g
struct RowwiseAdagrad {
  float learning_rate = 0.01f;
  float epsilon = 1e-10f;
  float initial_accumulator = 0;
  explicit RowwiseAdagrad(float lr = 0.01f, float eps = 1e-10f, float s0 = 0)
      : learning_rate(lr), epsilon(eps), initial_accumulator(s0) {}
};

struct OptimizerConfig {
  enum class Kind { kSgd = 1, kAdagrad = 2, kRowwiseAdagrad = 3 } kind = Kind::kSgd;
  float learning_rate = 0.01f, epsilon = 0, initial_accumulator = 0;
  OptimizerConfig() = default;
  OptimizerConfig(Sgd o) : kind(Kind::kSgd), learning_rate(o.learning_rate) {}  // NOLINT: converts
  OptimizerConfig(Adagrad o)                                                    // NOLINT
      : kind(Kind::kAdagrad),
        learning_rate(o.learning_rate),
        epsilon(o.epsilon),
        initial_accumulator(o.initial_accumulator) {}
  OptimizerConfig(RowwiseAdagrad o)  // NOLINT
      : kind(Kind::kRowwiseAdagrad),
        learning_rate(o.learning_rate),
        epsilon(o.epsilon),
        initial_accumulator(o.initial_accumulator) {}
};

struct InitializerConfig {
  enum class Kind { kZeros = 1, kConstant = 2, kUniform = 3, kInverseSqrtDim = 4 } kind = Kind::kZeros;
  float value = 0, low = 0, high = 0;
  static InitializerConfig Zeros() { return {}; }
  static InitializerConfig Constant(float value) { return {Kind::kConstant, value, 0, 0}; }
  static InitializerConfig Uniform(float low, float high) { return {Kind::kUniform, 0, low, high}; }
  static InitializerConfig InverseSqrtDim() { return {Kind::kInverseSqrtDim, 0, 0, 0}; }
};

// What a table is. See proto/rowhouse/v1/table_schema.proto for every field's meaning and range.
struct TableSpec {
  std::string name;
  uint32_t dim = 0;
  OptimizerConfig optimizer;
  InitializerConfig initializer;
  uint64_t seed = 0;
  DurabilityLevel durability = DurabilityLevel::kAsync;
  uint64_t num_rows = 0;  // 0: any 64-bit id
  std::optional<uint64_t> padding_id;
  bool unseen_reads_zeros = false;
  bool allow_nan = false;
  bool frozen = false;
  bool track_last_push_time = false;
};

}  // namespace rowhouse
