// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What all calls of one client share. Thread-safe. Calls hold a plain pointer: the core waits for them before
// it goes, and all threads that may still be in one of its functions are joined before its members are
// destroyed.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "client/cpp/src/cluster.h"
#include "client/cpp/src/flow.h"
#include "client/cpp/src/retry.h"
#include "client/cpp/src/timer.h"
#include "client/cpp/src/wire.h"
#include "common/executor.h"
#include "common/metrics.h"
#include "rowhouse/client.h"

namespace rowhouse::client {

struct Counters {
  std::atomic<uint64_t> pulls{0}, pushes{0}, pulled_rows{0}, pushed_rows{0}, duplicate_parts{0},
      skipped_rows{0}, failed_calls{0}, damaged_answers{0};
  std::atomic<uint64_t> wait_nanos{0};
};

// Adds the time it lives to a counter.
class WaitClock {
 public:
  explicit WaitClock(Counters* counters) : counters_(counters), begin_(SteadyNow()) {}
  ~WaitClock() {
    counters_->wait_nanos.fetch_add(
        std::chrono::duration_cast<std::chrono::nanoseconds>(SteadyNow() - begin_).count(),
        std::memory_order_relaxed);
  }
  WaitClock(const WaitClock&) = delete;
  WaitClock& operator=(const WaitClock&) = delete;

 private:
  Counters* const counters_;
  const SteadyTime begin_;
};

// Something that did not succeed, and may later.
struct Trouble {
  absl::Status status;  // of the worst part
  uint32_t retry_after_ms = 0;
  ViewPtr view;  // that the request was made with
  std::vector<TableRef> tables;
  bool vouched = false;  // told inside of an answer: where there are checksums, it is what the server said
};

// One request's failed partitions, judged together.
struct FailureSummary {
  std::vector<PartitionId> partitions;  // ascending
  Trouble trouble;                      // of the worst
  Verdict worst = Verdict::kRetry;
};

class Core {
 public:
  // `runtime` is what the transports need; it is destroyed after they are shut down and before the core's
  // other members. `make_factory` gets the core's timer, for transports without deadlines of their own.
  Core(ClientOptions options, std::vector<std::string> seeds, bool check_reach,
       const std::function<TransportFactory(Timer*)>& make_factory, std::shared_ptr<void> runtime);
  // Ends calls under way with Cancelled and waits for them.
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  const ClientOptions options;
  Counters counters;
  MetricsRegistry metrics;
  prometheus::Histogram& pull_seconds;  // from call to answer
  prometheus::Histogram& push_seconds;
  ByteGate gate;
  PushWindow window;

  Cluster& cluster() { return *cluster_; }

  // Every call that has callbacks counts as open from its beginning to its end.
  void BeginCall();
  void EndCall();
  // Calls the user's log function, on a thread of its own.
  void Log(std::string line);
  Patience NewPatience() const { return {SteadyNow(), SteadyNow() + options.retry_timeout}; }

  // Waits (back-off, new map) until it makes sense to send again, then calls next(OK) on a thread of the
  // client; or calls it with the final error. `patience` counts one more attempt.
  void Recover(Trouble trouble, Patience* patience, absl::AnyInvocable<void(absl::Status)> next);
  // The same, in the calling thread.
  absl::Status RecoverAndWait(Trouble trouble, Patience* patience);

  FailureSummary Summarize(const std::vector<PartitionFailure>& failures, ServerId server,
                           const ViewPtr& view);
  // A server that has a newer map than `view` is asked for it, in the background.
  void NoteMapVersion(uint64_t version, const ViewPtr& view);

  // Sends, counting bytes. The answer to a request with a checksum is Unavailable, and counted, unless it has
  // the one that goes with it: as if it had been lost.
  void Send(const ServerLink& server, absl::string_view method, std::shared_ptr<const Buffer> request,
            CallOptions call, ReplyCallback done);

  // Errors of pushes whose futures may have been dropped, for Flush.
  void NotePushError(const absl::Status& status);
  absl::Status TakePushError();

 private:
  // What is to be done. An error that is not believed yet is counted in `patience`, and gets a pause in which
  // its connection is replaced.
  Verdict JudgeOrDoubt(Trouble* trouble, Patience* patience) const;
  absl::Status CheckAnswer(uint32_t request_checksum, const Reply& reply);
  void RetryLater(const Trouble& trouble, std::chrono::milliseconds pause,
                  absl::AnyInvocable<void(absl::Status)> next);

  absl::Mutex mutex_;
  uint64_t open_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status push_error_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> map_asked_{false};
  // Destroyed last to first: nothing that runs work may go before what posts to it has stopped.
  std::unique_ptr<Executor> log_thread_;
  std::unique_ptr<Cluster> cluster_;
  Timer timer_;
  std::unique_ptr<Executor> control_;  // one thread for questions to the cluster, which block
  std::shared_ptr<void> runtime_;
};

}  // namespace rowhouse::client
