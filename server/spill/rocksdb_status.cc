// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/rocksdb_status.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace rowhouse::server {

absl::Status FromRocksDb(const std::string& doing, const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat("spill: ", doing, ": ", status.ToString());
  if (status.IsNoSpace())
    return absl::ResourceExhaustedError(
        absl::StrCat(message, ": free disk space; writing then goes on within seconds"));
  if (status.IsMemoryLimit()) {
    return absl::ResourceExhaustedError(absl::StrCat(message, ": retry, or give the spill more memory"));
  }
  if (status.IsCorruption())
    return absl::DataLossError(absl::StrCat(message, ": put back a copy of this server's data directory"));
  if (status.IsIOError() || status.IsBusy() || status.IsTimedOut() || status.IsTryAgain() ||
      status.IsShutdownInProgress()) {
    return absl::UnavailableError(message);
  }
  return absl::InternalError(message);
}

}  // namespace rowhouse::server
