// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// A trainer that knows every bit of its rows: pushes, deletes and pulls ids of its own for a while, keeps an
// oracle beside, and compares each row it pulls, and in the end all of them. Ends with 1 at the first
// difference. Prints its counts as JSON.
//
//   rowhouse_soak_trainer ADDRESS NUMBER IDS SECONDS SEED      NUMBER: of the trainer, from 0

#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rowhouse/client.h"
#include "tests/support/row_oracle.h"

namespace rowhouse {
namespace {

constexpr uint32_t kDim = 64;
constexpr size_t kPushRows = 256;
constexpr size_t kPullRows = 512;
constexpr size_t kHotShare = 50;    // one id in so many is hot...
constexpr size_t kHotPercent = 40;  // ...and so many accesses go to those
constexpr size_t kDeletePercent = 2;
constexpr std::chrono::seconds kRetry(300);

struct Options {
  std::string address;
  uint64_t number = 0, ids = 0, seconds = 0, seed = 0;
};

class SoakTrainer {
 public:
  explicit SoakTrainer(const Options& options)
      : options_(options), random_(options.seed * 1000 + options.number), oracle_(Schema()) {}

  absl::Status Run() {
    auto client = Client::Connect({.address = options_.address,
                                   .writer_name = absl::StrCat("soak-", options_.number),
                                   .retry_timeout = kRetry,
                                   .max_pushes_in_flight = 1});
    if (!client.ok()) return client.status();
    client_ = *std::move(client);
    auto table = client_->OpenOrCreateTable({.name = "soak",
                                             .dim = kDim,
                                             .optimizer = Adagrad(0.1f, 1e-8f),
                                             .initializer = InitializerConfig::Uniform(-0.01f, 0.01f),
                                             .seed = Schema().seed,
                                             .durability = DurabilityLevel::kAsync});
    if (!table.ok()) return table.status();
    table_ = *table;
    absl::Status status = Fill();
    const absl::Time end = absl::Now() + absl::Seconds(options_.seconds);
    while (status.ok() && absl::Now() < end) {
      const uint64_t draw = random_() % 100;
      status = draw < kDeletePercent ? Delete() : draw < 50 ? Push(Draw(kPushRows)) : Pull(Draw(kPullRows));
    }
    return status.ok() ? CompareAll() : status;
  }

  void Print() const {
    const ClientCounters counters = client_ == nullptr ? ClientCounters() : client_->counters();
    std::printf(
        "{\"pushes\": %llu, \"deletes\": %llu, \"pulls\": %llu, \"rows_compared\": %llu, "
        "\"rows_in_the_end\": %llu, "
        "\"retries\": %llu, \"duplicate_parts\": %llu}\n",
        Number(pushes_), Number(deletes_), Number(pulls_), Number(compared_), Number(in_the_end_),
        Number(counters.retries), Number(counters.duplicate_parts));
  }

 private:
  static unsigned long long Number(uint64_t value) { return value; }
  static TableSchema Schema() { return server::AdagradSchema(1, kDim); }

  // Distinct ids of this trainer; those of others are not near.
  uint64_t IdAt(uint64_t place) const { return options_.number * (uint64_t{1} << 40) + place; }

  std::vector<uint64_t> Draw(size_t rows) {
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < rows; ++i) {
      const bool hot = random_() % 100 < kHotPercent;
      ids.push_back(IdAt(random_() % (hot ? options_.ids / kHotShare : options_.ids)));
    }
    return ids;
  }

  // Each row once, so that from the beginning there are more than fit the memory.
  absl::Status Fill() {
    for (uint64_t begin = 0; begin < options_.ids; begin += kPushRows) {
      std::vector<uint64_t> ids;
      for (uint64_t place = begin; place < std::min(begin + kPushRows, options_.ids); ++place)
        ids.push_back(IdAt(place));
      if (absl::Status pushed = Push(ids); !pushed.ok()) return pushed;
    }
    return absl::OkStatus();
  }

  absl::Status Push(const std::vector<uint64_t>& ids) {
    std::vector<float> values;
    for (size_t i = 0; i < ids.size() * kDim; ++i)
      values.push_back(static_cast<float>(static_cast<int64_t>(random_() % 2001) - 1000) * 0.001f);
    const auto pushed = client_->Push({{table_, ids, values}});
    if (!pushed.ok()) return pushed.status();
    oracle_.Push(ids, values);
    ++pushes_;
    return absl::OkStatus();
  }

  absl::Status Delete() {
    const std::vector<uint64_t> ids = Draw(kPushRows / 8);
    if (absl::Status deleted = client_->Delete(table_, ids); !deleted.ok()) return deleted;
    oracle_.Delete(ids);
    ++deletes_;
    return absl::OkStatus();
  }

  absl::Status Pull(const std::vector<uint64_t>& ids) {
    std::vector<float> rows(ids.size() * kDim);
    if (absl::Status pulled = client_->Pull({{table_, ids, absl::MakeSpan(rows)}}); !pulled.ok())
      return pulled;
    ++pulls_;
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::vector<float> expected = oracle_.Weights(ids[i]);
      if (std::memcmp(expected.data(), rows.data() + i * kDim, kDim * sizeof(float)) != 0)
        return absl::DataLossError(
            absl::StrCat("row ", ids[i], " is another one after ", pushes_, " pushes"));
      ++compared_;
    }
    return absl::OkStatus();
  }

  absl::Status CompareAll() {
    for (uint64_t begin = 0; begin < options_.ids; begin += kPullRows) {
      std::vector<uint64_t> ids;
      for (uint64_t place = begin; place < std::min(begin + kPullRows, options_.ids); ++place)
        ids.push_back(IdAt(place));
      if (absl::Status same = Pull(ids); !same.ok()) return same;
      in_the_end_ += ids.size();
    }
    return absl::OkStatus();
  }

  const Options options_;
  std::mt19937_64 random_;
  server::RowOracle oracle_;
  std::unique_ptr<Client> client_;
  Table table_;
  uint64_t pushes_ = 0, deletes_ = 0, pulls_ = 0, compared_ = 0, in_the_end_ = 0;
};

int Main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Options options;
  if (argc != 6 || !absl::SimpleAtoi(argv[2], &options.number) || !absl::SimpleAtoi(argv[3], &options.ids) ||
      !absl::SimpleAtoi(argv[4], &options.seconds) || !absl::SimpleAtoi(argv[5], &options.seed) ||
      options.ids < kHotShare) {
    std::fprintf(stderr, "usage: rowhouse_soak_trainer ADDRESS NUMBER IDS SECONDS SEED\n");
    return 2;
  }
  options.address = argv[1];
  SoakTrainer trainer(options);
  const absl::Status status = trainer.Run();
  trainer.Print();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace rowhouse

int main(int argc, char** argv) { return rowhouse::Main(argc, argv); }
