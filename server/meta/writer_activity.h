// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// When this server last heard from each writer, so that those whose trainers are gone can be ended. Kept in
// memory alone: after a start nobody has been silent for longer than the server runs.
//
// Thread-safe.

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/clock.h"
#include "common/types.h"

namespace rowhouse::server {

class WriterActivity {
 public:
  // `clock` is not owned.
  explicit WriterActivity(Clock* clock) : clock_(clock), start_nanos_(clock->NowMonotonicNanos()) {}

  // The writer pushed.
  void Heard(WriterId writer) ABSL_LOCKS_EXCLUDED(mu_);
  // For how long each was silent here; since the start when it was never heard. `living`: every writer that
  // lives; what is known of others with ids up to the largest of them is forgotten.
  std::vector<absl::Duration> SilenceOf(absl::Span<const WriterId> living) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Clock* const clock_;
  const int64_t start_nanos_;
  absl::Mutex mu_;
  absl::flat_hash_map<WriterId, int64_t> heard_nanos_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rowhouse::server
