// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/meta/table_catalog.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/failpoint.h"
#include "common/limits.h"
#include "common/logging.h"
#include "common/schema/fixed_fields.h"
#include "common/schema/schema_proto.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

constexpr char kTablePrefix[] = "table/";
constexpr char kTableIdPrefix[] = "table_id/";
constexpr char kWriterPrefix[] = "writer/";
constexpr char kTableCounter[] = "counter/table";
constexpr char kWriterCounter[] = "counter/writer";
constexpr int kAttempts = 32;  // of a compare-and-set that others keep winning
constexpr absl::Duration kRetryDelay = absl::Milliseconds(500);
constexpr absl::Duration kSoonDelay = absl::Seconds(1);
constexpr absl::Duration kFresh = absl::Seconds(2);
static_assert(kSoonDelay < kFresh,
              "the catch-up that CheckFresh begins is over before it would begin another");

absl::StatusOr<uint64_t> ParseNumber(const std::string& key, const std::string& value) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(value, &number)) {
    return absl::DataLossError(absl::StrCat("meta store: ", key, " is \"", value, "\", not a number"));
  }
  return number;
}

absl::StatusOr<TableSchema> ParseSchema(const std::string& key, const std::string& value) {
  auto schema = DecodeSchema({reinterpret_cast<const uint8_t*>(value.data()), value.size()});
  if (!schema.ok())
    return absl::DataLossError(absl::StrCat("meta store: ", key, ": ", schema.status().message()));
  return schema;
}

absl::Status TooBusy(std::string_view what) {
  return absl::UnavailableError(absl::StrCat(std::string(what), ": others changed the meta store ", kAttempts,
                                             " times meanwhile; try again"));
}

}  // namespace

absl::StatusOr<WriterFloor> FloorOf(const MetaRange& range) {
  std::set<WriterId> living;
  WriterId highest = 0;
  for (const MetaKeyValue& kv : range.kvs) {
    if (absl::StartsWith(kv.key, kWriterPrefix)) {
      RH_ASSIGN_OR_RETURN(const WriterId writer, ParseNumber(kv.key, kv.value));
      if (writer != 0) living.insert(writer);
    } else if (kv.key == kWriterCounter) {
      RH_ASSIGN_OR_RETURN(highest, ParseNumber(kv.key, kv.value));
    }
  }
  WriterFloor floor;
  floor.floor = living.empty() ? highest : *living.begin() - 1;
  for (WriterId writer = floor.floor + 1; writer <= highest; ++writer) {
    if (living.count(writer) == 0) floor.dead.push_back(writer);
  }
  return floor;
}

// ---- changes

absl::StatusOr<TableCatalog::Found> TableCatalog::Get(const std::string& key) {
  RH_ASSIGN_OR_RETURN(const MetaRange range, parts_.meta->Range(key));
  // The key itself sorts first among those that begin with it.
  if (range.kvs.empty() || range.kvs[0].key != key) return Found{};
  return Found{.exists = true, .value = range.kvs[0].value, .mod_revision = range.kvs[0].mod_revision};
}

absl::Status TableCatalog::FanOut(const std::string& change) {
  absl::Status status = SyncNow().status();
  if (parts_.peers != nullptr) status.Update(parts_.peers->SyncAll());
  if (status.ok()) return status;
  return absl::UnavailableError(absl::StrCat(
      change, ", but not every server has caught up: ", status.message(), "; ask again when it answers"));
}

absl::StatusOr<CreatedTable> TableCatalog::TakenName(const TableSchema& asked, const MetaKeyValue& existing,
                                                     bool if_not_exists) {
  RH_ASSIGN_OR_RETURN(TableSchema schema, ParseSchema(existing.key, existing.value));
  TableSchema same_ids = asked;
  same_ids.table_id = schema.table_id;
  same_ids.version = schema.version;
  const std::string different = DifferentFixedFields(schema, same_ids);
  if (!if_not_exists || !different.empty()) {
    return absl::AlreadyExistsError(absl::StrCat(
        "table \"", asked.name, "\" exists with table_id ", schema.table_id,
        different.empty() ? " and this schema" : absl::StrCat(" and another schema: ", different)));
  }
  // Its creator may have died before every server had it. A server that is down catches up before it is
  // ready.
  const absl::Status caught_up = FanOut(absl::StrCat("table \"", asked.name, "\" exists"));
  if (!caught_up.ok()) RH_LOG_WARN("{}", std::string(caught_up.message()));
  return CreatedTable{.schema = std::move(schema), .created = false};
}

