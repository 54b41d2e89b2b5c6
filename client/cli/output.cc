// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/output.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace rowhouse::cli {
namespace {

int first_error = 0;  // why stdout failed; a later flush may find nothing left to fail with

}  // namespace

bool Write(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() && first_error == 0)
    first_error = errno;
  return std::ferror(stdout) == 0;
}

bool FlushOutput() {
  errno = 0;
  if (std::fflush(stdout) != 0 && first_error == 0) first_error = errno;
  return std::ferror(stdout) == 0;
}

void WriteError(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string FormatTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::string& cell : header) widths.push_back(cell.size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  const auto add = [&](const std::vector<std::string>& row) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - row[i].size() + 2, ' ');
    }
    out += '\n';
  };
  add(header);
  for (const auto& row : rows) add(row);
  return out;
}

int FinishOutput(int code) {
  if (FlushOutput()) return code;
  if (first_error != EPIPE && first_error != 0)
    WriteError(absl::StrCat("error: cannot write the output: ", std::strerror(first_error), "\n"));
  return code == 0 ? 1 : code;
}

}  // namespace rowhouse::cli
