// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/id_generator.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace rowhouse::cli::bench {

IdPermutation::IdPermutation(uint64_t count, uint64_t key) : count_(count) {
  half_bits_ = std::max(1, (static_cast<int>(std::bit_width(count - 1)) + 1) / 2);
  mask_ = (uint64_t{1} << half_bits_) - 1;
  for (uint64_t& round_key : keys_) round_key = key = Mix64(key + kGoldenGamma);
}

uint64_t IdPermutation::operator()(uint64_t value) const {
  do {
    uint64_t left = value >> half_bits_, right = value & mask_;
    for (const uint64_t key : keys_) {
      const uint64_t mixed = left ^ (Mix64(right ^ key) & mask_);
      left = right;
      right = mixed;
    }
    value = left << half_bits_ | right;
  } while (value >= count_);
  return value;
}

ZipfDistribution::ZipfDistribution(uint64_t count, double exponent)
    : count_(static_cast<double>(count)), exponent_(exponent), one_minus_exponent_(1 - exponent) {
  // Position 1 gets an area of exactly its weight: it is never rejected.
  first_area_ = Area(1.5) - 1;
  last_area_ = Area(count_ + 0.5);
  // A draw that rounds up by no more than this is right for every position: position 2 allows the least.
  sure_distance_ = 2 - PositionOf(Area(2.5) - Weight(2));
}

double ZipfDistribution::Weight(double x) const { return std::exp(-exponent_ * std::log(x)); }

double ZipfDistribution::Area(double x) const {
  const double log_x = std::log(x);
  return one_minus_exponent_ == 0 ? log_x : std::expm1(one_minus_exponent_ * log_x) / one_minus_exponent_;
}

double ZipfDistribution::PositionOf(double area) const {
  if (one_minus_exponent_ == 0) return std::exp(area);
  // Rounding may reach the area of the whole infinite tail, -1 here, whose position is infinite.
  return std::exp(std::log1p(std::max(-1.0, one_minus_exponent_ * area)) / one_minus_exponent_);
}

uint64_t ZipfDistribution::Draw(RandomStream& random) const {
  for (;;) {
    const double area = first_area_ + random.NextUnit() * (last_area_ - first_area_);
    const double x = PositionOf(area);
    const double position = std::clamp(std::floor(x + 0.5), 1.0, count_);
    // Of the area between position - 1/2 and position + 1/2, the upper end is kept, as much as the weight.
    if (position - x <= sure_distance_ || area >= Area(position + 0.5) - Weight(position))
      return static_cast<uint64_t>(position) - 1;
  }
}

IdGenerator::IdGenerator(uint64_t rows, double zipf, uint64_t table)
    : rows_(rows), permutation_(rows, Mix64(table)) {
  if (zipf > 0) zipf_.emplace(rows, zipf);
}

void IdGenerator::Draw(RandomStream& random, absl::Span<uint64_t> ids) const {
  if (!zipf_.has_value()) {
    for (uint64_t& id : ids) id = random.Below(rows_);
    return;
  }
  for (uint64_t& id : ids) id = permutation_(zipf_->Draw(random));
}

}  // namespace rowhouse::cli::bench
