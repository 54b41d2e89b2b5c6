// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/config_file.h"

#include <yaml-cpp/yaml.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "common/file_system.h"
#include "common/status_macros.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;

absl::Status At(const std::string& name, const YAML::Mark& mark, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ":", mark.line + 1, ": ", what));
}

// A sequence becomes its items joined by commas.
absl::StatusOr<std::string> TextOf(const OptionEntry& entry, const YAML::Node& value) {
  if (value.IsScalar()) return value.Scalar();
  if (value.IsNull()) return std::string();
  if (!value.IsSequence()) return absl::InvalidArgumentError("want a single value, got a mapping");
  if (!entry.is_list) return absl::InvalidArgumentError("want a single value, got a list");
  std::string joined;
  for (const YAML::Node& item : value) {
    if (!item.IsScalar()) return absl::InvalidArgumentError("want a list of single values");
    absl::StrAppend(&joined, joined.empty() ? "" : ",", item.Scalar());
  }
  return joined;
}

}  // namespace

absl::Status ParseConfig(const std::string& name, const std::string& text, ServerOptions* options) {
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& error) {  // yaml-cpp knows no other way to say it
    return At(name, error.mark, error.msg);
  }
  if (root.IsNull()) return absl::OkStatus();
  if (!root.IsMap()) return At(name, root.Mark(), "want a mapping of keys to values");
  ServerOptions next = *options;
  std::set<std::string> seen;
  for (const auto& pair : root) {
    if (!pair.first.IsScalar()) return At(name, pair.first.Mark(), "a key must be a plain word");
    const std::string key = pair.first.Scalar();
    const OptionEntry* entry = FindOption(key);
    if (entry == nullptr) {
      return At(name, pair.first.Mark(),
                absl::StrCat("unknown key \"", key, "\"; did you mean \"", NearestOption(key), "\"?"));
    }
    if (!seen.insert(key).second) return At(name, pair.first.Mark(), absl::StrCat(key, " is given twice"));
    const auto value = TextOf(*entry, pair.second);
    const absl::Status set = value.ok() ? entry->set(*value, &next) : value.status();
    if (!set.ok()) return At(name, pair.first.Mark(), absl::StrCat(key, ": ", set.message()));
  }
  *options = std::move(next);
  return absl::OkStatus();
}

absl::Status LoadConfigFile(const std::string& path, ServerOptions* options) {
  RH_ASSIGN_OR_RETURN(const std::string text, ReadFile(*PosixFileSystem(), path, kMaxConfigBytes));
  return ParseConfig(path, text, options);
}

}  // namespace rowhouse::server
