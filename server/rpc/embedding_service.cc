// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/embedding_service.h"

#include <cstring>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/rpc/proto_bytes.h"
#include "server/rpc/wire_codec.h"

namespace rowhouse::server {

namespace {

// Powers of four: 1 to a million ids.
const std::vector<double> kRowBuckets = {1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576};

prometheus::Histogram* RowsOf(MetricsRegistry* metrics, const char* method) {
  if (metrics == nullptr) return nullptr;
  return &metrics->AddHistogram("rowhouse_request_rows", "Ids of one request, all tables together.",
                                {{"method", method}}, kRowBuckets);
}

prometheus::Counter* DamagedOf(MetricsRegistry* metrics, const char* method) {
  if (metrics == nullptr) return nullptr;
  return &metrics->AddCounter("rowhouse_damaged_requests_total",
                              "Requests refused because their bytes had another checksum than they said.",
                              {{"method", method}});
}

// `decoded`, counted when it is the error of a message that was damaged: the only one of a decoder that may
// pass.
template <typename Message>
absl::StatusOr<Message> CountDamage(absl::StatusOr<Message> decoded, prometheus::Counter* damaged) {
  if (damaged != nullptr && absl::IsUnavailable(decoded.status())) damaged->Increment();
  return decoded;
}

template <typename Tables>
void ObserveRows(prometheus::Histogram* histogram, const Tables& tables) {
  if (histogram == nullptr) return;
  size_t rows = 0;
  for (const auto& table : tables) rows += table.ids.size();
  histogram->Observe(static_cast<double>(rows));
}

}  // namespace

EmbeddingService::EmbeddingService(Parts parts)
    : parts_(std::move(parts)),
      pull_rows_(RowsOf(parts_.metrics, "Pull")),
      push_rows_(RowsOf(parts_.metrics, "Push")),
      damaged_pulls_(DamagedOf(parts_.metrics, "Pull")),
      damaged_pushes_(DamagedOf(parts_.metrics, "Push")),
      damaged_deletes_(DamagedOf(parts_.metrics, "Delete")) {}

// What a pull needs until it is answered.
struct EmbeddingService::PullCall {
  CheckedPull checked;
  Admission::Ticket ticket;
  std::optional<PullResponseBuilder> response;
};

struct EmbeddingService::PushCall {
  CheckedPush checked;
  Admission::Ticket ticket;
  bool want_lsn = false;
  std::optional<uint32_t> checksum;  // of the request: its answer has one too
  std::shared_ptr<void> owner;       // counts and values are views into its bytes
};

// ---- pull

absl::StatusOr<std::shared_ptr<EmbeddingService::PullCall>> EmbeddingService::PreparePull(
    const ChunkedBytes& request) {
  RH_ASSIGN_OR_RETURN(const PullMessage message, CountDamage(DecodePull(request), damaged_pulls_));
  auto call = std::make_shared<PullCall>();
  RH_ASSIGN_OR_RETURN(call->checked, ValidatePull(message, parts_.rules));
  const uint64_t map_version = parts_.partitions->map().version();
  const uint64_t reply_bytes =
      PullResponseBuilder::SizeOf(map_version, call->checked.reply, message.checksum.has_value());
  RH_ASSIGN_OR_RETURN(call->ticket, parts_.admission->Admit("a pull's answer", reply_bytes));
  call->response.emplace(map_version, call->checked.reply, message.checksum);
  for (size_t i = 0; i < call->checked.request.tables.size(); ++i) {
    call->checked.request.tables[i].target = call->response->target(i);
  }
  return call;
}

void EmbeddingService::Pull(const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages,
                            Responder respond) {
  auto prepared = PreparePull(request);
  owner.reset();  // ids were copied
  MarkStage(stages, "decode");
  if (!prepared.ok()) return respond(prepared.status(), Buffer());
  const std::shared_ptr<PullCall> call = *std::move(prepared);
  ObserveRows(pull_rows_, call->checked.request.tables);
  call->checked.request.stages = stages;
  parts_.partitions->Pull(
      &call->checked.request, [this, call, respond = std::move(respond)](PullOutcome outcome) mutable {
        ZeroFailedRows(*call, outcome.failures);
        Buffer answer = outcome.status.ok() ? call->response->Finish(outcome.failures) : Buffer();
        call->checked.checked = CheckedTables();
        call->ticket.Release();
        respond(std::move(outcome.status), std::move(answer));
      });
}

void EmbeddingService::ZeroFailedRows(const PullCall& call,
                                      absl::Span<const PartitionFailure> failures) const {
  if (failures.empty()) return;
  const PartitionMap& map = parts_.partitions->map();
  std::vector<bool> failed(map.partition_count(), false);
  for (const PartitionFailure& failure : failures) failed[failure.partition] = true;
  for (size_t t = 0; t < call.checked.reply.size(); ++t) {
    const PullTableRequest& table = call.checked.request.tables[t];
    const size_t dim = call.checked.reply[t].dim;
    for (size_t i = 0; i < table.ids.size(); ++i) {
      if (failed[map.PartitionOf(table.table, table.ids[i])])
        std::memset(table.target.values + i * dim, 0, dim * sizeof(float));
    }
  }
}

// ---- push, delete

absl::StatusOr<std::shared_ptr<EmbeddingService::PushCall>> EmbeddingService::PreparePush(
    const ChunkedBytes& request) {
  RH_ASSIGN_OR_RETURN(const PushMessage message, CountDamage(DecodePush(request), damaged_pushes_));
  auto call = std::make_shared<PushCall>();
  call->checksum = message.checksum;
  call->want_lsn = message.want_lsn;
  RH_ASSIGN_OR_RETURN(call->checked, ValidatePush(message, parts_.rules));
  parts_.activity->Heard(call->checked.request.writer);
  // The bodies of its records hold everything once more until they are applied.
  RH_ASSIGN_OR_RETURN(call->ticket, parts_.admission->Admit("a push's log records", request.size()));
  return call;
}

absl::StatusOr<std::shared_ptr<EmbeddingService::PushCall>> EmbeddingService::PrepareDelete(
    const ChunkedBytes& request) {
  RH_ASSIGN_OR_RETURN(const DeleteMessage message, CountDamage(DecodeDelete(request), damaged_deletes_));
  auto call = std::make_shared<PushCall>();
  call->checksum = message.checksum;
  RH_ASSIGN_OR_RETURN(call->checked, ValidateDelete(message, parts_.rules));
  parts_.activity->Heard(call->checked.request.writer);
  RH_ASSIGN_OR_RETURN(call->ticket, parts_.admission->Admit("a delete's log records", request.size()));
  return call;
}

void EmbeddingService::Push(const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages,
                            Responder respond) {
  auto prepared = PreparePush(request);
  MarkStage(stages, "decode");
  if (!prepared.ok()) return respond(prepared.status(), Buffer());
  const std::shared_ptr<PushCall> call = *std::move(prepared);
  call->owner = std::move(owner);
  ObserveRows(push_rows_, call->checked.request.tables);
  call->checked.request.stages = stages;
  parts_.partitions->Push(
      &call->checked.request, [this, call, respond = std::move(respond)](PushOutcome outcome) mutable {
        Buffer answer;
        if (outcome.status.ok())
          answer =
              EncodePushResponse(parts_.partitions->map().version(), outcome, call->want_lsn, call->checksum);
        *call = PushCall();
        respond(std::move(outcome.status), std::move(answer));
      });
}

void EmbeddingService::Delete(const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages,
                              Responder respond) {
  auto prepared = PrepareDelete(request);
  MarkStage(stages, "decode");
  owner.reset();  // ids were copied
  if (!prepared.ok()) return respond(prepared.status(), Buffer());
  const std::shared_ptr<PushCall> call = *std::move(prepared);
  call->checked.request.stages = stages;
  parts_.partitions->Push(&call->checked.request,
                          [call, respond = std::move(respond)](PushOutcome outcome) mutable {
                            Buffer answer;
                            if (outcome.status.ok()) answer = EncodeDeleteResponse(outcome, call->checksum);
                            *call = PushCall();
                            respond(std::move(outcome.status), std::move(answer));
                          });
}

// ---- beside training

void EmbeddingService::Prefetch(const ChunkedBytes& request, std::shared_ptr<void> owner, StageTimes* stages,
                                Responder respond) {
  const auto message = DecodePrefetch(request);
  MarkStage(stages, "decode");
  if (!message.ok()) return respond(message.status(), Buffer());
  auto checked = ValidatePrefetch(*message, parts_.rules);
  owner.reset();  // ids were copied
  if (!checked.ok()) return respond(checked.status(), Buffer());
  v1::PrefetchResponse response;
  for (size_t i = 0; i < checked->ids.size(); ++i) {
    response.set_rows_queued(response.rows_queued() +
                             parts_.partitions->Prefetch(checked->tables[i]->id(), checked->ids[i]));
  }
  respond(absl::OkStatus(), SerializeProto(response));
}

absl::Status EmbeddingService::CheckEpoch(const v1::ScanRequest& request) const {
  const Partition* partition = parts_.partitions->partition(request.partition());
  if (request.epoch() == 0 || partition == nullptr || request.epoch() == partition->epoch())
    return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("epoch is ", request.epoch(), ", partition ", request.partition(),
                                         " is in ", partition->epoch(), ": ask GetPartitionMap"));
}

