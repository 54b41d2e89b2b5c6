// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The flags of a server on a command: --config and one for each entry of OptionTable(). One thread.

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>

#include "server/effective_config.h"

namespace rowhouse::cli {

struct ServerFlags {
  std::string config;                         // path; empty: none
  std::map<std::string, std::string> values;  // by key
  std::map<std::string, CLI::Option*> options;

  // What was given, with the environment of this process. Requires: the command line is parsed.
  server::ConfigSources Sources() const;
};

std::shared_ptr<ServerFlags> AddServerFlags(CLI::App& command);

}  // namespace rowhouse::cli
