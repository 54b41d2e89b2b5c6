// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// How the cluster in memory answers each method.

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/message_checksum.h"
#include "common/routing/routing_hash.h"
#include "fake_cluster.h"

namespace rowhouse::client {
namespace {

std::vector<uint64_t> Ids(const std::string& bytes) {
  std::vector<uint64_t> out(bytes.size() / 8);
  std::memcpy(out.data(), bytes.data(), out.size() * 8);
  return out;
}

template <typename M>
M Parse(const std::string& bytes) {
  M m;
  if (!m.ParseFromString(bytes)) std::abort();
  return m;
}

void Fail(PartitionId p, const absl::Status& status,
          google::protobuf::RepeatedPtrField<v1::PartitionResult>* out) {
  v1::PartitionResult* r = out->Add();
  r->set_partition(p);
  r->set_code(static_cast<int>(status.code()));
  r->set_message(std::string(status.message()));
  r->set_retry_after_ms(1);
}

}  // namespace

std::vector<v1::PushRequest> FakeCluster::pushes() const {
  std::vector<v1::PushRequest> out;
  for (const Seen& one : seen(kPush)) out.push_back(Parse<v1::PushRequest>(one.request));
  return out;
}

std::vector<v1::PullRequest> FakeCluster::pulls() const {
  std::vector<v1::PullRequest> out;
  for (const Seen& one : seen(kPull)) out.push_back(Parse<v1::PullRequest>(one.request));
  return out;
}

FakeCluster::Result FakeCluster::Serve(ServerId server, absl::string_view method,
                                       const std::string& request) {
  if (method != kPull && method != kPush && method != kDelete) return Run(server, method, request);
  const ChunkedBytes bytes({reinterpret_cast<const uint8_t*>(request.data()), request.size()});
  const auto checksum = CheckChecksum("the request", bytes);
  if (!checksum.ok()) return {checksum.status(), ""};
  Result result = Run(server, method, request);
  if (!result.status.ok() || !checksum->has_value()) return result;
  result.bytes.insert(0, kChecksumBytes, '\0');
  WriteChecksum(reinterpret_cast<uint8_t*>(result.bytes.data()), result.bytes.size(), **checksum);
  return result;
}

FakeCluster::Result FakeCluster::Run(ServerId server, absl::string_view method, const std::string& request) {
  absl::MutexLock lock(&mutex_);
  if ((method == kPull || method == kPush) && request.size() > options_.max_message_bytes) {
    violations_.push_back(absl::StrCat("message of ", request.size(), " bytes"));
  }
  if (method == kPull) return Pull(server, request);
  if (method == kPush) return Push(server, request);
  if (method == kDelete) return Delete(server, request);
  if (method == kScan) return Scan(request);
  return Admin(server, method, request);
}

absl::Status FakeCluster::CheckPartition(ServerId server, PartitionId p) {
  if (owners_[p] != server) return absl::FailedPreconditionError("not the owner");
  return partition_failures_ ? partition_failures_(server, p) : absl::OkStatus();
}

FakeCluster::Result FakeCluster::Pull(ServerId server, const std::string& bytes) {
  auto request = Parse<v1::PullRequest>(bytes);
  if (request.history() != history_) return {absl::FailedPreconditionError("another history"), ""};
  v1::PullResponse response;
  response.set_map_version(map_version_);
  std::map<PartitionId, absl::Status> checked;
  uint64_t total = 0;
  std::set<PartitionId> touched;
  for (const v1::PullTable& t : request.tables()) {
    const v1::TableSchema* schema = Find(t.table_id());
    if (schema == nullptr) return {absl::NotFoundError("no such table"), ""};
    if (schema->schema_version() != t.schema_version())
      return {absl::FailedPreconditionError("old schema version"), ""};
    v1::PullTableRows* out = response.add_tables();
    out->set_table_id(t.table_id());
    out->set_dtype(v1::DATA_TYPE_FLOAT32);
    std::vector<uint64_t> ids = Ids(t.ids());
    total += ids.size();
    std::set<uint64_t> distinct(ids.begin(), ids.end());
    if (distinct.size() != ids.size()) violations_.push_back("an id twice in a pull");
    out->mutable_stored()->resize((ids.size() + 7) / 8);
    for (size_t i = 0; i < ids.size(); ++i) {
      PartitionId p = PartitionOf(t.table_id(), ids[i]);
      touched.insert(p);
      if (!checked.count(p)) checked[p] = CheckPartition(server, p);
      std::vector<float> row(t.dim(), checked[p].ok() ? -1.0f : 0.0f);  // an initial row is all -1
      if (auto it = rows_.find({t.table_id(), ids[i]}); checked[p].ok() && it != rows_.end()) {
        row = it->second;
        (*out->mutable_stored())[i / 8] |= 1 << (i % 8);
      }
      out->mutable_values()->append(reinterpret_cast<const char*>(row.data()), row.size() * 4);
    }
  }
  if (total > options_.max_rows_per_request) violations_.push_back(absl::StrCat(total, " rows in a pull"));
  std::set<PartitionId> told;
  for (const auto& e : request.epochs()) told.insert(e.partition());
  if (told != touched) violations_.push_back("epochs are not those of the partitions touched");
  for (auto& [p, status] : checked) {
    if (!status.ok()) Fail(p, status, response.mutable_results());
  }
  std::string answer = response.SerializeAsString();
  if (answer.size() > options_.max_message_bytes)
    violations_.push_back(absl::StrCat("answer of ", answer.size(), " bytes"));
  return {absl::OkStatus(), answer};
}

FakeCluster::Result FakeCluster::Push(ServerId server, const std::string& bytes) {
  auto request = Parse<v1::PushRequest>(bytes);
  if (request.history() != history_) return {absl::FailedPreconditionError("another history"), ""};
  if (request.low() == 0 || request.low() > request.seq() || request.seq() >= request.low() + 256) {
    violations_.push_back(absl::StrCat("seq ", request.seq(), " with low ", request.low()));
  }
  // Each partition's content, as the server would fingerprint it.
  struct Row {
    TableId table;
    uint64_t id;
    std::vector<float> values;
  };
  std::map<PartitionId, std::string> content;
  std::map<PartitionId, std::vector<Row>> parts;
  uint64_t total = 0;
  for (const v1::PushTable& t : request.tables()) {
    const v1::TableSchema* schema = Find(t.table_id());
    if (schema == nullptr) return {absl::NotFoundError("no such table"), ""};
    if (schema->schema_version() != t.schema_version())
      return {absl::FailedPreconditionError("old schema version"), ""};
    std::vector<uint64_t> ids = Ids(t.ids());
    total += ids.size();
    if (t.values().size() != ids.size() * t.dim() * 4) violations_.push_back("values of the wrong size");
    for (size_t i = 0; i < ids.size(); ++i) {
      PartitionId p = PartitionOf(t.table_id(), ids[i]);
      Row row{t.table_id(), ids[i], std::vector<float>(t.dim())};
      std::memcpy(row.values.data(), t.values().data() + i * t.dim() * 4, t.dim() * 4);
      absl::StrAppend(&content[p], t.table_id(), ":", t.learning_rate(), ":", ids[i], "=",
                      t.values().substr(i * t.dim() * 4, t.dim() * 4),
                      t.counts().empty() ? "" : t.counts().substr(i * 4, 4));
      parts[p].push_back(std::move(row));
    }
  }
  if (total > options_.max_rows_per_request) violations_.push_back(absl::StrCat(total, " rows in a push"));
  v1::PushResponse response;
  response.set_map_version(map_version_);
  for (auto& [p, rows] : parts) {
    Applied key{request.writer(), request.seq(), p};
    auto [sent, is_new] = content_.emplace(key, content[p]);
    if (!is_new && sent->second != content[p])
      violations_.push_back(absl::StrCat("content of seq ", key.seq, " changed"));
    if (absl::Status status = CheckPartition(server, p); !status.ok()) {
      Fail(p, status, response.mutable_results());
      continue;
    }
    if (!applied_.emplace(key, content[p]).second) {
      response.set_duplicate_parts(response.duplicate_parts() + 1);
      continue;
    }
    for (const Row& row : rows) {  // SGD with learning rate -1: rows become sums of what was pushed
      std::vector<float>& to = rows_.try_emplace({row.table, row.id}, row.values.size(), 0.0f).first->second;
      for (size_t c = 0; c < to.size(); ++c)
        to[c] = request.kind() == v1::PUSH_KIND_VALUE ? row.values[c] : to[c] + row.values[c];
    }
  }
  return {absl::OkStatus(), response.SerializeAsString()};
}

FakeCluster::Result FakeCluster::Delete(ServerId server, const std::string& bytes) {
  auto request = Parse<v1::DeleteRequest>(bytes);
  if (request.history() != history_) return {absl::FailedPreconditionError("another history"), ""};
  v1::DeleteResponse response;
  std::map<PartitionId, std::vector<uint64_t>> parts;
  for (uint64_t id : Ids(request.ids())) parts[PartitionOf(request.table_id(), id)].push_back(id);
  for (auto& [p, ids] : parts) {
    if (absl::Status status = CheckPartition(server, p); !status.ok()) {
      Fail(p, status, response.mutable_results());
      continue;
    }
    if (!applied_.emplace(Applied{request.writer(), request.seq(), p}, "delete").second) {
      response.set_duplicate_parts(response.duplicate_parts() + 1);
      continue;
    }
    for (uint64_t id : ids) rows_.erase({request.table_id(), id});
  }
  return {absl::OkStatus(), response.SerializeAsString()};
}

FakeCluster::Result FakeCluster::Scan(const std::string& bytes) {
  auto request = Parse<v1::ScanRequest>(bytes);
  // Pages of two rows by routing hash; the cursor is the number of rows already handed out.
  std::map<uint64_t, std::pair<uint64_t, std::vector<float>>> sorted;
  for (const auto& [key, row] : rows_) {
    if (key.first == request.table_id() && PartitionOf(key.first, key.second) == request.partition()) {
      sorted[RoutingHash(key.first, key.second)] = {key.second, row};
    }
  }
  size_t begin = request.cursor().empty() ? 0 : std::stoul(request.cursor());
  v1::ScanResponse response;
  size_t at = 0;
  for (const auto& [hash, row] : sorted) {
    if (at >= begin && at < begin + 2) {
      response.mutable_ids()->append(reinterpret_cast<const char*>(&row.first), 8);
      response.mutable_values()->append(reinterpret_cast<const char*>(row.second.data()),
                                        row.second.size() * 4);
      if (request.with_state()) {
        float state = 0.5f;
        response.set_state_floats(1);
        response.mutable_state()->append(reinterpret_cast<const char*>(&state), 4);
      }
    }
    ++at;
  }
  if (begin + 2 < sorted.size()) response.set_next_cursor(std::to_string(begin + 2));
  return {absl::OkStatus(), response.SerializeAsString()};
}

FakeCluster::Result FakeCluster::Admin(ServerId server, absl::string_view method,
                                       const std::string& request) {
  if (method == kGetPartitionMap) {
    v1::GetPartitionMapResponse map;
    map.set_cluster(5);
    map.set_history(history_);
    map.set_map_version(map_version_);
    map.set_hash_version(kRoutingHashVersion);
    for (ServerId owner : owners_) map.add_owners(owner);
    for (uint64_t epoch : epochs_) map.add_epochs(epoch);
    for (uint32_t s = 0; s < options_.servers; ++s) {
      v1::ServerAddress* a = map.add_servers();
      a->set_server(s);
      a->set_address(absl::StrCat("127.0.0.1:", s + 1));
    }
    return {absl::OkStatus(), map.SerializeAsString()};
  }
  if (method == kGetServerInfo) {
    v1::GetServerInfoResponse info;
    info.set_server(server);
    info.set_cluster(5);
    info.set_state("ready");
    info.set_api_level(1);
    info.set_max_message_bytes(options_.max_message_bytes);
    info.set_max_rows_per_request(options_.max_rows_per_request);
    return {absl::OkStatus(), info.SerializeAsString()};
  }
  if (method == kRegisterWriter) {
    const auto asked = Parse<v1::RegisterWriterRequest>(request);
    uint64_t& living = writers_[asked.name()];
    if (asked.has_replaces() && asked.replaces() != living) return {absl::AbortedError("another writer"), ""};
    v1::RegisterWriterResponse response;
    response.set_replaced_writer(living);
    response.set_writer(living = next_writer_++);
    response.set_history(history_);
    ++registrations_;
    return {absl::OkStatus(), response.SerializeAsString()};
  }
  if (method == kWriterState) {
    const auto found = writers_.find(Parse<v1::WriterStateRequest>(request).name());
    if (found == writers_.end()) return {absl::NotFoundError("nobody registered it"), ""};
    v1::WriterStateResponse response;
    response.set_writer(found->second);
    return {absl::OkStatus(), response.SerializeAsString()};
  }
  if (method == kExpire) {
    v1::ExpireResponse response;
    response.set_rows_expired(server + 1);
    return {absl::OkStatus(), response.SerializeAsString()};
  }
  if (method == kPrefetch) return {absl::OkStatus(), ""};
  return Tables(method, request);
}

FakeCluster::Result FakeCluster::Tables(absl::string_view method, const std::string& request) {
  if (method == kCreateTable) {
    auto create = Parse<v1::CreateTableRequest>(request);
    v1::TableSchema& schema = tables_[create.schema().name()];
    v1::CreateTableResponse response;
    if (schema.table_id() != 0 && !create.if_not_exists())
      return {absl::AlreadyExistsError("the name is taken"), ""};
    if (schema.table_id() == 0 && create.has_last_table_id() && create.last_table_id() != next_table_ - 1) {
      response.set_last_table_id(next_table_ - 1);
      return {absl::OkStatus(), response.SerializeAsString()};
    }
    if (schema.table_id() == 0) {
      schema = create.schema();
      schema.set_table_id(next_table_++);
      schema.set_schema_version(1);
      response.set_created(true);
    }
    *response.mutable_schema() = schema;
    return {absl::OkStatus(), response.SerializeAsString()};
  }
  if (method == kDescribeTable) {
    auto describe = Parse<v1::DescribeTableRequest>(request);
    for (const auto& [name, schema] : tables_) {
      if (schema.table_id() == 0 || (name != describe.name() && schema.table_id() != describe.table_id()))
        continue;
      v1::DescribeTableResponse response;
      *response.mutable_schema() = schema;
      return {absl::OkStatus(), response.SerializeAsString()};
    }
    return {absl::NotFoundError("no such table"), ""};
  }
  if (method == kDropTable) {
    auto drop = Parse<v1::DropTableRequest>(request);
    const auto found = tables_.find(drop.name());
    if (found == tables_.end()) return {absl::NotFoundError("no such table"), ""};
    if (drop.table_id() != 0 && drop.table_id() != found->second.table_id())
      return {absl::AbortedError("another table"), ""};
    tables_.erase(found);
    return {absl::OkStatus(), v1::DropTableResponse().SerializeAsString()};
  }
  return {absl::UnimplementedError(method), ""};
}

}  // namespace rowhouse::client
