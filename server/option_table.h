// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The one list of server options: every flag, config-file key and environment variable comes from here, so
// that an option is added in three places: the struct, its check, this list. Built once; thread-safe.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/options.h"

namespace rowhouse::server {

struct OptionEntry {
  std::string key;          // as in a config file: memory_budget. The flag is --memory-budget, the variable
                            // ROWHOUSE_MEMORY_BUDGET
  std::string placeholder;  // BYTES, DURATION, ...; empty for a switch
  std::string help;
  bool is_list = false;
  // Parses `text` into the option. InvalidArgument saying what is wrong with the text (the caller adds the
  // key).
  std::function<absl::Status(const std::string& text, ServerOptions* options)> set;
  // The present value as text that `set` takes.
  std::function<std::string(const ServerOptions& options)> get;

  std::string flag() const;
  std::string environment_variable() const;
};

const std::vector<OptionEntry>& OptionTable();
// Null when there is none.
const OptionEntry* FindOption(std::string_view key);
// The key that is nearest to a mistyped one.
std::string NearestOption(std::string_view key);

}  // namespace rowhouse::server
