// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/client_impl.h"

#include <unistd.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status_macros.h"

namespace rowhouse {

using client::PullCall;
using client::PullTarget;
using client::PushCall;
using client::PushSlice;
using client::TableRef;
using client::UniqueIds;
using client::WaitClock;

namespace {

template <typename T>
std::future<T> Ready(T value) {
  std::promise<T> promise;
  promise.set_value(std::move(value));
  return promise.get_future();
}

absl::Status CheckTable(size_t slice, const TableRef& table) {
  if (table.id != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("slice ", slice, ": its table was not opened; use OpenTable"));
}

// Compares the size of a caller's array with what its ids need.
absl::Status CheckSize(size_t slice, const TableRef& table, absl::string_view what, uint64_t got,
                       uint64_t ids, uint64_t each) {
  if (got == ids * each) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("slice ", slice, ", table '", table.name, "': ", what,
                                                 " has ", got, " elements; ", ids, " ids need ", ids * each));
}

absl::Status CheckCount(size_t slice, const TableRef& table, uint64_t ids) {
  if (ids <= UniqueIds::kMaxPositions) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("slice ", slice, ", table '", table.name, "': ", ids,
                                                 " ids in one call; at most ", UniqueIds::kMaxPositions));
}

absl::Status CheckPushOptions(const PushOptions& options) {
  const int kind = static_cast<int>(options.kind);
  if (kind < 1 || kind > 3) {
    return absl::InvalidArgumentError(absl::StrCat("PushOptions.kind is ", kind, "; allowed are 1 to 3"));
  }
  if (options.rank != 0 && options.rank >= options.group_size) {
    return absl::InvalidArgumentError(absl::StrCat("PushOptions.rank is ", options.rank, "; group_size ",
                                                   options.group_size, " allows less than that"));
  }
  return absl::OkStatus();
}

}  // namespace

ClientImpl::ClientImpl(ClientOptions options, Below below)
    : process_(::getpid()),
      core_(std::make_unique<client::Core>(std::move(options), std::move(below.seeds), below.check_reach,
                                           below.make_factory, std::move(below.runtime))),
      writer_(&core_->cluster(), core_->options.writer_name) {
  RegisterMetrics();
}

absl::StatusOr<std::unique_ptr<ClientImpl>> ClientImpl::Connect(ClientOptions options, Below below) {
  std::unique_ptr<ClientImpl> impl(new ClientImpl(std::move(options), std::move(below)));
  RH_RETURN_IF_ERROR(impl->core_->cluster().Connect(impl->core_->NewPatience().give_up));
  return impl;
}

ClientImpl::~ClientImpl() {
  if (::getpid() != process_) {
    core_.release();  // its threads are the parent's: joining them here would wait for ever
    return;
  }
  core_->window.WaitAllFor(absl::FromChrono(core_->options.retry_timeout));
}

absl::Status ClientImpl::CheckProcess() const {
  pid_t now = ::getpid();
  if (now == process_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("this client was made by process ", process_, " and is used in process ", now,
                   ", forked from it; connect and register anew in the child"));
}

TableRef ClientImpl::Ref(const Table& table) {
  TableRef ref;
  ref.id = table.id_;
  ref.version = table.version_;
  ref.dim = table.dim_;
  ref.allow_nan = table.allow_nan_;
  ref.name = table.name_;
  return ref;
}

absl::StatusOr<std::vector<PullTarget>> ClientImpl::CheckPull(absl::Span<const PullSlice> slices) const {
  RH_RETURN_IF_ERROR(CheckProcess());
  std::vector<PullTarget> targets;
  targets.reserve(slices.size());
  for (size_t i = 0; i < slices.size(); ++i) {
    const PullSlice& slice = slices[i];
    TableRef table = Ref(slice.table);
    RH_RETURN_IF_ERROR(CheckTable(i, table));
    RH_RETURN_IF_ERROR(CheckCount(i, table, slice.ids.size()));
    RH_RETURN_IF_ERROR(CheckSize(i, table, "rows", slice.rows.size(), slice.ids.size(), table.dim));
    if (!slice.stored.empty()) {
      RH_RETURN_IF_ERROR(CheckSize(i, table, "stored", slice.stored.size(), slice.ids.size(), 1));
    }
    if (slice.ids.empty()) continue;
    targets.push_back({std::move(table), slice.ids, slice.rows.data(),
                       slice.stored.empty() ? nullptr : slice.stored.data()});
  }
  return targets;
}

