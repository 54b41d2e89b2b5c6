// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/signal_watcher.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace rowhouse::cli {
namespace {

// Each test in a process of its own, since signals are a process's; how that one ends is what is looked at.

[[noreturn]] void ExitAfter(bool as_meant) { _exit(as_meant ? 0 : 9); }

TEST(SignalWatcherDeathTest, HangupsAreWaitedForAndEndNothing) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        SignalWatcher signals;
        kill(getpid(), SIGHUP);  // while starting
        signals.Arm();
        bool as_meant = signals.Wait() == SIGHUP;
        for (int i = 0; i < 3; ++i) {
          kill(getpid(), SIGHUP);
          as_meant = as_meant && signals.Wait() == SIGHUP;
        }
        kill(getpid(), SIGTERM);
        as_meant = as_meant && signals.Wait() == SIGTERM;
        kill(getpid(), SIGHUP);  // the stop is for good
        ExitAfter(as_meant && signals.Wait() == SIGTERM);
      },
      testing::ExitedWithCode(0), "");
}

TEST(SignalWatcherDeathTest, RequestedStopIsASigterm) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        SignalWatcher signals;
        signals.Arm();
        signals.RequestStop();
        signals.RequestStop();
        ExitAfter(signals.Wait() == SIGTERM);
      },
      testing::ExitedWithCode(0), "");
}

TEST(SignalWatcherDeathTest, SecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        SignalWatcher signals;
        signals.Arm();
        kill(getpid(), SIGINT);
        if (signals.Wait() != SIGINT) ExitAfter(false);
        kill(getpid(), SIGTERM);
        while (true) pause();
      },
      testing::ExitedWithCode(1), "second signal");
}

TEST(SignalWatcherDeathTest, SignalWhileStartingEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        SignalWatcher signals;
        kill(getpid(), SIGTERM);
        while (true) pause();
      },
      testing::ExitedWithCode(0), "interrupted while starting");
}

}  // namespace
}  // namespace rowhouse::cli
