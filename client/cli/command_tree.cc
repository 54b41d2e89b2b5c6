// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/command_tree.h"

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace rowhouse::cli {
namespace {

// CLI11 says a set of allowed words as a part of the type: "TEXT:{table,json}".
void ReadType(const std::string& text, TreeOption* option) {
  const size_t open = text.find('{'), close = text.rfind('}');
  option->type = text.substr(0, text.find(':'));
  if (open == std::string::npos || close == std::string::npos || close < open) return;
  option->choices = absl::StrSplit(text.substr(open + 1, close - open - 1), ',');
}

TreeOption ReadOption(const CLI::Option& from) {
  TreeOption option;
  option.positional = from.get_positional();
  if (option.positional) {
    option.names = {from.get_single_name()};
  } else {
    for (const std::string& name : from.get_snames()) option.names.push_back("-" + name);
    for (const std::string& name : from.get_lnames()) option.names.push_back("--" + name);
  }
  if (from.get_type_size() != 0) ReadType(from.get_type_name(), &option);
  option.help = from.get_description();
  option.standard = from.get_default_str();
  option.variable = from.get_envname();
  option.required = from.get_required();
  option.repeated = from.get_expected_max() > 1;
  return option;
}

void Walk(const CLI::App& app, const std::vector<std::string>& words, std::vector<TreeCommand>* tree) {
  TreeCommand command{.words = words, .help = app.get_description(), .footer = app.get_footer()};
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) command.options.push_back(ReadOption(*option));
  }
  const auto children =
      app.get_subcommands([](const CLI::App* child) { return !child->get_group().empty(); });
  for (const CLI::App* child : children)
    command.children.emplace_back(child->get_name(), child->get_description());
  tree->push_back(std::move(command));
  for (const CLI::App* child : children) {
    std::vector<std::string> below = words;
    below.push_back(child->get_name());
    Walk(*child, below, tree);
  }
}

}  // namespace

std::string TreeCommand::path() const { return absl::StrJoin(words, " "); }

std::vector<TreeCommand> ReadCommandTree(const CLI::App& app) {
  std::vector<TreeCommand> tree;
  Walk(app, {}, &tree);
  return tree;
}

}  // namespace rowhouse::cli
