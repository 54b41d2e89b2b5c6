// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/confirm.h"

#include <unistd.h>

#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/output.h"

namespace rowhouse::cli {

absl::Status Confirm(const std::string& what, const std::string& name, bool yes) {
  if (yes) return absl::OkStatus();
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0)
    return absl::InvalidArgumentError(absl::StrCat(what, ": repeat with --yes"));
  WriteError(absl::StrCat(what, ".\nType ", name, " to go on: "));
  std::string typed;
  std::getline(std::cin, typed);
  if (absl::StripAsciiWhitespace(typed) == name) return absl::OkStatus();
  return absl::CancelledError(absl::StrCat("not done: \"", typed, "\" is not \"", name, "\""));
}

}  // namespace rowhouse::cli
