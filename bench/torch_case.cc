// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Steps and pulls beside PyTorch and FBGEMM, which keep their tables as plain arrays in their own process: no
// hash, no wire.

#include <fmt/core.h>

#include "absl/strings/str_cat.h"
#include "bench/case.h"
#include "bench/engine.h"
#include "bench/peer_process.h"
#include "bench/peers.h"
#include "bench/servers.h"
#include "bench/workload.h"
#include "common/cpu_quota.h"
#include "common/status_macros.h"

namespace rowhouse::bench {
namespace {

// W6.
constexpr size_t kTables = 26;
constexpr size_t kBatch = 2048;
constexpr size_t kSteps = 96;         // a run
constexpr size_t kPullsInFlight = 3;  // the batch that is computed and the next two

uint64_t RowsPerTable(const Options& options) { return options.rows / kTables; }

// Room for all rows with `floats` floats each.
uint64_t MemoryFor(const Options& options, size_t floats) {
  return options.rows * (floats * sizeof(float) + 150) + (2ull << 30);
}

// A trainer without a model: rows of a batch are pulled, then as many gradients are pushed.
class Steps {
 public:
  static absl::StatusOr<std::unique_ptr<Steps>> Create(Client* client, const OptimizerConfig& optimizer,
                                                       uint64_t rows_per_table) {
    std::unique_ptr<Steps> steps(new Steps(client, rows_per_table));
    for (size_t t = 0; t < kTables; ++t) {
      RH_ASSIGN_OR_RETURN(const Table table, client->CreateTable({.name = absl::StrCat("w6.", t),
                                                                  .dim = kDim,
                                                                  .optimizer = optimizer,
                                                                  .durability = DurabilityLevel::kVolatile}));
      RH_RETURN_IF_ERROR(FillTable(*client, table, rows_per_table));
      steps->tables_.push_back(table);
    }
    return steps;
  }
  // Rows per second.
  absl::StatusOr<double> Run() {
    absl::Status status;
    const double seconds = Seconds([&] { status = RunSteps(); });
    if (!status.ok()) return status;
    return static_cast<double>(kSteps * kTables * kBatch) / seconds;
  }

 private:
  struct Pull {
    std::vector<float> rows = std::vector<float>(kTables * kBatch * kDim);
    std::vector<PullSlice> slices;
    std::future<absl::Status> done;
  };

  Steps(Client* client, uint64_t rows_per_table)
      : client_(client),
        batches_(UniformBatches(rows_per_table, kBatches, kTables * kBatch)),
        gradients_(kTables * kBatch * kDim, 0.01f),
        pulls_(kPullsInFlight) {}

  absl::Status RunSteps() {
    absl::Status status;
    for (size_t step = 0; step < kSteps + kPullsInFlight - 1; ++step) {
      if (step < kSteps) StartPull(step);
      if (step + 1 < kPullsInFlight) continue;
      const size_t computed = step + 1 - kPullsInFlight;
      status.Update(pulls_[computed % kPullsInFlight].done.get());
      Push(computed);
    }
    status.Update(client_->Flush());
    return status;
  }
  absl::Span<const uint64_t> Ids(size_t step, size_t table) const {
    return absl::MakeConstSpan(batches_[step % kBatches]).subspan(table * kBatch, kBatch);
  }
  void StartPull(size_t step) {
    Pull& pull = pulls_[step % kPullsInFlight];
    pull.slices.clear();
    for (size_t t = 0; t < kTables; ++t)
      pull.slices.push_back(
          {tables_[t], Ids(step, t), absl::MakeSpan(pull.rows).subspan(t * kBatch * kDim, kBatch * kDim)});
    pull.done = client_->PullAsync(pull.slices);
  }
  void Push(size_t step) {
    std::vector<GradientSlice> slices;
    for (size_t t = 0; t < kTables; ++t)
      slices.push_back({.table = tables_[t],
                        .ids = Ids(step, t),
                        .values = absl::MakeConstSpan(gradients_).subspan(t * kBatch * kDim, kBatch * kDim)});
    client_->PushAsync(slices);  // its error comes out at Flush
  }

