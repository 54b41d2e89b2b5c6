// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// For how long the whole cluster has heard nothing of a writer. Thread-safe; blocks on the network.

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/types.h"
#include "server/meta/peers.h"
#include "server/meta/writer_activity.h"

namespace rowhouse::server {

// For how long each of the living writers was silent on every server: the least of what they say.
// `peers` null: this server is alone. Unavailable naming each server that did not answer.
absl::StatusOr<std::vector<absl::Duration>> SilenceOnEveryServer(absl::Span<const WriterId> living,
                                                                 WriterActivity* activity, Peers* peers);

}  // namespace rowhouse::server
