// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What SIGHUP does: the config is read again and what may change while the server runs is applied. Used by
// one thread.

#include <functional>
#include <string>
#include <vector>

#include "server/effective_config.h"

namespace rowhouse::server {

struct ConfigChange {
  std::string key, before, after, origin;
};

struct ConfigDifference {
  std::vector<ConfigChange> reloads;        // of options that reload
  std::vector<ConfigChange> needs_restart;  // of the others
};

// Options whose values differ, in the order of the table. A value that went is named with its new origin.
ConfigDifference Compare(const EffectiveConfig& running, const EffectiveConfig& read);

class ConfigReloader {
 public:
  // `running` is what `sources` gave at the start. `apply` takes the options of the server that reload; the
  // log's levels are set beside it.
  ConfigReloader(ConfigSources sources, EffectiveConfig running,
                 std::function<void(const ServerOptions& options)> apply);

  // Reads the sources again. One log line for each change that is applied, at level info, and one warning
  // naming all that wait for a restart. Anything wrong with the file is one line at level error, and nothing
  // changes; without a file there is nothing to read, which is one line too.
  void Reload();

  // What the server runs with now.
  const EffectiveConfig& running() const { return running_; }

 private:
  void Apply(const std::vector<ConfigChange>& changes);

  const ConfigSources sources_;
  EffectiveConfig running_;
  const std::function<void(const ServerOptions& options)> apply_;
};

}  // namespace rowhouse::server
