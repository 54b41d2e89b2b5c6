// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/memory_spill_store.h"

#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "server/spill/spill_value.h"

namespace rowhouse::server {
namespace {

absl::Span<const uint8_t> Bytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

std::string Encode(const SpillPut& put) {
  const SpillHeaderBytes header = EncodeSpillHeader(EncodeSpillKey(put.key), put.value);
  std::string stored(header.begin(), header.end());
  stored.append(put.value.payload.begin(), put.value.payload.end());
  return stored;
}

}  // namespace

absl::Status MemorySpillStore::Read(absl::Span<const SpillKey> keys,
                                    absl::FunctionRef<void(size_t, const SpillValue&)> found) {
  for (size_t i = 0; i < keys.size(); ++i) {
    std::string stored;
    {
      absl::MutexLock lock(&mutex_);
      const auto row = rows_.find(keys[i]);
      if (row == rows_.end()) continue;
      stored = row->second;
    }
    RH_ASSIGN_OR_RETURN(const SpillValue value, DecodeSpillValue(keys[i], Bytes(stored)));
    found(i, value);
  }
  return absl::OkStatus();
}

absl::Status MemorySpillStore::Write(absl::Span<const SpillPut> puts) {
  absl::MutexLock lock(&mutex_);
  for (const SpillPut& put : puts) {
    if (put.erase) {
      rows_.erase(put.key);
    } else {
      rows_.insert_or_assign(put.key, Encode(put));
    }
  }
  return absl::OkStatus();
}

absl::Status MemorySpillStore::Flush() { return absl::OkStatus(); }

absl::Status MemorySpillStore::Scan(const SpillKey& first, const SpillKey& last,
                                    absl::FunctionRef<bool(const SpillKey&, const SpillValue&)> visit) {
  std::optional<SpillKey> previous;
  while (true) {
    std::pair<SpillKey, std::string> row;
    {
      absl::MutexLock lock(&mutex_);
      const auto next = previous ? rows_.upper_bound(*previous) : rows_.lower_bound(first);
      if (next == rows_.end() || next->first > last) return absl::OkStatus();
      row = *next;
    }
    RH_ASSIGN_OR_RETURN(const SpillValue value, DecodeSpillValue(row.first, Bytes(row.second)));
    if (!visit(row.first, value)) return absl::OkStatus();
    previous = row.first;
  }
}

absl::Status MemorySpillStore::EraseRange(const SpillKey& first, const SpillKey& last) {
  absl::MutexLock lock(&mutex_);
  if (last < first) return absl::OkStatus();
  rows_.erase(rows_.lower_bound(first), rows_.upper_bound(last));
  return absl::OkStatus();
}

uint64_t MemorySpillStore::DiskBytes() const {
  absl::MutexLock lock(&mutex_);
  uint64_t bytes = 0;
  for (const auto& [key, stored] : rows_) bytes += kSpillKeyBytes + stored.size();
  return bytes;
}

std::string MemorySpillStore::RawValue(const SpillKey& key) const {
  absl::MutexLock lock(&mutex_);
  const auto row = rows_.find(key);
  return row == rows_.end() ? std::string() : row->second;
}

void MemorySpillStore::SetRawValue(const SpillKey& key, std::string stored) {
  absl::MutexLock lock(&mutex_);
  rows_.insert_or_assign(key, std::move(stored));
}

std::unique_ptr<SpillStore> MakeMemorySpillStore() { return std::make_unique<MemorySpillStore>(); }

}  // namespace rowhouse::server
