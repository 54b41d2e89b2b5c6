// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// An epoch of examples/dlrm, whose tables live in two servers on this machine, beside the same DLRM in
// PyTorch with its tables in process.

#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "bench/case.h"
#include "bench/child_process.h"
#include "bench/peer_process.h"
#include "bench/peers.h"
#include "bench/servers.h"
#include "common/cpu_quota.h"
#include "common/status_macros.h"

namespace rowhouse::bench {
namespace {

constexpr int kServers = 2;
constexpr uint64_t kServerBytes = 1ull << 30;
constexpr int kColumns = 26;
constexpr auto kEpochTimeout = std::chrono::minutes(5);
constexpr char kDataVariable[] = "ROWHOUSE_CRITEO_DIR";

// A program that was built beside this one.
std::string Program(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").replace_filename(name).string();
}

// A directory of Criteo files, of which all but the last by name are trained on.
struct TrainingData {
  std::string directory, origin;
};

absl::StatusOr<TrainingData> FindOrMakeData(const Options& options) {
  if (const char* directory = std::getenv(kDataVariable))
    return TrainingData{directory, absl::StrCat("the Criteo files of ", kDataVariable)};
  const std::string directory = options.directory + "/criteo";
  RH_RETURN_IF_ERROR(RunToEnd({Program("criteo_synth"), "--out", directory, "--rows", "104196", "--test-rows",
                               "1000", "--files", "3", "--cardinality-scale", "0.2"},
                              std::chrono::minutes(2)));
  return TrainingData{directory, absl::StrCat("criteo_synth's files (", kDataVariable, " names others)")};
}

// Epochs of the trainer, each with tables of its own.
class RowhouseEpochs {
 public:
  static absl::StatusOr<std::unique_ptr<RowhouseEpochs>> Start(const Options& options,
                                                               const TrainingData& data) {
    std::unique_ptr<RowhouseEpochs> epochs(
        new RowhouseEpochs(data.directory, options.directory + "/dlrm.json"));
    RH_ASSIGN_OR_RETURN(epochs->servers_, Servers::Start(options.directory, kServers, kServerBytes));
    RH_ASSIGN_OR_RETURN(epochs->client_, epochs->servers_->Connect("bench"));
    return epochs;
  }
  // Seconds of one epoch.
  absl::StatusOr<double> Run() {
    const std::string prefix = fmt::format("epoch-{}.", ++runs_);
    const std::vector<std::string> command = {Program("dlrm"),
                                              "--address",
                                              servers_->address(),
                                              "--table-prefix",
                                              prefix,
                                              "--threads",
                                              absl::StrCat(AvailableCpus()),
                                              "--print-freq",
                                              "1000000000",
                                              "--json",
                                              report_,
                                              "--data",
                                              data_};
    RH_RETURN_IF_ERROR(RunToEnd(command, kEpochTimeout));
    for (int c = 1; c <= kColumns; ++c) RH_RETURN_IF_ERROR(client_->DropTable(absl::StrCat(prefix, "C", c)));
    std::ifstream in(report_);
    const nlohmann::json figures = nlohmann::json::parse(in, nullptr, false);
    if (figures.is_discarded() || !figures.contains("train_seconds") || !figures.contains("samples"))
      return absl::DataLossError("dlrm wrote no figures");
    samples_ = figures["samples"];
    return figures["train_seconds"];
  }
  // Of an epoch; after the first.
  double samples() const { return samples_; }

 private:
  RowhouseEpochs(std::string data, std::string report) : data_(std::move(data)), report_(std::move(report)) {}

  const std::string data_, report_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<Client> client_;
  int runs_ = 0;
  double samples_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Result>> DlrmStep(const Options& options) {
  Result about{.name = "dlrm_step",
               .workload = fmt::format(
                   "an epoch of examples/dlrm over {} servers, tables async, files read and parsed, "
                   "beside the same DLRM in PyTorch with tables and samples in memory; {} threads each",
                   kServers, AvailableCpus()),
               .unit = "s/epoch",
               .goal = 1.5,
               .less_is_better = true};
  const std::string why = WhyMissing(options, "torch");
  if (!why.empty()) return std::vector<Result>{MissingReference(about, why)};
  RH_ASSIGN_OR_RETURN(const TrainingData data, FindOrMakeData(options));
  about.workload += "; " + data.origin;
  RH_ASSIGN_OR_RETURN(const auto torch, PeerProcess::Start(PythonPeer(options, "torch_dlrm.py",
                                                                      AvailableCpus(), {data.directory})));
  RH_ASSIGN_OR_RETURN(const auto ours, RowhouseEpochs::Start(options, data));
  const auto torch_seconds = [&]() -> absl::StatusOr<double> {
    RH_ASSIGN_OR_RETURN(const double samples_per_second, torch->Run());
    return ours->samples() / samples_per_second;
  };
  RH_ASSIGN_OR_RETURN(Result result, Compare(
                                         about, options.runs, [&] { return ours->Run(); }, torch_seconds));
  return std::vector<Result>{std::move(result)};
}

}  // namespace rowhouse::bench
