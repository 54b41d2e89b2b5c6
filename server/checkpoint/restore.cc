// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/restore.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/failpoint.h"
#include "common/limits.h"
#include "common/logging.h"
#include "common/routing/routing_hash.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"
#include "server/checkpoint/log_copy.h"
#include "server/checkpoint/restore_plan.h"
#include "server/checkpoint/row_image.h"
#include "server/log/log_range.h"
#include "server/log/record.h"
#include "server/meta/table_catalog.h"
#include "server/optimizer/optimizer.h"
#include "server/partition/partition_state.h"
#include "server/row/row_layout.h"
#include "server/table/table.h"

namespace rowhouse::server {
namespace {

constexpr size_t kBatchRows = 4096;
constexpr uint64_t kBatchBytes = 1 << 20;

absl::Span<const uint8_t> AsBytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

// A table of the checkpoint, as rows and records are checked against it.
struct KnownTable {
  const TableSchema* schema = nullptr;
  uint32_t row_bytes = 0;
  bool is_volatile = false;
};

class Restorer {
 public:
  Restorer(FileSystem* fs, const CheckpointStore& store, const std::vector<Manifest>& chain,
           const RestoreTarget& target, RestoreProgress progress)
      : fs_(fs), store_(store), chain_(chain), target_(target), progress_(progress) {}

  absl::StatusOr<Restored> Run() {
    RH_ASSIGN_OR_RETURN(plan_, RestorePlan::Make(store_, chain_, *target_.map, target_.server));
    for (const TableSchema& schema : chain_.back().tables) {
      const Table table(schema, nullptr);
      tables_[schema.table_id] = {&schema, table.layout().row_bytes(),
                                  schema.durability == Durability::kVolatile};
    }
    CountBytes();
    for (size_t c = 0; c < chain_.size(); ++c) {
      for (const ServerManifest& server : plan_.servers(c)) RH_RETURN_IF_ERROR(ReadImages(c, server));
    }
    RH_RETURN_IF_ERROR(WriteBatch());
    if (chain_.size() > 1) RH_RETURN_IF_ERROR(RecountRows());
    RH_RETURN_IF_ERROR(WriteStates());
    RH_RETURN_IF_ERROR(target_.spill->Flush());
    RH_RETURN_IF_ERROR(WriteLog());
    return out_;
  }

 private:
  std::string Folder(size_t c, ServerId server) const {
    return absl::StrCat(store_.directory(), "/", chain_[c].name, "/", ServerFolder(server));
  }

  void CountBytes() {
    for (size_t c = 0; c < chain_.size(); ++c) {
      for (const ServerManifest& server : plan_.servers(c)) {
        if (!Touches(server)) continue;
        for (const CheckpointFile& file : server.images) total_ += file.bytes;
        for (const CheckpointFile& file : server.log) total_ += file.bytes * plan_.rounds();
      }
    }
  }

  bool Touches(const ServerManifest& server) const {
    for (const PartitionShare& share : server.partitions) {
      if (plan_.Touches(share.partition)) return true;
    }
    return false;
  }

  absl::Status Progress(uint64_t bytes) {
    done_ += bytes;
    return progress_(done_, total_) ? absl::OkStatus() : absl::CancelledError("the restore was cancelled");
  }

  // Whether rows and records of the table in this checkpoint of the chain count.
  bool Counts(size_t c, PartitionId old, const KnownTable& table) const {
    return table.is_volatile ? c == plan_.last_image() : c >= plan_.old_partition(old).first;
  }

  // ---- rows

  absl::Status ReadImages(size_t c, const ServerManifest& server) {
    if (!Touches(server)) return absl::OkStatus();
    const Manifest& manifest = chain_[c];
    const ImageIdentity identity{.cluster = manifest.cluster,
                                 .history = manifest.history,
                                 .checkpoint = manifest.id,
                                 .server = server.server};
    for (const CheckpointFile& file : server.images) {
      const std::string path = absl::StrCat(Folder(c, server.server), "/", file.name);
      RH_FAILPOINT_RETURN(kRestoreImage);
      RH_RETURN_IF_ERROR(ReadRowImage(*fs_, path, file, identity,
                                      [&](const RowImageBlock& block) { return TakeBlock(c, path, block); }));
      RH_RETURN_IF_ERROR(Progress(file.bytes));
    }
    return absl::OkStatus();
  }

