// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/crash/crash_run.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/match.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

constexpr TableId kTable = 1;
constexpr uint32_t kDim = 32;
constexpr uint32_t kPartitions = 4;
constexpr size_t kRowsOfAPush = 80;
constexpr uint64_t kIds = 4000;
constexpr size_t kInFlight = 4;
constexpr size_t kPushesOfALife = 14;
constexpr int kLives = 3;

struct SentPush {
  PushSeq seq = 0;
  RecordType type = RecordType::kPush;
  std::vector<Id> ids;
  std::vector<float> values;
  std::unique_ptr<PushBuilder> builder;  // of the last attempt
  std::shared_ptr<PushAnswer> answer;
  bool acknowledged = false;
};

class Run {
 public:
  explicit Run(const CrashTry& what)
      : what_(what),
        random_(what.seed),
        schema_(AdagradSchema(kTable, kDim, what.durability)),
        expected_(schema_),
        map_(NodeMap(kPartitions, 1)) {
    files_ = MakeFaultyFileSystem(
        disk_.files.get(),
        [this](FileOperation operation, const std::string& path) { return Strike(operation, path); });
  }

  CrashResult Go() {
    for (int life = 0; life < kLives && result_.error.empty(); ++life) {
      if (!Begin()) break;
      if (life > 0) Judge();
      if (!result_.error.empty() || over_) break;
      Retry();
      Work();
      End();
    }
    // Without a fault from here on: everything is there, once.
    if (result_.error.empty() && !over_ && Begin()) {
      Judge();
      if (!over_) {
        Retry();
        CompareAll();
      }
    }
    node_.reset();
    return result_;
  }

 private:
  void Error(const std::string& what) {
    if (result_.error.empty()) result_.error = absl::StrCat("seed ", what_.seed, ": ", what);
  }

  // ---- the fault

  absl::Status Strike(FileOperation operation, const std::string& path) {
    if (dead_ && operation != FileOperation::kRead) return absl::UnavailableError("the process is gone");
    if (!absl::StartsWith(path, kNodeLogDirectory)) return absl::OkStatus();
    const bool counts = what_.fault == Fault::kSyncFails ? operation == FileOperation::kSync
                                                         : operation == FileOperation::kAppend;
    if (!counts || countdown_.load() < 0) return absl::OkStatus();
    const int left = countdown_.fetch_sub(1);
    if (left > full_for_) return absl::OkStatus();
    struck_ = true;
    if (what_.fault == Fault::kDiskFull) {
      if (left == 0) countdown_ = -1;
      return absl::ResourceExhaustedError(absl::StrCat("no space: ", path));
    }
    countdown_ = -1;
    return absl::InternalError(absl::StrCat("input/output error: ", path));
  }
  // A few hundred rows. But where the log has stopped nothing can be spilled, and a push would wait for
  // memory as long as it may.
  uint64_t MemoryBytes() const { return what_.fault == Fault::kSyncFails ? 4 << 20 : 192 << 10; }
  bool FaultIsOfFiles() const { return what_.fault != Fault::kKill && what_.fault != Fault::kPowerLoss; }

  // ---- lives

  bool Begin() {
    node_ = std::make_unique<Node>(NodeOptions{.partitions = kPartitions,
                                               .memory_bytes = MemoryBytes(),
                                               .segment_bytes = 64 << 10,
                                               .inline_workers = true,
                                               .files = files_.get()},
                                   &disk_);
    const absl::Status started = node_->Start();
    if (!started.ok()) {
      Error(absl::StrCat("start: ", started.ToString()));
      return false;
    }
    if (!created_) {
      const absl::Status created = node_->CreateTable(schema_);
      if (!created.ok()) {
        Error(absl::StrCat("create: ", created.ToString()));
        return false;
      }
      created_ = true;
    } else {
      node_->tables().Open(kTable);
    }
    return true;
  }

  void Work() {
    struck_ = false;
    full_for_ = what_.fault == Fault::kDiskFull ? static_cast<int>(random_() % 6) : 0;
    if (FaultIsOfFiles()) countdown_ = full_for_ + static_cast<int>(random_() % 20);
    for (size_t i = 0; i < kPushesOfALife; ++i) {
      Send();
      if (random_() % 6 == 0) node_->partitions().SweepAll().IgnoreError();
      // A full disk is waited out, one push at a time: what is refused and sent again would change places
      // with what came after it. Other faults end the life.
      const bool in_order = what_.fault == Fault::kDiskFull;
      while (under_way_.size() > (in_order ? 0 : random_() % (kInFlight + 1))) Settle();
      if (in_order) Retry();
      if (struck_ && !in_order) break;
    }
  }

  void End() {
    result_.in_flight |= !under_way_.empty();
    result_.struck |= struck_ || !FaultIsOfFiles();
    const bool power = what_.fault == Fault::kPowerLoss || what_.fault == Fault::kSyncFails;
    if (what_.fault == Fault::kDiskFull) {
      while (!under_way_.empty()) Settle();
    } else {
      dead_ = true;  // what was not written by now never is
      node_->Kill(random_() % (disk_.spill.unflushed() + 1), power);
    }
    node_.reset();  // whatever was under way is answered
    dead_ = false;
    while (!under_way_.empty()) Settle();
    countdown_ = -1;
  }

