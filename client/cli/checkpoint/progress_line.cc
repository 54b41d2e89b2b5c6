// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/checkpoint/progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/output.h"

namespace rowhouse::cli {
namespace {

constexpr int kBarWidth = 28;
constexpr std::chrono::milliseconds kBetweenBars(100);
constexpr std::chrono::seconds kBetweenLines(5);
constexpr char kLineAnew[] = "\r\x1b[K";

size_t ColumnsOfStderr() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

std::string BarText(const std::string& what, const std::string& stage, double part,
                    const std::string& details, size_t columns) {
  const int full = std::clamp(static_cast<int>(part * kBarWidth), 0, kBarWidth);
  std::string text =
      absl::StrFormat("%s [%s%s] %3.0f%%  %s  %s", what, std::string(full, '#'),
                      std::string(kBarWidth - full, '.'), std::clamp(part, 0.0, 1.0) * 100, stage, details);
  // A line that the terminal breaks could not be drawn over.
  if (columns > 1 && text.size() >= columns) text.resize(columns - 1);
  return text;
}

ProgressLine::ProgressLine(std::string what)
    : what_(std::move(what)), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (visible_) WriteError(kLineAnew);
}

void ProgressLine::Update(const std::string& stage, double part, const std::string& details) {
  const Clock::time_point now = Clock::now();
  const bool due = terminal_ ? now - told_ >= kBetweenBars : now - told_ >= kBetweenLines;
  if (stage == stage_ && !due) return;
  stage_ = stage;
  told_ = now;
  if (terminal_) {
    WriteError(absl::StrCat(kLineAnew, BarText(what_, stage, part, details, ColumnsOfStderr())));
    visible_ = true;
  } else {
    WriteError(absl::StrFormat("%s: %s, %.0f%%, %s\n", what_, stage, part * 100, details));
  }
}

}  // namespace rowhouse::cli
