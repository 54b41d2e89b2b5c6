// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/effective_config.h"

#include <unistd.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/nearest_word.h"
#include "common/status_macros.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

constexpr char kPrefix[] = "ROWHOUSE__";

absl::Status SetFrom(const std::string& origin, const OptionEntry& entry, const std::string& text,
                     EffectiveConfig* config) {
  const absl::Status set = entry.set(text, &config->options);
  if (!set.ok()) return absl::InvalidArgumentError(absl::StrCat(origin, ": ", set.message()));
  RH_RETURN_IF_ERROR(entry.check(config->options, origin));
  config->origins[entry.key] = origin;
  return absl::OkStatus();
}

absl::Status SetFromEnvironment(const std::map<std::string, std::string>& environment,
                                EffectiveConfig* config) {
  std::map<std::string, const OptionEntry*> entries;
  std::vector<std::string> names;
  for (const OptionEntry& entry : OptionTable()) {
    names.push_back(entry.environment_variable());
    entries[names.back()] = &entry;
  }
  for (const auto& [name, value] : environment) {
    if (!absl::StartsWith(name, kPrefix)) continue;
    if (entries.count(name) == 0) {
      return absl::InvalidArgumentError(absl::StrCat("unknown environment variable ", name, "; did you mean ",
                                                     NearestWord(name, names), "?"));
    }
    RH_RETURN_IF_ERROR(SetFrom(name, *entries[name], value, config));
  }
  return absl::OkStatus();
}

bool Mentions(absl::string_view message, const std::string& flag) {
  for (size_t at = message.find(flag); at != absl::string_view::npos; at = message.find(flag, at + 1)) {
    const size_t end = at + flag.size();
    if (end == message.size() ||
        (message[end] != '-' && !absl::ascii_isalnum(static_cast<unsigned char>(message[end]))))
      return true;
  }
  return false;
}

// Validate() knows flags; this adds where each one that it names was given.
absl::Status WithOrigins(const absl::Status& status, const EffectiveConfig& config) {
  std::vector<std::string> origins;
  for (const OptionEntry& entry : OptionTable()) {
    const std::string origin = config.origin(entry.key);
    if (origin != entry.flag() && origin != kDefaultOrigin && Mentions(status.message(), entry.flag()))
      origins.push_back(absl::StrCat(entry.flag(), " is set by ", origin));
  }
  if (origins.empty()) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), " (", absl::StrJoin(origins, ", "), ")"));
}

}  // namespace

std::string EffectiveConfig::origin(const std::string& key) const {
  const auto it = origins.find(key);
  return it == origins.end() ? kDefaultOrigin : it->second;
}

absl::StatusOr<EffectiveConfig> ResolveConfig(const ConfigSources& sources, DataDirectoryIs data_directory) {
  EffectiveConfig config;
  if (!sources.file.empty())
    RH_RETURN_IF_ERROR(LoadConfigFile(sources.file, &config.options, &config.origins));
  RH_RETURN_IF_ERROR(SetFromEnvironment(sources.environment, &config));
  for (const OptionEntry& entry : OptionTable()) {
    const auto flag = sources.flags.find(entry.key);
    if (flag != sources.flags.end()) RH_RETURN_IF_ERROR(SetFrom(entry.flag(), entry, flag->second, &config));
  }
  ServerOptions checked = config.options;
  if (data_directory == DataDirectoryIs::kOptional && checked.data_directory.empty())
    checked.data_directory = "/any";
  const absl::Status valid = checked.Validate();
  if (!valid.ok()) return WithOrigins(valid, config);
  return config;
}

std::map<std::string, std::string> ConfigEnvironment() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const absl::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != absl::string_view::npos && absl::StartsWith(text, kPrefix))
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

}  // namespace rowhouse::server
