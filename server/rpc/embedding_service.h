// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// rowhouse.v1.EmbeddingService: each method decodes, validates, asks the partitions and lays out the answer.
//
// Thread rule: thread-safe. Pull, Push, Prefetch and Delete do not block (misses and pushes are answered on
// other threads) and call their responder exactly once; Scan and Expire block on the disk. Lifetime: outlives
// every call it has taken.

#include <memory>

#include "common/metrics.h"
#include "common/stage_times.h"
#include "rowhouse/v1/embedding_service.pb.h"
#include "server/meta/writer_activity.h"
#include "server/partition/partition_set.h"
#include "server/rpc/admission.h"
#include "server/rpc/request_handler.h"
#include "server/rpc/request_validation.h"

namespace rowhouse::server {

class EmbeddingService {
 public:
  struct Parts {
    PartitionSet* partitions = nullptr;
    Admission* admission = nullptr;
    RequestRules rules;
    MetricsRegistry* metrics = nullptr;  // may be null
    WriterActivity* activity = nullptr;  // told of writers that push
  };
  // Nothing that parts point to is owned.
  explicit EmbeddingService(Parts parts);

  // `owner` keeps the request's bytes; given back as soon as they are not needed. `stages` lives until the
  // answer.
  void Pull(const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages, Responder respond);
  void Push(const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages, Responder respond);
  void Prefetch(const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages,
                Responder respond);
  void Delete(const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages,
              Responder respond);
  absl::Status Scan(const v1::ScanRequest& request, v1::ScanResponse* response);
  absl::Status Expire(const v1::ExpireRequest& request, v1::ExpireResponse* response);

 private:
  struct PullCall;
  struct PushCall;
  absl::StatusOr<std::shared_ptr<PullCall>> PreparePull(const ChunkedBytes& request);
  absl::StatusOr<std::shared_ptr<PushCall>> PreparePush(const ChunkedBytes& request);
  absl::StatusOr<std::shared_ptr<PushCall>> PrepareDelete(const ChunkedBytes& request);
  // Aborted when the request was made for another epoch of its partition.
  absl::Status CheckEpoch(const v1::ScanRequest& request) const;
  // Zeroes the rows of partitions that did not answer: the gather left them as the memory was.
  void ZeroFailedRows(const PullCall& call, absl::Span<const PartitionFailure> failures) const;

  const Parts parts_;
  prometheus::Histogram* pull_rows_ = nullptr;  // ids of one request
  prometheus::Histogram* push_rows_ = nullptr;
  prometheus::Counter* damaged_pulls_ = nullptr;  // requests with another checksum than their bytes have
  prometheus::Counter* damaged_pushes_ = nullptr;
  prometheus::Counter* damaged_deletes_ = nullptr;
};

}  // namespace rowhouse::server
