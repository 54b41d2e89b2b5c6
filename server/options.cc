// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/listen_address.h"
#include "common/status_macros.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

absl::Status CheckReach(const char* flag, const std::string& text, bool insecure_listen) {
  if (text.empty() || insecure_listen) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(flag, text));
  if (address.is_loopback()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      flag, " is ", text,
      ", which other machines may reach, and traffic is neither encrypted nor authenticated: listen on "
      "127.0.0.1, or give --insecure-listen if the network is trusted"));
}

// The listeners of this process against each other.
absl::Status CheckListeners(const ServerOptions& options) {
  RH_RETURN_IF_ERROR(CheckReach("--listen", options.listen_address, options.insecure_listen));
  RH_RETURN_IF_ERROR(CheckReach("--http-listen", options.http_address, options.insecure_listen));
  if (options.listen_address.empty() || options.listen_address != options.http_address)
    return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress("--listen", options.listen_address));
  if (address.port == 0) return absl::OkStatus();  // each gets a port of its own
  return absl::InvalidArgumentError(absl::StrCat("--listen and --http-listen are both ",
                                                 options.listen_address, ": give each a port of its own"));
}

absl::Status CheckPlaceInServers(const ServerOptions& options) {
  const size_t count = options.servers.size();
  if (count > options.partitions) {
    return absl::InvalidArgumentError(
        absl::StrCat("--servers has ", count, " addresses for ", options.partitions,
                     " partitions: every server needs one; raise --partitions"));
  }
  if (count == 0 && options.server_index != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--server-index is ", options.server_index,
                     ", but --servers is empty: list all servers, this one at that place"));
  }
  if (count > 0 && options.server_index >= count) {
    return absl::InvalidArgumentError(absl::StrCat("--server-index is ", options.server_index, ", want 0 to ",
                                                   count - 1, ": a place in the list of --servers"));
  }
  if (count > 1 && options.listen_address.empty()) {
    return absl::InvalidArgumentError(
        "--listen is empty, but --servers has more than this server: it must be reachable by the others");
  }
  return absl::OkStatus();
}

// Where it listens against where the others look for it. An address of another host name or behind port 0 may
// well be the same place, or a proxy's: only what cannot be meant is refused.
absl::Status CheckOwnAddress(const ServerOptions& options) {
  if (options.listen_address.empty()) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const ListenAddress listen, ParseListenAddress("--listen", options.listen_address));
  if (options.servers.empty()) {
    if (!listen.is_wildcard()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("--listen is ", options.listen_address,
                     ", which does not say where clients reach this server: give --servers HOST:PORT as they "
                     "know it"));
  }
  const std::string& own = options.servers[options.server_index];
  const auto place = std::find(options.servers.begin(), options.servers.end(), options.listen_address);
  if (place != options.servers.end() && *place != own) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen is ", options.listen_address, ", which is server ", place - options.servers.begin(),
        " of --servers, but --server-index is ", options.server_index, ": make them agree"));
  }
  RH_ASSIGN_OR_RETURN(const ListenAddress known, ParseListenAddress("--servers", own));
  if (!listen.is_unix() && listen.port != 0 && listen.host == known.host && listen.port != known.port) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen is ", options.listen_address, ", but --servers has ", own, " at this server's place (",
        options.server_index, "): nobody would find it; make them agree"));
  }
  return absl::OkStatus();
}

std::string WithoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool IsInside(const std::string& path, const std::string& directory) {
  return path == directory || absl::StartsWith(path, directory + "/");
}

absl::Status CheckDirectories(const ServerOptions& options) {
  const std::string log = WithoutTrailingSlashes(options.log_directory);
  const std::string data = WithoutTrailingSlashes(options.data_directory);
  if (log.empty()) return absl::OkStatus();
  if (log == data) {
    return absl::InvalidArgumentError(
        absl::StrCat("--log-dir and --data-dir are both ", log,
                     ": give the log a directory of its own, or leave --log-dir out"));
  }
  if (IsInside(log, data + "/spill")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--log-dir is ", options.log_directory, ", which is where --data-dir ", data,
        " keeps cold rows (spill): give the log a directory of its own, or leave --log-dir out"));
  }
  return absl::OkStatus();
}

// What says how checkpoints are made without saying where.
absl::Status CheckCheckpoints(const ServerOptions& options) {
  if (!options.checkpoint_directory.empty()) return absl::OkStatus();
  const bool asks_for_schedule =
      options.checkpoint_every_ms != 0 && options.checkpoint_every_ms != ServerOptions().checkpoint_every_ms;
  const char* const flag = asks_for_schedule             ? "--checkpoint-every"
                           : options.checkpoint_keep_log ? "--checkpoint-keep-log"
                                                         : nullptr;
  if (flag == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag,
                   " is set, but --checkpoint-directory is empty, so that no checkpoint would be made: "
                   "name the directory, or leave ",
                   flag, " out"));
}

}  // namespace

absl::Status ServerOptions::Validate() const {
  if (data_directory.empty()) {
    return absl::InvalidArgumentError(
        "--data-dir is empty: name the directory that keeps this server's rows");
  }
  for (const OptionEntry& entry : OptionTable()) RH_RETURN_IF_ERROR(entry.check(*this, entry.flag()));
  RH_RETURN_IF_ERROR(CheckListeners(*this));
  RH_RETURN_IF_ERROR(CheckPlaceInServers(*this));
  RH_RETURN_IF_ERROR(CheckOwnAddress(*this));
  RH_RETURN_IF_ERROR(CheckCheckpoints(*this));
  return CheckDirectories(*this);
}

}  // namespace rowhouse::server
