// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// rowhouse.v1.AdminService: each method checks, calls, maps and fills. Changes go through the catalog,
// observations are of this server.
//
// Thread rule: thread-safe. Methods block on the catalog (disk, other servers) and run on an executor.

#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/routing/partition_map.h"
#include "rowhouse/v1/admin_service.pb.h"
#include "server/meta/catalog.h"
#include "server/meta/peers.h"
#include "server/meta/writer_activity.h"
#include "server/partition/partition_set.h"
#include "server/rpc/server_info.h"

namespace rowhouse::server {

class AdminService {
 public:
  struct Parts {
    Catalog* catalog = nullptr;
    TableRegistry* tables = nullptr;
    RowStore* rows = nullptr;
    PartitionSet* partitions = nullptr;
    ServerInfoSource* info = nullptr;
    WriterActivity* activity = nullptr;
    Peers* peers = nullptr;  // null: this server is alone
    ClusterId cluster = 0;
    HistoryId history = 0;
    // Begins to stop this process, as SIGTERM does, and returns at once; how long that takes at most.
    // FailedPrecondition when this process is not the server's to stop.
    std::function<absl::StatusOr<absl::Duration>()> request_drain;
  };
  // Nothing of parts is owned; all outlive the service.
  explicit AdminService(const Parts& parts) : parts_(parts) {}

  absl::Status CreateTable(const v1::CreateTableRequest& request, v1::CreateTableResponse* response);
  absl::Status DescribeTable(const v1::DescribeTableRequest& request, v1::DescribeTableResponse* response);
  absl::Status ListTables(const v1::ListTablesRequest& request, v1::ListTablesResponse* response);
  absl::Status AlterTable(const v1::AlterTableRequest& request, v1::AlterTableResponse* response);
  absl::Status DropTable(const v1::DropTableRequest& request, v1::DropTableResponse* response);
  absl::Status RegisterWriter(const v1::RegisterWriterRequest& request, v1::RegisterWriterResponse* response);
  absl::Status WriterState(const v1::WriterStateRequest& request, v1::WriterStateResponse* response);
  absl::Status ListWriters(const v1::ListWritersRequest& request, v1::ListWritersResponse* response);
  absl::Status EndWriter(const v1::EndWriterRequest& request, v1::EndWriterResponse* response);
  absl::Status DrainServer(const v1::DrainServerRequest& request, v1::DrainServerResponse* response);
  absl::Status GetServerInfo(const v1::GetServerInfoRequest& request, v1::GetServerInfoResponse* response);
  absl::Status GetPartitionMap(const v1::GetPartitionMapRequest& request,
                               v1::GetPartitionMapResponse* response);

 private:
  void Describe(const Table& table, v1::DescribeTableResponse* response) const;

  const Parts parts_;
};

}  // namespace rowhouse::server
