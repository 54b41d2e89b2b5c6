// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/worker_model.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace rowhouse::sim {
namespace {

const std::optional<RowBits> kNotStored;

// What the table holds of the id.
std::optional<RowBits> Find(const TableBits& rows, Id id) {
  const auto found = rows.find(id);
  return found == rows.end() ? std::nullopt : std::optional<RowBits>(found->second);
}

}  // namespace

WorkerModel::WorkerModel(std::vector<TableSchema> tables)
    : tables_(std::move(tables)), history_(tables_.size()) {
  for (const TableSchema& table : tables_) {
    oracles_.emplace_back(table);
    rates_.push_back({table.optimizer.hyper.learning_rate});
  }
}

WorkerModel::Part WorkerModel::MakePart(size_t table, const std::vector<Id>& ids,
                                        const std::vector<float>& values) const {
  Part part{.table = table, .ids = ids, .values = values, .before = {}, .rates = rates_[table]};
  for (const Id id : ids) part.before.emplace(id, oracles_[table].BitsOf(id));
  return part;
}

void WorkerModel::Push(size_t table, const std::vector<Id>& ids, const std::vector<float>& values) {
  Part part = MakePart(table, ids, values);
  oracles_[table].SetLearningRate(part.rates[0]);
  oracles_[table].Push(ids, values);
  Note(table, ids);
  for (size_t i = 1; i < part.rates.size(); ++i) NoteOthers(part, part.rates[i]);
  parts_.push_back(std::move(part));
}

void WorkerModel::Delete(size_t table, const std::vector<Id>& ids) {
  parts_.push_back(MakePart(table, ids, {}));
  oracles_[table].Delete(ids);
  Note(table, ids);
}

void WorkerModel::MayHaveRate(size_t table, float rate) {
  rates_[table].push_back(rate);
  if (acknowledged_ == begun_) return;
  for (Part& part : parts_) {
    if (part.table != table) continue;
    part.rates.push_back(rate);
    NoteOthers(part, rate);
  }
}

WorkerModel::PartRows WorkerModel::RowsBy(const Part& part, float rate) const {
  server::RowOracle oracle(tables_[part.table]);
  for (const auto& [id, bits] : part.before) oracle.Set(id, bits);
  oracle.SetLearningRate(rate);
  if (part.values.empty()) {
    oracle.Delete(part.ids);
  } else {
    oracle.Push(part.ids, part.values);
  }
  PartRows rows;
  for (const auto& [id, bits] : part.before) rows.emplace(id, oracle.BitsOf(id));
  return rows;
}

void WorkerModel::NoteOthers(const Part& part, float rate) {
  for (const auto& [id, bits] : RowsBy(part, rate)) history_[part.table][id].back().others.push_back(bits);
}

bool WorkerModel::amid_alter() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.rates.size() > 1 && !part.values.empty(); });
}

std::vector<std::pair<size_t, std::vector<Id>>> WorkerModel::LastIds() const {
  std::vector<std::pair<size_t, std::vector<Id>>> tables;
  for (const Part& part : parts_) {
    tables.emplace_back(part.table, std::vector<Id>());
    for (const auto& [id, bits] : part.before) tables.back().second.push_back(id);
  }
  return tables;
}

bool WorkerModel::Is(const Part& part, Id id, const std::optional<RowBits>& bits, const Seen& seen) const {
  if (bits.has_value() != seen.stored) return false;
  // State does not depend on the rate: rows whose weights are equal are equal.
  const size_t bytes = tables_[part.table].dim * sizeof(float);
  if (seen.stored) return std::memcmp(bits->data(), seen.weights.data(), bytes) == 0;
  return std::memcmp(oracles_[part.table].InitialWeights(id).data(), seen.weights.data(), bytes) == 0;
}

const WorkerModel::PartRows* WorkerModel::Explain(const Part& part, const std::vector<PartRows>& outcomes,
                                                  const std::vector<Id>& ids,
                                                  const std::map<Id, Seen>& seen) const {
  for (const PartRows& outcome : outcomes) {
    if (std::all_of(ids.begin(), ids.end(), [&](Id id) { return Is(part, id, outcome.at(id), seen.at(id)); }))
      return &outcome;
  }
  return nullptr;
}

std::string WorkerModel::Resolve(const SeenRows& seen, bool may_be_missing,
                                 const std::function<PartitionId(size_t table, Id id)>& part_of) {
  std::map<PartitionId, std::vector<std::vector<Id>>> by_partition;
  std::vector<std::vector<PartRows>> after(parts_.size()), before(parts_.size());
  for (size_t i = 0; i < parts_.size(); ++i) {
    for (const auto& [id, bits] : parts_[i].before)
      by_partition.try_emplace(part_of(parts_[i].table, id), parts_.size()).first->second[i].push_back(id);
    for (const float rate : parts_[i].rates) after[i].push_back(RowsBy(parts_[i], rate));
    before[i].push_back(parts_[i].before);
  }
  for (const auto& [partition, ids] : by_partition) {
    std::vector<const PartRows*> happened;
    const auto explain = [&, ids = &ids](const std::vector<std::vector<PartRows>>& outcomes) {
      happened.clear();
      for (size_t i = 0; i < parts_.size(); ++i)
        happened.push_back(Explain(parts_[i], outcomes[i], (*ids)[i], seen[i]));
      return std::find(happened.begin(), happened.end(), nullptr) == happened.end();
    };
    if (!explain(after) && !(may_be_missing && explain(before))) {
      return absl::StrCat("partition ", partition,
                          " has rows that are neither as before nor as after, by one of the ",
                          "learning rates in force");
    }
    for (size_t i = 0; i < parts_.size(); ++i) {
      for (const Id id : ids[i]) {
        Version& version = history_[parts_[i].table][id].back();
        version = {.change = version.change, .bits = happened[i]->at(id), .others = {}};
        oracles_[parts_[i].table].Set(id, version.bits);
      }
    }
  }
  return "";
}

