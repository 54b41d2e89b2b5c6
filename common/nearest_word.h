// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// "did you mean": the known word that a mistyped one is nearest to, by the fewest insertions, deletions and
// substitutions. Pure functions; thread-safe.

#include <string>
#include <string_view>
#include <vector>

namespace rowhouse {

// The nearest candidate, the first of several; one of its parts between dashes may be what the word is near
// to. Requires: there are candidates.
std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates);

// The same, where it may as well be none of them: empty unless at most a third of the word is changed.
std::string SimilarWord(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace rowhouse
