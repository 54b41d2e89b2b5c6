// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The compose file of a checkout as one that stands alone: from an installed program, in a directory of its
// own. Pure.

#include <string>
#include <string_view>

namespace rowhouse::cli {

// In the source tree, and embedded in the program.
inline constexpr char kComposePath[] = "docker-compose.yml";

struct ComposeFile {
  const char* path;  // in the source tree, and embedded
  const char* name;  // beside the compose file
};
// What the standalone file mounts or builds from.
inline constexpr ComposeFile kComposeFiles[] = {
    {"deploy/docker/prometheus.yml", "prometheus.yml"},
    {"deploy/prometheus/alerts.yml", "alerts.yml"},
    {"deploy/docker/prometheus.Dockerfile", "prometheus.Dockerfile"}};

// `checkout` without what only a checkout has: the build of the servers' image, and paths into deploy/.
std::string StandaloneCompose(std::string_view checkout);

}  // namespace rowhouse::cli
