// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What Delete and RemovePartial take away, in which order, and what they refuse.

#include "tests/unit/server/checkpoint/checkpoint_test_util.h"

namespace rowhouse::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CheckpointRemoval : public testing::Test {
 protected:
  CheckpointRemoval() : fs_(MakeMemoryFileSystem()), store_(fs_.get(), kStoreDirectory) {}

  std::unique_ptr<MemoryFileSystem> fs_;
  CheckpointStore store_;
};

TEST_F(CheckpointRemoval, TakesAllOfOneAway) {
  WriteCheckpoint(fs_.get(), {.name = "one"});
  WriteCheckpoint(fs_.get(), {.name = "two", .id = 2});
  ASSERT_TRUE(store_.Delete("one").ok());
  EXPECT_THAT(*fs_->List(kStoreDirectory), ElementsAre("two"));
  EXPECT_TRUE(store_.Verify("two", [](uint64_t, uint64_t) { return true; }).ok());
  ExpectFailure(store_.Delete("one"), absl::StatusCode::kNotFound, {"no checkpoint one", "nearest are two"});
}

TEST_F(CheckpointRemoval, BeginsWithTheNameAndTheRootManifest) {
  WriteCheckpoint(fs_.get());
  std::vector<std::string> steps;
  auto watched = MakeFaultyFileSystem(fs_.get(), [&](FileOperation operation, const std::string& path) {
    if (operation == FileOperation::kRename) steps.push_back("rename " + path);
    if (operation == FileOperation::kRemove) steps.push_back("remove " + path);
    if (operation == FileOperation::kSyncDirectory) steps.push_back("sync " + path);
    return absl::OkStatus();
  });
  ASSERT_TRUE(CheckpointStore(watched.get(), kStoreDirectory).Delete("full").ok());
  ASSERT_GT(steps.size(), 10u);
  EXPECT_EQ(steps[0], "rename /checkpoints/full");
  EXPECT_EQ(steps[1], "sync /checkpoints");
  EXPECT_EQ(steps[2], "remove /checkpoints/full.partial/MANIFEST.json");
  EXPECT_EQ(steps[steps.size() - 2], "remove /checkpoints/full.partial");
  EXPECT_EQ(steps.back(), "sync /checkpoints");
}

// A crash or a failure at any step leaves the checkpoint whole, or nothing that is listed; RemovePartial ends
// it.
TEST_F(CheckpointRemoval, LeavesNoHalfWhenItIsCutShort) {
  for (const bool power_loss : {false, true}) {
    for (int fail_at = 0;; ++fail_at) {
      SCOPED_TRACE(absl::StrCat("step ", fail_at, power_loss ? ", power loss" : ""));
      auto disk = MakeMemoryFileSystem();
      WriteCheckpoint(disk.get());
      for (const char* folder : {"", "/full", "/full/server-0000", "/full/server-0001",
                                 "/full/server-0000/log", "/full/server-0001/log"}) {
        ASSERT_TRUE(disk->SyncDirectory(absl::StrCat(kStoreDirectory, folder)).ok());
      }
      int steps = 0;
      auto faulty = MakeFaultyFileSystem(disk.get(), [&](FileOperation operation, const std::string& path) {
        const bool changes = operation == FileOperation::kRename || operation == FileOperation::kRemove ||
                             operation == FileOperation::kSyncDirectory;
        return changes && steps++ == fail_at ? absl::InternalError(path + ": broken") : absl::OkStatus();
      });
      const absl::Status status = CheckpointStore(faulty.get(), kStoreDirectory).Delete("full");
      if (steps <= fail_at) {
        EXPECT_TRUE(status.ok()) << status;
        break;
      }
      ExpectFailure(status, absl::StatusCode::kInternal, {"/checkpoints", ": broken"});
      if (power_loss) disk->DropUnsynced();
      const CheckpointStore store(disk.get(), kStoreDirectory);
      const auto listed = store.List();
      ASSERT_TRUE(listed.ok());
      if (!listed->empty()) {
        EXPECT_EQ(listed->size(), 1u);
        EXPECT_EQ(store.Verify("full", [](uint64_t, uint64_t) { return true; }), absl::OkStatus());
        EXPECT_TRUE(store.Delete("full").ok());
      }
      const auto removed = store.RemovePartial();
      ASSERT_TRUE(removed.ok()) << removed.status();
      EXPECT_THAT(*disk->List(kStoreDirectory), IsEmpty());
    }
  }
}

TEST_F(CheckpointRemoval, RefusesABase) {
  WriteRoot(fs_.get(), {.name = "f", .id = 10});
  WriteRoot(fs_.get(),
            {.name = "i", .id = 11, .kind = CheckpointKind::kIncremental, .base = "f", .base_id = 10});
  WriteRoot(fs_.get(), {.name = "b", .id = 12, .kind = CheckpointKind::kBarrier, .base = "i", .base_id = 11});
  ExpectFailure(store_.Delete("f"), absl::StatusCode::kFailedPrecondition,
                {"checkpoint i needs f as its base", "delete i first"});
  ExpectFailure(store_.Delete("i"), absl::StatusCode::kFailedPrecondition,
                {"checkpoint b needs i as its base"});
  EXPECT_TRUE(store_.Delete("b").ok());
  EXPECT_TRUE(store_.Delete("i").ok());
  EXPECT_TRUE(store_.Delete("f").ok());
}

