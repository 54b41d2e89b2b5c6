// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/schema/table_schema.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/nearest_word.h"
#include "common/schema/fixed_fields.h"
#include "common/status_macros.h"

namespace rowhouse {
namespace {

absl::Status CheckEnum(absl::string_view field, uint32_t value, uint32_t largest) {
  if (value >= 1 && value <= largest) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", allowed are 1 to ", largest, " (see table_schema.proto)"));
}

absl::Status CheckFinite(absl::string_view field, float value) {
  if (std::isfinite(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", it must be finite"));
}

absl::Status CheckFiniteNotNegative(absl::string_view field, float value) {
  if (std::isfinite(value) && value >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", it must be finite and at least 0"));
}

absl::Status ValidateOptimizer(const OptimizerSpec& optimizer) {
  RH_RETURN_IF_ERROR(CheckEnum("optimizer.kind", static_cast<uint32_t>(optimizer.kind),
                               static_cast<uint32_t>(OptimizerKind::kRowwiseAdagrad)));
  RH_RETURN_IF_ERROR(CheckFiniteNotNegative("optimizer.learning_rate", optimizer.hyper.learning_rate));
  RH_RETURN_IF_ERROR(CheckFiniteNotNegative("optimizer.epsilon", optimizer.hyper.epsilon));
  return CheckFiniteNotNegative("optimizer.initial_accumulator", optimizer.initial_accumulator);
}

absl::Status ValidateInitializer(const InitializerSpec& initializer) {
  RH_RETURN_IF_ERROR(CheckEnum("initializer.kind", static_cast<uint32_t>(initializer.kind),
                               static_cast<uint32_t>(InitializerKind::kInverseSqrtDim)));
  RH_RETURN_IF_ERROR(CheckFinite("initializer.value", initializer.value));
  RH_RETURN_IF_ERROR(CheckFinite("initializer.low", initializer.low));
  RH_RETURN_IF_ERROR(CheckFinite("initializer.high", initializer.high));
  if (initializer.low > initializer.high) {
    return absl::InvalidArgumentError(absl::StrCat("initializer.low is ", initializer.low,
                                                   ", it must be at most initializer.high, which is ",
                                                   initializer.high));
  }
  if (!std::isfinite(initializer.high - initializer.low)) {
    return absl::InvalidArgumentError(absl::StrCat("initializer.high is ", initializer.high,
                                                   " and initializer.low ", initializer.low,
                                                   ", their difference must be a finite float32"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateName(std::string_view field, std::string_view value) {
  const absl::string_view what(field.data(), field.size());
  const absl::string_view name(value.data(), value.size());
  if (name.empty() || name.size() > limits::kMaxNameLength) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has ", name.size(), " characters, allowed are 1 to ", limits::kMaxNameLength));
  }
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
  };
  const auto bad = std::find_if_not(name.begin(), name.end(), allowed);
  if (bad != name.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, " \"", absl::CHexEscape(name), "\" has '", absl::CHexEscape(name.substr(bad - name.begin(), 1)),
        "' at position ", bad - name.begin(), ", allowed are A-Z a-z 0-9 _ . -"));
  }
  return absl::OkStatus();
}

absl::Status NoSuchTable(std::string_view name, const std::vector<std::string>& known) {
  const std::string similar = SimilarWord(name, known);
  return absl::NotFoundError(
      absl::StrCat("table \"", std::string(name), "\" does not exist",
                   similar.empty() ? "" : absl::StrCat(", is \"", similar, "\" meant?"),
                   similar.empty() ? ":" : "", " ListTables names those that do"));
}

absl::Status ValidateSchema(const TableSchema& schema) {
  RH_RETURN_IF_ERROR(ValidateName("name", schema.name));
  if (schema.dim < 1 || schema.dim > limits::kMaxDim) {
    return absl::InvalidArgumentError(
        absl::StrCat("dim is ", schema.dim, ", allowed are 1 to ", limits::kMaxDim));
  }
  RH_RETURN_IF_ERROR(CheckEnum("weight_type", static_cast<uint32_t>(schema.weight_type),
                               static_cast<uint32_t>(DataType::kFloat32)));
  RH_RETURN_IF_ERROR(ValidateOptimizer(schema.optimizer));
  RH_RETURN_IF_ERROR(ValidateInitializer(schema.initializer));
  RH_RETURN_IF_ERROR(CheckEnum("unseen_policy", static_cast<uint32_t>(schema.unseen_policy),
                               static_cast<uint32_t>(UnseenPolicy::kZeros)));
  RH_RETURN_IF_ERROR(CheckEnum("bad_id_policy", static_cast<uint32_t>(schema.bad_id_policy),
                               static_cast<uint32_t>(BadIdPolicy::kError)));
  RH_RETURN_IF_ERROR(CheckEnum("nan_policy", static_cast<uint32_t>(schema.nan_policy),
                               static_cast<uint32_t>(NanPolicy::kAllow)));
  RH_RETURN_IF_ERROR(CheckEnum("durability", static_cast<uint32_t>(schema.durability),
                               static_cast<uint32_t>(Durability::kSync)));
  if (schema.padding_id.has_value() && schema.num_rows > 0 && *schema.padding_id >= schema.num_rows) {
    return absl::InvalidArgumentError(absl::StrCat(
        "padding_id is ", *schema.padding_id, ", it must be below num_rows, which is ", schema.num_rows));
  }
  return absl::OkStatus();
}

absl::Status ValidateAlter(const TableSchema& before, const TableSchema& after) {
  RH_RETURN_IF_ERROR(ValidateSchema(after));
  const std::string different = DifferentFixedFields(before, after);
  if (different.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("table ", before.name, ": ", different,
                   "; that is fixed when a table is created: create another table to change it"));
}

}  // namespace rowhouse
