// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Which rows stay in memory: the policies that rowhouse_eviction_replay compares, as models of keys only.
//
// Thread rule: a policy is used by one thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace rowhouse::bench {

using Key = uint64_t;

// How a row is used. A push that follows a pull of the same row in a training step is one use of two
// accesses.
enum class Access : uint8_t { kPull, kPush };

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  virtual bool Holds(Key key) const = 0;
  // Notes the use of a row that is in memory; false, and nothing happens, when it is not.
  virtual bool Use(Key key, Access access) = 0;
  // Brings a row in, which that access needed, and lets others go where there is no room. Requires: absent.
  virtual void Insert(Key key, Access access) = 0;
};

struct NamedPolicy {
  std::string name;
  std::string bytes_a_row;  // of memory, beside the row and its place in a hash index
  std::unique_ptr<EvictionPolicy> (*make)(size_t rows);
};

// All of them, in the order of the report. `rows`: how many the memory holds, at least 1.
const std::vector<NamedPolicy>& EvictionPolicies();

}  // namespace rowhouse::bench
