// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What tests of pushes say often.

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/node.h"

namespace rowhouse::server {

inline void ExpectAllOk(const PushOutcome& outcome) {
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  for (const auto& failure : outcome.failures) ADD_FAILURE() << failure.partition << ": " << failure.status;
}

// Every part was applied before.
inline void ExpectDuplicate(const PushOutcome& outcome) {
  ExpectAllOk(outcome);
  EXPECT_EQ(outcome.duplicate_parts, outcome.applied.size());
}

// Nothing was applied, every part failed with `code`.
inline void ExpectAllFail(const PushOutcome& outcome, absl::StatusCode code) {
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_TRUE(outcome.applied.empty());
  EXPECT_FALSE(outcome.failures.empty());
  for (const auto& failure : outcome.failures) EXPECT_EQ(failure.status.code(), code) << failure.status;
}

inline std::vector<Id> IdsUpTo(Id n) {
  std::vector<Id> ids;
  for (Id id = 0; id < n; ++id) ids.push_back(id);
  return ids;
}

// `dim` values for each id, all different, exact in binary.
inline std::vector<float> ValuesFor(const std::vector<Id>& ids, uint32_t dim, int salt = 1) {
  std::vector<float> values;
  for (size_t i = 0; i < ids.size() * dim; ++i)
    values.push_back(static_cast<float>((i * 7 + static_cast<size_t>(salt) * 13) % 64) * 0x1p-5f - 1.0f);
  return values;
}

}  // namespace rowhouse::server
