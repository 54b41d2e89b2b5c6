// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_spill.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/status_macros.h"
#include "tests/sim/scheduler.h"

namespace rowhouse::sim {
namespace {

using server::SpillKey;
using server::SpillPut;
using server::SpillValue;

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class SpillFront final : public server::SpillStore {
 public:
  SpillFront(SpillImage* image, std::shared_ptr<const Life> life) : image_(image), life_(std::move(life)) {}

  absl::Status Read(absl::Span<const SpillKey> keys,
                    absl::FunctionRef<void(size_t, const SpillValue&)> found) override {
    for (size_t i = 0; i < keys.size(); ++i) {
      MaySwitch(Point::kFile);
      RH_RETURN_IF_ERROR(life_->Check());
      const auto row = image_->rows().find(keys[i]);
      if (row == image_->rows().end()) continue;
      const SpillImage::Value value = row->second;
      found(i, {value.schema_version, value.lsn, Bytes(value.payload)});
    }
    return absl::OkStatus();
  }

  absl::Status Write(absl::Span<const SpillPut> puts) override {
    SpillImage::Change change;
    for (const SpillPut& put : puts) {
      const auto* payload = reinterpret_cast<const char*>(put.value.payload.data());
      change.puts.push_back(
          {.key = put.key,
           .value = {put.value.schema_version, put.value.lsn, std::string(payload, put.value.payload.size())},
           .erase = put.erase});
    }
    return Change(std::move(change));
  }

  absl::Status Flush() override {
    MaySwitch(Point::kFile);
    RH_RETURN_IF_ERROR(life_->Check());
    image_->Flush();
    MaySwitch(Point::kFile);
    return life_->Check();
  }

  absl::Status Scan(const SpillKey& first, const SpillKey& last,
                    absl::FunctionRef<bool(const SpillKey&, const SpillValue&)> visit) override {
    std::optional<SpillKey> previous;
    while (true) {
      RH_RETURN_IF_ERROR(life_->Check());
      const SpillImage::Rows& rows = image_->rows();
      const auto next = previous ? rows.upper_bound(*previous) : rows.lower_bound(first);
      if (next == rows.end() || next->first > last) return absl::OkStatus();
      previous = next->first;
      const SpillImage::Value value = next->second;
      if (!visit(*previous, {value.schema_version, value.lsn, Bytes(value.payload)})) return absl::OkStatus();
      MaySwitch(Point::kFile);
    }
  }

  absl::Status EraseRange(const SpillKey& first, const SpillKey& last) override {
    return Change({.range = true, .first = first, .last = last});
  }
  uint64_t DiskBytes() const override { return image_->rows().size() * 64; }
  uint64_t MemoryBytes() const override { return 0; }

 private:
  absl::Status Change(SpillImage::Change change) {
    MaySwitch(Point::kFile);
    RH_RETURN_IF_ERROR(life_->Check());
    image_->Do(std::move(change));
    MaySwitch(Point::kFile);
    return life_->Check();
  }

  SpillImage* const image_;
  const std::shared_ptr<const Life> life_;
};

}  // namespace

void SpillImage::Apply(const Change& change, Rows* rows) {
  if (change.range) {
    if (change.first <= change.last)
      rows->erase(rows->lower_bound(change.first), rows->upper_bound(change.last));
    return;
  }
  for (const Change::Put& put : change.puts) {
    if (put.erase) {
      rows->erase(put.key);
    } else {
      rows->insert_or_assign(put.key, put.value);
    }
  }
}

void SpillImage::Do(Change change) {
  Apply(change, &live_);
  pending_.push_back(std::move(change));
}

void SpillImage::Flush() {
  for (const Change& change : pending_) Apply(change, &flushed_);
  pending_.clear();
}

void SpillImage::Crash(size_t keep) {
  pending_.resize(std::min(keep, pending_.size()));
  Flush();
  live_ = flushed_;
}

std::unique_ptr<server::SpillStore> MakeSpillFront(SpillImage* image, std::shared_ptr<const Life> life) {
  return std::make_unique<SpillFront>(image, std::move(life));
}

}  // namespace rowhouse::sim
