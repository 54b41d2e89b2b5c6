// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What every FileSystem does, run on the machine's files and on those in memory.

#include "common/file_system.h"

#include <unistd.h>

#include <filesystem>
#include <string>

#include "common/memory_file_system.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

absl::Status AppendText(WritableFile& file, const std::string& text) {
  const absl::Span<const uint8_t> piece = AsBytes(text);
  return file.Append({&piece, 1});
}

enum class Which { kPosix, kMemory };

class FileSystemTest : public testing::TestWithParam<Which> {
 protected:
  void SetUp() override {
    if (GetParam() == Which::kMemory) {
      memory_ = MakeMemoryFileSystem();
      fs_ = memory_.get();
      root_ = "/data";
    } else {
      std::string pattern = (std::filesystem::temp_directory_path() / "rowhouse_fs_XXXXXX").string();
      ASSERT_NE(mkdtemp(pattern.data()), nullptr);
      root_ = pattern;
      fs_ = PosixFileSystem();
    }
    ASSERT_EQ(fs_->CreateDirectories(root_), absl::OkStatus());
  }
  void TearDown() override {
    if (GetParam() == Which::kPosix) std::filesystem::remove_all(root_);
  }

  std::string Path(const std::string& name) const { return root_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) {
    auto file = fs_->OpenForAppend(Path(name));
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_EQ(AppendText(**file, text), absl::OkStatus());
  }
  std::string Content(const std::string& name) {
    auto content = ReadFile(*fs_, Path(name), 1 << 20);
    return content.ok() ? *content : content.status().ToString();
  }

  std::unique_ptr<MemoryFileSystem> memory_;
  FileSystem* fs_ = nullptr;
  std::string root_;
};

INSTANTIATE_TEST_SUITE_P(All, FileSystemTest, testing::Values(Which::kPosix, Which::kMemory),
                         [](const auto& info) { return info.param == Which::kPosix ? "Posix" : "Memory"; });

TEST_P(FileSystemTest, AppendsPiecesAndReopensAtTheEnd) {
  {
    auto file = fs_->OpenForAppend(Path("a"));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ((*file)->size(), 0u);
    const absl::Span<const uint8_t> pieces[] = {AsBytes("one"), {}, AsBytes("two")};
    EXPECT_EQ((*file)->Append(pieces), absl::OkStatus());
    EXPECT_EQ((*file)->size(), 6u);
    EXPECT_EQ((*file)->Sync(), absl::OkStatus());
    EXPECT_EQ((*file)->Append({}), absl::OkStatus());
  }
  auto again = fs_->OpenForAppend(Path("a"));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->size(), 6u);
  EXPECT_EQ(AppendText(**again, "three"), absl::OkStatus());
  EXPECT_EQ(Content("a"), "onetwothree");
}

TEST_P(FileSystemTest, MorePiecesThanOneSystemCallTakes) {
  std::string all(5000, '\0');
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i * 7);
  std::vector<absl::Span<const uint8_t>> pieces;
  for (size_t i = 0; i < all.size(); ++i) pieces.push_back(AsBytes(all).subspan(i, 1));
  auto file = fs_->OpenForAppend(Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->Append(pieces), absl::OkStatus());
  EXPECT_EQ(Content("a"), all);
}

