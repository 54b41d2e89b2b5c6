// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/curator.h"

#include <pthread.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/src/table_spec.h"
#include "tests/sim/outcome.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr int64_t kSecond = 1000 * kMilli;
constexpr Id kIds = 30;  // of the curator's own pushes; those of the filler follow, each is pushed once
constexpr uint64_t kFillers = 60;  // most pushes of the filler in one table's life
constexpr uint32_t kDim = 3;
// A server that the news of a table did not reach, for it was cut off, may not know it for two seconds.
constexpr int64_t kPatienceNanos = 2500 * kMilli;
// A start replays every table that was made and dropped since the log began, and has index memory for each.
constexpr uint64_t kMostTables = 300;
constexpr char kName[] = "temporary";

uint32_t UnixSeconds(int64_t nanos) { return static_cast<uint32_t>((nanos + kUnixOffsetNanos) / kSecond); }

// What one table must hold.
class Contents {
 public:
  explicit Contents(const TableSchema& schema) : oracle_(schema) {}

  // One push after the other.
  void Push(const std::vector<Id>& ids, int64_t begun) {
    under_way_ = ids.size();
    begun_ = UnixSeconds(begun);
  }
  void Pushed(const std::vector<Id>& ids, const std::vector<float>& values, int64_t ended) {
    under_way_ = 0;
    oracle_.Push(ids, values);
    for (const Id id : ids) {
      last_push_[id] = {begun_, UnixSeconds(ended)};
      if (begun_ < cutoff_) doubtful_.push_back(id);
    }
  }
  // Rows whose last push was surely before the cut-off are gone; those that may have been before are to be
  // looked at. How many of each.
  std::pair<uint64_t, uint64_t> Expired(uint32_t cutoff) {
    cutoff_ = cutoff;
    uint64_t gone = 0;
    for (auto row = last_push_.begin(); row != last_push_.end();) {
      if (row->second.latest < cutoff) {
        oracle_.Delete({row->first});
        row = last_push_.erase(row);
        ++gone;
        continue;
      }
      if (row->second.earliest < cutoff) doubtful_.push_back(row->first);
      ++row;
    }
    return {gone, doubtful_.size() + (begun_ < cutoff ? under_way_ : 0)};
  }
  // Null, or what is wrong with what a pull of the id gave.
  const char* Wrong(Id id, const float* weights, bool stored) {
    const auto doubtful = std::find(doubtful_.begin(), doubtful_.end(), id);
    if (doubtful != doubtful_.end() && !stored) {
      oracle_.Delete({id});
      last_push_.erase(id);
    }
    if (doubtful != doubtful_.end()) doubtful_.erase(doubtful);
    const bool wanted = last_push_.count(id) != 0;
    if (wanted != stored) return wanted ? "is gone" : "is there";
    // Bit by bit.
    const std::vector<float> right = oracle_.Weights(id);
    const absl::string_view is(reinterpret_cast<const char*>(weights), kDim * sizeof(float));
    const absl::string_view wanted_bits(reinterpret_cast<const char*>(right.data()), kDim * sizeof(float));
    return is == wanted_bits ? nullptr : "is wrong";
  }
  size_t rows() const { return last_push_.size(); }

 private:
  struct Seconds {
    uint32_t earliest = 0, latest = 0;
  };
  server::RowOracle oracle_;
  std::map<Id, Seconds> last_push_;  // of the rows that are stored: when the server may have noted it
  std::vector<Id> doubtful_;
  size_t under_way_ = 0;  // rows of a push that has not ended, and when it began
  uint32_t begun_ = 0, cutoff_ = 0;
};

class Curator {
 public:
  explicit Curator(World& world) {
    client_.name = "curator";
    client_.id = kFirstClient + 500;
    // What a server still does for an attempt that was given up comes after later calls.
    client_.attempt_timeout = std::chrono::milliseconds(int64_t{300} << RandomBelow(6));
    ConnectClient(world, &client_);
  }

  // One table's life.
  void One() {
    // Some go at once: what still is on its way to make such a table then comes after it has gone.
    for (uint64_t lives = RandomBelow(2) * RandomBelow(30); lives > 0; --lives) {
      Make();
      DropAmidPushes();
    }
    const TableSpec spec = Make();
    Compare("that was just made");
    for (uint64_t pushes = RandomBelow(6); pushes > 0; --pushes) {
      Push(1 + RandomBelow(12), /*once=*/false);
      if (spec.track_last_push_time) SleepUntil(Now() + static_cast<int64_t>(RandomBelow(1500 * kMilli)));
    }
    Compare("after pushes");
    if (spec.track_last_push_time) ExpireSome();
    DropAmidPushes();
  }
  uint64_t made() const { return made_; }

 private:
  TableSpec Make() {
    ExpectNone("before one was asked for");
    TableSpec spec{.name = kName, .dim = kDim, .seed = Random() % 1000};
    spec.optimizer = Adagrad(0.1f, 1e-8f);
    spec.initializer = InitializerConfig::Uniform(-1.0f, 1.0f);
    spec.durability = DurabilityLevel::kSync;
    spec.track_last_push_time = RandomBelow(2) == 0;
    table_ = OpenOrCreate(*client_.impl, spec);
    contents_ = std::make_unique<Contents>(client::SchemaFromSpec(spec).value());
    next_id_ = kIds;
    ++made_;
    return spec;
  }

