// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Sizes and times as people write them in options and read them in logs. Pure functions.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace rowhouse {

// "1000", "64KB" (1000s), "512MiB", "4 GiB" (1024s): a whole number and one of B, KB, MB, GB, TB, KiB, MiB,
// GiB, TiB in any case. InvalidArgument, naming the text, otherwise or beyond 64 bits.
absl::StatusOr<uint64_t> ParseBytes(std::string_view text);

// "512MiB", "1.5GiB" (one decimal, rounded down), "999B".
std::string FormatBytes(uint64_t bytes);

// "30s", "200ms", "5m", "1h30m", "1.5s", "0". InvalidArgument, naming the text, for a number without unit, a
// negative or an infinite time.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

}  // namespace rowhouse
