// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Sizes and times as people write them.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/units.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

void Run(absl::Span<const uint8_t> input) {
  const std::string text = AsString(input);
  const MemoryScope memory;
  const absl::StatusOr<uint64_t> bytes = ParseBytes(text);
  const absl::StatusOr<absl::Duration> duration = ParseDuration(text);
  memory.RequireAtMost(4096, 8, text.size());
  if (bytes.ok()) {
    const absl::StatusOr<uint64_t> again = ParseBytes(absl::StrCat(*bytes));
    Require(again.ok() && *again == *bytes, "a number of bytes is not read as itself");
    Require(!FormatBytes(*bytes).empty(), "a size has no text");
  } else {
    RequireError(bytes.status(), {absl::StatusCode::kInvalidArgument});
    Require(absl::StrContains(bytes.status().message(), text), "an error does not show the text");
  }
  if (duration.ok()) {
    Require(*duration >= absl::ZeroDuration() && *duration < absl::InfiniteDuration(), "a time is none");
    Require(ParseDuration(absl::FormatDuration(*duration)).ok(), "a time as it is shown is refused");
  } else {
    RequireError(duration.status(), {absl::StatusCode::kInvalidArgument});
    Require(absl::StrContains(duration.status().message(), text), "an error does not show the text");
  }
}

std::vector<std::string> Seeds() {
  return {"512MiB", " 4 GB ", "18446744073709551615", "17592186044416 kib", "1h30m", "200ms", "1.5s",
          "0",      "-1s"};
}

}  // namespace

Fuzzer UnitsFuzzer() { return {"units", Run, Seeds, 64}; }

}  // namespace rowhouse::fuzz
