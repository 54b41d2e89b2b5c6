// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/self_check.h"

#include <fcntl.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/cli/proc_text.h"
#include "common/cgroup_memory.h"
#include "common/file_system.h"
#include "common/process_memory.h"
#include "common/units.h"
#include "server/file_limit.h"

namespace rowhouse::cli {
namespace {

// The clock is in records (row expiry): wildly wrong times would be kept.
constexpr absl::CivilSecond kEarliest(2024, 1, 1), kLatest(2100, 1, 1);
constexpr int kSyncs = 20;
constexpr absl::Duration kSlowestSync = absl::Milliseconds(100), kSyncBudget = absl::Seconds(3);
constexpr size_t kSyncBytes = 4096;

std::string Text(absl::Duration duration) {
  return absl::StrFormat("%.2f ms", absl::ToDoubleMilliseconds(duration));
}

// A file of that directory, gone with its descriptor.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& directory) : path_(directory + "/.rowhouse-check-XXXXXX") {
    fd_ = mkostemp(path_.data(), O_CLOEXEC);
    if (fd_ >= 0) unlink(path_.c_str());
  }
  ~ScratchFile() {
    if (fd_ >= 0) close(fd_);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  int fd() const { return fd_; }

 private:
  std::string path_;
  int fd_ = -1;
};

// The number after `key` in lines like "MemAvailable:  123 kB", in bytes.
bool FindKilobytes(const std::string& text, absl::string_view key, uint64_t* bytes) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t number = 0;
    if (words.size() < 2 || words[0] != key || !absl::SimpleAtoi(words[1], &number)) continue;
    *bytes = number * 1024;
    return true;
  }
  return false;
}

uint64_t NumberIn(const std::string& path, uint64_t otherwise) {
  const auto text = ReadProcText(path);
  uint64_t number = 0;
  return text.ok() && absl::SimpleAtoi(*text, &number) ? number : otherwise;
}

}  // namespace

std::string VerdictText(Verdict verdict) {
  return verdict == Verdict::kPass ? "PASS" : verdict == Verdict::kFail ? "FAIL" : "SKIP";
}

CheckResult CheckClock(absl::Time now) {
  const absl::CivilSecond civil = absl::ToCivilSecond(now, absl::UTCTimeZone());
  const bool sane = civil >= kEarliest && civil < kLatest;
  timex state{};
  const int answer = adjtimex(&state);
  std::string figure = absl::FormatTime(absl::RFC3339_sec, now, absl::UTCTimeZone());
  if (!sane) absl::StrAppend(&figure, ", want a time from 2024 to 2099: set the clock");
  absl::StrAppend(&figure,
                  answer < 0 || answer == TIME_ERROR ? "; not kept in step by NTP" : "; kept in step by NTP");
  return {"clock", sane ? Verdict::kPass : Verdict::kFail, figure};
}

CheckResult CheckDisk(const std::string& data_directory) {
  if (data_directory.empty()) return {"disk", Verdict::kSkip, "no --data-dir given"};
  std::error_code error;
  std::filesystem::path place = std::filesystem::absolute(data_directory, error);
  while (!std::filesystem::exists(place, error) && place.has_parent_path() && place != place.parent_path())
    place = place.parent_path();
  const ScratchFile file(place.string());
  if (file.fd() < 0) {
    return {"disk", Verdict::kFail,
            absl::StrCat("cannot write in ", place.string(), ": ", std::strerror(errno))};
  }
  const std::string block(kSyncBytes, 'x');
  std::vector<absl::Duration> times;
  const absl::Time begin = absl::Now();
  while (times.size() < kSyncs && absl::Now() - begin < kSyncBudget) {
    const absl::Time before = absl::Now();
    if (write(file.fd(), block.data(), block.size()) != static_cast<ssize_t>(block.size()) ||
        fdatasync(file.fd()) != 0) {
      return {"disk", Verdict::kFail,
              absl::StrCat("cannot write and sync in ", place.string(), ": ", std::strerror(errno))};
    }
    times.push_back(absl::Now() - before);
  }
  std::sort(times.begin(), times.end());
  const absl::Duration median = times[times.size() / 2];
  const auto free = PosixFileSystem()->FreeBytes(place.string());
  return {"disk", median <= kSlowestSync ? Verdict::kPass : Verdict::kFail,
          absl::StrCat("fdatasync of 4 KiB in ", place.string(), ": median ", Text(median), ", slowest ",
                       Text(times.back()), " of ", times.size(), ", want a median of at most ",
                       Text(kSlowestSync), free.ok() ? absl::StrCat("; ", FormatBytes(*free), " free") : "")};
}

