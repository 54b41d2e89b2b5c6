// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/planted_model.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace rowhouse::dlrm {
namespace {

// Head ids of each column at scale 1, spread as widely as Criteo's.
constexpr std::array<uint32_t, kSparseCount> kHeadIds = {600,  500, 1500, 2000, 150, 12,   1200, 300, 4,
                                                         1400, 900, 1600, 800,  26,  1000, 1500, 10,  700,
                                                         500,  5,   1400, 14,   16,  1100, 60,   900};
constexpr uint32_t kSmallColumn = 100;                   // columns with fewer ids have no tail
constexpr double kSignalTailShare = 0.4;                 // of the lookups of a signal column
constexpr double kNoiseTailShare = 0.95;                 // of the others
constexpr double kTailEffect = 0.1;                      // deviation of tail effects / that of head effects
constexpr double kBias = -1.4;                           // about one click in four
constexpr int kDenseSignals = 4;                         // dense fields with an effect
constexpr double kDenseEffect = 0.08;                    // of one unit of log(1 + x)
constexpr double kDenseMean = 2, kDenseDeviation = 1.2;  // of log(1 + x)

// A bijection of 32-bit words (the finalizer of MurmurHash3), so that ids of a column never meet.
uint32_t Mix32(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
  x = (x ^ (x >> 13)) * 0xC2B2AE35u;
  return x ^ (x >> 16);
}

bool IsSignalColumn(int c) { return c % 2 == 0 || kHeadIds[c] < kSmallColumn; }

absl::Status CheckRange(const char* flag, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(flag, " must be ", low, " to ", high, ", got ", value));
}

}  // namespace

absl::Status PlantedOptions::Validate() const {
  for (const absl::Status& status :
       {CheckRange("--rows", static_cast<double>(rows), 1, 1e9),
        CheckRange("--test-rows", static_cast<double>(test_rows), 1, 1e8),
        CheckRange("--cardinality-scale", cardinality_scale, 0.001, 1000), CheckRange("--skew", skew, 0, 3),
        CheckRange("--signal", signal, 0, 10), CheckRange("--tail-scale", tail_scale, 0, 1),
        CheckRange("--tail-spread", tail_spread, 0.01, 100)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

PlantedModel::PlantedModel(const PlantedOptions& options) : options_(options) {
  RandomStream random(options.seed);
  double signal_weight = 0;  // expected number of head lookups in signal columns
  for (int c = 0; c < kSparseCount; ++c) {
    Column& column = columns_[c];
    column.has_signal = IsSignalColumn(c);
    const bool small = kHeadIds[c] < kSmallColumn;
    const double tail_share = column.has_signal ? kSignalTailShare : kNoiseTailShare;
    column.tail_share = small ? 0 : options.tail_scale * tail_share;
    if (column.has_signal) signal_weight += 1 - column.tail_share;
  }
  const double dense_variance = kDenseSignals * std::pow(kDenseEffect * kDenseDeviation, 2);
  const double variance = std::max(0.0, options.signal * options.signal - dense_variance);
  for (int c = 0; c < kSparseCount; ++c) MakeColumn(c, std::sqrt(variance / signal_weight), &random);
}

void PlantedModel::MakeColumn(int c, double deviation, RandomStream* random) {
  Column& column = columns_[c];
  column.salt = static_cast<uint32_t>(random->Next64());
  column.empty_share = c % 6 == 5 ? 0.05 : 0;
  column.head_ids = std::max(2u, static_cast<uint32_t>(kHeadIds[c] * options_.cardinality_scale));
  const double tail_lookups = static_cast<double>(options_.rows) * column.tail_share;
  column.tail_ids = static_cast<uint32_t>(std::min(4e9, tail_lookups * options_.tail_spread));
  if (column.tail_ids == 0) column.tail_share = 0;

  std::vector<double> shares(column.head_ids);
  double total = 0;
  for (uint32_t i = 0; i < column.head_ids; ++i) total += shares[i] = std::pow(i + 1.0, -options_.skew);
  double sum = 0;
  for (double& share : shares) column.cumulative.push_back(sum += share /= total);
  column.cumulative.back() = 1;
  if (!column.has_signal) return;

  std::vector<double> effects(column.head_ids);
  double mean = 0, square = 0;
  for (uint32_t i = 0; i < column.head_ids; ++i) {
    effects[i] = random->Normal();
    mean += shares[i] * effects[i];
    square += shares[i] * effects[i] * effects[i];
  }
  const double scale = deviation / std::sqrt(std::max(1e-9, square - mean * mean));
  for (double effect : effects) column.effects.push_back(static_cast<float>((effect - mean) * scale));
  column.empty_effect = static_cast<float>(random->Normal() * deviation);
  column.tail_deviation = static_cast<float>(deviation * kTailEffect);
}

float PlantedModel::Effect(int c, std::optional<uint32_t> index) const {
  const Column& column = columns_[c];
  if (!column.has_signal) return 0;
  if (!index) return column.empty_effect;
  if (*index < column.head_ids) return column.effects[*index];
  RandomStream own(Mix64(options_.seed) ^ (uint64_t{column.salt} << 32 | *index));
  return column.tail_deviation * static_cast<float>(own.Normal());
}

PlantedSample PlantedModel::Draw(RandomStream* random) const {
  PlantedSample sample;
  double logit = kBias;
  for (int i = 0; i < kDenseCount; ++i) {
    if (random->Uniform() < 0.03 * i) continue;  // later fields are empty more often
    const double x = std::exp(kDenseMean + kDenseDeviation * random->Normal()) - 1;
    sample.dense[i] = static_cast<int64_t>(std::clamp(x, -2.0, 1e9));
    if (i < kDenseSignals) {
      const double seen = std::log1p(std::max(0.0, static_cast<double>(*sample.dense[i])));
      logit += (i % 2 == 0 ? kDenseEffect : -kDenseEffect) * (seen - kDenseMean);
    }
  }
  for (int c = 0; c < kSparseCount; ++c) {
    const Column& column = columns_[c];
    const double where = random->Uniform(), which = random->Uniform();
    if (where < column.tail_share) {
      sample.index[c] = column.head_ids + static_cast<uint32_t>(which * column.tail_ids);
    } else if (where < column.tail_share + (1 - column.tail_share) * (1 - column.empty_share)) {
      const auto found = std::upper_bound(column.cumulative.begin(), column.cumulative.end(), which);
      sample.index[c] = static_cast<uint32_t>(found - column.cumulative.begin());
    }
    logit += Effect(c, sample.index[c]);
  }
  sample.logit = static_cast<float>(logit);
  sample.label = random->Uniform() < 1 / (1 + std::exp(-logit));
  return sample;
}

void PlantedModel::AppendLine(const PlantedSample& sample, std::string* out) const {
  constexpr char kHexDigits[] = "0123456789abcdef";
  out->push_back(sample.label ? '1' : '0');
  for (const auto& value : sample.dense) {
    out->push_back('\t');
    if (value) absl::StrAppend(out, *value);
  }
  for (int c = 0; c < kSparseCount; ++c) {
    out->push_back('\t');
    if (!sample.index[c]) continue;
    const uint32_t id = Mix32(*sample.index[c] + columns_[c].salt);
    for (int shift = 28; shift >= 0; shift -= 4) out->push_back(kHexDigits[id >> shift & 15]);
  }
  out->push_back('\n');
}

}  // namespace rowhouse::dlrm
