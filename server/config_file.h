// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The YAML file of `rowhouse server --config FILE`: a mapping from the flags' names, with underscores, to
// values.

#include <string>

#include "absl/status/status.h"
#include "server/options.h"

namespace rowhouse::server {

// Sets what the file sets in `options` and leaves the rest. InvalidArgument naming file, line and key: an
// unknown key (with the nearest one), a key given twice, a value of the wrong type or unit. NotFound when
// there is no such file.
absl::Status LoadConfigFile(const std::string& path, ServerOptions* options);

// The same from text; `name` stands for the file in errors.
absl::Status ParseConfig(const std::string& name, const std::string& text, ServerOptions* options);

}  // namespace rowhouse::server
