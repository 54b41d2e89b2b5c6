// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One pull: distinct ids -> requests by server -> rows scattered into the caller's arrays as answers arrive.
// What one partition did not answer is asked again alone. Lives until its future is ready.

#include <future>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "client/cpp/src/core.h"
#include "client/cpp/src/unique_ids.h"

namespace rowhouse::client {

// Validated: `rows` has ids.size() * dim floats, `stored` is null or has ids.size() bytes.
struct PullTarget {
  TableRef table;
  absl::Span<const uint64_t> ids;
  float* rows = nullptr;
  uint8_t* stored = nullptr;
};

class PullCall : public std::enable_shared_from_this<PullCall> {
 public:
  // Sends the pull; waits for room only. The arrays must stay until the future is ready.
  static std::future<absl::Status> Start(Core* core, std::vector<PullTarget> targets);
  // Sends ids as a hint, unless there is no room now. Nothing is reported.
  static void Prefetch(Core* core, const TableRef& table, absl::Span<const uint64_t> ids);

 private:
  struct Part {
    uint32_t target = 0;
    RowList rows;  // indices of unique_[target]
  };
  struct Request {
    ViewPtr view;
    ServerId server = 0;
    std::vector<Part> parts;
    std::vector<PartitionId> partitions;
    uint64_t rows = 0, reply_bytes = 0;
    Patience patience;
    ByteGate::Token token;
  };
  class Splitter;

  PullCall(Core* core, std::vector<PullTarget> targets);
  std::vector<std::unique_ptr<Request>> SplitAll(const ViewPtr& view);
  PullHeader Header(const Request& request, std::vector<PartitionEpochEntry>* epochs) const;
  std::vector<PullTableHeader> Tables(const Request& request) const;
  std::shared_ptr<Buffer> Encode(const Request& request, bool prefetch) const;
  size_t EncodedSize(const Request& request) const;
  void Send(std::unique_ptr<Request> request);
  void OnReply(std::unique_ptr<Request> request, const absl::Status& status, const Reply& reply);
  // Copies the rows of partitions that did not fail; Internal when the answer does not fit the request.
  absl::Status Scatter(const Request& request, const PullAnswer& answer, const ChunkedBytes& bytes,
                       const std::vector<PartitionId>& failed);
  void ScatterPart(const Part& part, const PullTableAnswer& answer, const ChunkedBytes& bytes,
                   const std::vector<PartitionId>& failed);
  void Retry(std::unique_ptr<Request> request, std::vector<PartitionId> failed, Trouble trouble);
  void End(const absl::Status& status);
  void CopyRepeats();

  Core* const core_;
  const std::vector<PullTarget> targets_;
  const SteadyTime begun_ = SteadyNow();
  std::vector<UniqueIds> unique_;  // of each target; constant once requests are sent
  std::promise<absl::Status> promise_;
  absl::Mutex mutex_;
  size_t open_ ABSL_GUARDED_BY(mutex_) = 1;  // requests not ended, and the sender itself
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rowhouse::client
