// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/log/log_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "server/log/log_format.h"

namespace rowhouse::cli {
namespace {

constexpr uint64_t kMaxLockBytes = 4096;

// The directory that holds `path`, without a trailing slash; "." for a bare name.
std::string ParentOf(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

absl::StatusOr<std::vector<LogSequence>> SegmentsIn(FileSystem& fs, const std::string& directory) {
  RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  std::vector<LogSequence> firsts;
  for (const std::string& name : names) {
    if (const auto first = server::ParseSegmentName(name)) firsts.push_back(*first);
  }
  std::sort(firsts.begin(), firsts.end());
  return firsts;
}

absl::Status NoLog(const std::string& path, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, " ", why,
                   "; want a server's log directory, its data directory, or one "
                   "segment, as /var/lib/rowhouse/log"));
}

absl::StatusOr<LogFiles> OneSegment(FileSystem& fs, const std::string& path, LogSequence first) {
  LogFiles files{.directory = ParentOf(path), .firsts = {first}, .last_first = first};
  RH_ASSIGN_OR_RETURN(const std::vector<LogSequence> all, SegmentsIn(fs, files.directory));
  if (!all.empty()) files.last_first = std::max(first, all.back());
  return files;
}

// Which process holds the flock of an inode, by the lines of /proc/locks:
// "1: FLOCK  ADVISORY  WRITE 7924 00:31:12345 0 EOF".
std::optional<uint64_t> HolderOf(std::string_view proc_locks, uint64_t inode) {
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(proc_locks.data(), proc_locks.size()), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() < 6 || words[1] != "FLOCK") continue;
    const std::vector<absl::string_view> file = absl::StrSplit(words[5], ':');
    uint64_t found = 0, pid = 0;
    if (file.size() == 3 && absl::SimpleAtoi(file[2], &found) && found == inode &&
        absl::SimpleAtoi(words[4], &pid)) {
      return pid;
    }
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<LogFiles> FindLog(FileSystem& fs, const std::string& given) {
  std::string path = given;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (!exists) return NoLog(path, "does not exist");
  const std::string name = std::filesystem::path(path).filename().string();
  if (const auto first = server::ParseSegmentName(name)) return OneSegment(fs, path, *first);
  for (const std::string& directory : {path, absl::StrCat(path, "/log")}) {
    const auto firsts = SegmentsIn(fs, directory);
    if (!firsts.ok() || firsts->empty()) continue;
    return LogFiles{directory, *firsts, firsts->back()};
  }
  return NoLog(path, "holds no segment-*.log");
}

std::optional<uint64_t> RunningServer(FileSystem& fs, const std::string& directory,
                                      std::string_view proc_locks, uint64_t (*inode_of)(const std::string&)) {
  const std::filesystem::path place(directory);
  const std::string above = ParentOf((place.has_filename() ? place : place.parent_path()).string());
  for (const std::string& home : {directory, above}) {
    const std::string lock = absl::StrCat(home, "/LOCK");
    const auto text = ReadFile(fs, lock, kMaxLockBytes);
    uint64_t pid = 0;
    if (!text.ok() || !absl::SimpleAtoi(text->substr(0, text->find('\n')), &pid)) continue;
    // Both must say so: the text stays behind a server that is gone, and inodes are numbers of one disk only.
    if (const auto holder = HolderOf(proc_locks, inode_of(lock)); holder == pid) return pid;
  }
  return std::nullopt;
}

uint64_t InodeOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace rowhouse::cli
