// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse log dump | verify

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/log/log_files.h"
#include "client/cli/log/log_scan.h"
#include "client/cli/output.h"
#include "client/cli/proc_text.h"
#include "client/cli/render.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

struct DumpFlags {
  std::string path, output = "table";
  RecordFilter filter;
  bool values = false;
};

void TellOfRunningServer(const LogFiles& files) {
  const auto locks = ReadProcText("/proc/locks");
  const auto pid = RunningServer(*PosixFileSystem(), files.directory, locks.value_or(""), InodeOf);
  if (!pid.has_value()) return;
  WriteError(absl::StrCat("note: process ", *pid,
                          " runs a server on this log: its last records may be on their way, and a torn tail "
                          "may be what it writes just now\n"));
}

std::string Where(const SegmentReport& report) {
  return absl::StrCat(report.name, ", offset ", report.offset, ": ", report.detail);
}

// A torn tail is what a crash leaves. Damage is an error, with the way out.
absl::Status Conclude(const std::vector<SegmentReport>& reports) {
  size_t damaged = 0;
  const SegmentReport* worst = nullptr;
  for (const SegmentReport& report : reports) {
    if (report.verdict == SegmentVerdict::kTornTail) {
      WriteError(
          absl::StrCat("note: torn tail: ", Where(report),
                       "; a write that was not finished, which the next start of the server cuts off\n"));
    }
    if (report.verdict != SegmentVerdict::kDamaged) continue;
    ++damaged;
    if (worst == nullptr) worst = &report;
  }
  if (damaged == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      damaged, " of ", reports.size(), " segments ", damaged == 1 ? "is" : "are", " damaged, the first is ",
      Where(*worst), "; put back a copy of this log, or of the server's data directory"));
}

absl::Status Dump(const DumpFlags& flags) {
  FileSystem& fs = *PosixFileSystem();
  RH_ASSIGN_OR_RETURN(const LogFiles files, FindLog(fs, flags.path));
  TellOfRunningServer(files);
  const bool json = FormatOf(flags.output) == OutputFormat::kJson;
  if (!json && !Write(RecordLineHeader())) return OutputClosed();
  RH_ASSIGN_OR_RETURN(const std::vector<SegmentReport> reports,
                      ScanLog(fs, files, [&](const server::RecordHeader& header, const RecordBody& body) {
                        if (!flags.filter.Takes(header, body)) return absl::OkStatus();
                        const std::string text = json ? RecordJson(header, body, flags.values).dump() + "\n"
                                                      : RecordLine(header, body, flags.values);
                        return Write(text) ? absl::OkStatus() : OutputClosed();
                      }));
  return Conclude(reports);
}

absl::Status Verify(const std::string& path, const std::string& output) {
  FileSystem& fs = *PosixFileSystem();
  RH_ASSIGN_OR_RETURN(const LogFiles files, FindLog(fs, path));
  TellOfRunningServer(files);
  RH_ASSIGN_OR_RETURN(
      const std::vector<SegmentReport> reports,
      ScanLog(fs, files, [](const server::RecordHeader&, const RecordBody&) { return absl::OkStatus(); }));
  Listing listing{.columns = {{"segment", "SEGMENT"},
                              {"records", "RECORDS"},
                              {"bytes", "BYTES"},
                              {"first_sequence", "FIRST"},
                              {"last_sequence", "LAST"},
                              {"verdict", "VERDICT"},
                              {"offset", "OFFSET"},
                              {"detail", "DETAIL"}}};
  for (const SegmentReport& report : reports) {
    const bool ok = report.verdict == SegmentVerdict::kOk;
    const auto sequence = [&](LogSequence number) {
      return report.records == 0 ? Json(nullptr) : Json(number);
    };
    listing.rows.push_back({report.name, report.records, report.bytes, sequence(report.first_sequence),
                            sequence(report.next_sequence - 1), VerdictText(report.verdict),
                            ok ? Json(nullptr) : Json(report.offset),
                            ok ? Json(nullptr) : Json(report.detail)});
  }
  if (!Show(listing, output)) return OutputClosed();
  return Conclude(reports);
}

void AddDump(CLI::App& log, Selected* selected) {
  CLI::App* command = log.add_subcommand("dump", "Print the records of a push log, a line each");
  auto flags = std::make_shared<DumpFlags>();
  command->add_option("PATH", flags->path, "Log directory, data directory, or one segment")
      ->type_name("FILE")
      ->required();
  command->add_option("--partition", flags->filter.partition, "Only this partition");
  command->add_option("--table", flags->filter.table, "Only records with this table, by its id");
  command->add_option("--writer", flags->filter.writer, "Only this writer, by its id");
  command->add_flag("--values", flags->values, "Also the ids, counts and values of each row");
  command->add_option("-o,--output", flags->output, "Format; json is an object for each record, a line each")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->footer(
      "Reads files and asks no server. Ids of tables and writers: `rowhouse table list`, `rowhouse writer "
      "list`.\n"
      "Examples:\n  rowhouse log dump /var/lib/rowhouse/log\n"
      "  rowhouse log dump /var/lib/rowhouse/log --partition 3 --values\n"
      "  rowhouse log dump /var/lib/rowhouse/log -o json | head -n 100");
  OnRun(*command, selected, [=] { return Dump(*flags); });
}

void AddVerify(CLI::App& log, Selected* selected) {
  CLI::App* command = log.add_subcommand(
      "verify", "Read a push log whole and say how each segment is; exit code 1 for damage");
  auto path = std::make_shared<std::string>(), output = std::make_shared<std::string>();
  command->add_option("DIR", *path, "Log directory, or a server's data directory")
      ->type_name("DIR")
      ->required();
  AddOutputFlag(*command, output.get());
  command->footer(
      "Reads files, writes nothing and asks no server; it may run beside one. A torn tail, a last write that "
      "a "
      "crash cut, is no damage: exit code 0.\n"
      "Examples:\n  rowhouse log verify /var/lib/rowhouse/log\n  rowhouse log verify /var/lib/rowhouse -o "
      "json");
  OnRun(*command, selected, [=] { return Verify(*path, *output); });
}

}  // namespace

void AddLogCommands(CLI::App& app, Selected* selected) {
  CLI::App* log = app.add_subcommand("log", "Read a server's push log without the server");
  log->require_subcommand(1);
  AddDump(*log, selected);
  AddVerify(*log, selected);
}

}  // namespace rowhouse::cli
