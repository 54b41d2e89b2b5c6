// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Inputs that are JSON with a checksum: a byte that says whether the checksum is put right, then the text.

#include <nlohmann/json.hpp>
#include <string>

#include "server/checkpoint/sealed_json.h"
#include "tests/fuzz/fuzz_input.h"

namespace rowhouse::fuzz {

// Of text with a node of JSON for each two bytes.
inline constexpr size_t kJsonMemoryFixed = 64 << 10, kJsonMemoryFactor = 256;

// The text of an input. With another checksum only if it is an object not nested deeper than files are: the
// library's writer calls itself once a level.
inline std::string TextOf(absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const bool repair = in.Take<uint8_t>() % 2 == 1;
  const std::string text = AsString(in.rest());
  if (!repair) return text;
  bool deep = false;
  const auto note = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    deep = deep || depth > 16;
    return !deep;
  };
  nlohmann::json object = nlohmann::json::parse(text, note, /*allow_exceptions=*/false);
  if (deep || !object.is_object()) return text;
  object.erase("checksum");
  const auto version = object.find("format_version");
  const bool has_version = version != object.end() && version->is_number_unsigned();
  return server::SealJson(object, has_version ? version->get<uint32_t>() : 1);
}

inline std::vector<std::string> SealedSeeds(const std::string& text) {
  return {std::string(1, '\0') + text, std::string(1, '\1') + text};
}

}  // namespace rowhouse::fuzz
