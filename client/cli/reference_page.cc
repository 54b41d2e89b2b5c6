// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// docs/reference/cli.md from the command tree, and the hidden command that prints it.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/command.h"
#include "client/cli/command_tree.h"
#include "client/cli/output.h"

namespace rowhouse::cli {
namespace {

constexpr char kIntroduction[] =
    R"(<!-- Written by `rowhouse reference`, which a test compares with this page: change the commands, not the page. -->
# Command line

`rowhouse` is the server and the tool to work with it. Each command has `--help`.

## What holds for every command

**Exit codes.** 0 ok. 1 failure: the message on stderr says what and what to do (nothing where the reader of the output left, as
`head` does). 2 usage: a flag or value is wrong, nothing was
done. 3 unhealthy: the command worked and what it looked at is not well (`status`, `check`, `healthcheck`). 4 timeout: something did
not happen in the time given.

**Output.** `-o table` is for people; `wide` is the same with every column; `json`, `yaml` and `csv` (RFC 4180) have raw numbers under
fixed names. 64-bit identities (row ids, writers, clusters, seeds) are strings in JSON and YAML, because many readers round large
numbers. There are no colours, and nothing is cut off. A table wider than its terminal is shown as one line for each cell.

**Ids** are 64 bits. They are printed as 0 to 18446744073709551615; a negative one is taken as the signed form of the same bits, as -1 for
18446744073709551615.

**What destroys asks.** `table drop`, `row delete` of more than one id, `row expire`, `writer end`, `checkpoint delete`, `server drain` and
`cluster down --delete-data` want the name typed on a terminal, and `--yes` where nobody can be asked.

**Ctrl-C.** `top` and `cluster logs -f` end with 0, for that is how they end. `table dump` leaves no half-written file and then ends by
the signal, as `wait` does; a shell sees 130. So does `bench`, once it has printed what it measured and dropped its tables; `cluster up`,
once what it started has ended; `checkpoint create` and `restore`, once nothing of them is left. What waits for a server that does not
answer ends some seconds later all the same.

**Where the cluster is.** `--address`, or the variable `ROWHOUSE_ADDRESS`: any server, or several, comma-separated. `--timeout` bounds how
long a lost server is waited for, from 1ms to 24h.

**Lines of JSON.** What goes on and on prints a JSON document a line with `-o json` (ndjson, as `jq` reads it): `top` the list of servers for
each interval, `log dump` an object for each record.

## Commands

)";

// In a cell of a table.
std::string Cell(const std::string& text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\n", " "}, {"<", "&lt;"}});
}

std::string Anchor(const TreeCommand& command) {
  return absl::StrCat("rowhouse-", absl::StrReplaceAll(command.path(), {{" ", "-"}}));
}

std::string Usage(const TreeCommand& command) {
  std::string usage = absl::StrCat("rowhouse ", command.path(), " [OPTIONS]");
  for (const TreeOption& option : command.options) {
    if (!option.positional) continue;
    const std::string name = absl::StrCat(option.names[0], option.repeated ? "..." : "");
    absl::StrAppend(&usage, " ", option.required ? name : absl::StrCat("[", name, "]"));
  }
  return usage;
}

std::string OptionLine(const TreeOption& option) {
  std::string names;
  for (const std::string& name : option.names)
    absl::StrAppend(&names, names.empty() ? "" : ", ", "`", name, "`");
  if (!option.type.empty() && !option.positional) absl::StrAppend(&names, " ", option.type);
  std::string help = option.help;
  if (!option.choices.empty()) absl::StrAppend(&help, ". One of: ", absl::StrJoin(option.choices, ", "));
  if (option.required && !option.positional) help += ". Required";
  return absl::StrCat(
      "| ", names, " | ", option.standard.empty() ? "" : absl::StrCat("`", Cell(option.standard), "`"), " | ",
      option.variable.empty() ? "" : absl::StrCat("`", option.variable, "`"), " | ", Cell(help), " |\n");
}

std::string Section(const TreeCommand& command) {
  std::string out = absl::StrCat("### rowhouse ", command.path(), "\n\n", command.help, ".\n\n```\n",
                                 Usage(command), "\n```\n\n");
  std::string lines;
  for (const TreeOption& option : command.options) {
    if (option.names[0] != "-h") lines += OptionLine(option);
  }
  if (!lines.empty())
    absl::StrAppend(&out, "| option | default | environment | meaning |\n|---|---|---|---|\n", lines, "\n");
  const std::pair<std::string, std::string> footer =
      absl::StrSplit(command.footer, absl::MaxSplits("Examples:\n", 1));
  if (!footer.first.empty()) absl::StrAppend(&out, footer.first, "\n");
  if (footer.second.empty()) return out;
  out += "```\n";
  for (absl::string_view line : absl::StrSplit(footer.second, '\n'))
    absl::StrAppend(&out, absl::StripPrefix(line, "  "), "\n");
  return out + "```\n\n";
}

}  // namespace

std::string ReferencePage(const std::vector<TreeCommand>& tree) {
  std::string out = kIntroduction;
  out += "| command | does |\n|---|---|\n";
  const auto runs = [](const TreeCommand& command) {
    return command.leaf() || command.words == std::vector<std::string>{"server"};
  };
  for (const TreeCommand& command : tree) {
    if (runs(command))
      absl::StrAppend(&out, "| [rowhouse ", command.path(), "](#", Anchor(command), ") | ",
                      Cell(command.help), " |\n");
  }
  out += "\n";
  for (const TreeCommand& command : tree) {
    if (runs(command)) out += Section(command);
  }
  while (absl::EndsWith(out, "\n\n")) out.pop_back();
  return out;
}

void AddReferenceCommand(CLI::App& app, Selected* selected) {
  CLI::App* command = app.add_subcommand("reference", "Print docs/reference/cli.md");
  command->group("");  // for the project itself
  command->footer("Examples:\n  rowhouse reference > docs/reference/cli.md");
  const CLI::App* root = &app;
  OnRun(*command, selected,
        [root] { return Write(ReferencePage(ReadCommandTree(*root))) ? absl::OkStatus() : OutputClosed(); });
}

}  // namespace rowhouse::cli
