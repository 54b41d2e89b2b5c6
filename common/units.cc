// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/units.h"

#include <array>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rowhouse {
namespace {

struct Unit {
  absl::string_view name;
  uint64_t bytes;
};

constexpr std::array<Unit, 10> kUnits = {{{"", 1},
                                          {"B", 1},
                                          {"KB", 1'000},
                                          {"MB", 1'000'000},
                                          {"GB", 1'000'000'000},
                                          {"TB", 1'000'000'000'000},
                                          {"KiB", 1ull << 10},
                                          {"MiB", 1ull << 20},
                                          {"GiB", 1ull << 30},
                                          {"TiB", 1ull << 40}}};

absl::Status BadSize(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text, "\" is no size: ", why,
      "; write a whole number with B, KB, MB, GB, TB (1000s) or KiB, MiB, GiB, TiB (1024s), such as 512MiB"));
}

absl::Status BadDuration(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text, "\" is no time: ", why, "; write a number with us, ms, s, m or h, such as 30s or 200ms"));
}

// "30 s" is "30s": one space between a number and its unit.
std::string WithoutSpacesBeforeUnits(absl::string_view text) {
  std::string joined;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool between = i > 0 && i + 1 < text.size() && text[i] == ' ' &&
                         absl::ascii_isdigit(static_cast<unsigned char>(text[i - 1])) &&
                         absl::ascii_isalpha(static_cast<unsigned char>(text[i + 1]));
    if (!between) joined.push_back(text[i]);
  }
  return joined;
}

}  // namespace

absl::StatusOr<uint64_t> ParseBytes(std::string_view given) {
  const absl::string_view text(given.data(), given.size());
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  size_t digits = 0;
  while (digits < trimmed.size() && absl::ascii_isdigit(static_cast<unsigned char>(trimmed[digits])))
    ++digits;
  if (digits == 0) return BadSize(text, "it does not begin with a digit");
  uint64_t number = 0;
  if (!absl::SimpleAtoi(trimmed.substr(0, digits), &number))
    return BadSize(text, "the number is beyond 64 bits");
  const absl::string_view suffix = absl::StripLeadingAsciiWhitespace(trimmed.substr(digits));
  for (const Unit& unit : kUnits) {
    if (!absl::EqualsIgnoreCase(suffix, unit.name)) continue;
    if (number > std::numeric_limits<uint64_t>::max() / unit.bytes) {
      return BadSize(text, "the number of bytes is beyond 64 bits");
    }
    return number * unit.bytes;
  }
  return BadSize(text, absl::StrCat("\"", suffix, "\" is no unit"));
}

std::string FormatBytes(uint64_t bytes) {
  constexpr std::array<absl::string_view, 7> kNames = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  while (unit + 1 < kNames.size() && (bytes >> (10 * (unit + 1))) > 0) ++unit;
  const uint64_t whole = bytes >> (10 * unit);
  if (unit == 0) return absl::StrCat(whole, kNames[0]);
  const uint64_t rest = (bytes >> (10 * (unit - 1))) & 1023;  // 1024ths of the unit
  const uint64_t tenths = rest * 10 / 1024;
  if (tenths == 0) return absl::StrCat(whole, kNames[unit]);
  return absl::StrCat(whole, ".", tenths, kNames[unit]);
}

absl::StatusOr<absl::Duration> ParseDuration(std::string_view given) {
  const absl::string_view text(given.data(), given.size());
  absl::Duration duration;
  if (!absl::ParseDuration(WithoutSpacesBeforeUnits(absl::StripAsciiWhitespace(text)), &duration)) {
    return BadDuration(text, "it is not a number with a unit");
  }
  if (duration < absl::ZeroDuration()) return BadDuration(text, "it is negative");
  if (duration == absl::InfiniteDuration()) return BadDuration(text, "it is infinite");
  return duration;
}

}  // namespace rowhouse
