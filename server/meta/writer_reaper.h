// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Ends writers whose trainers are gone: those that no server has heard from for a time. Without it each
// trainer that ends without a word keeps its windows in every partition for ever. Runs where the meta store
// is; the end is a record in every partition's order, as any other (Catalog::EndWriter).
//
// Thread rule: Start, Stop and the destructor from one thread; the rest is thread-safe.

#include <atomic>
#include <cstdint>
#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "server/meta/catalog.h"
#include "server/meta/peers.h"
#include "server/meta/writer_activity.h"

namespace rowhouse::server {

class WriterReaper {
 public:
  struct Parts {
    Catalog* catalog = nullptr;
    Peers* peers = nullptr;  // null: this server is alone
    WriterActivity* activity = nullptr;
    Clock* clock = nullptr;
    absl::Duration idle_expiry;  // above zero
  };
  // Nothing of parts is owned; all outlive the reaper.
  explicit WriterReaper(const Parts& parts) : parts_(parts) {}
  ~WriterReaper() { Stop(); }

  // Looks again and again, at least once a minute, on a thread of its own.
  void Start();
  // Ends that thread; waits for a look under way, a few seconds at most. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // One look; how many writers were ended. Unavailable when a server did not answer: nobody is ended then,
  // for that server may hear from whom the others do not.
  absl::StatusOr<uint64_t> Reap() ABSL_LOCKS_EXCLUDED(reap_mu_);

  // Since the start.
  uint64_t ended() const { return ended_.load(std::memory_order_relaxed); }

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  const Parts parts_;
  std::atomic<uint64_t> ended_{0};
  absl::Mutex reap_mu_;  // one look at a time; held across the network
  // When a look first found it. A writer that has not pushed yet was not silent before it was there.
  std::map<WriterId, int64_t> first_seen_nanos_ ABSL_GUARDED_BY(reap_mu_);
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace rowhouse::server
