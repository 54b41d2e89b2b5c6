// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The pages that are made of OptionTable(): deploy/config/rowhouse.yaml and docs/reference/config.md. Pure
// functions.

#include <string>

namespace rowhouse::server {

// A config file with every key, its help, unit, default, range and whether SIGHUP reloads it. Values are
// comments, since all are the default; ParseConfig reads it.
std::string DefaultConfigYaml();

// The same as a page of Markdown, with flags and environment variables.
std::string ConfigReferenceMarkdown();

}  // namespace rowhouse::server