absl::StatusOr<CreatedTable> TableCatalog::CreateTable(const TableSchema& asked, bool if_not_exists,
                                                       std::optional<TableId> last_id) {
  RH_RETURN_IF_ERROR(ValidateSchema(asked));
  if (asked.table_id != 0 || asked.version != 0) {
    return absl::InvalidArgumentError(absl::StrCat("table_id ", asked.table_id, " and schema_version ",
                                                   asked.version,
                                                   " must be 0 in CreateTable: the cluster gives them"));
  }
  const std::string key = absl::StrCat(kTablePrefix, asked.name);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    RH_ASSIGN_OR_RETURN(const MetaRange tables, parts_.meta->Range(kTablePrefix));
    const auto existing =
        std::find_if(tables.kvs.begin(), tables.kvs.end(), [&](const auto& kv) { return kv.key == key; });
    if (existing != tables.kvs.end()) return TakenName(asked, *existing, if_not_exists);
    if (tables.kvs.size() >= limits::kMaxTables) {
      return absl::ResourceExhaustedError(absl::StrCat("the cluster has ", tables.kvs.size(),
                                                       " tables, the limit is ", limits::kMaxTables,
                                                       ": drop one first"));
    }
    RH_ASSIGN_OR_RETURN(const Found counter, Get(kTableCounter));
    uint64_t last = 0;
    if (counter.exists) {
      RH_ASSIGN_OR_RETURN(last, ParseNumber(kTableCounter, counter.value));
    }
    if (last >= UINT32_MAX)
      return absl::ResourceExhaustedError("every table id has been used: start a new cluster");
    if (last_id.has_value() && *last_id != last) return CreatedTable{.last_id = static_cast<TableId>(last)};
    TableSchema schema = asked;
    schema.table_id = static_cast<TableId>(last + 1);
    schema.version = 1;
    RH_ASSIGN_OR_RETURN(
        const MetaTxnResult result,
        parts_.meta->Txn({{.key = key}, {.key = kTableCounter, .mod_revision = counter.mod_revision}},
                         {{.key = key, .value = EncodeSchema(schema)},
                          {.key = absl::StrCat(kTableIdPrefix, schema.table_id), .value = schema.name},
                          {.key = kTableCounter, .value = absl::StrCat(last + 1)}}));
    if (!result.succeeded) continue;
    RH_RETURN_IF_ERROR(
        FanOut(absl::StrCat("table \"", schema.name, "\" was created with table_id ", schema.table_id)));
    return CreatedTable{.schema = std::move(schema), .created = true};
  }
  return TooBusy("CreateTable");
}

absl::Status TableCatalog::NoTable(std::string_view name) {
  RH_ASSIGN_OR_RETURN(const MetaRange tables, parts_.meta->Range(kTablePrefix));
  std::vector<std::string> known;
  known.reserve(tables.kvs.size());
  for (const MetaKeyValue& kv : tables.kvs)
    known.push_back(kv.key.substr(std::string_view(kTablePrefix).size()));
  return NoSuchTable(name, known);
}

absl::StatusOr<TableSchema> TableCatalog::AlterTable(const TableSchema& asked) {
  RH_RETURN_IF_ERROR(ValidateSchema(asked));
  const std::string key = absl::StrCat(kTablePrefix, asked.name);
  RH_ASSIGN_OR_RETURN(const Found found, Get(key));
  if (!found.exists) return NoTable(asked.name);
  RH_ASSIGN_OR_RETURN(const TableSchema before, ParseSchema(key, found.value));
  TableSchema after = asked;
  ++after.version;
  if (before == after) {
    // Made by an attempt whose answer was lost, and perhaps not told to every server.
    RH_RETURN_IF_ERROR(
        FanOut(absl::StrCat("table \"", after.name, "\" was altered to schema_version ", after.version)));
    return after;
  }
  if (before.table_id != asked.table_id || before.version != asked.version) {
    return absl::AbortedError(absl::StrCat("table \"", asked.name, "\" has table_id ", before.table_id,
                                           " and schema_version ", before.version,
                                           ", the request was made for ", asked.table_id, " and ",
                                           asked.version, ": describe it again and repeat the change"));
  }
  RH_RETURN_IF_ERROR(ValidateAlter(before, asked));
  if (before.version == UINT32_MAX) {
    return absl::ResourceExhaustedError(
        absl::StrCat("table \"", asked.name, "\" has used every schema_version"));
  }
  RH_ASSIGN_OR_RETURN(const MetaTxnResult result,
                      parts_.meta->Txn({{.key = key, .mod_revision = found.mod_revision}},
                                       {{.key = key, .value = EncodeSchema(after)}}));
  if (!result.succeeded) {
    return absl::AbortedError(
        absl::StrCat("table \"", asked.name, "\" was changed meanwhile: describe it again and repeat"));
  }
  RH_RETURN_IF_ERROR(
      FanOut(absl::StrCat("table \"", after.name, "\" was altered to schema_version ", after.version)));
  return after;
}

