// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a server is put through before and while something strikes, as both sides know it: the pushes, from a
// seed, and the file that tells what was sent and what was acknowledged. A line of it is one write to the end
// of a file: a process that is killed leaves whole lines, in order.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/log/record.h"
#include "tests/support/durable_node.h"

namespace rowhouse::server {

enum class Scenario {
  kPushes,       // pushes, deletes, sweeps, tables, writers; two lives
  kCheckpoints,  // and a full checkpoint, an increment of it, which is deleted
  kHalves,       // and a push of which one half is there when the checkpoint is cut
  kRestore,      // and a restore of the increment
};

inline constexpr char kRowsTable[] = "rows";
inline constexpr TableId kRowsTableId = 1;  // the first that is made
// A volatile one, which every third seed's pushes change too: its part of a push is not in the log, the rest
// is.
inline constexpr char kScratchTable[] = "scratch";
inline constexpr TableId kScratchTableId = 2;
inline constexpr char kTrainer[] = "trainer";
inline constexpr uint32_t kWorkloadDim = 32;
inline constexpr uint64_t kWorkloadIds = 2000;
inline constexpr size_t kPushesOfALife = 14;
inline constexpr size_t kPushes = 2 * kPushesOfALife;
inline constexpr size_t kMorePushes = 3;  // by DurableJudge, to see that it goes on

struct PlannedPush {
  RecordType type = RecordType::kPush;
  std::vector<Id> ids;
  std::vector<float> values;
  // Of the volatile table; empty: the push has nothing of it.
  std::vector<Id> scratch_ids;
  std::vector<float> scratch_values;
};
// kPushes + kMorePushes of them; the push of seq s is at s - 1.
std::vector<PlannedPush> PlanPushes(uint64_t seed);
// Of even seeds sync, of others async.
TableSchema RowsSchema(uint64_t seed);
// Whether pushes of the seed change the volatile table.
inline bool HasScratch(uint64_t seed) { return seed % 3 == 2; }
TableSchema ScratchSchema();

// Places under a try's directory.
DurableNodeOptions NodeOptionsOf(const std::string& directory, Scenario scenario);
DurableNodeOptions RestoredOptionsOf(const std::string& directory, Scenario scenario);

// How many parts a push has.
uint32_t PartsOf(const PlannedPush& push, const PartitionMap& map);
// `low` is the lowest seq that is not complete. Its part count is to be set.
std::unique_ptr<PushBuilder> BuildPush(const PlannedPush& push, WriterId writer, PushSeq seq, PushSeq low);

// The writing side. Thread-safe.
class Transcript {
 public:
  explicit Transcript(const std::string& directory);
  ~Transcript();
  void Note(const std::string& line);

 private:
  const int fd_;
};

// The reading side: what a transcript says.
struct Account {
  size_t sent = 0;
  std::set<size_t> acknowledged;
  WriterId writer = 0;  // 0: the trainer was not told
  struct Begun {
    size_t from = 0;           // pushes acknowledged when it was begun
    size_t to = 0;             // pushes sent when it was done; 0: that was not said
    bool may_be_gone = false;  // its deletion was asked for
  };
  std::map<std::string, Begun> checkpoints;
  std::string restoring;                   // name of the checkpoint; empty: no restore was begun
  std::string broken;                      // an expectation of the process that did not hold
  std::map<std::string, uint64_t> passed;  // failpoints, where the process came to its end

  // The last push that was acknowledged: with it everything before.
  size_t promised() const { return acknowledged.empty() ? 0 : *acknowledged.rbegin(); }
};
Account ReadTranscript(const std::string& directory);

}  // namespace rowhouse::server
