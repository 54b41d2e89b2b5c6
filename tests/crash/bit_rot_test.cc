// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// R22: one bit of one file of a data directory or of a checkpoint is flipped. A wrong value is never served
// and never restored: the start or the restore is refused, naming the file; or the rows concerned are
// DataLoss; or the flip cannot matter. Prints rows of docs/reliability.md by kind of file.

#include "tests/crash/bit_rot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/coding.h"
#include "tests/support/reliability.h"

namespace rowhouse::server {
namespace {

namespace fs = std::filesystem;

// Kinds of which a flip may be without effect, and why. A flip in any other is seen.
const std::map<std::string, std::string>& Harmless() {
  static const auto* const kinds = new std::map<std::string, std::string>{
      {"LOCK", "a process id for people; the lock is the kernel's"},
      {"STARTED", "that it is there is all that is asked"},
      {"KEPT", "another name or id is no checkpoint's: the whole log is kept"},
      {"spill LOG", "text for people"},
      {"spill OPTIONS", "RocksDB writes it and reads the options it is given"},
      {"spill IDENTITY", "RocksDB's name for the database, compared with nothing"},
      {"spill rows", "properties, and filters: those only save reads"},
      {"log, last", "the last record, taken for a torn tail"},
      {"log, last, sealed", "its footer, which repeats what the records say"},
  };
  return *kinds;
}

struct Count {
  uint64_t tries = 0, failures = 0;
  std::map<Outcome, uint64_t> outcomes;
};

void PrintCounts(const std::map<std::string, Count>& counts) {
  for (const auto& [kind, count] : counts) {
    const auto of = [&count = count](Outcome outcome) {
      const auto found = count.outcomes.find(outcome);
      return found == count.outcomes.end() ? uint64_t{0} : found->second;
    };
    std::string seen = absl::StrCat("refused ", of(Outcome::kRefused), ", DataLoss of rows ",
                                    of(Outcome::kRowsLost), ", the last record cut ", of(Outcome::kTailCut),
                                    ", every row right ", of(Outcome::kNoEffect));
    const auto harmless = Harmless().find(kind);
    if (harmless != Harmless().end()) absl::StrAppend(&seen, " (", harmless->second, ")");
    std::printf("reliability: R22 one bit of %s | %llu | %llu | %s\n", kind.c_str(), Printed(count.tries),
                Printed(count.failures), seen.c_str());
  }
}

// A seeded file of a seeded kind, and a bit of it.
struct Flip {
  std::string kind, path;
  uint64_t bit = 0;
};
Flip Draw(const Specimen& specimen, const std::map<std::string, std::vector<std::string>>& kinds,
          uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto kind = std::next(kinds.begin(), static_cast<ptrdiff_t>(random() % kinds.size()));
  Flip flip{.kind = kind->first, .path = kind->second[random() % kind->second.size()]};
  flip.bit = random() % (fs::file_size(absl::StrCat(specimen.original(), "/", flip.path)) * 8);
  return flip;
}

// What is wrong with the outcome; empty: nothing.
std::string Judge(const Flip& flip, const Served& served) {
  if (!served.wrong.empty()) return served.wrong;
  if (served.outcome == Outcome::kRefused) {
    // RocksDB names a file where it knows which one it is; its directory is in every message.
    const bool in_spill = flip.path.find("/spill/") != std::string::npos;
    const std::string name = in_spill ? "/spill" : fs::path(flip.path).filename().string();
    const std::string message(served.refusal.message());
    return message.find(name) != std::string::npos ? ""
                                                   : absl::StrCat("the refusal does not name it: ", message);
  }
  if (served.outcome == Outcome::kTailCut && flip.kind != "log, last")
    return "rows of acknowledged pushes are missing";
  if (served.outcome == Outcome::kNoEffect && Harmless().count(flip.kind) == 0)
    return "the flip was not seen";
  return "";
}

class BitRot : public testing::Test {
 protected:
  static const Specimen& SpecimenOf(Left left) {
    static std::map<Left, std::unique_ptr<Specimen>> made;
    std::unique_ptr<Specimen>& specimen = made[left];
    if (specimen == nullptr) {
      auto now = Specimen::Make(left);
      EXPECT_TRUE(now.ok()) << now.status();
      if (!now.ok()) std::abort();
      specimen = *std::move(now);
    }
    return *specimen;
  }

