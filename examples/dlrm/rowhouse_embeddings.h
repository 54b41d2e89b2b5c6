// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Embeddings in Rowhouse servers. This is the part of the example to copy: tables, pulls, pushes, flush.
// Used by one thread.

#include <deque>
#include <string>
#include <vector>

#include "examples/dlrm/embedding_source.h"
#include "rowhouse/client.h"

namespace rowhouse::dlrm {

struct RowhouseOptions {
  ClientOptions client;
  std::string table_prefix = "dlrm.";
  DurabilityLevel durability = DurabilityLevel::kAsync;
  bool wait_for_pushes = false;  // each Push returns when it is applied
  bool create_tables = true;     // false: tables that are not there are an error
};

class RowhouseEmbeddings : public EmbeddingSource {
 public:
  // Connects, and makes the tables that are not there. FailedPrecondition when a table of the name is another
  // kind of table, or has other settings; NotFound when it may not be made.
  static absl::StatusOr<std::unique_ptr<RowhouseEmbeddings>> Connect(const RowhouseOptions& options,
                                                                     const EmbeddingOptions& embeddings);

  Client* client() { return client_.get(); }

  std::string Describe() const override;
  std::future<absl::Status> Pull(const Batch& batch, EmbeddingRows* rows) override;
  absl::Status Push(const Batch& batch, const EmbeddingRows& gradients, uint64_t step) override;
  absl::Status Flush() override { return client_->Flush(); }
  absl::StatusOr<StorageReport> Report() override;
  absl::Status VisitRows(int column,
                         const std::function<void(uint64_t id, absl::Span<const float> row)>& visit) override;

 private:
  RowhouseEmbeddings(std::unique_ptr<Client> client, const RowhouseOptions& options,
                     const EmbeddingOptions& embeddings)
      : client_(std::move(client)), options_(options), embeddings_(embeddings) {}
  absl::Status OpenTables();
  void TellOfRowsThatAreThere() const;
  absl::Status CheckSettings(const TableSpec& asked);
  // Tells the log of a push that some server did not acknowledge at the first attempt.
  absl::Status PushAndWait(absl::Span<const GradientSlice> slices, const PushOptions& push_options);

  const std::unique_ptr<Client> client_;
  const RowhouseOptions options_;
  const EmbeddingOptions embeddings_;
  std::vector<Table> tables_;                                      // C1 to C26
  std::deque<std::future<absl::StatusOr<PushResult>>> under_way_;  // pushes, oldest first
};

}  // namespace rowhouse::dlrm
