// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace rowhouse::dlrm {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

double Auc(absl::Span<const float> scores, absl::Span<const float> labels) {
  // A NaN has no rank, and no place in a sort.
  if (std::any_of(scores.begin(), scores.end(), [](float s) { return std::isnan(s); })) return kNan;
  std::vector<uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return scores[a] < scores[b]; });
  double wins = 0, negatives_below = 0, positives = 0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    double equal_positives = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end) {
      equal_positives += labels[order[end]];
    }
    const double equal_negatives = static_cast<double>(end - begin) - equal_positives;
    wins += equal_positives * (negatives_below + equal_negatives / 2);
    negatives_below += equal_negatives;
    positives += equal_positives;
    begin = end;
  }
  const double pairs = positives * negatives_below;
  return pairs > 0 ? wins / pairs : kNan;
}

double LogLoss(float logit, float label) {
  const double z = logit;
  return std::max(z, 0.0) - z * label + std::log1p(std::exp(-std::abs(z)));
}

double Sigmoid(float logit) { return 1.0 / (1.0 + std::exp(-static_cast<double>(logit))); }

Metrics ComputeMetrics(absl::Span<const float> logits, absl::Span<const float> labels) {
  Metrics m;
  m.samples = logits.size();
  double loss = 0, predicted = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    loss += LogLoss(logits[i], labels[i]);
    predicted += Sigmoid(logits[i]);
    m.positives += labels[i] > 0.5f;
  }
  const double n = static_cast<double>(m.samples), p = static_cast<double>(m.positives) / n;
  m.auc = Auc(logits, labels);
  m.log_loss = n > 0 ? loss / n : kNan;
  const bool mixed = m.positives > 0 && m.positives < m.samples;
  m.normalized_entropy = mixed ? m.log_loss / (-p * std::log(p) - (1 - p) * std::log(1 - p)) : kNan;
  m.calibration = m.positives > 0 ? predicted / static_cast<double>(m.positives) : kNan;
  return m;
}

}  // namespace rowhouse::dlrm
