// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/pull.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/src/methods.h"
#include "common/message_checksum.h"
#include "common/status_macros.h"

namespace rowhouse::client {
namespace {

constexpr uint64_t kBulkBytes = 64 << 10;
constexpr uint64_t kTableOverhead = 64;    // tags and lengths of one table, request or answer, at most
constexpr uint64_t kHeaderOverhead = 128;  // of a request
constexpr uint64_t kEpochOverhead = 20;    // of one partition's epoch, at most

bool Contains(const std::vector<PartitionId>& sorted, PartitionId p) {
  return std::binary_search(sorted.begin(), sorted.end(), p);
}

}  // namespace

// Deals rows out to one open request a server, and begins another when a limit of the server is reached.
class PullCall::Splitter {
 public:
  Splitter(const PullCall& pull, ViewPtr view, Patience patience)
      : pull_(pull), view_(std::move(view)), patience_(std::move(patience)), open_(view_->servers.size()) {}

  void Add(uint32_t target, uint32_t row) {
    const PartitionId partition = pull_.unique_[target].partitions[row];
    const ServerId server = view_->map.owner(partition);
    Open& open = open_[server];
    const uint64_t reply = uint64_t{pull_.targets_[target].table.dim} * 4 + 1;
    if (open.request != nullptr && !Fits(open, server, target, reply)) Close(open);
    if (open.request == nullptr) {
      open.request = std::make_unique<Request>();
      open.request->view = view_;
      open.request->server = server;
      open.request->patience = patience_;
      open.touched.assign(view_->map.partition_count(), false);
      open.bytes = kHeaderOverhead;
    }
    Request& request = *open.request;
    if (request.parts.empty() || request.parts.back().target != target) {
      request.parts.push_back({target, {}});
      open.bytes += kTableOverhead;
      request.reply_bytes += kTableOverhead;
    }
    request.parts.back().rows.Add(row);
    ++request.rows;
    request.reply_bytes += reply;
    open.bytes += 8;
    if (!open.touched[partition]) {
      open.touched[partition] = true;
      request.partitions.push_back(partition);
      open.bytes += kEpochOverhead;
    }
  }

  std::vector<std::unique_ptr<Request>> Take() {
    for (Open& open : open_) {
      if (open.request != nullptr) Close(open);
    }
    return std::move(done_);
  }

 private:
  struct Open {
    std::unique_ptr<Request> request;
    std::vector<bool> touched;
    uint64_t bytes = 0;
  };
  bool Fits(const Open& open, ServerId server, uint32_t target, uint64_t reply) const {
    const ServerLink& link = view_->servers[server];
    const Request& request = *open.request;
    const uint64_t limit = link.max_message_bytes;
    const bool new_part = request.parts.back().target != target;
    return request.rows < link.max_rows_per_request &&
           open.bytes + 8 + kEpochOverhead + kTableOverhead <= limit &&
           // An eighth is left for the answer's list of partitions that failed.
           request.reply_bytes + reply + kTableOverhead <= limit - limit / 8 &&
           (!new_part || request.parts.size() < limits::kMaxTablesPerRequest);
  }
  void Close(Open& open) {
    std::sort(open.request->partitions.begin(), open.request->partitions.end());
    done_.push_back(std::move(open.request));
  }

