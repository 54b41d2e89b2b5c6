// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The one place that distrusts requests: everything that can be wrong with one is found here, before memory
// that depends on it is taken, and named (field, value, limit, what to do). What comes out fits the tables as
// they are now. Gradients with NaNs are not looked at: partitions skip and count those rows.
//
// Thread rule: pure but for RequestRules::on_unknown_table. Results hold views into the request's bytes.

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/limits.h"
#include "server/partition/requests.h"
#include "server/rpc/wire_codec.h"
#include "server/table/table_registry.h"

namespace rowhouse::v1 {
class ScanRequest;
class ExpireRequest;
}  // namespace rowhouse::v1

namespace rowhouse::server {

// What requests are held against.
struct RequestRules {
  HistoryId history = 0;
  uint32_t partition_count = 1;
  uint64_t max_rows_per_request = limits::kDefaultRowsPerRequest;
  uint64_t max_message_bytes = limits::kMaxMessageBytes;
  const TableRegistry* tables = nullptr;  // not owned
  // Called when a request names a table, or a newer schema version, that this server does not have: it may be
  // behind the meta store. An error returned is the answer instead of NotFound. May be empty. Must not block.
  std::function<absl::Status()> on_unknown_table;
};

// The tables of a request and its ids, copied to aligned memory.
struct CheckedTables {
  std::vector<std::shared_ptr<Table>> tables;  // of the request, in its order; held until the answer
  Buffer id_bytes;                             // of all tables
  std::vector<absl::Span<const Id>> ids;       // into id_bytes
};

struct CheckedPull {
  PullRequest request;  // targets unset
  CheckedTables checked;
  std::vector<PullResponseBuilder::Table> reply;
};

struct CheckedPush {
  PushRequest request;
  CheckedTables checked;
};

// Errors: FailedPrecondition (another history, another schema version, frozen), NotFound (table unknown or
// dropped), Unimplemented (reserved element type), InvalidArgument (all else).
absl::StatusOr<CheckedPull> ValidatePull(const PullMessage& message, const RequestRules& rules);
absl::StatusOr<CheckedPush> ValidatePush(const PushMessage& message, const RequestRules& rules);
absl::StatusOr<CheckedPush> ValidateDelete(const DeleteMessage& message, const RequestRules& rules);
absl::StatusOr<CheckedTables> ValidatePrefetch(const PrefetchMessage& message, const RequestRules& rules);

struct CheckedScan {
  std::shared_ptr<Table> table;
  uint64_t first_hash = 0;
  size_t max_rows = 0;  // at least 1
};
absl::StatusOr<CheckedScan> ValidateScan(const v1::ScanRequest& request, const RequestRules& rules);
// Scan's cursors: the routing hash to go on from.
std::string EncodeScanCursor(uint64_t next_hash);

struct CheckedExpire {
  std::shared_ptr<Table> table;
  uint32_t cutoff_unix_seconds = 0;
};
absl::StatusOr<CheckedExpire> ValidateExpire(const v1::ExpireRequest& request, const RequestRules& rules);

}  // namespace rowhouse::server
