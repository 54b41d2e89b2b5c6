// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse bench compare

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/bench/compare.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "common/file_system.h"
#include "common/status_macros.h"

namespace rowhouse::cli::bench {
namespace {

constexpr uint64_t kMaxReportBytes = 64 << 20;

struct CompareFlags {
  std::string a, b, output, fail_if_slower;
  bool force = false;
};

absl::StatusOr<SavedRun> ReadRunFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(*PosixFileSystem(), path, kMaxReportBytes);
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  return ReadSavedRun(path, *text);
}

Json Rounded(double value, bool raw) { return raw ? Json(value) : Json(absl::StrFormat("%.4g", value)); }

Listing ListingOf(const std::vector<ComparedFigure>& figures, bool raw) {
  Listing listing{.columns = {{"call", "CALL"},
                              {"figure", "FIGURE"},
                              {"a", "A"},
                              {"b", "B"},
                              {"ratio", "B/A"},
                              {"ratio_low", "LOW"},
                              {"ratio_high", "HIGH"},
                              {"verdict", "VERDICT"}}};
  for (const ComparedFigure& figure : figures) {
    const auto bound = [&](double RatioInterval::*member) {
      return figure.interval.has_value() ? Rounded(*figure.interval.*member, raw) : Json();
    };
    listing.rows.push_back({figure.call, figure.figure, Rounded(figure.a, raw), Rounded(figure.b, raw),
                            figure.ratio.has_value() ? Rounded(*figure.ratio, raw) : Json(),
                            bound(&RatioInterval::low), bound(&RatioInterval::high),
                            figure.verdict.empty() ? Json() : Json(figure.verdict)});
  }
  return listing;
}

// FailedPrecondition, which ends with 1, when a throughput of b is lower by more than `percent` with 95 %
// confidence; InvalidArgument when that cannot be told.
absl::Status CheckNotSlower(const std::vector<ComparedFigure>& figures, double percent) {
  for (const ComparedFigure& figure : figures) {
    if (figure.figure != "calls_per_second") continue;
    if (!figure.interval.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--fail-if-slower: ", figure.call,
                       "s of one file have fewer than 2 whole seconds or no calls; measure for longer"));
    }
    if (figure.interval->high < 1 - percent / 100) {
      return absl::FailedPreconditionError(
          absl::StrFormat("%ss are slower by more than %g%%: calls/s are %.4g of what they were, with 95 %% "
                          "confidence at most %.4g",
                          figure.call, percent, figure.interval->ratio, figure.interval->high));
    }
  }
  return absl::OkStatus();
}

absl::Status RunCompare(const CompareFlags& flags) {
  double percent = 0;
  if (!flags.fail_if_slower.empty() &&
      (!absl::SimpleAtod(flags.fail_if_slower, &percent) || !(percent >= 0 && percent < 100))) {
    return absl::InvalidArgumentError(absl::StrCat("--fail-if-slower is \"", flags.fail_if_slower,
                                                   "\", want a percentage from 0 to less than 100, as 5"));
  }
  RH_ASSIGN_OR_RETURN(const SavedRun a, ReadRunFile(flags.a));
  RH_ASSIGN_OR_RETURN(const SavedRun b, ReadRunFile(flags.b));
  if (!flags.force) RH_RETURN_IF_ERROR(CheckSameWorkload(a, b));
  const std::vector<ComparedFigure> figures = Compare(a, b);
  if (figures.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        flags.a, " and ", flags.b, " have no kind of call in common: there is nothing to compare"));
  }
  const OutputFormat format = FormatOf(flags.output);
  const bool raw = format != OutputFormat::kTable && format != OutputFormat::kWide;
  if (!Show(ListingOf(figures, raw), flags.output)) return OutputClosed();
  return flags.fail_if_slower.empty() ? absl::OkStatus() : CheckNotSlower(figures, percent);
}

}  // namespace

void AddCompare(CLI::App& bench, Selected* selected) {
  CLI::App* command =
      bench.add_subcommand("compare", "Compare two runs: ratios with confidence intervals, and a verdict");
  auto flags = std::make_shared<CompareFlags>();
  command->add_option("A", flags->a, "JSON of the first run")->type_name("FILE")->required();
  command->add_option("B", flags->b, "JSON of the second run")->type_name("FILE")->required();
  command->add_flag("--force", flags->force, "Compare runs of different workloads");
  command
      ->add_option(
          "--fail-if-slower", flags->fail_if_slower,
          "Exit code 1 when calls/s of B are lower by more than this many percent: the whole interval "
          "of the ratio lies below")
      ->type_name("PERCENT");
  AddOutputFlag(*command, &flags->output);
  command->footer(
      "LOW and HIGH: 95 % confidence interval of the ratio of mean throughputs, a Welch t interval of its "
      "logarithm (delta method) over the calls of each second. VERDICT: better or worse when the interval "
      "leaves 1 out, else same. Latencies have a ratio alone.\n"
      "Examples:\n  rowhouse bench compare before.json after.json\n"
      "  rowhouse bench compare before.json after.json --fail-if-slower 5 -o json");
  OnRun(*command, selected, [=] { return RunCompare(*flags); });
}

}  // namespace rowhouse::cli::bench
