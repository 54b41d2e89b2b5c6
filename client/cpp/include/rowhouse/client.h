// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Rowhouse for trainers in C++: pull rows of many tables into your own arrays, push gradients that are
// applied exactly once.
//
//   auto client = rowhouse::Client::Connect({.address = "127.0.0.1:7600", .writer_name = "t0"}).value();
//   rowhouse::TableSpec spec{.name = "user", .dim = 16, .optimizer = rowhouse::Adagrad(0.1f)};
//   rowhouse::Table users = client->OpenOrCreateTable(spec).value();
//   client->Pull({{users, ids, absl::MakeSpan(rows)}}).IgnoreError();  // rows: ids.size() * 16 floats
//   client->PushAsync({{users, ids, gradients}});
//   client->Flush().IgnoreError();  // every push is acknowledged, or this is its error
//
// Threads: every method may be called from any thread. Lifetime: a call keeps views of the caller's arrays
// until it returns (Pull, Push) or its future is ready (PullAsync); PushAsync copies what it needs before it
// returns. Failure: every method returns absl::Status. Lost servers are waited for with back-off up to
// `retry_timeout`; errors of dropped push futures come out at Flush.

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "rowhouse/checkpoint.h"
#include "rowhouse/status.h"
#include "rowhouse/table_spec.h"

namespace rowhouse {

class ClientImpl;

struct ClientOptions {
  // host:port or unix:/path of any server of the cluster; several, comma-separated, are tried in turn.
  // "local:" makes a server inside this process (see local_options).
  std::string address = "127.0.0.1:7600";
  // 1 to 128 characters of [A-Za-z0-9_.-]; this trainer's identity for exactly-once pushes. A second client
  // with the same name makes the first one's pushes fail. Empty: a random one. Clients that only pull never
  // register.
  std::string writer_name;
  // How long a call waits for a lost or full server before it fails with the server's last error.
  std::chrono::milliseconds retry_timeout = std::chrono::seconds(60);
  // Deadline of one attempt.
  std::chrono::milliseconds attempt_timeout = std::chrono::seconds(30);
  // Bytes of requests in flight, all servers together; further calls wait.
  uint64_t max_bytes_in_flight = 256ull << 20;
  // Pushes in flight, 1 to 256; further PushAsync calls wait.
  uint32_t max_pushes_in_flight = 32;
  // Allows an address that is not on this machine (traffic is not encrypted).
  bool insecure = false;
  // Gives pulls, pushes and deletes, and has servers give their answers, a checksum from end to end: what a
  // network card or a proxy damages is sent again, where TCP's own checksum lets it through (it is weak, and
  // ends at each proxy). Costs CPU time on both sides: docs/design/0014-checksums-on-the-wire.md. Needs
  // servers that know them: an older one's answers all count as damaged.
  bool checksums = false;
  // Called for events worth knowing (lost server, retry, new map), from any thread; must not call the client.
  std::function<void(const std::string& line)> log;
  // For "local:".
  struct Local {
    std::string data_directory;  // empty: a temporary one, removed at the end
    uint64_t memory_budget_bytes = 512ull << 20;
    uint32_t partitions = 256;
  } local_options;
};

// A table of the cluster. A value; valid as long as the table lives.
class Table {
 public:
  Table() = default;
  uint32_t id() const { return id_; }
  uint32_t dim() const { return dim_; }
  uint32_t schema_version() const { return version_; }
  const std::string& name() const { return name_; }

