// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A cluster of nodes in one process with a shared checkpoint directory in memory: pushes go to all servers
// that own their ids, checkpoints are made by a coordinator, and restored to other clusters. Thread-safe
// where Node is.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/memory_file_system.h"
#include "common/random.h"
#include "common/routing/routing_hash.h"
#include "common/schema/schema_proto.h"
#include "server/checkpoint/checkpoint_share.h"
#include "server/checkpoint/coordinator.h"
#include "server/checkpoint/restore.h"
#include "tests/support/node.h"

namespace rowhouse::server {

inline constexpr char kCheckpoints[] = "/checkpoints";

struct ClusterOptions {
  uint32_t servers = 1;
  uint32_t partitions = 4;
  uint64_t memory_bytes = 64ull << 20;
  bool keep_log = false;
};

// The disks of a cluster, and its meta store's file.
struct ClusterDisk {
  explicit ClusterDisk(uint32_t servers) {
    for (uint32_t s = 0; s < servers; ++s) nodes.push_back(std::make_unique<NodeDisk>());
  }
  std::vector<std::unique_ptr<NodeDisk>> nodes;
  std::unique_ptr<MemoryFileSystem> meta = MakeMemoryFileSystem();
};

class Cluster {
 public:
  // `files`: of the checkpoints. Neither is owned.
  Cluster(const ClusterOptions& options, ClusterDisk* disk, FileSystem* files)
      : options_(options), map_(NodeMap(options.partitions, options.servers)) {
    const HistoryId history = disk->nodes[0]->history;
    meta_ = OpenLocalMetaStore(disk->meta.get(), "/META", kNodeCluster, history).value();
    CheckpointCoordinator::Parts parts{.fs = files,
                                       .clock = SystemClock(),
                                       .random = SystemRandom(),
                                       .meta = meta_.get(),
                                       .directory = kCheckpoints,
                                       .cluster = kNodeCluster,
                                       .history = history,
                                       .partitions = options.partitions};
    for (uint32_t s = 0; s < options.servers; ++s) {
      nodes_.push_back(std::make_unique<Node>(NodeOptions{.partitions = options.partitions,
                                                          .servers = options.servers,
                                                          .server = s,
                                                          .memory_bytes = options.memory_bytes},
                                              disk->nodes[s].get()));
      EXPECT_TRUE(nodes_.back()->Start().ok());
      shares_.push_back(std::make_unique<CheckpointShare>(
          CheckpointShare::Parts{.fs = files,
                                 .log_fs = disk->nodes[s]->files.get(),
                                 .clock = SystemClock(),
                                 .partitions = &nodes_.back()->partitions(),
                                 .rows = &nodes_.back()->rows(),
                                 .tables = &nodes_.back()->tables(),
                                 .directory = kCheckpoints,
                                 .log_directory = kNodeLogDirectory,
                                 .log_identity = {.cluster = kNodeCluster, .server = s, .history = history},
                                 .keep_log = options.keep_log,
                                 .data_directory = "/"}));
      EXPECT_TRUE(shares_.back()->Start().ok());
      for (TableId id : nodes_.back()->tables().AllIds()) nodes_.back()->tables().Open(id);
      parts.members.push_back(shares_.back().get());
    }
    coordinator_ = std::make_unique<CheckpointCoordinator>(std::move(parts));
  }
  ~Cluster() { Stop(); }
  void Stop() {
    if (coordinator_ != nullptr) coordinator_->Stop();
    coordinator_.reset();
    for (auto& share : shares_) share->Stop();
    shares_.clear();
    nodes_.clear();
  }

  void CreateTable(const TableSchema& schema) {
    ASSERT_TRUE(meta_
                    ->Txn({}, {{.key = absl::StrCat("table/", schema.name), .value = EncodeSchema(schema)},
                               {.key = absl::StrCat("table_id/", schema.table_id), .value = schema.name},
                               {.key = "counter/table", .value = absl::StrCat(schema.table_id)}})
                    .ok());
    for (auto& node : nodes_) ASSERT_TRUE(node->CreateTable(schema).ok());
  }
  void RegisterWriter(const std::string& name, WriterId writer) {
    ASSERT_TRUE(meta_
                    ->Txn({}, {{.key = absl::StrCat("writer/", name), .value = absl::StrCat(writer)},
                               {.key = "counter/writer", .value = absl::StrCat(writer)}})
                    .ok());
  }

