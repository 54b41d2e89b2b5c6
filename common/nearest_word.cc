// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/nearest_word.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

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

}  // namespace

std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates) {
  return *std::min_element(candidates.begin(), candidates.end(),
                           [&](const std::string& a, const std::string& b) {
                             return EditDistance(word, a) < EditDistance(word, b);
                           });
}

std::string SimilarWord(std::string_view word, const std::vector<std::string>& candidates) {
  if (candidates.empty()) return "";
  std::string nearest = NearestWord(word, candidates);
  const size_t most = std::max<size_t>(1, word.size() / 3);
  return EditDistance(word, nearest) <= most ? nearest : "";
}

}  // namespace rowhouse
