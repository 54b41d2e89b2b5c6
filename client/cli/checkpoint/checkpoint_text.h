// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Checkpoints as they are shown: columns and rows for Render. Pure functions.

#include <string>
#include <vector>

#include "client/cli/render.h"
#include "rowhouse/checkpoint.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/manifest.h"

namespace rowhouse::cli {

// "full", "incremental", "barrier".
std::string KindText(CheckpointKind kind);
// "image", "waiting", ... "cancelled".
std::string PhaseText(CheckpointPhase phase);
// UTC, to the millisecond; "-" for 0.
std::string MomentText(int64_t unix_micros);
// "2.4ms".
std::string MicrosText(uint64_t micros);

CheckpointInfo InfoOf(const server::Manifest& manifest);
CheckpointInfo InfoOf(const server::CheckpointStore::Listed& listed);

// One line each. The column of errors is there when one has an error, or for programs.
Listing CheckpointsListing(const std::vector<CheckpointInfo>& checkpoints, OutputFormat format);
// A job with its fields.
Listing JobListing(const CheckpointStatus& job);

// All that the manifests say.
struct CheckpointDetail {
  std::vector<server::Manifest> chain;  // full one first; the one described last
  std::vector<server::ServerManifest> servers;
};
// For programs: nested. For people: fields, then a table for each list; `wide` also every
// partition. `columns` as in Render.
Listing DetailListing(const CheckpointDetail& detail);
std::string DetailText(const CheckpointDetail& detail, bool wide, size_t columns);

}  // namespace rowhouse::cli
