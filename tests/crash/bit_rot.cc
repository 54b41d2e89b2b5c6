// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/crash/bit_rot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tests/support/durable_trainer.h"

namespace rowhouse::server {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSeed = 2;  // a sync table
constexpr size_t kPushesOfASweep = 6;
constexpr int kCopies = 20;
constexpr size_t kIdsOfOnePartition = 60;
constexpr size_t kPushesToOnePartition = 12;  // several segments

std::string NewRoot() {
  std::string path = absl::StrCat(testing::TempDir(), "/bit_rot_XXXXXX");
  return mkdtemp(path.data());
}

}  // namespace

// ---- the specimen

Specimen::Specimen(Left left) : left_(left), root_(NewRoot()), expected_(RowsSchema(kSeed)) {}

Specimen::~Specimen() { fs::remove_all(root_); }

absl::StatusOr<std::unique_ptr<Specimen>> Specimen::Make(Left left) {
  std::unique_ptr<Specimen> specimen(new Specimen(left));
  RH_RETURN_IF_ERROR(specimen->Fill());
  return specimen;
}

absl::Status Specimen::Fill() {
  const std::string live = absl::StrCat(root_, "/live");
  fs::create_directories(live);
  Transcript transcript(live);
  DurableTrainer trainer(kSeed, &transcript);
  RH_ASSIGN_OR_RETURN(auto node, DurableNode::Start(NodeOptionsOf(live, scenario())));
  RH_RETURN_IF_ERROR(PushTo(node.get(), &trainer));
  rows_ = expected_.All();
  for (Id id = 0; id < kWorkloadIds; ++id) {
    ids_.push_back(id);
    const std::vector<float> weights = expected_.Weights(id);
    weights_.insert(weights_.end(), weights.begin(), weights.end());
  }
  if (left_ == Left::kStopped) node.reset();
  Served served;
  for (int attempt = 0; attempt < kCopies; ++attempt) {
    // RocksDB may still be compacting; then the copy is not of one moment.
    fs::remove_all(original());
    std::error_code error;
    fs::copy(live, original(), fs::copy_options::recursive, error);
    if (!error) served = Serve(*this, Copy());
    if (!error && served.outcome == Outcome::kNoEffect && served.wrong.empty()) return absl::OkStatus();
    absl::SleepFor(absl::Milliseconds(50));
  }
  return absl::InternalError(absl::StrCat("undamaged files: ", served.refusal.ToString(), served.wrong));
}

absl::Status Specimen::PushTo(DurableNode* node, DurableTrainer* trainer) {
  trainer->Attach(node);
  if (!trainer->CreateTable() || !trainer->Register()) return trainer->failure();
  const std::map<size_t, std::pair<std::string, CheckpointKind>> checkpoints = {
      {10, {"a", CheckpointKind::kFull}},
      {14, {"b", CheckpointKind::kIncremental}},
      {18, {"c", CheckpointKind::kBarrier}}};
  while (trainer->next() < kPushes) {
    if (!trainer->PushNext(0)) return trainer->failure();
    if (trainer->next() % kPushesOfASweep == 0) RH_RETURN_IF_ERROR(node->partitions().SweepAll());
    const auto checkpoint = checkpoints.find(trainer->next());
    if (left_ == Left::kSwept || checkpoint == checkpoints.end()) continue;
    const auto& [name, kind] = checkpoint->second;
    RH_RETURN_IF_ERROR(MakeCheckpoint(*node, name, kind));
    moments_[name] = trainer->next();
  }
  const std::vector<PlannedPush> plan = PlanPushes(kSeed);
  for (size_t seq = 1; seq <= trainer->next(); ++seq) Expect(plan[seq - 1]);
  return left_ == Left::kSwept ? PushToOnePartition(node) : absl::OkStatus();
}

// Until all that the log has is of that partition.
absl::Status Specimen::PushToOnePartition(DurableNode* node) {
  RH_ASSIGN_OR_RETURN(const RegisteredWriter writer, node->catalog().RegisterWriter("another", {}));
  PlannedPush push;
  for (Id id = 0; push.ids.size() < kIdsOfOnePartition; ++id) {
    if (node->map().PartitionOf(kRowsTableId, id) == 0) push.ids.push_back(id);
  }
  push.values.assign(push.ids.size() * kWorkloadDim, 0.25f);
  RH_RETURN_IF_ERROR(node->partitions().SweepAll());
  for (PushSeq seq = 1; seq <= kPushesToOnePartition; ++seq) {
    const auto builder = BuildPush(push, writer.writer, seq, seq);
    const PushOutcome outcome = node->Push(builder->request());
    RH_RETURN_IF_ERROR(outcome.status);
    for (const PartitionFailure& failure : outcome.failures) RH_RETURN_IF_ERROR(failure.status);
    Expect(push);
  }
  return node->partitions().SweepAll();
}

void Specimen::Expect(const PlannedPush& push) {
  if (push.type == RecordType::kDelete) {
    expected_.Delete(push.ids);
  } else {
    expected_.Push(push.ids, push.values);
  }
}

