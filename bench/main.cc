// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// ./x bench: W1 in process and over gRPC, beside an index gather and a hash gather of the same rows.

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <numeric>
#include <random>

#include "bench/engine.h"
#include "bench/probes.h"
#include "bench/report.h"
#include "bench/row_memory.h"
#include "rowhouse/client.h"
#include "server/server.h"

namespace rowhouse::bench {
namespace {

constexpr uint32_t kDim = 64;
constexpr size_t kBatchIds = 53248;
constexpr size_t kBatches = 16;

struct Setup {
  uint64_t rows = 10'000'000;
  int runs = 5;
  std::string only, out;
  bool Wants(const std::string& name) const { return only.empty() || name.find(only) != std::string::npos; }
};

std::vector<std::vector<uint64_t>> UniformBatches(uint64_t rows) {
  std::mt19937_64 random(20240901);
  std::vector<std::vector<uint64_t>> batches(kBatches, std::vector<uint64_t>(kBatchIds));
  for (auto& batch : batches) {
    for (uint64_t& id : batch) id = random() % rows;
  }
  return batches;
}

double RowsPerSecond(double seconds) { return static_cast<double>(kBatches * kBatchIds) / seconds; }

// Engine pulls beside the hash gather, the hash gather beside the index gather.
void BenchPulls(const Setup& setup, std::vector<Result>* results) {
  const auto batches = UniformBatches(setup.rows);
  std::vector<float> out(kBatchIds * kDim);
  RowBlock block(setup.rows, kDim);
  std::vector<uint64_t> ids(setup.rows);
  std::iota(ids.begin(), ids.end(), 0);
  const HashIndex index(ids);
  std::vector<std::vector<uint32_t>> indices;
  for (const auto& batch : batches) indices.emplace_back(batch.begin(), batch.end());
  const auto index_gather = [&]() {
    return RowsPerSecond(Seconds([&]() {
      for (const auto& batch : indices) GatherByIndex(block, batch, 16, out.data());
    }));
  };
  const auto hash_gather = [&]() {
    return RowsPerSecond(Seconds([&]() {
      for (const auto& batch : batches) index.Gather(block, batch, 64, out.data());
    }));
  };
  results->push_back(Alternate("probe_hash_gather", "W1, beside the index gather", "rows/s", 0.5, setup.runs,
                               hash_gather, index_gather));
  Engine engine(OptimizerKind::kSgd, kDim, setup.rows * 360 + (256ull << 20));
  engine.Fill(setup.rows);
  results->push_back(Alternate(
      "engine_pull_uniform", "W1, beside the hash gather", "rows/s", 0.9, setup.runs,
      [&]() {
        return RowsPerSecond(Seconds([&]() {
          for (const auto& batch : batches) engine.Pull(batch, out.data());
        }));
      },
      hash_gather));
}

// Engine pushes beside engine pulls of the same table.
void BenchPush(const Setup& setup, const std::string& name, OptimizerKind kind, double goal,
               std::vector<Result>* results) {
  const auto batches = UniformBatches(setup.rows);
  std::vector<float> out(kBatchIds * kDim);
  const std::vector<float> gradients(kBatchIds * kDim, 0.25f);
  Engine engine(kind, kDim, setup.rows * (kind == OptimizerKind::kAdagrad ? 640 : 380) + (256ull << 20));
  engine.Fill(setup.rows);
  results->push_back(Alternate(
      name, "W1 pushes, beside pulls", "rows/s", goal, setup.runs,
      [&]() {
        return RowsPerSecond(Seconds([&]() {
          for (const auto& batch : batches) engine.Push(batch, gradients);
        }));
      },
      [&]() {
        return RowsPerSecond(Seconds([&]() {
          for (const auto& batch : batches) engine.Pull(batch, out.data());
        }));
      }));
}

// Pulls and pushes through gRPC on loopback, server and client in this process, beside the hash gather of the
// same ids.
int BenchRpc(const Setup& setup, std::vector<Result>* results) {
  server::ServerOptions options;
  options.data_directory =
      (std::filesystem::temp_directory_path() / fmt::format("rowhouse-bench-{}", getpid())).string();
  options.listen_address = "127.0.0.1:0";
  options.http_address = "";
  options.memory_budget_bytes = setup.rows * 400 + (2ull << 30);
  auto server = server::Server::Start(options);
  if (!server.ok()) {
    fmt::print(stderr, "rowhouse_bench: {}\n", server.status().ToString());
    return 1;
  }
  int code = 0;
  {
    auto client = Client::Connect({.address = (*server)->listen_address(), .writer_name = "bench"});
    auto table = client.ok() ? (*client)->CreateTable({.name = "w1",
                                                       .dim = kDim,
                                                       .optimizer = Sgd{0.01f},
                                                       .durability = DurabilityLevel::kVolatile})
                             : absl::StatusOr<Table>(client.status());
    if (!table.ok()) {
      fmt::print(stderr, "rowhouse_bench: {}\n", table.status().ToString());
      code = 1;
    } else {
      std::vector<uint64_t> ids(kBatchIds);
      std::vector<float> values(kBatchIds * kDim, 0.5f);
      for (uint64_t begin = 0; begin < setup.rows; begin += kBatchIds) {
        std::iota(ids.begin(), ids.end(), begin);
        (*client)->PushAsync({GradientSlice{.table = *table, .ids = ids, .values = values}});
      }
      if (!(*client)->Flush().ok()) code = 1;
      const auto batches = UniformBatches(setup.rows);
      RowBlock block(setup.rows, kDim);
      std::vector<uint64_t> all(setup.rows);
      std::iota(all.begin(), all.end(), 0);
      const HashIndex index(all);
      const auto hash_gather = [&]() {
        return RowsPerSecond(Seconds([&]() {
          for (const auto& batch : batches) index.Gather(block, batch, 64, values.data());
        }));
      };
      results->push_back(Alternate(
          "rpc_pull", "W1 over gRPC loopback, one client, beside the hash gather in process", "rows/s", 0,
          setup.runs,
          [&]() {
            return RowsPerSecond(Seconds([&]() {
              for (const auto& batch : batches)
                code |= !(*client)->Pull({{*table, batch, absl::MakeSpan(values)}}).ok();
            }));
          },
          hash_gather));
      results->push_back(Alternate(
          "rpc_push", "W1 over gRPC loopback, one client, beside the hash gather in process", "rows/s", 0,
          setup.runs,
          [&]() {
            return RowsPerSecond(Seconds([&]() {
              for (const auto& batch : batches)
                (*client)->PushAsync({GradientSlice{.table = *table, .ids = batch, .values = values}});
              code |= !(*client)->Flush().ok();
            }));
          },
          hash_gather));
    }
  }
  (*server)->Drain();
  server->reset();
  std::filesystem::remove_all(options.data_directory);
  return code;
}

int Main(int argc, char** argv) {
  CLI::App app{"The speed of rowhouse on this machine, beside its limits"};
  Setup setup;
  bool quick = false;
  app.add_flag("--quick", quick, "1 M rows instead of 10 M, 3 alternations instead of 5");
  app.add_option("--out", setup.out, "Write setup and results as JSON to this file");
  app.add_option("--only", setup.only, "Only results whose name contains this");
  CLI11_PARSE(app, argc, argv);
  if (quick) {
    setup.rows = 1'000'000;
    setup.runs = 3;
  }
  std::vector<Result> results;
  int code = 0;
  if (setup.Wants("memory_per_row")) results.push_back(MeasureRowMemoryW1(setup.rows));
  if (setup.Wants("memory_per_row_criteo")) results.push_back(MeasureRowMemoryCriteo());
  if (setup.Wants("probe_hash_gather") || setup.Wants("engine_pull_uniform")) BenchPulls(setup, &results);
  const struct {
    const char* name;
    OptimizerKind kind;
    double goal;
  } pushes[] = {{"engine_push_sgd", OptimizerKind::kSgd, 0.6},
                {"engine_push_rowwise", OptimizerKind::kRowwiseAdagrad, 0.6},
                {"engine_push_adagrad", OptimizerKind::kAdagrad, 0.5}};
  for (const auto& push : pushes) {
    if (setup.Wants(push.name)) BenchPush(setup, push.name, push.kind, push.goal, &results);
  }
  if (setup.Wants("rpc_pull") || setup.Wants("rpc_push")) code = BenchRpc(setup, &results);
  if (code != 0) fmt::print(stderr, "rowhouse_bench: a call failed\n");
  const std::string note =
      fmt::format("{} rows x {} floats, uniform ids, {} batches of {} ids a run, medians", setup.rows, kDim,
                  kBatches, kBatchIds);
  return Report(note, results, setup.out) ? code : 1;
}

}  // namespace
}  // namespace rowhouse::bench

int main(int argc, char** argv) { return rowhouse::bench::Main(argc, argv); }
