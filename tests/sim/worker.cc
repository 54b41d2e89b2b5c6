// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/worker.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mix64.h"
#include "tests/sim/outcome.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr uint64_t kSharedPairs = 6;
constexpr int kMostStalePulls = 100;

// One table's part of a push.
struct Part {
  size_t table = 0;
  std::vector<Id> ids;
  std::vector<float> values;
};

class Calls {
 public:
  Calls(World& world, WorkerState& worker) : world_(world), worker_(worker), client_(*worker.client) {}

  void One() {
    AwaitClient();
    ++client_.inside;
    const uint64_t kind = RandomBelow(100);
    if (kind < 55) {
      Push();
    } else if (kind < 62) {
      Delete();
    } else if (kind < 85) {
      Pull(worker_);
    } else {
      Pull(*world_.workers[RandomBelow(world_.workers.size())]);
    }
    --client_.inside;
    if (client_.inside == 0) Wake(&client_.inside, SIZE_MAX);
    ++world_.operations;
    ++CurrentOutcome().operations;
    if (RandomBelow(10) == 0) SleepUntil(Now() + static_cast<int64_t>(RandomBelow(20 * kMilli)));
  }
  // Until the last change is known to have happened or not.
  void AwaitSettled() {
    while (worker_.unsettled) Block(&client_, kForever);
  }

 private:
  void AwaitClient() {
    while (client_.ending || worker_.unsettled) Block(&client_, kForever);
  }
  Id OwnId() { return worker_.first_id + RandomBelow(world_.plan.ids_of_a_worker); }
  bool MayFail() const { return world_.plan.faults.client_ends; }

  std::vector<Part> DrawParts() {
    std::vector<Part> parts;
    const size_t tables = 1 + RandomBelow(std::min<size_t>(2, world_.schemas.size()));
    const size_t first = RandomBelow(world_.schemas.size());
    for (size_t t = 0; t < tables; ++t) {
      Part part{.table = (first + t) % world_.schemas.size()};
      for (uint64_t rows = 1 + RandomBelow(5); rows > 0; --rows) {
        part.ids.push_back(OwnId());
        for (uint32_t c = 0; c < world_.schemas[part.table].dim; ++c)
          part.values.push_back(static_cast<float>(static_cast<int64_t>(RandomBelow(2001)) - 1000) * 0.001f);
      }
      parts.push_back(std::move(part));
    }
    return parts;
  }

  // Rows that come in pairs, both pushed the same in one push: equal in every consistent cut.
  Part DrawPairs() {
    Part part;
    for (uint64_t pairs = 1 + RandomBelow(2); pairs > 0; --pairs) {
      const Id first = 2 * RandomBelow(kSharedPairs);
      const float values[] = {DrawExact(), DrawExact()};
      for (const Id id : {first, first + 1}) {
        part.ids.push_back(id);
        part.values.insert(part.values.end(), values, values + 2);
      }
    }
    return part;
  }
  static float DrawExact() { return static_cast<float>(static_cast<int64_t>(RandomBelow(17)) - 8) / 256.0f; }

  void Push() {
    // A push that an alter stops may be there by some of its parts, and of shared rows nobody could tell.
    if (world_.plan.alters && RandomBelow(4) == 0) return PushPairs(DrawPairs());
    const std::vector<Part> parts = DrawParts();
    const bool with_shared = !MayFail() && !world_.plan.alters && RandomBelow(3) == 0;
    const Part pairs = with_shared ? DrawPairs() : Part();
    std::vector<GradientSlice> slices;
    worker_.model->Begin();
    for (const Part& part : parts) {
      worker_.model->Push(part.table, part.ids, part.values);
      slices.push_back({.table = client_.tables[part.table], .ids = part.ids, .values = part.values});
    }
    if (with_shared) slices.push_back({.table = client_.shared, .ids = pairs.ids, .values = pairs.values});
    const absl::StatusOr<PushResult> pushed = client_.impl->Push(slices, {.step = worker_.model->begun()});
    ++CurrentOutcome().pushes;
    if (pushed.ok()) CurrentOutcome().duplicate_parts += pushed->duplicate_parts;
    if (StoppedByAlter("push", pushed.status())) return;
    if (Settled("push", pushed.status()) && with_shared) AddPairs(pairs);
  }

  void PushPairs(const Part& pairs) {
    const GradientSlice slice{.table = client_.shared, .ids = pairs.ids, .values = pairs.values};
    const absl::StatusOr<PushResult> pushed =
        client_.impl->Push({&slice, 1}, {.step = worker_.model->begun()});
    ++CurrentOutcome().pushes;
    Note("push of pairs", worker_.first_id, static_cast<uint64_t>(pushed.status().code()));
    if (!pushed.ok())
      Broken(absl::StrCat("a push of client ", client_.name, " failed: ", pushed.status().ToString()));
    AddPairs(pairs);
  }
  void AddPairs(const Part& pairs) {
    for (size_t i = 0; i < pairs.ids.size(); ++i) {
      std::vector<float>& sum = world_.shared_sums.try_emplace(pairs.ids[i], 2, 0.0f).first->second;
      for (size_t c = 0; c < 2; ++c) sum[c] -= pairs.values[i * 2 + c];
    }
  }

  // ---- amid an alter