  // The parts of a push, one request for each server that owns some of its ids.
  struct Split {
    std::map<ServerId, std::pair<std::vector<Id>, std::vector<float>>> servers;
    uint32_t part_count = 0;
  };
  Split SplitIds(TableId table, const std::vector<Id>& ids, const std::vector<float>& values) const {
    Split split;
    const size_t dim = ids.empty() ? 0 : values.size() / ids.size();
    std::map<PartitionId, int> partitions;
    for (size_t i = 0; i < ids.size(); ++i) {
      const PartitionId p = map_->PartitionOf(table, ids[i]);
      partitions[p] = 1;
      auto& [to_ids, to_values] = split.servers[map_->owner(p)];
      to_ids.push_back(ids[i]);
      to_values.insert(to_values.end(), values.begin() + static_cast<ptrdiff_t>(i * dim),
                       values.begin() + static_cast<ptrdiff_t>((i + 1) * dim));
    }
    split.part_count = static_cast<uint32_t>(partitions.size());
    return split;
  }
  // Pushes to all servers at once and waits.
  void Push(TableId table, WriterId writer, PushSeq seq, const std::vector<Id>& ids,
            const std::vector<float>& values, RecordType type = RecordType::kPush, PushSeq low = 0) {
    const Split split = SplitIds(table, ids, values);
    std::vector<std::unique_ptr<PushBuilder>> requests;
    std::vector<std::shared_ptr<PushAnswer>> answers;
    for (const auto& [server, part] : split.servers) {
      requests.push_back(std::make_unique<PushBuilder>(writer, seq, low == 0 ? seq : low));
      requests.back()->Add(table, part.first, part.second).Parts(split.part_count).Step(seq).Type(type);
      answers.push_back(nodes_[server]->PushLater(requests.back()->request()));
    }
    for (const auto& answer : answers) {
      answer->arrived.WaitForNotification();
      ASSERT_TRUE(answer->outcome.status.ok()) << answer->outcome.status;
      for (const auto& failure : answer->outcome.failures) ADD_FAILURE() << failure.status;
    }
  }

  // Makes a checkpoint and waits for its end.
  CheckpointJob Make(const CheckpointRequest& request) {
    const auto begun = coordinator_->Begin(request);
    if (!begun.ok()) return {.phase = JobPhase::kFailed, .failure = begun.status()};
    return Await(begun->id);
  }
  CheckpointJob Await(uint64_t id) {
    while (true) {
      CheckpointJob job = coordinator_->Job(id).value();
      if (job.ended()) return job;
      absl::SleepFor(absl::Milliseconds(5));
    }
  }

  TableBits Rows(TableId table) {
    TableBits all;
    for (auto& node : nodes_) all.merge(node->Rows(table));
    return all;
  }
  Node& node(ServerId server) { return *nodes_[server]; }
  CheckpointCoordinator& coordinator() { return *coordinator_; }
  CheckpointShare& share(ServerId server) { return *shares_[server]; }
  MetaStore& meta() { return *meta_; }
  const PartitionMap& map() const { return *map_; }

 private:
  const ClusterOptions options_;
  const std::shared_ptr<const PartitionMap> map_;
  std::unique_ptr<MetaStore> meta_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<CheckpointShare>> shares_;
  std::unique_ptr<CheckpointCoordinator> coordinator_;
};

// What is in the checkpoints' directory, complete or not; nothing when it was never made.
inline std::vector<std::string> CheckpointFolders(FileSystem& files) {
  auto names = files.List(kCheckpoints);
  return names.ok() ? *std::move(names) : std::vector<std::string>();
}

// Restores a checkpoint to new disks for so many servers and partitions.
inline absl::StatusOr<std::unique_ptr<ClusterDisk>> RestoreDisks(FileSystem* files, const std::string& name,
                                                                 uint32_t servers, uint32_t partitions) {
  const CheckpointStore store(files, kCheckpoints);
  auto disk = std::make_unique<ClusterDisk>(servers);
  const auto go_on = [](uint64_t, uint64_t) { return true; };
  auto chain = store.Chain(name);
  if (!chain.ok()) return chain.status();
  const absl::Status verified = VerifyChain(store, *chain, go_on);
  if (!verified.ok()) return verified;
  const auto map = NodeMap(partitions, servers);
  for (uint32_t s = 0; s < servers; ++s) {
    NodeDisk& node = *disk->nodes[s];
    node.history = 78;
    node.restored = true;
    const RestoreTarget target{.cluster = kNodeCluster,
                               .history = node.history,
                               .server = s,
                               .map = map.get(),
                               .spill = &node.spill,
                               .log_fs = node.files.get(),
                               .log_directory = kNodeLogDirectory,
                               .log_segment_bytes = 1 << 20,
                               .durable_generation = kNodeDurableGeneration,
                               .volatile_generation = kNodeRestoredGeneration};
    const auto restored = RestoreRows(files, store, *chain, target, go_on);
    if (!restored.ok()) return restored.status();
  }
  auto meta = OpenLocalMetaStore(disk->meta.get(), "/META", kNodeCluster, 78);
  if (!meta.ok()) return meta.status();
  const absl::Status done = RestoreMeta(chain->back(), meta->get());
  if (!done.ok()) return done;
  return disk;
}

}  // namespace rowhouse::server
