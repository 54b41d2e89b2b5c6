// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/partition/parallel_replay.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "common/bytes.h"

namespace rowhouse::server {
namespace {

constexpr size_t kMostInATurn = 32;  // records, then other partitions have theirs

}  // namespace

// The records of one partition that wait.
struct ParallelReplay::Lane {
  struct Waiting {
    RecordHeader header;
    Buffer body;
  };
  explicit Lane(Partition* partition) : partition(partition) {}

  Partition* const partition;
  std::deque<Waiting> waiting;
  bool running = false;
};

ParallelReplay::ParallelReplay(Executor* executor, uint64_t most_bytes)
    : executor_(executor), most_bytes_(most_bytes) {}

ParallelReplay::~ParallelReplay() {
  {
    absl::MutexLock lock(&mu_);
    status_.Update(absl::CancelledError("the log's end was not reached"));
  }
  Finish().IgnoreError();
}

absl::Status ParallelReplay::Add(Partition* partition, const Record& record) {
  // What spill has needs no copy.
  if (record.header.lsn <= partition->durable_redo_lsn()) return absl::OkStatus();
  Lane::Waiting waiting{record.header, Buffer::CopyOf(record.body)};
  const uint64_t bytes = record.body.size() + sizeof(Lane::Waiting);
  Lane* to_run = nullptr;
  {
    absl::MutexLock lock(&mu_);
    const auto has_room = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return !status_.ok() || waiting_bytes_ == 0 || waiting_bytes_ + bytes <= most_bytes_;
    };
    mu_.Await(absl::Condition(&has_room));
    if (!status_.ok()) return status_;
    std::unique_ptr<Lane>& lane = lanes_[partition];
    if (lane == nullptr) lane = std::make_unique<Lane>(partition);
    lane->waiting.push_back(std::move(waiting));
    waiting_bytes_ += bytes;
    if (!lane->running) {
      lane->running = true;
      ++running_;
      to_run = lane.get();
    }
  }
  if (to_run != nullptr) executor_->Post([this, to_run] { Run(to_run); });
  return absl::OkStatus();
}

void ParallelReplay::Run(Lane* lane) {
  for (size_t i = 0; i < kMostInATurn; ++i) {
    Lane::Waiting next;
    {
      absl::MutexLock lock(&mu_);
      if (lane->waiting.empty() || !status_.ok()) {
        lane->running = false;
        --running_;
        return;
      }
      next = std::move(lane->waiting.front());
      lane->waiting.pop_front();
    }
    const absl::Span<const uint8_t> body = next.body.span();
    const absl::Status replayed = lane->partition->Replay({next.header, body});
    Note(replayed, body.size() + sizeof(Lane::Waiting));
  }
  executor_->Post([this, lane] { Run(lane); });
}

void ParallelReplay::Note(const absl::Status& status, uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  status_.Update(status);
  waiting_bytes_ -= bytes;
}

absl::Status ParallelReplay::Finish() {
  absl::MutexLock lock(&mu_);
  const auto over = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return running_ == 0; };
  mu_.Await(absl::Condition(&over));
  return status_;
}

}  // namespace rowhouse::server