  void ExpireSome() {
    Expire(1);
    Compare("after nothing was expired");
    // In the middle of the pushes' times, while more are made.
    const int64_t back = static_cast<int64_t>(RandomBelow(5 * kSecond));
    StartFiller();
    SleepUntil(Now() + static_cast<int64_t>(RandomBelow(1500 * kMilli)));
    Expire(UnixSeconds(Now() - back));
    StopFiller();
    Compare("after some were expired");
    // All: rows pushed from the cut-off on stay, so it is waited for.
    const uint32_t all = UnixSeconds(Now()) + 1;
    Expire(all);
    Compare("after all were expired");
    if (contents_->rows() != 0) Broken("rows are left of a table of which all were expired");
    SleepUntil(int64_t{all} * kSecond - kUnixOffsetNanos);
    Push(1 + RandomBelow(12), /*once=*/false);
    Compare("pushed again");
  }

  // Whether the table is there. `once`: to ids that were never pushed to.
  bool Push(uint64_t rows, bool once) {
    std::vector<Id> ids;
    std::vector<float> values;
    for (; rows > 0; --rows) {
      ids.push_back(once ? next_id_++ : RandomBelow(kIds));
      for (uint32_t c = 0; c < kDim; ++c) values.push_back(static_cast<float>(RandomBelow(100)) * 0.01f);
    }
    contents_->Push(ids, Now());
    const GradientSlice slice{.table = table_, .ids = ids, .values = values};
    const absl::StatusOr<PushResult> pushed = client_.impl->Push({&slice, 1}, {});
    Count();
    if (dropping_ && absl::IsNotFound(pushed.status())) return false;
    if (!pushed.ok()) Broken(absl::StrCat("a push of the curator failed: ", pushed.status().ToString()));
    contents_->Pushed(ids, values, Now());
    return true;
  }

  void StartFiller() {
    filling_ = true;
    filler_ = std::thread([this] {
      for (uint64_t pushes = 0; filling_ && pushes < kFillers; ++pushes) {
        if (!Push(1 + RandomBelow(4), /*once=*/true)) return;
        SleepUntil(Now() + static_cast<int64_t>(RandomBelow(60 * kMilli)));
      }
    });
    pthread_setname_np(filler_.native_handle(), "filler");
  }
  void StopFiller() {
    filling_ = false;
    filler_.join();
  }

  void Compare(const char* when) {
    std::vector<Id> ids(next_id_);
    std::iota(ids.begin(), ids.end(), Id{0});
    std::vector<float> rows(ids.size() * kDim);
    std::vector<uint8_t> stored(ids.size());
    const PullSlice slice{
        .table = table_, .ids = ids, .rows = absl::MakeSpan(rows), .stored = absl::MakeSpan(stored)};
    const int64_t patience = Now() + kPatienceNanos;
    absl::Status pulled = client_.impl->Pull({&slice, 1});
    while (absl::IsNotFound(pulled) && Now() < patience) {
      SleepUntil(Now() + 100 * kMilli);
      pulled = client_.impl->Pull({&slice, 1});
    }
    Count();
    if (!pulled.ok()) Broken(absl::StrCat("a pull of the curator failed: ", pulled.ToString()));
    for (size_t i = 0; i < ids.size(); ++i) {
      const char* const wrong = contents_->Wrong(ids[i], &rows[i * kDim], stored[i] != 0);
      if (wrong != nullptr)
        Broken(absl::StrCat("the curator's table ", table_.id(), ", ", when, ": id ", ids[i], " ", wrong));
    }
    CurrentOutcome().rows_compared += ids.size();
  }

  void Expire(uint32_t cutoff) {
    const absl::StatusOr<uint64_t> expired = client_.impl->Expire(table_, cutoff);
    Count();
    if (!expired.ok()) Broken(absl::StrCat("the curator cannot expire: ", expired.status().ToString()));
    const auto [gone, doubtful] = contents_->Expired(cutoff);
    CurrentOutcome().rows_expired += gone;
    CurrentOutcome().rows_spared += contents_->rows();
    // Fewer where an answer was lost and the rows had gone by the time it was asked again.
    if (*expired > gone + doubtful) {
      Broken(absl::StrCat(*expired, " rows were expired, and only ", gone + doubtful,
                          " may have been pushed before the cut-off"));
    }
  }

  void DropAmidPushes() {
    const bool amid = RandomBelow(4) == 0;
    dropping_ = true;
    if (amid) StartFiller();
    if (amid) SleepUntil(Now() + static_cast<int64_t>(RandomBelow(100 * kMilli)));
    // Told again when the answer was lost, and then there is none any more.
    const absl::Status dropped = client_.impl->DropTable(kName);
    Count();
    ++CurrentOutcome().tables_dropped;
    if (!dropped.ok() && !absl::IsNotFound(dropped))
      Broken(absl::StrCat("the curator cannot drop its table: ", dropped.ToString()));
    ExpectNone(absl::StrCat("after its drop was answered ", dropped.ToString()));
    if (amid) StopFiller();
    dropping_ = false;
  }

  void ExpectNone(const std::string& when) {
    const absl::StatusOr<Table> opened = client_.impl->OpenTable(kName);
    if (absl::IsNotFound(opened.status())) return;
    Broken(absl::StrCat("the curator's table can be opened ", when, ": ",
                        opened.ok()
                            ? absl::StrCat("table_id ", opened->id(), ", the last one had ", table_.id())
                            : opened.status().ToString()));
  }

  static void Count() { ++CurrentOutcome().operations; }

  SimClient client_;
  Table table_;
  std::unique_ptr<Contents> contents_;
  uint64_t made_ = 0;
  Id next_id_ = kIds;  // of the filler
  std::thread filler_;
  bool filling_ = false, dropping_ = false;
};

}  // namespace

void RunCurator(World& world) {
  Curator curator(world);
  while (!world.AllDone() && curator.made() < kMostTables) {
    curator.One();
    SleepUntil(Now() + static_cast<int64_t>(RandomBelow(500 * kMilli)));
  }
}

}  // namespace rowhouse::sim
