// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What reads bytes that others wrote (the wire, the disk, people), each decoder with what must hold of it for
// every input: not only that it does not crash. libFuzzer makes the inputs (libfuzzer_entry.cc), a test reads
// those that were kept (replay_main.cc). Not thread-safe; one input at a time.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace rowhouse::fuzz {

struct Fuzzer {
  const char* name;
  // Gives the decoder the input and stops the process when something does not hold.
  void (*run)(absl::Span<const uint8_t> input);
  // Inputs to begin with, made by the encoders as they are now, so that none is of an older format.
  std::vector<std::string> (*seeds)();
  size_t most_bytes;  // of an input
};

// Each once, by name.
const std::vector<Fuzzer>& AllFuzzers();
// Null when there is none.
const Fuzzer* FindFuzzer(std::string_view name);
// Puts the seeds of all fuzzers under `directory`, NAME/seed-0 and on. False, having said why, when it
// cannot.
bool WriteSeeds(const std::string& directory);

// Stops the process, naming `what`, unless it holds.
void Require(bool holds, std::string_view what);
// The same unless `status` is a failure of one of these codes that says something.
void RequireError(const absl::Status& status, absl::Span<const absl::StatusCode> codes);

}  // namespace rowhouse::fuzz
