// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/local_server.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace rowhouse::client {
namespace {

absl::StatusOr<std::string> MakeTemporaryDirectory() {
  std::error_code error;
  std::filesystem::path base = std::filesystem::temp_directory_path(error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat("no directory for temporary files: ", error.message(),
                                                      "; set TMPDIR or local_options.data_directory"));
  }
  std::string path = (base / "rowhouse-local-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make a directory in ", base.string(),
                                                   "; set TMPDIR or local_options.data_directory"));
  }
  return path;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalServer>> LocalServer::Start(const ClientOptions::Local& options) {
  std::unique_ptr<LocalServer> local(new LocalServer);
  server::ServerOptions server_options;
  server_options.data_directory = options.data_directory;
  if (server_options.data_directory.empty()) {
    RH_ASSIGN_OR_RETURN(local->temporary_directory_, MakeTemporaryDirectory());
    server_options.data_directory = local->temporary_directory_;
  }
  server_options.listen_address.clear();
  server_options.http_address.clear();
  server_options.memory_budget_bytes = options.memory_budget_bytes;
  server_options.partitions = options.partitions;
  server_options.log_level = "warning";
  RH_ASSIGN_OR_RETURN(local->server_, server::Server::Start(server_options));
  return local;
}

LocalServer::~LocalServer() {
  if (server_ != nullptr) server_->Drain();
  server_.reset();
  if (!temporary_directory_.empty()) {
    std::error_code ignored;  // nothing is left to tell it to
    std::filesystem::remove_all(temporary_directory_, ignored);
  }
}

}  // namespace rowhouse::client
