// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The server behind "local:": started in this process without listeners, in a directory of its own when none
// is given.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rowhouse/client.h"
#include "server/server.h"

namespace rowhouse::client {

class LocalServer {
 public:
  // Errors are those of Server::Start.
  static absl::StatusOr<std::unique_ptr<LocalServer>> Start(const ClientOptions::Local& options);
  // Drains the server; removes a temporary directory.
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  server::RequestHandler* handler() { return server_->handler(); }

 private:
  LocalServer() = default;
  std::string temporary_directory_;  // empty when the caller named one
  std::unique_ptr<server::Server> server_;
};

}  // namespace rowhouse::client
