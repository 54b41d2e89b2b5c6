// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/rowhouse_embeddings.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status_macros.h"

namespace rowhouse::dlrm {
namespace {

OptimizerConfig MakeOptimizer(const EmbeddingOptions& options) {
  switch (options.optimizer) {
    case OptimizerKind::kSgd:
      return Sgd{options.learning_rate};
    case OptimizerKind::kAdagrad:
      return Adagrad(options.learning_rate, options.epsilon);
    case OptimizerKind::kRowwiseAdagrad:
      return RowwiseAdagrad(options.learning_rate, options.epsilon);
  }
  return Sgd{options.learning_rate};
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowhouseEmbeddings>> RowhouseEmbeddings::Connect(
    const RowhouseOptions& options, const EmbeddingOptions& embeddings) {
  RH_ASSIGN_OR_RETURN(std::unique_ptr<Client> client, Client::Connect(options.client));
  std::unique_ptr<RowhouseEmbeddings> source(new RowhouseEmbeddings(std::move(client), options, embeddings));
  RH_RETURN_IF_ERROR(source->OpenTables());
  return source;
}

absl::Status RowhouseEmbeddings::OpenTables() {
  for (int c = 0; c < kSparseCount; ++c) {
    TableSpec spec;
    spec.name = absl::StrCat(options_.table_prefix, "C", c + 1);
    spec.dim = embeddings_.dim;
    spec.optimizer = MakeOptimizer(embeddings_);
    spec.initializer = InitializerConfig::Uniform(-embeddings_.init_bound, embeddings_.init_bound);
    spec.seed = TableSeed(embeddings_.seed, c);
    spec.durability = options_.durability;
    RH_ASSIGN_OR_RETURN(Table table, options_.create_tables ? client_->OpenOrCreateTable(spec)
                                                            : client_->OpenTable(spec.name));
    RH_RETURN_IF_ERROR(CheckSettings(spec));
    tables_.push_back(std::move(table));
  }
  if (options_.create_tables) TellOfRowsThatAreThere();
  return absl::OkStatus();
}

// A training that was begun before goes on unasked: who wants another is to know.
void RowhouseEmbeddings::TellOfRowsThatAreThere() const {
  const std::string name = absl::StrCat(options_.table_prefix, "C1");
  const auto statuses = client_->TableStatuses(name);
  if (!statuses.ok()) return;
  uint64_t rows = 0;
  for (const TableStatus& status : *statuses) rows += status.stored_rows;
  if (rows == 0) return;
  std::fprintf(
      stderr,
      "dlrm: table %s has %llu rows: the training goes on from those; another --table-prefix begins anew\n",
      name.c_str(), static_cast<unsigned long long>(rows));
}

// A table that is there keeps its settings, and the learning rate alone goes with each push.
absl::Status RowhouseEmbeddings::CheckSettings(const TableSpec& asked) {
  RH_ASSIGN_OR_RETURN(const TableSpec there, client_->DescribeTable(asked.name));
  const auto differs = [&](const char* what, const std::string& is, const std::string& wanted) {
    return absl::FailedPreconditionError(
        absl::StrCat("table ", asked.name, " exists with ", what, " ", is, ", the flags ask for ", wanted,
                     ": use another --table-prefix, or the table's own setting"));
  };
  if (there.dim != asked.dim) return differs("dim", absl::StrCat(there.dim), absl::StrCat(asked.dim));
  if (!options_.create_tables) return absl::OkStatus();  // for testing alone these do not matter
  if (there.optimizer.epsilon != asked.optimizer.epsilon)
    return differs("epsilon", absl::StrCat(there.optimizer.epsilon), absl::StrCat(asked.optimizer.epsilon));
  if (there.durability != asked.durability) return differs("another", "durability", "its own");
  return absl::OkStatus();
}

std::string RowhouseEmbeddings::Describe() const {
  const uint32_t servers = client_->server_count();
  return absl::StrCat(servers, servers == 1 ? " Rowhouse server, " : " Rowhouse servers, ",
                      client_->partition_count(), " partitions, at ", options_.client.address);
}

std::future<absl::Status> RowhouseEmbeddings::Pull(const Batch& batch, EmbeddingRows* rows) {
  rows->Resize(batch, embeddings_.dim);
  auto slices = std::make_shared<std::vector<PullSlice>>();
  slices->reserve(kSparseCount);
  for (int c = 0; c < kSparseCount; ++c) {
    slices->push_back({tables_[c], batch.columns[c].ids, absl::MakeSpan(rows->columns[c])});
  }
  rows->keep_alive = slices;
  return client_->PullAsync(*slices);
}

absl::Status RowhouseEmbeddings::Push(const Batch& batch, const EmbeddingRows& gradients, uint64_t step) {
  std::vector<GradientSlice> slices;
  slices.reserve(kSparseCount);
  for (int c = 0; c < kSparseCount; ++c) {
    GradientSlice slice{tables_[c], batch.columns[c].ids, gradients.columns[c]};
    slice.learning_rate = embeddings_.learning_rate;  // also when the table was made with another
    slices.push_back(slice);
  }
  const PushOptions push_options{.step = step};
  if (options_.wait_for_pushes) return PushAndWait(slices, push_options);
  under_way_.push_back(client_->PushAsync(slices, push_options));
  // An error must not wait for the end of the epoch: whoever replaced this writer, say, takes no push from
  // it.
  while (!under_way_.empty() &&
         under_way_.front().wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
    const absl::Status status = under_way_.front().get().status();
    under_way_.pop_front();
    RH_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

absl::Status RowhouseEmbeddings::PushAndWait(absl::Span<const GradientSlice> slices,
                                             const PushOptions& push_options) {
  const double begun = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
  const uint64_t retries_before = client_->counters().retries;
  absl::Status status = client_->Push(slices, push_options).status();
  // Nothing else is under way meanwhile, so these are the push's own.
  const uint64_t retries = client_->counters().retries - retries_before;
  if (retries > 0 && options_.client.log) {
    options_.client.log(
        absl::StrFormat("the push of step %d, begun at unix time %.6f, was sent again: %d retries",
                        push_options.step, begun, retries));
  }
  return status;
}

absl::StatusOr<StorageReport> RowhouseEmbeddings::Report() {
  RH_ASSIGN_OR_RETURN(const std::vector<ServerStatus> servers, client_->ServerStatuses());
  StorageReport report;
  for (const ServerStatus& s : servers) {
    report.servers.push_back({s.address, s.memory_budget_bytes, s.peak_resident_bytes});
    report.stored_rows += s.stored_rows;
    report.stored_bytes += s.stored_row_bytes;
    report.resident_rows += s.resident_rows;
    report.resident_bytes += s.resident_row_bytes;
    report.spill_disk_bytes += s.spill_disk_bytes;
    report.log_disk_bytes += s.log_disk_bytes;
    report.pulled_rows += s.pulled_rows;
    report.spill_read_rows += s.spill_read_rows;
  }
  const ClientCounters counters = client_->counters();
  report.retries = counters.retries;
  report.duplicate_parts = counters.duplicate_parts;
  return report;
}

absl::Status RowhouseEmbeddings::VisitRows(
    int column, const std::function<void(uint64_t id, absl::Span<const float> row)>& visit) {
  std::vector<uint64_t> ids;
  std::vector<float> rows;  // weights and state, in the order of ids
  size_t row_floats = 0;
  const size_t dim = embeddings_.dim;
  RH_RETURN_IF_ERROR(client_->Scan(tables_[column], true, [&](const ScanPage& page) {
    row_floats = dim + page.state_floats;
    for (size_t i = 0; i < page.ids.size(); ++i) {
      ids.push_back(page.ids[i]);
      const auto weights = page.rows.subspan(i * dim, dim);
      const auto state = page.state.subspan(i * page.state_floats, page.state_floats);
      rows.insert(rows.end(), weights.begin(), weights.end());
      rows.insert(rows.end(), state.begin(), state.end());
    }
    return absl::OkStatus();
  }));
  std::vector<size_t> order(ids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ids[a] < ids[b]; });
  for (size_t i : order) visit(ids[i], absl::MakeConstSpan(rows).subspan(i * row_floats, row_floats));
  return absl::OkStatus();
}

}  // namespace rowhouse::dlrm
