// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What `rowhouse bench` is asked to do: flags as typed, made into one plain, checked struct. Pure functions.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/render.h"
#include "rowhouse/client.h"

namespace rowhouse::cli::bench {

enum class Operation { kPull, kPush, kMixed };
const char* OperationText(Operation operation);

inline constexpr const char* kPresets[] = {"dlrm-kaggle", "dlrm-mlperf-v2"};

// The text of each flag; empty: not given, so that the preset's value holds, or else the default.
struct WorkloadFlags {
  std::string preset, tables, rows, dim, batch, pooling, zipf, clients, in_flight, duration, warm_up, rate,
      push_share, optimizer, durability, seed;
  bool keep = false, fill = false;
};

struct TableShape {
  uint64_t rows = 1'000'000;  // ids are drawn from 0..rows-1
  uint32_t pooling = 1;       // ids of a sample
};

struct Workload {
  Operation operation = Operation::kPull;
  std::string preset;  // where the defaults came from; empty: none
  std::vector<TableShape> tables = {TableShape()};
  uint32_t dim = 64;
  uint32_t batch = 2048;   // samples of a call
  double zipf = 0;         // exponent; 0: uniform
  uint32_t clients = 1;    // each with its own connection and writer
  uint32_t in_flight = 1;  // calls of a client at once, each on a thread of its own
  absl::Duration duration = absl::Seconds(10), warm_up = absl::Seconds(2);
  double rate = 0;  // calls a second over all clients, latency from the intended start; 0: closed loop
  double push_share = 0.5;  // of the calls of kMixed
  OptimizerConfig::Kind optimizer = OptimizerConfig::Kind::kSgd;
  DurabilityLevel durability = DurabilityLevel::kAsync;
  uint64_t seed = 1;
  bool keep = false;  // the tables stay
  bool fill = false;  // every row is pushed once before

  // InvalidArgument naming flag, value and what is allowed.
  absl::Status Validate() const;

  uint64_t IdsPerCall() const;    // over all tables
  uint64_t BytesPerCall() const;  // of the floats of those rows
  uint32_t workers() const { return clients * in_flight; }
};

// The preset, over it the flags, checked. InvalidArgument naming flag, value and what is allowed.
absl::StatusOr<Workload> MakeWorkload(Operation operation, const WorkloadFlags& flags);

// Everything that makes two measurements comparable, then "run", how it was measured. Lists with a value for
// each table are one number where all tables have the same.
Json WorkloadJson(const Workload& workload);
Json RunJson(const Workload& workload);

}  // namespace rowhouse::cli::bench