std::future<absl::Status> ClientImpl::PullAsync(absl::Span<const PullSlice> slices) {
  absl::StatusOr<std::vector<PullTarget>> targets = CheckPull(slices);
  if (!targets.ok()) return Ready<absl::Status>(targets.status());
  return PullCall::Start(core_.get(), *std::move(targets));
}

absl::Status ClientImpl::Pull(absl::Span<const PullSlice> slices) {
  WaitClock clock(&core_->counters);
  return PullAsync(slices).get();
}

void ClientImpl::Prefetch(const Table& table, absl::Span<const uint64_t> ids) {
  if (!CheckProcess().ok() || table.id_ == 0 || ids.empty() || ids.size() > UniqueIds::kMaxPositions) return;
  PullCall::Prefetch(core_.get(), Ref(table), ids);
}

absl::StatusOr<std::vector<PushSlice>> ClientImpl::CheckPush(absl::Span<const GradientSlice> slices,
                                                             const PushOptions& options) const {
  RH_RETURN_IF_ERROR(CheckPushOptions(options));
  std::vector<PushSlice> out;
  out.reserve(slices.size());
  uint64_t total = 0;
  for (size_t i = 0; i < slices.size(); ++i) {
    const GradientSlice& slice = slices[i];
    TableRef table = Ref(slice.table);
    RH_RETURN_IF_ERROR(CheckTable(i, table));
    total += slice.ids.size();
    RH_RETURN_IF_ERROR(CheckCount(i, table, total));
    RH_RETURN_IF_ERROR(CheckSize(i, table, "values", slice.values.size(), slice.ids.size(), table.dim));
    if (!slice.counts.empty()) {
      RH_RETURN_IF_ERROR(CheckSize(i, table, "counts", slice.counts.size(), slice.ids.size(), 1));
    }
    if (slice.learning_rate.has_value() &&
        !(std::isfinite(*slice.learning_rate) && *slice.learning_rate >= 0)) {
      return absl::InvalidArgumentError(absl::StrCat("slice ", i, ", table '", table.name,
                                                     "': learning_rate is ", *slice.learning_rate,
                                                     "; allowed are finite values from 0"));
    }
    for (const PushSlice& other : out) {
      if (other.table.id == table.id && other.learning_rate != slice.learning_rate) {
        return absl::InvalidArgumentError(
            absl::StrCat("slice ", i, ": table '", table.name,
                         "' is in this push with two learning rates; push them one by one"));
      }
    }
    if (slice.ids.empty()) continue;
    out.push_back({std::move(table), slice.ids, slice.values.data(),
                   slice.counts.empty() ? nullptr : slice.counts.data(), slice.learning_rate});
    RH_RETURN_IF_ERROR(client::CheckFinite(out.back()));
  }
  return out;
}

std::future<absl::StatusOr<PushResult>> ClientImpl::StartPush(absl::Span<const GradientSlice> slices,
                                                              const PushOptions& options,
                                                              bool report_at_flush) {
  using Result = absl::StatusOr<PushResult>;
  // Before any lock: in a forked process one may be held by a thread that is not here.
  if (absl::Status here = CheckProcess(); !here.ok()) return Ready<Result>(here);
  auto refuse = [&](const absl::Status& status) {
    if (report_at_flush) core_->NotePushError(status);
    core_->counters.failed_calls.fetch_add(1, std::memory_order_relaxed);
    return Ready<Result>(status);
  };
  absl::StatusOr<std::vector<PushSlice>> checked = CheckPush(slices, options);
  if (!checked.ok()) return refuse(checked.status());
  if (checked->empty()) return Ready<Result>(PushResult());
  absl::StatusOr<WriterId> writer = writer_.Get();
  if (!writer.ok()) return refuse(writer.status());
  PushCall::Settings settings;
  settings.report_at_flush = report_at_flush;
  settings.kind = static_cast<PushKind>(options.kind);
  settings.writer = *writer;
  settings.step = options.step;
  settings.group_size = options.group_size;
  settings.rank = options.rank;
  return PushCall::Start(core_.get(), settings, *std::move(checked));
}

