// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a parser says of a text, told with the flag that the text was given to. Pure.

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rowhouse::cli {

// `parsed`, an error with "--flag: " before its message.
template <typename T>
absl::StatusOr<T> OfFlag(absl::string_view flag, absl::StatusOr<T> parsed) {
  if (parsed.ok()) return parsed;
  return absl::Status(parsed.status().code(), absl::StrCat(flag, ": ", parsed.status().message()));
}

}  // namespace rowhouse::cli
