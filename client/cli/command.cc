// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/command.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/command_words.h"
#include "client/cli/flag_value.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "common/flag_checks.h"
#include "common/limits.h"
#include "common/nearest_word.h"
#include "common/status_macros.h"
#include "common/units.h"
#include "server/option_table.h"
#include "server/version.h"

namespace rowhouse::cli {

namespace {

constexpr absl::Duration kMinTimeout = absl::Milliseconds(1), kMaxTimeout = absl::Hours(24);
// A call's own deadline is bounded; --timeout is also for the calls after one that was lost.
constexpr std::chrono::seconds kLongestAttempt(limits::kMaxDeadlineSeconds);
// How the client's lines about what it tries again begin and end. A test compares them with what it tells.
constexpr absl::string_view kNoAnswerYet = "no server answers yet: ", kTryingAgain = "; trying again in ";

// Tells stderr what is waited for, once: whoever waits wants to know, and not at every attempt.
std::function<void(const std::string&)> TellFirstWait(const std::string& timeout) {
  return [timeout, told = std::make_shared<std::atomic<bool>>(false)](const std::string& line) {
    const std::optional<std::string> waits = WaitText(line, timeout);
    if (waits.has_value() && !told->exchange(true)) WriteError(*waits);
  };
}

}  // namespace

absl::StatusOr<absl::Duration> TimeoutOf(const ConnectFlags& flags) {
  RH_ASSIGN_OR_RETURN(const absl::Duration timeout, OfFlag("--timeout", ParseDuration(flags.timeout)));
  if (timeout < kMinTimeout || timeout > kMaxTimeout) {
    return absl::InvalidArgumentError(
        absl::StrCat("--timeout is ", flags.timeout, ", allowed are 1ms to 24h"));
  }
  return timeout;
}

std::shared_ptr<ConnectFlags> AddConnectFlags(CLI::App& command) {
  auto flags = std::make_shared<ConnectFlags>();
  command
      .add_option("--address", flags->address,
                  "host:port or unix:/path of any server; several, comma-separated, are tried in turn")
      ->envname("ROWHOUSE_ADDRESS")
      ->capture_default_str();
  command.add_option("--timeout", flags->timeout, "How long a lost or full server is waited for, as 10s")
      ->capture_default_str();
  command.add_flag("--insecure", flags->insecure,
                   "Allow an address on another machine; traffic is not encrypted");
  return flags;
}

std::optional<std::string> WaitText(absl::string_view line, absl::string_view timeout) {
  const size_t again = line.rfind(kTryingAgain);
  if (again == absl::string_view::npos && !absl::StartsWith(line, kNoAnswerYet)) return std::nullopt;
  return absl::StrCat(InCommandWords(line.substr(0, again)), "; trying again for up to ", timeout,
                      " (--timeout)\n");
}

namespace {

absl::StatusOr<std::unique_ptr<Client>> ConnectWith(const ConnectFlags& flags, ClientOptions options) {
  options.address = flags.address;
  options.attempt_timeout = std::min<std::chrono::milliseconds>(options.retry_timeout, kLongestAttempt);
  options.insecure = flags.insecure;
  auto client = Client::Connect(std::move(options));
  if (!absl::IsUnavailable(client.status()) && !absl::IsDeadlineExceeded(client.status())) return client;
  return absl::Status(client.status().code(),
                      absl::StrCat(client.status().message(),
                                   "; `rowhouse cluster up` starts a cluster, --address says where one is"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectFlags& flags,
                                                std::chrono::milliseconds retry_timeout) {
  return ConnectWith(flags, {.retry_timeout = retry_timeout});
}

absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectFlags& flags) {
  RH_ASSIGN_OR_RETURN(const absl::Duration timeout, TimeoutOf(flags));
  return ConnectWith(
      flags, {.retry_timeout = absl::ToChronoMilliseconds(timeout), .log = TellFirstWait(flags.timeout)});
}

void AddOutputFlag(CLI::App& command, std::string* output) {
  *output = "table";
  command.add_option("-o,--output", *output, "Format; wide is table with every column")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kOutputWords), std::end(kOutputWords))))
      ->capture_default_str();
}

CLI::Option* AddTableName(CLI::App& command, const std::string& positional, std::string* name) {
  return command.add_option(positional, *name, "Table")->type_name("TABLE");
}

void OnRun(CLI::App& command, Selected* selected, const std::function<absl::Status()>& run) {
  command.callback([=] { selected->run = [=] { return Report(run()); }; });
}

absl::Status OutputClosed() { return absl::CancelledError(""); }

absl::Status OrMayHaveHappened(const absl::Status& status, absl::string_view words) {
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), "; ", words));
}

int Report(const absl::Status& status) {
  if (status.ok()) return kOk;
  if (absl::IsCancelled(status) && status.message().empty()) return kFailure;
  WriteError(absl::StrCat("error: ", InCommandWords(status.message()), "\n"));
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnavailable:  // a server was waited for as long as --timeout says
      return kTimeout;
    case absl::StatusCode::kCancelled:
      return NotedSignal() == 0 ? kFailure : kEndedBySignal + NotedSignal();
    default:
      return kFailure;
  }
}

