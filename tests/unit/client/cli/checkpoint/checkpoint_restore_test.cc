// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/checkpoint/checkpoint_restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "client/cli/checkpoint/checkpoint_files.h"
#include "client/cli/local_cluster.h"
#include "common/file_system.h"
#include "server/checkpoint/checkpoint_store.h"

namespace rowhouse::cli {
namespace {

using testing::HasSubstr;

class CheckpointRestoreTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/rowhouse-restore-" + std::to_string(getpid());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  // A folder with a root manifest and nothing else.
  std::string Folder(const server::Manifest& manifest) {
    std::string path = directory_ + "/" + manifest.name;
    std::filesystem::create_directories(path);
    std::ofstream(path + "/MANIFEST.json") << server::EncodeManifest(manifest);
    return path;
  }
  server::Manifest Manifest(const std::string& name, uint64_t id) {
    return {.name = name,
            .id = id,
            .cluster = 1,
            .history = 2,
            .partitions = 4,
            .hash_version = 1,
            .servers = {{.name = "server-0000/SERVER.json", .bytes = 10, .crc32c = 1}}};
  }
  absl::Status Restore(RestoreFlags flags) {
    flags.data_directory = directory_ + "/data";
    return RestoreOffline(flags);
  }
  bool Made() const { return std::filesystem::exists(directory_ + "/data"); }

  std::string directory_;
};

TEST_F(CheckpointRestoreTest, WhatIsNoCheckpointIsNamed) {
  const absl::Status status = Restore({.path = directory_ + "/nowhere"});
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("nowhere"));
  EXPECT_FALSE(Made());
}

TEST_F(CheckpointRestoreTest, ShapeIsCheckedBeforeFilesAreRead) {
  const std::string path = Folder(Manifest("monday", 7));
  EXPECT_TRUE(absl::IsInvalidArgument(Restore({.path = path, .servers = 5})));
  EXPECT_TRUE(absl::IsInvalidArgument(Restore({.path = path, .servers = 0})));
  EXPECT_TRUE(absl::IsInvalidArgument(Restore({.path = path, .partitions = 3})));
  EXPECT_FALSE(Made());
}

TEST_F(CheckpointRestoreTest, MissingFileIsNamedAndNothingIsMade) {
  const absl::Status status = Restore({.path = Folder(Manifest("monday", 7))});
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("monday/server-0000/SERVER.json"));
  EXPECT_FALSE(Made());
}

TEST_F(CheckpointRestoreTest, BarrierMustStandOnTheCheckpoint) {
  const std::string monday = Folder(Manifest("monday", 7)), friday = Folder(Manifest("friday", 8));
  server::Manifest barrier = Manifest("noon", 9);
  barrier.kind = server::CheckpointKind::kBarrier;
  barrier.base = "monday";
  barrier.base_id = 7;
  Folder(barrier);
  EXPECT_THAT(std::string(Restore({.path = friday, .until = "noon"}).message()),
              HasSubstr("barrier noon does not stand on friday but on monday"));
  EXPECT_THAT(std::string(Restore({.path = monday, .until = "friday"}).message()),
              HasSubstr("no barrier but full"));
  EXPECT_TRUE(absl::IsInvalidArgument(Restore({.path = monday, .until = "../friday"})));
  EXPECT_TRUE(absl::IsDataLoss(Restore({.path = monday, .until = "noon"})))
      << "it stands on it; files are missing";
}

TEST_F(CheckpointRestoreTest, OthersDataIsLeftAlone) {
  const std::string path = Folder(Manifest("monday", 7));
  std::filesystem::create_directories(directory_ + "/data/server-3/spill");
  const absl::Status status = Restore({.path = path});
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("data/server-3"));
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/data/server-3/spill"));
}

TEST_F(CheckpointRestoreTest, DirectoryWithoutServersIsListedAndRead) {
  Folder(Manifest("monday", 7));
  const CheckpointPlace place{.directory = directory_};
  const auto listed = ListCheckpoints(place);
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ((*listed)[0].name, "monday");
  EXPECT_TRUE(absl::IsNotFound(ListCheckpoints({.directory = directory_ + "/nowhere"}).status()));
  EXPECT_TRUE(absl::IsNotFound(DeleteCheckpoint(place, "friday")));
  EXPECT_TRUE(DeleteCheckpoint(place, "monday").ok());
  EXPECT_TRUE(ListCheckpoints(place)->empty());
}

TEST_F(CheckpointRestoreTest, LocalClusterTakesRestoredDirectoriesOfItsSize) {
  for (const char* name : {"server-0", "server-1"}) {
    std::filesystem::create_directories(directory_ + "/" + name);
    std::ofstream(directory_ + "/" + name + "/RESTORED") << "x\n";
  }
  LocalClusterShape shape{.servers = 3};
  EXPECT_THAT(std::string(LocalCluster::Create(directory_, shape).status().message()), HasSubstr("-n is 3"));
  shape.servers = 1;
  EXPECT_THAT(std::string(LocalCluster::Create(directory_, shape).status().message()),
              HasSubstr("holds server-1"));
  shape.servers = 2;
  shape.checkpoint_directory = "/checkpoints";
  EXPECT_TRUE(LocalCluster::Create(directory_, shape).ok());
  shape.checkpoint_directory = "";
  const auto again = LocalCluster::Create(directory_, shape);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->shape().checkpoint_directory, "/checkpoints") << "what is not said stays";
}

}  // namespace
}  // namespace rowhouse::cli
