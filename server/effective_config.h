// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server is told in all, and by whom: defaults, then the config file, then ROWHOUSE__SECTION__KEY in
// the environment, then flags; each goes over the ones before. Pure but for reading the file; thread-safe.

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "server/config_file.h"
#include "server/options.h"

namespace rowhouse::server {

struct ConfigSources {
  std::string file;                                // path; empty: none
  std::map<std::string, std::string> environment;  // all variables; those of ROWHOUSE__ count
  std::map<std::string, std::string> flags;        // those that were given, by key
};

inline constexpr char kDefaultOrigin[] = "default";

struct EffectiveConfig {
  ServerOptions options;
  Origins origins;

  // "default", "FILE:LINE", a variable's name or a flag.
  std::string origin(const std::string& key) const;
};

enum class DataDirectoryIs { kRequired, kOptional };

// InvalidArgument naming the value's origin: what LoadConfigFile says; a variable that begins with ROWHOUSE__
// and is no option's (with the nearest one); a value of wrong type, unit or range; options that contradict
// each other, with the origins of both. NotFound for a file that is not there. kOptional: a missing data.dir
// is no error.
absl::StatusOr<EffectiveConfig> ResolveConfig(const ConfigSources& sources, DataDirectoryIs data_directory);

// Variables of this process that ResolveConfig looks at.
std::map<std::string, std::string> ConfigEnvironment();

}  // namespace rowhouse::server