namespace {

// An option of a server may be empty: --http-listen for none, as in its file.
bool HasServerFlags(const CLI::App& app) {
  return absl::c_all_of(server::OptionTable(), [&](const server::OptionEntry& entry) {
    return app.get_option_no_throw(entry.flag()) != nullptr;
  });
}

// Elsewhere an empty value is a shell's variable that is not set, and is not taken for "not given".
void RefuseEmptyValues(CLI::App& app) {
  if (!HasServerFlags(app)) {
    for (CLI::Option* option : app.get_options()) {
      if (option->get_type_size() == 0) continue;
      option->check(CLI::Validator(
          [](std::string& text) { return text.empty() ? "the value is empty; leave the flag out" : ""; },
          ""));
    }
  }
  for (CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; })) RefuseEmptyValues(*child);
}

// Names the first word that is no command or flag, and the nearest that is; empty when all words are.
std::string WrongWord(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* at = &app;
  std::string path = app.get_name();
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (absl::StartsWith(word, "--") && word.size() > 2) {
      const std::vector<std::string> flags = FlagsOf(*at);
      const std::string flag = word.substr(0, word.find('='));
      if (!absl::c_linear_search(flags, flag)) {
        return absl::StrCat("'", path, "' has no ", flag, "; did you mean ", NearestWord(flag, flags),
                            "? See ", path, " --help");
      }
      const CLI::Option* option = at->get_option(flag);
      if (option->get_type_size() != 0 && word.size() == flag.size()) ++i;  // its value
      continue;
    }
    const auto children =
        at->get_subcommands([](const CLI::App* child) { return !child->get_group().empty(); });
    if (absl::StartsWith(word, "-") || children.empty()) continue;
    std::vector<std::string> names;
    names.reserve(children.size());
    for (const CLI::App* child : children) names.push_back(child->get_name());
    if (!absl::c_linear_search(names, word)) {
      return absl::StrCat("'", path, "' has no command '", word, "'; did you mean '",
                          NearestWord(word, names), "'? See ", path, " --help");
    }
    at = at->get_subcommand(word);
    absl::StrAppend(&path, " ", word);
  }
  return "";
}

// The command that was being parsed, as its user would ask for its help.
std::string ParsedPath(const CLI::App& app) {
  std::string path = app.get_name();
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().back();
    absl::StrAppend(&path, " ", at->get_name());
  }
  return path;
}

// Tells what is wrong with the command line, or gives the help that was asked for.
int ReportParse(const CLI::App& app, const CLI::ParseError& error, int argc, const char* const* argv) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const std::string wrong = WrongWord(app, argc, argv);
  WriteError(absl::StrCat(
      "error: ", wrong.empty() ? absl::StrCat(error.what(), "; see ", ParsedPath(app), " --help") : wrong,
      "\n"));
  return kUsage;
}

}  // namespace

void BuildCommandTree(CLI::App& app, Selected* selected) {
  app.require_subcommand(1);
  app.set_version_flag("--version", absl::StrCat("rowhouse ", server::Version()), "As rowhouse version");
  app.footer("Exit codes: 0 ok, 1 failure, 2 usage, 3 unhealthy, 4 timeout.");
  AddServerCommand(app, selected);
  AddServerVerbs(*app.get_subcommand("server"), selected);
  AddTableCommands(app, selected);
  AddRowCommands(app, selected);
  AddWriterCommands(app, selected);
  AddStatusCommands(app, selected);
  AddConfigCommands(app, selected);
  AddTopCommand(app, selected);
  AddBenchCommands(app, selected);
  AddCheckCommand(app, selected);
  AddDebugCommands(app, selected);
  AddLogCommands(app, selected);
  AddCheckpointCommands(app, selected);
  AddClusterCommands(app, selected);
  AddGenerateCommands(app, selected);
  AddCompletionCommand(app, selected);
  AddReferenceCommand(app, selected);
  CheckNumbers(app);
  RefuseEmptyValues(app);
}

int RunCommandLine(int argc, const char* const* argv) {
  // A reader that goes away, of stdout or of a connection, is an error to handle and not a reason to be
  // killed.
  std::signal(SIGPIPE, SIG_IGN);
  // gRPC writes its own view of every error to stderr, in its own format; ours come from statuses.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  CLI::App app("Rowhouse: a parameter server for embedding tables", "rowhouse");
  Selected selected;
  BuildCommandTree(app, &selected);
  if (argc == 1) {  // somebody who wants to know what there is
    Write(app.help());
    return FinishOutput(kOk);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 knows no other way to say it; --help is one of them
    return FinishOutput(ReportParse(app, error, argc, argv));
  }
  if (selected.nested_run) return FinishOutput(selected.nested_run());
  if (!selected.run) return kUsage;
  return FinishOutput(selected.run());
}

}  // namespace rowhouse::cli
