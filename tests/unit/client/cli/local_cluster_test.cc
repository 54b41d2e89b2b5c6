// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/local_cluster.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/process_file.h"

namespace rowhouse::cli {
namespace {

class LocalClusterTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/rowhouse-local-" + std::to_string(getpid());
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override {
    for (const pid_t pid : children_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
  }
  // A process that waits for its end.
  pid_t Child() {
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing outlives a test that crashes
      for (;;) pause();
    }
    children_.push_back(pid);
    return pid;
  }

  std::string directory_;
  std::vector<pid_t> children_;
};

TEST_F(LocalClusterTest, StaleFileNeverReachesAnotherProcess) {
  ProcessIdentity process = *IdentifyProcess(Child());
  EXPECT_TRUE(IsAlive(process));
  ProcessIdentity earlier = process;
  earlier.start_ticks -= 1;  // the number was another process's before
  EXPECT_FALSE(IsAlive(earlier));
  EXPECT_TRUE(absl::IsNotFound(SignalProcess(earlier, SIGKILL)));
  ProcessIdentity other_boot = process;
  other_boot.boot = "00000000-0000-0000-0000-000000000000";
  EXPECT_TRUE(absl::IsNotFound(SignalProcess(other_boot, SIGKILL)));
  EXPECT_TRUE(IsAlive(process)) << "it was signalled";
  EXPECT_TRUE(SignalProcess(process, SIGKILL).ok());
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(process.pid), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(IsAlive(process)) << "a zombie has ended";
}

TEST_F(LocalClusterTest, ProcessFileReadsBackOrIsRefused) {
  std::filesystem::create_directories(directory_);
  const std::string path = directory_ + "/x.pid";
  EXPECT_TRUE(absl::IsNotFound(ReadProcessFile(path).status()));
  const ProcessIdentity process = *IdentifyProcess(getpid());
  ASSERT_TRUE(WriteProcessFile(path, process).ok());
  EXPECT_EQ(*ReadProcessFile(path), process);
  for (const char* text : {"", "12", "x 1 boot", "-1 5 boot", "0 5 boot", "1 2 3 4"}) {
    std::ofstream(path) << text;
    EXPECT_TRUE(absl::IsDataLoss(ReadProcessFile(path).status())) << text;
  }
}

TEST(ParseStartTicks, NameMayHoldBlanksAndParentheses) {
  const std::string tail = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 424242 20";
  EXPECT_EQ(*ParseStartTicks("77 (a) b (c) S" + tail), 424242u);
  EXPECT_TRUE(absl::IsNotFound(ParseStartTicks("77 (a) Z" + tail).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseStartTicks("77 (a) S 1 2").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseStartTicks("").status()));
}

TEST_F(LocalClusterTest, ShapeIsKeptAndAnotherIsRefused) {
  LocalClusterShape shape;
  shape.servers = 2;
  {
    const auto cluster = LocalCluster::Create(directory_, shape);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    EXPECT_TRUE(absl::IsFailedPrecondition(LocalCluster::Open(directory_, /*lock=*/true).status())) << "held";
    EXPECT_TRUE(LocalCluster::Open(directory_, /*lock=*/false).ok());
  }
  shape.memory_budget = "1GiB";
  ASSERT_TRUE(LocalCluster::Create(directory_, shape).ok()) << "the budget may change";
  EXPECT_EQ((*LocalCluster::Open(directory_, false))->shape(), shape);
  shape.servers = 3;
  const auto other = LocalCluster::Create(directory_, shape);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_TRUE(absl::StrContains(other.status().message(), "--delete-data"));
}

TEST_F(LocalClusterTest, WhatIsNotSaidStaysAndNothingChangesWhileAServerRuns) {
  LocalClusterShape shape;
  shape.servers = 1;
  shape.memory_budget.clear();
  {
    const auto cluster = LocalCluster::Create(directory_, shape);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    EXPECT_EQ((*cluster)->shape().memory_budget, kDefaultClusterBudget);
  }
  shape.memory_budget = "128MiB";
  ASSERT_TRUE(LocalCluster::Create(directory_, shape).ok());
  shape.memory_budget.clear();
  EXPECT_EQ((*LocalCluster::Create(directory_, shape))->shape().memory_budget, "128MiB");

  const auto process = IdentifyProcess(Child());
  ASSERT_TRUE(process.ok()) << process.status();
  ASSERT_TRUE(WriteProcessFile(directory_ + "/server-0.pid", *process).ok());
  EXPECT_TRUE(LocalCluster::Create(directory_, shape).ok()) << "nothing would change";
  shape.memory_budget = "256MiB";
  const auto budget = LocalCluster::Create(directory_, shape);
  EXPECT_TRUE(absl::IsFailedPrecondition(budget.status())) << budget.status();
  EXPECT_TRUE(absl::StrContains(budget.status().message(), "server 0 runs with --memory-budget 128MiB"));
  EXPECT_TRUE(absl::StrContains(budget.status().message(), "rowhouse cluster down first"));
  shape.memory_budget.clear();
  shape.checkpoint_directory = "/checkpoints";
  EXPECT_TRUE(absl::IsFailedPrecondition(LocalCluster::Create(directory_, shape).status()));
  EXPECT_EQ((*LocalCluster::Open(directory_, false))->shape().checkpoint_directory, "");
}

TEST_F(LocalClusterTest, OtherDirectoriesAreLeftAlone) {
  std::filesystem::create_directories(directory_);
  std::ofstream(directory_ + "/thesis.tex") << "x";
  const auto cluster = LocalCluster::Create(directory_, {});
  EXPECT_TRUE(absl::IsFailedPrecondition(cluster.status()));
  EXPECT_TRUE(absl::StrContains(cluster.status().message(), "thesis.tex"));
  EXPECT_TRUE(absl::IsNotFound(LocalCluster::Open(directory_, false).status()));
}

TEST_F(LocalClusterTest, DamagedFilesAreNamed) {
  ASSERT_TRUE(LocalCluster::Create(directory_, {}).ok());
  for (const char* text :
       {"", "[]", "{\"servers\": -3}", "{\"servers\":1,\"port\":7600,\"http_port\":7680,\"partitions\":4}"}) {
    std::ofstream(directory_ + "/cluster.json") << text;
    EXPECT_TRUE(absl::IsDataLoss(LocalCluster::Open(directory_, false).status())) << text;
  }
}

TEST_F(LocalClusterTest, AServerThatEndsAtOnceIsToldWithItsLog) {
  const auto cluster = LocalCluster::Create(directory_, {});
  ASSERT_TRUE(cluster.ok());
  EXPECT_TRUE(absl::IsInternal((*cluster)->Start(0, "/nonexistent/program")));
  ASSERT_TRUE((*cluster)->Start(0, "/bin/false").ok());
  const absl::Status waited =
      (*cluster)->WaitReady({0}, std::chrono::seconds(10), [] { return absl::OkStatus(); });
  EXPECT_TRUE(absl::IsAborted(waited)) << waited;
  EXPECT_TRUE(absl::StrContains(waited.message(), "server-0.log"));
  EXPECT_TRUE(absl::IsFailedPrecondition((*cluster)->Kill(0)));
  EXPECT_TRUE(absl::IsInvalidArgument((*cluster)->Kill(3)));
}

TEST_F(LocalClusterTest, WaitingStopsWhenAsked) {
  const auto cluster = LocalCluster::Create(directory_, {});
  ASSERT_TRUE(cluster.ok());
  const absl::Status waited =
      (*cluster)->WaitReady({0}, std::chrono::seconds(10), [] { return absl::CancelledError("x"); });
  EXPECT_TRUE(absl::IsCancelled(waited));
}

TEST_F(LocalClusterTest, DeleteRemovesWhatItMadeAndNothingElse) {
  auto cluster = LocalCluster::Create(directory_, {});
  ASSERT_TRUE(cluster.ok());
  std::filesystem::create_directories((*cluster)->data_directory(0) + "/log");
  std::ofstream(directory_ + "/notes") << "mine";
  ASSERT_TRUE((*cluster)->DeleteData().ok());
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/notes"));
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/server-0"));
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/cluster.json"));
}

// Listens on a port of 127.0.0.1 that the kernel chose.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
  }
  ~Listener() { close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  uint16_t port() const { return port_; }

 private:
  const int fd_;
  uint16_t port_ = 0;
};

