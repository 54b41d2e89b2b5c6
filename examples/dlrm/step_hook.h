// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What is done between two batches of training. Used by the training thread.

#include "absl/status/status.h"
#include "examples/dlrm/model.h"

namespace rowhouse::dlrm {

class StepHook {
 public:
  virtual ~StepHook() = default;
  // After each batch's push. An error ends training.
  virtual absl::Status AfterBatch(Dlrm* model) = 0;
  // Once, at the end of training.
  virtual absl::Status Finish(Dlrm* model) = 0;
};

}  // namespace rowhouse::dlrm
