// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "common/listen_address.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::server {
namespace {

template <typename T>
absl::Status InRange(const char* flag, T value, T low, T high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(flag, " is ", value, ", want ", low, " to ", high));
}

absl::Status BytesInRange(const char* flag, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " is ", FormatBytes(value), ", want ", FormatBytes(low), " to ", FormatBytes(high)));
}

absl::Status CheckListen(const char* flag, const std::string& text, bool insecure_listen, bool unix_allowed) {
  if (text.empty()) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(flag, text));
  if (address.is_unix() && !unix_allowed) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " is ", text, ": a Unix socket is not supported here, want host:port"));
  }
  if (!address.is_loopback() && !insecure_listen) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, " is ", text,
        ", which other machines may reach, and traffic is neither encrypted nor authenticated: listen on "
        "127.0.0.1, or give --insecure-listen if the network is trusted"));
  }
  return absl::OkStatus();
}

absl::Status CheckServers(const ServerOptions& options) {
  const size_t count = options.servers.size();
  if (count > limits::kMaxServers) {
    return absl::InvalidArgumentError(
        absl::StrCat("--servers has ", count, " addresses, the limit is ", limits::kMaxServers));
  }
  if (count > options.partitions) {
    return absl::InvalidArgumentError(
        absl::StrCat("--servers has ", count, " addresses for ", options.partitions,
                     " partitions: every server needs one; raise --partitions"));
  }
  std::set<std::string> seen;
  for (const std::string& server : options.servers) {
    RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress("--servers", server));
    if (!address.is_unix() && (address.port == 0 || address.is_wildcard())) {
      return absl::InvalidArgumentError(absl::StrCat("--servers has ", server,
                                                     ", where nobody can be reached: give each server's "
                                                     "own host name and port"));
    }
    if (!seen.insert(server).second) {
      return absl::InvalidArgumentError(absl::StrCat("--servers has ", server, " twice"));
    }
  }
  const size_t servers = count == 0 ? 1 : count;
  if (options.server_index >= servers) {
    return absl::InvalidArgumentError(absl::StrCat("--server-index is ", options.server_index, ", want 0 to ",
                                                   servers - 1, ": a place in the list of --servers"));
  }
  if (count > 1 && options.listen_address.empty()) {
    return absl::InvalidArgumentError(
        "--listen is empty: a server of a cluster must be reachable by the others");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ServerOptions::Validate() const {
  if (data_directory.empty()) {
    return absl::InvalidArgumentError(
        "--data-dir is empty: name the directory that keeps this server's rows");
  }
  RH_RETURN_IF_ERROR(CheckListen("--listen", listen_address, insecure_listen, /*unix_allowed=*/true));
  RH_RETURN_IF_ERROR(CheckListen("--http-listen", http_address, insecure_listen, /*unix_allowed=*/false));
  RH_RETURN_IF_ERROR(
      BytesInRange("--memory-budget", memory_budget_bytes, limits::kMinMemoryBudgetBytes, 1ull << 46));
  if (partitions == 0 || partitions > limits::kMaxPartitions || (partitions & (partitions - 1)) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--partitions is ", partitions, ", want a power of two from 1 to ", limits::kMaxPartitions));
  }
  RH_RETURN_IF_ERROR(CheckServers(*this));
  if (!listen_address.empty() && servers.empty()) {
    RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress("--listen", listen_address));
    if (address.is_wildcard()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--listen is ", listen_address,
                       ", which does not say where clients reach "
                       "this server: give --servers HOST:PORT as they know it"));
    }
  }
  RH_RETURN_IF_ERROR(InRange<int64_t>("--log-sync-interval (ms)", log_sync_interval_ms, 1, 60'000));
  RH_RETURN_IF_ERROR(BytesInRange("--log-segment-bytes", log_segment_bytes, limits::kMinSegmentBytes,
                                  limits::kMaxSegmentBytes));
  RH_RETURN_IF_ERROR(BytesInRange("--disk-low-water", disk_low_water_bytes, 0, 1ull << 46));
  RH_RETURN_IF_ERROR(InRange("--worker-threads", worker_threads, 0, 1024));
  RH_RETURN_IF_ERROR(InRange("--io-threads", io_threads, 1, 256));
  RH_RETURN_IF_ERROR(InRange("--drain-timeout (ms)", drain_timeout_ms, 0, 600'000));
  return ValidateLogging(log_level == "warning" ? "warn" : log_level, log_format);
}

}  // namespace rowhouse::server