TEST_F(LocalClusterTest, APortInUseIsToldByItsFlag) {
  const Listener other;
  LocalClusterShape shape;
  shape.servers = 1;
  shape.port = other.port();
  shape.http_port = 1024;
  {
    const auto cluster = LocalCluster::Create(directory_, shape);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    const absl::Status status = (*cluster)->CheckPortsFree(0);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_TRUE(
        absl::StartsWith(status.message(), absl::StrCat("--port is ", other.port(), ", and server 0")))
        << status;
    EXPECT_TRUE(absl::StrContains(status.message(), "choose another --port")) << status;
  }
  const auto again = LocalCluster::Create(directory_, shape);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(absl::StrContains((*again)->CheckPortsFree(0).message(), "a cluster keeps its ports"));
}

TEST_F(LocalClusterTest, WhatIsTakenBackBindsNobody) {
  LocalClusterShape shape;
  {
    const auto cluster = LocalCluster::Create(directory_, shape);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    EXPECT_TRUE((*cluster)->is_new());
    for (uint32_t server = 0; server < shape.servers; ++server) {
      std::filesystem::create_directories((*cluster)->data_directory(server));
      std::ofstream((*cluster)->data_directory(server) + "/IDENTITY") << "x";
      std::ofstream((*cluster)->log_path(server)) << "why\n";
    }
    EXPECT_FALSE((*cluster)->MayHavePushes());
    ASSERT_TRUE((*cluster)->TakeBack().ok());
  }
  EXPECT_TRUE(absl::IsNotFound(LocalCluster::Open(directory_, false).status()));
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/server-2.log")) << "it says why";
  shape.servers = 2;
  shape.port += 100;
  shape.partitions = 16;
  const auto other = LocalCluster::Create(directory_, shape);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_FALSE(std::filesystem::exists((*other)->data_directory(0)));
  ASSERT_TRUE((*other)->DeleteData().ok());
  EXPECT_FALSE(std::filesystem::exists(directory_)) << "nothing is left, the larger one's logs neither";
}

