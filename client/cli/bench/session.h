// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a bench run has in the cluster: tables and writers of its own, and the clients that use them. Whatever
// way a run ends, they go with this object. One thread, but for the callers it makes.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/bench/id_generator.h"
#include "client/cli/bench/load_generator.h"
#include "client/cli/bench/workload.h"
#include "rowhouse/client.h"

namespace rowhouse::cli::bench {

class Session {
 public:
  // Asked between steps; its error ends them.
  using Check = std::function<absl::Status()>;

  // Connects workload.clients clients and creates the tables. What was made before an error is undone.
  // Requires: a valid workload.
  static absl::StatusOr<std::unique_ptr<Session>> Open(const ClientOptions& options, const Workload& workload,
                                                       const Check& check);
  // As Close; an error goes to stderr.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Pushes every row once. `progress` hears how many of how many rows are done.
  absl::Status Fill(const Check& check, const std::function<void(uint64_t done, uint64_t all)>& progress);
  // workload.in_flight for each client. They must not outlive this object.
  std::vector<std::unique_ptr<Caller>> MakeCallers();
  // Drops the tables, unless the workload keeps them, and ends the writers; the error names the tables that
  // stay. Callers must be gone.
  absl::Status Close();

  Client& client() { return *clients_.front(); }
  const std::string& prefix() const { return prefix_; }  // of the names of tables and writers
  uint64_t retries() const;                              // of all clients so far

 private:
  Session(const Workload& workload, std::string prefix) : workload_(workload), prefix_(std::move(prefix)) {}
  absl::Status Connect(ClientOptions options, const Check& check);
  absl::Status CreateTables(const Check& check);
  absl::Status FillTable(const Table& table, uint64_t rows, const Check& check,
                         const std::function<void(uint64_t rows)>& pushed);
  absl::Status DropTables();

  const Workload workload_;
  const std::string prefix_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Table> tables_;
  std::vector<IdGenerator> generators_;  // one for each table
};

}  // namespace rowhouse::cli::bench
