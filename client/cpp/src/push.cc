// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/push.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/src/methods.h"
#include "common/coding.h"
#include "common/message_checksum.h"

namespace rowhouse::client {
namespace {

constexpr uint64_t kBulkBytes = 64 << 10;

bool Contains(const std::vector<PartitionId>& sorted, PartitionId p) {
  return std::binary_search(sorted.begin(), sorted.end(), p);
}

// Slices of one table together, tables in order of first appearance.
std::vector<PushSource> MakeSources(std::vector<PushSlice> slices, PushKind kind, uint32_t partition_bits) {
  std::vector<std::vector<PushSlice>> groups;
  for (PushSlice& slice : slices) {
    if (slice.ids.empty()) continue;
    auto same = std::find_if(groups.begin(), groups.end(),
                             [&](const auto& group) { return group[0].table.id == slice.table.id; });
    if (same == groups.end()) same = groups.emplace(groups.end());
    same->push_back(std::move(slice));
  }
  std::vector<PushSource> sources;
  sources.reserve(groups.size());
  for (auto& group : groups) sources.emplace_back(std::move(group), kind, partition_bits);
  return sources;
}

}  // namespace

std::future<absl::StatusOr<PushResult>> PushCall::Start(Core* core, const Settings& settings,
                                                        std::vector<PushSlice> slices) {
  std::shared_ptr<PushCall> self(new PushCall(core, settings));
  std::future<absl::StatusOr<PushResult>> future = self->promise_.get_future();
  core->BeginCall();
  core->counters.pushes.fetch_add(1, std::memory_order_relaxed);
  for (const PushSlice& slice : slices) {
    core->counters.pushed_rows.fetch_add(slice.ids.size(), std::memory_order_relaxed);
  }
  ViewPtr view = core->cluster().view();
  std::vector<PushSource> sources = MakeSources(std::move(slices), settings.kind, view->map.partition_bits());
  for (const PushSource& source : sources) self->tables_.push_back(source.table());
  for (const PushChunk& chunk : PlanChunks(sources, *view)) {
    if (self->failed()) break;  // the rest of a push that has failed is not sent
    self->SendChunk(sources, chunk, view);
  }
  self->EndOne();
  return future;
}

void PushCall::SendChunk(const std::vector<PushSource>& sources, const PushChunk& plan, const ViewPtr& view) {
  auto chunk = std::make_shared<Chunk>();
  chunk->seq = core_->window.Begin();
  chunk->part_count = plan.part_count;
  {
    absl::MutexLock lock(&mutex_);
    ++open_;
    chunk->open = plan.shares.size();
  }
  for (const PushShare& share : plan.shares) {
    auto request = std::make_unique<Request>();
    request->chunk = chunk;
    request->view = view;
    request->server = share.server;
    request->partitions = share.partitions;
    std::vector<PushTableHeader> headers;
    for (const PushPart& part : share.parts) headers.push_back(sources[part.source].Header(part.rows.size()));
    request->token = core_->gate.Acquire(SizeOf(*request, headers));
    LayOut(*request, headers);
    for (size_t t = 0; t < share.parts.size(); ++t) {
      sources[share.parts[t].source].Gather(share.parts[t].rows, request->tables[t].area);
    }
    request->patience = core_->NewPatience();
    Send(std::move(request));
  }
}

PushHeader PushCall::Header(const Request& request, std::vector<PartitionEpochEntry>* epochs) {
  epochs->clear();
  for (PartitionId p : request.partitions) epochs->push_back({p, request.view->map.epoch(p)});
  PushHeader header;
  header.is_delete = settings_.is_delete;
  header.checksum = core_->options.checksums;
  header.kind = settings_.kind;
  header.history = request.view->history;
  header.map_version = request.view->map.version();
  header.epochs = *epochs;
  header.writer = settings_.writer;
  header.seq = request.chunk->seq;
  header.low = core_->window.low();
  header.part_count = request.chunk->part_count;
  header.step = settings_.step;
  header.group_size = settings_.group_size;
  header.rank = settings_.rank;
  return header;
}

size_t PushCall::SizeOf(const Request& request, const std::vector<PushTableHeader>& tables) {
  std::vector<PartitionEpochEntry> epochs;
  PushHeader header = Header(request, &epochs);
  return PushRequestSize(header, tables);
}

void PushCall::LayOut(Request& request, const std::vector<PushTableHeader>& tables) {
  std::vector<PartitionEpochEntry> epochs;
  PushHeader header = Header(request, &epochs);
  std::vector<PushTableArea> areas;
  request.bytes = std::make_shared<Buffer>(LayOutPushRequest(header, tables, &areas));
  for (size_t t = 0; t < tables.size(); ++t) request.tables.push_back({tables[t], areas[t]});
}

void PushCall::Send(std::unique_ptr<Request> request) {
  const ServerLink& server = request->view->servers[request->server];
  std::shared_ptr<Buffer> bytes = request->bytes;
  if (core_->options.checksums) WriteChecksum(bytes->data(), bytes->size());
  const CallOptions call{.deadline = core_->cluster().AttemptDeadline(request->patience.give_up),
                         .bulk = bytes->size() > kBulkBytes,
                         .upload_limit = server.max_message_bytes};
  core_->Send(server, settings_.is_delete ? kDelete : kPush, std::move(bytes), call,
              [self = shared_from_this(), request = std::move(request)](const absl::Status& status,
                                                                        const Reply& reply) mutable {
                self->OnReply(std::move(request), status, reply);
              });
}

void PushCall::OnReply(std::unique_ptr<Request> request, const absl::Status& status, const Reply& reply) {
  const std::string server = request->view->ServerName(request->server);
  if (!status.ok()) {
    Trouble trouble;
    trouble.status = Annotate(status, server);
    trouble.retry_after_ms = reply.retry_after_ms;
    trouble.view = request->view;
    std::vector<PartitionId> all = request->partitions;
    return Retry(std::move(request), std::move(all), std::move(trouble));
  }
  absl::StatusOr<PushAnswer> answer =
      settings_.is_delete ? DecodeDeleteResponse(reply.bytes) : DecodePushResponse(reply.bytes);
  if (!answer.ok()) return EndRequest(request->chunk, Annotate(answer.status(), server));
  core_->counters.duplicate_parts.fetch_add(answer->duplicate_parts, std::memory_order_relaxed);
  core_->counters.skipped_rows.fetch_add(answer->skipped_rows, std::memory_order_relaxed);
  {
    absl::MutexLock lock(&mutex_);
    result_.duplicate_parts += static_cast<uint32_t>(answer->duplicate_parts);
    result_.skipped_rows += answer->skipped_rows;
  }
  if (!settings_.is_delete) core_->NoteMapVersion(answer->map_version, request->view);
  // Parts with a final error are out; the others go on by themselves, for a part once accepted by other
  // servers stays applied.
  std::vector<PartitionFailure> passing;
  for (PartitionFailure& failure : answer->failures) {
    if (!Contains(request->partitions, failure.partition)) {
      return EndRequest(request->chunk,
                        absl::InternalError(absl::StrCat(server, " failed partition ", failure.partition,
                                                         ", which it was not sent")));
    }
    if (Judge(failure.status.code()) == Verdict::kFinal) {
      NoteError(Annotate(failure.status, absl::StrCat(server, ", partition ", failure.partition)));
    } else {
      passing.push_back(std::move(failure));
    }
  }
  if (passing.empty()) return EndRequest(request->chunk, absl::OkStatus());
  FailureSummary failed = core_->Summarize(passing, request->server, request->view);
  Retry(std::move(request), std::move(failed.partitions), std::move(failed.trouble));
}

void PushCall::Retry(std::unique_ptr<Request> request, std::vector<PartitionId> failed, Trouble trouble) {
  trouble.tables = tables_;
  Request& r = *request;
  core_->Recover(std::move(trouble), &r.patience,
                 [self = shared_from_this(), request = std::move(request),
                  failed = std::move(failed)](const absl::Status& status) mutable {
                   std::shared_ptr<Chunk> chunk = request->chunk;
                   if (!status.ok()) return self->EndRequest(chunk, status);
                   std::vector<std::unique_ptr<Request>> again = self->Again(*request, failed);
                   {
                     absl::MutexLock lock(&self->mutex_);
                     chunk->open += again.size();
                   }
                   for (auto& one : again) self->Send(std::move(one));
                   self->EndRequest(chunk, absl::OkStatus());
                 });
}

std::vector<std::unique_ptr<PushCall::Request>> PushCall::Again(const Request& request,
                                                                const std::vector<PartitionId>& failed) {
  ViewPtr view = core_->cluster().view();
  std::map<ServerId, std::vector<PartitionId>> by_owner;
  for (PartitionId p : failed) {
    if (Contains(request.partitions, p)) by_owner[view->map.owner(p)].push_back(p);
  }
  std::vector<std::unique_ptr<Request>> out;
  out.reserve(by_owner.size());
  for (auto& [server, partitions] : by_owner)
    out.push_back(Subset(request, view, server, std::move(partitions)));
  return out;
}

std::unique_ptr<PushCall::Request> PushCall::Subset(const Request& request, const ViewPtr& view,
                                                    ServerId server, std::vector<PartitionId> partitions) {
  auto out = std::make_unique<Request>();
  out->chunk = request.chunk;
  out->view = view;
  out->server = server;
  out->partitions = std::move(partitions);
  out->patience = request.patience;
  out->token = request.token;
  std::vector<std::pair<const Rows*, RowList>> picked;
  std::vector<PushTableHeader> headers;
  for (const Rows& rows : request.tables) {
    RowList list;
    for (uint32_t i = 0; i < rows.header.rows; ++i) {
      uint64_t id = LoadLittle<uint64_t>(rows.area.ids + size_t{i} * 8);
      if (Contains(out->partitions, view->map.PartitionOf(rows.header.table, id))) list.Add(i);
    }
    if (list.size() == 0) continue;
    PushTableHeader header = rows.header;
    header.rows = list.size();
    headers.push_back(header);
    picked.emplace_back(&rows, std::move(list));
  }
  LayOut(*out, headers);
  for (size_t t = 0; t < picked.size(); ++t) {
    const auto& [rows, list] = picked[t];
    const PushTableArea& to = out->tables[t].area;
    const size_t row_bytes = size_t{rows->header.dim} * 4;
    for (size_t i = 0; i < list.size(); ++i) {
      std::memcpy(to.ids + i * 8, rows->area.ids + size_t{list[i]} * 8, 8);
      if (to.counts != nullptr) std::memcpy(to.counts + i * 4, rows->area.counts + size_t{list[i]} * 4, 4);
      if (to.values != nullptr)
        std::memcpy(to.values + i * row_bytes, rows->area.values + list[i] * row_bytes, row_bytes);
    }
  }
  return out;
}

bool PushCall::failed() const {
  absl::MutexLock lock(&mutex_);
  return !error_.ok();
}

void PushCall::NoteError(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (error_.ok()) error_ = status;
}

void PushCall::EndRequest(const std::shared_ptr<Chunk>& chunk, const absl::Status& status) {
  absl::Status report;
  {
    absl::MutexLock lock(&mutex_);
    if (error_.ok()) error_ = status;
    if (--chunk->open > 0) return;
    if (settings_.report_at_flush && !reported_ && !error_.ok()) {
      reported_ = true;
      report = error_;
    }
  }
  // Before the seq is complete, so that a Flush that waits for it finds the error.
  if (!report.ok()) core_->NotePushError(report);
  // No request of this seq is under way or will be sent: from now on low may pass it, and servers refuse late
  // copies.
  core_->window.Complete(chunk->seq);
  EndOne();
}

void PushCall::EndOne() {
  absl::StatusOr<PushResult> result;
  {
    absl::MutexLock lock(&mutex_);
    if (--open_ > 0) return;
    if (error_.ok()) {
      result = result_;
    } else {
      result = error_;
    }
  }
  if (!result.ok()) core_->counters.failed_calls.fetch_add(1, std::memory_order_relaxed);
  Core* core = core_;
  core->push_seconds.Observe(SecondsSince(begun_));
  promise_.set_value(std::move(result));
  core->EndCall();
}

}  // namespace rowhouse::client
