// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/flag_checks.h"

#include <cmath>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/nearest_word.h"

namespace rowhouse {
namespace {

std::string RefuseAllButWholeNumbers(std::string& text) {
  uint64_t number = 0;
  if (!text.empty() && absl::c_all_of(text, absl::ascii_isdigit) && absl::SimpleAtoi(text, &number))
    return "";
  return absl::StrCat("'", text, "' is not a whole number from 0 to 18446744073709551615");
}

std::string RefuseAllButNumbers(std::string& text) {
  double number = 0;
  return absl::SimpleAtod(text, &number) && std::isfinite(number)
             ? ""
             : absl::StrCat("'", text, "' is not a number, as 0.05 or 1e-8");
}

}  // namespace

void CheckNumbers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();  // with what its other checks want behind it
    if (absl::StartsWith(type, "UINT")) option->check(CLI::Validator(RefuseAllButWholeNumbers, ""));
    if (absl::StartsWith(type, "FLOAT")) option->check(CLI::Validator(RefuseAllButNumbers, ""));
  }
  for (CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; })) CheckNumbers(*child);
}

std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string UnknownFlag(const CLI::App& app) {
  for (const std::string& word : app.remaining()) {
    if (!absl::StartsWith(word, "--")) continue;
    const std::string flag = word.substr(0, word.find('='));
    return absl::StrCat("there is no ", flag, "; did you mean ", NearestWord(flag, FlagsOf(app)), "?");
  }
  return "";
}

}  // namespace rowhouse
