// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// dlrm: trains a DLRM whose embeddings live in Rowhouse. See --help.

#include <signal.h>

#include <Eigen/Core>
#include <atomic>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "common/status_macros.h"
#include "examples/dlrm/checkpointer.h"
#include "examples/dlrm/flags.h"
#include "examples/dlrm/in_process_twin.h"
#include "examples/dlrm/report.h"
#include "examples/dlrm/rowhouse_embeddings.h"
#include "examples/dlrm/trainer.h"

namespace rowhouse::dlrm {
namespace {

std::atomic<bool> stop_requested = false;

// The first Ctrl-C stops after the batch under way; a second one ends the process.
void StopOnSignals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_requested = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// A full server is asked again and again, as it should be: one line a second says so. Called by one thread.
void LogClientLine(const std::string& line) {
  static auto quiet_until = std::chrono::steady_clock::time_point::min();
  static uint64_t left_out = 0;
  const auto now = std::chrono::steady_clock::now();
  if (line.rfind("RESOURCE_EXHAUSTED", 0) == 0) {
    if (now < quiet_until) {
      ++left_out;
      return;
    }
    quiet_until = now + std::chrono::seconds(1);
  }
  std::fprintf(stderr, "\r%s", line.c_str());
  if (left_out > 0) std::fprintf(stderr, " (and %llu such lines)", static_cast<unsigned long long>(left_out));
  std::fputc('\n', stderr);
  left_out = 0;
}

absl::StatusOr<std::unique_ptr<RowhouseEmbeddings>> ConnectToServers(const TrainerFlags& flags) {
  RowhouseOptions options;
  options.client.address = flags.address;
  options.client.insecure = flags.insecure;
  options.client.checksums = flags.checksums;
  options.client.retry_timeout = std::chrono::seconds(flags.retry_timeout_s);
  options.client.writer_name = flags.WriterName();
  options.client.max_pushes_in_flight = flags.reproducible ? 1 : flags.pushes_in_flight;
  options.client.local_options.partitions = flags.local_partitions;
  options.client.local_options.memory_budget_bytes = flags.local_memory_budget_bytes;
  options.client.log = LogClientLine;
  options.table_prefix = flags.table_prefix;
  options.durability = flags.durability == "sync"       ? DurabilityLevel::kSync
                       : flags.durability == "volatile" ? DurabilityLevel::kVolatile
                                                        : DurabilityLevel::kAsync;
  options.wait_for_pushes = flags.reproducible;
  // A mistyped name must not be tested as a table of untrained rows; "local:" begins without tables.
  options.create_tables = !flags.eval_only || flags.address == "local:";
  auto servers = RowhouseEmbeddings::Connect(options, flags.Embeddings());
  if (!absl::IsUnavailable(servers.status()) && !absl::IsDeadlineExceeded(servers.status())) return servers;
  return absl::Status(
      servers.status().code(),
      absl::StrCat(servers.status().message(),
                   "; `rowhouse cluster up` starts a cluster, --address says where one is, --address local: "
                   "does without"));
}

// The client's errors name its options; here they are flags.
std::string InFlags(const absl::Status& status) {
  return absl::StrReplaceAll(status.ToString(), {{"see retry_timeout)", "see --retry-timeout)"}});
}

absl::StatusOr<RunReport> Run(const TrainerFlags& flags) {
  RH_ASSIGN_OR_RETURN(const ModelOptions model_options, flags.Model());
  RH_ASSIGN_OR_RETURN(std::unique_ptr<Dlrm> model, Dlrm::Create(model_options));
  if (!flags.load.empty()) RH_RETURN_IF_ERROR(model->Load(flags.load));
  std::unique_ptr<EmbeddingSource> source;
  std::unique_ptr<Checkpointer> checkpointer;
  uint64_t skip = 0;
  if (flags.in_process_twin) {
    source = std::make_unique<InProcessTwin>(flags.Embeddings());
  } else {
    RH_ASSIGN_OR_RETURN(std::unique_ptr<RowhouseEmbeddings> servers, ConnectToServers(flags));
    if (flags.resume) {
      RH_ASSIGN_OR_RETURN(skip,
                          Resume(servers->client(), flags.WriterName(), flags.checkpoint_dir, model.get()));
      std::fprintf(stderr, "resuming after step %llu\n", static_cast<unsigned long long>(skip));
    }
    if (flags.checkpoint_every > 0)
      checkpointer =
          std::make_unique<Checkpointer>(servers->client(), flags.checkpoint_dir, flags.checkpoint_every);
    source = std::move(servers);
  }
  Trainer trainer(flags, source.get(), model.get(), &stop_requested, checkpointer.get(), skip);
  RH_ASSIGN_OR_RETURN(RunReport report, trainer.Run());
  if (!flags.save.empty()) RH_RETURN_IF_ERROR(model->Save(flags.save));
  if (!flags.json.empty()) RH_RETURN_IF_ERROR(WriteJsonReport(report, flags.json));
  return report;
}

}  // namespace
}  // namespace rowhouse::dlrm

int main(int argc, char** argv) {
  using namespace rowhouse::dlrm;  // NOLINT: the program's own names
  // Debian's Abseil looks for cycles at every lock otherwise: docs/design/0010-no-search-for-lock-cycles.md.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  TrainerFlags flags;
  if (const std::optional<int> exit_code = ParseTrainerFlags(argc, argv, &flags)) return *exit_code;
  // Eigen cuts products by cache sizes; fixed ones give the same order of additions on every machine.
  if (flags.reproducible) Eigen::setCpuCacheSizes(32 << 10, 512 << 10, 4 << 20);
  StopOnSignals();
  const absl::StatusOr<RunReport> report = Run(flags);
  if (!report.ok()) {
    std::fprintf(stderr, "dlrm: %s\n", InFlags(report.status()).c_str());
    return 1;
  }
  std::fputs(FormatReport(*report).c_str(), stdout);
  return report->interrupted ? 130 : 0;
}
