// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What commands print: tables for people, text for scripts. One thread.

#include <string>
#include <string_view>
#include <vector>

namespace rowhouse::cli {

// To stdout, buffered. False once stdout is closed or full: the command may stop.
bool Write(std::string_view text);
// What was written so far, for a reader that waits. As Write.
bool FlushOutput();
// To stderr, at once.
void WriteError(std::string_view text);
// Columns padded to their widest cell, two spaces apart; no colours, no boxes, nothing cut off.
std::string FormatTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows);
// Flushes stdout. `code`, or failure when output was lost: silently when its reader went away, else with the
// reason on stderr.
int FinishOutput(int code);

}  // namespace rowhouse::cli
