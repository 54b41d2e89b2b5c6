// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/presets.h"

#include "absl/strings/str_cat.h"

namespace rowhouse::cli::bench {
namespace {

constexpr size_t kTables = 26;  // the categorical features of Criteo's data
constexpr uint32_t kBatch = 2048;

// Distinct values of each feature of the Criteo Kaggle data, as in DLRM (M. Naumov et al., 2019).
constexpr uint64_t kKaggleRows[kTables] = {1460,  583,  10131227, 2202608, 305, 24,     12517,   633,   3,
                                           93145, 5683, 8351593,  3194,    27,  14992,  5461306, 10,    5652,
                                           2173,  4,    7046547,  18,      15,  286181, 105,     142572};
constexpr uint32_t kKaggleDim = 16;

// MLPerf Training, DLRM-DCNv2: Criteo 1TB, at most 40,000,000 rows a table, synthetic multi-hot ids.
constexpr uint64_t kMlperfRows[kTables] = {
    40000000, 39060, 17295, 7424, 20265, 3,  7122,     1543,     63,       40000000, 3067956, 405282, 10,
    2209,     11938, 155,   4,    976,   14, 40000000, 40000000, 40000000, 590152,   12973,   108,    36};
constexpr uint32_t kMlperfPooling[kTables] = {3, 2, 1, 2, 6, 1, 1,  1,   1,  7,  3, 8, 1,
                                              6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1};
constexpr uint32_t kMlperfDim = 128;

}  // namespace

absl::Status ApplyPreset(const std::string& name, Workload* workload) {
  if (name.empty()) return absl::OkStatus();
  const bool kaggle = name == kPresets[0];
  if (!kaggle && name != kPresets[1]) {
    return absl::InvalidArgumentError(
        absl::StrCat("--preset is \"", name, "\", want ", kPresets[0], " or ", kPresets[1]));
  }
  workload->preset = name;
  workload->tables.clear();
  for (size_t i = 0; i < kTables; ++i) {
    workload->tables.push_back(kaggle ? TableShape{kKaggleRows[i], 1}
                                      : TableShape{kMlperfRows[i], kMlperfPooling[i]});
  }
  workload->dim = kaggle ? kKaggleDim : kMlperfDim;
  workload->batch = kBatch;
  return absl::OkStatus();
}

}  // namespace rowhouse::cli::bench
