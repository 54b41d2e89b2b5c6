// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/config_reload.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/logging.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

std::string Quoted(const std::string& value) { return value.empty() ? "\"\"" : value; }

void LogChanges(const std::vector<ConfigChange>& changes) {
  for (const ConfigChange& change : changes) {
    RH_LOG_INFO("SIGHUP: {} is {} now, was {} ({})", change.key, Quoted(change.after), Quoted(change.before),
                change.origin);
  }
}

}  // namespace

ConfigDifference Compare(const EffectiveConfig& running, const EffectiveConfig& read) {
  ConfigDifference out;
  for (const OptionEntry& entry : OptionTable()) {
    const std::string before = entry.get(running.options);
    const std::string after = entry.get(read.options);
    if (before == after) continue;
    auto& changes = entry.reloads ? out.reloads : out.needs_restart;
    changes.push_back({entry.key, before, after, read.origin(entry.key)});
  }
  return out;
}

ConfigReloader::ConfigReloader(ConfigSources sources, EffectiveConfig running,
                               std::function<void(const ServerOptions& options)> apply)
    : sources_(std::move(sources)), running_(std::move(running)), apply_(std::move(apply)) {}

void ConfigReloader::Reload() {
  if (sources_.file.empty()) {
    RH_LOG_INFO("SIGHUP: this server has no config file (--config) to read again; nothing changes");
    return;
  }
  const auto read = ResolveConfig(sources_, DataDirectoryIs::kRequired);
  if (!read.ok()) {
    RH_LOG_ERROR("SIGHUP: nothing changes, the config is wrong: {}", std::string(read.status().message()));
    return;
  }
  const ConfigDifference difference = Compare(running_, *read);
  if (difference.reloads.empty() && difference.needs_restart.empty())
    RH_LOG_INFO("SIGHUP: {} read again, nothing differs", sources_.file);
  Apply(difference.reloads);
  if (difference.needs_restart.empty()) return;
  RH_LOG_WARN("SIGHUP: these need a restart and stay as they are: {}",
              absl::StrJoin(difference.needs_restart, ", ", [](std::string* out, const ConfigChange& change) {
                absl::StrAppend(out, change.key, " (is ", Quoted(change.before), ", ", change.origin,
                                " says ", Quoted(change.after), ")");
              }));
}

void ConfigReloader::Apply(const std::vector<ConfigChange>& changes) {
  // A changed level must not hide the lines that tell of it: they go out under the more talkative one.
  const bool said = IsLogged(LogModuleOf(__FILE__), spdlog::level::info);
  if (said) LogChanges(changes);
  for (const ConfigChange& change : changes) {
    const OptionEntry& entry = *FindOption(change.key);
    // The text comes from get(), whose texts set() always takes.
    entry.set(change.after, &running_.options).IgnoreError();
    running_.origins[change.key] = change.origin;
  }
  SetLogLevels(running_.options.log_level, absl::StrJoin(running_.options.log_modules, ","));
  apply_(running_.options);
  if (!said) LogChanges(changes);
}

}  // namespace rowhouse::server