absl::StatusOr<PushResult> ClientImpl::Push(absl::Span<const GradientSlice> slices,
                                            const PushOptions& options) {
  WaitClock clock(&core_->counters);
  return StartPush(slices, options, false).get();
}

std::future<absl::StatusOr<PushResult>> ClientImpl::PushAsync(absl::Span<const GradientSlice> slices,
                                                              const PushOptions& options) {
  WaitClock clock(&core_->counters);
  return StartPush(slices, options, true);
}

absl::Status ClientImpl::Flush() {
  RH_RETURN_IF_ERROR(CheckProcess());
  WaitClock clock(&core_->counters);
  core_->window.WaitAll();
  return core_->TakePushError();
}

absl::Status ClientImpl::Delete(const Table& table, absl::Span<const uint64_t> ids) {
  RH_RETURN_IF_ERROR(CheckProcess());
  TableRef ref = Ref(table);
  RH_RETURN_IF_ERROR(CheckTable(0, ref));
  RH_RETURN_IF_ERROR(CheckCount(0, ref, ids.size()));
  if (ids.empty()) return absl::OkStatus();
  WaitClock clock(&core_->counters);
  PushCall::Settings settings;
  settings.is_delete = true;
  RH_ASSIGN_OR_RETURN(settings.writer, writer_.Get());
  PushSlice slice;
  slice.table = std::move(ref);
  slice.ids = ids;
  return PushCall::Start(core_.get(), settings, {std::move(slice)}).get().status();
}

ClientCounters ClientImpl::counters() const {
  const client::Counters& c = core_->counters;
  client::Cluster& cluster = core_->cluster();
  ClientCounters out;
  out.pulls = c.pulls.load();
  out.pushes = c.pushes.load();
  out.pulled_rows = c.pulled_rows.load();
  out.pushed_rows = c.pushed_rows.load();
  out.retries = cluster.retries.load();
  out.duplicate_parts = c.duplicate_parts.load();
  out.skipped_rows = c.skipped_rows.load();
  out.failed_calls = c.failed_calls.load();
  out.damaged_answers = c.damaged_answers.load();
  out.sent_bytes = cluster.sent_bytes.load();
  out.received_bytes = cluster.received_bytes.load();
  out.wait_seconds = static_cast<double>(c.wait_nanos.load()) * 1e-9;
  return out;
}

void ClientImpl::RegisterMetrics() {
  const auto counter = [this](const char* name, const char* help, auto ClientCounters::*field) {
    core_->metrics.AddCounterCallback(name, help, {},
                                      [this, field] { return static_cast<double>(counters().*field); });
  };
  counter("rowhouse_client_pulls_total", "Pulls begun.", &ClientCounters::pulls);
  counter("rowhouse_client_pushes_total", "Pushes and deletes begun.", &ClientCounters::pushes);
  counter("rowhouse_client_pulled_rows_total", "Ids of pulls.", &ClientCounters::pulled_rows);
  counter("rowhouse_client_pushed_rows_total", "Ids of pushes and deletes.", &ClientCounters::pushed_rows);
  counter("rowhouse_client_retries_total", "Requests sent again.", &ClientCounters::retries);
  counter("rowhouse_client_duplicate_parts_total", "Parts that an earlier attempt had applied.",
          &ClientCounters::duplicate_parts);
  counter("rowhouse_client_skipped_rows_total",
          "Gradient rows that servers left out for a NaN or an infinity.", &ClientCounters::skipped_rows);
  counter("rowhouse_client_failed_calls_total", "Calls that ended with an error.",
          &ClientCounters::failed_calls);
  counter("rowhouse_client_damaged_answers_total",
          "Answers that were asked for once more because their bytes had no checksum, or another.",
          &ClientCounters::damaged_answers);
  counter("rowhouse_client_sent_bytes_total", "Bytes of requests.", &ClientCounters::sent_bytes);
  counter("rowhouse_client_received_bytes_total", "Bytes of answers.", &ClientCounters::received_bytes);
  counter("rowhouse_client_wait_seconds_total", "Time that callers spent waiting in the client.",
          &ClientCounters::wait_seconds);
}

}  // namespace rowhouse
