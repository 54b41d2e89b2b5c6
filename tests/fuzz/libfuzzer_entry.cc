// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// libFuzzer's way into the fuzzers. One program has all of them:
//
//   rowhouse_fuzz --fuzzer=push_request CORPUS... [libFuzzer's options]
//   rowhouse_fuzz --list               a line for each: its name and the most bytes of an input
//   rowhouse_fuzz --write-seeds=DIR    inputs to begin with, in a folder for each

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/fuzz/fuzzer.h"

namespace rowhouse::fuzz {
namespace {

const Fuzzer* chosen = nullptr;

[[noreturn]] void List() {
  for (const Fuzzer& fuzzer : AllFuzzers()) std::printf("%s %zu\n", fuzzer.name, fuzzer.most_bytes);
  std::exit(0);
}

void Choose(std::string_view argument) {
  constexpr std::string_view kFuzzer = "--fuzzer=", kSeeds = "--write-seeds=";
  if (argument == "--list") List();
  if (argument.substr(0, kSeeds.size()) == kSeeds)
    std::exit(WriteSeeds(std::string(argument.substr(kSeeds.size()))) ? 0 : 1);
  if (argument.substr(0, kFuzzer.size()) == kFuzzer) chosen = FindFuzzer(argument.substr(kFuzzer.size()));
}

}  // namespace
}  // namespace rowhouse::fuzz

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  for (int i = 1; i < *argc; ++i) rowhouse::fuzz::Choose((*argv)[i]);
  if (rowhouse::fuzz::chosen != nullptr) return 0;
  std::fprintf(stderr, "--fuzzer=NAME is missing, or no fuzzer's; --list names them\n");
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rowhouse::fuzz::chosen->run({data, size});
  return 0;
}