TEST_F(CheckpointRemoval, RefusesWhenAnotherCannotBeAskedForItsBase) {
  WriteRoot(fs_.get(), {.name = "f"});
  ASSERT_TRUE(fs_->CreateDirectories("/checkpoints/newer").ok());
  // A damaged one is in nobody's way.
  PutFile(*fs_, "/checkpoints/newer/MANIFEST.json", "{}\n");
  auto faulty = MakeFaultyFileSystem(fs_.get(), [](FileOperation, const std::string& path) {
    return absl::StrContains(path, "newer") ? absl::PermissionDeniedError(path) : absl::OkStatus();
  });
  ExpectFailure(CheckpointStore(faulty.get(), kStoreDirectory).Delete("f"),
                absl::StatusCode::kFailedPrecondition,
                {"whether checkpoint newer needs f as its base cannot be told"});
  EXPECT_TRUE(store_.Delete("f").ok());
}

TEST_F(CheckpointRemoval, TakesADamagedOneAway) {
  WriteRoot(fs_.get(), {.name = "f"});
  PutFile(*fs_, "/checkpoints/f/MANIFEST.json", "{}\n");
  EXPECT_TRUE(store_.Delete("f").ok());
  EXPECT_THAT(*fs_->List(kStoreDirectory), IsEmpty());
}

TEST_F(CheckpointRemoval, RefusesWhileOneOfThatNameIsBeingWritten) {
  WriteRoot(fs_.get(), {.name = "f"});
  ASSERT_TRUE(fs_->CreateDirectories("/checkpoints/f.partial").ok());
  ExpectFailure(store_.Delete("f"), absl::StatusCode::kFailedPrecondition,
                {"/checkpoints/f.partial", "being written"});
  EXPECT_TRUE(store_.Read("f").ok());
}

// A wrong directory costs nothing.
TEST_F(CheckpointRemoval, RemovesNothingBesideAFileThatIsNoCheckpoints) {
  WriteCheckpoint(fs_.get());
  ASSERT_TRUE(fs_->CreateDirectories("/checkpoints/x.partial/server-0000/log").ok());
  PutFile(*fs_, "/checkpoints/x.partial/MANIFEST.json", "{}");
  for (const std::string& folder :
       {std::string("/checkpoints/full"), std::string("/checkpoints/x.partial")}) {
    for (const char* name : {"thesis.tex", "server-0", "server-00001", "server-0000/rows-0.img",
                             "server-0000/x", "server-0000/log/LOCK", "SERVER.json"}) {
      const std::string path = absl::StrCat(folder, "/", name);
      PutFile(*fs_, path, "mine");
      const size_t files = FilesUnder(*fs_, kStoreDirectory).size();
      const absl::Status status =
          folder == "/checkpoints/full" ? store_.Delete("full") : store_.RemovePartial("x");
      ExpectFailure(status, absl::StatusCode::kFailedPrecondition,
                    {path, "no file of a checkpoint", "move it away"});
      EXPECT_EQ(FilesUnder(*fs_, kStoreDirectory).size(), files) << path;
      ASSERT_TRUE(fs_->Remove(path).ok());
    }
  }
  EXPECT_TRUE(store_.Delete("full").ok());
  EXPECT_TRUE(store_.RemovePartial("x").ok());
  EXPECT_THAT(*fs_->List(kStoreDirectory), IsEmpty());
}

TEST_F(CheckpointRemoval, TakesWhatADeadWriterLeft) {
  WriteCheckpoint(fs_.get(), {.name = "whole"});
  WriteCheckpoint(fs_.get(), {.name = "a", .id = 2});
  ASSERT_TRUE(fs_->Rename("/checkpoints/a", "/checkpoints/a.partial").ok());
  ASSERT_TRUE(fs_->CreateDirectories("/checkpoints/b.partial/server-0001").ok());
  PutFile(*fs_, "/checkpoints/b.partial/server-0001/SERVER.json.tmp", "half");
  PutFile(*fs_, "/checkpoints/b.partial/MANIFEST.json.tmp", "half");
  ASSERT_TRUE(fs_->CreateDirectories("/checkpoints/.partial").ok());  // no checkpoint's
  const auto removed = store_.RemovePartial();
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_THAT(*removed, ElementsAre("a", "b"));
  EXPECT_THAT(*fs_->List(kStoreDirectory), ElementsAre(".partial", "whole"));
  EXPECT_TRUE(store_.RemovePartial("a").ok());  // again
}

TEST_F(CheckpointRemoval, GoesOnAfterAPartialOneThatCannotBeRemoved) {
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(fs_->CreateDirectories(absl::StrCat(kStoreDirectory, "/", name, ".partial")).ok());
  }
  PutFile(*fs_, "/checkpoints/a.partial/mine", "mine");
  ExpectFailure(store_.RemovePartial().status(), absl::StatusCode::kFailedPrecondition,
                {"/checkpoints/a.partial/mine"});
  EXPECT_THAT(*fs_->List(kStoreDirectory), ElementsAre("a.partial"));
}

TEST_F(CheckpointRemoval, TakesTheNameThatWasGiven) {
  for (const char* name : {"a", "b"}) {
    ASSERT_TRUE(fs_->CreateDirectories(absl::StrCat(kStoreDirectory, "/", name, ".partial")).ok());
  }
  ASSERT_TRUE(store_.RemovePartial("b").ok());
  EXPECT_THAT(*fs_->List(kStoreDirectory), ElementsAre("a.partial"));
}

}  // namespace
}  // namespace rowhouse::server
