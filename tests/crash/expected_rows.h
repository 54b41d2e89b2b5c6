// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a table must hold after each of a writer's pushes, kept outside the server: every version of every
// row, by an oracle that recomputes it from the gradients. Answers which prefixes of the pushes explain what
// a server holds, partition by partition. Not thread-safe.

#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "tests/support/row_oracle.h"

namespace rowhouse::server {

class ExpectedRows {
 public:
  explicit ExpectedRows(const TableSchema& schema) : oracle_(schema) {}

  // Notes the next push; pushes are numbered from 1.
  void Push(const std::vector<Id>& ids, const std::vector<float>& values) {
    oracle_.Push(ids, values);
    Note(ids);
  }
  void Delete(const std::vector<Id>& ids) {
    oracle_.Delete(ids);
    Note(ids);
  }
  size_t pushes() const { return pushes_; }
  TableBits All() const { return oracle_.Bits(); }
  // What a pull of the id gives after all of them.
  std::vector<float> Weights(Id id) const { return oracle_.Weights(id); }

  // Whether the weights are what a pull of the id gives after some of the first `from` to `to` pushes.
  bool Explains(Id id, size_t from, size_t to, absl::Span<const float> weights) const {
    const auto row = history_.find(id);
    const auto is = [&](const std::optional<RowBits>& bits) {
      const std::vector<float> initial = bits.has_value() ? std::vector<float>() : oracle_.InitialWeights(id);
      const void* const expected = bits.has_value() ? static_cast<const void*>(bits->data()) : initial.data();
      return std::memcmp(expected, weights.data(), weights.size() * sizeof(float)) == 0;
    };
    std::optional<RowBits> before;  // of the last push up to `from`
    if (row == history_.end()) return is(before);
    for (const auto& [push, bits] : row->second) {
      if (push <= from) {
        before = bits;
      } else if (push <= to && is(bits)) {
        return true;
      }
    }
    return is(before);
  }

  // For each k up to pushes(): whether the rows of `partition` in `rows` are those after the first k pushes.
  std::vector<bool> Prefixes(const PartitionMap& map, TableId table, PartitionId partition,
                             const TableBits& rows) const {
    std::vector<bool> fits(pushes_ + 1, true);
    for (const auto& [id, versions] : history_) {
      if (map.PartitionOf(table, id) != partition) continue;
      const auto found = rows.find(id);
      const auto matches = [&](const std::optional<RowBits>& bits) {
        return bits.has_value() ? found != rows.end() && found->second == *bits : found == rows.end();
      };
      size_t from = 0;
      std::optional<RowBits> now;  // never pushed
      for (const auto& [push, bits] : versions) {
        Restrict(&fits, from, push, matches(now));
        from = push;
        now = bits;
      }
      Restrict(&fits, from, pushes_ + 1, matches(now));
    }
    for (const auto& [id, bits] : rows) {
      // A row that nobody pushed fits nothing.
      if (map.PartitionOf(table, id) == partition && history_.count(id) == 0) fits.assign(fits.size(), false);
    }
    return fits;
  }

 private:
  void Note(const std::vector<Id>& ids) {
    ++pushes_;
    for (Id id : ids) {
      auto& versions = history_[id];
      if (!versions.empty() && versions.back().first == pushes_) versions.pop_back();
      versions.emplace_back(pushes_, oracle_.BitsOf(id));
    }
  }
  static void Restrict(std::vector<bool>* fits, size_t from, size_t to, bool allowed) {
    if (allowed) return;
    for (size_t k = from; k < to; ++k) (*fits)[k] = false;
  }

  RowOracle oracle_;
  size_t pushes_ = 0;
  std::map<Id, std::vector<std::pair<size_t, std::optional<RowBits>>>> history_;  // (push, bits after it)
};

}  // namespace rowhouse::server
