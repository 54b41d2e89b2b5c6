// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A server's core without its edges: disk in memory, spill in memory, row store, tables, partitions. Can be
// killed and started again on the same disk. For tests; one thread unless said otherwise.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/clock.h"
#include "common/executor.h"
#include "common/memory_file_system.h"
#include "common/memory_ledger.h"
#include "server/partition/partition_set.h"
#include "server/row/tiered_row_store.h"
#include "tests/support/crashable_spill_store.h"

namespace rowhouse::server {

struct NodeOptions {
  uint32_t partitions = 4;
  uint32_t servers = 1;
  ServerId server = 0;
  uint64_t memory_bytes = 64ull << 20;
  uint64_t segment_bytes = 1ull << 20;
  bool inline_workers = false;  // pushes run in the calling thread
  int threads = 2;              // of workers and of appliers, each
  int io_threads = 4;           // reads of spill, and replay
  absl::Duration restart_target = absl::Seconds(60);
  Clock* clock = SystemClock();
  FileSystem* files = nullptr;  // instead of the disk's own, over which it should lie
};

// What survives a crash.
struct NodeDisk {
  std::unique_ptr<MemoryFileSystem> files = MakeMemoryFileSystem();
  CrashableSpillStore spill;
  Generation starts = 0;
  HistoryId history = 77;
  bool restored = false;  // a restore filled it: volatile rows lie under kNodeRestoredGeneration
};

inline constexpr ClusterId kNodeCluster = 55;
inline constexpr Generation kNodeDurableGeneration = 1;
inline constexpr Generation kNodeRestoredGeneration = 2;  // of a disk's first start
inline constexpr char kNodeLogDirectory[] = "/log";

// The map of a cluster of nodes.
std::shared_ptr<const PartitionMap> NodeMap(uint32_t partitions, uint32_t servers);

// A row as an outside observer sees it: weights and state as bits.
using RowBits = std::vector<uint32_t>;
using TableBits = std::map<Id, RowBits>;

// The answer of a push that is not waited for.
struct PushAnswer {
  absl::Notification arrived;
  PushOutcome outcome;
};

class Node {
 public:
  Node(const NodeOptions& options, NodeDisk* disk);
  ~Node() { Stop(); }

  // Recovery. Call once before the rest.
  absl::Status Start();
  // An orderly stop: what was submitted is finished and logged.
  void Stop();

  absl::Status CreateTable(const TableSchema& schema);
  absl::Status DropTable(TableId table);
  // A crash without warning; destroy the node then. Of what spill did not flush, the first `keep_spill`
  // writes survive; of the files what was synced when the power is lost, else all.
  void Kill(size_t keep_spill, bool power_loss);
  // The request must live until the answer arrives.
  std::shared_ptr<PushAnswer> PushLater(const PushRequest& request);
  // Waits for the answer.
  PushOutcome Push(const PushRequest& request);
  PullOutcome Pull(const PullRequest& request);
  PullOutcome Pull(TableId table, const std::vector<Id>& ids, std::vector<float>* values,
                   std::vector<uint8_t>* stored = nullptr);
  // All stored rows.
  TableBits Rows(TableId table);

  PartitionSet& partitions() { return *partitions_; }
  RowStore& rows() { return *rows_; }
  TableRegistry& tables() { return *tables_; }
  MemoryLedger& ledger() { return ledger_; }

 private:
  const NodeOptions options_;
  NodeDisk* const disk_;
  MemoryLedger ledger_;
  std::unique_ptr<Executor> workers_, appliers_, io_;
  std::unique_ptr<RowStore> rows_;
  std::unique_ptr<TableRegistry> tables_;
  std::unique_ptr<PartitionSet> partitions_;
};

// Pushes gradients to one table through plain arrays.
class PushBuilder {
 public:
  PushBuilder(WriterId writer, PushSeq seq, PushSeq low = 1) {
    request_.writer = writer;
    request_.seq = seq;
    request_.low = low;
    request_.part_count = 1;
  }
  PushBuilder& Add(TableId table, std::vector<Id> ids, std::vector<float> values) {
    ids_.push_back(std::make_unique<std::vector<Id>>(std::move(ids)));
    values_.push_back(std::make_unique<std::vector<float>>(std::move(values)));
    PushTableRequest slice;
    slice.table = table;
    slice.schema_version = 1;
    slice.ids = *ids_.back();
    slice.values = ChunkedBytes(
        {reinterpret_cast<const uint8_t*>(values_.back()->data()), values_.back()->size() * sizeof(float)});
    request_.tables.push_back(slice);
    return *this;
  }
  PushBuilder& Kind(PushKind kind) {
    request_.kind = kind;
    return *this;
  }
  // Of the whole push, over all servers.
  PushBuilder& Parts(uint32_t count) {
    request_.part_count = count;
    return *this;
  }
  PushBuilder& Step(uint64_t step) {
    request_.step = step;
    return *this;
  }
  PushBuilder& Type(RecordType type) {
    request_.type = type;
    return *this;
  }
  PushRequest& request() { return request_; }

 private:
  PushRequest request_;
  std::vector<std::unique_ptr<std::vector<Id>>> ids_;
  std::vector<std::unique_ptr<std::vector<float>>> values_;
};

// A schema with torch's Adagrad and uniform initial rows.
TableSchema AdagradSchema(TableId id, uint32_t dim, Durability durability = Durability::kSync);

}  // namespace rowhouse::server
