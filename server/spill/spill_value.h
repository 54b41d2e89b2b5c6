// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys and values as bytes (docs/formats/spill.md), the same for every implementation of SpillStore. Pure
// functions; thread-safe.

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {

inline constexpr uint32_t kSpillFormatVersion = 1;
inline constexpr size_t kSpillKeyBytes = 18;
inline constexpr size_t kSpillHeaderBytes = 17;  // before the payload

using SpillKeyBytes = std::array<uint8_t, kSpillKeyBytes>;
using SpillHeaderBytes = std::array<uint8_t, kSpillHeaderBytes>;

// Requires: key.partition < limits::kMaxPartitions.
SpillKeyBytes EncodeSpillKey(const SpillKey& key);
// DataLoss when the length is another, or the partition beyond the limit.
absl::StatusOr<SpillKey> DecodeSpillKey(absl::Span<const uint8_t> bytes);

// What stands before value.payload in the stored value.
SpillHeaderBytes EncodeSpillHeader(const SpillKeyBytes& key, const SpillValue& value);
// The value in `stored`; its payload points into `stored`. DataLoss, naming the row, when it is not what was
// written for `key`: too short, another format, another checksum.
absl::StatusOr<SpillValue> DecodeSpillValue(const SpillKey& key, absl::Span<const uint8_t> stored);

// "partition 3, generation 1, table 7, id 42", or "the state of partition 3, generation 1" for table 0.
std::string DescribeSpillKey(const SpillKey& key);

}  // namespace rowhouse::server
