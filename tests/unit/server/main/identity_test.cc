// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/identity.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "common/memory_file_system.h"

namespace rowhouse::server {
namespace {

class CountingRandom : public RandomSource {
 public:
  uint64_t Next64() override { return next_++; }

 private:
  uint64_t next_ = 0;  // an id of 0 must be drawn again
};

class IdentityTest : public testing::Test {
 protected:
  absl::StatusOr<DataDirectory> Open() { return Open(*fs_); }
  absl::StatusOr<DataDirectory> Open(FileSystem& fs) {
    return OpenDataDirectory(fs, random_, request_,
                             [this]() -> absl::StatusOr<ClusterIdentity> { return fetched_; });
  }
  void ExpectRefused(absl::StatusCode code, const std::string& part) {
    const auto opened = Open();
    EXPECT_EQ(opened.status().code(), code) << opened.status();
    EXPECT_TRUE(absl::StrContains(opened.status().message(), part)) << opened.status();
  }
  // Rewrites the identity with a valid checksum.
  void Rewrite(const std::function<void(Identity*)>& change) {
    Identity identity = *DecodeIdentity("IDENTITY", *ReadFile(*fs_, "/data/IDENTITY", 1 << 20));
    change(&identity);
    ASSERT_TRUE(ReplaceFileDurably(*fs_, "/data/IDENTITY", EncodeIdentity(identity)).ok());
  }

  std::unique_ptr<MemoryFileSystem> fs_ = MakeMemoryFileSystem();
  CountingRandom random_;
  IdentityRequest request_{.data_directory = "/data", .log_directory = "/data/log", .partitions = 16};
  ClusterIdentity fetched_{.cluster = 100, .history = 200};
};

TEST_F(IdentityTest, FirstStartOfServerZeroDrawsTheIds) {
  const auto opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->created);
  EXPECT_EQ(opened->identity.cluster, 1u);
  EXPECT_EQ(opened->identity.history, 2u);
  EXPECT_EQ(opened->volatile_generation, kDurableGeneration + 1);
}

TEST_F(IdentityTest, LaterStartsFindTheSameIdentityAndANewGeneration) {
  const Identity first = Open()->identity;
  for (Generation start = 2; start <= 4; ++start) {
    fs_->DropUnsynced();
    const auto again = Open();
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_FALSE(again->created);
    EXPECT_EQ(again->identity, first);
    EXPECT_EQ(again->volatile_generation, kDurableGeneration + start);
  }
}

TEST_F(IdentityTest, OtherServersFetchTheIdsOnce) {
  request_.servers = {"a:1", "b:1"};
  request_.server = 1;
  EXPECT_EQ(Open()->identity.cluster, 100u);
  fetched_.cluster = 101;
  const auto again = Open();
  EXPECT_EQ(again->identity.cluster, 100u);
  EXPECT_EQ(again->identity.history, 200u);
  EXPECT_EQ(again->identity.servers, request_.servers);
}

TEST_F(IdentityTest, FailedFetchLeavesAnEmptyDirectory) {
  request_.servers = {"a:1", "b:1"};
  request_.server = 1;
  const auto failed = OpenDataDirectory(*fs_, random_, request_, []() -> absl::StatusOr<ClusterIdentity> {
    return absl::UnavailableError("server 0 does not answer");
  });
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Open().ok());
}

TEST_F(IdentityTest, SecondProcessIsRefused) {
  const auto first = Open();
  ASSERT_TRUE(first.ok());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "LOCK");
}

TEST_F(IdentityTest, WhetherAProcessHoldsItIsToldWithoutMakingIt) {
  EXPECT_TRUE(CheckNotHeld(*fs_, "/data").ok());
  EXPECT_FALSE(*fs_->Exists("/data/LOCK"));
  {
    const auto first = Open();
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(CheckNotHeld(*fs_, "/data").code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_TRUE(CheckNotHeld(*fs_, "/data").ok());
}

TEST_F(IdentityTest, OtherPartitionCountIsRefused) {
  ASSERT_TRUE(Open().ok());
  request_.partitions = 32;
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "--partitions 16, this start asks for 32");
}

TEST_F(IdentityTest, OtherServerIndexIsRefused) {
  request_.servers = {"a:1", "b:1"};
  ASSERT_TRUE(Open().ok());
  request_.server = 1;
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "--server-index 0, this start asks for 1");
}

TEST_F(IdentityTest, OtherServerListIsRefused) {
  request_.servers = {"a:1", "b:1"};
  ASSERT_TRUE(Open().ok());
  request_.servers = {"a:1", "c:1"};
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "--servers a:1,b:1, this start asks for a:1,c:1");
  request_.servers = {};
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "(a server alone)");
}

TEST_F(IdentityTest, ServerAloneMayMove) {
  request_.servers = {"a:1"};
  ASSERT_TRUE(Open().ok());
  request_.servers = {"b:2"};
  EXPECT_TRUE(Open().ok());
  request_.servers = {};
  EXPECT_TRUE(Open().ok());
}

TEST_F(IdentityTest, OtherMapIsRefused) {
  ASSERT_TRUE(Open().ok());
  Rewrite([](Identity* identity) { identity->map_version = 2; });
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "map version 2, this start asks for 1");
}