 private:
  friend class ClientImpl;
  uint32_t id_ = 0, dim_ = 0, version_ = 0;
  bool allow_nan_ = false;
  std::string name_;
};

// One table's part of a pull. `table` is looked at during the call only. `rows`: ids.size() * dim floats, row
// i that of ids[i]; repeats are allowed. `stored`, when not empty: ids.size() bytes, 1 for a stored row and 0
// for an initial one.
struct PullSlice {
  const Table& table;
  absl::Span<const uint64_t> ids;
  absl::Span<float> rows;
  absl::Span<uint8_t> stored = {};
};

// One table's part of a push. `values`: ids.size() * dim floats. Gradients of a repeated id are added in
// order first. `counts`, when not empty: how many gradients each row stands for.
struct GradientSlice {
  const Table& table;
  absl::Span<const uint64_t> ids;
  absl::Span<const float> values;
  absl::Span<const uint32_t> counts = {};
  std::optional<float> learning_rate = {};
};

enum class PushKindOption { kGradient = 1, kDelta = 2, kValue = 3 };

struct PushOptions {
  PushKindOption kind = PushKindOption::kGradient;
  uint64_t step = 0;  // the trainer's step, from 1; 0 when it has none
  uint32_t group_size = 0;
  uint32_t rank = 0;
};

struct PushResult {
  uint64_t skipped_rows = 0;     // left out by the server because of a NaN or an infinity
  uint32_t duplicate_parts = 0;  // parts that had been applied by an earlier attempt
};

// Stored rows as Scan hands them over; valid during the call.
struct ScanPage {
  absl::Span<const uint64_t> ids;
  absl::Span<const float> rows;   // ids.size() * dim
  absl::Span<const float> state;  // ids.size() * state_floats; empty unless asked for
  uint32_t state_floats = 0;
};

class Client {
 public:
  // Reaches a server, learns the partition map. Unavailable after retry_timeout; InvalidArgument for a bad
  // option, named.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(ClientOptions options);
  // Waits for pushes in flight (up to retry_timeout), then closes.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // ---- tables
  // AlreadyExists when the name is taken.
  absl::StatusOr<Table> CreateTable(const TableSpec& spec);
  // NotFound when there is none.
  absl::StatusOr<Table> OpenTable(const std::string& name);
  // The existing table when its fixed fields are those of `spec`, else FailedPrecondition naming the field.
  absl::StatusOr<Table> OpenOrCreateTable(const TableSpec& spec);
  // NotFound when there is none.
  absl::StatusOr<TableSpec> DescribeTable(const std::string& name);
  // All tables, by name.
  absl::StatusOr<std::vector<Table>> ListTables();
  // Changes hyper-parameters, policies, durability, frozen. Open Tables must be opened again. InvalidArgument
  // naming a field that is fixed; NotFound; Aborted when another change came first.
  absl::StatusOr<Table> AlterTable(const TableSpec& spec);
  // The table and its rows are gone on every server. NotFound; Aborted when another table took its name
  // meanwhile.
  absl::Status DropTable(const std::string& name);

  // ---- rows
  // Reads rows of all slices, one call to each server. InvalidArgument when a slice's sizes do not fit.
  absl::Status Pull(absl::Span<const PullSlice> slices);
  absl::Status Pull(std::initializer_list<PullSlice> slices) {
    return Pull(absl::MakeConstSpan(slices.begin(), slices.size()));
  }
  // The same, later. The future's status is what Pull would return; it may be dropped, but the arrays must
  // live until it is ready.
  std::future<absl::Status> PullAsync(absl::Span<const PullSlice> slices);
  // Applies and waits. InvalidArgument naming table, id and column for a NaN or an infinity (unless the table
  // allows them).
  absl::StatusOr<PushResult> Push(absl::Span<const GradientSlice> slices, const PushOptions& options = {});
  absl::StatusOr<PushResult> Push(std::initializer_list<GradientSlice> slices,
                                  const PushOptions& options = {}) {
    return Push(absl::MakeConstSpan(slices.begin(), slices.size()), options);
  }
  // Sends and returns; waits only for room. Pushes that are in flight together may be applied in any order;
  // with max_pushes_in_flight = 1 pushes are applied in the order of calls. A push too large for one message
  // is sent as several. The future may be dropped: Flush reports its error.
  std::future<absl::StatusOr<PushResult>> PushAsync(absl::Span<const GradientSlice> slices,
                                                    const PushOptions& options = {});
  // Waits until every push is acknowledged or has failed; the first error of a PushAsync since the last
  // Flush.
  absl::Status Flush();
  // Tells servers which rows will be pulled soon. Errors are not reported: it is a hint.
  void Prefetch(const Table& table, absl::Span<const uint64_t> ids);
  // Deletes rows; exactly once. Errors as Push. Waits for the acknowledgement.
  absl::Status Delete(const Table& table, absl::Span<const uint64_t> ids);
  // Deletes rows whose last push was before the time (seconds since 1970); how many. FailedPrecondition for a
  // table without track_last_push_time.
  absl::StatusOr<uint64_t> Expire(const Table& table, uint64_t cutoff_unix_seconds);
  // Walks all stored rows in routing-hash order (the same for every number of servers and partitions), a page
  // at a time, until `visit` returns a status that is not OK, which is then returned. DataLoss for a damaged
  // row, named.
  absl::Status Scan(const Table& table, bool with_state,
                    const std::function<absl::Status(const ScanPage&)>& visit);