  bool IsStale(const absl::Status& status) const {
    return world_.plan.alters && absl::IsFailedPrecondition(status) &&
           absl::StrContains(status.message(), "schema");
  }
  // The tables as they are now, once no alter is under way: until then a late attempt may still be taken.
  void OpenAgain() {
    while (world_.altering) SleepUntil(Now() + 10 * kMilli);
    for (size_t table = 0; table < client_.tables.size(); ++table)
      client_.tables[table] = OpenOrCreate(*client_.impl, world_.plan.tables[table]);
  }
  // Whether the last change was stopped by an alter, in some or all of its parts; then, and when it was done
  // while one went on, the model is told what came of it.
  bool StoppedByAlter(const char* what, const absl::Status& status) {
    const bool stale = IsStale(status);
    if (!stale && !(status.ok() && worker_.model->amid_alter())) return false;
    ++(stale ? CurrentOutcome().changes_stopped_by_alters : CurrentOutcome().pushes_amid_alters);
    if (stale) OpenAgain();
    WorkerModel::SeenRows seen;
    for (const auto& [table, ids] : worker_.model->LastIds()) {
      const uint32_t dim = world_.schemas[table].dim;
      std::vector<float> rows(ids.size() * dim);
      std::vector<uint8_t> stored(ids.size());
      const absl::Status pulled = PullRows(table, ids, &rows, &stored);
      if (!pulled.ok())
        Broken(absl::StrCat("a pull of client ", client_.name, " failed: ", pulled.ToString()));
      seen.emplace_back();
      for (size_t i = 0; i < ids.size(); ++i) {
        const auto row = rows.begin() + static_cast<ptrdiff_t>(i * dim);
        seen.back()[ids[i]] = {.weights = {row, row + dim}, .stored = stored[i] != 0};
      }
    }
    const auto map = SimMap(world_.plan.shape.partitions, world_.plan.shape.servers);
    const std::string error = worker_.model->Resolve(seen, stale, [&](size_t table, Id id) {
      return map->PartitionOf(world_.schemas[table].table_id, id);
    });
    if (!error.empty())
      Broken(absl::StrCat("a ", what, " of client ", client_.name, " amid an alter: ", error));
    if (!stale) return false;
    Note(what, worker_.first_id, static_cast<uint64_t>(status.code()));
    worker_.model->Acknowledge();
    return true;
  }
  // With a handle of the table as it is now.
  absl::Status PullRows(size_t table, const std::vector<Id>& ids, std::vector<float>* rows,
                        std::vector<uint8_t>* stored) {
    for (int attempt = 1;; ++attempt) {
      const PullSlice slice{.table = client_.tables[table],
                            .ids = ids,
                            .rows = absl::MakeSpan(*rows),
                            .stored = absl::MakeSpan(*stored)};
      absl::Status pulled = client_.impl->Pull({&slice, 1});
      if (!IsStale(pulled) || attempt == kMostStalePulls) return pulled;
      OpenAgain();
    }
  }

  void Delete() {
    const size_t table = RandomBelow(world_.schemas.size());
    std::vector<Id> ids;
    for (uint64_t rows = 1 + RandomBelow(4); rows > 0; --rows) ids.push_back(OwnId());
    worker_.model->Begin();
    worker_.model->Delete(table, ids);
    const absl::Status deleted = client_.impl->Delete(client_.tables[table], ids);
    ++CurrentOutcome().deletes;
    if (StoppedByAlter("delete", deleted)) return;
    Settled("delete", deleted);
  }

  // Notes what came of the last change; whether it has happened.
  bool Settled(const char* what, const absl::Status& status) {
    Note(what, worker_.first_id, static_cast<uint64_t>(status.code()));
    if (status.ok()) {
      worker_.model->Acknowledge();
      return true;
    }
    const bool unanswered =
        absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status) ||
        absl::IsResourceExhausted(status) ||
        // Killed by an attempt to register it that went on after the client had given it up.
        absl::StrContains(status.message(), "is dead");
    if (!MayFail() || !unanswered)
      Broken(absl::StrCat("a ", what, " of client ", client_.name, " failed: ", status.ToString()));
    worker_.unsettled = true;
    client_.wants_end = true;
    return false;
  }

  // Reads rows of a worker, this one or another: each must be a version from its last acknowledged change on.
  void Pull(const WorkerState& owner) {
    const size_t table = RandomBelow(world_.schemas.size());
    const uint32_t dim = world_.schemas[table].dim;
    std::vector<Id> ids;
    for (uint64_t rows = 1 + RandomBelow(6); rows > 0; --rows)
      ids.push_back(owner.first_id + RandomBelow(world_.plan.ids_of_a_worker));
    std::vector<float> rows(ids.size() * dim);
    std::vector<uint8_t> stored(ids.size());
    const uint64_t least = owner.model->acknowledged();
    const absl::Status pulled = PullRows(table, ids, &rows, &stored);
    ++CurrentOutcome().pulls;
    uint64_t digest = static_cast<uint64_t>(pulled.code());
    for (const float value : rows) {
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      digest = Mix64(digest ^ bits);
    }
    Note("pull", owner.first_id, digest);
    if (!pulled.ok()) {
      if (!MayFail()) Broken(absl::StrCat("a pull of client ", client_.name, " failed: ", pulled.ToString()));
      return;
    }
    CurrentOutcome().rows_compared += ids.size();
    for (size_t i = 0; i < ids.size(); ++i) {
      if (owner.model->IsVersion(table, ids[i], &rows[i * dim], stored[i] != 0, least, owner.model->begun()))
        continue;
      Broken(absl::StrCat("a pull of table ", world_.schemas[table].name, " id ", ids[i], " gave ",
                          stored[i] != 0 ? "a row" : "an initial row", " that is no version after changes ",
                          least, " to ", owner.model->begun()));
    }
  }

  World& world_;
  WorkerState& worker_;
  SimClient& client_;
};

}  // namespace

void RunWorker(World& world, WorkerState& worker) {
  Calls calls(world, worker);
  for (uint64_t call = 0; call < worker.quota; ++call) calls.One();
  calls.AwaitSettled();
  worker.done = true;
}

}  // namespace rowhouse::sim
