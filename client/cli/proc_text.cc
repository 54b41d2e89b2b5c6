// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/proc_text.h"

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace rowhouse::cli {

absl::StatusOr<std::string> ReadProcText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return text;
}

}  // namespace rowhouse::cli
