// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/support/durable_judge.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/checkpoint/restore.h"
#include "tests/crash/expected_rows.h"

namespace rowhouse::server {
namespace {

class Trial {
 public:
  Trial(std::string directory, uint64_t seed, Scenario scenario, const Account& account)
      : directory_(std::move(directory)),
        scenario_(scenario),
        account_(account),
        plan_(PlanPushes(seed)),
        schema_(RowsSchema(seed)),
        has_scratch_(HasScratch(seed)),
        expected_(schema_) {
    for (size_t seq = 1; seq <= account_.sent; ++seq) Expect(seq);
  }

  Verdict Go() {
    verdict_.in_flight = account_.sent - account_.acknowledged.size();
    absl::Status status = CheckRows();
    if (status.ok()) status = CheckCheckpoints();
    if (status.ok()) status = CheckRestored();
    if (!status.ok()) verdict_.error = std::string(status.message());
    return verdict_;
  }

 private:
  static absl::Status Wrong(const std::string& what) { return absl::DataLossError(what); }

  void Expect(size_t seq) {
    const PlannedPush& push = plan_[seq - 1];
    if (push.type == RecordType::kDelete) {
      expected_.Delete(push.ids);
    } else {
      expected_.Push(push.ids, push.values);
    }
  }

  // ---- the server itself

  absl::Status CheckRows() {
    RH_ASSIGN_OR_RETURN(const auto node, DurableNode::Start(NodeOptionsOf(directory_, scenario_)));
    RH_RETURN_IF_ERROR(node->catalog().CreateTable(schema_, /*if_not_exists=*/true, {}).status());
    if (has_scratch_)
      RH_RETURN_IF_ERROR(node->catalog().CreateTable(ScratchSchema(), /*if_not_exists=*/true, {}).status());
    RH_RETURN_IF_ERROR(CheckPromised(*node));
    writer_ = account_.writer;
    if (writer_ == 0) {
      RH_ASSIGN_OR_RETURN(const RegisteredWriter registered, node->catalog().RegisterWriter(kTrainer, {}));
      writer_ = registered.writer;
    }
    for (size_t seq = 1; seq <= account_.sent; ++seq) {
      if (account_.acknowledged.count(seq) != 0) continue;
      ++verdict_.retried;
      RH_RETURN_IF_ERROR(Send(*node, seq));
    }
    const size_t end = std::min(account_.sent + kMorePushes, plan_.size());
    for (size_t seq = account_.sent + 1; seq <= end; ++seq) {
      Expect(seq);
      RH_RETURN_IF_ERROR(Send(*node, seq));
    }
    RH_ASSIGN_OR_RETURN(const TableBits rows, node->Rows(kRowsTableId));
    verdict_.rows += rows.size();
    if (rows != expected_.All())
      return Wrong(absl::StrCat("in the end the rows are not those of ", end, " pushes applied once"));
    if (has_scratch_) RH_RETURN_IF_ERROR(CheckScratch(*node, end));
    return CheckPulls(*node);
  }

  // The volatile table was empty at the start, and has since what was not in the log by then, once.
  absl::Status CheckScratch(DurableNode& node, size_t end) {
    RH_ASSIGN_OR_RETURN(const TableBits rows, node.Rows(kScratchTableId));
    verdict_.rows += rows.size();
    TableSchema schema = ScratchSchema();
    schema.table_id = kScratchTableId;
    TableBits wanted;
    for (const auto& [partition, found] : found_) {
      RowOracle oracle(schema);
      for (size_t seq = found + 1; seq <= end; ++seq) {
        const PlannedPush& push = plan_[seq - 1];
        if (push.type == RecordType::kDelete) {
          oracle.Delete(push.scratch_ids);
        } else {
          oracle.Push(push.scratch_ids, push.scratch_values);
        }
      }
      for (auto& [id, bits] : oracle.Bits()) {
        if (node.map().PartitionOf(kScratchTableId, id) == partition) wanted.emplace(id, bits);
      }
    }
    return rows == wanted ? absl::OkStatus()
                          : Wrong(
                                "in the end the rows of the volatile table are not those of the pushes since "
                                "the start, each once");
  }

  // What was acknowledged is there before anything is sent again.
  absl::Status CheckPromised(DurableNode& node) {
    RH_ASSIGN_OR_RETURN(const TableBits rows, node.Rows(kRowsTableId));
    verdict_.rows += rows.size();
    if (has_scratch_) {
      RH_ASSIGN_OR_RETURN(const TableBits scratch, node.Rows(kScratchTableId));
      if (!scratch.empty()) return Wrong("a volatile table has rows after a start");
    }
    for (const auto& partition : node.partitions().partitions()) {
      const std::vector<bool> fits = expected_.Prefixes(node.map(), kRowsTableId, partition->id(), rows);
      const auto last = std::find(fits.rbegin(), fits.rend(), true);
      if (last == fits.rend())
        return Wrong(absl::StrCat("partition ", partition->id(), " holds no prefix of the pushes"));
      const size_t best = static_cast<size_t>(fits.rend() - last) - 1;
      if (best < account_.promised()) {
        return Wrong(absl::StrCat("partition ", partition->id(), " holds the first ", best,
                                  " pushes, acknowledged were ", account_.promised()));
      }
      found_[partition->id()] = best;
    }
    return absl::OkStatus();
  }