void WorkerModel::Note(size_t table, const std::vector<Id>& ids) {
  for (const Id id : ids) {
    std::vector<Version>& versions = history_[table][id];
    if (!versions.empty() && versions.back().change == begun_) versions.pop_back();
    versions.push_back({.change = begun_, .bits = oracles_[table].BitsOf(id), .others = {}});
  }
}

const std::optional<RowBits>& WorkerModel::At(const std::vector<Version>& versions, uint64_t change) {
  for (size_t i = versions.size(); i-- > 0;) {
    if (versions[i].change <= change) return versions[i].bits;
  }
  return kNotStored;
}

bool WorkerModel::IsVersion(size_t table, Id id, const float* weights, bool stored, uint64_t least,
                            uint64_t most) const {
  const uint32_t dim = tables_[table].dim;
  const auto is = [&](const std::optional<RowBits>& bits) {
    if (bits.has_value() != stored) return false;
    if (stored) return std::memcmp(bits->data(), weights, dim * sizeof(float)) == 0;
    const std::vector<float> initial = server::RowOracle(tables_[table]).Weights(id);
    return std::memcmp(initial.data(), weights, dim * sizeof(float)) == 0;
  };
  const auto history = history_[table].find(id);
  if (history == history_[table].end()) return is(kNotStored);
  if (is(At(history->second, least))) return true;
  return std::any_of(history->second.begin(), history->second.end(), [&](const Version& version) {
    if (version.change <= least || version.change > most) return false;
    return is(version.bits) || std::any_of(version.others.begin(), version.others.end(), is);
  });
}

std::string WorkerModel::FindMoment(const std::vector<TableBits>& rows, uint64_t least, uint64_t most) const {
  std::vector<bool> fits(most - least + 1, true);
  size_t left = fits.size();
  for (size_t table = 0; table < history_.size(); ++table) {
    for (const auto& [id, versions] : history_[table]) {
      const std::optional<RowBits> found = Find(rows[table], id);
      for (uint64_t change = least; change <= most; ++change) {
        if (!fits[change - least] || At(versions, change) == found) continue;
        fits[change - least] = false;
        --left;
      }
      if (left == 0) {
        return absl::StrCat("after no number of changes from ", least, " to ", most,
                            " all rows are as found; the last to speak against it is table ",
                            tables_[table].name, " id ", id);
      }
    }
  }
  return "";
}

std::string WorkerModel::FindVersions(const std::vector<TableBits>& rows, uint64_t least,
                                      uint64_t most) const {
  for (size_t table = 0; table < history_.size(); ++table) {
    for (const auto& [id, versions] : history_[table]) {
      const std::optional<RowBits> found = Find(rows[table], id);
      bool fits = false;
      for (uint64_t change = least; change <= most && !fits; ++change) fits = At(versions, change) == found;
      if (!fits) {
        return absl::StrCat("table ", tables_[table].name, " id ", id, " is no version after changes ", least,
                            " to ", most);
      }
    }
  }
  return "";
}

std::string WorkerModel::Settle(const std::vector<TableBits>& found,
                                const std::function<PartitionId(size_t table, Id id)>& part_of) {
  std::map<PartitionId, bool> happened;
  for (size_t table = 0; table < history_.size(); ++table) {
    for (auto& [id, versions] : history_[table]) {
      if (versions.back().change != begun_) continue;
      const std::optional<RowBits> before =
          versions.size() == 1 ? kNotStored : versions[versions.size() - 2].bits;
      const std::optional<RowBits> after = versions.back().bits;
      const std::optional<RowBits> now = Find(found[table], id);
      if (now != before && now != after) {
        return absl::StrCat("table ", tables_[table].name, " id ", id,
                            ": the row is neither as before nor as after the change without an answer");
      }
      if (before != after) {
        const auto [part, first] = happened.try_emplace(part_of(table, id), now == after);
        if (!first && part->second != (now == after))
          return absl::StrCat("partition ", part->first, " has half of a push");
      }
      versions.back().bits = now;
      oracles_[table].Set(id, now);
    }
  }
  Acknowledge();
  return "";
}

std::vector<std::vector<Id>> WorkerModel::LastRows() const {
  std::vector<std::vector<Id>> rows(history_.size());
  for (size_t table = 0; table < history_.size(); ++table) {
    for (const auto& [id, versions] : history_[table]) {
      if (versions.back().change == begun_) rows[table].push_back(id);
    }
  }
  return rows;
}

}  // namespace rowhouse::sim