  absl::Status TakeBlock(size_t c, const std::string& path, const RowImageBlock& block) {
    const auto table = tables_.find(block.table);
    if (table == tables_.end()) return absl::OkStatus();  // dropped before the cut
    if (block.partition >= chain_[c].partitions || block.row_bytes != table->second.row_bytes) {
      return absl::DataLossError(absl::StrCat(path, ": rows of table ", block.table, " in partition ",
                                              block.partition, " have ", block.row_bytes, " bytes, want ",
                                              table->second.row_bytes));
    }
    if (!plan_.Touches(block.partition) || !Counts(c, block.partition, table->second))
      return absl::OkStatus();
    const Lsn offset = plan_.Offset(block.partition);
    const Generation generation =
        table->second.is_volatile ? target_.volatile_generation : target_.durable_generation;
    for (size_t i = 0; i < block.hashes.size(); ++i) {
      const PartitionId partition = plan_.NewPartition(block.hashes[i]);
      if (!plan_.Owns(partition)) continue;
      puts_.push_back({.key = {.partition = partition,
                               .generation = generation,
                               .table = block.table,
                               .hash = block.hashes[i]},
                       .value = {.lsn = block.lsns[i] + offset,
                                 .payload = block.images.subspan(i * block.row_bytes, block.row_bytes)}});
      ++stored_[{block.table, partition}];
      ++out_.rows;
      bytes_ += block.row_bytes;
      if (puts_.size() >= kBatchRows || bytes_ >= kBatchBytes) RH_RETURN_IF_ERROR(WriteBatch());
    }
    return WriteBatch();  // the block's bytes go away
  }

  absl::Status WriteBatch() {
    if (puts_.empty()) return absl::OkStatus();
    RH_FAILPOINT_RETURN(kRestoreRows);
    RH_RETURN_IF_ERROR(target_.spill->Write(puts_));
    puts_.clear();
    bytes_ = 0;
    return absl::OkStatus();
  }

  // Rows that later images replaced were counted more than once.
  absl::Status RecountRows() {
    out_.rows = 0;
    for (auto& [where, count] : stored_) {
      const auto& [table, partition] = where;
      const SpillKey first{
          .partition = partition,
          .generation = tables_[table].is_volatile ? target_.volatile_generation : target_.durable_generation,
          .table = table};
      SpillKey last = first;
      last.hash = ~uint64_t{0};
      uint64_t rows = 0;
      RH_RETURN_IF_ERROR(target_.spill->Scan(first, last, [&](const SpillKey&, const SpillValue&) {
        ++rows;
        return true;
      }));
      count = rows;
      out_.rows += rows;
    }
    return absl::OkStatus();
  }

  // ---- states

  absl::Status WriteStates() {
    for (PartitionId partition : target_.map->OwnedBy(target_.server)) {
      if (plan_.LastLsn(partition) >= limits::kMaxLsn)
        return absl::FailedPreconditionError("too few partitions: their LSNs together are out of range");
      const Lsn redo = plan_.RedoLsn(partition);
      PartitionState state{.history = target_.history,
                           .epoch = target_.map->epoch(partition),
                           .generation = target_.durable_generation,
                           .redo_lsn = redo,
                           .last_erase_lsn = redo};
      state.window.RaiseFloor({.floor = chain_.back().highest_writer});
      for (const TableSchema& schema : chain_.back().tables) {
        const auto stored = stored_.find({schema.table_id, partition});
        state.tables.push_back(
            {.schema = schema, .stored_rows = stored == stored_.end() ? 0 : stored->second});
      }
      const std::string bytes = EncodePartitionState(state);
      RH_FAILPOINT_RETURN(kRestoreStates);
      const SpillPut put{.key = {.partition = partition},  // generation 0, table 0: its state
                         .value = {.lsn = redo, .payload = AsBytes(bytes)}};
      RH_RETURN_IF_ERROR(target_.spill->Write({&put, 1}));
    }
    return absl::OkStatus();
  }

  // ---- the log

