// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One push or delete on its way. Each chunk has a seq; each server's share of a chunk is one request, whose
// rows are copied when it is laid out and never change after: a retry sends rows of that copy, with the same
// seq, for the partitions that failed.

#include <future>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/cpp/src/core.h"
#include "client/cpp/src/push_plan.h"

namespace rowhouse::client {

class PushCall : public std::enable_shared_from_this<PushCall> {
 public:
  struct Settings {
    bool is_delete = false;
    bool report_at_flush = false;  // the future may be dropped
    PushKind kind = PushKind::kGradient;
    WriterId writer = 0;
    uint64_t step = 0;
    uint32_t group_size = 0;
    uint32_t rank = 0;
  };

  // Sends the push; waits for room only. The slices are checked; their arrays are not used after it returns.
  static std::future<absl::StatusOr<PushResult>> Start(Core* core, const Settings& settings,
                                                       std::vector<PushSlice> slices);

 private:
  // One seq, until all its requests have ended.
  struct Chunk {
    PushSeq seq = 0;
    uint32_t part_count = 0;
    size_t open = 0;  // requests not ended; guarded by the call's mutex
  };
  // The rows of one table in a request that was laid out.
  struct Rows {
    PushTableHeader header;
    PushTableArea area;  // into Request::bytes
  };
  struct Request {
    std::shared_ptr<Chunk> chunk;
    ViewPtr view;
    ServerId server = 0;
    std::vector<PartitionId> partitions;  // ascending
    std::vector<Rows> tables;
    std::shared_ptr<Buffer> bytes;
    Patience patience;
    ByteGate::Token token;
  };

  PushCall(Core* core, const Settings& settings) : core_(core), settings_(settings), begun_(SteadyNow()) {}
  void SendChunk(const std::vector<PushSource>& sources, const PushChunk& plan, const ViewPtr& view);
  // Lays out `request` for its chunk, server and partitions; `tables` are the headers of its tables.
  void LayOut(Request& request, const std::vector<PushTableHeader>& tables);
  size_t SizeOf(const Request& request, const std::vector<PushTableHeader>& tables);
  PushHeader Header(const Request& request, std::vector<PartitionEpochEntry>* epochs);
  void Send(std::unique_ptr<Request> request);
  void OnReply(std::unique_ptr<Request> request, const absl::Status& status, const Reply& reply);
  void Retry(std::unique_ptr<Request> request, std::vector<PartitionId> failed, Trouble trouble);
  // The requests for the partitions `failed` of `request`, by their owners now.
  std::vector<std::unique_ptr<Request>> Again(const Request& request, const std::vector<PartitionId>& failed);
  std::unique_ptr<Request> Subset(const Request& request, const ViewPtr& view, ServerId server,
                                  std::vector<PartitionId> partitions);
  bool failed() const;
  void NoteError(const absl::Status& status);
  void EndRequest(const std::shared_ptr<Chunk>& chunk, const absl::Status& status);
  void EndOne();

  Core* const core_;
  const Settings settings_;
  const SteadyTime begun_;
  std::vector<TableRef> tables_;  // for errors; constant once requests are sent
  std::promise<absl::StatusOr<PushResult>> promise_;
  mutable absl::Mutex mutex_;
  size_t open_ ABSL_GUARDED_BY(mutex_) = 1;  // chunks not complete, and the sender itself
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  bool reported_ ABSL_GUARDED_BY(mutex_) = false;  // to Flush
  PushResult result_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rowhouse::client
