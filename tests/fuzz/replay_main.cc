// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Runs every seed and every kept input through every fuzzer, not only its own, without libFuzzer:
//
//   unit_fuzz_corpus_test CORPUS      CORPUS: tests/fuzz/corpus, a folder for each fuzzer

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"

namespace rowhouse::fuzz {
namespace {

using Inputs = std::vector<std::pair<std::string, std::string>>;  // what it is, its bytes

std::string current;  // what is being run, for OnDeath

// Names the input that the process dies of.
void OnDeath(int signal) {
  constexpr char kWords[] = "the process ends in ";
  [[maybe_unused]] ssize_t told = write(STDERR_FILENO, kWords, sizeof(kWords) - 1);
  told = write(STDERR_FILENO, current.data(), current.size());
  told = write(STDERR_FILENO, "\n", 1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// False, having said why, when a folder is not what it should be.
bool ReadCorpus(const std::string& directory, Inputs* inputs) {
  std::error_code error;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::filesystem::path& path : paths) {
    const std::string folder = path.parent_path().filename();
    if (FindFuzzer(folder) == nullptr) {
      std::fprintf(stderr, "%s: there is no fuzzer %s\n", path.c_str(), folder.c_str());
      return false;
    }
    std::ifstream file(path, std::ios::binary);
    inputs->emplace_back(path, std::string(std::istreambuf_iterator<char>(file), {}));
  }
  if (!error && !paths.empty()) return true;
  std::fprintf(stderr, "%s has no inputs\n", directory.c_str());
  return false;
}

int Replay(const std::string& corpus) {
  Inputs inputs;
  if (!ReadCorpus(corpus, &inputs)) return 1;
  const size_t kept = inputs.size();
  for (const Fuzzer& fuzzer : AllFuzzers()) {
    const std::vector<std::string> seeds = fuzzer.seeds();
    for (size_t i = 0; i < seeds.size(); ++i) {
      inputs.emplace_back(absl::StrCat(fuzzer.name, ", seed ", i), seeds[i]);
    }
  }
  for (const auto& [what, bytes] : inputs) {
    // In memory of exactly its size, as libFuzzer has it.
    const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
    for (const Fuzzer& fuzzer : AllFuzzers()) {
      current = absl::StrCat("fuzzer ", fuzzer.name, ": ", what);
      fuzzer.run(exact);
    }
  }
  std::printf("%zu kept inputs and %zu seeds, each through %zu fuzzers\n", kept, inputs.size() - kept,
              AllFuzzers().size());
  return 0;
}

}  // namespace
}  // namespace rowhouse::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    std::signal(signal, rowhouse::fuzz::OnDeath);
  }
  return rowhouse::fuzz::Replay(argv[1]);
}
