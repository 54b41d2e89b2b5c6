// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// How long a small pull takes: alone, beside a client that pushes as fast as it can, beside clients that
// never read their answers; and what a row that everybody pushes to costs.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/case.h"
#include "bench/raw_grpc.h"
#include "bench/servers.h"
#include "bench/workload.h"
#include "common/cpu_quota.h"
#include "common/status_macros.h"
#include "rowhouse/v1/admin_service.grpc.pb.h"
#include "rowhouse/v1/embedding_service.pb.h"

namespace rowhouse::bench {
namespace {

constexpr size_t kSampleIds = 26;  // W3: one sample
constexpr size_t kCalls = 3000;
constexpr size_t kSilentClients = 100;

double Percentile(std::vector<double> values, double q) {
  const size_t at = std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<long>(at), values.end());
  return values[at];
}

// One server with 100,000 rows, asked for one sample at a time.
class SmallPullBench {
 public:
  static absl::StatusOr<std::unique_ptr<SmallPullBench>> Start(const Options& options) {
    auto bench = std::make_unique<SmallPullBench>();
    bench->rows_ = 100'000;
    RH_ASSIGN_OR_RETURN(bench->servers_, Servers::Start(options.directory, 1, 2ull << 30));
    RH_ASSIGN_OR_RETURN(bench->client_, bench->servers_->Connect("bench"));
    RH_ASSIGN_OR_RETURN(
        bench->table_,
        bench->client_->CreateTable(
            {.name = "w3", .dim = kDim, .optimizer = Sgd{0.01f}, .durability = DurabilityLevel::kVolatile}));
    RH_RETURN_IF_ERROR(FillTable(*bench->client_, bench->table_, bench->rows_));
    bench->samples_ = UniformBatches(bench->rows_, kCalls, kSampleIds);
    return bench;
  }
  // Seconds of each of kCalls pulls.
  std::vector<double> Pulls() {
    std::vector<float> rows(kSampleIds * kDim);
    std::vector<double> seconds;
    for (const auto& sample : samples_) {
      seconds.push_back(Seconds([&] {
        status_.Update(client_->Pull({{table_, sample, absl::MakeSpan(rows)}}));
      }));
    }
    return seconds;
  }
  const Servers& servers() const { return *servers_; }
  const Table& table() const { return table_; }
  const absl::Status& status() const { return status_; }

