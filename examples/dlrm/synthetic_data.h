// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes the files of a PlantedModel: day_00.tsv, day_01.tsv, ...; the last one is the test file.

#include <string>

#include "absl/status/statusor.h"
#include "examples/dlrm/planted_model.h"

namespace rowhouse::dlrm {

struct SyntheticDataOptions {
  PlantedOptions model;
  std::string directory;  // made when it is not there
  uint32_t train_files = 4;
  bool gzip = false;
};

struct SyntheticDataReport {
  std::vector<std::string> files;  // the last one is the test file
  uint64_t train_distinct_ids =
      0;  // different (column, id) in the training files, empty fields too: rows that training makes
  uint64_t train_lookups = 0;
  double click_rate = 0;  // of the test file
  double bayes_auc = 0;   // AUC of the true probabilities on the test file: no model can know more
  double bayes_log_loss = 0;
};

// InvalidArgument for bad options; Unavailable when a file cannot be written.
absl::StatusOr<SyntheticDataReport> WriteSyntheticData(const SyntheticDataOptions& options);

}  // namespace rowhouse::dlrm