absl::StatusOr<TableId> TableCatalog::DropTable(std::string_view name, TableId expected) {
  RH_RETURN_IF_ERROR(ValidateName("name", name));
  const std::string key = absl::StrCat(kTablePrefix, std::string(name));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    RH_ASSIGN_OR_RETURN(const Found found, Get(key));
    if (!found.exists) {
      // Perhaps dropped by a call whose answer was lost, and not every server has caught up with that.
      RH_RETURN_IF_ERROR(FanOut(absl::StrCat("table \"", std::string(name), "\" does not exist")));
      return NoTable(name);
    }
    RH_ASSIGN_OR_RETURN(const TableSchema schema, ParseSchema(key, found.value));
    if (expected != 0 && expected != schema.table_id) {
      return absl::AbortedError(absl::StrCat("table \"", std::string(name), "\" has table_id ",
                                             schema.table_id, " now, the request was made for ", expected,
                                             ": another table has taken the name"));
    }
    RH_ASSIGN_OR_RETURN(
        const MetaTxnResult result,
        parts_.meta->Txn({{.key = key, .mod_revision = found.mod_revision}},
                         {{.key = key, .erase = true},
                          {.key = absl::StrCat(kTableIdPrefix, schema.table_id), .erase = true}}));
    if (!result.succeeded) continue;
    RH_RETURN_IF_ERROR(FanOut(absl::StrCat("table \"", std::string(name), "\" was dropped")));
    return schema.table_id;
  }
  return TooBusy("DropTable");
}

absl::StatusOr<RegisteredWriter> TableCatalog::RegisterWriter(std::string_view name,
                                                              std::optional<WriterId> replaces) {
  RH_RETURN_IF_ERROR(ValidateName("name", name));
  const std::string key = absl::StrCat(kWriterPrefix, std::string(name));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    RH_ASSIGN_OR_RETURN(const Found before, Get(key));
    RH_ASSIGN_OR_RETURN(const Found counter, Get(kWriterCounter));
    RegisteredWriter out;
    uint64_t last = 0;
    if (before.exists) {
      RH_ASSIGN_OR_RETURN(out.replaced, ParseNumber(key, before.value));
    }
    if (replaces.has_value() && *replaces != out.replaced) {
      return absl::AbortedError(absl::StrCat("writer \"", std::string(name), "\" has the id ", out.replaced,
                                             " now, the request was made to replace ", *replaces,
                                             ": another registered meanwhile"));
    }
    if (counter.exists) {
      RH_ASSIGN_OR_RETURN(last, ParseNumber(kWriterCounter, counter.value));
    }
    out.writer = last + 1;
    const std::string id = absl::StrCat(out.writer);
    RH_ASSIGN_OR_RETURN(const MetaTxnResult result,
                        parts_.meta->Txn({{.key = key, .mod_revision = before.mod_revision},
                                          {.key = kWriterCounter, .mod_revision = counter.mod_revision}},
                                         {{.key = key, .value = id}, {.key = kWriterCounter, .value = id}}));
    if (!result.succeeded) continue;
    if (before.exists) {  // also one that was ended while a server was away
      RH_RETURN_IF_ERROR(FanOut(
          absl::StrCat("writer ", out.replaced, " of \"", std::string(name), "\" was replaced by ", id)));
    }
    return out;
  }
  return TooBusy("RegisterWriter");
}

absl::StatusOr<WriterId> TableCatalog::WriterIdOf(std::string_view name) {
  RH_RETURN_IF_ERROR(ValidateName("name", name));
  const std::string key = absl::StrCat(kWriterPrefix, std::string(name));
  RH_ASSIGN_OR_RETURN(const Found found, Get(key));
  if (!found.exists || found.value == kEndedWriter) {
    return absl::NotFoundError(absl::StrCat("writer \"", std::string(name), "\" was never registered"));
  }
  return ParseNumber(key, found.value);
}

