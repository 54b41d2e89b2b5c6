// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/crash/failpoints/child.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/failpoint.h"
#include "tests/support/durable_trainer.h"

namespace rowhouse::server {
namespace {

constexpr int kCheckpointAttempts = 3;
constexpr size_t kInFlight = 4;
constexpr size_t kPushesBetweenSweeps = 3;
constexpr size_t kPushesBeforeCheckpoint = 6;  // of a life
constexpr size_t kPushesOfACheckpoint = 3;     // while it is made, at most
constexpr absl::Duration kPoll = absl::Milliseconds(2);

class Child {
 public:
  Child(std::string directory, uint64_t seed, Scenario scenario)
      : directory_(std::move(directory)),
        scenario_(scenario),
        random_(seed),
        transcript_(directory_),
        trainer_(seed, &transcript_) {}

  int Run() {
    const bool whole = Live(/*first=*/true) && StartAndStop() && Live(/*first=*/false);
    if (whole && scenario_ == Scenario::kRestore) Restore();
    for (const FailpointSite& site : kFailpointSites)
      transcript_.Note(absl::StrCat("passed ", site.name, " ", FailpointPassages(site.site)));
    return broken_ ? kChildBroken : 0;
  }

 private:
  // False: the server has to be started again before anything goes on.
  bool Live(bool first) {
    auto started = DurableNode::Start(NodeOptionsOf(directory_, scenario_));
    if (!started.ok()) return false;
    node_ = *std::move(started);
    trainer_.Attach(node_.get());
    const bool whole = (!first || Prepare()) && PushAll(first);
    if (whole && !first && scenario_ == Scenario::kCheckpoints) DeleteIncrement();
    // What cannot go on where the log and the partitions are well should have.
    if (!whole && !trainer_.failure().ok() && node_->partitions().health().ok() && !meta_stopped_)
      Broken(trainer_.failure().ToString());
    node_.reset();
    return whole && !broken_;
  }

  // Its segment of the log stays empty: the next start takes it over.
  bool StartAndStop() const { return DurableNode::Start(NodeOptionsOf(directory_, scenario_)).ok(); }

  // Tables and writers. A name that is registered again has its earlier writer declared dead.
  bool Prepare() {
    TableCatalog& catalog = node_->catalog();
    TableSchema other = AdagradSchema(0, 4);
    other.version = 0;
    other.name = "other";
    // Once the meta store could not be written it takes no change until the next start.
    meta_stopped_ = true;
    const auto create = [&] { return catalog.CreateTable(other, /*if_not_exists=*/true, {}).status(); };
    const auto drop = [&] {
      const absl::Status dropped = catalog.DropTable("other", 0).status();
      return absl::IsNotFound(dropped) ? catalog.SyncNow().status() : dropped;
    };
    const auto replace = [&] { return catalog.RegisterWriter("replaced", {}).status(); };
    if (!trainer_.CreateTable()) return false;
    if (!DurableTrainer::Insist(create).ok() || !DurableTrainer::Insist(drop).ok()) return false;
    if (!DurableTrainer::Insist(replace).ok() || !DurableTrainer::Insist(replace).ok()) return false;
    if (!trainer_.Register()) return false;
    meta_stopped_ = false;
    return true;
  }

  // The last push comes after the last sweep: the next start has something to replay.
  bool PushAll(bool first) {
    const size_t end = first ? kPushesOfALife : kPushes;
    return PushUntil(end - 1, first) && trainer_.PushNext(0) && trainer_.AwaitInFlight(0);
  }

  bool PushUntil(size_t end, bool first) {
    DurableSweeper sweeper(&node_->partitions());
    for (size_t done = 0; trainer_.next() < end; ++done) {
      if (done == kPushesBeforeCheckpoint && scenario_ != Scenario::kPushes) {
        const bool made =
            first ? Checkpoint("a", CheckpointKind::kFull) : Checkpoint("b", CheckpointKind::kIncremental);
        if (!made) return false;
        continue;
      }
      if (done % kPushesBetweenSweeps == 1) sweeper.Sweep();
      if (!trainer_.PushNext(random_() % (kInFlight + 1))) return false;
    }
    return true;
  }

  void Broken(const std::string& what) {
    transcript_.Note(absl::StrCat("broken ", what));
    broken_ = true;
  }

  // ---- checkpoints

  // While it is made, pushes go one by one: those that wait for a cut together have no order.
  bool Checkpoint(const std::string& name, CheckpointKind kind) {
    if (!trainer_.AwaitInFlight(0)) return false;
    const bool halves = scenario_ == Scenario::kHalves && kind == CheckpointKind::kFull;
    if (halves && !trainer_.PushHalf()) return false;
    absl::Status failure;
    for (int attempt = 0; attempt < kCheckpointAttempts; ++attempt) {
      transcript_.Note(absl::StrCat("begin-checkpoint ", name, " ", trainer_.next() - (halves ? 1 : 0)));
      auto begun = node_->coordinator().Begin({.name = name, .kind = kind});
      failure = begun.status();
      if (!begun.ok()) continue;
      if (!PushBeside(begun->id, halves && attempt == 0)) return false;
      const CheckpointJob job = node_->coordinator().Job(begun->id).value();
      failure = job.failure;
      if (!failure.ok()) continue;
      transcript_.Note(absl::StrCat("checkpoint ", name, " ", trainer_.next()));
      return true;
    }
    if (node_->partitions().health().ok()) Broken(absl::StrCat(name, ": ", failure.ToString()));
    return false;
  }

  // Until the job has ended.
  bool PushBeside(uint64_t job, bool halves) {
    const auto now = [&] { return node_->coordinator().Job(job).value(); };
    if (halves) {
      // The first attempt at a cut has met the half that is there, and let the rest through.
      while (!now().ended() && now().cut_attempts < 2) absl::SleepFor(kPoll);
      if (!trainer_.PushRest()) return false;
    }
    for (size_t pushed = 0; !now().ended();) {
      if (pushed < kPushesOfACheckpoint && trainer_.next() < kPushes) {
        if (!trainer_.PushNext(0)) return false;
        ++pushed;
      } else {
        absl::SleepFor(kPoll);
      }
    }
    return true;
  }

  void DeleteIncrement() {
    transcript_.Note("deleting b");
    const auto remove = [&] {
      const absl::Status removed = node_->coordinator().Delete("b");
      // What an attempt that failed has begun to remove is off the list, and goes with the next start.
      return absl::IsNotFound(removed) ? absl::OkStatus() : removed;
    };
    if (const absl::Status removed = DurableTrainer::Insist(remove); !removed.ok())
      Broken(removed.ToString());
  }

  void Restore() {
    const DurableNodeOptions options = RestoredOptionsOf(directory_, scenario_);
    const std::string from = absl::StrCat(NodeOptionsOf(directory_, scenario_).checkpoint_directory, "/b");
    transcript_.Note("restoring b");
    absl::Status status = DurableTrainer::Insist([&] { return RestoreDurableNode(options, from); });
    if (status.ok()) status = DurableTrainer::Insist([&] { return DurableNode::Start(options).status(); });
    if (!status.ok()) Broken(status.ToString());
  }

  const std::string directory_;
  const Scenario scenario_;
  std::mt19937_64 random_;
  Transcript transcript_;
  DurableTrainer trainer_;
  std::unique_ptr<DurableNode> node_;
  bool meta_stopped_ = false;  // it may have
  bool broken_ = false;
};

}  // namespace

int RunChild(const std::string& directory, uint64_t seed, Scenario scenario) {
  return Child(directory, seed, scenario).Run();
}

}  // namespace rowhouse::server
