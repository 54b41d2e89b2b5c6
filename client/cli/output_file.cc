// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/output_file.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace rowhouse::cli {
namespace {

// What a signal removes. The handler may only read what is complete, so a place is used by its flag.
struct Place {
  std::atomic<bool> used{false};
  char path[PATH_MAX] = {};
};
std::array<Place, OutputFile::kMost> places;

void RemoveAndRaise(int signal) {
  for (Place& place : places) {
    if (place.used.load()) unlink(place.path);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void Note(const std::string& path) {
  for (Place& place : places) {
    if (place.used.load() || path.size() >= sizeof(place.path)) continue;
    std::memcpy(place.path, path.c_str(), path.size() + 1);
    place.used.store(true);
    std::signal(SIGINT, RemoveAndRaise);
    std::signal(SIGTERM, RemoveAndRaise);
    return;
  }
}

void Forget(const std::string& path) {
  bool any = false;
  for (Place& place : places) {
    if (place.used.load() && path == place.path) place.used.store(false);
    any |= place.used.load();
  }
  if (any) return;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

OutputFile::OutputFile(std::string target, std::string written)
    : target_(std::move(target)), written_(std::move(written)) {
  if (!is_in_place()) Note(written_);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : target_(std::move(other.target_)), written_(std::move(other.written_)), is_open_(other.is_open_) {
  other.is_open_ = false;
}

OutputFile::~OutputFile() {
  if (!is_open_ || is_in_place()) return;
  unlink(written_.c_str());
  Forget(written_);
}

absl::StatusOr<OutputFile> OutputFile::Choose(const std::string& path) {
  std::error_code error;
  std::filesystem::path target = path;
  for (int links = 0; std::filesystem::is_symlink(target, error) && links < 16; ++links) {
    const std::filesystem::path next = std::filesystem::read_symlink(target, error);
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  const auto status = std::filesystem::status(target, error);
  if (std::filesystem::is_directory(status))
    return absl::FailedPreconditionError(
        absl::StrCat("cannot create ", path, ": it is a directory; name a file"));
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    return OutputFile(target.string(), target.string());
  return OutputFile(target.string(), target.string() + ".tmp");
}

absl::Status OutputFile::Publish() {
  is_open_ = false;
  if (is_in_place()) return absl::OkStatus();
  const int failed = std::rename(written_.c_str(), target_.c_str()) == 0 ? 0 : errno;
  if (failed != 0) unlink(written_.c_str());
  Forget(written_);
  if (failed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("cannot rename ", written_, " to ", target_, ": ", std::strerror(failed)));
}

}  // namespace rowhouse::cli
