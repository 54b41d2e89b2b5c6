// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Two runs of `rowhouse bench` beside each other. Pure functions.
//
// The interval of a ratio of mean throughputs, from the calls of each second of the two runs: with means ma,
// mb, variances va, vb and counts na, nb,
//   se^2 = va / (na * ma^2) + vb / (nb * mb^2)                       (delta method for ln(mb / ma))
//   df   = se^4 / ((va / (na ma^2))^2 / (na - 1) + (vb / (nb mb^2))^2 / (nb - 1))
//   mb / ma * exp(-t * se)  to  mb / ma * exp(t * se),               t: 97.5 % point of Student's t with df
// df: B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
// involved", Biometrika 34, 1947. Delta method: G. W. Oehlert, "A note on the delta method", The American
// Statistician 46(1), 1992. It takes seconds as independent: a slow drift inside of a run makes the interval
// too narrow, and only repeated runs would show it.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/cli/render.h"

namespace rowhouse::cli::bench {

// The value that a variable with Student's t distribution of `degrees` degrees of freedom stays below with
// `probability`. Requires: 0.5 < probability < 1, degrees >= 1. Exact to 1e-6 of the value; more than 10,000
// degrees count as 10,000.
double StudentQuantile(double probability, double degrees);

struct RatioInterval {
  double ratio = 0, low = 0, high = 0;
};
// Of mean(b) / mean(a), 95 %, as above. None with fewer than two values on a side or a mean that is not
// positive.
std::optional<RatioInterval> RatioOfMeans(absl::Span<const double> a, absl::Span<const double> b);

// What is compared of a report of `rowhouse bench`.
struct SavedRun {
  Json workload;
  struct Call {
    std::vector<std::pair<std::string, double>> throughputs, latencies;  // by key, in order
    std::vector<double> calls_by_second;
  };
  std::vector<std::pair<std::string, Call>> calls;  // "pull", "push"
};
// InvalidArgument, naming `path`, for anything that `rowhouse bench` did not write.
absl::StatusOr<SavedRun> ReadSavedRun(const std::string& path, const std::string& text);

// InvalidArgument naming the members of the workload that differ, with both values.
absl::Status CheckSameWorkload(const SavedRun& a, const SavedRun& b);

struct ComparedFigure {
  std::string call, figure;  // "pull", "calls_per_second"
  double a = 0, b = 0;
  std::optional<double> ratio;            // b / a; none when a is 0
  std::optional<RatioInterval> interval;  // of throughputs
  // "better", "worse" or "same": whether the interval lies above 1, below 1 or around it. Empty: no interval.
  std::string verdict;
};
// Figures that both have, in the order of `a`.
std::vector<ComparedFigure> Compare(const SavedRun& a, const SavedRun& b);

}  // namespace rowhouse::cli::bench
