// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/checkpoint_store.h"

#include "tests/unit/server/checkpoint/checkpoint_test_util.h"

namespace rowhouse::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CheckpointStoreTest : public testing::Test {
 protected:
  CheckpointStoreTest() : fs_(MakeMemoryFileSystem()), store_(fs_.get(), kStoreDirectory) {}

  std::vector<std::string> ListNames() {
    const auto listed = store_.List();
    EXPECT_TRUE(listed.ok()) << listed.status();
    std::vector<std::string> names;
    for (const CheckpointStore::Listed& one : *listed) names.push_back(one.name);
    return names;
  }

  std::unique_ptr<MemoryFileSystem> fs_;
  CheckpointStore store_;
};

TEST(CheckpointName, IsOfTheAllowedCharacters) {
  for (const std::string& name :
       {std::string("a"), std::string("2026-01-31_full.v2"), std::string("-"), std::string(128, 'x'),
        std::string("partial"), std::string("x.partial.y")}) {
    EXPECT_TRUE(ValidateCheckpointName(name).ok()) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../x"), std::string("a/b"),
        std::string(".x"), std::string("a b"), std::string("a\0b", 3), std::string("\xc3\xa4"),
        std::string(129, 'x'), std::string("x.partial"), std::string(".partial")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateCheckpointName(name))) << name;
  }
  EXPECT_EQ(ServerFolder(3), "server-0003");
  EXPECT_EQ(ServerFolder(12345), "server-12345");
}

TEST_F(CheckpointStoreTest, RefusesNamesBeforeItLooks) {
  for (const char* name : {"", "../x", ".hidden", "x.partial"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store_.Read(name).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store_.Chain(name).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store_.Verify(name, [](uint64_t, uint64_t) { return true; })));
    EXPECT_TRUE(absl::IsInvalidArgument(store_.Delete(name)));
    EXPECT_TRUE(absl::IsInvalidArgument(store_.RemovePartial(name)));
  }
}

TEST_F(CheckpointStoreTest, IsEmptyWithoutItsDirectory) {
  EXPECT_THAT(ListNames(), IsEmpty());
  EXPECT_THAT(*store_.RemovePartial(), IsEmpty());
  EXPECT_TRUE(store_.RemovePartial("x").ok());
  ExpectFailure(store_.Read("x").status(), absl::StatusCode::kNotFound, {"no checkpoint x", kStoreDirectory});
  ExpectFailure(store_.Delete("x"), absl::StatusCode::kNotFound, {"no checkpoint x", kStoreDirectory});
}

TEST_F(CheckpointStoreTest, ListsTheOldestCutFirstAndTheUnreadableLast) {
  WriteRoot(fs_.get(), {.name = "b", .cut_unix_micros = 300});
  WriteRoot(fs_.get(), {.name = "c", .cut_unix_micros = 100});
  WriteRoot(fs_.get(), {.name = "d", .cut_unix_micros = 200});
  WriteRoot(fs_.get(), {.name = "e", .cut_unix_micros = 200});
  WriteRoot(fs_.get(), {.name = "a", .cut_unix_micros = 50});
  PutFile(*fs_, "/checkpoints/a/MANIFEST.json", "{}\n");
  EXPECT_THAT(ListNames(), ElementsAre("c", "d", "e", "b", "a"));
  const auto listed = store_.List();
  EXPECT_EQ(listed->front().manifest->cut_unix_micros, 100);
  ExpectFailure(listed->back().manifest.status(), absl::StatusCode::kDataLoss,
                {"/checkpoints/a/MANIFEST.json"});
}

TEST_F(CheckpointStoreTest, ListsNothingThatIsNotComplete) {
  WriteRoot(fs_.get(), {.name = "whole"});
  // Named by no manifest, so not by their folders either.
  for (const char* folder : {"one.partial", ".hidden", "lost+found"}) {
    ASSERT_TRUE(fs_->CreateDirectories(absl::StrCat(kStoreDirectory, "/", folder)).ok());
    PutFile(*fs_, absl::StrCat(kStoreDirectory, "/", folder, "/", kManifestName),
            EncodeManifest(RootOf({.name = "one"})));
  }
  ASSERT_TRUE(fs_->CreateDirectories("/checkpoints/empty/server-0000").ok());
  PutFile(*fs_, "/checkpoints/README", "text");
  EXPECT_THAT(ListNames(), ElementsAre("whole"));
  ExpectFailure(store_.Read("one").status(), absl::StatusCode::kNotFound, {"one.partial", "being written"});
  ExpectFailure(store_.Read("empty").status(), absl::StatusCode::kNotFound, {"no checkpoint empty", "whole"});
}

