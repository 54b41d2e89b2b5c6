// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse bench pull | push | mixed

#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/cli/bench/bench_report.h"
#include "client/cli/bench/load_generator.h"
#include "client/cli/bench/session.h"
#include "client/cli/bench/workload.h"
#include "client/cli/command.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "common/clock.h"
#include "common/file_system.h"
#include "common/status_macros.h"
#include "common/units.h"
#include "server/version.h"

namespace rowhouse::cli {

namespace bench {

void AddCompare(CLI::App& bench, Selected* selected);  // compare_command.cc

namespace {

constexpr char kInProcess[] = "local:";
constexpr int64_t kProgressNanos = 200'000'000;   // between two updates of the line
constexpr std::chrono::seconds kLongestDrop(30);  // of the tables, after a signal

struct BenchFlags {
  WorkloadFlags workload;
  std::string output = "text", out;
};

absl::StatusOr<ClientOptions> OptionsOf(const ConnectFlags& flags, const Workload& workload) {
  RH_ASSIGN_OR_RETURN(const absl::Duration timeout, TimeoutOf(flags));
  if (flags.address == kInProcess && workload.clients > 1) {
    return absl::InvalidArgumentError(absl::StrCat("--clients is ", workload.clients,
                                                   ", want 1 with --address ", kInProcess,
                                                   ": each would have a server of its own"));
  }
  ClientOptions options;
  options.address = flags.address;
  options.insecure = flags.insecure;
  options.retry_timeout = options.attempt_timeout = absl::ToChronoMilliseconds(timeout);
  return options;
}

// Before the measurement, so that no run ends with nowhere to go.
absl::Status CheckOut(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::absolute(path, error).parent_path();
  if (std::filesystem::is_directory(path, error))
    return absl::InvalidArgumentError(absl::StrCat("--out is ", path, ", a directory; want a file"));
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--out is ", path, ", whose directory is missing or may not be written to"));
  }
  return absl::OkStatus();
}

// Says on a terminal what goes on; silent elsewhere.
class Progress {
 public:
  ~Progress() { Clear(); }
  void Say(absl::string_view text) {
    if (terminal_) WriteError(absl::StrCat("\r\x1b[K", text));
    shown_ = terminal_;
  }
  void Rows(uint64_t done, uint64_t all) {
    const int64_t now = SystemClock()->NowMonotonicNanos();
    if (now - last_ < kProgressNanos && done < all) return;
    last_ = now;
    Say(absl::StrCat("filling: ", done, " of ", all, " rows"));
  }
  void Clear() {
    if (shown_) WriteError("\r\x1b[K");
    shown_ = false;
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  bool shown_ = false;
  int64_t last_ = 0;
};

absl::Status DescribeCluster(Client& client, Setup* setup) {
  RH_ASSIGN_OR_RETURN(const std::vector<ServerStatus> servers, client.ServerStatuses());
  for (const ServerStatus& server : servers) setup->servers.emplace_back(server.address, server.version);
  setup->partitions = client.partition_count();
  setup->client_version = server::Version();
  DescribeMachine(setup);
  return absl::OkStatus();
}

LoadPlan PlanOf(const Workload& workload) {
  LoadPlan plan;
  plan.warm_up_nanos = absl::ToInt64Nanoseconds(workload.warm_up);
  plan.duration_nanos = absl::ToInt64Nanoseconds(workload.duration);
  plan.rate = workload.rate;
  plan.push_share = workload.operation == Operation::kPull   ? 0
                    : workload.operation == Operation::kPush ? 1
                                                             : workload.push_share;
  plan.seed = workload.seed;
  return plan;
}

// Tables are made, measured with, and dropped again.
absl::StatusOr<Run> Measure(const ClientOptions& options, const Workload& workload,
                            const Interrupt& interrupt) {
  Progress progress;
  Run run{.workload = workload};
  run.setup.address = options.address;
  const auto check = [&] { return interrupt.Check(); };
  RH_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, Session::Open(options, workload, check));
  RH_RETURN_IF_ERROR(DescribeCluster(session->client(), &run.setup));
  if (workload.fill) {
    RH_RETURN_IF_ERROR(session->Fill(check, [&](uint64_t done, uint64_t all) { progress.Rows(done, all); }));
  }
  const uint64_t retries_before = session->retries();
  progress.Say(absl::StrCat("measuring for ", absl::FormatDuration(workload.duration), " after ",
                            absl::FormatDuration(workload.warm_up), " of warm-up; Ctrl-C ends it early"));
  {
    const std::vector<std::unique_ptr<Caller>> callers = session->MakeCallers();
    run.measurement = RunLoad(PlanOf(workload), callers, SystemClock(), [&](std::chrono::milliseconds most) {
      interrupt.WaitFor(most);
      return interrupt.came();
    });
  }
  run.retries = session->retries() - retries_before;
  progress.Clear();
  if (workload.keep) WriteError(absl::StrCat("tables kept: ", session->prefix(), "_table0 and so on\n"));
  const absl::Status closed = session->Close();
  if (!closed.ok()) WriteError(absl::StrCat("warning: ", closed.message(), "\n"));
  return run;
}

// Whether a run without a single success is a failure is told after its report.
absl::Status JudgeRun(const Run& run) {
  if (run.measurement.AnySucceeded()) return absl::OkStatus();
  if (run.measurement.interrupted) return absl::UnavailableError("interrupted before a call was measured");
  const uint64_t failed = run.measurement.pull.failed() + run.measurement.push.failed();
  if (failed > 0) return absl::UnavailableError(absl::StrCat("every call failed, ", failed, " in all"));
  return absl::UnavailableError("no call ended in the measured time: use a longer --duration");
}

absl::Status Bench(const ConnectFlags& connect, const BenchFlags& flags, Operation operation,
                   const Interrupt& interrupt) {
  RH_ASSIGN_OR_RETURN(const Workload workload, MakeWorkload(operation, flags.workload));
  RH_ASSIGN_OR_RETURN(const ClientOptions options, OptionsOf(connect, workload));
  RH_RETURN_IF_ERROR(CheckOut(flags.out));
  RH_ASSIGN_OR_RETURN(const Run run, Measure(options, workload, interrupt));
  const std::string json = ReportJson(run).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  const bool shown = Write(flags.output == "json"  ? json
                           : flags.output == "csv" ? ReportCsv(run)
                                                   : ReportText(run));
  if (!flags.out.empty()) RH_RETURN_IF_ERROR(ReplaceFileDurably(*PosixFileSystem(), flags.out, json));
  return shown ? JudgeRun(run) : OutputClosed();
}

// Ends by the signal that interrupted it, as a shell's loop expects, but with its report and without tables.
int RunBench(const ConnectFlags& connect, const BenchFlags& flags, Operation operation) {
  int code = kOk, signal = 0;
  {
    const Interrupt interrupt(kLongestDrop);
    code = Report(Bench(connect, flags, operation, interrupt));
    signal = interrupt.signal();
  }
  if (signal != 0) {
    FlushOutput();
    std::raise(signal);
  }
  return code;
}

void AddTableFlags(CLI::App& command, WorkloadFlags* flags) {
  const auto add = [&](const char* name, std::string* text, const char* help, const char* standard,
                       const char* type) {
    command.add_option(name, *text, help)->default_str(standard)->type_name(type);
  };
  command
      .add_option("--preset", flags->preset,
                  "Tables, dim, batch and pooling of a published model; flags given beside it go first")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kPresets), std::end(kPresets))));
  add("--tables", &flags->tables, "Tables that each call has ids of; with a preset, its first ones", "1",
      "UINT");
  add("--rows", &flags->rows, "Rows of each table: ids are drawn from 0 to this, exclusive", "1000000",
      "UINT");
  add("--dim", &flags->dim, "Elements of a row", "64", "UINT");
  add("--batch", &flags->batch, "Samples of a call", "2048", "UINT");
  add("--pooling", &flags->pooling, "Ids of a sample in each table: a call has batch x pooling ids a table",
      "1", "UINT");
  add("--zipf", &flags->zipf, "Exponent of Zipf's law, 0 to 10, as 0.99; 0: all rows alike", "0", "FLOAT");
  command.add_option("--optimizer", flags->optimizer, "Of the tables")
      ->check(CLI::IsMember({"sgd", "adagrad", "rowwise_adagrad"}))
      ->default_str("sgd");
  command.add_option("--durability", flags->durability, "Of the tables")
      ->check(CLI::IsMember({"volatile", "async", "sync"}))
      ->default_str("async");
  command.add_flag("--fill", flags->fill, "Push every row once before");
  command.add_flag("--keep", flags->keep, "Do not drop the tables at the end");
}

