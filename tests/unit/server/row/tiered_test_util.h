// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What tests of the tiered row store share.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "server/row/tiered_row_store.h"
#include "tests/unit/server/row/row_store_harness.h"

namespace rowhouse::server {

using ::testing::HasSubstr;

inline constexpr uint64_t kMiB = 1 << 20;

inline RowBatch Batch(TableId table, PartitionId partition, absl::Span<const Id> ids) {
  return RowBatch{table, partition, ids};
}

// Fills memory with rows of `table` until the first ids have gone to spill.
inline void SpillAll(RowStoreHarness* h) {
  ASSERT_TRUE(h->WriteBackAll().ok());
  h->Reopen();
}

}  // namespace rowhouse::server