TEST_F(CheckpointStoreTest, NamesTheNearestOnes) {
  for (const char* name :
       {"daily-2026-01-01", "daily-2026-01-02", "daily-2026-01-03", "daily-2025-12-31", "weekly-1"}) {
    WriteRoot(fs_.get(), {.name = name});
  }
  ExpectFailure(store_.Read("daily-2026-01-20").status(), absl::StatusCode::kNotFound,
                {"no checkpoint daily-2026-01-20 in /checkpoints",
                 "nearest are daily-2026-01-01, daily-2026-01-02, daily-2026-01-03"});
}

TEST_F(CheckpointStoreTest, ReadsWhatWasWritten) {
  const Manifest manifest = WriteCheckpoint(fs_.get());
  const auto read = store_.Read("full");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, manifest);
  for (ServerId server = 0; server < 2; ++server) {
    const auto share = store_.ReadServer(*read, server);
    ASSERT_TRUE(share.ok()) << share.status();
    EXPECT_EQ(share->server, server);
    EXPECT_EQ(share->partitions.size(), 2u);
    EXPECT_GT(share->images.size(), 1u);
    EXPECT_GT(share->log.size(), 1u);
  }
  ExpectFailure(store_.ReadServer(*read, 2).status(), absl::StatusCode::kInvalidArgument,
                {"checkpoint full", "no server 2", "it has 2"});
}

TEST_F(CheckpointStoreTest, RefusesAFolderWithAnotherName) {
  WriteRoot(fs_.get(), {.name = "a"});
  ASSERT_TRUE(fs_->Rename("/checkpoints/a", "/checkpoints/b").ok());
  ExpectFailure(store_.Read("b").status(), absl::StatusCode::kDataLoss,
                {"/checkpoints/b/MANIFEST.json", "is of checkpoint a", "give the folder that name back"});
}

TEST_F(CheckpointStoreTest, RefusesAManifestTooLargeToRead) {
  WriteRoot(fs_.get(), {.name = "a"});
  PutFile(*fs_, "/checkpoints/a/MANIFEST.json", std::string(kMaxManifestBytes + 1, ' '));
  ExpectFailure(store_.Read("a").status(), absl::StatusCode::kDataLoss,
                {"/checkpoints/a/MANIFEST.json", "67108865 bytes", "at most 67108864"});
}

TEST_F(CheckpointStoreTest, RefusesAShareThatIsNotTheOneMeant) {
  Manifest manifest = RootOf({});
  const std::string folder = "/checkpoints/full";
  const auto expect_refused = [&](const ServerManifest& share, const std::string& words) {
    const std::string text = EncodeServerManifest(share);
    ASSERT_TRUE(fs_->CreateDirectories(folder + "/server-0000").ok());
    PutFile(*fs_, folder + "/server-0000/SERVER.json", text);
    manifest.servers = {FileOf("server-0000/SERVER.json", text)};
    ExpectFailure(store_.ReadServer(manifest, 0).status(), absl::StatusCode::kDataLoss,
                  {folder + "/server-0000/SERVER.json", words});
  };
  expect_refused({.checkpoint = 2, .server = 0}, "of checkpoint 0000000000000002");
  expect_refused({.checkpoint = 1, .server = 1}, "of server 1");
  expect_refused({.checkpoint = 1, .server = 0, .partitions = {{.partition = 4, .all_rows = true}}},
                 "partition 4 of 4");
  expect_refused({.checkpoint = 1, .server = 0, .partitions = {{.partition = 0}}},
                 "partition 0 has not all rows");
  manifest.kind = CheckpointKind::kBarrier;
  expect_refused({.checkpoint = 1, .server = 0, .images = {{"rows-000000.img", 1, 1}}}, "rows, in a barrier");
  // Another share of the same checkpoint, as large and whole.
  PutFile(*fs_, folder + "/server-0000/SERVER.json", EncodeServerManifest({.checkpoint = 1, .server = 0}));
  ExpectFailure(store_.ReadServer(manifest, 0).status(), absl::StatusCode::kDataLoss,
                {"bytes with checksum"});
  ASSERT_TRUE(fs_->Remove(folder + "/server-0000/SERVER.json").ok());
  ExpectFailure(store_.ReadServer(manifest, 0).status(), absl::StatusCode::kDataLoss,
                {"SERVER.json", "it is missing"});
}

// ---- chains