TEST_F(LocalClusterTest, TakenBackRestoredDataStays) {
  LocalClusterShape shape;
  shape.servers = 1;
  std::filesystem::create_directories(directory_ + "/server-0");
  std::ofstream(directory_ + "/server-0/RESTORED") << "/checkpoints/a\n";
  const auto cluster = LocalCluster::Create(directory_, shape);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  ASSERT_TRUE((*cluster)->TakeBack().ok());
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/server-0/RESTORED"));
}

TEST(DefaultClusterDirectory, WithoutHomeNamesDir) {
  const char* home = std::getenv("HOME");
  const std::string kept = home == nullptr ? "" : home;
  setenv("XDG_STATE_HOME", "/state", 1);
  EXPECT_EQ(*DefaultClusterDirectory(), "/state/rowhouse");
  unsetenv("XDG_STATE_HOME");
  setenv("HOME", "/home/x", 1);
  EXPECT_EQ(*DefaultClusterDirectory(), "/home/x/.local/state/rowhouse");
  unsetenv("HOME");
  EXPECT_TRUE(absl::StrContains(DefaultClusterDirectory().status().message(), "--dir"));
  if (home != nullptr) setenv("HOME", kept.c_str(), 1);
}

TEST_F(LocalClusterTest, TailIsWholeLines) {
  std::filesystem::create_directories(directory_);
  std::ofstream(directory_ + "/log") << "one\ntwo\nthree\n";
  EXPECT_EQ(TailOf(directory_ + "/log", 100), "one\ntwo\nthree\n");
  EXPECT_EQ(TailOf(directory_ + "/log", 8), "three\n");
  EXPECT_EQ(TailOf(directory_ + "/absent", 8), "");
}

}  // namespace
}  // namespace rowhouse::cli