 private:
  uint64_t rows_ = 0;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<Client> client_;
  Table table_;
  Batches samples_;
  absl::Status status_;
};

// Pushes to a table of its own until it is destroyed.
class Pusher {
 public:
  explicit Pusher(absl::StatusOr<std::unique_ptr<Client>> client) : client_(std::move(client)) {
    if (!client_.ok()) return;
    auto table = (*client_)->OpenOrCreateTable({.name = "pushed",
                                                .dim = kDim,
                                                .optimizer = Adagrad(0.01f),
                                                .durability = DurabilityLevel::kVolatile});
    if (!table.ok()) return;
    thread_ = std::thread([this, table = *table] {
      const Batches batches = UniformBatches(1'000'000, kBatches, 8192);
      const std::vector<float> gradients(8192 * size_t{kDim}, 0.25f);
      for (size_t b = 0; !stop_.load(); b = (b + 1) % kBatches) {
        (*client_)->PushAsync({{GradientSlice{.table = table, .ids = batches[b], .values = gradients}}});
      }
      (*client_)->Flush().IgnoreError();
    });
  }
  ~Pusher() {
    stop_.store(true);
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  absl::StatusOr<std::unique_ptr<Client>> client_;
  std::thread thread_;
};

Result Latency(const std::string& name, const std::string& workload, double goal, int runs, double quantile,
               const std::function<std::vector<double>()>& ours,
               const std::function<std::vector<double>()>& reference) {
  Result result = Alternate(
      name, workload, "s", goal, runs, [&] { return Percentile(ours(), quantile); },
      [&] { return Percentile(reference(), quantile); });
  result.less_is_better = true;
  return result;
}

// Rows pushed per second to one table: to uniform ids, or 90 % of them to one.
absl::StatusOr<Result> OneHotRow(const Options& options, const Servers& servers) {
  RH_ASSIGN_OR_RETURN(const auto client, servers.Connect("bench-hot"));
  RH_ASSIGN_OR_RETURN(const Table table, client->CreateTable({.name = "hot",
                                                              .dim = kDim,
                                                              .optimizer = Adagrad(0.01f),
                                                              .durability = DurabilityLevel::kVolatile}));
  const Batches uniform = UniformBatches(1'000'000, kBatches, 8192);
  Batches hot = uniform;
  for (auto& batch : hot) {
    for (size_t i = 0; i < batch.size(); ++i) batch[i] = i % 10 == 0 ? batch[i] : 7;
  }
  const std::vector<float> gradients(8192 * size_t{kDim}, 0.25f);
  absl::Status status;
  const auto push = [&](const Batches& batches) {
    return static_cast<double>(kBatches * 8192) / Seconds([&] {
             for (const auto& batch : batches)
               client->PushAsync({{GradientSlice{.table = table, .ids = batch, .values = gradients}}});
             status.Update(client->Flush());
           });
  };
  Result result = Alternate(
      "one_hot_row", "pushes of 8,192 rows over gRPC, 90 % of them to one row, beside uniform", "rows/s",
      0.25, options.runs, [&] { return push(hot); }, [&] { return push(uniform); });
  if (!status.ok()) return status;
  return result;
}

// A pull whose answer is 4 MiB.
absl::StatusOr<std::string> LargePull(const std::string& address, const Table& table) {
  v1::PullRequest request;
  const auto admin =
      v1::AdminService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::GetPartitionMapResponse map;
  const grpc::Status got = admin->GetPartitionMap(&context, {}, &map);
  if (!got.ok()) return absl::UnavailableError(got.error_message());
  request.set_history(map.history());
  auto* slice = request.add_tables();
  slice->set_table_id(table.id());
  slice->set_schema_version(table.schema_version());
  slice->set_dim(table.dim());
  std::string* ids = slice->mutable_ids();
  for (uint64_t id = 0; id < 16384; ++id) ids->append(reinterpret_cast<const char*>(&id), sizeof(id));
  return request.SerializeAsString();
}

}  // namespace

absl::StatusOr<std::vector<Result>> SmallPulls(const Options& options) {
  RH_ASSIGN_OR_RETURN(const auto bench, SmallPullBench::Start(options));
  RawGrpc raw(AvailableCpus(), 1);
  std::vector<Result> results;
  const auto pulls = [&] { return bench->Pulls(); };
  const auto empty = [&] { return raw.Latencies(kCalls); };
  if (options.wants("small_pull_latency_p50"))
    results.push_back(Latency("small_pull_latency_p50", "W3 beside an empty unary call", 1.5, options.runs,
                              0.5, pulls, empty));
  if (options.wants("small_pull_latency_p99"))
    results.push_back(Latency("small_pull_latency_p99", "W3 beside an empty unary call", 2, options.runs,
                              0.99, pulls, empty));
  if (options.wants("mixed_tail")) {
    Pusher pusher(bench->servers().Connect("bench-pusher"));
    results.push_back(Latency("mixed_tail",
                              "W3 p99 beside an empty call's, both while another client pushes without pause",
                              2, options.runs, 0.99, pulls, empty));
  }
  if (options.wants("never_read")) {
    RH_ASSIGN_OR_RETURN(const std::string large, LargePull(bench->servers().address(), bench->table()));
    results.push_back(Latency(
        "never_read", "W3 p99 beside 100 clients that never read answers of 4 MiB, and without them", 1.5,
        options.runs, 0.99,
        [&] {
          NeverReads silent(bench->servers().address(), "/rowhouse.v1.EmbeddingService/Pull", large,
                            kSilentClients);
          return bench->Pulls();
        },
        pulls));
  }
  if (options.wants("one_hot_row")) {
    RH_ASSIGN_OR_RETURN(Result hot, OneHotRow(options, bench->servers()));
    results.push_back(std::move(hot));
  }
  if (!bench->status().ok()) return bench->status();
  return results;
}

}  // namespace rowhouse::bench
