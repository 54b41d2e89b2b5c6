// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/directory_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace rowhouse::server {
namespace {

using testing::HasSubstr;

constexpr uid_t kNobody = 65534;

class DirectoryAccess : public testing::Test {
 protected:
  void SetUp() override {
    root_ = absl::StrCat(std::filesystem::temp_directory_path().string(), "/rowhouse-access-", getpid());
    std::filesystem::create_directories(root_);
    chmod(root_.c_str(), 0755);
  }
  void TearDown() override {
    chmod(root_.c_str(), 0755);
    std::filesystem::remove_all(root_);
  }
  // What is said of it to a user who is not root: this one or, for root, whom everything is allowed, nobody.
  std::string Said(const std::string& directory) {
    int pipe_ends[2];
    EXPECT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      if (geteuid() == 0 && setuid(kNobody) != 0) _exit(1);
      const std::string text = CheckDirectoryAccess("--data-dir", directory).ToString();
      const bool written = write(pipe_ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
      _exit(written ? 0 : 1);
    }
    close(pipe_ends[1]);
    std::string text(4096, '\0');
    const ssize_t size = read(pipe_ends[0], text.data(), text.size());
    close(pipe_ends[0]);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    text.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return text;
  }
  static std::string Runner() { return absl::StrCat("(uid ", geteuid() == 0 ? kNobody : geteuid(), ")"); }
  static std::string WayOut() { return geteuid() == 0 ? "chown -R nobody " : "chmod u+rwx "; }

  std::string root_;
};

TEST_F(DirectoryAccess, AnotherUsersDirectoryIsToldWithBothUsersAndTheWayOut) {
  const std::string data = root_ + "/data";
  std::filesystem::create_directories(data);
  chmod(data.c_str(), 0500);
  const std::string said = Said(data);
  EXPECT_THAT(said, HasSubstr(absl::StrCat("PERMISSION_DENIED: --data-dir is ", data)));
  EXPECT_THAT(said, HasSubstr(Runner()));
  EXPECT_THAT(said, HasSubstr(absl::StrCat("(uid ", geteuid(), ") and has mode 0500")));
  EXPECT_THAT(said, HasSubstr(absl::StrCat(WayOut(), data)));
  chmod(data.c_str(), 0777);
  EXPECT_EQ(Said(data), "OK");
}

TEST_F(DirectoryAccess, OfOneThatCannotBeMadeTheDirectoryAboveIsNamed) {
  chmod(root_.c_str(), 0555);
  const std::string said = Said(root_ + "/a/b");
  EXPECT_THAT(said, HasSubstr(absl::StrCat(root_, "/a/b, which this server")));
  EXPECT_THAT(said, HasSubstr("may not make or reach"));
  EXPECT_THAT(said, HasSubstr(absl::StrCat(": ", root_, " belongs to user")));
  chmod(root_.c_str(), 0777);
  EXPECT_EQ(Said(root_ + "/a/b"), "OK");
}

TEST_F(DirectoryAccess, OfOneThatCannotBeReachedTheDirectoryInTheWayIsNamed) {
  const std::string data = root_ + "/in/data";
  std::filesystem::create_directories(data);
  chmod(data.c_str(), 0777);
  chmod((root_ + "/in").c_str(), 0000);
  EXPECT_THAT(Said(data), HasSubstr(absl::StrCat(": ", root_, "/in belongs to user")));
  chmod((root_ + "/in").c_str(), 0755);
  EXPECT_EQ(Said(data), "OK");
}

TEST_F(DirectoryAccess, WhatIsNoDirectoryIsLeftToWhoUsesIt) {
  std::ofstream(root_ + "/file") << "x";
  chmod((root_ + "/file").c_str(), 0777);
  EXPECT_EQ(Said(root_ + "/file/data"), "OK");
}

}  // namespace
}  // namespace rowhouse::server
