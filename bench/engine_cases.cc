// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The engine in this process, without a wire: pulls beside the probes, pushes beside pulls.

#include <numeric>
#include <thread>

#include "bench/case.h"
#include "bench/engine.h"
#include "bench/probes.h"
#include "bench/workload.h"

namespace rowhouse::bench {
namespace {

constexpr size_t kIndexAhead = 16;  // rows that the index gather prefetches; 8 to 32 are alike
constexpr size_t kHashBlock = 64;   // ids that the hash gather looks up together

std::vector<uint64_t> FirstIds(uint64_t n) {
  std::vector<uint64_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

double RowsPerSecond(const Batches& batches, const std::function<void(const std::vector<uint64_t>&)>& work) {
  const double seconds = Seconds([&]() {
    for (const auto& batch : batches) work(batch);
  });
  return static_cast<double>(batches.size() * batches[0].size()) / seconds;
}

// Room for `rows` of `floats` floats and their index.
uint64_t MemoryFor(uint64_t rows, uint32_t floats) { return rows * (floats * 4 + 100) + (256ull << 20); }

// The probes and the engine over the same rows, asked for the same ids.
class PullBench {
 public:
  PullBench(uint64_t rows, uint32_t dim)
      : block_(rows, dim), index_(FirstIds(rows)), out_(kBatchIds * size_t{dim}), rows_(rows), dim_(dim) {}

  double IndexGather(const Batches& batches) {
    std::vector<uint32_t> at(kBatchIds);
    double seconds = 0;
    for (const auto& batch : batches) {
      at.assign(batch.begin(), batch.end());
      seconds += Seconds([&]() { GatherByIndex(block_, at, kIndexAhead, out_.data()); });
    }
    return static_cast<double>(batches.size() * batches[0].size()) / seconds;
  }
  double HashGather(const Batches& batches) {
    return RowsPerSecond(batches,
                         [&](const auto& batch) { index_.Gather(block_, batch, kHashBlock, out_.data()); });
  }
  double EnginePull(const Batches& batches) {
    Fill();
    return RowsPerSecond(batches, [&](const auto& batch) { engine_->Pull(batch, out_.data()); });
  }
  // Each thread pulls all the batches; rows of all threads per second.
  double EnginePullThreads(const Batches& batches, int threads) {
    Fill();
    std::vector<std::vector<float>> out(threads, std::vector<float>(kBatchIds * size_t{dim_}));
    for (auto& o : out) engine_->Pull(batches[0], o.data());  // its pages are there
    const double seconds = Seconds([&]() {
      std::vector<std::thread> running;
      for (int t = 0; t < threads; ++t) {
        running.emplace_back([&, t]() {
          for (size_t b = 0; b < batches.size(); ++b)
            engine_->Pull(batches[(b + t * batches.size() / threads) % batches.size()], out[t].data());
        });
      }
      for (auto& thread : running) thread.join();
    });
    return threads * static_cast<double>(batches.size() * batches[0].size()) / seconds;
  }

 private:
  void Fill() {
    if (engine_ != nullptr) return;
    engine_ = std::make_unique<Engine>(OptimizerKind::kSgd, dim_, MemoryFor(rows_, dim_));
    engine_->Fill(rows_);
  }

  RowBlock block_;
  HashIndex index_;
  std::unique_ptr<Engine> engine_;
  std::vector<float> out_;
  const uint64_t rows_;
  const uint32_t dim_;
};

}  // namespace

absl::StatusOr<std::vector<Result>> EnginePulls(const Options& options) {
  std::vector<Result> results;
  const Batches uniform = UniformBatches(options.rows), zipf = ZipfBatches(options.rows, 0.99);
  PullBench bench(options.rows, kDim);
  const auto add = [&](const std::string& name, const std::string& workload, double goal, auto ours,
                       auto reference) {
    if (options.wants(name))
      results.push_back(Alternate(name, workload, "rows/s", goal, options.runs, ours, reference));
  };
  add(
      "probe_hash_gather", "W1, hash gather beside the index gather", 0.5,
      [&] { return bench.HashGather(uniform); }, [&] { return bench.IndexGather(uniform); });
  add(
      "probe_hash_gather_zipf", "W2, hash gather beside the index gather", 0.5,
      [&] { return bench.HashGather(zipf); }, [&] { return bench.IndexGather(zipf); });
  add(
      "engine_pull_uniform", "W1, beside the hash gather, 1 thread", 0.9,
      [&] { return bench.EnginePull(uniform); }, [&] { return bench.HashGather(uniform); });
  add(
      "engine_pull_zipf", "W2, beside the hash gather, 1 thread", 0.9, [&] { return bench.EnginePull(zipf); },
      [&] { return bench.HashGather(zipf); });
  add(
      "engine_pull_2t", "W1, 2 threads beside 1", 1.7, [&] { return bench.EnginePullThreads(uniform, 2); },
      [&] { return bench.EnginePullThreads(uniform, 1); });
  return results;
}

absl::StatusOr<std::vector<Result>> EnginePushes(const Options& options) {
  const struct {
    const char* name;
    OptimizerKind kind;
    uint32_t floats;
    double goal;
  } pushes[] = {{"engine_push_sgd", OptimizerKind::kSgd, kDim, 0.6},
                {"engine_push_rowwise", OptimizerKind::kRowwiseAdagrad, kDim + 1, 0.6},
                {"engine_push_adagrad", OptimizerKind::kAdagrad, 2 * kDim, 0.5}};
  const Batches batches = UniformBatches(options.rows);
  std::vector<float> out(kBatchIds * kDim);
  const std::vector<float> gradients(kBatchIds * kDim, 0.25f);
  std::vector<Result> results;
  for (const auto& push : pushes) {
    if (!options.wants(push.name)) continue;
    Engine engine(push.kind, kDim, MemoryFor(options.rows, push.floats));
    engine.Fill(options.rows);
    results.push_back(Alternate(
        push.name, "W1, pushes beside pulls, 1 thread", "rows/s", push.goal, options.runs,
        [&]() { return RowsPerSecond(batches, [&](const auto& batch) { engine.Push(batch, gradients); }); },
        [&]() {
          return RowsPerSecond(batches, [&](const auto& batch) { engine.Pull(batch, out.data()); });
        }));
  }
  return results;
}

absl::StatusOr<std::vector<Result>> GrowthOfRows(const Options& options) {
  constexpr uint32_t kSmallDim = 16;
  const uint64_t few = options.quick ? 200'000 : 1'000'000, many = options.quick ? 2'000'000 : 50'000'000;
  const Batches of_few = UniformBatches(few), of_many = UniformBatches(many);
  PullBench small(few, kSmallDim), large(many, kSmallDim);
  Result result = Alternate(
      "growth_rows",
      absl::StrCat("time of a pulled row of dim 16, ", many, " rows over ", few,
                   "; beside the hash gather's own"),
      "times slower", 1.1, options.runs, [&] { return small.EnginePull(of_few) / large.EnginePull(of_many); },
      [&] { return small.HashGather(of_few) / large.HashGather(of_many); });
  result.less_is_better = true;
  return std::vector<Result>{result};
}

}  // namespace rowhouse::bench