CheckResult CheckOpenFiles() {
  const auto limit = ReadOpenFileLimit();
  if (!limit.ok()) return {"open files", Verdict::kFail, std::string(limit.status().message())};
  return {"open files", limit->hard >= server::kNeededOpenFiles ? Verdict::kPass : Verdict::kFail,
          absl::StrCat("limit ", limit->hard, ", want at least ", server::kNeededOpenFiles, " (ulimit -n)")};
}

CheckResult CheckMemory(uint64_t budget_bytes, const std::string& meminfo, uint64_t cgroup_left_bytes) {
  uint64_t available = 0;
  if (!FindKilobytes(meminfo, "MemAvailable:", &available))
    return {"memory", Verdict::kFail, "/proc/meminfo has no MemAvailable"};
  const bool contained = cgroup_left_bytes < available;
  const uint64_t left = std::min(available, cgroup_left_bytes);
  return {"memory", budget_bytes <= left ? Verdict::kPass : Verdict::kFail,
          absl::StrCat(FormatBytes(left), " available", contained ? " (limit of the container)" : "",
                       ", --memory-budget ", FormatBytes(budget_bytes))};
}

CheckResult CheckMemoryLimit(uint64_t budget_bytes, uint64_t limit_bytes) {
  const std::string name = "memory limit";
  if (limit_bytes == kNoMemoryLimit) return {name, Verdict::kSkip, "no container limits the memory"};
  const std::string problem = ContainerMemoryProblem(budget_bytes, limit_bytes);
  if (!problem.empty()) return {name, Verdict::kFail, problem};
  return {name, Verdict::kPass,
          absl::StrCat("the container's limit is ", FormatBytes(limit_bytes), ", wanted are at least ",
                       FormatBytes(budget_bytes + ContainerMemoryMargin(budget_bytes)))};
}

uint64_t CgroupMemoryLeft() {
  const auto text = ReadProcText("/proc/self/cgroup");
  if (!text.ok()) return UINT64_MAX;
  uint64_t left = UINT64_MAX;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (!absl::StartsWith(line, "0::")) continue;
    std::filesystem::path group = absl::StrCat("/sys/fs/cgroup", line.substr(3));
    for (; group.string().size() >= std::strlen("/sys/fs/cgroup"); group = group.parent_path()) {
      const uint64_t limit = NumberIn((group / "memory.max").string(), UINT64_MAX);
      const uint64_t used = NumberIn((group / "memory.current").string(), 0);
      if (limit != UINT64_MAX) left = std::min(left, limit > used ? limit - used : 0);
    }
  }
  return left;
}

std::vector<CheckResult> RunChecks(const std::vector<NamedCheck>& checks, std::chrono::milliseconds limit) {
  struct Shared {
    absl::Mutex mutex;
    std::vector<CheckResult> results;
    size_t missing = 0;
    bool AllDone() const { return missing == 0; }
  };
  const auto shared = std::make_shared<Shared>();
  shared->missing = checks.size();
  for (const NamedCheck& check : checks) {
    shared->results.push_back(
        {check.name, Verdict::kFail,
         absl::StrCat("no result within ", absl::FormatDuration(absl::FromChrono(limit)))});
  }
  for (size_t i = 0; i < checks.size(); ++i) {
    // Detached: a thread that hangs in the kernel cannot be waited for.
    std::thread([shared, i, run = checks[i].run] {
      CheckResult result = run();
      const absl::MutexLock lock(&shared->mutex);
      shared->results[i] = std::move(result);
      --shared->missing;
    }).detach();
  }
  const absl::MutexLock lock(&shared->mutex);
  shared->mutex.AwaitWithTimeout(absl::Condition(shared.get(), &Shared::AllDone), absl::FromChrono(limit));
  return shared->results;
}

}  // namespace rowhouse::cli