  // On a line of its own before the try, so that a crash tells it too.
  static void Tell(uint64_t seed, const Flip& flip) {
    std::printf("seed %llu: bit %llu of %s\n", Printed(seed), Printed(flip.bit), flip.path.c_str());
    std::fflush(stdout);
  }
};

TEST_F(BitRot, DataDirectory) {
  const uint64_t only = OnlySeed();
  const uint64_t tries = Tries(150, 1500);
  std::map<std::string, Count> counts;
  for (uint64_t seed = only != 0 ? only : 1; seed <= (only != 0 ? only : tries); ++seed) {
    const Specimen& specimen = SpecimenOf(static_cast<Left>(seed % 3));
    const Flip flip = Draw(specimen, specimen.FilesByKind("data"), seed);
    Tell(seed, flip);
    const std::string copy = specimen.Copy();
    FlipBit(absl::StrCat(copy, "/", flip.path), flip.bit);
    const Served served = Serve(specimen, copy);
    Count& count = counts[flip.kind];
    ++count.tries;
    ++count.outcomes[served.outcome];
    const std::string wrong = Judge(flip, served);
    if (wrong.empty()) continue;
    ++count.failures;
    ADD_FAILURE() << "seed " << seed << ", bit " << flip.bit << " of " << flip.path << ": " << wrong;
  }
  PrintCounts(counts);
}

// RocksDB takes a record of its manifest that seems longer than the file for one whose write was not
// finished, and forgets it with all that follows. The rows that are forgotten with it are not served as never
// pushed.
TEST_F(BitRot, EveryLengthInTheManifestOfSpill) {
  uint64_t records = 0, refused = 0;
  for (const Left left : {Left::kKilled, Left::kSwept}) {
    const Specimen& specimen = SpecimenOf(left);
    const auto kinds = specimen.FilesByKind("data");
    ASSERT_EQ(kinds.count("spill MANIFEST"), 1u);
    ASSERT_EQ(kinds.at("spill MANIFEST").size(), 1u);
    const std::string path = kinds.at("spill MANIFEST")[0];
    std::ifstream file(absl::StrCat(specimen.original(), "/", path), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    ASSERT_LT(bytes.size(), 32u << 10) << "one block";
    constexpr size_t kHeaderBytes = 7;  // checksum 4, length 2, type 1
    for (size_t at = 0; at + kHeaderBytes <= bytes.size(); ++records) {
      const std::string copy = specimen.Copy();
      FlipBit(absl::StrCat(copy, "/", path), (at + 5) * 8 + 7);  // 32 KiB more
      const Served served = Serve(specimen, copy);
      EXPECT_EQ(served.wrong, "") << "the record at " << at << " of " << path;
      EXPECT_NE(served.outcome, Outcome::kTailCut) << "the record at " << at << " of " << path;
      refused += served.outcome == Outcome::kRefused;
      at += kHeaderBytes + LoadLittle<uint16_t>(bytes.data() + at + 4);
    }
  }
  std::printf(
      "reliability: R22 the length of each record in RocksDB's manifest | %llu | %d | refused %llu; where "
      "the log "
      "has all that was forgotten, every row is right\n",
      Printed(records), HasFailure() ? 1 : 0, Printed(refused));
  EXPECT_GT(records, 10u);
}

// A damaged checkpoint is refused, naming the file, before anything is made; the others are not concerned.
TEST_F(BitRot, Checkpoints) {
  const uint64_t only = OnlySeed();
  const uint64_t tries = Tries(50, 500);
  constexpr uint64_t kFullRestores = 10;  // one in so many tries restores those that are not concerned, too
  const Specimen& specimen = SpecimenOf(Left::kStopped);
  const auto kinds = specimen.FilesByKind("checkpoints");
  std::map<std::string, Count> counts;
  for (uint64_t seed = only != 0 ? only : 1; seed <= (only != 0 ? only : tries); ++seed) {
    const Flip flip = Draw(specimen, kinds, seed);
    Tell(seed, flip);
    const std::string copy = specimen.Copy();
    FlipBit(absl::StrCat(copy, "/", flip.path), flip.bit);
    const std::string damaged = std::next(fs::path(flip.path).begin())->string();  // checkpoints/NAME/...
    Count& count = counts[flip.kind];
    ++count.tries;
    const bool failed_before = HasFailure();
    for (const std::string name : {"a", "b", "c"}) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, ", bit ", flip.bit, " of ", flip.path, ", restore of ", name));
      const bool concerned = damaged <= name;  // c needs b, which needs a
      if (!concerned && seed % kFullRestores != 0) continue;
      DurableNodeOptions options = RestoredOptionsOf(copy, specimen.scenario());
      options.data_directory = absl::StrCat(copy, "/restored_", name);
      const absl::Status restored = RestoreDurableNode(options, absl::StrCat(copy, "/checkpoints/", name));
      if (concerned) {
        EXPECT_FALSE(restored.ok());
        EXPECT_THAT(std::string(restored.message()),
                    testing::HasSubstr(fs::path(flip.path).filename().string()));
        EXPECT_FALSE(fs::exists(absl::StrCat(options.data_directory, "/IDENTITY")));
        continue;
      }
      ASSERT_TRUE(restored.ok()) << restored;
      const auto node = DurableNode::Start(options);
      ASSERT_TRUE(node.ok()) << node.status();
      const auto rows = (*node)->Rows(kRowsTableId);
      ASSERT_TRUE(rows.ok()) << rows.status();
      for (const auto& partition : (*node)->partitions().partitions()) {
        EXPECT_TRUE(specimen.expected().Prefixes((*node)->map(), kRowsTableId, partition->id(),
                                                 *rows)[specimen.moment(name)]);
      }
    }
    ++count.outcomes[Outcome::kRefused];
    count.failures += !failed_before && HasFailure();
  }
  PrintCounts(counts);
}

}  // namespace
}  // namespace rowhouse::server
