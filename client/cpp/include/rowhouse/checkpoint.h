// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Checkpoints of a cluster, as Client makes and lists them. Values.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace rowhouse {

enum class CheckpointKind {
  kFull = 1,         // all rows
  kIncremental = 2,  // the rows that changed since its base
  kBarrier = 3,      // no rows: the log since its base, which servers keep with --checkpoint-keep-log
};

struct CheckpointOptions {
  std::string name;  // empty: kind and UTC time
  CheckpointKind kind = CheckpointKind::kFull;
  std::string base;           // kIncremental, kBarrier; empty: the newest that will do
  bool wait_for_cut = false;  // once the rows are written, wait for Client::CutCheckpoint, up to five minutes
};

enum class CheckpointPhase {
  kImage = 1,    // rows are being written; pushes go on
  kWaiting = 2,  // for CutCheckpoint
  kCut = 3,      // pushes are held, for milliseconds
  kLog = 4,      // the log up to the cut is being written; pushes go on
  kPublish = 5,
  kDone = 6,
  kFailed = 7,
  kCancelled = 8,
};

// A checkpoint that is or was being made.
struct CheckpointStatus {
  uint64_t id = 0;
  std::string name;
  CheckpointKind kind = CheckpointKind::kFull;
  std::string base;
  CheckpointPhase phase = CheckpointPhase::kImage;
  absl::Status error;                      // kFailed, kCancelled: why
  uint64_t rows_seen = 0, rows_total = 0;  // the total is an estimate
  uint64_t rows_written = 0, bytes_written = 0;
  uint32_t cut_attempts = 0;
  uint64_t hold_micros = 0;  // how long pushes were held
  int64_t began_unix_micros = 0, ended_unix_micros = 0;
  bool ended() const { return phase >= CheckpointPhase::kDone; }
};

// A complete one.
struct CheckpointInfo {
  std::string name;
  uint64_t id = 0;
  CheckpointKind kind = CheckpointKind::kFull;
  std::string base;
  uint64_t history = 0;  // that it is a moment of
  int64_t begin_unix_micros = 0, cut_unix_micros = 0;
  uint64_t hold_micros = 0;
  uint64_t rows = 0, bytes = 0;
  uint32_t tables = 0;
  uint32_t incomplete_pushes = 0;  // of which only parts are in it: their writers died
  std::string error;               // not empty: why its manifest cannot be read; the rest is not known
};

struct CheckpointList {
  std::string directory;                    // on server 0
  std::vector<CheckpointInfo> checkpoints;  // oldest cut first
  std::chrono::milliseconds every{0};       // server 0 makes one so often; 0: only when asked
  uint32_t keep = 0;                        // scheduled ones that stay
};

// How far a checkpoint that the cluster was restored from knew a writer; zeros when it did not.
struct RestoredWriter {
  uint64_t seq = 0;   // all pushes up to it are in
  uint64_t step = 0;  // the highest step of its pushes: a trainer goes on with the next one
};

}  // namespace rowhouse
