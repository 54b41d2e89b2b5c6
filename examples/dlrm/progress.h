// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Shows how far a long run is: a bar on a terminal; in a pipe a line when it begins and every so often. Used
// by one thread.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace rowhouse::dlrm {

class Progress {
 public:
  // `lines_every`: iterations between lines when `out` is no terminal.
  Progress(std::FILE* out, std::string what, uint64_t lines_every);
  // Clears the bar.
  ~Progress();

  // `fraction` done, 0 to 1. `loss`: of this iteration; shown as the mean since the last display.
  void Update(uint64_t iteration, double fraction, uint64_t samples, double loss);
  // Takes the bar away, so that something else can be printed.
  void Clear();

 private:
  void Show(uint64_t iteration, double fraction, uint64_t samples);

  std::FILE* const out_;
  const std::string what_;
  const uint64_t lines_every_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point shown_;
  uint64_t shown_iteration_ = 0, shown_samples_ = 0;
  double loss_sum_ = 0;
  uint64_t loss_count_ = 0;
  bool bar_visible_ = false;
};

// "4m 05s", "12s".
std::string FormatDuration(double seconds);
// "1.6 GiB", "512 B".
std::string FormatBytes(double bytes);

}  // namespace rowhouse::dlrm
