// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the client knows of the cluster: the partition map, each server's limits, the way to each server; and
// calls that any server may answer. Thread-safe. Calls here block: never from a transport's or the timer's
// thread.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "client/cpp/src/transport.h"
#include "common/limits.h"
#include "common/routing/partition_map.h"
#include "common/types.h"
#include "google/protobuf/message_lite.h"
#include "rowhouse/client.h"

namespace rowhouse::v1 {
class GetPartitionMapResponse;
}

namespace rowhouse::client {

// A table as requests need it.
struct TableRef {
  TableId id = 0;
  SchemaVersion version = 0;
  uint32_t dim = 0;
  bool allow_nan = false;
  std::string name;
};

struct ServerLink {
  std::shared_ptr<Transport> transport;
  uint64_t max_message_bytes = limits::kMaxMessageBytes;
  uint64_t max_rows_per_request = limits::kDefaultRowsPerRequest;
  bool limits_known = false;
};

// One state of the cluster. Immutable once published.
struct View {
  PartitionMap map;
  HistoryId history = 0;
  ClusterId cluster = 0;
  std::vector<ServerLink> servers;

  // For messages: "server 3 (10.0.0.4:7600)".
  std::string ServerName(ServerId s) const;
};
using ViewPtr = std::shared_ptr<const View>;

class Cluster {
 public:
  // `check_reach`: refuse addresses of a map that are not on this machine unless options.insecure.
  Cluster(const ClientOptions& options, std::vector<std::string> seeds, TransportFactory factory,
          bool check_reach, std::function<void(std::string)> log);

  // Learns map and limits. Tries the seeds in turn until one answers or `give_up`.
  absl::Status Connect(SteadyTime give_up);
  // Never null after Connect.
  ViewPtr view() const;
  // A view newer than `used` when the servers have one, else the current one. FailedPrecondition when the
  // cluster is another than the one connected to, or its history is: no call of this client can succeed any
  // more.
  absl::StatusOr<ViewPtr> Refresh(const ViewPtr& used);

  // One attempt of a unary call with generated messages.
  absl::Status CallOnce(const ServerLink& server, absl::string_view method,
                        const google::protobuf::MessageLite& request, google::protobuf::MessageLite* response,
                        SteadyTime deadline, uint32_t* retry_after_ms = nullptr);
  // The same call to each server of `view` at once: their answers' bytes, in order.
  std::vector<absl::StatusOr<std::string>> CallEach(const View& view, absl::string_view method,
                                                    const google::protobuf::MessageLite& request,
                                                    SteadyTime deadline);
  // A call that any server may answer: tried on one after the other, with back-off, up to retry_timeout.
  // `attempts`, when not null: how many it took.
  absl::Status CallAny(absl::string_view method, const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* response, int* attempts = nullptr);

  // A call that only the owner of partition 0 answers: tried again, with back-off, while it is Unavailable,
  // up to retry_timeout.
  absl::Status CallOwner(absl::string_view method, const google::protobuf::MessageLite& request,
                         google::protobuf::MessageLite* response);

  // `status` is a FailedPrecondition that a newer map did not explain: says so when a table was altered or
  // dropped.
  absl::Status Explain(const absl::Status& status, absl::Span<const TableRef> tables);

  SteadyTime AttemptDeadline(SteadyTime give_up) const;
  // When a call that begins now gives up.
  SteadyTime GiveUpTime() const { return SteadyNow() + options_.retry_timeout; }
  // Whether the pause was not cut short by Shutdown.
  bool Pause(std::chrono::milliseconds pause);
  // Ends calls under way and waits; later calls fail with Cancelled.
  void Shutdown();
  bool closed() const { return closed_.load(std::memory_order_acquire); }

  std::atomic<uint64_t> sent_bytes{0}, received_bytes{0}, retries{0};

 private:
  absl::Status CallPatiently(bool owner_only, absl::string_view method,
                             const google::protobuf::MessageLite& request,
                             google::protobuf::MessageLite* response, int* attempts);
  absl::StatusOr<ViewPtr> Learn(Transport& transport, absl::string_view from, SteadyTime deadline);
  absl::StatusOr<std::shared_ptr<View>> Interpret(const v1::GetPartitionMapResponse& response);
  void LearnLimits(View& view, SteadyTime deadline);
  absl::Status Publish(ViewPtr view);
  std::shared_ptr<Transport> TransportTo(const std::string& address);

  const ClientOptions& options_;
  const std::vector<std::string> seeds_;
  const TransportFactory factory_;
  const bool check_reach_;
  const std::function<void(std::string)> log_;
  std::atomic<bool> closed_{false};
  std::atomic<uint32_t> preferred_{0};  // the server that answered CallAny last
  mutable absl::Mutex mutex_;
  ViewPtr view_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<std::string, std::shared_ptr<Transport>> transports_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rowhouse::client
