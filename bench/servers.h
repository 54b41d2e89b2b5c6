// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Servers of a fixed cluster in this process, behind gRPC on loopback, with data below a scratch directory.
// Sharing the process makes the CPU time of servers and clients together one figure.
//
// Thread rule: one thread; the client is thread-safe.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rowhouse/client.h"
#include "server/server.h"

namespace rowhouse::bench {

// An address of loopback whose port nobody uses now. The caller's listener, or a child's, takes it soon.
absl::StatusOr<std::string> FreeLoopbackAddress();

class Servers {
 public:
  // `memory_bytes`: the budget of each.
  static absl::StatusOr<std::unique_ptr<Servers>> Start(const std::string& directory, int count,
                                                        uint64_t memory_bytes);
  ~Servers();  // stops them, removes their data
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;

  std::string address() const { return addresses_[0]; }
  absl::StatusOr<std::unique_ptr<Client>> Connect(const std::string& writer, bool checksums = false) const;

 private:
  Servers() = default;

  std::vector<std::string> addresses_, directories_;
  std::vector<std::unique_ptr<server::Server>> servers_;
};

// Pushes rows 0 .. rows-1 of the table once, with 0.5 for each gradient.
absl::Status FillTable(Client& client, const Table& table, uint64_t rows);

// User and system seconds of this process so far.
double CpuSeconds();

}  // namespace rowhouse::bench
