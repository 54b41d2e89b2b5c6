// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/command_words.h"

#include <array>
#include <utility>

#include "absl/strings/str_replace.h"

namespace rowhouse::cli {
namespace {

// Long enough that no name of a user's can be one. A test compares each with the message it is taken from.
constexpr auto kWords = std::to_array<std::pair<absl::string_view, absl::string_view>>({
    {"see retry_timeout)", "see --timeout)"},
    {"not encrypted; set insecure = true when", "not encrypted; give --insecure when"},
    {"open the table again with OpenTable", "run the command again"},
    {"ListTables names those that do", "`rowhouse table list` names those that do"},
    {"DescribeTable tells what changed", "`rowhouse table describe` tells what it is now"},
    {"AlterTable can set frozen to false",
     "`rowhouse table alter NAME --frozen false` makes it take pushes again"},
});

}  // namespace

std::string InCommandWords(absl::string_view message) { return absl::StrReplaceAll(message, kWords); }

}  // namespace rowhouse::cli
