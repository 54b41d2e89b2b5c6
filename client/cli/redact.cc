// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/redact.h"

#include <algorithm>
#include <cctype>

#include "absl/strings/ascii.h"

namespace rowhouse::cli {
namespace {

constexpr std::string_view kWords[] = {"password", "passwd", "secret",      "token",         "api_key",
                                       "api-key",  "bearer", "private_key", "authorization", "credential"};
constexpr std::string_view kRedacted = "[redacted]";

bool IsNamePart(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; }
bool IsBetween(char c) { return c == '=' || c == ':' || c == ' ' || c == '"' || c == '\'' || c == '\t'; }
bool EndsValue(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '"' || c == '\'' || c == ',' || c == '}' || c == '\t';
}

// Where the value of the secret's name at `at` begins, or npos: text such as "tokens are" has none.
size_t ValueAfter(std::string_view line, size_t at) {
  size_t name_begin = at, i = at;
  while (name_begin > 0 && IsNamePart(line[name_begin - 1])) --name_begin;
  while (i < line.size() && IsNamePart(line[i])) ++i;
  const std::string_view name = line.substr(name_begin, i - name_begin);
  bool assigned = false;
  while (i < line.size() && IsBetween(line[i])) {
    assigned = assigned || line[i] == '=' || line[i] == ':';
    ++i;
  }
  // A blank alone is between a flag, or a scheme of HTTP, and its value.
  const bool flag = name.substr(0, 2) == "--" || name == "bearer" || name == "Bearer";
  return (assigned || flag) && i < line.size() ? i : std::string_view::npos;
}

std::string RedactLine(std::string_view line) {
  std::string lower = absl::AsciiStrToLower(absl::string_view(line.data(), line.size()));
  std::string out(line);
  for (const std::string_view word : kWords) {
    for (size_t at = 0; (at = lower.find(word, at)) != std::string::npos; at += word.size()) {
      const size_t from = ValueAfter(out, at);
      if (from == std::string_view::npos) continue;
      size_t to = from;
      while (to < out.size() && !EndsValue(out[to])) ++to;
      if (std::string_view(out).substr(from, to - from) == kRedacted) continue;
      // "Authorization: Bearer xyz": the scheme is not the secret, the next turn finds it.
      if (lower.compare(from, to - from, "bearer") == 0) continue;
      out.replace(from, to - from, kRedacted);
      lower.replace(from, to - from, kRedacted);
    }
  }
  for (size_t at = 0; (at = out.find("://", at)) != std::string::npos; at += 3) {
    const size_t begin = at + 3, end = out.find_first_of(" /\"'\n", begin);
    const size_t sign = out.find('@', begin);
    if (sign == std::string::npos || (end != std::string::npos && sign > end)) continue;
    out.replace(begin, sign - begin, kRedacted);
  }
  return out;
}

}  // namespace

std::string Redact(std::string_view text) {
  std::string out;
  size_t start = 0;
  while (start < text.size()) {
    const size_t end = std::min(text.find('\n', start), text.size());
    out += RedactLine(text.substr(start, end - start));
    if (end < text.size()) out += '\n';
    start = end + 1;
  }
  return out;
}

}  // namespace rowhouse::cli
