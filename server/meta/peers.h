// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The other servers of the cluster: the catalog has them catch up after a change, and idle writers are those
// that none has heard from. Thread-safe; calls block.

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/types.h"

namespace rowhouse::server {

class Peers {
 public:
  virtual ~Peers() = default;
  // Has every other server catch up with the meta store (Catalog::SyncNow there). Asks all of them whatever
  // happens to one; Unavailable naming each server that did not.
  virtual absl::Status SyncAll() = 0;
  // For how long each of the living writers was silent on all other servers: the least of what they say
  // (WriterActivity). Unavailable naming each server that did not answer.
  virtual absl::StatusOr<std::vector<absl::Duration>> SilenceOf(absl::Span<const WriterId> living) = 0;
};

}  // namespace rowhouse::server
