// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One start of a server. Its threads cannot be stopped midway, so a process that is killed goes on for a
// while, but with every way out shut: disk, spill and network look here at the moment of each call.

#include "absl/status/status.h"

namespace rowhouse::sim {

struct Life {
  bool dead = false;

  absl::Status Check() const {
    return dead ? absl::UnavailableError("the process is gone") : absl::OkStatus();
  }
};

}  // namespace rowhouse::sim
