// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/eviction_hand.h"
#include "bench/eviction_policy.h"
#include "bench/eviction_queues.h"

namespace rowhouse::bench {
namespace {

using Made = std::unique_ptr<EvictionPolicy>;

template <typename Policy>
Made Make(size_t rows) {
  return std::make_unique<Policy>(rows);
}

Made MakeHand(size_t rows, const HandRules& rules) { return std::make_unique<HandPolicy>(rows, rules); }

}  // namespace

const std::vector<NamedPolicy>& EvictionPolicies() {
  static const auto* const policies = new std::vector<NamedPolicy>{
      {"LRU", "8", Make<Lru>},
      {"CLOCK", "1 bit", Make<SecondChance>},
      {"LFU", "12", [](size_t rows) -> Made { return std::make_unique<Lfu>(rows, 0); }},
      {"LFU, aged", "12", [](size_t rows) -> Made { return std::make_unique<Lfu>(rows, 10); }},
      {"SIEVE", "8 + 1 bit", Make<Sieve>},
      {"S3-FIFO", "8 + ghosts", Make<S3Fifo>},
      {"hand, all pushes", "2 bits", [](size_t rows) { return MakeHand(rows, {.every_push_counts = true}); }},
      {"hand", "2 bits", [](size_t rows) { return MakeHand(rows, {}); }},
      {"hand, share 0.2", "2 bits", [](size_t rows) { return MakeHand(rows, {.cold_share = 0.2}); }},
      {"hand, share 0.4", "2 bits", [](size_t rows) { return MakeHand(rows, {.cold_share = 0.4}); }},
      {"hand, share 0.6", "2 bits", [](size_t rows) { return MakeHand(rows, {.cold_share = 0.6}); }},
      {"hand, share 0.2, ghosts", "1 + 2 bits",
       [](size_t rows) { return MakeHand(rows, {.cold_share = 0.2, .ghosts = true}); }},
      {"hand, share 0.4, ghosts", "1 + 2 bits",
       [](size_t rows) { return MakeHand(rows, {.cold_share = 0.4, .ghosts = true}); }},
  };
  return *policies;
}

}  // namespace rowhouse::bench
