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
  uint64_t Begin() {
    parts_.clear();
    return ++begun_;
  }
  void Push(size_t table, const std::vector<Id>& ids, const std::vector<float>& values);
  void Delete(size_t table, const std::vector<Id>& ids);
  // It has happened. Requires: !amid_alter(), or it was resolved.
  void Acknowledge() { acknowledged_ = begun_; }
  uint64_t begun() const { return begun_; }
  uint64_t acknowledged() const { return acknowledged_; }

  // From here on pushes to the table may go by this learning rate too; by it alone. A push that was under way
  // between the two may have gone by either, in each partition by itself.
  void MayHaveRate(size_t table, float rate);
  void HasRate(size_t table, float rate) { rates_[table] = {rate}; }
  // Whether it is not known by which rates the last change went.
  bool amid_alter() const;
  // What the last change touched: tables and the ids of each.
  std::vector<std::pair<size_t, std::vector<Id>>> LastIds() const;
  // What is stored of those rows after it, as pulled, tells what happened; `may_be_missing`: of parts that it
  // did not. An error when a partition's rows are neither as before the change nor as after it, whole, with
  // one rate for each table.
  struct Seen {
    std::vector<float> weights;
    bool stored = false;
  };
  using SeenRows = std::vector<std::map<Id, Seen>>;  // in the order of LastIds
  std::string Resolve(const SeenRows& seen, bool may_be_missing,
                      const std::function<PartitionId(size_t table, Id id)>& part_of);

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
    std::vector<std::optional<RowBits>> others;  // what it may be instead, while the change is under way
  };
  // A table's part of the last change.
  struct Part {
    size_t table = 0;
    std::vector<Id> ids;
    std::vector<float> values;  // empty: a delete
    std::map<Id, std::optional<RowBits>> before;
    std::vector<float> rates;  // by one of which a push goes
  };
  using PartRows = std::map<Id, std::optional<RowBits>>;
  Part MakePart(size_t table, const std::vector<Id>& ids, const std::vector<float>& values) const;
  void Note(size_t table, const std::vector<Id>& ids);
  // The part's rows when it goes by the rate.
  PartRows RowsBy(const Part& part, float rate) const;
  void NoteOthers(const Part& part, float rate);
  bool Is(const Part& part, Id id, const std::optional<RowBits>& bits, const Seen& seen) const;
  // The first of the part's outcomes that explains those of its rows that were seen; null: none.
  const PartRows* Explain(const Part& part, const std::vector<PartRows>& outcomes, const std::vector<Id>& ids,
                          const std::map<Id, Seen>& seen) const;
  static const std::optional<RowBits>& At(const std::vector<Version>& versions, uint64_t change);

  std::vector<TableSchema> tables_;
  std::vector<server::RowOracle> oracles_;
  std::vector<std::map<Id, std::vector<Version>>> history_;  // by table
  std::vector<std::vector<float>> rates_;                    // by table: those that may be in force
  std::vector<Part> parts_;                                  // of the last change
  uint64_t begun_ = 0, acknowledged_ = 0;
};

}  // namespace rowhouse::sim
