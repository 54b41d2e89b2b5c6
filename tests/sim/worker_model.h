// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the rows of one worker must be: it alone changes them, one call after the other, so that each row has
// one order of versions, recomputed by an oracle outside the servers. Changes are numbered from 1; a version
// is what a row is after so many of them.
//
// Thread rule: of the simulation, where one thread runs at a time.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/row_oracle.h"

namespace rowhouse::sim {

using server::RowBits;
using server::TableBits;

class WorkerModel {
 public:
  // `tables`: schemas with their ids, in the workload's order.
  explicit WorkerModel(std::vector<TableSchema> tables);

  // The next change begins: what each row is when it has happened is known from here on. A change is one call
  // of Begin and then Push and Delete for each of its tables.
  uint64_t Begin() { return ++begun_; }
  void Push(size_t table, const std::vector<Id>& ids, const std::vector<float>& values);
  void Delete(size_t table, const std::vector<Id>& ids);
  // It has happened.
  void Acknowledge() { acknowledged_ = begun_; }
  uint64_t begun() const { return begun_; }
  uint64_t acknowledged() const { return acknowledged_; }

  // Whether `weights` is the row after some number of changes from `least` to `most`.
  bool IsVersion(size_t table, Id id, const float* weights, bool stored, uint64_t least, uint64_t most) const;
  // Whether there is a number of changes from `least` to `most` after which all rows are those of `rows`, one
  // for each table; else which row speaks against it.
  std::string FindMoment(const std::vector<TableBits>& rows, uint64_t least, uint64_t most) const;
  // The same for each row by itself.
  std::string FindVersions(const std::vector<TableBits>& rows, uint64_t least, uint64_t most) const;
  // The last change's call has ended without an answer: each of its parts has happened or not. `found`: what
  // is stored now of its rows, by table; `part_of`: the partition of a row. Returns an error when a row is
  // neither as before nor as after it, or when a part has happened by halves.
  std::string Settle(const std::vector<TableBits>& found,
                     const std::function<PartitionId(size_t table, Id id)>& part_of);
  // The rows of the last change, by table.
  std::vector<std::vector<Id>> LastRows() const;
  // All rows as they are after the last change.
  TableBits Rows(size_t table) const { return oracles_[table].Bits(); }
  bool Has(size_t table, Id id) const { return history_[table].count(id) != 0; }

 private:
  struct Version {
    uint64_t change = 0;
    std::optional<RowBits> bits;
  };
  void Note(size_t table, const std::vector<Id>& ids);
  static const std::optional<RowBits>& At(const std::vector<Version>& versions, uint64_t change);

  std::vector<TableSchema> tables_;
  std::vector<server::RowOracle> oracles_;
  std::vector<std::map<Id, std::vector<Version>>> history_;  // by table
  uint64_t begun_ = 0, acknowledged_ = 0;
};

}  // namespace rowhouse::sim
