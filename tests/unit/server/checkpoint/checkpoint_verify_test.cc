// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <set>

#include "tests/unit/server/checkpoint/checkpoint_test_util.h"

namespace rowhouse::server {
namespace {

bool GoOn(uint64_t, uint64_t) { return true; }

class CheckpointVerify : public testing::Test {
 protected:
  CheckpointVerify() : fs_(MakeMemoryFileSystem()), store_(fs_.get(), kStoreDirectory) {}

  // Rewrites the share of a server and the root manifest that lists it.
  void ChangeShare(Manifest manifest, ServerId server, const std::function<void(ServerManifest&)>& change) {
    ServerManifest share = *store_.ReadServer(manifest, server);
    change(share);
    const std::string text = EncodeServerManifest(share), name = manifest.servers[server].name;
    PutFile(*fs_, absl::StrCat("/checkpoints/full/", name), text);
    manifest.servers[server] = FileOf(name, text);
    PutRoot(*fs_, manifest, "/checkpoints/full");
  }
  absl::Status Verify() { return store_.Verify("full", GoOn); }

  std::unique_ptr<MemoryFileSystem> fs_;
  CheckpointStore store_;
};

TEST_F(CheckpointVerify, PassesWhatWasWritten) {
  WriteCheckpoint(fs_.get());
  EXPECT_EQ(Verify(), absl::OkStatus());
  WriteCheckpoint(
      fs_.get(),
      {.name = "inc", .id = 2, .kind = CheckpointKind::kIncremental, .base = "full", .base_id = 1});
  EXPECT_EQ(store_.Verify("inc", GoOn), absl::OkStatus());
  WriteCheckpoint(fs_.get(),
                  {.name = "bar", .id = 3, .kind = CheckpointKind::kBarrier, .base = "gone", .base_id = 9});
  EXPECT_EQ(store_.Verify("bar", GoOn), absl::OkStatus());  // bases are not read
  ExpectFailure(store_.Verify("none", GoOn), absl::StatusCode::kNotFound, {"no checkpoint none"});
}

TEST_F(CheckpointVerify, TellsHowFarItIs) {
  WriteCheckpoint(fs_.get());
  uint64_t bytes = 0, last = 0, total = 0;
  for (const std::string& path : FilesUnder(*fs_, "/checkpoints/full")) {
    if (!absl::EndsWith(path, kManifestName)) bytes += ReadFile(*fs_, path, 1 << 20)->size();
  }
  EXPECT_TRUE(store_
                  .Verify("full",
                          [&](uint64_t read, uint64_t all) {
                            EXPECT_GE(read, last);
                            EXPECT_LE(read, all);
                            last = read;
                            total = all;
                            return true;
                          })
                  .ok());
  EXPECT_EQ(last, bytes);
  EXPECT_EQ(total, bytes);
}

TEST_F(CheckpointVerify, StopsWhenToldAtAnyPlace) {
  WriteCheckpoint(fs_.get());
  int calls = 0;
  EXPECT_TRUE(store_.Verify("full", [&](uint64_t, uint64_t) { return ++calls > 0; }).ok());
  ASSERT_GT(calls, 20);
  for (int stop_at = 1; stop_at <= calls; ++stop_at) {
    int call = 0;
    const absl::Status status = store_.Verify("full", [&](uint64_t, uint64_t) { return ++call < stop_at; });
    ExpectFailure(status, absl::StatusCode::kCancelled, {"/checkpoints/full", "stopped", "bytes"});
    EXPECT_EQ(call, stop_at);
  }
}

TEST_F(CheckpointVerify, FindsAFlippedBitInEveryFile) {
  WriteCheckpoint(fs_.get());
  const std::vector<std::string> paths = FilesUnder(*fs_, "/checkpoints/full");
  std::set<std::string> kinds;
  for (const std::string& path : paths) {
    kinds.insert(path.substr(path.rfind('/') + 1, 4));
    const std::string content = *ReadFile(*fs_, path, 1 << 20);
    for (size_t i = 0; i < content.size(); i += 1 + content.size() / 97) {
      SCOPED_TRACE(absl::StrCat(path, " byte ", i));
      const uint8_t flipped = static_cast<uint8_t>(content[i]) ^ (1 << (i % 8));
      ASSERT_TRUE(fs_->Corrupt(path, i, {&flipped, 1}).ok());
      ExpectFailure(Verify(), absl::StatusCode::kDataLoss, {path});
      const uint8_t right = static_cast<uint8_t>(content[i]);
      ASSERT_TRUE(fs_->Corrupt(path, i, {&right, 1}).ok());
    }
  }
  EXPECT_THAT(kinds, testing::ElementsAre("MANI", "SERV", "rows", "segm"));
  EXPECT_EQ(Verify(), absl::OkStatus());
}

TEST_F(CheckpointVerify, FindsAFileThatIsMissingOrHasAnotherLength) {
  WriteCheckpoint(fs_.get());
  for (const std::string& path : FilesUnder(*fs_, "/checkpoints/full")) {
    if (absl::EndsWith(path, kManifestName)) continue;
    SCOPED_TRACE(path);
    const std::string content = *ReadFile(*fs_, path, 1 << 20);
    ASSERT_TRUE(fs_->Remove(path).ok());
    ExpectFailure(Verify(), absl::StatusCode::kDataLoss, {path, "missing"});
    PutFile(*fs_, path, content.substr(0, content.size() - 1));
    ExpectFailure(Verify(), absl::StatusCode::kDataLoss, {path});
    PutFile(*fs_, path, content + "x");
    ExpectFailure(Verify(), absl::StatusCode::kDataLoss, {path});
    PutFile(*fs_, path, content);
  }
  EXPECT_EQ(Verify(), absl::OkStatus());
}

TEST_F(CheckpointVerify, ComparesWhatFilesSayOfEachOther) {
  const std::vector<std::pair<std::function<void(ServerManifest&)>, std::string>> lies = {
      {[](ServerManifest& s) { s.partitions.pop_back(); }, "partition 3 is in no server's share"},
      {[](ServerManifest& s) { s.partitions.front().partition = 1; },
       "partition 1 is in two servers' shares"},
      {[](ServerManifest& s) { s.partitions.front().rows = 11; }, "41 rows, MANIFEST.json says 40"},
      {[](ServerManifest& s) {
         s.partitions[0].rows = 11;
         s.partitions[1].rows = 9;
       },
       "server-0001: partition 2 has 10 rows in the images, SERVER.json says 11"},
      {[](ServerManifest& s) { s.images.pop_back(); }, "rows in the images"},
      {[](ServerManifest& s) { s.log.erase(s.log.begin()); },
       "the segment segment-00000000000000000001.log is missing"},
      {[](ServerManifest& s) { s.log.erase(s.log.begin() + 1); }, "is missing before it"}};
  const Manifest manifest = WriteCheckpoint(fs_.get());
  const std::string path = "/checkpoints/full/server-0001/SERVER.json";
  const std::string content = *ReadFile(*fs_, path, 1 << 20);
  for (const auto& [lie, words] : lies) {
    ChangeShare(manifest, 1, lie);
    ExpectFailure(Verify(), absl::StatusCode::kDataLoss, {"/checkpoints/full", words});
    PutFile(*fs_, path, content);
  }
}

TEST_F(CheckpointVerify, FindsRowsOfPartitionsThatTheShareHasNot) {
  const Manifest manifest = WriteCheckpoint(fs_.get());
  // Server 1 gives away partition 3, server 0 takes it without its rows.
  ChangeShare(manifest, 1, [](ServerManifest& share) { share.partitions.pop_back(); });
  Manifest changed = *store_.Read("full");
  changed.rows = 30;
  ChangeShare(changed, 0,
              [](ServerManifest& share) { share.partitions.push_back({.partition = 3, .all_rows = true}); });
  ExpectFailure(Verify(), absl::StatusCode::kDataLoss,
                {"server-0001", "rows of partition 3", "SERVER.json has not"});
}

// Each check of a log segment finds what the other one cannot.
TEST_F(CheckpointVerify, FindsARecordThatIsDamagedAndListedSo) {
  const Manifest manifest = WriteCheckpoint(fs_.get());
  const std::string path = "/checkpoints/full/server-0000/log/segment-00000000000000000003.log";
  ChangeShare(manifest, 0, [&](ServerManifest& share) { share.log[1].crc32c ^= 1; });
  ExpectFailure(Verify(), absl::StatusCode::kDataLoss, {path, "checksum", "SERVER.json says"});
  std::string content = *ReadFile(*fs_, path, 1 << 20);
  content[kSegmentHeaderBytes + kRecordHeaderBytes] ^= 1;  // in the body of its first record
  PutFile(*fs_, path, content);
  ChangeShare(*store_.Read("full"), 0,
              [&](ServerManifest& share) { share.log[1] = FileOf(share.log[1].name, content); });
  ExpectFailure(Verify(), absl::StatusCode::kDataLoss,
                {path, "offset 64", "the body is cut short or its checksum"});
}

// Files that are whole, and listed as they are, but another checkpoint's or server's.
TEST_F(CheckpointVerify, FindsTheRowsAndTheLogOfAnother) {
  const Manifest manifest = WriteCheckpoint(fs_.get());
  WriteCheckpoint(fs_.get(), {.name = "other", .id = 2});
  const std::string own = "/checkpoints/full/server-0000/";
  const auto put = [&](const std::string& from, CheckpointFile* file) {
    const std::string content = *ReadFile(*fs_, from + file->name, 1 << 20);
    PutFile(*fs_, own + file->name, content);
    *file = FileOf(file->name, content);
  };
  const std::string segment = *ReadFile(*fs_, own + "log/segment-00000000000000000001.log", 1 << 20);
  ChangeShare(manifest, 0,
              [&](ServerManifest& share) { put("/checkpoints/full/server-0001/", &share.log[0]); });
  ExpectFailure(Verify(), absl::StatusCode::kDataLoss, {own + "log/segment-", "belongs to", "server 1"});
  PutFile(*fs_, own + "log/segment-00000000000000000001.log", segment);
  ChangeShare(*store_.Read("full"), 0, [&](ServerManifest& share) {
    share.log[0] = FileOf(share.log[0].name, segment);
    put("/checkpoints/other/server-0000/", &share.images[0]);
  });
  ExpectFailure(Verify(), absl::StatusCode::kDataLoss,
                {own + "rows-000000.img", "checkpoint 0000000000000002"});
}

}  // namespace
}  // namespace rowhouse::server
