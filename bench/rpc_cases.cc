// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Pulls and pushes over gRPC on loopback. Servers and client share this process, so that the CPU time of both
// together is known; the reference is composed of what cannot be left out: the bytes through gRPC, the gather
// or the apply, one copy at the client.

#include <cstring>
#include <deque>

#include "absl/strings/str_cat.h"
#include "bench/case.h"
#include "bench/engine.h"
#include "bench/probes.h"
#include "bench/raw_grpc.h"
#include "bench/servers.h"
#include "bench/workload.h"
#include "common/cpu_quota.h"
#include "common/status_macros.h"

namespace rowhouse::bench {
namespace {

constexpr size_t kPullsInFlight = 4;
constexpr size_t kMessageBytes = kBatchIds * kDim * sizeof(float);

double RowsPerCpuSecond(const std::function<void()>& work) {
  const double before = CpuSeconds();
  work();
  return static_cast<double>(kBatches * kBatchIds) / (CpuSeconds() - before);
}

// CPU seconds a row of things done one after the other, as rows a CPU second.
double Composed(std::initializer_list<double> rates) {
  double seconds = 0;
  for (const double rate : rates) seconds += 1 / rate;
  return 1 / seconds;
}

// The batches, kPullsInFlight at a time.
absl::Status PullAll(Client& client, const Table& table, const Batches& batches,
                     std::vector<std::vector<float>>* rows) {
  rows->resize(kPullsInFlight, std::vector<float>(kBatchIds * size_t{table.dim()}));
  std::deque<std::future<absl::Status>> open;
  absl::Status status;
  for (size_t b = 0; b < batches.size(); ++b) {
    if (open.size() == kPullsInFlight) {
      status.Update(open.front().get());
      open.pop_front();
    }
    open.push_back(client.PullAsync({{table, batches[b], absl::MakeSpan((*rows)[b % kPullsInFlight])}}));
  }
  for (auto& one : open) status.Update(one.get());
  return status;
}

absl::Status PushAll(Client& client, const Table& table, const Batches& batches,
                     const std::vector<float>& values) {
  for (const auto& batch : batches)
    client.PushAsync({{GradientSlice{.table = table, .ids = batch, .values = values}}});
  return client.Flush();
}

// What the raw transfers of the W1 batches cost with the better number of channels.
class RawLimit {
 public:
  RawLimit() : one_(AvailableCpus(), 1), two_(AvailableCpus(), 2) {}
  double Download() {
    return std::max(RowsPerCpuSecond([&] { one_.Run(kBatches, kPullsInFlight, 8, kMessageBytes); }),
                    RowsPerCpuSecond([&] { two_.Run(kBatches, kPullsInFlight, 8, kMessageBytes); }));
  }
  double Upload() {
    return std::max(RowsPerCpuSecond([&] { one_.Run(kBatches, kPullsInFlight, kMessageBytes, 8); }),
                    RowsPerCpuSecond([&] { two_.Run(kBatches, kPullsInFlight, kMessageBytes, 8); }));
  }

