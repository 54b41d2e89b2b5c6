// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Rows larger than memory, and pushes that are on disk when they are acknowledged. A server in this process
// ("local:"), beside what the same disk does without one.

#include <numeric>

#include "absl/strings/str_cat.h"
#include "bench/case.h"
#include "bench/disk_probes.h"
#include "bench/servers.h"
#include "bench/workload.h"
#include "common/status_macros.h"

namespace rowhouse::bench {
namespace {

constexpr int kIoThreads = 8;  // the server's default
constexpr size_t kRowBytes = kDim * sizeof(float);
constexpr size_t kSpillBlock = 16 << 10;

absl::StatusOr<std::unique_ptr<Client>> Local(const Options& options, const std::string& name,
                                              uint64_t budget) {
  ClientOptions local;
  local.address = "local:";
  local.writer_name = "bench";
  local.local_options.data_directory = options.directory + "/" + name;
  local.local_options.memory_budget_bytes = budget;
  return Client::Connect(local);
}

// W5: rows of 10 times the budget, all written.
struct SpillBench {
  std::unique_ptr<Client> client;
  Table table;
  uint64_t rows = 0, budget = 0;
};

absl::StatusOr<SpillBench> FillSpill(const Options& options) {
  SpillBench bench;
  bench.budget = 256ull << 20;
  bench.rows = bench.budget * 10 / kRowBytes;
  RH_ASSIGN_OR_RETURN(bench.client, Local(options, "w5", bench.budget));
  RH_ASSIGN_OR_RETURN(
      bench.table,
      bench.client->CreateTable(
          {.name = "w5", .dim = kDim, .optimizer = Sgd{0.01f}, .durability = DurabilityLevel::kVolatile}));
  RH_RETURN_IF_ERROR(FillTable(*bench.client, bench.table, bench.rows));
  return bench;
}

absl::StatusOr<double> PullRate(SpillBench& bench, const Batches& batches) {
  std::vector<float> rows(batches[0].size() * kDim);
  absl::Status status;
  const double seconds = Seconds([&] {
    for (const auto& batch : batches)
      status.Update(bench.client->Pull({{bench.table, batch, absl::MakeSpan(rows)}}));
  });
  if (!status.ok()) return status;
  return static_cast<double>(batches.size() * batches[0].size()) / seconds;
}

// Rows read from spill per second of uniform pulls.
absl::StatusOr<double> MissRate(SpillBench& bench, const Batches& batches) {
  RH_ASSIGN_OR_RETURN(const auto before, bench.client->TableStatuses("w5"));
  RH_ASSIGN_OR_RETURN(const double rate, PullRate(bench, batches));
  RH_ASSIGN_OR_RETURN(const auto after, bench.client->TableStatuses("w5"));
  const double pulled = static_cast<double>(batches.size() * batches[0].size());
  return rate * static_cast<double>(after[0].spill_read_rows - before[0].spill_read_rows) / pulled;
}

// Alternate, for what may fail.
absl::StatusOr<Result> AlternateOr(const std::string& name, const std::string& workload,
                                   const std::string& unit, double goal, int runs,
                                   const std::function<absl::StatusOr<double>()>& ours,
                                   const std::function<absl::StatusOr<double>()>& reference) {
  absl::Status status;
  const auto value = [&](const std::function<absl::StatusOr<double>()>& measure) {
    auto got = measure();
    status.Update(got.status());
    return got.ok() ? *got : 1.0;
  };
  Result result = Alternate(
      name, workload, unit, goal, runs, [&] { return value(ours); }, [&] { return value(reference); });
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<Result> SpillZipf(const Options& options, SpillBench& bench) {
  constexpr size_t kFew = 4;  // batches of one run
  const Batches zipf = ZipfBatches(bench.rows, 0.99, kFew * (options.runs + 1));
  std::vector<char> out(kBatchIds * kRowBytes);
  std::vector<std::unique_ptr<RocksDbRows>> databases;
  for (const size_t block : {size_t{4} << 10, size_t{16} << 10}) {
    RH_ASSIGN_OR_RETURN(auto rows, RocksDbRows::Create(options.directory, bench.rows, kRowBytes, bench.budget,
                                                       block, kIoThreads));
    databases.push_back(std::move(rows));
  }
  // Each run asks for batches of its own, ours and the references' alike.
  const auto of_run = [&](size_t run) {
    return Batches(zipf.begin() + static_cast<long>(run * kFew),
                   zipf.begin() + static_cast<long>((run + 1) * kFew));
  };
  size_t our_run = 0, their_run = 0;
  return AlternateOr(
      "spill_zipf",
      "W5 in process, beside RocksDB with all the memory as cache, the better of 4 and 16 KiB blocks",
      "rows/s", 1.4, options.runs, [&] { return PullRate(bench, of_run(our_run++)); },
      [&]() -> absl::StatusOr<double> {
        double best = 0;
        const Batches batches = of_run(their_run++);
        for (auto& database : databases) {
          absl::Status status;
          const double seconds = Seconds([&] {
            for (const auto& batch : batches) status.Update(database->Pull(batch, out.data()));
          });
          if (!status.ok()) return status;
          best = std::max(best, static_cast<double>(kFew * kBatchIds) / seconds);
        }
        return best;
      });
}

absl::StatusOr<Result> SpillUniform(const Options& options, SpillBench& bench) {
  const Batches uniform = UniformBatches(bench.rows, 1);
  RH_ASSIGN_OR_RETURN(const auto file, RandomReads::Create(options.directory, bench.rows * kRowBytes));
  return AlternateOr(
      "spill_uniform",
      "rows read from spill by uniform pulls of 10 x budget, beside random reads of 16 KiB, 8 threads",
      "reads/s", 0.7, options.runs, [&] { return MissRate(bench, uniform); },
      [&] { return file->Run(kBatchIds, kSpillBlock, kIoThreads); });
}

}  // namespace

absl::StatusOr<std::vector<Result>> SpillPulls(const Options& options) {
  RH_ASSIGN_OR_RETURN(SpillBench bench, FillSpill(options));
  std::vector<Result> results;
  if (options.wants("spill_zipf")) {
    RH_ASSIGN_OR_RETURN(Result zipf, SpillZipf(options, bench));
    results.push_back(std::move(zipf));
  }
  if (options.wants("spill_uniform")) {
    RH_ASSIGN_OR_RETURN(Result uniform, SpillUniform(options, bench));
    results.push_back(std::move(uniform));
  }
  return results;
}

absl::StatusOr<std::vector<Result>> DurablePush(const Options& options) {
  const uint64_t rows = options.rows / 5;
  const Batches batches = UniformBatches(rows);
  const std::vector<float> gradients(kBatchIds * kDim, 0.25f);
  RH_ASSIGN_OR_RETURN(const auto client,
                      Local(options, "durable", std::max<uint64_t>(rows * 2 * kRowBytes / 2, 256ull << 20)));
  RH_ASSIGN_OR_RETURN(const Table table, client->CreateTable({.name = "durable",
                                                              .dim = kDim,
                                                              .optimizer = Adagrad(0.01f),
                                                              .durability = DurabilityLevel::kSync}));
  RH_RETURN_IF_ERROR(FillTable(*client, table, rows));
  const double bytes = static_cast<double>(kBatches * kBatchIds * kRowBytes);
  RH_ASSIGN_OR_RETURN(
      Result burst,
      AlternateOr(
          "durable_push",
          "W1 Adagrad to a sync table, budget half the rows, burst of 0.2 GB; beside synced writes of 1 MiB",
          "bytes/s", 0.8, options.runs,
          [&]() -> absl::StatusOr<double> {
            absl::Status status;
            const double seconds = Seconds([&] {
              for (const auto& batch : batches)
                client->PushAsync({{GradientSlice{.table = table, .ids = batch, .values = gradients}}});
              status = client->Flush();
            });
            if (!status.ok()) return status;
            return bytes / seconds;
          },
          [&]() -> absl::StatusOr<double> {
            RH_ASSIGN_OR_RETURN(const double plain,
                                SequentialSyncedWrites(options.directory, 128 << 20, false));
            RH_ASSIGN_OR_RETURN(const double allocated,
                                SequentialSyncedWrites(options.directory, 128 << 20, true));
            return std::max(plain, allocated);
          }));
  return std::vector<Result>{burst};
}

}  // namespace rowhouse::bench
