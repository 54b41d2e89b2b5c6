// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/table/table.h"

#include <cstring>

#include "server/optimizer/kernels.h"

namespace rowhouse::server {
namespace {

RowLayout LayoutOf(const TableSchema& schema) {
  RowLayout layout;
  layout.dim = schema.dim;
  layout.state_floats = GetOptimizer(schema.optimizer.kind)->StateFloats(schema.dim);
  layout.has_last_push_time = schema.track_last_push_time;
  return layout;
}

void SetLastPushTime(const RowLayout& layout, uint32_t seconds, uint8_t* row) {
  if (layout.has_last_push_time) std::memcpy(row + layout.last_push_time_offset(), &seconds, 4);
}

}  // namespace

Table::Table(TableSchema schema, RowStore* rows)
    : id_(schema.table_id),
      dim_(schema.dim),
      optimizer_spec_(schema.optimizer),
      initializer_spec_(schema.initializer),
      seed_(schema.seed),
      optimizer_(GetOptimizer(schema.optimizer.kind)),
      initializer_(GetInitializer(schema.initializer.kind)),
      layout_(LayoutOf(schema)),
      volatile_(schema.durability == Durability::kVolatile),
      unseen_zeros_(schema.unseen_policy == UnseenPolicy::kZeros),
      rows_(rows),
      schema_(std::make_shared<const TableSchema>(std::move(schema))) {}

std::shared_ptr<const TableSchema> Table::schema() const {
  absl::MutexLock lock(&mu_);
  return schema_;
}

void Table::ReplaceSchema(TableSchema schema) {
  absl::MutexLock lock(&mu_);
  if (schema.version > schema_->version) schema_ = std::make_shared<const TableSchema>(std::move(schema));
}

TableRowsSpec Table::RowsSpec() const {
  return {.table = id_,
          .layout = layout_,
          .factory = this,
          .unseen_reads_zeros = unseen_zeros_,
          .is_volatile = volatile_};
}

void Table::MakeInitialRow(Id id, uint8_t* row) const {
  FloatingPointMode
      mode;  // pulls run this in threads whose mode is not ours, the in-process client's among them
  initializer_->Fill(initializer_spec_, seed_, id, dim_, layout_.weights(row));
  optimizer_->InitState(optimizer_spec_, dim_, layout_.state(row));
  SetLastPushTime(layout_, 0, row);
}

void Table::Push(const RecordHeader& header, const PushSlice& slice) {
  const auto seconds = static_cast<uint32_t>(header.time_unix_micros / 1'000'000);
  const RowBatch batch{.table = id_, .partition = header.partition, .ids = slice.ids};
  const float* values = slice.values.data();
  rows_->Update(batch, header.lsn, [&](size_t i, uint8_t* row) {
    const float* value = values + i * dim_;
    float* weights = layout_.weights(row);
    switch (header.kind) {
      case PushKind::kGradient:
        optimizer_->Apply(slice.hyper, dim_, value, weights, layout_.state(row));
        break;
      case PushKind::kDelta:
        AddFinite(value, dim_, weights);  // whether sums are finite was the splitter's question
        break;
      case PushKind::kValue:
        for (uint32_t c = 0; c < dim_; ++c) weights[c] = Canonical(value[c]);
        optimizer_->InitState(optimizer_spec_, dim_, layout_.state(row));
        break;
    }
    SetLastPushTime(layout_, seconds, row);
  });
}

void Table::Delete(const RecordHeader& header, const PushSlice& slice) {
  rows_->Erase({.table = id_, .partition = header.partition, .ids = slice.ids}, header.lsn,
               [](size_t, const uint8_t*) { return true; });
}

uint64_t Table::Expire(const RecordHeader& header, const PushSlice& slice) {
  uint64_t erased = 0;
  rows_->Erase({.table = id_, .partition = header.partition, .ids = slice.ids}, header.lsn,
               [&](size_t, const uint8_t* row) {
                 const bool old = LastPushTime(row) < slice.cutoff_unix_seconds;
                 erased += old;
                 return old;
               });
  return erased;
}

uint32_t Table::LastPushTime(const uint8_t* row) const {
  uint32_t seconds = 0;
  std::memcpy(&seconds, row + layout_.last_push_time_offset(), 4);
  return seconds;
}

}  // namespace rowhouse::server