 private:
  RawGrpc one_, two_;
};

TableSpec SgdTable(const std::string& name, uint32_t dim) {
  return {.name = name, .dim = dim, .optimizer = Sgd{0.01f}, .durability = DurabilityLevel::kVolatile};
}

}  // namespace

absl::StatusOr<std::vector<Result>> RpcThroughput(const Options& options) {
  RH_ASSIGN_OR_RETURN(const auto servers,
                      Servers::Start(options.directory, 1, options.rows * 400 + (2ull << 30)));
  RH_ASSIGN_OR_RETURN(const auto client, servers->Connect("bench"));
  RH_ASSIGN_OR_RETURN(const Table table, client->CreateTable(SgdTable("w1", kDim)));
  RH_RETURN_IF_ERROR(FillTable(*client, table, options.rows));
  const Batches batches = UniformBatches(options.rows);
  Engine engine(OptimizerKind::kSgd, kDim, options.rows * 360 + (256ull << 20));
  engine.Fill(options.rows);
  RawLimit raw;
  std::vector<std::vector<float>> rows;
  std::vector<float> values(kBatchIds * kDim, 0.5f), copy(values);
  absl::Status status;
  const auto gather = [&] {
    return RowsPerCpuSecond([&] {
      for (const auto& batch : batches) engine.Pull(batch, values.data());
    });
  };
  const auto copies = [&] {
    return RowsPerCpuSecond([&] {
      for (size_t b = 0; b < kBatches; ++b) std::memcpy(copy.data(), values.data(), kMessageBytes);
    });
  };
  std::vector<Result> results;
  if (options.wants("rpc_pull")) {
    results.push_back(Alternate(
        "rpc_pull", "W1 over gRPC, beside raw gRPC replies + engine pull + one copy", "rows/CPU s", 0.8,
        options.runs,
        [&] { return RowsPerCpuSecond([&] { status.Update(PullAll(*client, table, batches, &rows)); }); },
        [&] {
          return Composed({raw.Download(), gather(), copies()});
        }));
  }
  if (options.wants("rpc_push")) {
    const std::vector<float> gradients(kBatchIds * kDim, 0.25f);
    results.push_back(Alternate(
        "rpc_push", "W1 over gRPC, volatile, beside raw gRPC uploads + engine push", "rows/CPU s", 0.7,
        options.runs,
        [&] { return RowsPerCpuSecond([&] { status.Update(PushAll(*client, table, batches, gradients)); }); },
        [&] {
          const double apply = RowsPerCpuSecond([&] {
            for (const auto& batch : batches) engine.Push(batch, gradients);
          });
          return Composed({raw.Upload(), apply});
        }));
  }
  if (!status.ok()) return status;
  return results;
}

absl::StatusOr<std::vector<Result>> Checksums(const Options& options) {
  RH_ASSIGN_OR_RETURN(const auto servers,
                      Servers::Start(options.directory, 1, options.rows * 400 + (2ull << 30)));
  RH_ASSIGN_OR_RETURN(const auto with, servers->Connect("with", true));
  RH_ASSIGN_OR_RETURN(const auto without, servers->Connect("without"));
  RH_ASSIGN_OR_RETURN(const Table table, with->CreateTable(SgdTable("checksums", kDim)));
  RH_RETURN_IF_ERROR(FillTable(*without, table, options.rows));
  const Batches batches = UniformBatches(options.rows);
  const std::vector<float> gradients(kBatchIds * kDim, 0.25f);
  std::vector<std::vector<float>> rows;
  absl::Status status;
  const auto pull = [&](Client& client) {
    return RowsPerCpuSecond([&] { status.Update(PullAll(client, table, batches, &rows)); });
  };
  const auto push = [&](Client& client) {
    return RowsPerCpuSecond([&] { status.Update(PushAll(client, table, batches, gradients)); });
  };
  std::vector<Result> results;
  if (options.wants("checksums_pull")) {
    results.push_back(Alternate(
        "checksums_pull", "W1 over gRPC with checksums, beside without", "rows/CPU s", 0.9, options.runs,
        [&] { return pull(*with); }, [&] { return pull(*without); }));
  }
  if (options.wants("checksums_push")) {
    results.push_back(Alternate(
        "checksums_push", "W1 over gRPC, volatile, with checksums, beside without", "rows/CPU s", 0.9,
        options.runs, [&] { return push(*with); }, [&] { return push(*without); }));
  }
  if (!status.ok()) return status;
  return results;
}

absl::StatusOr<std::vector<Result>> GrowthOfServers(const Options& options) {
  constexpr uint32_t kSmallDim = 16;
  const uint64_t rows = options.quick ? 200'000 : 2'000'000;
  const Batches batches = UniformBatches(rows);
  std::vector<std::vector<float>> out;
  absl::Status status;
  struct Cluster {
    std::unique_ptr<Servers> servers;
    std::unique_ptr<Client> client;
    Table table;
  };
  const auto start = [&](int count) -> absl::StatusOr<Cluster> {
    Cluster cluster;
    RH_ASSIGN_OR_RETURN(cluster.servers, Servers::Start(options.directory, count, rows * 200 + (1ull << 30)));
    RH_ASSIGN_OR_RETURN(cluster.client, cluster.servers->Connect("bench"));
    RH_ASSIGN_OR_RETURN(cluster.table, cluster.client->CreateTable(SgdTable("growth", kSmallDim)));
    RH_RETURN_IF_ERROR(FillTable(*cluster.client, cluster.table, rows));
    return cluster;
  };
  RH_ASSIGN_OR_RETURN(Cluster one, start(1));
  RH_ASSIGN_OR_RETURN(Cluster four, start(4));
  const auto cpu_seconds_a_row = [&](Cluster& cluster) {
    return 1 /
           RowsPerCpuSecond([&] { status.Update(PullAll(*cluster.client, cluster.table, batches, &out)); });
  };
  Result result = Alternate(
      "growth_servers", "CPU time of a pulled row of dim 16 over gRPC, 4 servers beside 1", "CPU s/row", 1.1,
      options.runs, [&] { return cpu_seconds_a_row(four); }, [&] { return cpu_seconds_a_row(one); });
  result.less_is_better = true;
  one.client.reset();
  four.client.reset();
  if (!status.ok()) return status;
  return std::vector<Result>{result};
}

}  // namespace rowhouse::bench
