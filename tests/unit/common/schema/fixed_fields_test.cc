// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/schema/fixed_fields.h"

#include <gtest/gtest.h>

namespace rowhouse {
namespace {

TEST(DifferentFixedFields, WhatMayChangeIsNotNamed) {
  TableSchema there, asked;
  EXPECT_EQ(DifferentFixedFields(there, asked), "");
  asked.version = 7;
  asked.optimizer.hyper = {.learning_rate = 1, .epsilon = 2};
  asked.nan_policy = NanPolicy::kAllow;
  asked.frozen = true;
  asked.durability = Durability::kSync;
  EXPECT_EQ(DifferentFixedFields(there, asked), "");
}

TEST(DifferentFixedFields, EachIsToldWithBothValues) {
  TableSchema there, asked;
  there.dim = 32;
  asked.dim = 16;
  there.optimizer.kind = OptimizerKind::kAdagrad;
  asked.optimizer.kind = OptimizerKind::kRowwiseAdagrad;
  there.optimizer.initial_accumulator = 0.1f;
  asked.optimizer.initial_accumulator = 0.10000001f;  // the next float
  there.initializer = {.kind = InitializerKind::kUniform, .low = -0.5f, .high = 0.5f};
  asked.initializer = {.kind = InitializerKind::kConstant, .value = 1};
  asked.seed = 7;
  asked.unseen_policy = UnseenPolicy::kZeros;
  there.num_rows = 100;
  asked.padding_id = 3;
  asked.track_last_push_time = true;
  asked.durability = Durability::kVolatile;
  EXPECT_EQ(
      DifferentFixedFields(there, asked),
      "dim is 32, asked for is 16; optimizer.kind is adagrad, asked for is rowwise_adagrad; "
      "optimizer.initial_accumulator is 0.1, asked for is 0.10000001; initializer is uniform:-0.5,0.5, "
      "asked for is constant:1; seed is 0, asked for is 7; unseen_policy is initial, asked for is zeros; "
      "num_rows is 100, asked for is 0; padding_id is none, asked for is 3; track_last_push_time is off, "
      "asked for is on; durability is async, asked for is volatile");
}

TEST(DifferentFixedFields, OfAnotherTable) {
  TableSchema there, asked;
  there.name = "a";
  asked.name = "b";
  asked.table_id = 2;
  asked.initializer.kind = InitializerKind::kInverseSqrtDim;
  EXPECT_EQ(
      DifferentFixedFields(there, asked),
      "name is \"a\", asked for is \"b\"; table_id is 0, asked for is 2; initializer is zeros, asked for is "
      "inverse_sqrt_dim");
}

}  // namespace
}  // namespace rowhouse
