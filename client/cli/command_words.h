// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Errors of the client library and of servers name what a program would use: an option, a method. Whoever
// reads them here has flags and commands. Pure.

#include <string>

#include "absl/strings/string_view.h"

namespace rowhouse::cli {

// `message` with the ways out that it names as those of the command line: "see retry_timeout" as "see
// --timeout". The rest stays.
std::string InCommandWords(absl::string_view message);

}  // namespace rowhouse::cli
