// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/server_flags.h"

#include "server/option_table.h"

namespace rowhouse::cli {

server::ConfigSources ServerFlags::Sources() const {
  server::ConfigSources sources{.file = config, .environment = server::ConfigEnvironment(), .flags = {}};
  for (const auto& [key, option] : options) {
    if (option->count() > 0) sources.flags[key] = values.at(key);
  }
  return sources;
}

std::shared_ptr<ServerFlags> AddServerFlags(CLI::App& command) {
  auto flags = std::make_shared<ServerFlags>();
  command
      .add_option("--config", flags->config, "YAML file of these options; see rowhouse config print-defaults")
      ->envname("ROWHOUSE_CONFIG")
      ->type_name("FILE");
  const server::ServerOptions defaults;
  for (const server::OptionEntry& entry : server::OptionTable()) {
    std::string& value = flags->values[entry.key];
    const std::string help = entry.full_help();
    CLI::Option* option = entry.is_switch() ? command.add_flag(entry.flag(), value, help)
                                            : command.add_option(entry.flag(), value, help);
    if (!entry.is_switch()) option->type_name(entry.placeholder)->default_str(entry.get(defaults));
    flags->options[entry.key] = option;
  }
  return flags;
}

}  // namespace rowhouse::cli
