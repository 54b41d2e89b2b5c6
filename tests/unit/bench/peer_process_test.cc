// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/peer_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "bench/child_process.h"

namespace rowhouse::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

std::vector<std::string> Shell(const std::string& script) { return {"sh", "-c", script}; }

// The message of a failure with that code.
template <typename T>
std::string Failure(const absl::StatusOr<T>& result, absl::StatusCode code) {
  EXPECT_EQ(result.status().code(), code) << result.status();
  return std::string(result.status().message());
}

bool IsAlive(pid_t pid) { return kill(pid, 0) == 0; }

pid_t PidIn(const std::string& path) {
  pid_t pid = 0;
  std::ifstream(path) >> pid;
  return pid;
}

TEST(PeerProcess, EachRunGivesTheNextNumber) {
  auto peer = PeerProcess::Start(Shell("echo ready; n=0; while read line; do n=$((n + 1)); echo $n.5; done"));
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ((*peer)->Run().value(), 1.5);
  EXPECT_EQ((*peer)->Run().value(), 2.5);
}

TEST(PeerProcess, TheLineThatAsksIsRun) {
  auto peer = PeerProcess::Start(Shell("echo ready; read line; [ \"$line\" = run ] && echo 7; read line"));
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ((*peer)->Run().value(), 7);
}

TEST(PeerProcess, EndsThePeerWhoseInputEnds) {
  const std::string path = testing::TempDir() + "peer_process_test_ends.pid";
  {
    auto peer = PeerProcess::Start(Shell("echo $$ > " + path + "; echo ready; while read line; do :; done"));
    ASSERT_TRUE(peer.ok()) << peer.status();
    EXPECT_TRUE(IsAlive(PidIn(path)));
  }
  EXPECT_FALSE(IsAlive(PidIn(path)));
  std::filesystem::remove(path);
}

TEST(PeerProcess, ProgramThatIsNotThereIsNamed) {
  const auto peer = PeerProcess::Start({"/no/such/program"});
  const std::string message = Failure(peer, absl::StatusCode::kUnavailable);
  EXPECT_THAT(message, HasSubstr("/no/such/program"));
  EXPECT_THAT(message, HasSubstr("127"));
}

TEST(PeerProcess, PeerThatDiesBeforeItIsReadyIsAnError) {
  EXPECT_THAT(Failure(PeerProcess::Start(Shell("exit 3")), absl::StatusCode::kUnavailable),
              HasSubstr("ended with status 3"));
}

TEST(PeerProcess, AnotherLineThanReadyIsAnErrorThatShowsIt) {
  EXPECT_THAT(Failure(PeerProcess::Start(Shell("echo hello; read line")), absl::StatusCode::kInvalidArgument),
              HasSubstr("\"hello\" instead of \"ready\""));
}

TEST(PeerProcess, EndlessLineIsAnError) {
  Failure(PeerProcess::Start(Shell("while printf 0123456789; do :; done")),
          absl::StatusCode::kInvalidArgument);
}

TEST(PeerProcess, PeerThatIsNotReadyInTimeIsAnError) {
  Failure(PeerProcess::Start(Shell("read line"), {.ready = milliseconds(50)}),
          absl::StatusCode::kDeadlineExceeded);
}

TEST(PeerProcess, PeerThatDiesInARunIsAnErrorAndStaysOne) {
  auto peer = PeerProcess::Start(Shell("echo ready; read line; kill -9 $$"));
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_THAT(Failure((*peer)->Run(), absl::StatusCode::kUnavailable), HasSubstr("signal 9"));
  EXPECT_THAT(Failure((*peer)->Run(), absl::StatusCode::kUnavailable), HasSubstr("signal 9"));
}

TEST(PeerProcess, PeerThatDiedBeforeARunIsAnError) {
  auto peer = PeerProcess::Start(Shell("echo ready; exit 4"));
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_THAT(Failure((*peer)->Run(), absl::StatusCode::kUnavailable), HasSubstr("ended with status 4"));
}

TEST(PeerProcess, WhatIsNoNumberAboveZeroIsAnErrorThatShowsIt) {
  for (const std::string answer : {"garbage", "", "0", "-1", "nan", "inf", "1.5 rows"}) {
    auto peer = PeerProcess::Start(Shell("echo ready; while read line; do echo '" + answer + "'; done"));
    ASSERT_TRUE(peer.ok()) << peer.status();
    EXPECT_THAT(Failure((*peer)->Run(), absl::StatusCode::kInvalidArgument), HasSubstr("\"" + answer + "\""));
  }
}

TEST(PeerProcess, LateAnswerIsNotTakenForTheNext) {
  auto peer = PeerProcess::Start(Shell("echo ready; read line; sleep 0.2; echo 1; read line"),
                                 {.answer = milliseconds(50)});
  ASSERT_TRUE(peer.ok()) << peer.status();
  Failure((*peer)->Run(), absl::StatusCode::kDeadlineExceeded);
  std::this_thread::sleep_for(milliseconds(300));
  Failure((*peer)->Run(), absl::StatusCode::kDeadlineExceeded);
}

TEST(ChildProcess, EndKillsIt) {
  pid_t pid = 0;
  {
    const auto child = ChildProcess::Start({"sleep", "60"});
    ASSERT_TRUE(child.ok()) << child.status();
    pid = (*child)->pid();
    EXPECT_EQ((*child)->Wait(milliseconds(0)), std::nullopt);
  }
  EXPECT_FALSE(IsAlive(pid));
}

TEST(RunToEnd, StatusOtherThanZeroIsAnError) {
  EXPECT_TRUE(RunToEnd({"true"}, seconds(60)).ok());
  const absl::Status status = RunToEnd({"false"}, seconds(60));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ended with status 1"));
}

TEST(RunToEnd, ProgramThatTakesTooLongIsAnError) {
  EXPECT_EQ(RunToEnd({"sleep", "60"}, seconds(0)).code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace rowhouse::bench