TEST_F(CheckpointStoreTest, ChainsFromTheFullOne) {
  WriteRoot(fs_.get(), {.name = "f", .id = 10});
  WriteRoot(fs_.get(),
            {.name = "i1", .id = 11, .kind = CheckpointKind::kIncremental, .base = "f", .base_id = 10});
  WriteRoot(fs_.get(),
            {.name = "i2", .id = 12, .kind = CheckpointKind::kIncremental, .base = "i1", .base_id = 11});
  WriteRoot(fs_.get(),
            {.name = "b", .id = 13, .kind = CheckpointKind::kBarrier, .base = "i2", .base_id = 12});
  const auto chain = store_.Chain("b");
  ASSERT_TRUE(chain.ok()) << chain.status();
  std::vector<std::string> names;
  for (const Manifest& manifest : *chain) names.push_back(manifest.name);
  EXPECT_THAT(names, ElementsAre("f", "i1", "i2", "b"));
  EXPECT_EQ(store_.Chain("f")->size(), 1u);
}

TEST_F(CheckpointStoreTest, ChainsMissABase) {
  WriteRoot(fs_.get(),
            {.name = "i1", .id = 11, .kind = CheckpointKind::kIncremental, .base = "gone", .base_id = 10});
  WriteRoot(fs_.get(),
            {.name = "i2", .id = 12, .kind = CheckpointKind::kIncremental, .base = "i1", .base_id = 11});
  ExpectFailure(store_.Chain("i2").status(), absl::StatusCode::kNotFound,
                {"checkpoint i1 needs gone as its base", "no checkpoint gone"});
  ExpectFailure(store_.Chain("none").status(), absl::StatusCode::kNotFound, {"no checkpoint none"});
}

TEST_F(CheckpointStoreTest, ChainsRefuseAnotherBase) {
  const CheckpointSpec spec{
      .name = "i", .id = 11, .kind = CheckpointKind::kIncremental, .base = "f", .base_id = 10};
  WriteRoot(fs_.get(), spec);
  WriteRoot(fs_.get(), {.name = "f", .id = 9});
  ExpectFailure(store_.Chain("i").status(), absl::StatusCode::kDataLoss,
                {"checkpoint i needs f as its base", "/checkpoints/f",
                 "has id 0000000000000009, not 000000000000000a"});
  const std::vector<std::pair<std::function<void(Manifest&)>, std::string>> others = {
      {[](Manifest& m) { m.cluster = 1; }, "is of cluster 0000000000000001"},
      {[](Manifest& m) { m.history = 2; }, "history 0000000000000002"},
      {[](Manifest& m) { m.partitions = 8; }, "has 8 partitions"},
      {[](Manifest& m) { m.hash_version = 2; }, "hash version 2"}};
  for (const auto& [change, words] : others) {
    Manifest manifest = WriteRoot(fs_.get(), {.name = "f", .id = 10});
    change(manifest);
    PutRoot(*fs_, manifest, "/checkpoints/f");
    ExpectFailure(store_.Chain("i").status(), absl::StatusCode::kDataLoss, {"/checkpoints/f", words});
  }
  WriteRoot(fs_.get(), {.name = "f", .id = 10});
  EXPECT_TRUE(store_.Chain("i").ok());
}

TEST_F(CheckpointStoreTest, ChainsEnd) {
  WriteRoot(fs_.get(),
            {.name = "a", .id = 1, .kind = CheckpointKind::kIncremental, .base = "b", .base_id = 2});
  WriteRoot(fs_.get(),
            {.name = "b", .id = 2, .kind = CheckpointKind::kIncremental, .base = "a", .base_id = 1});
  WriteRoot(fs_.get(),
            {.name = "c", .id = 3, .kind = CheckpointKind::kIncremental, .base = "a", .base_id = 1});
  WriteRoot(fs_.get(),
            {.name = "self", .id = 4, .kind = CheckpointKind::kBarrier, .base = "self", .base_id = 4});
  for (const char* name : {"a", "b", "c", "self"}) {
    ExpectFailure(store_.Chain(name).status(), absl::StatusCode::kDataLoss,
                  {"which needs it in turn", kStoreDirectory});
  }
}

// ---- disks that fail

TEST_F(CheckpointStoreTest, ReturnsEachFailureOfTheDisk) {
  const Manifest manifest = WriteCheckpoint(fs_.get());
  auto faulty = MakeFaultyFileSystem(fs_.get(), [](FileOperation, const std::string& path) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": not for you"));
  });
  const CheckpointStore store(faulty.get(), kStoreDirectory);
  ExpectFailure(store.Read("full").status(), absl::StatusCode::kPermissionDenied,
                {"/checkpoints/full/MANIFEST.json"});
  ExpectFailure(store.ReadServer(manifest, 0).status(), absl::StatusCode::kPermissionDenied, {"SERVER.json"});
  ExpectFailure(store.Chain("full").status(), absl::StatusCode::kPermissionDenied, {"MANIFEST.json"});
  const auto listed = store.List();
  ASSERT_TRUE(listed.ok());
  EXPECT_TRUE(absl::IsPermissionDenied(listed->front().manifest.status()));
}

}  // namespace
}  // namespace rowhouse::server
