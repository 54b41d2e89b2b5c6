// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Table specs as words on a command line and as rows of a listing. Pure functions.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/render.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {

// "zeros", "constant:0.5", "uniform:-0.1,0.1", "inverse_sqrt_dim". InvalidArgument otherwise.
absl::StatusOr<InitializerConfig> ParseInitializer(const std::string& text);
std::string InitializerText(const InitializerConfig& initializer);

// "sgd", "adagrad", "rowwise_adagrad". InvalidArgument otherwise.
absl::StatusOr<OptimizerConfig::Kind> ParseOptimizer(const std::string& text);
std::string OptimizerText(OptimizerConfig::Kind kind);

// "volatile", "async", "sync". InvalidArgument otherwise.
absl::StatusOr<DurabilityLevel> ParseDurability(const std::string& text);
std::string DurabilityText(DurabilityLevel level);

// A table's spec as a row of a listing. 64-bit numbers are strings: JavaScript's numbers lose bits.
std::vector<Column> SpecColumns();
std::vector<Json> SpecCells(const Table& table, const TableSpec& spec);

// Shortest text that reads back as the same float; and the number that JSON shows as that text.
std::string FloatText(float value);
double FloatNumber(float value);

// An id: 0 to 2^64-1, or a negative number for the same bits of a signed id (-1 is 18446744073709551615). Ids
// are printed as 0 to 2^64-1 everywhere.
absl::StatusOr<uint64_t> ParseId(const std::string& text);

}  // namespace rowhouse::cli
