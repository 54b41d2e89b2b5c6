// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Behind rowhouse::Client: checks what the caller hands over and runs it. The contract of each method is that
// of the public one. Tests make one with transports of their own.

#include <sys/types.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cpp/src/core.h"
#include "client/cpp/src/pull.h"
#include "client/cpp/src/push.h"
#include "client/cpp/src/writer.h"
#include "common/schema/table_schema.h"
#include "rowhouse/client.h"

namespace rowhouse::v1 {
class CreateTableRequest;
class CreateTableResponse;
class TableSchema;
}  // namespace rowhouse::v1

namespace rowhouse {

class ClientImpl {
 public:
  // What is below the client. `runtime` is kept as long as the transports are used.
  struct Below {
    std::vector<std::string> seeds;
    bool check_reach = true;
    std::function<client::TransportFactory(client::Timer*)> make_factory;
    std::shared_ptr<void> runtime;
  };
  // Requires: options are valid.
  static absl::StatusOr<std::unique_ptr<ClientImpl>> Connect(ClientOptions options, Below below);
  ~ClientImpl();

  absl::StatusOr<Table> CreateTable(const TableSpec& spec);
  absl::StatusOr<Table> OpenTable(const std::string& name);
  absl::StatusOr<Table> OpenOrCreateTable(const TableSpec& spec);
  absl::StatusOr<TableSpec> DescribeTable(const std::string& name);
  absl::StatusOr<std::vector<Table>> ListTables();
  absl::StatusOr<Table> AlterTable(const TableSpec& spec);
  absl::Status DropTable(const std::string& name);

  absl::Status Pull(absl::Span<const PullSlice> slices);
  std::future<absl::Status> PullAsync(absl::Span<const PullSlice> slices);
  absl::StatusOr<PushResult> Push(absl::Span<const GradientSlice> slices, const PushOptions& options);
  std::future<absl::StatusOr<PushResult>> PushAsync(absl::Span<const GradientSlice> slices,
                                                    const PushOptions& options);
  absl::Status Flush();
  void Prefetch(const Table& table, absl::Span<const uint64_t> ids);
  absl::Status Delete(const Table& table, absl::Span<const uint64_t> ids);
  absl::StatusOr<uint64_t> Expire(const Table& table, uint64_t cutoff_unix_seconds);
  absl::Status Scan(const Table& table, bool with_state,
                    const std::function<absl::Status(const ScanPage&)>& visit);

  uint64_t writer_id() const { return writer_.id(); }
  ClientCounters counters() const;
  std::string MetricsText() const { return core_->metrics.Serialize(); }
  uint32_t server_count() const { return core_->cluster().view()->map.server_count(); }
  uint32_t partition_count() const { return core_->cluster().view()->map.partition_count(); }
  absl::StatusOr<std::vector<ServerStatus>> ServerStatuses();
  absl::StatusOr<std::vector<TableStatus>> TableStatuses(const std::string& name);
  absl::StatusOr<std::vector<WriterInfo>> ListWriters();
  absl::StatusOr<uint64_t> EndWriter(const std::string& name, uint64_t id);
  absl::StatusOr<CheckpointStatus> BeginCheckpoint(const CheckpointOptions& options);
  absl::StatusOr<CheckpointStatus> GetCheckpoint(uint64_t id);
  absl::StatusOr<CheckpointStatus> CutCheckpoint(uint64_t id);
  absl::StatusOr<CheckpointStatus> CancelCheckpoint(uint64_t id);
  absl::StatusOr<CheckpointList> ListCheckpoints();
  absl::Status DeleteCheckpoint(const std::string& name);
  absl::StatusOr<RestoredWriter> GetRestoredWriter(const std::string& name);
  absl::StatusOr<std::chrono::milliseconds> DrainServer(uint32_t server);

 private:
  ClientImpl(ClientOptions options, Below below);

  void RegisterMetrics();
  static client::TableRef Ref(const Table& table);
  static Table MakeTable(const TableSchema& schema);
  static absl::StatusOr<Table> TableFromProto(const v1::TableSchema& proto);
  absl::StatusOr<TableSchema> Describe(const std::string& name);
  // CreateTable, by as many calls as it takes. `unanswered`: an attempt whose answer was lost may have made
  // it.
  absl::Status AskForTable(v1::CreateTableRequest* request, v1::CreateTableResponse* response,
                           bool* unanswered);
  // FailedPrecondition in a process forked from the one that connected: its threads are not here.
  absl::Status CheckProcess() const;
  absl::StatusOr<std::vector<client::PullTarget>> CheckPull(absl::Span<const PullSlice> slices) const;
  absl::StatusOr<std::vector<client::PushSlice>> CheckPush(absl::Span<const GradientSlice> slices,
                                                           const PushOptions& options) const;
  std::future<absl::StatusOr<PushResult>> StartPush(absl::Span<const GradientSlice> slices,
                                                    const PushOptions& options, bool report_at_flush);
  // A call to one server, retried: `server` picks it from a view.
  absl::Status CallServer(const std::function<ServerId(const client::View&)>& server,
                          absl::string_view method, const google::protobuf::MessageLite& request,
                          google::protobuf::MessageLite* response, const client::TableRef& table);
  absl::Status ScanPartition(const client::TableRef& table, bool with_state, PartitionId partition,
                             const std::function<absl::Status(const ScanPage&)>& visit);

  const pid_t process_;
  std::unique_ptr<client::Core> core_;
  client::Writer writer_;
};

}  // namespace rowhouse
