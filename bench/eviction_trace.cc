// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/eviction_trace.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/random.h"

namespace rowhouse::bench {
namespace {

constexpr uint64_t kSeed = 20240901;
constexpr double kExponent = 0.99;
constexpr size_t kShifts = 20;
constexpr size_t kStepRequests = 256;
constexpr size_t kCriteoCategories = 26;
constexpr size_t kCriteoColumns = 14 + kCriteoCategories;

// ---------------------------------------------------------------- files

using Unpacked = std::unique_ptr<FILE, int (*)(FILE*)>;

// The file's bytes, unpacked; `name` without the ending that said how.
Unpacked Open(const std::string& path, absl::string_view* name) {
  *name = path;
  const bool gz = absl::EndsWith(path, ".gz");
  if (!gz && !absl::EndsWith(path, ".xz")) return {std::fopen(path.c_str(), "rb"), &std::fclose};
  name->remove_suffix(3);
  const std::string quoted = absl::StrCat("'", absl::StrReplaceAll(path, {{"'", "'\\''"}}), "'");
  return {popen(absl::StrCat(gz ? "gzip" : "xz", " -dc ", quoted).c_str(), "r"), &pclose};
}

void AppendBigEndian(absl::string_view bytes, std::vector<Key>* keys) {
  for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    Key key = 0;
    for (size_t b = 0; b < 8; ++b) key = key << 8 | static_cast<uint8_t>(bytes[i + b]);
    keys->push_back(key);
  }
}

absl::Status AppendCriteoLine(absl::string_view line, std::vector<Key>* keys) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, '\t');
  if (fields.size() != kCriteoColumns)
    return absl::InvalidArgumentError(
        absl::StrCat("a line has ", fields.size(), " columns, expected ", kCriteoColumns));
  for (size_t c = kCriteoColumns - kCriteoCategories; c < kCriteoColumns; ++c) {
    uint32_t value = 0;
    if (fields[c].empty()) continue;
    if (!absl::SimpleHexAtoi(fields[c], &value))
      return absl::InvalidArgumentError(
          absl::StrCat("'", fields[c], "' is no hexadecimal number of 32 bits"));
    keys->push_back(uint64_t{c} << 32 | value);
  }
  return absl::OkStatus();
}

Key KeyOfLine(absl::string_view line) {
  uint64_t number = 0;
  return absl::SimpleAtoi(line, &number) ? number : std::hash<std::string>()(std::string(line));
}

// ---------------------------------------------------------------- Zipf

// Rows drawn by popularity: rank r, from 1, with probability proportional to 1 / r^exponent.
class ZipfRows {
 public:
  explicit ZipfRows(size_t rows) : below_(rows), row_of_rank_(rows) {
    double sum = 0;
    for (size_t r = 0; r < rows; ++r) below_[r] = sum += std::pow(static_cast<double>(r + 1), -kExponent);
    std::iota(row_of_rank_.begin(), row_of_rank_.end(), Key{0});
    std::vector<size_t> all(rows);
    std::iota(all.begin(), all.end(), size_t{0});
    Exchange(all);
  }
  Key Draw() {
    const double at = static_cast<double>(random_.Next64() >> 11) * 0x1p-53 * below_.back();
    const auto found = std::upper_bound(below_.begin(), below_.end(), at);
    return row_of_rank_[std::min<size_t>(found - below_.begin(), below_.size() - 1)];
  }
  void Shift() {
    std::vector<size_t> ranks;
    for (size_t r = 0; r < row_of_rank_.size(); ++r) {
      if (random_.Next64() % 10 == 0) ranks.push_back(r);
    }
    Exchange(ranks);
  }

 private:
  void Exchange(const std::vector<size_t>& ranks) {
    for (size_t i = ranks.size(); i > 1; --i)
      std::swap(row_of_rank_[ranks[i - 1]], row_of_rank_[ranks[random_.Next64() % i]]);
  }

  std::vector<double> below_;  // weight of all ranks up to this one
  std::vector<Key> row_of_rank_;
  SeededRandom random_{kSeed};
};

// ---------------------------------------------------------------- replay

struct Counts {
  size_t requests = 0;
  size_t hits = 0;
  void Add(bool hit) {
    ++requests;
    hits += hit ? 1 : 0;
  }
  double ratio() const {
    return requests == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(requests);
  }
};

class Replayer {
 public:
  Replayer(const Trace& trace, EvictionPolicy* policy)
      : trace_(trace),
        policy_(*policy),
        window_((trace.keys.size() - (trace.scan_end - trace.scan_begin)) / 8) {}

