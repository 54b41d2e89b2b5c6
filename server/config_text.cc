// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/config_text.h"

#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

constexpr size_t kColumns = 100;

const char* UnitText(const OptionEntry& entry) {
  switch (entry.type) {
    case OptionType::kText:
      return entry.placeholder == "DIR" ? "path" : entry.placeholder == "ADDRESS" ? "address" : "word";
    case OptionType::kBytes:
      return "bytes, as 512MiB or 4GiB";
    case OptionType::kDuration:
      return "time, as 200ms, 30s or 5m";
    case OptionType::kNumber:
      return "whole number";
    case OptionType::kSwitch:
      return "true or false";
    case OptionType::kList:
      return "list, as [a, b]";
  }
  return "";
}

std::string DefaultText(const OptionEntry& entry) {
  const std::string text = entry.get(ServerOptions());
  return text.empty() ? "empty" : text;
}

std::string YamlValue(const OptionEntry& entry) {
  const std::string text = entry.get(ServerOptions());
  if (entry.is_list()) return absl::StrCat("[", text, "]");
  return text.empty() ? "\"\"" : text;
}

// Words in lines of at most kColumns, each after `indent`.
std::string Wrapped(const std::string& indent, const std::string& text) {
  std::string out, line = indent;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (line.size() > indent.size() && line.size() + 1 + word.size() > kColumns) {
      absl::StrAppend(&out, line, "\n");
      line = indent;
    }
    absl::StrAppend(&line, line.size() > indent.size() ? " " : "", word);
  }
  return absl::StrCat(out, line, "\n");
}

std::string EntryYaml(const OptionEntry& entry) {
  const std::string indent = "  # ";
  return absl::StrCat(
      Wrapped(indent, entry.help + "."), Wrapped(indent, absl::StrCat("Unit: ", UnitText(entry), ".")),
      Wrapped(indent, absl::StrCat("Default: ", DefaultText(entry), ".")),
      Wrapped(indent, absl::StrCat("Range: ", entry.range.empty() ? "any" : entry.range, ".")),
      Wrapped(indent, absl::StrCat("Reloads on SIGHUP: ", entry.reloads ? "yes" : "no", ".")), "  #",
      entry.name(), ": ", YamlValue(entry), "\n");
}

constexpr char kYamlHead[] =
    R"(# Configuration of a Rowhouse server: rowhouse server --config FILE
#
# Every key is here with its default as a comment: take the # before a key away and change its value.
# Environment variables go over this file, and flags over both: memory.budget below is
# ROWHOUSE__MEMORY__BUDGET and --memory-budget. `rowhouse config validate FILE` checks a file,
# `rowhouse config show --origin` says what holds and where it was set.
)";

constexpr char kMarkdownHead[] = R"(# Configuration of a server

This page is the output of `rowhouse config reference`; the list it is made of also makes `rowhouse server --help` and
[rowhouse.yaml](../../deploy/config/rowhouse.yaml), which is the output of `rowhouse config print-defaults`.

A server takes each option from the last of these that names it:

1. the default;
2. the YAML file of `--config FILE` or `ROWHOUSE_CONFIG`: sections of keys, `memory.budget` being

   ```yaml
   memory:
     budget: 4GiB
   ```
3. an environment variable, `ROWHOUSE__MEMORY__BUDGET`;
4. a flag, `--memory-budget`.

Bytes are a whole number with B, KB, MB, GB, TB (1000s) or KiB, MiB, GiB, TiB (1024s). Times are numbers with us, ms, s, m or h, down
to a millisecond. Lists are `[a, b]` in the file, `a,b` in variables and flags. An empty path or address is written `""`.

A section, key or variable of `ROWHOUSE__` that does not exist is an error that names the nearest one, and so is a value of the wrong
type, unit or range; the message names file and line, variable or flag. Options that contradict each other are refused together.

`rowhouse config validate FILE` checks a file and exits with 0, or with 2 and `FILE:LINE: what is wrong`.
`rowhouse config show --origin` takes the flags of `rowhouse server` and prints what holds and where it was set.

On SIGHUP a server reads its file again. A file with an error changes nothing and is logged as an error. Keys that reload are applied and
logged with old value, new value and origin; of others that changed, a warning says that they wait for a restart. Without a file,
SIGHUP changes nothing.
)";

}  // namespace

std::string DefaultConfigYaml() {
  std::string out = kYamlHead;
  for (const std::string& section : OptionSections()) {
    absl::StrAppend(&out, "\n", Wrapped("# ", SectionHelp(section)), section, ":\n");
    bool first = true;
    for (const OptionEntry& entry : OptionTable()) {
      if (entry.section() != section) continue;
      absl::StrAppend(&out, first ? "" : "\n", EntryYaml(entry));
      first = false;
    }
  }
  return out;
}

std::string ConfigReferenceMarkdown() {
  std::string out = kMarkdownHead;
  for (const std::string& section : OptionSections()) {
    absl::StrAppend(&out, "\n## ", section, "\n\n", SectionHelp(section), "\n\n",
                    "| key | what it is | unit | default | range | SIGHUP reloads | flag | variable |\n",
                    "|---|---|---|---|---|---|---|---|\n");
    for (const OptionEntry& entry : OptionTable()) {
      if (entry.section() != section) continue;
      absl::StrAppend(&out, "| `", entry.key, "` | ", entry.help, " | ", UnitText(entry), " | ",
                      DefaultText(entry), " | ", entry.range.empty() ? "any" : entry.range, " | ",
                      entry.reloads ? "yes" : "no", " | ");
      absl::StrAppend(&out, "`", entry.flag(), "` | `", entry.environment_variable(), "` |\n");
    }
  }
  return out;
}

}  // namespace rowhouse::server
