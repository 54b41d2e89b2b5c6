// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A cluster in memory that does just enough, over generated messages, and a network to it that can be told to
// misbehave. What was applied is kept outside of what the client believes: each (writer, seq, partition) with
// its content. Thread-safe.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/cpp/src/client_impl.h"
#include "client/cpp/src/methods.h"
#include "client/cpp/src/timer.h"
#include "client/cpp/src/transport.h"
#include "common/executor.h"
#include "rowhouse/v1/admin_service.pb.h"
#include "rowhouse/v1/embedding_service.pb.h"

namespace rowhouse::client {

// What the network does with one call.
struct Fault {
  enum Kind {
    kNone,
    kError,
    kApplyThenError,
    kDropRequest,
    kDropReply,
    kTwice,
    kHold,
    kDamageRequest,  // one bit, in the middle
    kDamageReply,
    kCutReply,      // to nothing
    kReplyOfBefore  // to another request
  } kind = kNone;
  absl::Status status = absl::UnavailableError("injected");
  uint32_t retry_after_ms = 0;
};

// One applied part.
struct Applied {
  uint64_t writer, seq;
  uint32_t partition;
  bool operator<(const Applied& o) const {
    return std::tie(writer, seq, partition) < std::tie(o.writer, o.seq, o.partition);
  }
};

struct FakeOptions {
  uint32_t servers = 1;
  uint32_t partitions = 4;
  uint64_t max_message_bytes = 64 << 20;
  uint64_t max_rows_per_request = 1 << 18;
};

class FakeCluster {
 public:
  explicit FakeCluster(FakeOptions options);
  ~FakeCluster();

  // A client of it. The cluster must outlive it.
  absl::StatusOr<std::unique_ptr<ClientImpl>> Connect(ClientOptions options = {});

  // Called for each call in order; server, method and serialized request. Set before the calls.
  using FaultFn = std::function<Fault(ServerId, absl::string_view method, const std::string& request)>;
  void SetFaults(FaultFn faults);
  // Called for each partition of a pull or push before it is served; not OK fails that partition.
  using PartitionFn = std::function<absl::Status(ServerId, PartitionId)>;
  void SetPartitionFailures(PartitionFn failures);
  // Lets go of the calls that a kHold fault keeps.
  void Release();
  size_t held() const;
  // A request that server 0 gets from nobody.
  absl::Status Send(absl::string_view method, const std::string& request) {
    return Serve(0, method, request).status;
  }

  // Moves a partition and raises the map version.
  void Move(PartitionId partition, ServerId to);
  void SetHistory(HistoryId history);
  void AlterTable(TableId table, bool allow_nan);

  // The model.
  std::vector<float> Row(TableId table, uint64_t id) const;
  bool Stored(TableId table, uint64_t id) const;
  size_t applied_parts() const;
  std::set<uint64_t> applied_seqs() const;
  uint64_t registrations() const;
  // Everything that went over the network, in order.
  struct Seen {
    ServerId server;
    std::string method;
    std::string request;
  };
  std::vector<Seen> seen(absl::string_view method) const;
  std::vector<v1::PushRequest> pushes() const;
  std::vector<v1::PullRequest> pulls() const;
  // Broken promises of the client: content changed under a (seq, partition), wrong epochs, low and so on.
  // Empty when none.
  std::vector<std::string> violations() const;

 private:
  class Network;
  struct Result {
    absl::Status status;
    std::string bytes;
  };
  friend class Network;

  // Checks the checksum of a request that has one and answers with one.
  Result Serve(ServerId server, absl::string_view method, const std::string& request);
  Result Run(ServerId server, absl::string_view method, const std::string& request);
  Result Pull(ServerId server, const std::string& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result Push(ServerId server, const std::string& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result Delete(ServerId server, const std::string& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result Scan(const std::string& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result Admin(ServerId server, absl::string_view method, const std::string& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result Tables(absl::string_view method, const std::string& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PartitionId PartitionOf(TableId table, uint64_t id) const;
  absl::Status CheckPartition(ServerId server, PartitionId p) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const v1::TableSchema* Find(TableId table) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const FakeOptions options_;
  uint32_t bits_ = 0;
  std::unique_ptr<Executor> threads_;
  mutable absl::Mutex mutex_;
  FaultFn faults_ ABSL_GUARDED_BY(mutex_);
  PartitionFn partition_failures_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> held_ ABSL_GUARDED_BY(mutex_);
  std::vector<Seen> seen_ ABSL_GUARDED_BY(mutex_);
  std::string last_reply_ ABSL_GUARDED_BY(mutex_);  // that was sent with OK
  std::vector<std::string> violations_ ABSL_GUARDED_BY(mutex_);
  std::vector<ServerId> owners_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> epochs_ ABSL_GUARDED_BY(mutex_);
  uint64_t map_version_ ABSL_GUARDED_BY(mutex_) = 1;
  HistoryId history_ ABSL_GUARDED_BY(mutex_) = 77;
  std::map<std::string, v1::TableSchema> tables_ ABSL_GUARDED_BY(mutex_);
  uint32_t next_table_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::pair<TableId, uint64_t>, std::vector<float>> rows_ ABSL_GUARDED_BY(mutex_);
  std::map<Applied, std::string> applied_ ABSL_GUARDED_BY(mutex_);
  std::map<Applied, std::string> content_ ABSL_GUARDED_BY(mutex_);  // of every part that was ever sent
  uint64_t next_writer_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::string, uint64_t> writers_ ABSL_GUARDED_BY(mutex_);  // the living one of each name
  uint64_t registrations_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rowhouse::client