absl::Status EmbeddingService::Scan(const v1::ScanRequest& request, v1::ScanResponse* response) {
  RH_ASSIGN_OR_RETURN(const CheckedScan scan, ValidateScan(request, parts_.rules));
  const RowLayout& layout = scan.table->layout();
  // The page as it is gathered, and once more as it is serialized.
  const uint64_t page_bytes = scan.max_rows * (sizeof(Id) + sizeof(Lsn) + uint64_t{layout.row_bytes()}) * 2;
  RH_ASSIGN_OR_RETURN(const Admission::Ticket ticket, parts_.admission->Admit("a scan's page", page_bytes));
  const auto add_row = [&](const ScannedRow& row) {
    const auto* bytes = reinterpret_cast<const char*>(row.row.data());
    response->mutable_ids()->append(reinterpret_cast<const char*>(&row.id), sizeof(Id));
    response->mutable_values()->append(bytes, layout.weights_bytes());
    if (request.with_lsn())
      response->mutable_lsns()->append(reinterpret_cast<const char*>(&row.lsn), sizeof(Lsn));
    if (!request.with_state()) return;
    response->mutable_state()->append(bytes + layout.state_offset(), layout.state_floats * sizeof(float));
    if (layout.has_last_push_time)
      response->mutable_last_push_seconds()->append(bytes + layout.last_push_time_offset(), sizeof(uint32_t));
  };
  RH_RETURN_IF_ERROR(CheckEpoch(request));
  bool more = false;
  RH_ASSIGN_OR_RETURN(const uint64_t next_hash,
                      parts_.partitions->Scan(request.table_id(), request.partition(), scan.first_hash,
                                              scan.max_rows, add_row, &more));
  response->set_state_floats(layout.state_floats);
  if (more) response->set_next_cursor(EncodeScanCursor(next_hash));
  return absl::OkStatus();
}

absl::Status EmbeddingService::Expire(const v1::ExpireRequest& request, v1::ExpireResponse* response) {
  RH_ASSIGN_OR_RETURN(const CheckedExpire expire, ValidateExpire(request, parts_.rules));
  RH_ASSIGN_OR_RETURN(const uint64_t rows,
                      parts_.partitions->Expire(expire.table->id(), expire.cutoff_unix_seconds));
  response->set_rows_expired(rows);
  return absl::OkStatus();
}

}  // namespace rowhouse::server
