// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The YAML file of a server. What is refused changes nothing and names file and line; what is taken is the
// same when each option is written and set again.

#include "absl/strings/match.h"
#include "server/config_file.h"
#include "server/config_text.h"
#include "server/option_table.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

constexpr char kName[] = "rowhouse.yaml";
// yaml-cpp makes a node, its reference and its data of every scalar and sequence, of one byte at the least.
constexpr size_t kMemoryFixed = 256 << 10, kMemoryFactor = 2048;

std::vector<std::string> ValuesOf(const server::ServerOptions& options) {
  std::vector<std::string> values;
  for (const server::OptionEntry& entry : server::OptionTable()) values.push_back(entry.get(options));
  return values;
}

void Run(absl::Span<const uint8_t> input) {
  const std::vector<std::string> before = ValuesOf({});
  server::ServerOptions options;
  server::Origins origins;
  const std::string text = AsString(input);
  absl::Status parsed;
  {
    const MemoryScope memory;
    parsed = server::ParseConfig(kName, text, &options, &origins);
    memory.RequireAtMost(kMemoryFixed, kMemoryFactor, text.size());
  }
  const std::vector<std::string> values = ValuesOf(options);
  if (!parsed.ok()) {
    RequireError(parsed, {absl::StatusCode::kInvalidArgument});
    Require(absl::StartsWith(parsed.message(), kName), "an error names no file");
    return Require(values == before && origins.empty(), "a file that was refused changed options");
  }
  server::ServerOptions again;
  for (size_t i = 0; i < values.size(); ++i) {
    const server::OptionEntry& entry = server::OptionTable()[i];
    Require(entry.check(options, entry.key).ok(), "a value out of range is taken");
    Require(entry.set(values[i], &again).ok(), "a value as it is shown cannot be set");
    Require(values[i] == before[i] || origins.count(entry.key) == 1, "a value comes from nowhere");
  }
  Require(ValuesOf(again) == values, "options as they are shown are others");
  const absl::Status valid = options.Validate();
  if (!valid.ok()) RequireError(valid, {absl::StatusCode::kInvalidArgument});
}

std::vector<std::string> Seeds() {
  return {
      "memory:\n  budget: 4GiB\n",
      "# a comment\ncluster:\n  partitions: 16\n  servers: [\"a:1\", 'b:2']\nlog:\n  sync_interval: 1m30s\n",
      "listen:\n  insecure: true\n  grpc: \"[::1]:7600\"\n---\n",
      "a: &x [*x, {b: !!int 1}]\n? |\n  c\n: >-\n  d\n",
  };
}

}  // namespace

Fuzzer ConfigFuzzer() { return {"config", Run, Seeds, 1024}; }

}  // namespace rowhouse::fuzz
