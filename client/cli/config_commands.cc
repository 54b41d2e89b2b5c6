// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse config print-defaults | validate | show | reference

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "client/cli/server_flags.h"
#include "common/status_macros.h"
#include "server/config_text.h"
#include "server/option_table.h"

namespace rowhouse::cli {
namespace {

using server::EffectiveConfig;
using server::OptionEntry;
using server::OptionType;

absl::Status Print(const std::string& text) { return Write(text) ? absl::OkStatus() : OutputClosed(); }

absl::Status ValidateFile(const std::string& file) {
  const server::ConfigSources sources{.file = file, .environment = {}, .flags = {}};
  RH_RETURN_IF_ERROR(server::ResolveConfig(sources, server::DataDirectoryIs::kOptional).status());
  return Print(absl::StrCat(file, " is valid\n"));
}

// As YAML would read the file's value.
Json ValueOf(const OptionEntry& entry, const server::ServerOptions& options) {
  const std::string text = entry.get(options);
  switch (entry.type) {
    case OptionType::kNumber: {
      int64_t number = 0;
      return absl::SimpleAtoi(text, &number) ? Json(number) : Json(text);
    }
    case OptionType::kSwitch:
      return text == "true";
    case OptionType::kList: {
      Json list = Json::array();
      for (size_t start = 0; start < text.size();) {
        const size_t end = std::min(text.find(',', start), text.size());
        list.push_back(text.substr(start, end - start));
        start = end + 1;
      }
      return list;
    }
    case OptionType::kText:
    case OptionType::kBytes:
    case OptionType::kDuration:
      break;
  }
  return text;
}

// For programs: sections of keys, which without origins is a config file again.
Listing Nested(const EffectiveConfig& config, bool origin) {
  Listing listing{.columns = {}, .rows = {{}}, .single = true};
  for (const std::string& section : server::OptionSections()) {
    Json keys = Json::object();
    for (const OptionEntry& entry : server::OptionTable()) {
      if (entry.section() != section) continue;
      const Json value = ValueOf(entry, config.options);
      keys[entry.name()] = origin ? Json({{"value", value}, {"origin", config.origin(entry.key)}}) : value;
    }
    listing.columns.push_back({section, section});
    listing.rows[0].push_back(std::move(keys));
  }
  return listing;
}

Listing Flat(const EffectiveConfig& config, bool origin) {
  Listing listing{.columns = {{"key", "KEY"}, {"value", "VALUE"}}, .rows = {}};
  if (origin) listing.columns.push_back({"origin", "ORIGIN"});
  for (const OptionEntry& entry : server::OptionTable()) {
    const std::string value = entry.get(config.options);
    listing.rows.push_back({entry.key, value.empty() ? Json() : Json(value)});
    if (origin) listing.rows.back().push_back(config.origin(entry.key));
  }
  return listing;
}

absl::Status ShowConfig(const ServerFlags& flags, bool origin, const std::string& output) {
  RH_ASSIGN_OR_RETURN(const EffectiveConfig config,
                      server::ResolveConfig(flags.Sources(), server::DataDirectoryIs::kOptional));
  const bool nested = IsNested(FormatOf(output));
  return Show(nested ? Nested(config, origin) : Flat(config, origin), output) ? absl::OkStatus()
                                                                              : OutputClosed();
}

}  // namespace

void AddConfigCommands(CLI::App& app, Selected* selected) {
  CLI::App* config = app.add_subcommand("config", "Print, check and explain the configuration of a server");
  config->require_subcommand(1);

  CLI::App* defaults =
      config->add_subcommand("print-defaults", "Print a config file with every key, commented");
  defaults->footer("Examples:\n  rowhouse config print-defaults > rowhouse.yaml");
  OnRun(*defaults, selected, [] { return Print(server::DefaultConfigYaml()); });

  CLI::App* validate = config->add_subcommand(
      "validate", "Check a config file by itself; exit code 2 and FILE:LINE when it is wrong");
  auto file = std::make_shared<std::string>();
  validate->add_option("FILE", *file, "YAML file")->required()->type_name("FILE");
  validate->footer("Examples:\n  rowhouse config validate /etc/rowhouse/rowhouse.yaml");
  OnRun(*validate, selected, [=] { return ValidateFile(*file); });

  CLI::App* show = config->add_subcommand(
      "show", "Show what a server with these flags, this environment and this file is told");
  const auto flags = AddServerFlags(*show);
  auto origin = std::make_shared<bool>(false);
  auto output = std::make_shared<std::string>();
  show->add_flag("--origin", *origin,
                 "Also show where each value was set: default, FILE:LINE, variable, flag");
  AddOutputFlag(*show, output.get());
  show->footer(
      "Without --origin, -o yaml prints a config file.\n"
      "Examples:\n  rowhouse config show --origin --memory-budget 4GiB\n"
      "  rowhouse config show --config /etc/rowhouse/rowhouse.yaml -o json");
  OnRun(*show, selected, [=] { return ShowConfig(*flags, *origin, *output); });

  CLI::App* reference =
      config->add_subcommand("reference", "Print the reference page of all keys as Markdown");
  reference->group("");  // for the documentation, not for a terminal
  reference->footer("Examples:\n  rowhouse config reference > docs/reference/config.md");
  OnRun(*reference, selected, [] { return Print(server::ConfigReferenceMarkdown()); });
}

}  // namespace rowhouse::cli
