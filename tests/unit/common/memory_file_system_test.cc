// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/memory_file_system.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

absl::Status AppendText(WritableFile& file, const std::string& text) {
  const absl::Span<const uint8_t> piece = AsBytes(text);
  return file.Append({&piece, 1});
}

std::string Content(FileSystem& fs, const std::string& path) {
  auto content = ReadFile(fs, path, 1 << 20);
  return content.ok() ? *content : content.status().ToString();
}

class PowerLoss : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(fs_->CreateDirectories("/d"), absl::OkStatus()); }

  // A file with synced content and a synced entry.
  void MakeDurable(const std::string& path, const std::string& text) {
    auto file = fs_->OpenForAppend(path);
    ASSERT_TRUE(file.ok());
    ASSERT_EQ(AppendText(**file, text), absl::OkStatus());
    ASSERT_EQ((*file)->Sync(), absl::OkStatus());
    ASSERT_EQ(fs_->SyncDirectory(path.substr(0, path.rfind('/'))), absl::OkStatus());
  }

  std::unique_ptr<MemoryFileSystem> fs_ = MakeMemoryFileSystem();
};

TEST_F(PowerLoss, KeepsSyncedBytesAndDropsTheRest) {
  MakeDurable("/d/a", "synced");
  auto file = fs_->OpenForAppend("/d/a");
  ASSERT_EQ(AppendText(**file, " not"), absl::OkStatus());
  EXPECT_EQ(Content(*fs_, "/d/a"), "synced not");
  fs_->DropUnsynced();
  EXPECT_EQ(Content(*fs_, "/d/a"), "synced");
}