void AddLoadFlags(CLI::App& command, Operation operation, WorkloadFlags* flags) {
  const auto add = [&](const char* name, std::string* text, const char* help, const char* standard,
                       const char* type) {
    command.add_option(name, *text, help)->default_str(standard)->type_name(type);
  };
  add("--clients", &flags->clients, "Clients, each with its own threads and writer, 1 to 256", "1", "UINT");
  add("--in-flight", &flags->in_flight, "Calls of a client at once, 1 to 256", "1", "UINT");
  add("--duration", &flags->duration, "What is measured, 100ms to 24h", "10s", "TIME");
  add("--warm-up", &flags->warm_up, "What goes before, with the same load, 0s to 1h", "2s", "TIME");
  add("--rate", &flags->rate,
      "Calls a second over all clients (open loop), latency from the intended start; without it each call "
      "follows the one before (closed loop)",
      "", "FLOAT");
  // Known to all, so that pull and push can say why it is wrong there.
  add("--push-share", &flags->push_share, "Share of pushes among the calls of bench mixed",
      operation == Operation::kMixed ? "0.5" : "", "FLOAT");
  add("--seed", &flags->seed, "Of the ids and gradients", "1", "UINT");
}

struct Verb {
  Operation operation;
  const char* help;
  const char* examples;
};

