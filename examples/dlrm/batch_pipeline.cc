// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/batch_pipeline.h"

#include <chrono>
#include <utility>

#include "common/status_macros.h"

namespace rowhouse::dlrm {

BatchPipeline::~BatchPipeline() {
  for (auto& item : waiting_) item->pulled.wait();
}

absl::StatusOr<BatchPipeline::Item*> BatchPipeline::Next() {
  while (!at_end_ && waiting_.size() < depth_) {
    std::unique_ptr<Item> item = current_ != nullptr ? std::move(current_) : std::make_unique<Item>();
    RH_ASSIGN_OR_RETURN(const bool more, reader_->Next(&item->batch));
    if (!more) {
      at_end_ = true;
      break;
    }
    const auto start = std::chrono::steady_clock::now();
    item->pulled = source_->Pull(item->batch, &item->rows);
    wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    waiting_.push_back(std::move(item));
  }
  if (waiting_.empty()) return nullptr;
  current_ = std::move(waiting_.front());
  waiting_.pop_front();
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = current_->pulled.get();
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  current_->rows.keep_alive.reset();
  RH_RETURN_IF_ERROR(status);
  return current_.get();
}

}  // namespace rowhouse::dlrm
