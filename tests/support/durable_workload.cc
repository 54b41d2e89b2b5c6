// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/support/durable_workload.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/check.h"

namespace rowhouse::server {
namespace {

constexpr size_t kRowsOfAPush = 80;
constexpr size_t kScratchRowsOfAPush = 30;

void DrawRows(std::mt19937_64& random, bool deletes, size_t rows, std::vector<Id>* ids,
              std::vector<float>* values) {
  for (size_t i = 0; i < rows; ++i) {
    ids->push_back(random() % kWorkloadIds);
    if (deletes) continue;
    for (uint32_t c = 0; c < kWorkloadDim; ++c)
      values->push_back(static_cast<float>(static_cast<int64_t>(random() % 2001) - 1000) * 0.001f);
  }
}

std::string TranscriptPath(const std::string& directory) { return absl::StrCat(directory, "/transcript"); }

}  // namespace

std::vector<PlannedPush> PlanPushes(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<PlannedPush> plan(kPushes + kMorePushes);
  for (PlannedPush& push : plan) {
    push.type = random() % 8 == 0 ? RecordType::kDelete : RecordType::kPush;
    const bool deletes = push.type == RecordType::kDelete;
    DrawRows(random, deletes, kRowsOfAPush, &push.ids, &push.values);
    if (HasScratch(seed))
      DrawRows(random, deletes, kScratchRowsOfAPush, &push.scratch_ids, &push.scratch_values);
  }
  return plan;
}

TableSchema RowsSchema(uint64_t seed) {
  TableSchema schema = AdagradSchema(0, kWorkloadDim, seed % 2 == 0 ? Durability::kSync : Durability::kAsync);
  schema.name = kRowsTable;
  schema.version = 0;  // the catalog gives id and version
  return schema;
}

TableSchema ScratchSchema() {
  TableSchema schema = AdagradSchema(0, kWorkloadDim, Durability::kVolatile);
  schema.name = kScratchTable;
  schema.version = 0;
  return schema;
}

DurableNodeOptions NodeOptionsOf(const std::string& directory, Scenario scenario) {
  return {.data_directory = absl::StrCat(directory, "/data"),
          .checkpoint_directory = absl::StrCat(directory, "/checkpoints"),
          .keep_log = scenario != Scenario::kPushes,
          .segment_bytes = 32 << 10};
}

DurableNodeOptions RestoredOptionsOf(const std::string& directory, Scenario scenario) {
  DurableNodeOptions options = NodeOptionsOf(directory, scenario);
  options.data_directory = absl::StrCat(directory, "/restored");
  options.checkpoint_directory = absl::StrCat(directory, "/restored_checkpoints");
  return options;
}

uint32_t PartsOf(const PlannedPush& push, const PartitionMap& map) {
  std::set<PartitionId> parts;
  for (Id id : push.ids) parts.insert(map.PartitionOf(kRowsTableId, id));
  for (Id id : push.scratch_ids) parts.insert(map.PartitionOf(kScratchTableId, id));
  return static_cast<uint32_t>(parts.size());
}

std::unique_ptr<PushBuilder> BuildPush(const PlannedPush& push, WriterId writer, PushSeq seq, PushSeq low) {
  auto builder = std::make_unique<PushBuilder>(writer, seq, low);
  builder->Add(kRowsTableId, push.ids, push.values).Type(push.type);
  if (!push.scratch_ids.empty()) builder->Add(kScratchTableId, push.scratch_ids, push.scratch_values);
  return builder;
}

// ---- the transcript

Transcript::Transcript(const std::string& directory)
    : fd_(::open(TranscriptPath(directory).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  RH_CHECK(fd_ >= 0);
}

Transcript::~Transcript() { ::close(fd_); }

void Transcript::Note(const std::string& line) {
  const std::string text = absl::StrCat(line, "\n");
  RH_CHECK(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

Account ReadTranscript(const std::string& directory) {
  Account account;
  std::ifstream file(TranscriptPath(directory));
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string word, name;
    size_t number = 0;
    in >> word;
    if (word == "sent") {
      in >> account.sent;
    } else if (word == "acknowledged") {
      in >> number;
      account.acknowledged.insert(number);
    } else if (word == "writer") {
      in >> account.writer;
    } else if (word == "begin-checkpoint") {
      in >> name;
      in >> account.checkpoints[name].from;
    } else if (word == "checkpoint") {
      in >> name;
      in >> account.checkpoints[name].to;
    } else if (word == "deleting") {
      in >> name;
      account.checkpoints[name].may_be_gone = true;
    } else if (word == "restoring") {
      in >> account.restoring;
    } else if (word == "passed") {
      in >> name;
      in >> account.passed[name];
    } else if (word == "broken") {
      account.broken = line;
    }
  }
  return account;
}

}  // namespace rowhouse::server