  absl::Status WriteLog() {
    SegmentSink sink(target_.log_fs, target_.log_directory,
                     {.cluster = target_.cluster, .server = target_.server, .history = target_.history},
                     target_.log_segment_bytes);
    for (uint32_t round = 0; round < plan_.rounds(); ++round) {
      for (size_t c = 0; c < chain_.size(); ++c) {
        for (const ServerManifest& server : plan_.servers(c))
          RH_RETURN_IF_ERROR(ReadLog(c, server, round, &sink));
      }
    }
    RH_RETURN_IF_ERROR(EndLog(&sink));
    out_.records = sink.records();
    return sink.Finish().status();
  }

  // Every partition ends with a record that refuses the writers of the old history; so no log is empty.
  absl::Status EndLog(SegmentSink* sink) {
    const std::string floor = EncodeWriterFloor({.floor = chain_.back().highest_writer});
    for (PartitionId partition : target_.map->OwnedBy(target_.server)) {
      RecordHeader header{.type = RecordType::kWriterFloor, .lsn = plan_.LastLsn(partition) + 1};
      header.time_unix_micros = chain_.back().cut_unix_micros;
      header.update_rule_version = kUpdateRuleVersion;
      RH_RETURN_IF_ERROR(Put(header, partition, AsBytes(floor), sink));
    }
    return absl::OkStatus();
  }

  absl::Status Put(RecordHeader header, PartitionId partition, absl::Span<const uint8_t> body,
                   SegmentSink* sink) {
    header.history = target_.history;
    header.partition = partition;
    header.generation = target_.durable_generation;
    header.epoch = target_.map->epoch(partition);
    header.committed_lsn = 0;  // what came before is here, with gaps where images took over
    // No writer of the old history is known to the new one.
    header.writer = 0;
    header.seq = header.low = 0;
    header.part_count = 0;
    header.fingerprint = 0;
    return sink->Append(header, body);
  }

  absl::Status ReadLog(size_t c, const ServerManifest& server, uint32_t round, SegmentSink* sink) {
    if (server.log.empty() || !Touches(server)) return absl::OkStatus();
    RH_FAILPOINT_RETURN(kRestoreLog);
    const Manifest& manifest = chain_[c];
    const LogIdentity identity{
        .cluster = manifest.cluster, .server = server.server, .history = manifest.history};
    std::map<PartitionId, PartitionShare> shares;
    for (const PartitionShare& share : server.partitions) {
      if (plan_.Touches(share.partition) && plan_.Round(share.partition) == round)
        shares[share.partition] = share;
    }
    uint64_t records = 0;
    for (const CheckpointFile& file : server.log) RH_RETURN_IF_ERROR(Progress(file.bytes));
    const std::string directory = absl::StrCat(Folder(c, server.server), "/log");
    const auto take = [&](const Record& record) -> absl::Status {
      ++records;
      const auto share = shares.find(record.header.partition);
      if (share == shares.end()) return absl::OkStatus();
      if (record.header.lsn <= share->second.begin_lsn || record.header.lsn > share->second.cut_lsn)
        return absl::OkStatus();
      return TakeRecord(c, record, sink);
    };
    return ReadWholeLog(*fs_, directory, identity, take);
  }

  absl::Status TakeRecord(size_t c, const Record& record, SegmentSink* sink) {
    const PartitionId old = record.header.partition;
    RH_ASSIGN_OR_RETURN(const std::vector<PushSlice> slices, ParsePushBody(record.body));
    RecordHeader header = record.header;
    header.lsn += plan_.Offset(old);
    // Rows of the record by the partition they are in now.
    std::map<PartitionId, std::vector<std::vector<uint32_t>>> rows;
    bool all = true;
    for (size_t s = 0; s < slices.size(); ++s) {
      const auto table = tables_.find(slices[s].table);
      if (table == tables_.end() || !Counts(c, old, table->second)) {
        all = false;
        continue;
      }
      for (uint32_t i = 0; i < slices[s].ids.size(); ++i) {
        const PartitionId to = plan_.NewPartition(RoutingHash(slices[s].table, slices[s].ids[i]));
        if (!plan_.Owns(to)) {
          all = false;
          continue;
        }
        auto& of_partition = rows[to];
        of_partition.resize(slices.size());
        of_partition[s].push_back(i);
      }
    }
    if (all && rows.size() == 1) return Put(header, rows.begin()->first, record.body, sink);
    for (const auto& [to, kept] : rows) {
      const Buffer body = KeepRows(record.header.type, slices, kept);
      RH_RETURN_IF_ERROR(Put(header, to, body.span(), sink));
    }
    return absl::OkStatus();
  }