absl::StatusOr<RestoredWriter> TableCatalog::RestoredWriterOf(std::string_view name) {
  RH_RETURN_IF_ERROR(ValidateName("name", name));
  RH_ASSIGN_OR_RETURN(const Found found, Get(absl::StrCat(kRestoredWriterPrefix, std::string(name))));
  if (!found.exists) return RestoredWriter{};
  return DecodeRestoredWriter(name, found.value);
}

std::string EncodeRestoredWriter(const RestoredWriter& writer) {
  return absl::StrCat(writer.seq, " ", writer.step);
}

absl::StatusOr<RestoredWriter> DecodeRestoredWriter(std::string_view name, std::string_view value) {
  RestoredWriter writer;
  const std::pair<std::string, std::string> numbers =
      absl::StrSplit(absl::string_view(value.data(), value.size()), absl::MaxSplits(' ', 1));
  if (absl::SimpleAtoi(numbers.first, &writer.seq) && absl::SimpleAtoi(numbers.second, &writer.step))
    return writer;
  return absl::DataLossError(absl::StrCat("key ", kRestoredWriterPrefix, std::string(name),
                                          " of the meta store is damaged: \"", std::string(value), "\""));
}

absl::StatusOr<std::vector<LivingWriter>> TableCatalog::ListWriters() {
  RH_ASSIGN_OR_RETURN(const MetaRange range, parts_.meta->Range(kWriterPrefix));
  std::vector<LivingWriter> writers;
  for (const MetaKeyValue& kv : range.kvs) {  // ascending by key
    RH_ASSIGN_OR_RETURN(const WriterId id, ParseNumber(kv.key, kv.value));
    if (id == 0) continue;
    writers.push_back({.name = kv.key.substr(std::string_view(kWriterPrefix).size()), .writer = id});
  }
  return writers;
}

absl::StatusOr<WriterId> TableCatalog::EndWriter(std::string_view name, WriterId expected) {
  RH_RETURN_IF_ERROR(ValidateName("name", name));
  const std::string key = absl::StrCat(kWriterPrefix, std::string(name));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    RH_ASSIGN_OR_RETURN(const Found found, Get(key));
    if (!found.exists)
      return absl::NotFoundError(absl::StrCat("no living writer has the name \"", std::string(name), "\""));
    RH_ASSIGN_OR_RETURN(const WriterId writer, ParseNumber(key, found.value));
    if (writer == 0) {  // ended before, but perhaps not told to every server
      RH_RETURN_IF_ERROR(FanOut(absl::StrCat("the writer of \"", std::string(name), "\" was ended")));
      return absl::NotFoundError(absl::StrCat("no living writer has the name \"", std::string(name), "\""));
    }
    if (expected != 0 && expected != writer) {
      return absl::AbortedError(absl::StrCat("writer \"", std::string(name), "\" has the id ", writer,
                                             " now, the request was made for ", expected,
                                             ": a new one registered meanwhile"));
    }
    RH_ASSIGN_OR_RETURN(const MetaTxnResult result,
                        parts_.meta->Txn({{.key = key, .mod_revision = found.mod_revision}},
                                         {{.key = key, .value = kEndedWriter}}));
    if (!result.succeeded) continue;
    RH_RETURN_IF_ERROR(FanOut(absl::StrCat("writer ", writer, " of \"", std::string(name), "\" was ended")));
    // Told to all: the name need not be remembered. When it is taken again meanwhile, that stays.
    RH_RETURN_IF_ERROR(
        parts_.meta->Txn({{.key = key, .mod_revision = result.revision}}, {{.key = key, .erase = true}})
            .status());
    return writer;
  }
  return TooBusy("EndWriter");
}

// ---- catch-up

