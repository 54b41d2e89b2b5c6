// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/meta/writer_reaper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/clock.h"

namespace rowhouse::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr absl::Duration kExpiry = absl::Hours(1);

// Writers by name; nothing else of a catalog.
class FakeCatalog final : public Catalog {
 public:
  absl::StatusOr<std::vector<LivingWriter>> ListWriters() override { return living; }
  absl::StatusOr<WriterId> EndWriter(std::string_view name, WriterId expected) override {
    if (!end_failure.ok()) return end_failure;
    ended.push_back(absl::StrCat(std::string(name), ":", expected));
    std::erase_if(living, [&](const LivingWriter& writer) { return writer.name == name; });
    return expected;
  }
  absl::StatusOr<CreatedTable> CreateTable(const TableSchema&, bool, std::optional<TableId>) override {
    return Never();
  }
  absl::StatusOr<TableSchema> AlterTable(const TableSchema&) override { return Never(); }
  absl::StatusOr<TableId> DropTable(std::string_view, TableId) override { return Never(); }
  absl::StatusOr<RegisteredWriter> RegisterWriter(std::string_view, std::optional<WriterId>) override {
    return Never();
  }
  absl::StatusOr<WriterId> WriterIdOf(std::string_view) override { return Never(); }
  absl::StatusOr<RestoredWriter> RestoredWriterOf(std::string_view) override { return Never(); }
  absl::StatusOr<uint64_t> SyncNow() override { return Never(); }

  std::vector<LivingWriter> living;
  std::vector<std::string> ended;
  absl::Status end_failure;

 private:
  static absl::Status Never() { return absl::UnimplementedError("a reaper does not ask for this"); }
};

// One other server, with its own memory of who pushed.
class FakePeers final : public Peers {
 public:
  explicit FakePeers(Clock* clock) : activity(clock) {}
  absl::Status SyncAll() override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<absl::Duration>> SilenceOf(absl::Span<const WriterId> writers) override {
    if (!failure.ok()) return failure;
    return activity.SilenceOf(writers);
  }
  WriterActivity activity;
  absl::Status failure;
};

class WriterReaperTest : public testing::Test {
 protected:
  void Pass(absl::Duration time) { clock_.Advance(absl::ToInt64Nanoseconds(time)); }

  ManualClock clock_;
  WriterActivity activity_{&clock_};
  FakePeers peers_{&clock_};
  FakeCatalog catalog_;
  WriterReaper reaper_{{.catalog = &catalog_,
                        .peers = &peers_,
                        .activity = &activity_,
                        .clock = &clock_,
                        .idle_expiry = kExpiry}};
};

TEST_F(WriterReaperTest, EndsWhoIsSilentEverywhereAndNobodyElse) {
  catalog_.living = {{"here", 1}, {"never", 3}, {"there", 2}};
  EXPECT_EQ(*reaper_.Reap(), 0u);
  Pass(kExpiry / 2);
  activity_.Heard(1);
  peers_.activity.Heard(2);
  Pass(kExpiry / 2 - absl::Milliseconds(1));
  EXPECT_EQ(*reaper_.Reap(), 0u);
  Pass(absl::Milliseconds(1));
  EXPECT_EQ(*reaper_.Reap(), 1u);
  EXPECT_THAT(catalog_.ended, ElementsAre("never:3"));
  Pass(kExpiry / 2);
  EXPECT_EQ(*reaper_.Reap(), 2u);
  EXPECT_THAT(catalog_.ended, ElementsAre("never:3", "here:1", "there:2"));
  EXPECT_EQ(reaper_.ended(), 3u);
}

TEST_F(WriterReaperTest, ANewWriterHasItsTimeHoweverLongTheServersRun) {
  Pass(100 * kExpiry);
  catalog_.living = {{"new", 7}};
  EXPECT_EQ(*reaper_.Reap(), 0u);
  Pass(kExpiry - absl::Nanoseconds(1));
  EXPECT_EQ(*reaper_.Reap(), 0u);
  Pass(absl::Nanoseconds(1));
  EXPECT_EQ(*reaper_.Reap(), 1u);
}

TEST_F(WriterReaperTest, EndsNobodyWhileAServerDoesNotAnswer) {
  catalog_.living = {{"w", 1}};
  EXPECT_EQ(*reaper_.Reap(), 0u);
  Pass(2 * kExpiry);
  peers_.failure = absl::UnavailableError("server 1 did not answer");
  EXPECT_EQ(reaper_.Reap().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(catalog_.ended, IsEmpty());
  peers_.failure = absl::OkStatus();
  EXPECT_EQ(*reaper_.Reap(), 1u);
}

TEST_F(WriterReaperTest, AServerThatStartedAgainHasHeardFromNobodyForNoLongerThanItRuns) {
  catalog_.living = {{"w", 1}};
  EXPECT_EQ(*reaper_.Reap(), 0u);
  Pass(2 * kExpiry);
  WriterActivity started_again(&clock_);
  Pass(kExpiry / 4);
  EXPECT_EQ(started_again.SilenceOf({1}), std::vector<absl::Duration>{kExpiry / 4});
}

TEST_F(WriterReaperTest, ANameThatWasTakenMeanwhileIsLeftAlone) {
  catalog_.living = {{"w", 1}};
  EXPECT_EQ(*reaper_.Reap(), 0u);
  Pass(kExpiry);
  catalog_.end_failure = absl::AbortedError("the name has another writer now");
  EXPECT_EQ(*reaper_.Reap(), 0u);
  catalog_.end_failure = absl::UnavailableError("a server is down");
  EXPECT_EQ(reaper_.Reap().status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(WriterReaperTest, ForgetsTheDeadButNotWhoRegisteredAfterTheList) {
  activity_.Heard(1);
  activity_.Heard(2);
  activity_.Heard(9);
  Pass(absl::Minutes(1));
  EXPECT_EQ(activity_.SilenceOf({2}), std::vector<absl::Duration>{absl::Minutes(1)});
  Pass(absl::Minutes(1));
  activity_.Heard(9);
  Pass(absl::Minutes(1));
  // 1 is forgotten, so that its silence is the server's whole life; 9 is above the list and stays.
  EXPECT_EQ(activity_.SilenceOf({1, 9}), (std::vector<absl::Duration>{absl::Minutes(3), absl::Minutes(1)}));
}

TEST_F(WriterReaperTest, LooksByItselfAndStops) {
  catalog_.living = {{"w", 1}};
  WriterReaper soon({.catalog = &catalog_,
                     .peers = nullptr,
                     .activity = &activity_,
                     .clock = SystemClock(),
                     .idle_expiry = absl::Milliseconds(200)});
  Pass(absl::Hours(1));  // the activity's clock: nobody was heard from
  soon.Start();
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (soon.ended() == 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
  soon.Stop();
  soon.Stop();
  EXPECT_THAT(catalog_.ended, ElementsAre("w:1"));
}

}  // namespace
}  // namespace rowhouse::server
