// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests as the partitions see them: validated, without protobuf. Made by server/rpc (and by tests).

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/bytes.h"
#include "common/stage_times.h"
#include "common/types.h"
#include "server/log/record.h"
#include "server/row/row_store.h"

namespace rowhouse::server {

// Why one partition of a request did not succeed.
struct PartitionFailure {
  PartitionId partition = 0;
  absl::Status status;
  Epoch epoch = 0;
  Lsn lsn = 0;                  // last applied
  uint32_t retry_after_ms = 0;  // with codes that may be tried again
};

// A moment in a partition's order, or (lsn 0) the epoch that a client believes in.
struct PartitionPosition {
  PartitionId partition = 0;
  Epoch epoch = 0;
  Lsn lsn = 0;
};

struct PullTableRequest {
  TableId table = 0;
  absl::Span<const Id> ids;
  ReadTarget target;  // zeroed by the caller where partitions may fail
};

struct PullRequest {
  std::vector<PartitionPosition> epochs;
  std::vector<PartitionPosition> min_lsn;
  std::vector<PullTableRequest> tables;
  StageTimes* stages = nullptr;  // marked on the way when there is one; lives until the answer
};

struct PullOutcome {
  absl::Status status;  // not OK: nothing was read
  std::vector<PartitionFailure> failures;
};

struct PushTableRequest {
  TableId table = 0;
  SchemaVersion schema_version = 0;
  std::optional<float> learning_rate;
  absl::Span<const Id> ids;  // repeats allowed
  ChunkedBytes counts;       // empty, or ids.size() * 4 bytes
  ChunkedBytes values;       // ids.size() * dim * 4 bytes; empty in a delete
};

struct PushRequest {
  RecordType type = RecordType::kPush;  // kPush or kDelete
  PushKind kind = PushKind::kGradient;
  WriterId writer = 0;
  PushSeq seq = 0;
  PushSeq low = 0;
  uint32_t part_count = 0;
  uint64_t step = 0;
  uint32_t group_size = 0;
  uint32_t rank = 0;
  std::vector<PartitionPosition> epochs;
  std::vector<PushTableRequest> tables;
  StageTimes* stages = nullptr;  // as in PullRequest
};

struct PushOutcome {
  absl::Status status;  // not OK: nothing was done
  std::vector<PartitionFailure> failures;
  uint32_t duplicate_parts = 0;
  uint64_t skipped_rows = 0;
  std::vector<PartitionPosition> applied;  // parts that were applied, now or earlier
};

}  // namespace rowhouse::server
