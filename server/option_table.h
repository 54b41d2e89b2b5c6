// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The one list of server options: flags, keys of the config file, environment variables, limits, help and
// reference pages all come from here, so that an option is added in two places: the struct and this list.
// Built once; thread-safe.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/options.h"

namespace rowhouse::server {

enum class OptionType { kText, kBytes, kDuration, kNumber, kSwitch, kList };

struct OptionEntry {
  OptionType type = OptionType::kText;
  std::string key;          // section and name: memory.budget
  std::string flag_name;    // memory-budget
  std::string placeholder;  // BYTES, DURATION, ...; empty for a switch
  std::string help;         // one line, without a full stop
  std::string range;        // what `check` allows, in words: "128MiB to 64TiB"; empty: any
  bool reloads = false;     // SIGHUP applies it; the others wait for a restart
  // Parses `text` into the option. InvalidArgument saying what is wrong with the text (the caller adds where
  // it came from).
  std::function<absl::Status(const std::string& text, ServerOptions* options)> set;
  // The present value as text that `set` takes, exactly.
  std::function<std::string(const ServerOptions& options)> get;
  // Whether the value by itself is one that a server takes. InvalidArgument naming the option by `name`, the
  // value and what is allowed.
  std::function<absl::Status(const ServerOptions& options, const std::string& name)> check;

  bool is_list() const { return type == OptionType::kList; }
  bool is_switch() const { return type == OptionType::kSwitch; }
  std::string section() const;               // memory
  std::string name() const;                  // budget
  std::string flag() const;                  // --memory-budget
  std::string environment_variable() const;  // ROWHOUSE__MEMORY__BUDGET
  // What --help says: help, range, whether it reloads.
  std::string full_help() const;
};

// Entries of a section stand together.
const std::vector<OptionEntry>& OptionTable();
// By key (memory.budget), or by the flag's name with dashes or underscores; null when there is none.
const OptionEntry* FindOption(std::string_view name);
// The keys' sections, each once, in the order of the table.
std::vector<std::string> OptionSections();
// What a section is about, for the head of its part of a file.
std::string SectionHelp(std::string_view section);

}  // namespace rowhouse::server