  const PullCall& pull_;
  const ViewPtr view_;
  const Patience patience_;
  std::vector<Open> open_;
  std::vector<std::unique_ptr<Request>> done_;
};

PullCall::PullCall(Core* core, std::vector<PullTarget> targets) : core_(core), targets_(std::move(targets)) {}

std::vector<std::unique_ptr<PullCall::Request>> PullCall::SplitAll(const ViewPtr& view) {
  Splitter splitter(*this, view, core_->NewPatience());
  for (uint32_t t = 0; t < targets_.size(); ++t) {
    unique_.push_back(FindUniqueIds(targets_[t].table.id, {targets_[t].ids}, view->map.partition_bits()));
    for (uint32_t row = 0; row < unique_[t].size(); ++row) splitter.Add(t, row);
  }
  return splitter.Take();
}

std::future<absl::Status> PullCall::Start(Core* core, std::vector<PullTarget> targets) {
  std::shared_ptr<PullCall> self(new PullCall(core, std::move(targets)));
  std::future<absl::Status> future = self->promise_.get_future();
  core->BeginCall();
  core->counters.pulls.fetch_add(1, std::memory_order_relaxed);
  for (const PullTarget& target : self->targets_) {
    core->counters.pulled_rows.fetch_add(target.ids.size(), std::memory_order_relaxed);
  }
  for (auto& request : self->SplitAll(core->cluster().view())) {
    request->token = core->gate.Acquire(self->EncodedSize(*request));
    {
      absl::MutexLock lock(&self->mutex_);
      ++self->open_;
    }
    request->patience = core->NewPatience();  // waiting for room is not the server's fault
    self->Send(std::move(request));
  }
  self->End(absl::OkStatus());
  return future;
}

void PullCall::Prefetch(Core* core, const TableRef& table, absl::Span<const uint64_t> ids) {
  std::shared_ptr<PullCall> self(new PullCall(core, {{table, ids, nullptr, nullptr}}));
  for (auto& request : self->SplitAll(core->cluster().view())) {
    std::shared_ptr<Buffer> bytes = self->Encode(*request, true);
    ByteGate::Token token = core->gate.TryAcquire(bytes->size());
    if (token == nullptr) return;
    core->BeginCall();
    CallOptions call{core->cluster().AttemptDeadline(SteadyTime::max()), bytes->size() > kBulkBytes};
    core->Send(request->view->servers[request->server], kPrefetch, bytes, call,
               [core, token = std::move(token)](const absl::Status&, const Reply&) mutable {
                 token.reset();
                 core->EndCall();
               });
  }
}

std::vector<PullTableHeader> PullCall::Tables(const Request& request) const {
  std::vector<PullTableHeader> out;
  out.reserve(request.parts.size());
  for (const Part& part : request.parts) {
    const TableRef& table = targets_[part.target].table;
    out.push_back({table.id, table.version, table.dim, part.rows.size()});
  }
  return out;
}

PullHeader PullCall::Header(const Request& request, std::vector<PartitionEpochEntry>* epochs) const {
  epochs->clear();
  for (PartitionId p : request.partitions) epochs->push_back({p, request.view->map.epoch(p)});
  PullHeader header;
  header.history = request.view->history;
  header.map_version = request.view->map.version();
  header.epochs = *epochs;
  header.checksum = core_->options.checksums;
  return header;
}

size_t PullCall::EncodedSize(const Request& request) const {
  std::vector<PartitionEpochEntry> epochs;
  PullHeader header = Header(request, &epochs);
  return PullRequestSize(header, Tables(request));
}

std::shared_ptr<Buffer> PullCall::Encode(const Request& request, bool prefetch) const {
  std::vector<PartitionEpochEntry> epochs;
  PullHeader header = Header(request, &epochs);
  header.prefetch = prefetch;
  header.checksum = header.checksum && !prefetch;  // a hint
  std::vector<uint8_t*> areas;
  auto buffer = std::make_shared<Buffer>(LayOutPullRequest(header, Tables(request), &areas));
  for (size_t i = 0; i < request.parts.size(); ++i) {
    const Part& part = request.parts[i];
    const std::vector<uint64_t>& ids = unique_[part.target].ids;
    if (part.rows.consecutive()) {
      std::memcpy(areas[i], ids.data() + part.rows.start(), part.rows.size() * 8);
    } else {
      for (size_t row = 0; row < part.rows.size(); ++row)
        std::memcpy(areas[i] + row * 8, &ids[part.rows[row]], 8);
    }
  }
  if (header.checksum) WriteChecksum(buffer->data(), buffer->size());
  return buffer;
}

void PullCall::Send(std::unique_ptr<Request> request) {
  std::shared_ptr<Buffer> bytes = Encode(*request, false);
  const ServerLink& server = request->view->servers[request->server];
  CallOptions call{core_->cluster().AttemptDeadline(request->patience.give_up),
                   bytes->size() + request->reply_bytes > kBulkBytes};
  core_->Send(server, kPull, std::move(bytes), call,
              [self = shared_from_this(), request = std::move(request)](const absl::Status& status,
                                                                        const Reply& reply) mutable {
                self->OnReply(std::move(request), status, reply);
              });
}

void PullCall::OnReply(std::unique_ptr<Request> request, const absl::Status& status, const Reply& reply) {
  const std::string server = request->view->ServerName(request->server);
  if (!status.ok()) {
    Trouble trouble;
    trouble.status = Annotate(status, server);
    trouble.retry_after_ms = reply.retry_after_ms;
    trouble.view = request->view;
    std::vector<PartitionId> all = request->partitions;
    return Retry(std::move(request), std::move(all), std::move(trouble));
  }
  absl::StatusOr<PullAnswer> answer = DecodePullResponse(reply.bytes);
  if (!answer.ok()) return End(Annotate(answer.status(), server));
  for (const PartitionFailure& failure : answer->failures) {
    if (Contains(request->partitions, failure.partition)) continue;
    return End(absl::InternalError(
        absl::StrCat(server, " failed partition ", failure.partition, ", which was not asked for")));
  }
  FailureSummary failed = core_->Summarize(answer->failures, request->server, request->view);
  absl::Status scattered = Scatter(*request, *answer, reply.bytes, failed.partitions);
  if (!scattered.ok()) return End(Annotate(scattered, server));
  core_->NoteMapVersion(answer->map_version, request->view);
  if (failed.partitions.empty()) return End(absl::OkStatus());
  Retry(std::move(request), std::move(failed.partitions), std::move(failed.trouble));
}

absl::Status PullCall::Scatter(const Request& request, const PullAnswer& answer, const ChunkedBytes& bytes,
                               const std::vector<PartitionId>& failed) {
  if (answer.tables.size() != request.parts.size()) {
    return absl::InternalError(absl::StrCat("the answer has ", answer.tables.size(), " tables, ",
                                            request.parts.size(), " were asked for"));
  }
  for (size_t i = 0; i < request.parts.size(); ++i) {
    const Part& part = request.parts[i];
    const TableRef& table = targets_[part.target].table;
    const PullTableAnswer& got = answer.tables[i];
    const uint64_t values = uint64_t{part.rows.size()} * table.dim * 4;
    const uint64_t stored = (part.rows.size() + 7) / 8;
    if (got.table != table.id || got.values.size != values || got.stored.size != stored ||
        got.dtype > static_cast<uint32_t>(DataType::kFloat32)) {
      return absl::InternalError(
          absl::StrCat("the answer for table '", table.name, "' is table ", got.table, ", type ", got.dtype,
                       ", ", got.values.size, " bytes of values and ", got.stored.size,
                       " of flags; asked for was table ", table.id, " with ", values, " and ", stored));
    }
    ScatterPart(part, got, bytes, failed);
  }
  return absl::OkStatus();
}

void PullCall::ScatterPart(const Part& part, const PullTableAnswer& answer, const ChunkedBytes& bytes,
                           const std::vector<PartitionId>& failed) {
  const PullTarget& target = targets_[part.target];
  const UniqueIds& unique = unique_[part.target];
  const size_t dim = target.table.dim;
  const size_t rows = part.rows.size();
  if (part.rows.consecutive() && !unique.repeats() && failed.empty()) {
    bytes.CopyTo(answer.values.offset, answer.values.size, target.rows + size_t{part.rows.start()} * dim);
  } else {
    ByteCursor values(bytes);
    values.Skip(answer.values.offset);
    for (size_t i = 0; i < rows; ++i) {
      const uint32_t row = part.rows[i];
      if (!failed.empty() && Contains(failed, unique.partitions[row])) {
        values.Skip(dim * 4);
      } else {
        values.Read(target.rows + size_t{unique.first[row]} * dim, dim * 4);
      }
    }
  }
  if (target.stored == nullptr) return;
  std::vector<uint8_t> flags(answer.stored.size);
  if (!flags.empty()) bytes.CopyTo(answer.stored.offset, flags.size(), flags.data());
  for (size_t i = 0; i < rows; ++i) {
    const uint32_t row = part.rows[i];
    if (!failed.empty() && Contains(failed, unique.partitions[row])) continue;
    target.stored[unique.first[row]] = flags[i / 8] >> (i % 8) & 1;
  }
}

void PullCall::Retry(std::unique_ptr<Request> request, std::vector<PartitionId> failed, Trouble trouble) {
  {
    absl::MutexLock lock(&mutex_);
    if (!error_.ok()) failed.clear();  // another part has failed for good
  }
  if (failed.empty()) return End(absl::OkStatus());
  for (const Part& part : request->parts) trouble.tables.push_back(targets_[part.target].table);
  Request& r = *request;
  core_->Recover(std::move(trouble), &r.patience,
                 [self = shared_from_this(), request = std::move(request),
                  failed = std::move(failed)](const absl::Status& status) mutable {
                   if (!status.ok()) return self->End(status);
                   Splitter splitter(*self, self->core_->cluster().view(), request->patience);
                   for (const Part& part : request->parts) {
                     for (size_t i = 0; i < part.rows.size(); ++i) {
                       const uint32_t row = part.rows[i];
                       if (Contains(failed, self->unique_[part.target].partitions[row]))
                         splitter.Add(part.target, row);
                     }
                   }
                   std::vector<std::unique_ptr<Request>> again = splitter.Take();
                   {
                     absl::MutexLock lock(&self->mutex_);
                     self->open_ += again.size();
                   }
                   for (auto& one : again) {
                     one->token = request->token;
                     self->Send(std::move(one));
                   }
                   self->End(absl::OkStatus());
                 });
}

void PullCall::CopyRepeats() {
  for (size_t t = 0; t < targets_.size(); ++t) {
    const UniqueIds& unique = unique_[t];
    if (!unique.repeats()) continue;
    const PullTarget& target = targets_[t];
    const size_t dim = target.table.dim;
    for (uint32_t first : unique.first) {
      for (uint32_t p = unique.next[first]; p != UniqueIds::kNone; p = unique.next[p]) {
        std::memcpy(target.rows + size_t{p} * dim, target.rows + size_t{first} * dim, dim * 4);
        if (target.stored != nullptr) target.stored[p] = target.stored[first];
      }
    }
  }
}

void PullCall::End(const absl::Status& status) {
  absl::Status result;
  {
    absl::MutexLock lock(&mutex_);
    if (error_.ok()) error_ = status;
    if (--open_ > 0) return;
    result = error_;
  }
  if (result.ok()) {
    CopyRepeats();
  } else {
    core_->counters.failed_calls.fetch_add(1, std::memory_order_relaxed);
  }
  Core* core = core_;
  core->pull_seconds.Observe(SecondsSince(begun_));
  promise_.set_value(std::move(result));
  core->EndCall();
}

}  // namespace rowhouse::client