  static Buffer KeepRows(RecordType type, const std::vector<PushSlice>& slices,
                         const std::vector<std::vector<uint32_t>>& kept) {
    PushBodySize size;
    for (size_t s = 0; s < slices.size(); ++s) {
      if (kept[s].empty()) continue;
      ++size.table_count;
      size.rows += kept[s].size();
      if (!slices[s].counts.empty()) size.rows_with_counts += kept[s].size();
      size.value_floats += kept[s].size() * slices[s].dim;
    }
    PushBodyBuilder builder(size);
    for (size_t s = 0; s < slices.size(); ++s) {
      if (kept[s].empty()) continue;
      const PushSlice& slice = slices[s];
      const PushBodyBuilder::Slots slots = builder.AddSlice(slice, kept[s].size(), !slice.counts.empty());
      for (size_t i = 0; i < kept[s].size(); ++i) {
        const uint32_t from = kept[s][i];
        slots.ids[i] = slice.ids[from];
        if (!slice.counts.empty()) slots.counts[i] = slice.counts[from];
        if (type == RecordType::kPush) {
          const auto values = slice.values.subspan(size_t{from} * slice.dim, slice.dim);
          std::copy(values.begin(), values.end(), slots.values + i * slice.dim);
        }
      }
    }
    return builder.Finish();
  }

  FileSystem* const fs_;
  const CheckpointStore& store_;
  const std::vector<Manifest>& chain_;
  const RestoreTarget& target_;
  RestoreProgress progress_;
  RestorePlan plan_;
  std::map<TableId, KnownTable> tables_;
  uint64_t done_ = 0, total_ = 0;
  std::vector<SpillPut> puts_;
  uint64_t bytes_ = 0;
  std::map<std::pair<TableId, PartitionId>, uint64_t> stored_;
  Restored out_;
};

}  // namespace

absl::Status VerifyChain(const CheckpointStore& store, const std::vector<Manifest>& chain,
                         RestoreProgress progress) {
  uint64_t total = 0, before = 0;
  for (const Manifest& manifest : chain) total += manifest.bytes;
  for (const Manifest& manifest : chain) {
    RH_RETURN_IF_ERROR(store.Verify(manifest.name, [&](uint64_t done, uint64_t) {
      return progress(std::min(before + done, total), total);
    }));
    before += manifest.bytes;
  }
  return absl::OkStatus();
}

absl::StatusOr<Restored> RestoreRows(FileSystem* fs, const CheckpointStore& store,
                                     const std::vector<Manifest>& chain, const RestoreTarget& target,
                                     RestoreProgress progress) {
  return Restorer(fs, store, chain, target, progress).Run();
}

absl::Status RestoreMeta(const Manifest& manifest, MetaStore* meta) {
  std::vector<MetaPut> puts;
  for (const TableSchema& schema : manifest.tables) {
    puts.push_back({.key = absl::StrCat("table/", schema.name), .value = EncodeSchema(schema)});
    puts.push_back({.key = absl::StrCat("table_id/", schema.table_id), .value = schema.name});
  }
  puts.push_back({.key = "counter/table", .value = absl::StrCat(manifest.highest_table)});
  puts.push_back({.key = "counter/writer", .value = absl::StrCat(manifest.highest_writer)});
  puts.push_back({.key = kRestoredFromKey, .value = absl::StrFormat("%016x", manifest.id)});
  for (const WriterCut& writer : manifest.writers) {
    if (writer.name.empty()) continue;
    puts.push_back({.key = absl::StrCat(kRestoredWriterPrefix, writer.name),
                    .value = EncodeRestoredWriter({.seq = writer.complete_seq, .step = writer.step})});
  }
  RH_ASSIGN_OR_RETURN(const MetaTxnResult result, meta->Txn({{.key = "counter/table"}}, puts));
  if (result.succeeded) return absl::OkStatus();
  return absl::FailedPreconditionError("the meta store is not empty");
}

}  // namespace rowhouse::server
