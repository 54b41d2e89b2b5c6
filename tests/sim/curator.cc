// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/curator.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/src/table_spec.h"
#include "tests/sim/outcome.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr uint64_t kIds = 30;
constexpr uint32_t kDim = 3;
constexpr uint64_t kFarFuture = 4'000'000'000;

class Curator {
 public:
  explicit Curator(World& world) : world_(world) {
    client_.name = "curator";
    client_.id = kFirstClient + 500;
    ConnectClient(world, &client_);
  }

  // One table's life.
  void One() {
    TableSpec spec{.name = "temporary", .dim = kDim, .seed = Random() % 1000};
    spec.optimizer = Adagrad(0.1f, 1e-8f);
    spec.initializer = InitializerConfig::Uniform(-1.0f, 1.0f);
    spec.durability = DurabilityLevel::kSync;
    spec.track_last_push_time = RandomBelow(2) == 0;
    table_ = OpenOrCreate(*client_.impl, spec);
    TableSchema schema = client::SchemaFromSpec(spec).value();
    server::RowOracle oracle(schema);
    Compare(oracle, "a table that was just made");
    for (uint64_t pushes = RandomBelow(6); pushes > 0; --pushes) Push(oracle);
    Compare(oracle, "after pushes");
    if (spec.track_last_push_time) {
      Expire(1);
      Compare(oracle, "after nothing was expired");
      Expire(kFarFuture);
      oracle = server::RowOracle(schema);
      Compare(oracle, "after all was expired");
      Push(oracle);
      Compare(oracle, "pushed again");
    }
    Drop();
  }

 private:
  void Push(server::RowOracle& oracle) {
    std::vector<Id> ids;
    std::vector<float> values;
    for (uint64_t rows = 1 + RandomBelow(12); rows > 0; --rows) {
      ids.push_back(RandomBelow(kIds));
      for (uint32_t c = 0; c < kDim; ++c) values.push_back(static_cast<float>(RandomBelow(100)) * 0.01f);
    }
    const GradientSlice slice{.table = table_, .ids = ids, .values = values};
    const absl::StatusOr<PushResult> pushed = client_.impl->Push({&slice, 1}, {});
    Count();
    if (!pushed.ok()) Broken(absl::StrCat("a push of the curator failed: ", pushed.status().ToString()));
    oracle.Push(ids, values);
  }

  void Compare(const server::RowOracle& oracle, const char* when) {
    std::vector<Id> ids;
    for (Id id = 0; id < kIds; ++id) ids.push_back(id);
    std::vector<float> rows(kIds * kDim);
    const PullSlice slice{.table = table_, .ids = ids, .rows = absl::MakeSpan(rows)};
    // A server that the news of a table did not reach, for it was cut off, may not know it for two seconds.
    const int64_t patience = Now() + 2500 * kMilli;
    absl::Status pulled = client_.impl->Pull({&slice, 1});
    while (absl::IsNotFound(pulled) && Now() < patience) {
      SleepUntil(Now() + 100 * kMilli);
      pulled = client_.impl->Pull({&slice, 1});
    }
    Count();
    if (!pulled.ok()) Broken(absl::StrCat("a pull of the curator failed: ", pulled.ToString()));
    for (Id id = 0; id < kIds; ++id) {
      if (std::memcmp(oracle.Weights(id).data(), &rows[id * kDim], kDim * sizeof(float)) != 0)
        Broken(absl::StrCat("the curator's table ", table_.id(), ", ", when, ": id ", id, " is wrong"));
    }
    CurrentOutcome().rows_compared += kIds;
  }

  void Expire(uint64_t cutoff) {
    const absl::StatusOr<uint64_t> expired = client_.impl->Expire(table_, cutoff);
    Count();
    if (!expired.ok()) Broken(absl::StrCat("the curator cannot expire: ", expired.status().ToString()));
    if (cutoff == 1 && *expired != 0) Broken("rows were expired that were pushed after the cut-off");
  }

  void Drop() {
    // Told again when the answer was lost, and then there is none any more.
    const absl::Status dropped = client_.impl->DropTable("temporary");
    Count();
    if (!dropped.ok() && !absl::IsNotFound(dropped))
      Broken(absl::StrCat("the curator cannot drop its table: ", dropped.ToString()));
    const absl::Status opened = client_.impl->OpenTable("temporary").status();
    if (!absl::IsNotFound(opened))
      Broken(absl::StrCat("a table that was dropped can be opened: ", opened.ToString()));
  }

  static void Count() { ++CurrentOutcome().operations; }

  World& world_;
  SimClient client_;
  Table table_;
};

}  // namespace

void RunCurator(World& world) {
  Curator curator(world);
  while (!world.AllDone()) {
    curator.One();
    SleepUntil(Now() + static_cast<int64_t>(RandomBelow(500 * kMilli)));
  }
}

}  // namespace rowhouse::sim
