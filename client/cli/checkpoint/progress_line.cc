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

constexpr int kBarWidth = 28, kLeastBar = 8;
constexpr char kBetweenDetails[] = ", ";
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
  const auto text = [&](int bar, const std::string& told) {
    const int full = std::clamp(static_cast<int>(part * bar), 0, bar);
    return absl::StrFormat("%s%s %3.0f%%  %s  %s", what,
                           bar == 0 ? ""
                                    : absl::StrCat(" [", std::string(static_cast<size_t>(full), '#'),
                                                   std::string(static_cast<size_t>(bar - full), '.'), "]"),
                           std::clamp(part, 0.0, 1.0) * 100, stage, told);
  };
  // A line that the terminal breaks could not be drawn over, and its last column may break it.
  const size_t most = columns > 1 ? columns - 1 : std::string::npos;
  std::string told = details;
  while (!told.empty() && text(kLeastBar, told).size() > most) {
    const size_t last = told.rfind(kBetweenDetails);
    told.resize(last == std::string::npos ? 0 : last);
  }
  const size_t least = text(kLeastBar, told).size();
  if (least > most) return text(0, told).substr(0, most);
  return text(kLeastBar + static_cast<int>(std::min<size_t>(kBarWidth - kLeastBar, most - least)), told);
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