  absl::Status Send(DurableNode& node, size_t seq) {
    const auto builder = BuildPush(plan_[seq - 1], writer_, seq, seq);
    builder->Parts(PartsOf(plan_[seq - 1], node.map()));
    const PushOutcome outcome = node.Push(builder->request());
    verdict_.found_applied += outcome.duplicate_parts;
    if (!outcome.failures.empty()) return outcome.failures[0].status;
    return outcome.status;
  }

  absl::Status CheckPulls(DurableNode& node) {
    std::vector<Id> ids;
    std::vector<float> expected;
    for (Id id = 0; id < kWorkloadIds; ++id) {
      ids.push_back(id);
      const std::vector<float> weights = expected_.Weights(id);
      expected.insert(expected.end(), weights.begin(), weights.end());
    }
    RH_ASSIGN_OR_RETURN(const std::vector<float> pulled, node.Pull(kRowsTableId, ids));
    verdict_.rows += ids.size();
    if (std::memcmp(pulled.data(), expected.data(), expected.size() * sizeof(float)) == 0)
      return absl::OkStatus();
    return Wrong("a pull gives other rows than a scan");
  }

  // ---- checkpoints

  absl::Status CheckCheckpoints() {
    FileSystem& files = *PosixFileSystem();
    const std::string folder = NodeOptionsOf(directory_, scenario_).checkpoint_directory;
    const CheckpointStore store(&files, folder);
    RH_ASSIGN_OR_RETURN(const bool exists, files.Exists(folder));
    if (exists) {
      // The start that has just been made has removed what was never completed.
      RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(folder));
      for (const std::string& name : names) {
        if (absl::EndsWith(name, kPartialSuffix)) return Wrong(absl::StrCat(name, " was left behind"));
      }
    }
    RH_ASSIGN_OR_RETURN(const auto listed, store.List());
    std::set<std::string> there;
    for (const CheckpointStore::Listed& one : listed) {
      RH_RETURN_IF_ERROR(one.manifest.status());
      there.insert(one.name);
      if (scenario_ == Scenario::kRestore) continue;  // CheckRestored does
      RH_RETURN_IF_ERROR(RestoreAndCompare(one.name, absl::StrCat("check_", one.name)));
    }
    for (const auto& [name, begun] : account_.checkpoints) {
      if (begun.to != 0 && !begun.may_be_gone && there.count(name) == 0)
        return Wrong(absl::StrCat("checkpoint ", name, " was complete and is gone"));
    }
    return absl::OkStatus();
  }

  // The restore that was under way is done again, on what it left.
  absl::Status CheckRestored() {
    return account_.restoring.empty() ? absl::OkStatus() : RestoreAndCompare(account_.restoring, "restored");
  }

  absl::Status RestoreAndCompare(const std::string& name, const std::string& to) {
    DurableNodeOptions options = RestoredOptionsOf(directory_, scenario_);
    options.data_directory = absl::StrCat(directory_, "/", to);
    const std::string from =
        absl::StrCat(NodeOptionsOf(directory_, scenario_).checkpoint_directory, "/", name);
    RH_RETURN_IF_ERROR(RestoreDurableNode(options, from));
    RH_ASSIGN_OR_RETURN(const auto node, DurableNode::Start(options));
    RH_ASSIGN_OR_RETURN(const TableBits rows, node->Rows(kRowsTableId));
    verdict_.rows += rows.size();
    ++verdict_.restored;
    const auto begun = account_.checkpoints.find(name);
    if (begun == account_.checkpoints.end())
      return Wrong(absl::StrCat("checkpoint ", name, " was never begun"));
    // One moment for all partitions.
    std::vector<bool> fits(expected_.pushes() + 1, true);
    for (const auto& partition : node->partitions().partitions()) {
      const std::vector<bool> here = expected_.Prefixes(node->map(), kRowsTableId, partition->id(), rows);
      for (size_t k = 0; k < fits.size(); ++k) fits[k] = fits[k] && here[k];
    }
    const size_t to_push = begun->second.to == 0 ? account_.sent : begun->second.to;
    for (size_t k = begun->second.from; k <= to_push; ++k) {
      if (fits[k]) return absl::OkStatus();
    }
    return Wrong(absl::StrCat("checkpoint ", name, " is restored to none of the moments after ",
                              begun->second.from, " to ", to_push, " pushes"));
  }

  const std::string directory_;
  const Scenario scenario_;
  const Account& account_;
  const std::vector<PlannedPush> plan_;
  const TableSchema schema_;
  const bool has_scratch_;
  ExpectedRows expected_;
  std::map<PartitionId, size_t> found_;  // the first so many pushes are there after the start
  WriterId writer_ = 0;
  Verdict verdict_;
};

}  // namespace

Verdict Judge(const std::string& directory, uint64_t seed, Scenario scenario, const Account& account) {
  return Trial(directory, seed, scenario, account).Go();
}

}  // namespace rowhouse::server
