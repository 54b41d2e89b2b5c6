// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/nearest_word.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "absl/functional/function_ref.h"

namespace rowhouse {
namespace {

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

// A part stands for the whole: --budget is nearer to --memory-budget than to --dir.
size_t DistanceOfParts(std::string_view word, std::string_view candidate) {
  const size_t dashes = std::min(word.find_first_not_of('-'), word.size());
  if (candidate.substr(0, dashes) != word.substr(0, dashes)) return candidate.size() + word.size();
  size_t least = candidate.size() + word.size();
  for (size_t begin = dashes; begin < candidate.size();) {
    const size_t end = std::min(candidate.find('-', begin), candidate.size());
    least = std::min(least, 1 + EditDistance(word.substr(dashes), candidate.substr(begin, end - begin)));
    begin = end + 1;
  }
  return least;
}

std::string Least(const std::vector<std::string>& candidates,
                  absl::FunctionRef<size_t(std::string_view)> distance) {
  return *std::min_element(
      candidates.begin(), candidates.end(),
      [&](const std::string& a, const std::string& b) { return distance(a) < distance(b); });
}

}  // namespace

std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates) {
  return Least(candidates, [&](std::string_view candidate) {
    return std::min(EditDistance(word, candidate), DistanceOfParts(word, candidate));
  });
}

std::string SimilarWord(std::string_view word, const std::vector<std::string>& candidates) {
  if (candidates.empty()) return "";
  std::string nearest =
      Least(candidates, [&](std::string_view candidate) { return EditDistance(word, candidate); });
  const size_t most = std::max<size_t>(1, word.size() / 3);
  return EditDistance(word, nearest) <= most ? nearest : "";
}

}  // namespace rowhouse
