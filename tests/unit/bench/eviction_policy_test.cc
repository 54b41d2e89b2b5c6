// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/eviction_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "bench/eviction_hand.h"
#include "bench/eviction_queues.h"
#include "bench/eviction_trace.h"

namespace rowhouse::bench {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

// Pulls the keys in order; which letters are in memory afterwards.
std::vector<char> AfterPulls(EvictionPolicy* policy, const std::string& keys) {
  for (const char key : keys) {
    if (!policy->Use(static_cast<Key>(key), Access::kPull))
      policy->Insert(static_cast<Key>(key), Access::kPull);
  }
  std::vector<char> held;
  for (char key = 'a'; key <= 'z'; ++key) {
    if (policy->Holds(static_cast<Key>(key))) held.push_back(key);
  }
  return held;
}

template <typename Policy, typename... Args>
std::vector<char> Held(const std::string& keys, Args... args) {
  Policy policy(args...);
  return AfterPulls(&policy, keys);
}

TEST(Lru, TheLongestUnusedGoes) {
  EXPECT_THAT(Held<Lru>("abcad", 3), ElementsAre('a', 'c', 'd'));
  EXPECT_THAT(Held<Lru>("abcadb", 3), ElementsAre('a', 'b', 'd'));
}

TEST(SecondChance, AUseSavesTheOldestOnce) {
  EXPECT_THAT(Held<SecondChance>("abcad", 3), ElementsAre('a', 'c', 'd'));  // front to back: d a c
  EXPECT_THAT(Held<SecondChance>("abcade", 3), ElementsAre('a', 'd', 'e'));
  EXPECT_THAT(Held<SecondChance>("abcadef", 3), ElementsAre('d', 'e', 'f'));  // the bit of a is spent
}

TEST(Lfu, TheLeastUsedGoesTheLongestUnusedOfEquals) {
  EXPECT_THAT(Held<Lfu>("aabbcd", 3, 0), ElementsAre('a', 'b', 'd'));
  EXPECT_THAT(Held<Lfu>("aabbcdcd", 3, 0), ElementsAre('a', 'b', 'd'));
  EXPECT_THAT(Held<Lfu>("abcad", 3, 0), ElementsAre('a', 'c', 'd'));
}

TEST(Lfu, HalvedCountsLetOldFavouritesGo) {
  // The halving after the ninth access leaves a with 3 uses; c reaches 4.
  EXPECT_THAT(Held<Lfu>("aaaaaaabc", 3, 3), ElementsAre('a', 'b', 'c'));
  EXPECT_THAT(Held<Lfu>("aaaaaaabcbbbbccccd", 3, 0), ElementsAre('a', 'c', 'd'));
  EXPECT_THAT(Held<Lfu>("aaaaaaabcbbbbcccccd", 3, 3), ElementsAre('b', 'c', 'd'));
}

// Ten rows, one of them in the small queue.
TEST(S3Fifo, NewRowsPushOutNewRows) {
  EXPECT_THAT(Held<S3Fifo>("abcdefghijk", 10), ElementsAre('b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'));
  // a and b were used twice more and are in the main queue; of the others the oldest go.
  EXPECT_THAT(Held<S3Fifo>("aaabbbcdefghijklm", 10),
              ElementsAre('a', 'b', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm'));
  // One use is not enough.
  EXPECT_THAT(Held<S3Fifo>("aabcdefghijk", 10),
              ElementsAre('b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'));
}

TEST(S3Fifo, WhoComesBackSoonEntersTheMainQueue) {
  // a left when k came and comes back at once: thirteen further rows do not push it out.
  const std::vector<char> held = Held<S3Fifo>("abcdefghijkalmnopqrstuvwx", 10);
  EXPECT_THAT(held, ElementsAre('a', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x'));
  EXPECT_THAT(Held<S3Fifo>("abcdefghijklmnopqrstuvwx", 10), testing::Not(testing::Contains('a')));
}

TEST(Sieve, UsedRowsStayInPlaceAndTheHandGoesOn) {
  EXPECT_THAT(Held<Sieve>("abcad", 3), ElementsAre('a', 'c', 'd'));
  // The hand stands at c, which goes next though a is older and its bit is spent.
  EXPECT_THAT(Held<Sieve>("abcade", 3), ElementsAre('a', 'd', 'e'));
  EXPECT_THAT(Held<Sieve>("abcadef", 3), ElementsAre('a', 'e', 'f'));
  // From the front it goes to the back again.
  EXPECT_THAT(Held<Sieve>("abcadedef", 3), ElementsAre('d', 'e', 'f'));
}

// Letters in the order in which a hand meets them in memory for three rows.
std::string InHashOrder(std::string letters) {
  std::sort(letters.begin(), letters.end(), [](char a, char b) {
    return HashOrder::Hash(static_cast<Key>(a)) < HashOrder::Hash(static_cast<Key>(b));
  });
  return letters;
}

std::vector<char> AfterHand(const std::string& keys, HandRules rules = {}) {
  rules.in_steps = false;
  return Held<HandPolicy>(keys, 3, rules);
}

TEST(HandPolicy, TheFirstColdRowInHashOrderGoes) {
  const std::string k = InHashOrder("abcd");
  // k[3] comes; none was used since it came.
  EXPECT_THAT(AfterHand({k[0], k[1], k[2], k[3]}), UnorderedElementsAre(k[1], k[2], k[3]));
  EXPECT_THAT(AfterHand({k[2], k[1], k[0], k[3]}), UnorderedElementsAre(k[1], k[2], k[3]));
  // k[0] was, so the hand lowers it and takes the next.
  EXPECT_THAT(AfterHand({k[0], k[1], k[2], k[0], k[3]}), UnorderedElementsAre(k[0], k[2], k[3]));
}

TEST(HandPolicy, RecencyBuysUpToTwoRounds) {
  const std::string k = InHashOrder("abcdef");
  // With all used once, a round makes all cold and the first goes. k[2], used twice, would still be warm.
  EXPECT_THAT(AfterHand({k[0], k[1], k[2], k[0], k[1], k[2], k[2], k[3]}),
              UnorderedElementsAre(k[1], k[2], k[3]));
  // The hand is at k[1], cold now, then at k[2], which it lowers for the second time, and takes k[3].
  EXPECT_THAT(AfterHand({k[0], k[1], k[2], k[0], k[1], k[2], k[2], k[3], k[4], k[5]}),
              UnorderedElementsAre(k[2], k[4], k[5]));
}

TEST(HandPolicy, ColdRowsGoBeforeRecencyIsLowered) {
  const std::string k = InHashOrder("abcde");
  const HandRules share{.cold_share = 0.3};
  // A third of the rows are cold: k[0] and k[1] stay warm while the new ones go.
  const std::string keys = {k[0], k[1], k[2], k[0], k[1], k[3], k[4], k[2], k[3], k[4]};
  EXPECT_THAT(AfterHand(keys, share), UnorderedElementsAre(k[0], k[1], k[4]));
  EXPECT_THAT(AfterHand(keys), testing::Not(testing::IsSupersetOf({k[0], k[1]})));
}

TEST(HandPolicy, AGhostComesBackWarm) {
  const std::string k = InHashOrder("abcdefg");
  // k[0] leaves for k[6], comes back for k[4]; then k[5] and k[6] leave, and the hand is at the beginning.
  const std::string keys = {k[0], k[4], k[5], k[6], k[0], k[1], k[2], k[3]};
  EXPECT_THAT(AfterHand(keys, {.ghosts = true}), UnorderedElementsAre(k[0], k[2], k[3]));
  EXPECT_THAT(AfterHand(keys), UnorderedElementsAre(k[1], k[2], k[3]));
}

// What is in memory for three rows after training steps of one row: a pull and a push each.
std::vector<char> AfterSteps(const std::string& keys, const HandRules& rules) {
  HandRules one = rules;
  one.in_steps = false;
  HandPolicy policy(3, one);
  for (const char key : keys) {
    AfterPulls(&policy, {key});
    policy.Use(static_cast<Key>(key), Access::kPush);
  }
  return AfterPulls(&policy, "");
}

TEST(HandPolicy, ThePushOfAStepIsPartOfItsPull) {
  const std::string k = InHashOrder("abcd");
  // k[0] was used in two steps and stays.
  const std::string keys = {k[0], k[1], k[2], k[0], k[3]};
  EXPECT_THAT(AfterSteps(keys, {}), UnorderedElementsAre(k[0], k[2], k[3]));
  // Where every push counts, the rows of one step are warm as well, and a scan of such rows lowers all.
  EXPECT_THAT(AfterSteps({k[0], k[1], k[2], k[3]}, {.every_push_counts = true}),
              UnorderedElementsAre(k[1], k[2], k[3]));
}

TEST(HandPolicy, PushesAloneRaiseAChangedRowOnce) {
  const std::string k = InHashOrder("abcd");
  HandPolicy policy(3, {.in_steps = false});
  for (const char key : std::string{k[0], k[1], k[2], k[0], k[3]}) {
    if (!policy.Use(static_cast<Key>(key), Access::kPush))
      policy.Insert(static_cast<Key>(key), Access::kPush);
  }
  EXPECT_THAT(AfterPulls(&policy, ""), UnorderedElementsAre(k[0], k[2], k[3]));
}

TEST(HandPolicy, StepsKeepSlotsFree) {
  HandPolicy policy(6400, {});
  size_t held = 0;
  for (Key key = 0; key < 20'000; ++key) policy.Insert(key, Access::kPull);
  for (Key key = 0; key < 20'000; ++key) held += policy.Holds(key) ? 1 : 0;
  EXPECT_LE(held, 6400u - 100u);  // a sixty-fourth
  EXPECT_GE(held, 6400u - 300u);  // below, a step fills up to two
}

// ---------------------------------------------------------------- all of them

TEST(EvictionPolicies, HoldNoMoreThanTheyMay) {
  const Trace trace = ShiftingZipfTrace(2000, 20'000);
  for (const NamedPolicy& named : EvictionPolicies()) {
    SCOPED_TRACE(named.name);
    const auto policy = named.make(200);
    for (const Mode mode : {Mode::kPull, Mode::kTrain, Mode::kPush}) {
      const ReplayResult result = Replay(trace, mode, policy.get());
      EXPECT_GT(result.hit_ratio, 0.2);
      size_t held = 0;
      for (Key key = 0; key < 2000; ++key) held += policy->Holds(key) ? 1 : 0;
      EXPECT_LE(held, 200u);
      EXPECT_GE(held, 100u);
    }
  }
}

// LRU keeps nothing through a scan of more rows than memory holds; who waits for a second use keeps most.
TEST(EvictionPolicies, AScanEmptiesLruOnly) {
  const Trace trace = ScannedZipfTrace(20'000, 200'000);
  const auto lost = [&](EvictionPolicy* policy) {
    const ReplayResult result = Replay(trace, Mode::kPull, policy);
    return result.before_scan - result.after_scan;
  };
  Lru lru(2000);
  S3Fifo s3_fifo(2000);
  HandPolicy share(2000, {.cold_share = 0.4});
  EXPECT_GT(lost(&lru), 0.01);
  EXPECT_LT(lost(&s3_fifo), lost(&lru) / 3);
  EXPECT_LT(lost(&share), lost(&lru) / 3);
}

TEST(EvictionPolicies, LruMissesAllOfALoopThatIsLargerThanMemory) {
  Trace loop;
  for (int round = 0; round < 10; ++round) {
    for (Key key = 0; key < 110; ++key) loop.keys.push_back(key);
  }
  Lru lru(100);
  EXPECT_EQ(Replay(loop, Mode::kPull, &lru).hit_ratio, 0);
}

}  // namespace
}  // namespace rowhouse::bench