TEST_P(FileSystemTest, TruncateCutsAndRefusesToGrow) {
  auto file = fs_->OpenForAppend(Path("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(AppendText(**file, "abcdef"), absl::OkStatus());
  EXPECT_TRUE(absl::IsInvalidArgument((*file)->Truncate(7)));
  EXPECT_EQ((*file)->Truncate(2), absl::OkStatus());
  EXPECT_EQ((*file)->size(), 2u);
  EXPECT_EQ(AppendText(**file, "X"), absl::OkStatus());
  EXPECT_EQ(Content("a"), "abX");
}

TEST_P(FileSystemTest, PreallocateKeepsTheLength) {
  auto file = fs_->OpenForAppend(Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->Preallocate(0), absl::OkStatus());
  EXPECT_EQ((*file)->Preallocate(1 << 16), absl::OkStatus());
  EXPECT_EQ((*file)->size(), 0u);
  ASSERT_EQ(AppendText(**file, "abc"), absl::OkStatus());
  EXPECT_EQ(Content("a"), "abc");
}

TEST_P(FileSystemTest, ReadsAnywhereAndStopsAtTheEnd) {
  Write("a", "0123456789");
  auto file = fs_->OpenForRead(Path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->Size().value(), 10u);
  uint8_t out[20];
  EXPECT_EQ((*file)->Read(3, 4, out).value(), 4u);
  EXPECT_EQ(std::string(out, out + 4), "3456");
  EXPECT_EQ((*file)->Read(8, 20, out).value(), 2u);
  EXPECT_EQ((*file)->Read(10, 1, out).value(), 0u);
  EXPECT_EQ((*file)->Read(99, 1, out).value(), 0u);
  Write("a", "AB");  // seen by a file opened before
  EXPECT_EQ((*file)->Read(8, 20, out).value(), 4u);
}

TEST_P(FileSystemTest, WhatIsMissingIsNotFoundAndNamed) {
  EXPECT_TRUE(absl::IsNotFound(fs_->OpenForRead(Path("no")).status()));
  EXPECT_TRUE(absl::IsNotFound(fs_->OpenForAppend(Path("no/a")).status()));
  EXPECT_TRUE(absl::IsNotFound(fs_->List(Path("no")).status()));
  EXPECT_TRUE(absl::IsNotFound(fs_->Remove(Path("no"))));
  EXPECT_TRUE(absl::IsNotFound(fs_->Rename(Path("no"), Path("b"))));
  EXPECT_TRUE(absl::IsNotFound(fs_->SyncDirectory(Path("no"))));
  EXPECT_TRUE(absl::IsNotFound(fs_->FreeBytes(Path("no")).status()));
  EXPECT_TRUE(absl::IsNotFound(fs_->Lock(Path("no/lock")).status()));
  EXPECT_TRUE(absl::IsNotFound(ReadFile(*fs_, Path("no"), 10).status()));
  EXPECT_THAT(std::string(fs_->Remove(Path("no")).message()), HasSubstr(Path("no")));
}

TEST_P(FileSystemTest, ListsInOrderAndTellsWhatExists) {
  EXPECT_THAT(fs_->List(root_).value(), IsEmpty());
  Write("b", "");
  Write("a", "");
  ASSERT_EQ(fs_->CreateDirectories(Path("c/d")), absl::OkStatus());
  EXPECT_THAT(fs_->List(root_).value(), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(fs_->Exists(Path("a")).value());
  EXPECT_TRUE(fs_->Exists(Path("c/d")).value());
  EXPECT_FALSE(fs_->Exists(Path("z")).value());
  EXPECT_FALSE(fs_->Exists(Path("a/z")).value());
  EXPECT_TRUE(absl::IsInternal(fs_->List(Path("a")).status()));
}

TEST_P(FileSystemTest, CreateDirectoriesTakesWhatIsThereAndRefusesAFile) {
  EXPECT_EQ(fs_->CreateDirectories(Path("x//y/")), absl::OkStatus());
  EXPECT_EQ(fs_->CreateDirectories(Path("x/y")), absl::OkStatus());
  Write("f", "");
  EXPECT_TRUE(absl::IsAlreadyExists(fs_->CreateDirectories(Path("f"))));
}

TEST_P(FileSystemTest, RemovesFilesAndEmptyDirectories) {
  Write("a", "x");
  ASSERT_EQ(fs_->CreateDirectories(Path("d/e")), absl::OkStatus());
  EXPECT_EQ(fs_->Remove(Path("a")), absl::OkStatus());
  EXPECT_FALSE(fs_->Exists(Path("a")).value());
  EXPECT_TRUE(absl::IsInternal(fs_->Remove(Path("d"))) || absl::IsAlreadyExists(fs_->Remove(Path("d"))));
  EXPECT_EQ(fs_->Remove(Path("d/e")), absl::OkStatus());
  EXPECT_EQ(fs_->Remove(Path("d")), absl::OkStatus());
}

TEST_P(FileSystemTest, RenameReplacesAndMovesDirectories) {
  Write("a", "new");
  Write("b", "old");
  EXPECT_EQ(fs_->Rename(Path("a"), Path("b")), absl::OkStatus());
  EXPECT_EQ(Content("b"), "new");
  EXPECT_FALSE(fs_->Exists(Path("a")).value());
  EXPECT_EQ(fs_->Rename(Path("b"), Path("b")), absl::OkStatus());
  ASSERT_EQ(fs_->CreateDirectories(Path("d")), absl::OkStatus());
  EXPECT_EQ(fs_->Rename(Path("b"), Path("d/b")), absl::OkStatus());
  EXPECT_EQ(fs_->Rename(Path("d"), Path("e")), absl::OkStatus());
  EXPECT_EQ(Content("e/b"), "new");
  EXPECT_FALSE(fs_->Rename(Path("e"), Path("e/inside")).ok());
  EXPECT_FALSE(fs_->Rename(Path("e/b"), Path("e")).ok());
}

TEST_P(FileSystemTest, OneHolderOfALockAtATime) {
  auto first = fs_->Lock(Path("LOCK"));
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string pid = std::to_string(getpid());
  EXPECT_EQ(Content("LOCK"), pid + "\n");
  auto second = fs_->Lock(Path("LOCK"));
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("process " + pid));
  first->reset();
  EXPECT_EQ(Content("LOCK"), "") << "the process id may be a stranger's by now";
  EXPECT_TRUE(fs_->Lock(Path("LOCK")).ok());
}

TEST_P(FileSystemTest, FreeBytesAreThere) {
  auto free = fs_->FreeBytes(root_);
  ASSERT_TRUE(free.ok()) << free.status();
  EXPECT_GT(*free, 0u);
}

TEST_P(FileSystemTest, ReadFileHasALimit) {
  Write("a", "12345");
  EXPECT_EQ(ReadFile(*fs_, Path("a"), 5).value(), "12345");
  const auto refused = ReadFile(*fs_, Path("a"), 4);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("has 5 bytes, at most 4"));
  Write("empty", "");
  EXPECT_EQ(ReadFile(*fs_, Path("empty"), 0).value(), "");
}

TEST_P(FileSystemTest, ReplaceFileDurablyReplacesAndLeavesNothing) {
  EXPECT_EQ(ReplaceFileDurably(*fs_, Path("a"), "first"), absl::OkStatus());
  Write("a.tmp", "left by a crash and longer than the content");
  EXPECT_EQ(ReplaceFileDurably(*fs_, Path("a"), "second"), absl::OkStatus());
  EXPECT_EQ(Content("a"), "second");
  EXPECT_EQ(ReplaceFileDurably(*fs_, Path("a"), ""), absl::OkStatus());
  EXPECT_EQ(Content("a"), "");
  EXPECT_THAT(fs_->List(root_).value(), ElementsAre("a"));
  EXPECT_TRUE(absl::IsNotFound(ReplaceFileDurably(*fs_, Path("no/a"), "x")));
}

}  // namespace
}  // namespace rowhouse
