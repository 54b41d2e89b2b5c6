// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a table's rows must be after a list of pushes: the update rules and the documented initial rows,
// written from their definitions and kept outside the server. Not thread-safe.

#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "tests/support/node.h"

namespace rowhouse::server {

class RowOracle {
 public:
  // Requires: no initial accumulator; initial rows that are uniform or zeros.
  explicit RowOracle(TableSchema schema) : schema_(std::move(schema)) {}

  void SetLearningRate(float rate) { schema_.optimizer.hyper.learning_rate = rate; }

  void Push(const std::vector<Id>& ids, const std::vector<float>& values,
            PushKind kind = PushKind::kGradient) {
    std::vector<Id> order;
    std::map<Id, std::vector<float>> combined;
    for (size_t i = 0; i < ids.size(); ++i) {
      const float* row = values.data() + i * schema_.dim;
      auto [it, first] = combined.try_emplace(ids[i], row, row + schema_.dim);
      if (first) order.push_back(ids[i]);
      if (first) continue;
      for (uint32_t c = 0; c < schema_.dim; ++c)
        it->second[c] = kind == PushKind::kValue ? row[c] : it->second[c] + row[c];
    }
    for (Id id : order) Apply(RowOf(id), combined[id], kind);
  }
  void Delete(const std::vector<Id>& ids) {
    for (Id id : ids) rows_.erase(id);
  }
  // Makes the row what is given, nothing: not stored.
  void Set(Id id, const std::optional<RowBits>& bits) {
    if (!bits.has_value()) {
      rows_.erase(id);
      return;
    }
    Row& row = RowOf(id);
    std::memcpy(row.weights.data(), bits->data(), row.weights.size() * 4);
    if (!row.state.empty())
      std::memcpy(row.state.data(), bits->data() + row.weights.size(), row.state.size() * 4);
  }
  TableBits Bits() const {
    TableBits out;
    for (const auto& [id, row] : rows_) out[id] = BitsOf(row);
    return out;
  }
  // One row's bits; nothing when it is not stored.
  std::optional<RowBits> BitsOf(Id id) const {
    const auto row = rows_.find(id);
    if (row == rows_.end()) return std::nullopt;
    return BitsOf(row->second);
  }
  // What a pull of the id gives.
  std::vector<float> Weights(Id id) const {
    auto it = rows_.find(id);
    return it == rows_.end() ? InitialWeights(id) : it->second.weights;
  }
  // The same of an id never pushed.
  std::vector<float> InitialWeights(Id id) const { return InitialRow(id).weights; }

 private:
  struct Row {
    std::vector<float> weights, state;
  };
  static RowBits BitsOf(const Row& row) {
    RowBits bits(row.weights.size() + row.state.size());
    std::memcpy(bits.data(), row.weights.data(), row.weights.size() * 4);
    if (!row.state.empty())
      std::memcpy(bits.data() + row.weights.size(), row.state.data(), row.state.size() * 4);
    return bits;
  }
  size_t StateFloats() const {
    switch (schema_.optimizer.kind) {
      case OptimizerKind::kSgd:
        return 0;
      case OptimizerKind::kRowwiseAdagrad:
        return 1;
      default:
        return schema_.dim;
    }
  }
  static uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
  }
  Row InitialRow(Id id) const {
    Row row;
    const uint64_t key = Mix(Mix(schema_.seed + 0x9E3779B97F4A7C15ull) + id);
    for (uint32_t c = 0; c < schema_.dim; ++c) {
      const float u = static_cast<float>(Mix(key + (c + 1) * 0x9E3779B97F4A7C15ull) >> 40) * 0x1p-24f;
      if (schema_.initializer.kind == InitializerKind::kZeros) {
        row.weights.push_back(0);
        continue;
      }
      const float width = schema_.initializer.high - schema_.initializer.low;
      const float scaled = width * u;
      row.weights.push_back(schema_.initializer.low + scaled);
    }
    row.state.assign(StateFloats(), 0.0f);
    return row;
  }
  Row& RowOf(Id id) {
    auto [it, first] = rows_.try_emplace(id);
    if (first) it->second = InitialRow(id);
    return it->second;
  }
  void Apply(Row& row, const std::vector<float>& value, PushKind kind) {
    if (kind == PushKind::kGradient) return ApplyGradient(row, value);
    for (uint32_t c = 0; c < schema_.dim; ++c)
      row.weights[c] = kind == PushKind::kDelta ? row.weights[c] + value[c] : value[c];
    if (kind == PushKind::kValue) row.state.assign(row.state.size(), 0.0f);
  }
  void ApplyGradient(Row& row, const std::vector<float>& g) {
    const HyperParameters& hyper = schema_.optimizer.hyper;
    if (schema_.optimizer.kind == OptimizerKind::kRowwiseAdagrad) {
      row.state[0] = row.state[0] + SumOfSquares(g) / static_cast<float>(schema_.dim);
      const float step = hyper.learning_rate / (std::sqrt(row.state[0]) + hyper.epsilon);
      for (uint32_t c = 0; c < schema_.dim; ++c) row.weights[c] = row.weights[c] - step * g[c];
      return;
    }
    for (uint32_t c = 0; c < schema_.dim; ++c) {
      if (schema_.optimizer.kind == OptimizerKind::kSgd) {
        row.weights[c] = row.weights[c] - hyper.learning_rate * g[c];
        continue;
      }
      row.state[c] = row.state[c] + g[c] * g[c];
      row.weights[c] =
          row.weights[c] - (hyper.learning_rate * g[c]) / (std::sqrt(row.state[c]) + hyper.epsilon);
    }
  }
  // Sixteen sums, of every sixteenth element, which are added as a tree.
  static float SumOfSquares(const std::vector<float>& g) {
    float lanes[16] = {};
    for (size_t c = 0; c < g.size(); ++c) lanes[c % 16] = lanes[c % 16] + g[c] * g[c];
    for (size_t width = 8; width > 0; width /= 2) {
      for (size_t l = 0; l < width; ++l) lanes[l] = lanes[l] + lanes[l + width];
    }
    return lanes[0];
  }

  TableSchema schema_;
  std::map<Id, Row> rows_;
};

}  // namespace rowhouse::server
