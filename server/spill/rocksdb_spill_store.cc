// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/rocksdb_spill_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "rocksdb/write_batch.h"
#include "server/spill/rocksdb_options.h"
#include "server/spill/rocksdb_status.h"
#include "server/spill/spill_directory.h"
#include "server/spill/spill_value.h"

namespace rowhouse::server {
namespace {

constexpr size_t kReadGroup = 32;  // RocksDB works in groups of 32; bounds the blocks that a read pins
constexpr uint64_t kScanPinBytes =
    16ull << 20;  // a longer pinned view would keep flushed memtables and old files alive

template <typename Bytes>
rocksdb::Slice SliceOf(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
absl::Span<const uint8_t> BytesOf(const rocksdb::Slice& slice) {
  return {reinterpret_cast<const uint8_t*>(slice.data()), slice.size()};
}

// The first byte string after `key` in the order of keys, for ranges without their end.
std::string After(const SpillKeyBytes& key) {
  std::string after(key.begin(), key.end());
  after.push_back('\0');
  return after;
}

rocksdb::WriteOptions WithoutWal() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SpillStore>> RocksDbSpillStore::Open(const SpillOptions& options,
                                                                    rocksdb::Env* env) {
  RH_ASSIGN_OR_RETURN(RocksDbOptions made, MakeRocksDbOptions(options));
  RH_RETURN_IF_ERROR(PrepareSpillDirectory(options.directory));
  if (options.direct_io && !SupportsDirectIo(options.directory)) {
    RH_LOG_WARN(
        "spill: the file system of {} refuses direct I/O: reads and writes go through the page cache, which "
        "is outside "
        "the memory budget",
        options.directory);
    made.options.use_direct_reads = false;
    made.options.use_direct_io_for_flush_and_compaction = false;
  }
  if (env != nullptr) made.options.env = env;
  auto events = std::make_shared<RocksDbEvents>();
  made.options.listeners.push_back(events);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(made.options, options.directory, &db);
  RH_RETURN_IF_ERROR(FromRocksDb(absl::StrCat("opening ", options.directory), opened));
  events->SetFlushed(db->GetLatestSequenceNumber());
  return std::unique_ptr<SpillStore>(new RocksDbSpillStore(options, std::move(made.cache), std::move(events),
                                                           std::unique_ptr<rocksdb::DB>(db)));
}

RocksDbSpillStore::RocksDbSpillStore(const SpillOptions& options, std::shared_ptr<rocksdb::Cache> cache,
                                     std::shared_ptr<RocksDbEvents> events, std::unique_ptr<rocksdb::DB> db)
    : directory_(options.directory),
      flush_patience_(options.flush_patience),
      cache_(std::move(cache)),
      events_(std::move(events)),
      db_(std::move(db)) {}

RocksDbSpillStore::~RocksDbSpillStore() {
  if (const absl::Status flushed = Flush(); !flushed.ok()) {
    RH_LOG_ERROR("spill: closing {} without its newest rows: {}", directory_, flushed.ToString());
  }
  if (const rocksdb::Status closed = db_->Close(); !closed.ok()) {
    RH_LOG_ERROR("spill: closing {}: {}", directory_, closed.ToString());
  }
}

absl::Status RocksDbSpillStore::ReadGroup(size_t first_index, absl::Span<const SpillKey> keys,
                                          absl::FunctionRef<void(size_t, const SpillValue&)> found) {
  std::array<SpillKeyBytes, kReadGroup> encoded;
  std::array<rocksdb::Slice, kReadGroup> slices;
  std::array<rocksdb::PinnableSlice, kReadGroup> values;
  std::array<rocksdb::Status, kReadGroup> statuses;
  for (size_t i = 0; i < keys.size(); ++i) {
    encoded[i] = EncodeSpillKey(keys[i]);
    slices[i] = SliceOf(encoded[i]);
  }
  // Blocks of rows go into the cache with those of the index: RocksDB has one switch for both, and without
  // the index blocks every row would cost three reads. Index and filter blocks have the upper half of the
  // cache to themselves.
  rocksdb::ReadOptions options;
  db_->MultiGet(options, db_->DefaultColumnFamily(), keys.size(), slices.data(), values.data(),
                statuses.data(),
                /*sorted_input=*/true);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    if (!statuses[i].ok())
      return FromRocksDb(absl::StrCat("reading ", DescribeSpillKey(keys[i])), statuses[i]);
    RH_ASSIGN_OR_RETURN(const SpillValue value, DecodeSpillValue(keys[i], BytesOf(values[i])));
    found(first_index + i, value);
  }
  return absl::OkStatus();
}

absl::Status RocksDbSpillStore::Read(absl::Span<const SpillKey> keys,
                                     absl::FunctionRef<void(size_t, const SpillValue&)> found) {
  for (size_t i = 0; i < keys.size(); i += kReadGroup) {
    RH_RETURN_IF_ERROR(ReadGroup(i, keys.subspan(i, kReadGroup), found));
  }
  return absl::OkStatus();
}

absl::Status RocksDbSpillStore::Failed(const std::string& doing, const rocksdb::Status& status) const {
  return FromRocksDb(absl::StrCat(doing, " ", directory_), status);
}

absl::Status RocksDbSpillStore::Write(absl::Span<const SpillPut> puts) {
  if (puts.empty()) return absl::OkStatus();
  rocksdb::WriteBatch batch;
  for (const SpillPut& put : puts) {
    const SpillKeyBytes key = EncodeSpillKey(put.key);
    const rocksdb::Slice key_slice = SliceOf(key);
    rocksdb::Status added;
    if (put.erase) {
      added = batch.Delete(key_slice);
    } else {
      const SpillHeaderBytes header = EncodeSpillHeader(key, put.value);
      const rocksdb::Slice parts[] = {SliceOf(header), SliceOf(put.value.payload)};
      added = batch.Put(rocksdb::SliceParts(&key_slice, 1), rocksdb::SliceParts(parts, 2));
    }
    if (!added.ok()) return Failed("batching rows for", added);
  }
  const rocksdb::Status written = db_->Write(WithoutWal(), &batch);
  return written.ok() ? absl::OkStatus() : Failed("writing to", written);
}

absl::Status RocksDbSpillStore::Flush() {
  rocksdb::FlushOptions options;
  options.wait = true;
  options.allow_write_stall = true;  // do not wait for compaction first: the caller waits for durability
  const uint64_t sequence = db_->GetLatestSequenceNumber();
  const absl::Time deadline = absl::Now() + flush_patience_;
  do {
    const rocksdb::Status flushed = db_->Flush(options);
    if (!flushed.ok()) return Failed("flushing", flushed);
    // After a background error Flush may say OK before it is done (facebook/rocksdb issue 8046): believe the
    // files alone.
    if (events_->AwaitFlushed(sequence, absl::Milliseconds(50))) return absl::OkStatus();
  } while (absl::Now() < deadline);
  return absl::UnavailableError(absl::StrCat("spill: flushing ", directory_, ": not done after ",
                                             absl::FormatDuration(flush_patience_), ": retry"));
}

absl::Status RocksDbSpillStore::Scan(const SpillKey& first, const SpillKey& last,
                                     absl::FunctionRef<bool(const SpillKey&, const SpillValue&)> visit) {
  const SpillKeyBytes first_bytes = EncodeSpillKey(first);
  const std::string end = After(EncodeSpillKey(last));
  const rocksdb::Slice upper_bound = end;
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper_bound;
  options.fill_cache = false;
  std::string next(first_bytes.begin(), first_bytes.end());
  while (true) {
    const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(options));
    uint64_t visited_bytes = 0;
    for (rows->Seek(next); rows->Valid() && visited_bytes < kScanPinBytes; rows->Next()) {
      RH_ASSIGN_OR_RETURN(const SpillKey key, DecodeSpillKey(BytesOf(rows->key())));
      RH_ASSIGN_OR_RETURN(const SpillValue value, DecodeSpillValue(key, BytesOf(rows->value())));
      if (!visit(key, value)) return absl::OkStatus();
      visited_bytes += rows->value().size();
    }
    if (!rows->Valid()) {
      return rows->status().ok() ? absl::OkStatus()
                                 : FromRocksDb(absl::StrCat("scanning ", directory_), rows->status());
    }
    next = rows->key().ToString();
  }
}

absl::Status RocksDbSpillStore::EraseRange(const SpillKey& first, const SpillKey& last) {
  if (last < first) return absl::OkStatus();
  const SpillKeyBytes begin = EncodeSpillKey(first);
  const std::string end = After(EncodeSpillKey(last));
  // Not DeleteFilesInRange: it takes files away at once, before earlier writes are durable, and could take a
  // file with an older range deletion whose rows would come back.
  const rocksdb::Status erased =
      db_->DeleteRange(WithoutWal(), db_->DefaultColumnFamily(), SliceOf(begin), end);
  if (!erased.ok()) return Failed("erasing a range of", erased);
  events_->Erased(db_->GetLatestSequenceNumber(), std::string(begin.begin(), begin.end()), end);
  return absl::OkStatus();
}

void RocksDbSpillStore::BeginGivingBack() {
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;
  // RocksDbEvents goes on from the end of the flush.
  const rocksdb::Status begun = db_->Flush(options);
  if (!begun.ok()) RH_LOG_WARN("spill: the disk of an erased range is given back late: {}", begun.ToString());
}

uint64_t RocksDbSpillStore::DiskBytes() const {
  uint64_t bytes = 0;
  db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
  return bytes;
}

uint64_t RocksDbSpillStore::MemoryBytes() const { return cache_->GetUsage(); }

absl::StatusOr<std::unique_ptr<SpillStore>> OpenRocksDbSpillStore(const SpillOptions& options) {
  return RocksDbSpillStore::Open(options);
}

}  // namespace rowhouse::server
