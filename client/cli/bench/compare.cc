// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/compare.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "client/cli/bench/bench_report.h"

namespace rowhouse::cli::bench {
namespace {

constexpr double kUpper = 0.975;  // of a two-sided 95 % interval
constexpr double kMaxDegrees = 10'000;
constexpr int kSimpsonSteps = 2000;  // even
constexpr const char* kThroughputs[] = {"calls_per_second", "rows_per_second", "megabytes_per_second"};
constexpr const char* kLatencies[] = {"mean", "p50", "p90", "p99", "p99.9", "max"};

struct Moments {
  double mean = 0, relative_variance_of_mean = 0;  // variance / (count * mean^2)
};

// None with fewer than two values or a mean that is not positive.
std::optional<Moments> MomentsOf(absl::Span<const double> values) {
  const auto count = static_cast<double>(values.size());
  if (values.size() < 2) return std::nullopt;
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (!(mean > 0)) return std::nullopt;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return Moments{mean, squares / (count - 1) / (count * mean * mean)};
}

// P(0 < T < sqrt(degrees) * tan(angle)): in the angle the density is a power of the cosine. Simpson's rule.
double StudentArea(double angle, double degrees) {
  const double log_scale = std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2);
  const double scale = std::exp(log_scale) / std::sqrt(std::numbers::pi);
  const double step = angle / kSimpsonSteps;
  double sum = 0;
  for (int i = 0; i <= kSimpsonSteps; ++i) {
    const double weight = i == 0 || i == kSimpsonSteps ? 1 : i % 2 == 1 ? 4 : 2;
    sum += weight * std::pow(std::cos(i * step), degrees - 1);
  }
  return scale * sum * step / 3;
}

SavedRun::Call ReadCall(const Json& json) {
  SavedRun::Call call;
  for (const char* key : kThroughputs) call.throughputs.emplace_back(key, json.at(key).get<double>());
  const Json& latency = json.at("latency_seconds");
  for (const char* key : kLatencies) {
    if (!latency.at(key).is_null()) call.latencies.emplace_back(key, latency.at(key).get<double>());
  }
  call.calls_by_second = json.at("samples").at("calls").get<std::vector<double>>();
  return call;
}

const SavedRun::Call* Find(const SavedRun& report, const std::string& name) {
  for (const auto& [call, figures] : report.calls) {
    if (call == name) return &figures;
  }
  return nullptr;
}

std::optional<double> RatioOf(double a, double b) { return a > 0 ? std::optional(b / a) : std::nullopt; }

std::string VerdictOf(const RatioInterval& interval) {
  return interval.low > 1 ? "better" : interval.high < 1 ? "worse" : "same";
}

// The interval of calls, for rows and bytes too: they are calls times what a call has.
void AddThroughputs(const std::string& name, const SavedRun::Call& a, const SavedRun::Call& b,
                    std::vector<ComparedFigure>* out) {
  const auto calls = RatioOfMeans(a.calls_by_second, b.calls_by_second);
  const std::optional<double> calls_ratio = RatioOf(a.throughputs[0].second, b.throughputs[0].second);
  for (size_t i = 0; i < a.throughputs.size(); ++i) {
    const double of_a = a.throughputs[i].second, of_b = b.throughputs[i].second;
    ComparedFigure figure{.call = name, .figure = a.throughputs[i].first, .a = of_a, .b = of_b};
    figure.ratio = RatioOf(of_a, of_b);
    if (calls.has_value() && figure.ratio.has_value() && calls_ratio.has_value() && *calls_ratio > 0) {
      const double times = *figure.ratio / *calls_ratio;
      figure.interval = {calls->ratio * times, calls->low * times, calls->high * times};
      figure.verdict = VerdictOf(*figure.interval);
    }
    out->push_back(std::move(figure));
  }
}

void AddLatencies(const std::string& name, const SavedRun::Call& a, const SavedRun::Call& b,
                  std::vector<ComparedFigure>* out) {
  for (const auto& [key, of_a] : a.latencies) {
    for (const auto& [other, of_b] : b.latencies) {
      if (key != other) continue;
      out->push_back({.call = name,
                      .figure = absl::StrCat("latency_seconds.", key),
                      .a = of_a,
                      .b = of_b,
                      .ratio = RatioOf(of_a, of_b)});
    }
  }
}

}  // namespace

double StudentQuantile(double probability, double degrees) {
  degrees = std::min(degrees, kMaxDegrees);
  double low = 0, high = std::numbers::pi / 2;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (StudentArea(middle, degrees) < probability - 0.5 ? low : high) = middle;
  }
  return std::sqrt(degrees) * std::tan(low);
}

std::optional<RatioInterval> RatioOfMeans(absl::Span<const double> a, absl::Span<const double> b) {
  const auto of_a = MomentsOf(a), of_b = MomentsOf(b);
  if (!of_a.has_value() || !of_b.has_value()) return std::nullopt;
  const double ratio = of_b->mean / of_a->mean;
  const double ra = of_a->relative_variance_of_mean, rb = of_b->relative_variance_of_mean, square = ra + rb;
  if (square == 0) return RatioInterval{ratio, ratio, ratio};
  const double degrees =
      square * square /
      (ra * ra / static_cast<double>(a.size() - 1) + rb * rb / static_cast<double>(b.size() - 1));
  const double factor = std::exp(StudentQuantile(kUpper, degrees) * std::sqrt(square));
  return RatioInterval{ratio, ratio / factor, ratio * factor};
}

absl::StatusOr<SavedRun> ReadSavedRun(const std::string& path, const std::string& text) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " was not written by `rowhouse bench ... -o json` or --out: ", why));
  };
  try {  // the library has no other way to say what is missing
    const Json json = Json::parse(text);
    if (json.at("kind") != kReportKind) return refuse(absl::StrCat("kind is ", json.at("kind").dump()));
    if (json.at("format") != kReportFormat) {
      return refuse(absl::StrCat("format is ", json.at("format").dump(), ", want ", kReportFormat,
                                 "; measure again with this version"));
    }
    SavedRun report;
    report.workload = json.at("workload");
    if (!report.workload.is_object()) return refuse("workload is no object");
    for (const auto& [name, call] : json.at("results").items())
      report.calls.emplace_back(name, ReadCall(call));
    return report;
  } catch (const Json::exception& error) {
    return refuse(error.what());
  }
}

absl::Status CheckSameWorkload(const SavedRun& a, const SavedRun& b) {
  std::string different;
  const auto note = [&](const std::string& key) {
    const auto text = [&](const Json& w) { return w.contains(key) ? w.at(key).dump() : "nothing"; };
    if (text(a.workload) == text(b.workload)) return;
    absl::StrAppend(&different, different.empty() ? "" : ", ", key, " (", text(a.workload), " and ",
                    text(b.workload), ")");
  };
  for (const auto& [key, value] : a.workload.items()) note(key);
  for (const auto& [key, value] : b.workload.items()) {
    if (!a.workload.contains(key)) note(key);
  }
  if (different.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the workloads differ in ", different, "; --force compares them anyway"));
}

std::vector<ComparedFigure> Compare(const SavedRun& a, const SavedRun& b) {
  std::vector<ComparedFigure> out;
  for (const auto& [name, of_a] : a.calls) {
    const SavedRun::Call* of_b = Find(b, name);
    if (of_b == nullptr) continue;
    AddThroughputs(name, of_a, *of_b, &out);
    AddLatencies(name, of_a, *of_b, &out);
  }
  return out;
}

}  // namespace rowhouse::cli::bench
