// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A file that a command writes: it appears under its name only when it is complete, and an interrupted or
// failed command leaves nothing of it. Links are followed; a device, a pipe or a socket is written as it is
// and never replaced.
//
// While such files are open, SIGINT and SIGTERM remove them before they have their usual effect. Main thread;
// at most kMost at a time.

#include <string>

#include "absl/status/statusor.h"

namespace rowhouse::cli {

class OutputFile {
 public:
  static constexpr int kMost = 4;
  // FailedPrecondition, naming it, when `path` is a directory or has no directory to lie in. Creates nothing.
  static absl::StatusOr<OutputFile> Choose(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  // removes what was not published

  // Where to write.
  const std::string& path() const { return written_; }
  // Written where it stays: cannot be taken back, and need not be synced.
  bool is_in_place() const { return written_ == target_; }
  // Gives the file its name. The caller has written, synced and closed it.
  absl::Status Publish();

 private:
  OutputFile(std::string target, std::string written);

  std::string target_, written_;
  bool is_open_ = true;
};

}  // namespace rowhouse::cli
