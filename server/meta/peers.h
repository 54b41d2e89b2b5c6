// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The other servers of the cluster, as the catalog asks them to catch up after a change. Thread-safe; calls
// block.

#include "absl/status/status.h"

namespace rowhouse::server {

class Peers {
 public:
  virtual ~Peers() = default;
  // Has every other server catch up with the meta store (Catalog::SyncNow there). Asks all of them whatever
  // happens to one; Unavailable naming each server that did not.
  virtual absl::Status SyncAll() = 0;
};

}  // namespace rowhouse::server
