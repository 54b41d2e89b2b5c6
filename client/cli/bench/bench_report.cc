// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/bench_report.h"

#include <sys/utsname.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/cli/proc_text.h"
#include "client/cli/table_text.h"

namespace rowhouse::cli::bench {
namespace {

constexpr double kNanosToSeconds = 1e-9;

struct Percentile {
  const char* key;
  const char* title;
  double share;
};
constexpr Percentile kPercentiles[] = {
    {"p50", "P50", 0.5}, {"p90", "P90", 0.9}, {"p99", "P99", 0.99}, {"p99.9", "P99.9", 0.999}};

struct Named {
  const char* name;
  const OperationMeasurement* of;
};

// The kinds of call that the run has.
std::vector<Named> Operations(const Run& run) {
  std::vector<Named> out;
  if (run.workload.operation != Operation::kPush) out.push_back({"pull", &run.measurement.pull});
  if (run.workload.operation != Operation::kPull) out.push_back({"push", &run.measurement.push});
  return out;
}

double PerSecond(const Run& run, const OperationMeasurement& of) {
  return run.measurement.nanos == 0 ? 0 : static_cast<double>(of.calls) / run.measurement.seconds();
}

double Megabytes(const Run& run) { return static_cast<double>(run.workload.BytesPerCall()) * 1e-6; }

Json LatencyJson(const LatencyHistogram& latency) {
  Json json = {{"calls", latency.count()}};
  const bool any = latency.count() > 0;
  json["mean"] = any ? Json(latency.mean_nanos() * kNanosToSeconds) : Json();
  for (const Percentile& p : kPercentiles) {
    json[p.key] =
        any ? Json(static_cast<double>(latency.PercentileNanos(p.share)) * kNanosToSeconds) : Json();
  }
  json["max"] = any ? Json(static_cast<double>(latency.max_nanos()) * kNanosToSeconds) : Json();
  return json;
}

Json OperationJson(const Run& run, const OperationMeasurement& of) {
  const double calls = PerSecond(run, of);
  Json errors = Json::object();
  for (const auto& [code, tally] : of.errors) {
    errors[absl::StatusCodeToString(code)] = {{"calls", tally.calls}, {"first_message", tally.first_message}};
  }
  return {{"calls", of.calls},
          {"failed_calls", of.failed()},
          {"calls_per_second", calls},
          {"rows_per_second", calls * static_cast<double>(run.workload.IdsPerCall())},
          {"megabytes_per_second", calls * Megabytes(run)},
          {"latency_seconds", LatencyJson(of.latency)},
          {"errors", errors},
          {"samples", {{"interval_seconds", 1}, {"calls", of.calls_by_second}}}};
}

Json SetupJson(const Setup& setup) {
  Json servers = Json::array();
  for (const auto& [address, version] : setup.servers)
    servers.push_back({{"address", address}, {"version", version}});
  return {{"address", setup.address}, {"client_version", setup.client_version},
          {"servers", servers},       {"partitions", setup.partitions},
          {"cpu", setup.cpu},         {"cores", setup.cores},
          {"kernel", setup.kernel},   {"date", setup.date}};
}

double DrawShare(const Measurement& m) {
  return m.total_nanos == 0 ? 0 : static_cast<double>(m.draw_nanos) / static_cast<double>(m.total_nanos);
}

std::string Many(uint64_t count, const char* what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

std::string DurationText(absl::Duration duration) {
  return duration == absl::ZeroDuration() ? "0s" : absl::FormatDuration(duration);
}

// The lines above the figures.
std::string Heading(const Run& run) {
  const Workload& w = run.workload;
  uint64_t rows = 0;
  for (const TableShape& table : w.tables) rows += table.rows;
  std::string out = absl::StrCat("rowhouse bench ", OperationText(w.operation), ": ",
                                 Many(run.setup.servers.size(), "server"), " at ", run.setup.address, "\n");
  absl::StrAppend(&out, "tables: ", w.tables.size(),
                  w.preset.empty() ? "" : absl::StrCat(" (", w.preset, ")"), ", ", rows, " rows in all, ",
                  w.fill ? "each pushed before" : "none pushed before", "; dim ", w.dim, ", ",
                  OptimizerText(w.optimizer), ", ", DurabilityText(w.durability), "\n");
  absl::StrAppend(&out, "a call: ", w.IdsPerCall(), " ids, ",
                  w.zipf == 0 ? "uniform" : absl::StrCat("Zipf ", w.zipf), "; ", Many(w.clients, "client"),
                  ", ", w.in_flight, " in flight each, ",
                  w.rate == 0 ? "closed loop" : absl::StrCat("open loop, ", w.rate, " calls/s in all"), "\n");
  const absl::Duration measured = absl::Nanoseconds(run.measurement.nanos);
  absl::StrAppend(&out, "measured: ", DurationText(absl::Trunc(measured, absl::Milliseconds(1))), " after ",
                  DurationText(w.warm_up), " of warm-up", run.measurement.interrupted ? ", interrupted" : "",
                  "\n\n");
  return out;
}

// The lines below them: what a reader must know to trust them.
std::string Remarks(const Run& run) {
  const Measurement& m = run.measurement;
  std::string out;
  for (const Named& operation : Operations(run)) {
    for (const auto& [code, tally] : operation.of->errors) {
      absl::StrAppend(&out, "errors: ", Many(tally.calls, operation.name), " failed, ",
                      absl::StatusCodeToString(code), ": ", tally.first_message, "\n");
    }
  }
  if (run.retries > 0)
    absl::StrAppend(&out, "retries: ", run.retries, ", by the client, inside of the latencies\n");
  if (run.workload.rate != 0) {
    absl::StrAppend(&out, "starts: ", m.started + m.unstarted, " intended, ", m.late, " more than 1ms late, ",
                    m.unstarted, " never begun",
                    m.unstarted > 0 ? " (no call was free: raise --in-flight or lower --rate)" : "", "\n");
  }
  absl::StrAppend(&out, absl::StrFormat("drawing ids: %.1f%% of the clients' time\n", 100 * DrawShare(m)));
  if (!run.workload.fill && run.workload.operation == Operation::kPull)
    out += "rows: initial ones, for none was ever pushed; --fill pushes them first\n";
  return out;
}

}  // namespace

void DescribeMachine(Setup* setup) {
  const auto cpuinfo = ReadProcText("/proc/cpuinfo");
  for (absl::string_view line : absl::StrSplit(cpuinfo.ok() ? *cpuinfo : "", '\n')) {
    if (!absl::ConsumePrefix(&line, "model name")) continue;
    setup->cpu = std::string(absl::StripLeadingAsciiWhitespace(line.substr(line.find(':') + 1)));
    break;
  }
  setup->cores = std::thread::hardware_concurrency();
  utsname kernel{};
  if (uname(&kernel) == 0) setup->kernel = absl::StrCat(kernel.sysname, " ", kernel.release);
  setup->date = absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone());
}

std::string LatencyText(double seconds) {
  const auto three = [](double value, const char* unit) {
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return absl::StrFormat("%.*f%s", decimals, value, unit);
  };
  if (seconds < 999.5e-6) return three(seconds * 1e6, "us");
  return seconds < 0.9995 ? three(seconds * 1e3, "ms") : three(seconds, "s");
}

Json ReportJson(const Run& run) {
  const Measurement& m = run.measurement;
  Json results = Json::object();
  for (const Named& operation : Operations(run)) results[operation.name] = OperationJson(run, *operation.of);
  Json how = RunJson(run.workload);
  how["measured_seconds"] = m.seconds();
  how["interrupted"] = m.interrupted;
  how["retries"] = run.retries;
  how["id_drawing_share"] = DrawShare(m);
  how["open_loop"] = run.workload.rate == 0 ? Json()
                                            : Json({{"intended_starts", m.started + m.unstarted},
                                                    {"late_starts", m.late},
                                                    {"never_begun", m.unstarted}});
  return {{"kind", kReportKind},
          {"format", kReportFormat},
          {"setup", SetupJson(run.setup)},
          {"workload", WorkloadJson(run.workload)},
          {"run", how},
          {"results", results}};
}

std::string ReportCsv(const Run& run) {
  Listing listing{.columns = {{"call", ""},
                              {"calls", ""},
                              {"failed_calls", ""},
                              {"late_starts", ""},
                              {"never_begun", ""},
                              {"measured_seconds", ""},
                              {"calls_per_second", ""},
                              {"rows_per_second", ""},
                              {"megabytes_per_second", ""}}};
  for (const Percentile& p : kPercentiles) listing.columns.push_back({absl::StrCat(p.key, "_seconds"), ""});
  listing.columns.push_back({"max_seconds", ""});
  for (const Named& operation : Operations(run)) {
    const Json json = OperationJson(run, *operation.of);
    const Json& latency = json["latency_seconds"];
    std::vector<Json> row = {operation.name,
                             json["calls"],
                             json["failed_calls"],
                             run.measurement.late,
                             run.measurement.unstarted,
                             run.measurement.seconds(),
                             json["calls_per_second"],
                             json["rows_per_second"],
                             json["megabytes_per_second"]};
    for (const Percentile& p : kPercentiles) row.push_back(latency[p.key]);
    row.push_back(latency["max"]);
    listing.rows.push_back(std::move(row));
  }
  return Render(listing, OutputFormat::kCsv, 0);
}

std::string ReportText(const Run& run) {
  Listing listing{
      .columns = {{"call", "CALL"}, {"calls", "CALLS/S"}, {"rows", "ROWS/S"}, {"megabytes", "MB/S"}}};
  for (const Percentile& p : kPercentiles) listing.columns.push_back({p.key, p.title});
  listing.columns.push_back({"max", "MAX"});
  listing.columns.push_back({"count", "CALLS"});
  listing.columns.push_back({"failed", "FAILED"});
  for (const Named& operation : Operations(run)) {
    const double calls = PerSecond(run, *operation.of);
    const LatencyHistogram& latency = operation.of->latency;
    std::vector<Json> row = {operation.name, absl::StrFormat("%.1f", calls),
                             absl::StrFormat("%.0f", calls * static_cast<double>(run.workload.IdsPerCall())),
                             absl::StrFormat("%.1f", calls * Megabytes(run))};
    const auto add_latency = [&](int64_t nanos) {
      row.push_back(latency.count() == 0 ? Json()
                                         : Json(LatencyText(static_cast<double>(nanos) * kNanosToSeconds)));
    };
    for (const Percentile& p : kPercentiles) add_latency(latency.PercentileNanos(p.share));
    add_latency(latency.max_nanos());
    row.push_back(operation.of->calls);
    row.push_back(operation.of->failed());
    listing.rows.push_back(std::move(row));
  }
  return absl::StrCat(Heading(run), Render(listing, OutputFormat::kTable, TerminalColumns()), "\n",
                      Remarks(run));
}

}  // namespace rowhouse::cli::bench
