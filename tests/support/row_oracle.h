// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a table's rows must be after a list of pushes: torch's Adagrad and the documented initial rows,
// written from their definitions and kept outside the server. Not thread-safe.

#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include "tests/support/node.h"

namespace rowhouse::server {

class RowOracle {
 public:
  // Requires: Adagrad without an initial accumulator, uniform initial rows, as AdagradSchema makes them.
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
  TableBits Bits() const {
    TableBits out;
    for (const auto& [id, row] : rows_) {
      RowBits bits(2 * schema_.dim);
      std::memcpy(bits.data(), row.weights.data(), schema_.dim * 4);
      std::memcpy(bits.data() + schema_.dim, row.state.data(), schema_.dim * 4);
      out[id] = bits;
    }
    return out;
  }
  // What a pull of the id gives.
  std::vector<float> Weights(Id id) const {
    auto it = rows_.find(id);
    return it == rows_.end() ? InitialRow(id).weights : it->second.weights;
  }

 private:
  struct Row {
    std::vector<float> weights, state;
  };
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
      const float width = schema_.initializer.high - schema_.initializer.low;
      const float scaled = width * u;
      row.weights.push_back(schema_.initializer.low + scaled);
    }
    row.state.assign(schema_.dim, 0.0f);
    return row;
  }
  Row& RowOf(Id id) {
    auto [it, first] = rows_.try_emplace(id);
    if (first) it->second = InitialRow(id);
    return it->second;
  }
  void Apply(Row& row, const std::vector<float>& value, PushKind kind) {
    const HyperParameters& hyper = schema_.optimizer.hyper;
    for (uint32_t c = 0; c < schema_.dim; ++c) {
      const float v = value[c];
      if (kind == PushKind::kGradient) {
        row.state[c] = row.state[c] + v * v;
        row.weights[c] =
            row.weights[c] - (hyper.learning_rate * v) / (std::sqrt(row.state[c]) + hyper.epsilon);
      } else if (kind == PushKind::kDelta) {
        row.weights[c] = row.weights[c] + v;
      } else {
        row.weights[c] = v;
        row.state[c] = 0;
      }
    }
  }

  TableSchema schema_;
  std::map<Id, Row> rows_;
};

}  // namespace rowhouse::server
