// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// How far something long is, on stderr: a bar that is drawn again and again on a terminal, else a line now
// and then. One thread.

#include <chrono>
#include <string>

namespace rowhouse::cli {

class ProgressLine {
 public:
  explicit ProgressLine(std::string what);
  ~ProgressLine();  // takes the bar away
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `part` of it is done, 0 to 1. A new stage is told at once, more of the same one not too often.
  void Update(const std::string& stage, double part, const std::string& details);

 private:
  using Clock = std::chrono::steady_clock;

  const std::string what_;
  const bool terminal_;
  std::string stage_;
  Clock::time_point told_;
  bool visible_ = false;
};

// "what [####....]  42%  image  details" in less than `columns` (0: any width): with a shorter bar, then with
// fewer details ("first, second, third": the last go first), then without a bar. Pure.
std::string BarText(const std::string& what, const std::string& stage, double part,
                    const std::string& details, size_t columns);

}  // namespace rowhouse::cli
