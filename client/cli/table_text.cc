// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/table_text.h"

#include <charconv>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

absl::Status Unknown(const char* what, const std::string& text, const char* allowed) {
  return absl::InvalidArgumentError(absl::StrCat(what, " is \"", text, "\", want ", allowed));
}

absl::StatusOr<std::vector<float>> ParseFloats(const std::string& text, absl::string_view list,
                                               size_t count) {
  std::vector<float> out;
  for (absl::string_view item : absl::StrSplit(list, ',')) {
    float value = 0;
    if (!absl::SimpleAtof(item, &value)) return Unknown("--initializer", text, "numbers after the colon");
    out.push_back(value);
  }
  if (out.size() != count) return Unknown("--initializer", text, count == 1 ? "one number" : "two numbers");
  return out;
}

}  // namespace

absl::StatusOr<InitializerConfig> ParseInitializer(const std::string& text) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  if (text == "zeros") return InitializerConfig::Zeros();
  if (text == "inverse_sqrt_dim") return InitializerConfig::InverseSqrtDim();
  if (parts.first == "constant") {
    RH_ASSIGN_OR_RETURN(const std::vector<float> values, ParseFloats(text, parts.second, 1));
    return InitializerConfig::Constant(values[0]);
  }
  if (parts.first == "uniform") {
    RH_ASSIGN_OR_RETURN(const std::vector<float> values, ParseFloats(text, parts.second, 2));
    return InitializerConfig::Uniform(values[0], values[1]);
  }
  return Unknown("--initializer", text, "zeros, constant:VALUE, uniform:LOW,HIGH or inverse_sqrt_dim");
}

std::string InitializerText(const InitializerConfig& initializer) {
  switch (initializer.kind) {
    case InitializerConfig::Kind::kZeros:
      return "zeros";
    case InitializerConfig::Kind::kConstant:
      return absl::StrCat("constant:", FloatText(initializer.value));
    case InitializerConfig::Kind::kUniform:
      return absl::StrCat("uniform:", FloatText(initializer.low), ",", FloatText(initializer.high));
    case InitializerConfig::Kind::kInverseSqrtDim:
      return "inverse_sqrt_dim";
  }
  return "unknown";
}

absl::StatusOr<OptimizerConfig::Kind> ParseOptimizer(const std::string& text) {
  if (text == "sgd") return OptimizerConfig::Kind::kSgd;
  if (text == "adagrad") return OptimizerConfig::Kind::kAdagrad;
  if (text == "rowwise_adagrad") return OptimizerConfig::Kind::kRowwiseAdagrad;
  return Unknown("--optimizer", text, "sgd, adagrad or rowwise_adagrad");
}

std::string OptimizerText(OptimizerConfig::Kind kind) {
  switch (kind) {
    case OptimizerConfig::Kind::kSgd:
      return "sgd";
    case OptimizerConfig::Kind::kAdagrad:
      return "adagrad";
    case OptimizerConfig::Kind::kRowwiseAdagrad:
      return "rowwise_adagrad";
  }
  return "unknown";
}

absl::StatusOr<DurabilityLevel> ParseDurability(const std::string& text) {
  if (text == "volatile") return DurabilityLevel::kVolatile;
  if (text == "async") return DurabilityLevel::kAsync;
  if (text == "sync") return DurabilityLevel::kSync;
  return Unknown("--durability", text, "volatile, async or sync");
}

std::string DurabilityText(DurabilityLevel level) {
  switch (level) {
    case DurabilityLevel::kVolatile:
      return "volatile";
    case DurabilityLevel::kAsync:
      return "async";
    case DurabilityLevel::kSync:
      return "sync";
  }
  return "unknown";
}

std::vector<Column> SpecColumns() {
  return {{"name", "NAME"},
          {"table_id", "ID"},
          {"schema_version", "VERSION", Unit::kNone, true},
          {"dim", "DIM"},
          {"optimizer", "OPTIMIZER"},
          {"learning_rate", "LEARNING_RATE", Unit::kNone, true},
          {"epsilon", "EPSILON", Unit::kNone, true},
          {"initial_accumulator", "ACCUMULATOR", Unit::kNone, true},
          {"initializer", "INITIALIZER"},
          {"seed", "SEED", Unit::kNone, true},
          {"durability", "DURABILITY"},
          {"num_rows", "NUM_ROWS", Unit::kNone, true},
          {"padding_id", "PADDING", Unit::kNone, true},
          {"unseen", "UNSEEN", Unit::kNone, true},
          {"allow_nan", "ALLOW_NAN", Unit::kNone, true},
          {"frozen", "FROZEN", Unit::kNone, true},
          {"track_last_push_time", "PUSH_TIME", Unit::kNone, true}};
}

std::vector<Json> SpecCells(const Table& table, const TableSpec& spec) {
  return {spec.name,
          table.id(),
          table.schema_version(),
          spec.dim,
          OptimizerText(spec.optimizer.kind),
          FloatNumber(spec.optimizer.learning_rate),
          FloatNumber(spec.optimizer.epsilon),
          FloatNumber(spec.optimizer.initial_accumulator),
          InitializerText(spec.initializer),
          absl::StrCat(spec.seed),
          DurabilityText(spec.durability),
          absl::StrCat(spec.num_rows),
          spec.padding_id.has_value() ? Json(absl::StrCat(*spec.padding_id)) : Json(nullptr),
          spec.unseen_reads_zeros ? "zeros" : "initial",
          spec.allow_nan,
          spec.frozen,
          spec.track_last_push_time};
}

std::string FloatText(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end.ptr);
}

double FloatNumber(float value) { return std::strtod(FloatText(value).c_str(), nullptr); }

absl::StatusOr<uint64_t> ParseId(const std::string& text) {
  uint64_t id = 0;
  if (absl::SimpleAtoi(text, &id)) return id;
  int64_t negative = 0;
  if (absl::SimpleAtoi(text, &negative)) return static_cast<uint64_t>(negative);
  return absl::InvalidArgumentError(absl::StrCat(
      "id \"", text, "\" is not a whole number from -9223372036854775808 to 18446744073709551615"));
}

}  // namespace rowhouse::cli
