// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/message_checksum.h"

namespace rowhouse::client {

namespace {

prometheus::Histogram& CallHistogram(MetricsRegistry& metrics, const std::string& name, const char* what) {
  return metrics.AddHistogram(name,
                              absl::StrCat("Time from call to answer of a ", what, ", retries included."), {},
                              MetricsRegistry::LatencyBuckets());
}

}  // namespace

Core::Core(ClientOptions opts, std::vector<std::string> seeds, bool check_reach,
           const std::function<TransportFactory(Timer*)>& make_factory, std::shared_ptr<void> runtime)
    : options(std::move(opts)),
      pull_seconds(CallHistogram(metrics, "rowhouse_client_pull_seconds", "pull")),
      push_seconds(CallHistogram(metrics, "rowhouse_client_push_seconds", "push or delete")),
      gate(options.max_bytes_in_flight),
      window(options.max_pushes_in_flight),
      log_thread_(options.log ? MakeThreadPool("rowhouse-log", 1) : nullptr),
      control_(MakeThreadPool("rowhouse-control", 1)),
      runtime_(std::move(runtime)) {
  cluster_ = std::make_unique<Cluster>(options, std::move(seeds), make_factory(&timer_), check_reach,
                                       [this](std::string line) { Log(std::move(line)); });
}

Core::~Core() {
  cluster_->Shutdown();
  timer_.Stop();
  {
    absl::MutexLock lock(&mutex_);
    auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return open_calls_ == 0; };
    mutex_.Await(absl::Condition(&none));
  }
  control_.reset();
  runtime_.reset();
}

void Core::BeginCall() {
  absl::MutexLock lock(&mutex_);
  ++open_calls_;
}

void Core::EndCall() {
  absl::MutexLock lock(&mutex_);
  --open_calls_;
}

void Core::Log(std::string line) {
  if (log_thread_ == nullptr) return;
  log_thread_->Post([this, line = std::move(line)] { options.log(line); });
}

void Core::RetryLater(const Trouble& trouble, std::chrono::milliseconds pause,
                      absl::AnyInvocable<void(absl::Status)> next) {
  Log(absl::StrCat(trouble.status.ToString(), "; trying again in ", pause.count(), " ms"));
  cluster_->retries.fetch_add(1, std::memory_order_relaxed);
  timer_.Schedule(SteadyNow() + pause, [this, next = std::move(next)]() mutable {
    next(cluster_->closed() ? absl::CancelledError("the client is closing") : absl::OkStatus());
  });
}

Verdict Core::JudgeOrDoubt(Trouble* trouble, Patience* patience) const {
  const Verdict verdict = Judge(trouble->status.code());
  const bool ends = verdict == Verdict::kFinal || verdict == Verdict::kIfMapChanged;
  if (!options.checksums || trouble->vouched || !ends) {
    patience->doubts = 0;
    return verdict;
  }
  if (++patience->doubts > kMostDoubts) return verdict;
  trouble->retry_after_ms = std::max(trouble->retry_after_ms, static_cast<uint32_t>(kRenewInterval.count()));
  return Verdict::kRetry;
}

void Core::Recover(Trouble trouble, Patience* patience, absl::AnyInvocable<void(absl::Status)> next) {
  const Verdict verdict = JudgeOrDoubt(&trouble, patience);
  if (verdict == Verdict::kFinal || cluster_->closed()) return next(trouble.status);
  patience->Note(trouble.status);
  const std::chrono::milliseconds pause = BackoffAfter(patience->attempts, trouble.retry_after_ms);
  if (SteadyNow() + pause >= patience->give_up) return next(GaveUp(trouble.status, *patience));
  ++patience->attempts;
  if (verdict == Verdict::kRetry) return RetryLater(trouble, pause, std::move(next));
  control_->Post([this, verdict, pause, trouble = std::move(trouble), next = std::move(next)]() mutable {
    absl::StatusOr<ViewPtr> now = cluster_->Refresh(trouble.view);
    if (!now.ok() && absl::IsFailedPrecondition(now.status())) return next(now.status());
    bool changed = now.ok() && (*now)->map.version() > trouble.view->map.version();
    if (verdict == Verdict::kIfMapChanged && !changed) {
      return next(cluster_->Explain(trouble.status, trouble.tables));
    }
    RetryLater(trouble, pause, std::move(next));
  });
}

absl::Status Core::RecoverAndWait(Trouble trouble, Patience* patience) {
  absl::Notification done;
  absl::Status result;
  Recover(std::move(trouble), patience, [&](absl::Status status) {
    result = std::move(status);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

FailureSummary Core::Summarize(const std::vector<PartitionFailure>& failures, ServerId server,
                               const ViewPtr& view) {
  FailureSummary out;
  out.trouble.view = view;
  out.trouble.vouched = true;
  for (const PartitionFailure& failure : failures) {
    out.partitions.push_back(failure.partition);
    Verdict verdict = Judge(failure.status.code());
    if (out.trouble.status.ok() || verdict > out.worst) {
      out.worst = verdict;
      out.trouble.status =
          Annotate(failure.status, absl::StrCat(view->ServerName(server), ", partition ", failure.partition));
    }
    out.trouble.retry_after_ms = std::max(out.trouble.retry_after_ms, failure.retry_after_ms);
  }
  std::sort(out.partitions.begin(), out.partitions.end());
  return out;
}

void Core::NoteMapVersion(uint64_t version, const ViewPtr& view) {
  if (version <= view->map.version() || version <= cluster_->view()->map.version()) return;
  if (map_asked_.exchange(true)) return;
  control_->Post([this, view] {
    absl::StatusOr<ViewPtr> refreshed = cluster_->Refresh(view);
    if (!refreshed.ok()) Log(absl::StrCat("no new partition map: ", refreshed.status().ToString()));
    map_asked_.store(false);
  });
}

void Core::Send(const ServerLink& server, absl::string_view method, std::shared_ptr<const Buffer> request,
                CallOptions call, ReplyCallback done) {
  cluster_->sent_bytes.fetch_add(request->size(), std::memory_order_relaxed);
  const std::optional<uint32_t> checksum = ChecksumOf(request->span());
  call.doubt_connection = checksum.has_value();
  server.transport->Call(method, std::move(request), call,
                         [this, checksum, done = std::move(done)](absl::Status status, Reply reply) mutable {
                           cluster_->received_bytes.fetch_add(reply.bytes.size(), std::memory_order_relaxed);
                           if (status.ok() && checksum.has_value()) status = CheckAnswer(*checksum, reply);
                           done(std::move(status), std::move(reply));
                         });
}

absl::Status Core::CheckAnswer(uint32_t request_checksum, const Reply& reply) {
  const auto checked = CheckChecksum("the answer", reply.bytes, request_checksum);
  if (checked.ok() && checked->has_value()) return absl::OkStatus();
  counters.damaged_answers.fetch_add(1, std::memory_order_relaxed);
  if (!checked.ok()) return checked.status();
  return absl::UnavailableError(
      "the answer has no checksum: it was damaged on its way, or the server is of a version without them");
}

void Core::NotePushError(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (push_error_.ok()) push_error_ = status;
}

absl::Status Core::TakePushError() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(push_error_, absl::OkStatus());
}

}  // namespace rowhouse::client
