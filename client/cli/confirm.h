// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The question before something is destroyed. One thread; reads stdin.

#include <string>

#include "absl/status/status.h"

namespace rowhouse::cli {

// OK with `yes`. Else, on a terminal, says `what` ("dropping table ... deletes its rows") and wants `name`
// typed: Cancelled when something else is. Without a terminal InvalidArgument: nobody is there to be asked,
// and --yes is the way out.
absl::Status Confirm(const std::string& what, const std::string& name, bool yes);

}  // namespace rowhouse::cli
