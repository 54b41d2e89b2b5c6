// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A spill store that can crash: what was written since the last Flush survives only as a prefix, as RocksDB
// without its own log promises. Thread-safe.

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {

class CrashableSpillStore : public SpillStore {
 public:
  CrashableSpillStore() : live_(MakeMemorySpillStore()) {}

  // Goes back to what was flushed, and the first `keep` of the operations after it.
  void Crash(size_t keep) {
    absl::MutexLock lock(&mu_);
    if (operations_.size() > flushed_ + keep) operations_.resize(flushed_ + keep);
    flushed_ = operations_.size();
    live_ = MakeMemorySpillStore();
    for (const Operation& operation : operations_) Do(operation).IgnoreError();
  }
  size_t unflushed() const {
    absl::MutexLock lock(&mu_);
    return operations_.size() - flushed_;
  }

  absl::Status Read(absl::Span<const SpillKey> keys,
                    absl::FunctionRef<void(size_t, const SpillValue&)> found) override {
    return live()->Read(keys, found);
  }
  absl::Status Write(absl::Span<const SpillPut> puts) override {
    Operation operation;
    for (const SpillPut& put : puts) {
      operation.puts.push_back({put, std::string(reinterpret_cast<const char*>(put.value.payload.data()),
                                                 put.value.payload.size())});
    }
    return Record(std::move(operation));
  }
  absl::Status EraseRange(const SpillKey& first, const SpillKey& last) override {
    Operation operation;
    operation.erase_range = true;
    operation.first = first;
    operation.last = last;
    return Record(std::move(operation));
  }
  absl::Status Flush() override {
    absl::MutexLock lock(&mu_);
    flushed_ = operations_.size();
    return absl::OkStatus();
  }
  absl::Status Scan(const SpillKey& first, const SpillKey& last,
                    absl::FunctionRef<bool(const SpillKey&, const SpillValue&)> visit) override {
    return live()->Scan(first, last, visit);
  }
  uint64_t DiskBytes() const override { return live()->DiskBytes(); }
  uint64_t MemoryBytes() const override { return 0; }

 private:
  struct OwnedPut {
    SpillPut put;
    std::string payload;
  };
  struct Operation {
    std::vector<OwnedPut> puts;
    bool erase_range = false;
    SpillKey first, last;
  };
  std::shared_ptr<SpillStore> live() const {
    absl::MutexLock lock(&mu_);
    return live_;
  }
  absl::Status Record(Operation operation) {
    absl::MutexLock lock(&mu_);
    operations_.push_back(std::move(operation));
    return Do(operations_.back());
  }
  absl::Status Do(const Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (operation.erase_range) return live_->EraseRange(operation.first, operation.last);
    std::vector<SpillPut> puts;
    for (const OwnedPut& owned : operation.puts) {
      puts.push_back(owned.put);
      puts.back().value.payload = {reinterpret_cast<const uint8_t*>(owned.payload.data()),
                                   owned.payload.size()};
    }
    return live_->Write(puts);
  }

  mutable absl::Mutex mu_;
  std::shared_ptr<SpillStore> live_ ABSL_GUARDED_BY(mu_);
  std::vector<Operation> operations_ ABSL_GUARDED_BY(mu_);
  size_t flushed_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace rowhouse::server
