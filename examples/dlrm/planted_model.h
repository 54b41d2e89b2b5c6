// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Click logs whose true probabilities are known. Every column has a head of ids drawn by a power law and a
// long tail of ids drawn evenly, most of them seen once. In every second column (the signal columns) each id
// has a hidden effect;
//   click ~ Bernoulli(sigmoid(bias + effects of the signal columns' ids + small effects of some dense
//   fields)).
// So the best AUC any model can reach is that of the true probabilities. A PlantedModel is immutable:
// thread-safe.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "examples/dlrm/criteo_reader.h"
#include "examples/dlrm/random_stream.h"

namespace rowhouse::dlrm {

struct PlantedOptions {
  uint64_t rows = 1'300'000;  // to train on
  uint64_t test_rows = 100'000;
  double cardinality_scale = 1;  // times the built-in number of head ids of each column
  double skew = 1.05;            // exponent of the heads' power law
  double signal = 1.4;           // standard deviation of the logit
  double tail_scale = 1;         // times the built-in share of lookups that go to tails; 0: no tails
  double tail_spread = 3;        // tail ids / tail lookups in training
  uint64_t seed = 1;

  // InvalidArgument naming flag, value and range.
  absl::Status Validate() const;
};

struct PlantedSample {
  bool label = false;
  float logit = 0;  // of the true probability
  std::array<std::optional<int64_t>, kDenseCount> dense;
  std::array<std::optional<uint32_t>, kSparseCount>
      index;  // number of the id in its column; nothing: empty field
};

class PlantedModel {
 public:
  // `options` must be valid.
  explicit PlantedModel(const PlantedOptions& options);

  PlantedSample Draw(RandomStream* random) const;
  // Adds the sample as a line of Criteo's format.
  void AppendLine(const PlantedSample& sample, std::string* out) const;
  // Ids of a column, head and tail.
  uint32_t column_ids(int column) const { return columns_[column].head_ids + columns_[column].tail_ids; }

 private:
  struct Column {
    bool has_signal = false;
    double tail_share = 0, empty_share = 0;
    uint32_t head_ids = 0, tail_ids = 0, salt = 0;
    std::vector<double> cumulative;  // of the head's power law, ends with 1
    std::vector<float> effects;      // of head ids, centred and scaled; empty without signal
    float empty_effect = 0, tail_deviation = 0;
  };

  void MakeColumn(int c, double deviation, RandomStream* random);
  float Effect(int c, std::optional<uint32_t> index) const;

  const PlantedOptions options_;
  std::array<Column, kSparseCount> columns_;
};

}  // namespace rowhouse::dlrm
