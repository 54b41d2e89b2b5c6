// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The catalog over a meta store: every change is a compare-and-set there, then a catch-up here and on every
// other server.
//
// Catch-up (SyncNow) reads the whole store and makes this server's tables, and its partitions' writer floor,
// what the store says; it asks nothing about the past, so it repairs whatever a crash or a lost message left
// behind.
//
// Thread rule: thread-safe; Start and Stop from one thread. Nothing of Parts is owned; all outlive the
// catalog.

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/log/record.h"
#include "server/meta/catalog.h"
#include "server/meta/meta_store.h"
#include "server/meta/peers.h"

namespace rowhouse::server {

// What a catch-up does to this server. Called by one thread at a time; calls block on the disk, and are
// idempotent.
class CatalogTarget {
 public:
  virtual ~CatalogTarget() = default;
  // The table is in every partition's order with this schema, and open to requests.
  virtual absl::Status TakeUp(const TableSchema& schema) = 0;
  // The table is gone, rows included.
  virtual absl::Status Drop(TableId table) = 0;
  // Every partition refuses these writers.
  virtual absl::Status RaiseFloor(const WriterFloor& floor) = 0;
  // Tables that this server has, open or not.
  virtual std::vector<TableId> Tables() = 0;
};

class TableCatalog final : public Catalog {
 public:
  struct Parts {
    MetaStore* meta = nullptr;
    CatalogTarget* target = nullptr;
    Peers* peers = nullptr;  // null: this server is alone
    ClusterId cluster = 0;   // what the store must be of
    HistoryId history = 0;
  };
  explicit TableCatalog(const Parts& parts) : parts_(parts) {}
  ~TableCatalog() override { Stop(); }

  // Begins the first catch-up, tried again until it succeeds, and those that CheckFresh wants, on a
  // thread of its own.
  void Start();
  // Ends that thread; waits for a catch-up under way. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  absl::StatusOr<CreatedTable> CreateTable(const TableSchema& schema, bool if_not_exists,
                                           std::optional<TableId> last_id) override;
  absl::StatusOr<TableSchema> AlterTable(const TableSchema& schema) override;
  absl::StatusOr<TableId> DropTable(std::string_view name, TableId expected) override;
  absl::StatusOr<RegisteredWriter> RegisterWriter(std::string_view name,
                                                  std::optional<WriterId> replaces) override;
  absl::StatusOr<WriterId> WriterIdOf(std::string_view name) override;
  absl::StatusOr<RestoredWriter> RestoredWriterOf(std::string_view name) override;
  absl::StatusOr<std::vector<LivingWriter>> ListWriters() override;
  absl::StatusOr<WriterId> EndWriter(std::string_view name, WriterId expected) override;
  absl::StatusOr<uint64_t> SyncNow() override ABSL_LOCKS_EXCLUDED(sync_mu_, mu_);

  // For a request that names what this server does not have. OK: it caught up a moment ago, there is no such
  // thing. Unavailable: it may be behind; a catch-up was begun, try again. Never blocks.
  absl::Status CheckFresh() ABSL_LOCKS_EXCLUDED(mu_);
  // Whether this server has caught up once since it was started; if not, why the last attempt failed.
  absl::Status synced() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Found {
    bool exists = false;
    std::string value;
    uint64_t mod_revision = 0;  // 0 when the key is not there, as MetaCompare wants it
  };
  absl::StatusOr<Found> Get(const std::string& key);
  // The answer to CreateTable where the name is taken.
  absl::StatusOr<CreatedTable> TakenName(const TableSchema& asked, const MetaKeyValue& existing,
                                         bool if_not_exists);
  // The NotFound of a name that no table has; the store's error when it cannot be asked.
  absl::Status NoTable(std::string_view name);
  absl::StatusOr<uint64_t> Apply(const MetaRange& range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(sync_mu_);
  absl::Status ApplyTables(const MetaRange& range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(sync_mu_);
  // Catches up here and everywhere. `change` begins the error: what has been done that a server lags behind.
  absl::Status FanOut(const std::string& change);
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  // Fixed.
  const Parts parts_;
  std::unique_ptr<std::thread> thread_;
  // Guarded.
  absl::Mutex sync_mu_;  // one catch-up at a time; held across disk and network
  std::map<TableId, SchemaVersion> applied_ ABSL_GUARDED_BY(sync_mu_);  // taken up by this object
  uint64_t covered_ ABSL_GUARDED_BY(sync_mu_) = 0;  // calls that the last catch-up answers
  uint64_t revision_ ABSL_GUARDED_BY(sync_mu_) = 0;
  mutable absl::Mutex mu_;
  uint64_t calls_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status synced_ ABSL_GUARDED_BY(mu_) = absl::UnavailableError("the meta store has not been asked yet");
  absl::Time fresh_as_of_ ABSL_GUARDED_BY(mu_) =
      absl::InfinitePast();  // when the last catch-up that succeeded began
  bool soon_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

// What a restore leaves of a writer under restored_writer/NAME, as text and back (DataLoss).
inline constexpr char kRestoredWriterPrefix[] = "restored_writer/";
std::string EncodeRestoredWriter(const RestoredWriter& writer);
absl::StatusOr<RestoredWriter> DecodeRestoredWriter(std::string_view name, std::string_view value);
// The value of a name whose writer was ended.
inline constexpr char kEndedWriter[] = "0";

// The floor that the store's writers give: living writers are those with a name, every other id up to the
// counter is dead. DataLoss when a value is no number.
absl::StatusOr<WriterFloor> FloorOf(const MetaRange& range);

}  // namespace rowhouse::server
