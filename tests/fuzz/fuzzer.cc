// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzzer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace rowhouse::fuzz {

const Fuzzer* FindFuzzer(std::string_view name) {
  const std::vector<Fuzzer>& all = AllFuzzers();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Fuzzer& f) { return f.name == name; });
  return found == all.end() ? nullptr : &*found;
}

bool WriteSeeds(const std::string& directory) {
  for (const Fuzzer& fuzzer : AllFuzzers()) {
    const std::string folder = absl::StrCat(directory, "/", fuzzer.name);
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    const std::vector<std::string> seeds = fuzzer.seeds();
    for (size_t i = 0; i < seeds.size(); ++i) {
      const std::string path = absl::StrCat(folder, "/seed-", i);
      std::ofstream out(path, std::ios::binary);
      if (out.write(seeds[i].data(), static_cast<std::streamsize>(seeds[i].size())).flush()) continue;
      std::fprintf(stderr, "%s cannot be written\n", path.c_str());
      return false;
    }
  }
  return true;
}

void Require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

void RequireError(const absl::Status& status, absl::Span<const absl::StatusCode> codes) {
  const bool known = std::find(codes.begin(), codes.end(), status.code()) != codes.end();
  Require(!status.ok() && known, absl::StrCat("another error was expected than ", status.ToString()));
  Require(!status.message().empty(), "an error says nothing");
}

}  // namespace rowhouse::fuzz