TEST_F(IdentityTest, NewerFormatIsRefused) {
  ASSERT_TRUE(Open().ok());
  const std::string text = *ReadFile(*fs_, "/data/IDENTITY", 1 << 20);
  ASSERT_TRUE(
      ReplaceFileDurably(*fs_, "/data/IDENTITY",
                         absl::StrReplaceAll(text, {{"\"format_version\": 1", "\"format_version\": 2"}}))
          .ok());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "format_version 2, this binary knows 1");
}

TEST_F(IdentityTest, ChangedContentIsDataLoss) {
  ASSERT_TRUE(Open().ok());
  const std::string text = *ReadFile(*fs_, "/data/IDENTITY", 1 << 20);
  ASSERT_TRUE(ReplaceFileDurably(*fs_, "/data/IDENTITY",
                                 absl::StrReplaceAll(text, {{"\"partitions\": 16", "\"partitions\": 32"}}))
                  .ok());
  ExpectRefused(absl::StatusCode::kDataLoss, "checksum");
  ASSERT_TRUE(ReplaceFileDurably(*fs_, "/data/IDENTITY", text.substr(0, text.size() / 2)).ok());
  ExpectRefused(absl::StatusCode::kDataLoss, "JSON");
}

TEST_F(IdentityTest, DeepNestingIsDataLoss) {
  ASSERT_TRUE(Open().ok());
  const std::string deep(300'000, '[');
  ASSERT_TRUE(ReplaceFileDurably(
                  *fs_, "/data/IDENTITY",
                  absl::StrCat("{\"format_version\": 1, \"checksum\": \"00000000\", \"servers\": ", deep,
                               std::string(deep.size(), ']'), "}"))
                  .ok());
  ExpectRefused(absl::StatusCode::kDataLoss, "checksum");
}

TEST_F(IdentityTest, GenerationOfDurableRowsIsDataLoss) {
  ASSERT_TRUE(Open().ok());
  // What a server would have written, but for the number; the checksum was computed by another program.
  ASSERT_TRUE(
      ReplaceFileDurably(*fs_, "/data/GENERATION",
                         "{\"checksum\": \"61fb05e0\", \"format_version\": 1, \"volatile_generation\": 0}\n")
          .ok());
  ExpectRefused(absl::StatusCode::kDataLoss, "volatile_generation");
}

TEST_F(IdentityTest, LostGenerationIsDataLoss) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(fs_->Remove("/data/GENERATION").ok());
  ExpectRefused(absl::StatusCode::kDataLoss, "GENERATION");
}

TEST_F(IdentityTest, DirectoryOfSomethingElseIsRefused) {
  ASSERT_TRUE(fs_->CreateDirectories("/data").ok());
  ASSERT_TRUE(ReplaceFileDurably(*fs_, "/data/photos", "x").ok());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "\"photos\"");
}

TEST_F(IdentityTest, StartKilledAtAnyWriteIsFinishedByTheNext) {
  for (int allowed = 0;; ++allowed) {
    SCOPED_TRACE(allowed);
    fs_ = MakeMemoryFileSystem();
    int operations = 0;
    const auto faulty = MakeFaultyFileSystem(fs_.get(), [&](FileOperation, const std::string&) {
      return operations++ < allowed ? absl::OkStatus() : absl::InternalError("killed");
    });
    const bool finished = Open(*faulty).ok();
    fs_->DropUnsynced();
    EXPECT_TRUE(Open().ok());
    if (finished) return;
  }
}

TEST_F(IdentityTest, UnwritableDirectoryIsToldAsSuch) {
  const auto faulty = MakeFaultyFileSystem(fs_.get(), [](FileOperation operation, const std::string& path) {
    return operation == FileOperation::kOpen ? absl::PermissionDeniedError(path + ": permission denied")
                                             : absl::OkStatus();
  });
  const auto opened = Open(*faulty);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(absl::StrContains(opened.status().message(), "data directory /data cannot be used"))
      << opened.status();
}

TEST_F(IdentityTest, LogDirectoryElsewhereHasALockOfItsOwn) {
  request_.log_directory = "/log";
  const auto first = Open();
  ASSERT_TRUE(first.ok());
  request_.data_directory = "/other";
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "/log/LOCK");
}

// The example of docs/formats/data-directory.md, whose checksum was computed by another program.
TEST(Identity, TextIsTheDocumentedOne) {
  const Identity identity{.cluster = 0x3b1f6a0c9d2e4f58,
                          .history = 0xc2a4e61b7f3d9085,
                          .server = 0,
                          .servers = {"server0:7600", "server1:7600"},
                          .partitions = 256};
  EXPECT_TRUE(absl::StrContains(EncodeIdentity(identity), "\"checksum\": \"142eeb46\""))
      << EncodeIdentity(identity);
}

TEST(Identity, TextReadsBack) {
  const Identity identity{.cluster = 0xfedcba9876543210,
                          .history = 1,
                          .server = 2,
                          .servers = {"a:1", "b:2", "c:3"},
                          .partitions = 64};
  const auto back = DecodeIdentity("x", EncodeIdentity(identity));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, identity);
}

}  // namespace
}  // namespace rowhouse::server
