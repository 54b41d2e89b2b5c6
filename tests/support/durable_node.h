// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A server on a real disk, without its wire: data directory, RocksDB, log, meta store, catalog, checkpoints,
// built as server.cc builds them, but with the memory of a few hundred rows. For tests that damage files or
// end processes.
//
// Thread rule: as its parts; Start and the destructor from one thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/executor.h"
#include "common/file_system.h"
#include "common/memory_ledger.h"
#include "server/checkpoint/checkpoint_share.h"
#include "server/checkpoint/coordinator.h"
#include "server/identity.h"
#include "server/meta/table_catalog.h"
#include "server/partition/partition_set.h"
#include "server/spill/spill_store.h"
#include "tests/support/node.h"

namespace rowhouse::server {

struct DurableNodeOptions {
  std::string data_directory;
  std::string checkpoint_directory;  // empty: none
  bool keep_log = false;             // for barriers
  uint32_t partitions = 4;
  uint64_t memory_bytes = 192 << 10;  // of rows
  uint64_t segment_bytes = 64 << 10;
  absl::Duration pin_timeout = absl::Seconds(2);
  FileSystem* files = PosixFileSystem();
  // Of the spill; another one plays failing disks.
  std::function<absl::StatusOr<std::unique_ptr<SpillStore>>(const SpillOptions&)> open_spill =
      OpenRocksDbSpillStore;
};

class DurableNode {
 public:
  // A server's start: opens or makes the directory, recovers, catches up with the meta store. Pushes run in
  // the thread that makes them, so that those of one thread keep their order.
  static absl::StatusOr<std::unique_ptr<DurableNode>> Start(const DurableNodeOptions& options);
  // An orderly stop.
  ~DurableNode();

  // Waits for the answer.
  PushOutcome Push(const PushRequest& request);
  // All stored rows by a scan.
  absl::StatusOr<TableBits> Rows(TableId table);
  // The weights of all ids, one after the other, by one pull.
  absl::StatusOr<std::vector<float>> Pull(TableId table, absl::Span<const Id> ids);

  PartitionSet& partitions() { return *partitions_; }
  TableRegistry& tables() { return *tables_; }
  TableCatalog& catalog() { return *catalog_; }
  CheckpointCoordinator& coordinator() { return *coordinator_; }
  const PartitionMap& map() const { return *map_; }

 private:
  explicit DurableNode(const DurableNodeOptions& options) : options_(options) {}
  absl::Status Build();
  absl::Status OpenDirectory();
  absl::Status OpenRows();
  absl::Status OpenPartitions();
  absl::Status OpenCatalog();
  void MakeCheckpoints();

  // In the order in which they are made.
  const DurableNodeOptions options_;
  MemoryLedger ledger_;
  DataDirectory directory_;
  std::shared_ptr<const PartitionMap> map_;
  std::unique_ptr<SpillStore> spill_;
  std::unique_ptr<Executor> workers_, appliers_, io_;
  std::unique_ptr<RowStore> rows_;
  std::unique_ptr<TableRegistry> tables_;
  std::unique_ptr<PartitionSet> partitions_;
  std::unique_ptr<MetaStore> meta_;
  std::unique_ptr<CatalogTarget> target_;
  std::unique_ptr<TableCatalog> catalog_;
  std::unique_ptr<CheckpointShare> share_;
  std::unique_ptr<CheckpointCoordinator> coordinator_;
};

// Makes a checkpoint and waits for its end; why it was not made.
absl::Status MakeCheckpoint(DurableNode& node, const std::string& name, CheckpointKind kind);

// What --restore-from does before a start: fills the node's directory with a checkpoint, unless it has been
// filled with it before.
absl::Status RestoreDurableNode(const DurableNodeOptions& options, const std::string& checkpoint_folder);

}  // namespace rowhouse::server
