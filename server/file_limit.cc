// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/file_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/limits.h"
#include "common/logging.h"

namespace rowhouse::server {

absl::Status RaiseOpenFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(absl::StrCat("cannot read the limit on open files: ", strerror(errno)));
  }
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      limit = raised;
    } else {
      RH_LOG_WARN("cannot raise the limit on open files from {} to {}: {}", limit.rlim_cur, limit.rlim_max,
                  strerror(errno));
    }
  }
  if (limit.rlim_cur < kNeededOpenFiles) {
    return absl::FailedPreconditionError(absl::StrCat("this process may open ", limit.rlim_cur,
                                                      " files, a server needs ", kNeededOpenFiles,
                                                      ": raise the limit (ulimit -n, LimitNOFILE, ulimits)"));
  }
  return absl::OkStatus();
}

uint32_t MaxConnections() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= kNeededOpenFiles) return 64;
  return static_cast<uint32_t>(
      std::clamp<rlim_t>((limit.rlim_cur - kNeededOpenFiles) / 2, 64, limits::kMaxConnections));
}

}  // namespace rowhouse::server
