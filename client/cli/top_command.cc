// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse top

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/command.h"
#include "client/cli/flag_value.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/terminal.h"
#include "client/cli/top_view.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::cli {
namespace {

constexpr absl::Duration kMinInterval = absl::Milliseconds(100), kMaxInterval = absl::Hours(1);

struct TopFlags {
  std::string interval = "1s", output;
  bool once = false;
};

struct Look {
  std::vector<ServerStatus> statuses;
  absl::Time time;
};

absl::StatusOr<Look> LookAt(Client& client) {
  RH_ASSIGN_OR_RETURN(std::vector<ServerStatus> statuses, client.ServerStatuses());
  return Look{std::move(statuses), absl::Now()};
}

Listing ListingOf(const Look& before, const Look& now) {
  return TopListing(before.statuses, now.statuses, now.time, absl::ToDoubleSeconds(now.time - before.time));
}

// One interval of a stream that programs read: a line of JSON, a document of YAML, lines below one header.
std::string Block(const Listing& listing, OutputFormat format, bool first) {
  if (format == OutputFormat::kJson) return RenderJsonLine(listing);
  const std::string text = Render(listing, format, 0);
  if (format == OutputFormat::kYaml) return "---\n" + text;
  return first ? text : text.substr(text.find('\n') + 1);
}

std::string Frame(const Look& before, const Look& now, const std::string& output, bool live) {
  const std::string table = Render(ListingOf(before, now), FormatOf(output), TerminalColumns());
  const std::string time = absl::FormatTime("%H:%M:%S", now.time, absl::LocalTimeZone());
  return absl::StrCat("rowhouse top  ", time, live ? "  q quits" : "", "\n", table, live ? "" : "\n");
}

// Waits for the interval, a signal or a q. False: it is time to end.
bool Pause(const Interrupt& interrupt, FullScreen* screen, absl::Duration interval) {
  const absl::Time until = absl::Now() + interval;
  while (!interrupt.came()) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return true;
    interrupt.WaitFor(absl::ToChronoMilliseconds(left) + std::chrono::milliseconds(1), screen != nullptr);
    if (screen != nullptr && screen->QuitTyped()) return false;
  }
  return false;
}

absl::Status Top(const ConnectFlags& connect, const TopFlags& flags) {
  RH_ASSIGN_OR_RETURN(const absl::Duration interval, OfFlag("--interval", ParseDuration(flags.interval)));
  if (interval < kMinInterval || interval > kMaxInterval) {
    return absl::InvalidArgumentError(absl::StrCat("--interval is ", flags.interval, ", want 100ms to 1h"));
  }
  const Interrupt interrupt(kLongestEnd);
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(Look before, LookAt(*client));
  std::unique_ptr<FullScreen> screen;
  const bool live = !flags.once && FormatOf(flags.output) == OutputFormat::kTable && FullScreen::IsPossible();
  if (live) {
    screen = std::make_unique<FullScreen>();
    if (!screen->Draw(Frame({}, before, flags.output, live))) return OutputClosed();
  }
  const OutputFormat format = FormatOf(flags.output);
  const bool for_people = IsForPeople(format);
  for (bool first = true; Pause(interrupt, screen.get(), interval); first = false) {
    RH_ASSIGN_OR_RETURN(Look now, LookAt(*client));
    const std::string frame =
        for_people ? Frame(before, now, flags.output, live) : Block(ListingOf(before, now), format, first);
    const bool shown = live ? screen->Draw(frame) : Write(frame) && FlushOutput();
    if (!shown) return OutputClosed();
    if (flags.once) return absl::OkStatus();
    before = std::move(now);
  }
  return absl::OkStatus();  // q and Ctrl-C are how it ends
}

}  // namespace

void AddTopCommand(CLI::App& app, Selected* selected) {
  CLI::App* command = app.add_subcommand("top", "Watch servers: rows a second, hits, memory, spill, log");
  const auto connect = AddConnectFlags(*command);
  auto flags = std::make_shared<TopFlags>();
  command->add_option("--interval", flags->interval, "Between two looks, 100ms to 1h")->capture_default_str();
  command->add_flag("--once", flags->once, "One look over one interval, then end");
  AddOutputFlag(*command, &flags->output);
  command->footer(
      "On a terminal the view is drawn anew until q or Ctrl-C; into a pipe goes one block for each "
      "interval:\n"
      "with -o json the list of servers as one line (ndjson), with yaml a document, with csv lines below one "
      "header.\n"
      "HITS: ids pulled in the interval that were not read from spill.\n"
      "Examples:\n  rowhouse top\n  rowhouse top --once -o json\n  rowhouse top --interval 5s | cat\n"
      "  rowhouse top --interval 10s -o json");
  OnRun(*command, selected, [=] { return Top(*connect, *flags); });
}

}  // namespace rowhouse::cli