  // ---- pushes

  void Send() {
    SentPush& push = sent_.emplace_back();
    push.seq = sent_.size();
    push.type = random_() % 8 == 0 ? RecordType::kDelete : RecordType::kPush;
    for (size_t i = 0; i < kRowsOfAPush; ++i) {
      push.ids.push_back(random_() % kIds);
      if (push.type == RecordType::kDelete) continue;
      for (uint32_t c = 0; c < kDim; ++c)
        push.values.push_back(static_cast<float>(static_cast<int64_t>(random_() % 2001) - 1000) * 0.001f);
    }
    if (push.type == RecordType::kDelete) {
      expected_.Delete(push.ids);
    } else {
      expected_.Push(push.ids, push.values);
    }
    Attempt(push);
  }

  void Attempt(SentPush& push) {
    // The lowest seq that is not complete, as a client tells it.
    PushSeq low = push.seq;
    for (const SentPush& earlier : sent_) {
      if (earlier.acknowledged) continue;
      low = std::min(low, earlier.seq);
      break;
    }
    push.builder = std::make_unique<PushBuilder>(1, push.seq, low);
    push.builder->Add(kTable, push.ids, push.values).Type(push.type);
    push.answer = node_->PushLater(push.builder->request());
    under_way_.push_back(&push);
  }

  // Waits for the oldest push under way.
  void Settle() {
    SentPush& push = *under_way_.front();
    under_way_.pop_front();
    push.answer->arrived.WaitForNotification();
    const PushOutcome& outcome = push.answer->outcome;
    push.acknowledged = outcome.status.ok() && outcome.failures.empty();
    result_.found_applied += outcome.duplicate_parts;
  }

  // As a client: in order, until acknowledged.
  void Retry() {
    for (SentPush& push : sent_) {
      for (int attempt = 0; !push.acknowledged; ++attempt) {
        if (attempt == 100) return Error(absl::StrCat("seq ", push.seq, " is not acknowledged: ", Why(push)));
        ++result_.retried;
        Attempt(push);
        while (!under_way_.empty()) Settle();
      }
    }
  }
  static std::string Why(const SentPush& push) {
    const PushOutcome& outcome = push.answer->outcome;
    return outcome.failures.empty() ? outcome.status.ToString() : outcome.failures[0].status.ToString();
  }

  // ---- judgement

  void Judge() {
    const TableBits rows = node_->Rows(kTable);
    result_.rows += rows.size();
    // The last that was acknowledged is there, and with it what came before: the log is one order.
    size_t promised = sent_.size();
    while (promised > 0 && !sent_[promised - 1].acknowledged) --promised;
    const bool may_lose = what_.durability != Durability::kSync &&
                          (what_.fault == Fault::kPowerLoss || what_.fault == Fault::kSyncFails);
    for (PartitionId p = 0; p < kPartitions; ++p) {
      const std::vector<bool> fits = expected_.Prefixes(*map_, kTable, p, rows);
      size_t best = fits.size();
      for (size_t k = fits.size(); k-- > 0;) {
        if (!fits[k]) continue;
        best = k;
        break;
      }
      if (best == fits.size()) return Error(absl::StrCat("partition ", p, " holds no prefix of the pushes"));
      if (best >= promised) continue;
      if (!may_lose) {
        return Error(absl::StrCat("partition ", p, " holds the first ", best, " pushes, acknowledged were ",
                                  promised));
      }
      result_.lost_allowed += promised - best;
      over_ = true;  // what its writer will never send again is gone: nothing more can be asked of it
    }
  }

  void CompareAll() {
    const TableBits rows = node_->Rows(kTable);
    result_.rows += rows.size();
    if (rows == expected_.All()) return;
    std::string where;
    for (PartitionId p = 0; p < kPartitions; ++p) {
      const std::vector<bool> fits = expected_.Prefixes(*map_, kTable, p, rows);
      size_t best = fits.size();
      while (best > 0 && !fits[best - 1]) --best;
      absl::StrAppend(&where, " partition ", p, ": ",
                      best == 0 ? "no prefix" : absl::StrCat("the first ", best - 1));
    }
    Error(absl::StrCat("in the end the rows are not those of each of ", sent_.size(),
                       " pushes applied once:", where));
  }

  const CrashTry what_;
  std::mt19937_64 random_;
  const TableSchema schema_;
  ExpectedRows expected_;
  const std::shared_ptr<const PartitionMap> map_;
  NodeDisk disk_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<Node> node_;
  std::deque<SentPush> sent_;
  std::deque<SentPush*> under_way_;
  std::atomic<int> countdown_{-1};
  std::atomic<int> full_for_{0};
  std::atomic<bool> struck_{false}, dead_{false};
  bool created_ = false, over_ = false;
  CrashResult result_;
};

}  // namespace

CrashResult RunCrashTry(const CrashTry& what) { return Run(what).Go(); }

}  // namespace rowhouse::server
