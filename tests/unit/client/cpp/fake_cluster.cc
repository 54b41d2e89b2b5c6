// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "fake_cluster.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/routing/routing_hash.h"

namespace rowhouse::client {
namespace {

void FlipMiddleBit(std::string* bytes) {
  char& middle = bytes->at(bytes->size() / 2);
  middle = static_cast<char>(middle ^ 4);
}

}  // namespace

// The way to one server. Calls run on the cluster's threads; a dropped one ends at its deadline.
class FakeCluster::Network : public Transport, public std::enable_shared_from_this<Network> {
 public:
  Network(FakeCluster* cluster, ServerId server, Timer* timer)
      : cluster_(cluster), server_(server), timer_(timer) {}

  void Call(absl::string_view method, std::shared_ptr<const Buffer> request, CallOptions options,
            ReplyCallback done) override {
    auto once = std::make_shared<Once>(std::move(done));
    {
      absl::MutexLock lock(&mutex_);
      if (!closed_) open_.push_back(once);
    }
    if (closed()) return once->End(absl::CancelledError("closed"), {});
    std::string bytes(reinterpret_cast<const char*>(request->data()), request->size());
    timer_->Schedule(options.deadline,
                     [once] { once->End(absl::DeadlineExceededError("no answer in time"), {}); });
    cluster_->threads_->Post([self = shared_from_this(), method = std::string(method),
                              bytes = std::move(bytes), once] { self->Run(method, bytes, once); });
  }

  void Shutdown() override {
    std::vector<std::shared_ptr<Once>> open;
    {
      absl::MutexLock lock(&mutex_);
      closed_ = true;
      open.swap(open_);
    }
    for (auto& once : open) once->End(absl::CancelledError("closed"), {});
  }

 private:
  struct Once {
    explicit Once(ReplyCallback d) : done(std::move(d)) {}
    absl::Mutex mutex;
    ReplyCallback done;
    void End(absl::Status status, Reply reply) {
      ReplyCallback callback;
      {
        absl::MutexLock lock(&mutex);
        if (!done) return;
        callback = std::exchange(done, nullptr);
      }
      callback(std::move(status), std::move(reply));
    }
  };

  bool closed() {
    absl::MutexLock lock(&mutex_);
    return closed_;
  }

  void Run(const std::string& method, const std::string& bytes, const std::shared_ptr<Once>& once) {
    FaultFn decide;
    {
      absl::MutexLock lock(&cluster_->mutex_);
      cluster_->seen_.push_back({server_, method, bytes});
      decide = cluster_->faults_;
    }
    Fault fault = decide ? decide(server_, method, bytes) : Fault();
    if (fault.kind == Fault::kHold) {
      absl::MutexLock lock(&cluster_->mutex_);
      cluster_->held_.push_back(
          [self = shared_from_this(), method, bytes, once] { self->Answer(method, bytes, {}, once); });
      return;
    }
    Answer(method, bytes, fault, once);
  }

  void Answer(const std::string& method, const std::string& bytes, const Fault& fault,
              const std::shared_ptr<Once>& once) {
    if (fault.kind == Fault::kDropRequest) return;
    Reply reply;
    reply.retry_after_ms = fault.retry_after_ms;
    if (fault.kind == Fault::kError) return once->End(fault.status, std::move(reply));
    std::string request = bytes;
    if (fault.kind == Fault::kDamageRequest) FlipMiddleBit(&request);
    Result result = cluster_->Serve(server_, method, request);
    if (fault.kind == Fault::kTwice) result = cluster_->Serve(server_, method, bytes);
    if (fault.kind == Fault::kDropReply) return;
    if (fault.kind == Fault::kApplyThenError) return once->End(fault.status, std::move(reply));
    if (fault.kind == Fault::kDamageReply) FlipMiddleBit(&result.bytes);
    if (fault.kind == Fault::kCutReply) result.bytes.clear();
    if (result.status.ok()) {
      absl::MutexLock lock(&cluster_->mutex_);
      if (fault.kind == Fault::kReplyOfBefore) result.bytes = cluster_->last_reply_;
      cluster_->last_reply_ = result.bytes;
    }
    auto owner = std::make_shared<std::string>(std::move(result.bytes));
    // In pieces of odd size, as a network would.
    absl::Span<const uint8_t> all(reinterpret_cast<const uint8_t*>(owner->data()), owner->size());
    for (size_t at = 0; at < all.size(); at += 13) reply.bytes.Append(all.subspan(at, 13));
    reply.owner = std::move(owner);
    once->End(result.status, std::move(reply));
  }

