// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// R18: the process goes at every file operation of a restore into a real directory. A start without the
// checkpoint is refused then, one with it begins anew, and the rows are those of the checkpoint's moment.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/restore_directory.h"
#include "tests/support/durable_node.h"
#include "tests/support/reliability.h"

namespace rowhouse::server {
namespace {

namespace fs = std::filesystem;

constexpr TableId kTable = 1;
constexpr WriterId kWriter = 1;

// The disk works until its n-th change, then nothing works any more until Revive.
class MortalDisk {
 public:
  MortalDisk()
      : files_(MakeFaultyFileSystem(PosixFileSystem(), [this](FileOperation operation, const std::string&) {
          if (operation != FileOperation::kRead && left_.load() >= 0 && left_.fetch_sub(1) == 0) dead_ = true;
          return dead_ ? absl::UnavailableError("the process is gone") : absl::OkStatus();
        })) {}
  void DieAfter(int changes) { left_ = changes; }
  bool Revive() {
    left_ = -1;
    return dead_.exchange(false);
  }
  FileSystem* files() { return files_.get(); }

 private:
  std::atomic<int> left_{-1};
  std::atomic<bool> dead_{false};
  std::unique_ptr<FileSystem> files_;
};

void PushRows(DurableNode& node, PushSeq seq) {
  std::vector<Id> ids;
  std::vector<float> values;
  for (Id id = 0; id < 400; ++id) {
    ids.push_back(id * 11 + seq);
    values.insert(values.end(), {0.5f, -0.25f, static_cast<float>(id % 7)});
  }
  PushBuilder push(kWriter, seq);
  push.Add(kTable, std::move(ids), std::move(values));
  const PushOutcome outcome = node.Push(push.request());
  ASSERT_TRUE(outcome.status.ok() && outcome.failures.empty()) << outcome.status;
}

class RestoreCrash : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(root_);
    fs::create_directories(root_ + "/checkpoints");
  }
  void TearDown() override { fs::remove_all(root_); }

  DurableNodeOptions OptionsOf(const std::string& name) const {
    DurableNodeOptions options;
    options.data_directory = absl::StrCat(root_, "/", name);
    options.checkpoint_directory = root_ + "/checkpoints";
    return options;
  }

  const std::string root_ =
      absl::StrCat(fs::temp_directory_path().string(), "/rowhouse-restore-crash-", getpid());
};

TEST_F(RestoreCrash, AtEveryFileOperation) {
  const int stride = static_cast<int>(Tries(3, 1));
  TableBits moment;
  {
    auto node = DurableNode::Start(OptionsOf("original"));
    ASSERT_TRUE(node.ok()) << node.status();
    TableSchema schema = AdagradSchema(0, 3);
    schema.version = 0;
    const auto created = (*node)->catalog().CreateTable(schema, /*if_not_exists=*/false, {});
    ASSERT_TRUE(created.ok()) << created.status();
    ASSERT_EQ(created->schema.table_id, kTable);
    ASSERT_EQ((*node)->catalog().RegisterWriter("trainer", {})->writer, kWriter);
    ASSERT_NO_FATAL_FAILURE(PushRows(**node, 1));
    ASSERT_TRUE(MakeCheckpoint(**node, "base", CheckpointKind::kFull).ok());
    ASSERT_NO_FATAL_FAILURE(PushRows(**node, 2));
    ASSERT_TRUE(MakeCheckpoint(**node, "next", CheckpointKind::kIncremental).ok());
    moment = *(*node)->Rows(kTable);
    ASSERT_NO_FATAL_FAILURE(PushRows(**node, 3));  // not in it
  }
  const std::string checkpoint = root_ + "/checkpoints/next";
  int deaths = 0, refused = 0;
  bool died = true;
  for (int n = 0; died; n += stride) {
    SCOPED_TRACE(absl::StrCat("change ", n));
    MortalDisk disk;
    DurableNodeOptions options = OptionsOf("restored");
    options.partitions = 8;
    options.files = disk.files();
    fs::remove_all(options.data_directory);
    disk.DieAfter(n);
    const absl::Status first = RestoreDurableNode(options, checkpoint);
    died = disk.Revive();
    deaths += died;
    ASSERT_EQ(first.ok(), !died) << first;
    // Without the checkpoint: as a directory that nothing has happened to, or not at all.
    const auto must = MustRestore(*options.files, options.data_directory, "");
    if (!must.ok()) {
      EXPECT_EQ(must.status().code(), absl::StatusCode::kFailedPrecondition) << must.status();
      ++refused;
    }
    const absl::Status again = RestoreDurableNode(options, checkpoint);
    ASSERT_TRUE(again.ok()) << again;
    auto node = DurableNode::Start(options);
    ASSERT_TRUE(node.ok()) << node.status();
    EXPECT_EQ(*(*node)->Rows(kTable), moment);
    ASSERT_LT(n, 2000) << "it never ends";
  }
  std::printf("reliability: R18 restore, process dies | %d | %d | begun anew, every row as at its moment\n",
              deaths, HasFailure() ? 1 : 0);
  EXPECT_GT(deaths, 3);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace rowhouse::server
