// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Results as ratios of two things measured alternately in one run: ours, and a reference.

#include <functional>
#include <string>
#include <vector>

namespace rowhouse::bench {

struct Result {
  std::string name, workload, unit;
  double ours = 0, reference = 0;      // medians
  double ratio = 0, min = 0, max = 0;  // of the ratio over runs
  int runs = 0;
  double goal = 0;              // of the ratio; 0: none stated
  bool less_is_better = false;  // the goal is a most, not a least

  bool met() const { return goal == 0 || (less_is_better ? ratio <= goal : ratio >= goal); }
};

// Runs `ours` and `reference` alternately `runs` times after one unmeasured round; each returns its figure
// (more is better).
Result Alternate(const std::string& name, const std::string& workload, const std::string& unit, double goal,
                 int runs, const std::function<double()>& ours, const std::function<double()>& reference);

// Seconds that `work` takes.
double Seconds(const std::function<void()>& work);

// Prints the setup and the results as a table on stdout; writes both as JSON to `path` unless it is empty.
// False when it cannot.
bool Report(const std::string& workload_note, const std::vector<Result>& results, const std::string& path);

}  // namespace rowhouse::bench
