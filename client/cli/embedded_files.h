// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Files of the source tree that are in the program too, word for word; the build makes embedded_files.cc.

#include <string_view>

namespace rowhouse::cli {

struct EmbeddedFile {
  std::string_view path;  // in the source tree
  std::string_view text;
};

// Null when the file was not there at build time. `path` as the build was told: deploy/prometheus/alerts.yml.
const EmbeddedFile* FindEmbeddedFile(std::string_view path);

}  // namespace rowhouse::cli