  void One(size_t i, Access access) {
    const Key key = trace_.keys[i];
    const bool hit = policy_.Use(key, access);
    Count(i, hit);
    if (!hit) policy_.Insert(key, access);
  }
  void Step(size_t begin, size_t end) {
    missed_.clear();
    for (size_t i = begin; i < end; ++i) {
      const bool hit = policy_.Use(trace_.keys[i], Access::kPull);
      Count(i, hit);
      if (!hit) missed_.push_back(trace_.keys[i]);
    }
    SortDistinct(&missed_);
    for (const Key key : missed_) policy_.Insert(key, Access::kPull);
    pushed_.assign(trace_.keys.begin() + static_cast<ptrdiff_t>(begin),
                   trace_.keys.begin() + static_cast<ptrdiff_t>(end));
    SortDistinct(&pushed_);
    for (const Key key : pushed_) {
      if (policy_.Use(key, Access::kPush)) continue;
      ++push_misses_;
      policy_.Insert(key, Access::kPush);
    }
  }
  ReplayResult Result() const {
    ReplayResult result{
        .hit_ratio = all_.ratio(), .before_scan = before_.ratio(), .after_scan = after_.ratio()};
    if (all_.requests > 0)
      result.push_misses = static_cast<double>(push_misses_) / static_cast<double>(all_.requests);
    return result;
  }

 private:
  static void SortDistinct(std::vector<Key>* keys) {
    std::sort(keys->begin(), keys->end());
    keys->erase(std::unique(keys->begin(), keys->end()), keys->end());
  }
  void Count(size_t i, bool hit) {
    const bool has_scan = trace_.scan_end > trace_.scan_begin;
    if (has_scan && i >= trace_.scan_begin && i < trace_.scan_end) return;
    all_.Add(hit);
    if (!has_scan) return;
    if (i < trace_.scan_begin && i + window_ >= trace_.scan_begin) before_.Add(hit);
    if (i >= trace_.scan_end && i < trace_.scan_end + window_) after_.Add(hit);
  }

  const Trace& trace_;
  EvictionPolicy& policy_;
  const size_t window_;
  Counts all_, before_, after_;
  size_t push_misses_ = 0;
  std::vector<Key> missed_, pushed_;
};

}  // namespace

absl::Status AppendTraceFile(const std::string& path, std::vector<Key>* keys) {
  absl::string_view name;
  const Unpacked file = Open(path, &name);
  if (file == nullptr) return absl::NotFoundError(absl::StrCat("cannot open ", path));
  std::string bytes;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof(buffer), file.get())) bytes.append(buffer, n);
  if (bytes.empty()) return absl::InvalidArgumentError(absl::StrCat(path, " is empty or cannot be unpacked"));
  if (absl::EndsWith(name, ".trace")) {
    AppendBigEndian(bytes, keys);
    return absl::OkStatus();
  }
  for (const absl::string_view line : absl::StrSplit(bytes, '\n', absl::SkipEmpty())) {
    if (!absl::EndsWith(name, ".tsv")) {
      keys->push_back(KeyOfLine(absl::StripAsciiWhitespace(line)));
    } else if (const absl::Status status = AppendCriteoLine(line, keys); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

Trace ShiftingZipfTrace(size_t rows, size_t requests) {
  Trace trace;
  trace.name = "zipf, shifting";
  ZipfRows zipf(rows);
  const size_t between = std::max<size_t>(1, requests / kShifts);
  for (size_t i = 0; i < requests; ++i) {
    if (i > 0 && i % between == 0) zipf.Shift();
    trace.keys.push_back(zipf.Draw());
  }
  return trace;
}

Trace ScannedZipfTrace(size_t rows, size_t requests) {
  Trace trace;
  trace.name = "zipf, scanned";
  ZipfRows zipf(rows);
  for (size_t i = 0; i < requests / 2; ++i) trace.keys.push_back(zipf.Draw());
  trace.scan_begin = trace.keys.size();
  for (size_t row = 0; row < rows; ++row) trace.keys.push_back(row);
  trace.scan_end = trace.keys.size();
  for (size_t i = requests / 2; i < requests; ++i) trace.keys.push_back(zipf.Draw());
  return trace;
}

size_t DistinctKeys(const Trace& trace) {
  return absl::flat_hash_set<Key>(trace.keys.begin(), trace.keys.end()).size();
}

ReplayResult Replay(const Trace& trace, Mode mode, EvictionPolicy* policy) {
  Replayer replayer(trace, policy);
  if (mode == Mode::kTrain) {
    for (size_t begin = 0; begin < trace.keys.size(); begin += kStepRequests)
      replayer.Step(begin, std::min(begin + kStepRequests, trace.keys.size()));
  } else {
    const Access access = mode == Mode::kPull ? Access::kPull : Access::kPush;
    for (size_t i = 0; i < trace.keys.size(); ++i) replayer.One(i, access);
  }
  return replayer.Result();
}

}  // namespace rowhouse::bench
