// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The text of one option, as a flag or a variable gives it. An input is a byte that says which, then the
// text.

#include "server/option_table.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

void Run(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const std::vector<server::OptionEntry>& table = server::OptionTable();
  const server::OptionEntry& entry = table[in.Take<uint8_t>() % table.size()];
  const std::string text = AsString(in.rest());
  server::ServerOptions options;
  absl::Status set;
  {
    const MemoryScope memory;
    set = entry.set(text, &options);
    // A list's item of one byte is a string.
    memory.RequireAtMost(16 << 10, 128, text.size());
  }
  if (!set.ok()) return RequireError(set, {absl::StatusCode::kInvalidArgument});
  const absl::Status check = entry.check(options, entry.flag());
  if (!check.ok()) return RequireError(check, {absl::StatusCode::kInvalidArgument});
  const std::string shown = entry.get(options);
  server::ServerOptions again;
  Require(entry.set(shown, &again).ok(), "a value as it is shown cannot be set");
  Require(entry.get(again) == shown, "a value as it is shown is another");
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  const std::vector<server::OptionEntry>& table = server::OptionTable();
  for (size_t i = 0; i < table.size(); ++i)
    seeds.push_back(std::string(1, static_cast<char>(i)) + table[i].get({}));
  return seeds;
}

}  // namespace

Fuzzer OptionFuzzer() { return {"option", Run, Seeds, 256}; }

}  // namespace rowhouse::fuzz