absl::StatusOr<uint64_t> TableCatalog::SyncNow() {
  RH_FAILPOINT_RETURN(kMetaSync);
  uint64_t call = 0;
  {
    absl::MutexLock lock(&mu_);
    call = ++calls_;
  }
  absl::MutexLock sync_lock(&sync_mu_);
  // A catch-up that began after this call did serves it too.
  if (covered_ >= call) return revision_;
  uint64_t covers = 0;
  {
    absl::MutexLock lock(&mu_);
    covers = calls_;
  }
  const absl::Time begun = absl::Now();
  const auto range = parts_.meta->Range("");
  absl::StatusOr<uint64_t> reached = range.ok() ? Apply(*range) : absl::StatusOr<uint64_t>(range.status());
  absl::MutexLock lock(&mu_);
  if (!reached.ok()) {
    if (!synced_.ok()) synced_ = reached.status();
    fresh_as_of_ = absl::InfinitePast();  // what it could not take up may be what a request asks for next
    return reached;
  }
  synced_ = absl::OkStatus();
  fresh_as_of_ = begun;
  covered_ = covers;
  revision_ = *reached;
  return reached;
}

absl::StatusOr<uint64_t> TableCatalog::Apply(const MetaRange& range) {
  // Another cluster's store would have this server drop every table it has.
  if (range.cluster != parts_.cluster || range.history != parts_.history) {
    return absl::FailedPreconditionError(
        absl::StrFormat("the meta store is of cluster %016x, history %016x; this server's are %016x, %016x: "
                        "it is another cluster's",
                        range.cluster, range.history, parts_.cluster, parts_.history));
  }
  RH_ASSIGN_OR_RETURN(const WriterFloor floor, FloorOf(range));
  absl::Status status;
  if (floor.floor != 0 || !floor.dead.empty()) status.Update(parts_.target->RaiseFloor(floor));
  status.Update(ApplyTables(range));
  RH_RETURN_IF_ERROR(status);
  return range.revision;
}

absl::Status TableCatalog::ApplyTables(const MetaRange& range) {
  std::map<TableId, TableSchema> wanted;
  for (const MetaKeyValue& kv : range.kvs) {
    if (!absl::StartsWith(kv.key, kTablePrefix)) continue;
    RH_ASSIGN_OR_RETURN(TableSchema schema, ParseSchema(kv.key, kv.value));
    wanted.emplace(schema.table_id, std::move(schema));
  }
  // Drops come first: a name may have gone from a dropped table to a new one.
  absl::Status status;
  for (TableId table : parts_.target->Tables()) {
    if (wanted.count(table) != 0) continue;
    const absl::Status dropped = parts_.target->Drop(table);
    if (dropped.ok()) {
      applied_.erase(table);
      RH_LOG_INFO("table_id {} dropped", table);
    }
    status.Update(dropped);
  }
  for (const auto& [table, schema] : wanted) {
    const auto applied = applied_.find(table);
    if (applied != applied_.end() && applied->second >= schema.version) continue;
    const absl::Status taken = parts_.target->TakeUp(schema);
    if (taken.ok()) {
      applied_[table] = schema.version;
      RH_LOG_INFO("table \"{}\" taken up: table_id {}, schema_version {}, dim {}", schema.name, table,
                  schema.version, schema.dim);
    }
    status.Update(taken);
  }
  return status;
}

// ---- background

void TableCatalog::Start() {
  thread_ = std::make_unique<std::thread>([this]() { Loop(); });
}

void TableCatalog::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_ != nullptr) thread_->join();
  thread_.reset();
}

absl::Status TableCatalog::CheckFresh() {
  absl::MutexLock lock(&mu_);
  if (!synced_.ok()) {
    return absl::UnavailableError(absl::StrCat(
        "this server has not caught up with the meta store since it was started: ", synced_.message()));
  }
  if (absl::Now() - fresh_as_of_ < kFresh) return absl::OkStatus();
  soon_ = true;
  return absl::UnavailableError("this server is asking the meta store whether it is behind: try again");
}

absl::Status TableCatalog::synced() const {
  absl::MutexLock lock(&mu_);
  return synced_;
}

void TableCatalog::Loop() {
  const auto stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_; };
  const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || soon_; };
  std::string last_error;
  while (true) {
    const absl::Status status = SyncNow().status();
    if (!status.ok() && status.ToString() != last_error) {
      RH_LOG_WARN("cannot catch up with the meta store, trying on: {}", status.ToString());
    }
    last_error = status.ok() ? "" : status.ToString();
    absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&stopping), status.ok() ? kSoonDelay : kRetryDelay)) return;
    if (!status.ok()) continue;
    mu_.Await(absl::Condition(&wanted));
    if (stopping_) return;
    soon_ = false;
  }
}

}  // namespace rowhouse::server
