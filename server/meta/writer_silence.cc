// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/meta/writer_silence.h"

#include <algorithm>

#include "common/status_macros.h"

namespace rowhouse::server {

absl::StatusOr<std::vector<absl::Duration>> SilenceOnEveryServer(absl::Span<const WriterId> living,
                                                                 WriterActivity* activity, Peers* peers) {
  std::vector<absl::Duration> silences = activity->SilenceOf(living);
  if (peers == nullptr) return silences;
  RH_ASSIGN_OR_RETURN(const std::vector<absl::Duration> elsewhere, peers->SilenceOf(living));
  for (size_t i = 0; i < silences.size(); ++i) silences[i] = std::min(silences[i], elsewhere[i]);
  return silences;
}

}  // namespace rowhouse::server