constexpr Verb kVerbs[] = {
    {Operation::kPull, "Measure pulls",
     "  rowhouse bench pull --duration 2s --warm-up 1s\n"
     "  rowhouse bench pull --zipf 0.99 --clients 2 --in-flight 2 --rows 100000 --fill --duration 2s\n"
     "  rowhouse bench pull --preset dlrm-kaggle --rate 20 --in-flight 4 --duration 3s -o json"},
    {Operation::kPush, "Measure pushes",
     "  rowhouse bench push --rows 100000 --optimizer rowwise_adagrad --duration 2s\n"
     "  rowhouse bench push --rows 100000 --durability sync --in-flight 8 --duration 2s --out push.json"},
    {Operation::kMixed, "Measure pulls and pushes together, each apart",
     "  rowhouse bench mixed --rows 100000 --in-flight 4 --duration 2s\n"
     "  rowhouse bench mixed --push-share 0.1 --tables 4 --rows 20000 --dim 16 --duration 2s -o csv"}};

void AddVerb(CLI::App& bench, Selected* selected, const Verb& verb) {
  CLI::App* command = bench.add_subcommand(OperationText(verb.operation), verb.help);
  const auto connect = AddConnectFlags(*command);
  auto flags = std::make_shared<BenchFlags>();
  AddTableFlags(*command, &flags->workload);
  AddLoadFlags(*command, verb.operation, &flags->workload);
  command->add_option("-o,--output", flags->output, "Format; json has everything")
      ->check(CLI::IsMember({"text", "csv", "json"}))
      ->capture_default_str();
  command->add_option("--out", flags->out, "Also write the JSON to a file")->type_name("FILE");
  command->footer(absl::StrCat(
      "Makes tables of its own, named bench_..., and drops them at the end, after Ctrl-C and errors too. "
      "Goes "
      "on after calls that fail; exit code 1 when all did. MB are 1,000,000 bytes of the rows' floats.\n"
      "Examples:\n",
      verb.examples));
  const Operation operation = verb.operation;
  command->callback([=] { selected->run = [=] { return RunBench(*connect, *flags, operation); }; });
}

}  // namespace
}  // namespace bench

void AddBenchCommands(CLI::App& app, Selected* selected) {
  CLI::App* bench = app.add_subcommand("bench", "Measure the speed of a cluster");
  bench->require_subcommand(1);
  for (const bench::Verb& verb : bench::kVerbs) bench::AddVerb(*bench, selected, verb);
  bench::AddCompare(*bench, selected);
}

}  // namespace rowhouse::cli