TEST_F(PowerLoss, SyncAfterTruncateAndAppendKeepsTheNewBytes) {
  MakeDurable("/d/a", "abcdef");
  auto file = fs_->OpenForAppend("/d/a");
  ASSERT_EQ((*file)->Truncate(2), absl::OkStatus());
  ASSERT_EQ(AppendText(**file, "XYZ"), absl::OkStatus());
  ASSERT_EQ((*file)->Sync(), absl::OkStatus());
  ASSERT_EQ(AppendText(**file, "lost"), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_EQ(Content(*fs_, "/d/a"), "abXYZ");
}

TEST_F(PowerLoss, AnUnsyncedTruncateIsTakenBack) {
  MakeDurable("/d/a", "abcdef");
  auto file = fs_->OpenForAppend("/d/a");
  ASSERT_EQ((*file)->Truncate(2), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_EQ(Content(*fs_, "/d/a"), "abcdef");
}

TEST_F(PowerLoss, ASyncedFileWithoutASyncedEntryIsGone) {
  auto file = fs_->OpenForAppend("/d/a");
  ASSERT_EQ(AppendText(**file, "x"), absl::OkStatus());
  ASSERT_EQ((*file)->Sync(), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_FALSE(fs_->Exists("/d/a").value());
}

TEST_F(PowerLoss, ASyncedEntryOfAnUnsyncedFileIsEmpty) {
  auto file = fs_->OpenForAppend("/d/a");
  ASSERT_EQ(AppendText(**file, "x"), absl::OkStatus());
  ASSERT_EQ(fs_->SyncDirectory("/d"), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_EQ(Content(*fs_, "/d/a"), "");
}

TEST_F(PowerLoss, AnUnsyncedRenameIsTakenBack) {
  MakeDurable("/d/a", "new");
  MakeDurable("/d/b", "old");
  ASSERT_EQ(fs_->Rename("/d/a", "/d/b"), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_EQ(Content(*fs_, "/d/a"), "new");
  EXPECT_EQ(Content(*fs_, "/d/b"), "old");
}

TEST_F(PowerLoss, ASyncedRenameStays) {
  MakeDurable("/d/a", "new");
  MakeDurable("/d/b", "old");
  ASSERT_EQ(fs_->Rename("/d/a", "/d/b"), absl::OkStatus());
  ASSERT_EQ(fs_->SyncDirectory("/d"), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_THAT(fs_->List("/d").value(), ElementsAre("b"));
  EXPECT_EQ(Content(*fs_, "/d/b"), "new");
}

TEST_F(PowerLoss, ARenameSyncedInOneDirectoryOnlyStandsInBoth) {
  ASSERT_EQ(fs_->CreateDirectories("/e"), absl::OkStatus());
  MakeDurable("/d/a", "x");
  ASSERT_EQ(fs_->Rename("/d/a", "/e/a"), absl::OkStatus());
  ASSERT_EQ(fs_->SyncDirectory("/e"), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_EQ(Content(*fs_, "/d/a"), "x");
  EXPECT_EQ(Content(*fs_, "/e/a"), "x");
}

TEST_F(PowerLoss, AnUnsyncedRemoveIsTakenBackAndASyncedOneStays) {
  MakeDurable("/d/a", "x");
  ASSERT_EQ(fs_->Remove("/d/a"), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_EQ(Content(*fs_, "/d/a"), "x");
  ASSERT_EQ(fs_->Remove("/d/a"), absl::OkStatus());
  ASSERT_EQ(fs_->SyncDirectory("/d"), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_FALSE(fs_->Exists("/d/a").value());
}

TEST_F(PowerLoss, DirectoriesStay) {
  ASSERT_EQ(fs_->CreateDirectories("/x/y/z"), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_TRUE(fs_->Exists("/x/y/z").value());
}

TEST_F(PowerLoss, ReplaceFileDurablyHolds) {
  ASSERT_EQ(ReplaceFileDurably(*fs_, "/d/a", "one"), absl::OkStatus());
  fs_->DropUnsynced();
  EXPECT_EQ(Content(*fs_, "/d/a"), "one");
}

TEST_F(PowerLoss, OpenFilesFailAndLocksAreFree) {
  MakeDurable("/d/a", "x");
  auto writable = fs_->OpenForAppend("/d/a");
  auto readable = fs_->OpenForRead("/d/a");
  auto old_lock = fs_->Lock("/d/LOCK");
  ASSERT_TRUE(old_lock.ok());
  ASSERT_EQ(fs_->SyncDirectory("/d"), absl::OkStatus());
  fs_->DropUnsynced();
  uint8_t byte;
  EXPECT_THAT(std::string(AppendText(**writable, "y").message()), HasSubstr("power was lost"));
  EXPECT_FALSE((*writable)->Sync().ok());
  EXPECT_FALSE((*writable)->Truncate(0).ok());
  EXPECT_FALSE((*writable)->Preallocate(1).ok());
  EXPECT_FALSE((*readable)->Read(0, 1, &byte).ok());
  EXPECT_FALSE((*readable)->Size().ok());
  auto new_lock = fs_->Lock("/d/LOCK");
  ASSERT_TRUE(new_lock.ok()) << new_lock.status();
  old_lock->reset();  // lets go of nothing
  EXPECT_TRUE(absl::IsFailedPrecondition(fs_->Lock("/d/LOCK").status()));
}

TEST_F(PowerLoss, FilesOutliveTheFileSystem) {
  auto file = fs_->OpenForAppend("/d/a");
  fs_.reset();
  EXPECT_EQ(AppendText(**file, "x"), absl::OkStatus());
  EXPECT_EQ((*file)->size(), 1u);
}

TEST(MemoryFileSystem, CorruptChangesLiveAndSyncedBytes) {
  auto fs = MakeMemoryFileSystem();
  ASSERT_EQ(ReplaceFileDurably(*fs, "/a", "abcd"), absl::OkStatus());
  EXPECT_EQ(fs->Corrupt("/a", 1, AsBytes("XY")), absl::OkStatus());
  EXPECT_EQ(Content(*fs, "/a"), "aXYd");
  fs->DropUnsynced();
  EXPECT_EQ(Content(*fs, "/a"), "aXYd");
  EXPECT_TRUE(absl::IsOutOfRange(fs->Corrupt("/a", 3, AsBytes("XY"))));
  EXPECT_TRUE(absl::IsNotFound(fs->Corrupt("/b", 0, AsBytes("X"))));
  EXPECT_TRUE(absl::IsInternal(fs->Corrupt("/", 0, AsBytes("X"))));
}

TEST(MemoryFileSystem, AFullDiskTakesWhatFits) {
  auto fs = MakeMemoryFileSystem();
  fs->SetCapacity(5);
  auto file = fs->OpenForAppend("/a");
  const absl::Span<const uint8_t> pieces[] = {AsBytes("abc"), AsBytes("defg")};
  const absl::Status status = (*file)->Append(pieces);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("5 bytes"));
  EXPECT_EQ(Content(*fs, "/a"), "abcde");
  EXPECT_EQ(fs->FreeBytes("/").value(), 0u);
  ASSERT_EQ((*file)->Truncate(1), absl::OkStatus());
  EXPECT_EQ(fs->FreeBytes("/").value(), 4u);
  EXPECT_EQ(AppendText(**file, "wxyz"), absl::OkStatus());
  fs->SetCapacity(2);
  EXPECT_EQ(fs->FreeBytes("/").value(), 0u);
  EXPECT_TRUE(absl::IsResourceExhausted(AppendText(**file, "x")));
}

TEST(MemoryFileSystem, PathsAreNormal) {
  auto fs = MakeMemoryFileSystem();
  ASSERT_EQ(fs->CreateDirectories("x/./y/../z"), absl::OkStatus());
  EXPECT_TRUE(fs->Exists("/x//z/").value());
  EXPECT_FALSE(fs->Exists("/x/y").value());
  EXPECT_TRUE(absl::IsNotFound(fs->Remove("/")));
}

class FaultyFileSystem : public testing::Test {
 protected:
  absl::Status Ask(FileOperation operation, const std::string& path) {
    asked_.push_back(path);
    return operation == failing_ && armed_ ? absl::InternalError("on purpose") : absl::OkStatus();
  }
  void Fail(FileOperation operation) {
    failing_ = operation;
    armed_ = true;
  }

  bool armed_ = false;
  FileOperation failing_ = FileOperation::kOpen;
  std::vector<std::string> asked_;
  std::unique_ptr<MemoryFileSystem> base_ = MakeMemoryFileSystem();
  std::unique_ptr<FileSystem> fs_ = MakeFaultyFileSystem(
      base_.get(), [this](FileOperation operation, const std::string& path) { return Ask(operation, path); });
};

TEST_F(FaultyFileSystem, PassesThroughWhenNothingFails) {
  ASSERT_EQ(fs_->CreateDirectories("/d"), absl::OkStatus());
  ASSERT_EQ(ReplaceFileDurably(*fs_, "/d/a", "text"), absl::OkStatus());
  EXPECT_EQ(Content(*fs_, "/d/a"), "text");
  EXPECT_THAT(fs_->List("/d").value(), ElementsAre("a"));
  EXPECT_TRUE(fs_->Exists("/d/a").value());
  EXPECT_TRUE(fs_->Lock("/d/LOCK").ok());
  EXPECT_TRUE(fs_->FreeBytes("/d").ok());
  EXPECT_EQ(fs_->Remove("/d/a"), absl::OkStatus());
  // open, append, sync, rename, sync of the directory; open, read; remove.
  EXPECT_THAT(asked_,
              ElementsAre("/d/a.tmp", "/d/a.tmp", "/d/a.tmp", "/d/a.tmp", "/d", "/d/a", "/d/a", "/d/a"));
}

TEST_F(FaultyFileSystem, AFailedAppendWritesHalf) {
  auto file = fs_->OpenForAppend("/a");
  Fail(FileOperation::kAppend);
  const absl::Span<const uint8_t> pieces[] = {AsBytes("abc"), AsBytes("defgh")};
  EXPECT_EQ((*file)->Append(pieces), absl::InternalError("on purpose"));
  EXPECT_EQ(Content(*base_, "/a"), "abcd");
  EXPECT_EQ((*file)->size(), 4u);
}

TEST_F(FaultyFileSystem, AFailedSyncLeavesTheFileUnsynced) {
  ASSERT_EQ(ReplaceFileDurably(*fs_, "/a", "old"), absl::OkStatus());
  auto file = fs_->OpenForAppend("/a");
  ASSERT_EQ(AppendText(**file, "new"), absl::OkStatus());
  Fail(FileOperation::kSync);
  EXPECT_FALSE((*file)->Sync().ok());
  base_->DropUnsynced();
  EXPECT_EQ(Content(*base_, "/a"), "old");
}

TEST_F(FaultyFileSystem, EveryOperationCanFail) {
  ASSERT_EQ(ReplaceFileDurably(*fs_, "/a", "text"), absl::OkStatus());
  auto writable = fs_->OpenForAppend("/a");
  auto readable = fs_->OpenForRead("/a");
  uint8_t byte;
  Fail(FileOperation::kOpen);
  EXPECT_FALSE(fs_->OpenForAppend("/a").ok());
  EXPECT_FALSE(fs_->OpenForRead("/a").ok());
  Fail(FileOperation::kRead);
  EXPECT_FALSE((*readable)->Read(0, 1, &byte).ok());
  EXPECT_EQ((*readable)->Size().value(), 4u);
  Fail(FileOperation::kTruncate);
  EXPECT_FALSE((*writable)->Truncate(0).ok());
  Fail(FileOperation::kPreallocate);
  EXPECT_FALSE((*writable)->Preallocate(9).ok());
  Fail(FileOperation::kRename);
  EXPECT_FALSE(fs_->Rename("/a", "/b").ok());
  Fail(FileOperation::kRemove);
  EXPECT_FALSE(fs_->Remove("/a").ok());
  Fail(FileOperation::kSyncDirectory);
  EXPECT_FALSE(fs_->SyncDirectory("/").ok());
  EXPECT_EQ(Content(*base_, "/a"), "text");
}

TEST_F(FaultyFileSystem, ReplaceFileDurablyLeavesTheOldContentAtEveryFault) {
  ASSERT_EQ(ReplaceFileDurably(*fs_, "/a", "old"), absl::OkStatus());
  for (FileOperation operation :
       {FileOperation::kOpen, FileOperation::kAppend, FileOperation::kSync, FileOperation::kRename}) {
    Fail(operation);
    EXPECT_FALSE(ReplaceFileDurably(*fs_, "/a", "new").ok());
    EXPECT_EQ(Content(*base_, "/a"), "old");
    EXPECT_THAT(base_->List("/").value(), ElementsAre("a"));
  }
}

}  // namespace
}  // namespace rowhouse