  Client* const client_;
  const Batches batches_;
  const std::vector<float> gradients_;
  std::vector<Table> tables_;
  std::vector<Pull> pulls_;
};

Result AboutSteps(const Options& options, const std::string& name, double goal, const std::string& where,
                  const std::string& reference) {
  return {.name = name,
          .workload = fmt::format(
              "W6, {} rows a table, pull + push {} (volatile) with {} batches pulled and up to 32 pushes "
              "in flight, beside {} in process; {} threads",
              RowsPerTable(options), where, kPullsInFlight, reference, AvailableCpus()),
          .unit = "rows/s",
          .goal = goal};
}

absl::StatusOr<std::unique_ptr<PeerProcess>> StartStepPeer(const Options& options,
                                                           const std::string& script) {
  return PeerProcess::Start(
      PythonPeer(options, script, AvailableCpus(),
                 {absl::StrCat("--tables=", kTables), absl::StrCat("--rows=", RowsPerTable(options)),
                  absl::StrCat("--dim=", kDim), absl::StrCat("--batch=", kBatch)}));
}

absl::StatusOr<Result> CompareLocalSteps(const Options& options, const Result& about,
                                         const OptimizerConfig& optimizer, size_t row_floats,
                                         PeerProcess& peer) {
  ClientOptions client_options{.address = "local:", .writer_name = "bench"};
  client_options.local_options.data_directory = options.directory + "/local-" + about.name;
  client_options.local_options.memory_budget_bytes = MemoryFor(options, row_floats);
  RH_ASSIGN_OR_RETURN(const auto client, Client::Connect(client_options));
  RH_ASSIGN_OR_RETURN(const auto steps, Steps::Create(client.get(), optimizer, RowsPerTable(options)));
  return Compare(
      about, options.runs, [&] { return steps->Run(); }, [&] { return peer.Run(); });
}

absl::StatusOr<Result> CompareRemoteSteps(const Options& options, const Result& about, PeerProcess& peer) {
  RH_ASSIGN_OR_RETURN(const auto servers, Servers::Start(options.directory, 1, MemoryFor(options, 2 * kDim)));
  RH_ASSIGN_OR_RETURN(const auto client, servers->Connect("bench"));
  RH_ASSIGN_OR_RETURN(const auto steps, Steps::Create(client.get(), Adagrad(0.01f), RowsPerTable(options)));
  return Compare(
      about, options.runs, [&] { return steps->Run(); }, [&] { return peer.Run(); });
}

absl::Status AddTorchSteps(const Options& options, std::vector<Result>* results) {
  constexpr char kReference[] = "torch EmbeddingBag(sparse, all tables in one) + Adagrad";
  const Result local = AboutSteps(options, "vs_torch_bag", 3, "through local:", kReference);
  const Result remote = AboutSteps(options, "rpc_step_vs_torch", 1, "over gRPC to one server", kReference);
  const bool wants_local = options.wants(local.name), wants_remote = options.wants(remote.name);
  if (!wants_local && !wants_remote) return absl::OkStatus();
  const std::string why = WhyMissing(options, "torch");
  if (!why.empty()) {
    if (wants_local) results->push_back(MissingReference(local, why));
    if (wants_remote) results->push_back(MissingReference(remote, why));
    return absl::OkStatus();
  }
  RH_ASSIGN_OR_RETURN(const auto peer, StartStepPeer(options, "torch_peer.py"));
  if (wants_local) {
    RH_ASSIGN_OR_RETURN(results->emplace_back(),
                        CompareLocalSteps(options, local, Adagrad(0.01f), 2 * kDim, *peer));
  }
  if (wants_remote) {
    RH_ASSIGN_OR_RETURN(results->emplace_back(), CompareRemoteSteps(options, remote, *peer));
  }
  return absl::OkStatus();
}

absl::Status AddFbgemmSteps(const Options& options, std::vector<Result>* results) {
  const Result about =
      AboutSteps(options, "vs_fbgemm", 3, "through local:", "FBGEMM's CPU TBE with exact row-wise Adagrad");
  if (!options.wants(about.name)) return absl::OkStatus();
  const std::string why = WhyMissing(options, "fbgemm");
  if (!why.empty()) {
    results->push_back(MissingReference(about, why));
    return absl::OkStatus();
  }
  RH_ASSIGN_OR_RETURN(const auto peer, StartStepPeer(options, "fbgemm_peer.py"));
  RH_ASSIGN_OR_RETURN(results->emplace_back(),
                      CompareLocalSteps(options, about, RowwiseAdagrad(0.01f), kDim + 1, *peer));
  return absl::OkStatus();
}

// Pulls of the engine in one thread beside FBGEMM's. `zipf`: exponent of the ids' distribution; 0: uniform.
absl::StatusOr<Result> ComparePulls(const Options& options, const Result& about, double zipf,
                                    Engine& engine) {
  RH_ASSIGN_OR_RETURN(
      const auto peer,
      PeerProcess::Start(PythonPeer(
          options, "fbgemm_peer.py", 1,
          {"--what=pull", absl::StrCat("--zipf=", zipf), "--tables=1", absl::StrCat("--rows=", options.rows),
           absl::StrCat("--dim=", kDim), absl::StrCat("--batch=", kBatchIds)})));
  const Batches batches = zipf == 0 ? UniformBatches(options.rows) : ZipfBatches(options.rows, zipf);
  std::vector<float> out(kBatchIds * kDim);
  const auto ours = [&] {
    const double seconds = Seconds([&] {
      for (const auto& batch : batches) engine.Pull(batch, out.data());
    });
    return static_cast<double>(kBatches * kBatchIds) / seconds;
  };
  return Compare(about, options.runs, ours, [&] { return peer->Run(); });
}

absl::Status AddFbgemmPulls(const Options& options, std::vector<Result>* results) {
  const struct {
    const char *name, *workload;
    double zipf;
  } pulls[] = {{"vs_fbgemm_pull", "W1", 0}, {"vs_fbgemm_pull_zipf", "W2", 0.99}};
  const std::string why = WhyMissing(options, "fbgemm");
  std::unique_ptr<Engine> engine;
  for (const auto& pull : pulls) {
    if (!options.wants(pull.name)) continue;
    const Result about{
        .name = pull.name,
        .workload = absl::StrCat(pull.workload,
                                 ", engine pull, beside FBGEMM's CPU TBE forward (no hash: ids "
                                 "are row numbers), output buffers kept; 1 thread"),
        .unit = "rows/s",
        .goal = 0.9};
    if (!why.empty()) {
      results->push_back(MissingReference(about, why));
      continue;
    }
    if (engine == nullptr) {
      engine = std::make_unique<Engine>(OptimizerKind::kSgd, kDim, options.rows * 360 + (256ull << 20));
      engine->Fill(options.rows);
    }
    RH_ASSIGN_OR_RETURN(results->emplace_back(), ComparePulls(options, about, pull.zipf, *engine));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Result>> Torch(const Options& options) {
  std::vector<Result> results;
  RH_RETURN_IF_ERROR(AddTorchSteps(options, &results));
  RH_RETURN_IF_ERROR(AddFbgemmSteps(options, &results));
  RH_RETURN_IF_ERROR(AddFbgemmPulls(options, &results));
  return results;
}

}  // namespace rowhouse::bench
