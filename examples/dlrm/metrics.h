// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// How good predicted click probabilities are. Pure functions.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rowhouse::dlrm {

struct Metrics {
  uint64_t samples = 0, positives = 0;
  double auc = 0;                 // NaN when all labels are equal
  double log_loss = 0;            // nats a sample
  double normalized_entropy = 0;  // log loss / entropy of the base rate; NaN when all labels are equal
  double calibration = 0;         // sum of predictions / number of positives; NaN without positives
};

// Exact area under the ROC curve: the share of (positive, negative) pairs where the positive has the higher
// score, ties counting one half. NaN when all labels are equal. Labels are 0 or 1.
double Auc(absl::Span<const float> scores, absl::Span<const float> labels);

// Loss of one sample, -log of the probability sigmoid(logit) gives to its label; exact for large |logit| too.
double LogLoss(float logit, float label);

double Sigmoid(float logit);

// Scores are logits.
Metrics ComputeMetrics(absl::Span<const float> logits, absl::Span<const float> labels);

}  // namespace rowhouse::dlrm
