// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/process_memory.h"

#include <sys/resource.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"

namespace rowhouse {
namespace {

// The bytes of a line such as "VmRSS:     1234 kB".
absl::StatusOr<uint64_t> FindBytes(absl::string_view text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, key) || !absl::ConsumePrefix(&line, ":")) continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    uint64_t kib = 0;
    if (words.size() == 2 && words[1] == "kB" && absl::SimpleAtoi(words[0], &kib)) return kib << 10;
    return absl::InvalidArgumentError(
        absl::StrCat("process status: ", key, " is \"", line, "\", expected \"N kB\""));
  }
  return absl::InvalidArgumentError(absl::StrCat("process status: there is no line ", key));
}

}  // namespace

absl::StatusOr<ProcessMemory> ParseProcessStatus(std::string_view status) {
  const absl::string_view text(status.data(), status.size());
  ProcessMemory memory;
  RH_ASSIGN_OR_RETURN(memory.resident_bytes, FindBytes(text, "VmRSS"));
  RH_ASSIGN_OR_RETURN(memory.peak_resident_bytes, FindBytes(text, "VmHWM"));
  return memory;
}

absl::StatusOr<ProcessMemory> ReadProcessMemory() {
  std::ifstream in("/proc/self/status");
  if (!in) return absl::NotFoundError("/proc/self/status cannot be read; is /proc mounted?");
  return ParseProcessStatus(std::string(std::istreambuf_iterator<char>(in), {}));
}

absl::StatusOr<OpenFileLimit> ReadOpenFileLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(absl::StrCat("getrlimit of open files failed (errno ", errno, ")"));
  }
  return OpenFileLimit{.soft = limit.rlim_cur, .hard = limit.rlim_max};
}

}  // namespace rowhouse
