// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/schema/fixed_fields.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rowhouse {
namespace {

// The fewest digits that tell it from every other: two that differ never look the same.
std::string Text(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end.ptr);
}

std::string Text(const std::string& value) { return absl::StrCat("\"", value, "\""); }
std::string Text(uint32_t value) { return absl::StrCat(value); }
std::string Text(uint64_t value) { return absl::StrCat(value); }
std::string Text(bool value) { return value ? "on" : "off"; }
std::string Text(DataType) { return "float32"; }
std::string Text(const std::optional<Id>& id) { return id.has_value() ? absl::StrCat(*id) : "none"; }
std::string Text(UnseenPolicy policy) { return policy == UnseenPolicy::kZeros ? "zeros" : "initial"; }

std::string Text(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::kSgd:
      return "sgd";
    case OptimizerKind::kAdagrad:
      return "adagrad";
    case OptimizerKind::kRowwiseAdagrad:
      return "rowwise_adagrad";
  }
  return "unknown";
}

std::string Text(const InitializerSpec& initializer) {
  switch (initializer.kind) {
    case InitializerKind::kZeros:
      return "zeros";
    case InitializerKind::kConstant:
      return absl::StrCat("constant:", Text(initializer.value));
    case InitializerKind::kUniform:
      return absl::StrCat("uniform:", Text(initializer.low), ",", Text(initializer.high));
    case InitializerKind::kInverseSqrtDim:
      return "inverse_sqrt_dim";
  }
  return "unknown";
}

// Only whether it is volatile is fixed.
std::string DurabilityText(const TableSchema& schema) {
  if (schema.durability == Durability::kVolatile) return "volatile";
  return schema.durability == Durability::kSync ? "sync" : "async";
}

class Differences {
 public:
  template <typename T>
  void Compare(absl::string_view field, const T& there, const T& asked) {
    if (!(there == asked)) Add(field, Text(there), Text(asked));
  }
  void Add(absl::string_view field, const std::string& there, const std::string& asked) {
    absl::StrAppend(&text_, text_.empty() ? "" : "; ", field, " is ", there, ", asked for is ", asked);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

std::string DifferentFixedFields(const TableSchema& there, const TableSchema& asked) {
  Differences all;
  all.Compare("name", there.name, asked.name);
  all.Compare("table_id", there.table_id, asked.table_id);
  all.Compare("dim", there.dim, asked.dim);
  all.Compare("weight_type", there.weight_type, asked.weight_type);
  all.Compare("optimizer.kind", there.optimizer.kind, asked.optimizer.kind);
  all.Compare("optimizer.initial_accumulator", there.optimizer.initial_accumulator,
              asked.optimizer.initial_accumulator);
  all.Compare("initializer", there.initializer, asked.initializer);
  all.Compare("seed", there.seed, asked.seed);
  all.Compare("unseen_policy", there.unseen_policy, asked.unseen_policy);
  all.Compare("num_rows", there.num_rows, asked.num_rows);
  all.Compare("padding_id", there.padding_id, asked.padding_id);
  all.Compare("track_last_push_time", there.track_last_push_time, asked.track_last_push_time);
  // Volatile rows have no log to come back from, and no place in spill that a restart keeps.
  if ((there.durability == Durability::kVolatile) != (asked.durability == Durability::kVolatile))
    all.Add("durability", DurabilityText(there), DurabilityText(asked));
  return all.text();
}

}  // namespace rowhouse
