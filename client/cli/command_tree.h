// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The command tree as data: what completions and the reference are made of. Pure functions.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace rowhouse::cli {

struct TreeOption {
  std::vector<std::string> names;  // "-o", "--output"; one bare word for a positional
  std::string type;                // TEXT, UINT, FILE, DIR, TABLE, ...; empty for a switch
  std::vector<std::string> choices;
  std::string help, standard, variable;  // default value; environment variable
  bool positional = false, required = false, repeated = false;
};

struct TreeCommand {
  std::vector<std::string> words;  // "table", "create"; none for the program itself
  std::string help, footer;
  std::vector<TreeOption> options;                            // in the order of --help
  std::vector<std::pair<std::string, std::string>> children;  // word and help
  bool leaf() const { return children.empty(); }
  std::string path() const;  // "table create"
};

// The program, then every command before those below it; hidden ones are left out.
std::vector<TreeCommand> ReadCommandTree(const CLI::App& app);

// docs/reference/cli.md.
std::string ReferencePage(const std::vector<TreeCommand>& tree);
// Completion scripts; table names are asked from the cluster when they are wanted.
std::string BashCompletion(const std::vector<TreeCommand>& tree);
std::string ZshCompletion(const std::vector<TreeCommand>& tree);
std::string FishCompletion(const std::vector<TreeCommand>& tree);

}  // namespace rowhouse::cli
