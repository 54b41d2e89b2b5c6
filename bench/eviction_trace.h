// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What eviction policies are asked for: traces of keys from files and from generators, and their replay.
//
// Thread rule: none shared.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/eviction_policy.h"

namespace rowhouse::bench {

struct Trace {
  std::string name;
  std::vector<Key> keys;
  // A pass over all rows, whose requests count neither as hits nor as misses. Equal: there is none.
  size_t scan_begin = 0;
  size_t scan_end = 0;
};

// Appends the keys of a file, whose form its name tells: .trace, signed 64-bit big-endian numbers; .tsv,
// lines of Criteo's display advertising set, a key for each category that is not empty, of its column and its
// value; any other, a key a line, a decimal number or any other text. A further .gz or .xz is unpacked by
// that program. On failure the status says what is wrong with the path.
absl::Status AppendTraceFile(const std::string& path, std::vector<Key>* keys);

// Requests of a Zipf 0.99 over rows 0 .. rows - 1. Before each twentieth of them but the first, a tenth of
// the rows, drawn at random, exchange their popularity.
Trace ShiftingZipfTrace(size_t rows, size_t requests);
// The same without shifts, and a pass over all rows, by ascending key, after the half.
Trace ScannedZipfTrace(size_t rows, size_t requests);

size_t DistinctKeys(const Trace& trace);

enum class Mode : uint8_t {
  kPull,   // each request is a pull of one row
  kTrain,  // steps of 256 requests: all are pulled, what is absent comes in, then each row is pushed once
  kPush,   // each request is a push of one row
};

struct ReplayResult {
  double hit_ratio = 0;    // of the requests outside the scan: found in memory
  double before_scan = 0;  // the same, of the last requests before the scan ...
  double after_scan = 0;   // ... and of the first ones after it; an eighth of the trace's requests
  double push_misses = 0;  // kTrain: pushes whose row had left since its pull, for each request
};
ReplayResult Replay(const Trace& trace, Mode mode, EvictionPolicy* policy);

}  // namespace rowhouse::bench
