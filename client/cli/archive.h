// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A .tar.gz written front to back, by libarchive. The file appears under its name only when it is complete.
// One thread.

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/cli/output_file.h"

struct archive;

namespace rowhouse::cli {

class TarGz {
 public:
  // FailedPrecondition naming path and reason when the file cannot be made.
  static absl::StatusOr<std::unique_ptr<TarGz>> Create(const std::string& path);
  ~TarGz();  // removes what was not finished
  TarGz(const TarGz&) = delete;
  TarGz& operator=(const TarGz&) = delete;

  // A file of mode 0600. ResourceExhausted when it cannot be written.
  absl::Status Add(const std::string& name, std::string_view content);
  // Completes it, and gives the file its name.
  absl::Status Finish();

 private:
  TarGz(OutputFile output, archive* handle);
  absl::Status Failed(const char* doing) const;

  OutputFile output_;
  archive* handle_;
};

}  // namespace rowhouse::cli
