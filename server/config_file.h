// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The YAML file of `rowhouse server --config FILE`: sections of keys, as OptionTable() names them.
//
//   memory:
//     budget: 4GiB

#include <map>
#include <string>

#include "absl/status/status.h"
#include "server/options.h"

namespace rowhouse::server {

// Where options came from, by key: "rowhouse.yaml:12", an environment variable's name, a flag. Keys that are
// not in it have their default.
using Origins = std::map<std::string, std::string>;

// Sets what the file sets in `options` (and in `origins`, unless null) and leaves the rest. InvalidArgument
// naming file, line and key: an unknown section or key (with the nearest one), one given twice, a value of
// the wrong type, unit or range. NotFound when there is no such file. On an error nothing is changed.
absl::Status LoadConfigFile(const std::string& path, ServerOptions* options, Origins* origins = nullptr);

// The same from text; `name` stands for the file in errors and origins.
absl::Status ParseConfig(const std::string& name, const std::string& text, ServerOptions* options,
                         Origins* origins = nullptr);

}  // namespace rowhouse::server