  FakeCluster* const cluster_;
  const ServerId server_;
  Timer* const timer_;
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<Once>> open_ ABSL_GUARDED_BY(mutex_);
};

FakeCluster::FakeCluster(FakeOptions options) : options_(options), threads_(MakeThreadPool("fake", 2)) {
  while ((1u << bits_) < options.partitions) ++bits_;
  for (uint32_t p = 0; p < options.partitions; ++p) {
    owners_.push_back(p * options.servers / options.partitions);
    epochs_.push_back(1);
  }
}

FakeCluster::~FakeCluster() {
  Release();
  threads_.reset();
}

absl::StatusOr<std::unique_ptr<ClientImpl>> FakeCluster::Connect(ClientOptions options) {
  ClientImpl::Below below;
  below.seeds = {"127.0.0.1:1"};
  below.make_factory = [this](Timer* timer) {
    return [this, timer](const std::string& address) {
      ServerId server = static_cast<ServerId>(std::stoul(address.substr(address.rfind(':') + 1))) - 1;
      return std::make_shared<Network>(this, server, timer);
    };
  };
  return ClientImpl::Connect(std::move(options), std::move(below));
}

void FakeCluster::SetFaults(FaultFn faults) {
  absl::MutexLock lock(&mutex_);
  faults_ = std::move(faults);
}

void FakeCluster::SetPartitionFailures(PartitionFn failures) {
  absl::MutexLock lock(&mutex_);
  partition_failures_ = std::move(failures);
}

void FakeCluster::Release() {
  std::vector<std::function<void()>> held;
  {
    absl::MutexLock lock(&mutex_);
    held.swap(held_);
  }
  for (auto& one : held) one();
}

size_t FakeCluster::held() const {
  absl::MutexLock lock(&mutex_);
  return held_.size();
}

void FakeCluster::Move(PartitionId partition, ServerId to) {
  absl::MutexLock lock(&mutex_);
  owners_[partition] = to;
  ++epochs_[partition];
  ++map_version_;
}

void FakeCluster::SetHistory(HistoryId history) {
  absl::MutexLock lock(&mutex_);
  history_ = history;
}

void FakeCluster::AlterTable(TableId table, bool allow_nan) {
  absl::MutexLock lock(&mutex_);
  for (auto& [name, schema] : tables_) {
    if (schema.table_id() != table) continue;
    schema.set_schema_version(schema.schema_version() + 1);
    schema.set_nan_policy(allow_nan ? v1::NAN_POLICY_ALLOW : v1::NAN_POLICY_SKIP);
  }
}

std::vector<float> FakeCluster::Row(TableId table, uint64_t id) const {
  absl::MutexLock lock(&mutex_);
  auto it = rows_.find({table, id});
  return it == rows_.end() ? std::vector<float>() : it->second;
}

bool FakeCluster::Stored(TableId table, uint64_t id) const { return !Row(table, id).empty(); }

size_t FakeCluster::applied_parts() const {
  absl::MutexLock lock(&mutex_);
  return applied_.size();
}

std::set<uint64_t> FakeCluster::applied_seqs() const {
  absl::MutexLock lock(&mutex_);
  std::set<uint64_t> out;
  for (const auto& [part, content] : applied_) out.insert(part.seq);
  return out;
}

uint64_t FakeCluster::registrations() const {
  absl::MutexLock lock(&mutex_);
  return registrations_;
}

std::vector<FakeCluster::Seen> FakeCluster::seen(absl::string_view method) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Seen> out;
  for (const Seen& one : seen_) {
    if (one.method == method) out.push_back(one);
  }
  return out;
}

std::vector<std::string> FakeCluster::violations() const {
  absl::MutexLock lock(&mutex_);
  return violations_;
}

PartitionId FakeCluster::PartitionOf(TableId table, uint64_t id) const {
  return PartitionOfHash(RoutingHash(table, id), bits_);
}

const v1::TableSchema* FakeCluster::Find(TableId table) const {
  for (const auto& [name, schema] : tables_) {
    if (schema.table_id() == table) return &schema;
  }
  return nullptr;
}

}  // namespace rowhouse::client