  // ---- observers
  // This client's writer id; 0 before its first push.
  uint64_t writer_id() const;
  ClientCounters counters() const;
  // The same and more (latency histograms) in the Prometheus text format, for a trainer's own endpoint.
  std::string MetricsText() const;
  uint32_t server_count() const;
  uint32_t partition_count() const;
  // One for each server. One that does not answer has state "unreachable"; where a server of another cluster
  // answers at its address, "foreign".
  absl::StatusOr<std::vector<ServerStatus>> ServerStatuses();
  // The table on each server. NotFound; Unavailable, naming the server, when one does not answer.
  absl::StatusOr<std::vector<TableStatus>> TableStatuses(const std::string& name);

  // ---- operators
  // Living writers, by name.
  absl::StatusOr<std::vector<WriterInfo>> ListWriters();
  // Declares a writer dead on every server; its id. `id` 0: whoever has the name now, else Aborted when that
  // is another. NotFound when nobody living has the name.
  absl::StatusOr<uint64_t> EndWriter(const std::string& name, uint64_t id = 0);
  // Has one server stop as SIGTERM does; how long that takes at most. InvalidArgument for an index that is no
  // server's; Unavailable when it does not answer.
  absl::StatusOr<std::chrono::milliseconds> DrainServer(uint32_t server);

  // ---- checkpoints (docs/how-to/checkpoints.md). Asked of the server that owns partition 0.
  // Begins one while pushes go on. FailedPrecondition: another is being made, servers have no
  // --checkpoint-directory, the base will not do; AlreadyExists; InvalidArgument: the name.
  absl::StatusOr<CheckpointStatus> BeginCheckpoint(const CheckpointOptions& options);
  // The job of that id; 0: the last one. NotFound.
  absl::StatusOr<CheckpointStatus> GetCheckpoint(uint64_t id);
  // For one begun with wait_for_cut: waits for phase kWaiting, takes the cut and returns once it is taken.
  // Every push acknowledged before the call is in it, none that is sent after it. DeadlineExceeded after
  // retry_timeout.
  absl::StatusOr<CheckpointStatus> CutCheckpoint(uint64_t id);
  // Gives it up and waits until nothing of it is left.
  absl::StatusOr<CheckpointStatus> CancelCheckpoint(uint64_t id);
  absl::StatusOr<CheckpointList> ListCheckpoints();
  // NotFound; FailedPrecondition when another one needs it.
  absl::Status DeleteCheckpoint(const std::string& name);
  // After a restore: where the trainer of that writer name goes on. Asked before its first push.
  absl::StatusOr<RestoredWriter> GetRestoredWriter(const std::string& name);

 private:
  explicit Client(std::unique_ptr<ClientImpl> impl);
  std::unique_ptr<ClientImpl> impl_;
};

}  // namespace rowhouse
