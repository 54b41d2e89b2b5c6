// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// criteo_synth: writes click logs in Criteo's format whose best possible AUC is known. See --help.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/flag_checks.h"
#include "examples/dlrm/synthetic_data.h"

namespace rowhouse::dlrm {
namespace {

void AddFlags(CLI::App& app, SyntheticDataOptions* options, std::string* json) {
  app.add_option("--out", options->directory, "Directory for day_00.tsv, ...; the last file is the test file")
      ->required();
  app.add_option("--rows", options->model.rows, "Samples to train on")->capture_default_str();
  app.add_option("--test-rows", options->model.test_rows, "Samples of the test file")->capture_default_str();
  app.add_option("--files", options->train_files, "Training files")->capture_default_str();
  app.add_flag("--gzip", options->gzip, "Write .tsv.gz");
  app.add_option("--seed", options->model.seed, "Same seed, same files")->capture_default_str();
  app.add_option("--cardinality-scale", options->model.cardinality_scale, "Times the number of head ids")
      ->capture_default_str();
  app.add_option("--skew", options->model.skew, "Exponent of the heads' power law")->capture_default_str();
  app.add_option("--signal", options->model.signal, "Standard deviation of the true logit")
      ->capture_default_str();
  app.add_option("--tail-scale", options->model.tail_scale,
                 "Times the share of lookups that go to long tails (about half of all at 1)")
      ->capture_default_str();
  app.add_option("--tail-spread", options->model.tail_spread, "Tail ids for each tail lookup in training")
      ->capture_default_str();
  app.add_option("--json", *json, "Write the figures here");
}

bool WriteJson(const SyntheticDataReport& report, const std::string& path) {
  const nlohmann::ordered_json json = {{"files", report.files},
                                       {"train_distinct_ids", report.train_distinct_ids},
                                       {"train_lookups", report.train_lookups},
                                       {"click_rate", report.click_rate},
                                       {"bayes_auc", report.bayes_auc},
                                       {"bayes_log_loss", report.bayes_log_loss}};
  std::ofstream file(path);
  file << json.dump(2) << "\n";
  file.flush();
  return static_cast<bool>(file);
}

}  // namespace
}  // namespace rowhouse::dlrm

int main(int argc, char** argv) {
  using namespace rowhouse::dlrm;  // NOLINT: the program's own names
  SyntheticDataOptions options;
  std::string json;
  CLI::App app("Writes click logs in Criteo's format whose best possible AUC is known.", "criteo_synth");
  AddFlags(app, &options, &json);
  rowhouse::CheckNumbers(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    const std::string unknown = rowhouse::UnknownFlag(app);
    fmt::print(stderr, "criteo_synth: {}\nRun criteo_synth --help for all flags.\n",
               unknown.empty() ? error.what() : unknown);
    return 2;
  }
  const absl::StatusOr<SyntheticDataReport> report = WriteSyntheticData(options);
  if (!report.ok()) {
    fmt::print(stderr, "criteo_synth: {}\n", report.status().ToString());
    return absl::IsInvalidArgument(report.status()) ? 2 : 1;
  }
  fmt::print(
      "{} training samples, {} test samples, {} different ids in training ({:.0f}% of the lookups)\n"
      "click rate {:.4f}, best AUC {:.6f}, best log loss {:.6f}\n",
      options.model.rows, options.model.test_rows, report->train_distinct_ids,
      100.0 * static_cast<double>(report->train_distinct_ids) / static_cast<double>(report->train_lookups),
      report->click_rate, report->bayes_auc, report->bayes_log_loss);
  if (!json.empty() && !WriteJson(*report, json)) {
    fmt::print(stderr, "criteo_synth: --json: cannot write {}\n", json);
    return 1;
  }
  return 0;
}
