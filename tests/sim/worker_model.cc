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
  for (const TableSchema& table : tables_) oracles_.emplace_back(table);
}

void WorkerModel::Push(size_t table, const std::vector<Id>& ids, const std::vector<float>& values) {
  oracles_[table].Push(ids, values);
  Note(table, ids);
}

void WorkerModel::Delete(size_t table, const std::vector<Id>& ids) {
  oracles_[table].Delete(ids);
  Note(table, ids);
}

void WorkerModel::Note(size_t table, const std::vector<Id>& ids) {
  for (const Id id : ids) {
    std::vector<Version>& versions = history_[table][id];
    if (!versions.empty() && versions.back().change == begun_) versions.pop_back();
    versions.push_back({begun_, oracles_[table].BitsOf(id)});
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
    return version.change > least && version.change <= most && is(version.bits);
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