std::string Specimen::Copy() const {
  std::string copy = absl::StrCat(root_, "/copy");
  fs::remove_all(copy);
  fs::copy(original(), copy, fs::copy_options::recursive);
  return copy;
}

std::string Specimen::KindOf(const std::string& path, const std::string& last_segment) const {
  std::string name = fs::path(path).filename().string();
  if (absl::StartsWith(path, "data/spill/")) {
    if (absl::EndsWith(name, ".sst")) return "spill rows";
    return absl::StrCat("spill ", name.substr(0, name.find_first_of("-.")));
  }
  if (absl::StartsWith(path, "data/log/")) {
    if (!absl::StartsWith(name, "segment-")) return absl::StrCat("log ", name);
    return path != last_segment ? "log segment" : left_ == Left::kStopped ? "log, last, sealed" : "log, last";
  }
  if (absl::StartsWith(path, "data/")) return name;
  if (absl::StartsWith(name, "rows-")) return "checkpoint rows";
  return absl::StartsWith(name, "segment-") ? "checkpoint log" : absl::StrCat("checkpoint ", name);
}

std::map<std::string, std::vector<std::string>> Specimen::FilesByKind(const std::string& folder) const {
  std::vector<std::string> paths;
  std::string last_segment;
  for (const auto& entry : fs::recursive_directory_iterator(absl::StrCat(original(), "/", folder))) {
    if (!entry.is_regular_file() || entry.file_size() == 0) continue;
    paths.push_back(fs::relative(entry.path(), original()).string());
    if (absl::StartsWith(paths.back(), "data/log/segment-"))
      last_segment = std::max(last_segment, paths.back());
  }
  std::sort(paths.begin(), paths.end());
  std::map<std::string, std::vector<std::string>> kinds;
  for (const std::string& path : paths) kinds[KindOf(path, last_segment)].push_back(path);
  return kinds;
}

void FlipBit(const std::string& path, uint64_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const char byte = static_cast<char>(file.get() ^ (1 << (bit % 8)));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(byte);
  ASSERT_TRUE(file.good()) << path;
}

// ---- what is served

namespace {

class Reader {
 public:
  Reader(const Specimen& specimen, DurableNode* node) : specimen_(specimen), node_(node) {}

  Served Read() {
    PullAll();
    Scan();
    if (!served_.wrong.empty()) return served_;
    if (differs_) {
      served_.outcome = Outcome::kTailCut;
      if (!LacksTheLastRecordOnly()) served_.wrong = "wrong rows";
    } else if (lost_) {
      served_.outcome = Outcome::kRowsLost;
    }
    return served_;
  }

 private:
  void Lost(const absl::Status& status) {
    lost_ = true;
    if (!absl::IsDataLoss(status))
      served_.wrong = absl::StrCat("an error that is not DataLoss: ", status.ToString());
  }

  void PullAll() {
    const auto all = node_->Pull(kRowsTableId, specimen_.ids());
    if (all.ok()) return Compare(specimen_.weights().data(), *all);
    Lost(all.status());
    for (size_t i = 0; i < specimen_.ids().size(); ++i) {
      const auto one = node_->Pull(kRowsTableId, {&specimen_.ids()[i], 1});
      if (one.ok()) {
        Compare(specimen_.weights().data() + i * kWorkloadDim, *one);
      } else {
        Lost(one.status());
      }
    }
  }

  void Compare(const float* expected, const std::vector<float>& pulled) {
    differs_ |= std::memcmp(expected, pulled.data(), pulled.size() * sizeof(float)) != 0;
  }

  void Scan() {
    scanned_ = node_->Rows(kRowsTableId);
    if (!scanned_.ok()) return Lost(scanned_.status());
    differs_ |= *scanned_ != specimen_.rows();
  }

  // A flipped bit in the last record of a log that was not closed looks as if its write had not been
  // finished: one partition lacks the last push.
  bool LacksTheLastRecordOnly() const {
    if (specimen_.left() == Left::kStopped || !scanned_.ok()) return false;
    size_t behind = 0;
    for (const auto& partition : node_->partitions().partitions()) {
      const std::vector<bool> fits =
          specimen_.expected().Prefixes(node_->map(), kRowsTableId, partition->id(), *scanned_);
      if (fits[specimen_.pushes()]) continue;
      if (!fits[specimen_.pushes() - 1]) return false;
      ++behind;
    }
    return behind == 1;
  }

  const Specimen& specimen_;
  DurableNode* const node_;
  absl::StatusOr<TableBits> scanned_ = absl::UnknownError("not scanned");
  bool differs_ = false, lost_ = false;
  Served served_;
};

}  // namespace

Served Serve(const Specimen& specimen, const std::string& copy) {
  auto node = DurableNode::Start(NodeOptionsOf(copy, specimen.scenario()));
  if (!node.ok()) return {.outcome = Outcome::kRefused, .refusal = node.status()};
  return Reader(specimen, node->get()).Read();
}

}  // namespace rowhouse::server
