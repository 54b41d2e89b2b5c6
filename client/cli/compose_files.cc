// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/compose_files.h"

#include <array>
#include <utility>

#include "absl/strings/str_replace.h"

namespace rowhouse::cli {
namespace {

// A test looks for words of a checkout in what is left.
constexpr auto kChanges = std::to_array<std::pair<absl::string_view, absl::string_view>>(
    {{" ./x up makes the image and starts it.\n", "\n"},
     {"made from source when it is not there",
      "must be there: loaded, pulled, or made by ./x up in a checkout"},
     {"  build: {context: ., dockerfile: deploy/Dockerfile, target: runtime}\n", ""},
     {"build: {context: deploy/docker, dockerfile: prometheus.Dockerfile}",
      "build: {context: ., dockerfile: prometheus.Dockerfile}"},
     {"./deploy/docker/prometheus.yml:", "./prometheus.yml:"},
     {"./deploy/prometheus/alerts.yml:", "./alerts.yml:"}});

}  // namespace

std::string StandaloneCompose(std::string_view checkout) {
  return absl::StrReplaceAll(absl::string_view(checkout.data(), checkout.size()), kChanges);
}

}  // namespace rowhouse::cli
