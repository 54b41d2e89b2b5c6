// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A SpillStore in a sorted map, for tests and simulation. It keeps values encoded, as RocksDB does, so that
// damage can be played. It stands for a disk: its bytes count as DiskBytes, and MemoryBytes is 0.
// Thread-safe.

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/spill/spill_store.h"

namespace rowhouse::server {

class MemorySpillStore final : public SpillStore {
 public:
  absl::Status Read(absl::Span<const SpillKey> keys,
                    absl::FunctionRef<void(size_t, const SpillValue&)> found) override;
  absl::Status Write(absl::Span<const SpillPut> puts) override;
  absl::Status Flush() override;
  absl::Status Scan(const SpillKey& first, const SpillKey& last,
                    absl::FunctionRef<bool(const SpillKey&, const SpillValue&)> visit) override;
  absl::Status EraseRange(const SpillKey& first, const SpillKey& last) override;
  uint64_t DiskBytes() const override;
  uint64_t MemoryBytes() const override { return 0; }

  // The stored bytes of a key, empty when it is absent, and their replacement, well-formed or not.
  std::string RawValue(const SpillKey& key) const;
  void SetRawValue(const SpillKey& key, std::string stored);

 private:
  mutable absl::Mutex mutex_;  // not held while a callback runs
  std::map<SpillKey, std::string> rows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rowhouse::server
