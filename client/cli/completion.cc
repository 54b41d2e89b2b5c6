// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Completion scripts from the command tree. Each script finds the deepest command among the words typed so
// far, then offers what may follow there.

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/cli/command.h"
#include "client/cli/command_tree.h"
#include "client/cli/output.h"

namespace rowhouse::cli {
namespace {

// What names there are, by the word of their option's value. Asked with the address that the line being typed
// has; quick, for somebody waits with a finger on Tab.
struct NameSource {
  const char *type, *noun, *command;
};
constexpr NameSource kNameSources[] = {
    {"TABLE", "tables", "rowhouse table list -o csv --timeout 1s"},
    {"CHECKPOINT", "checkpoints", "rowhouse checkpoint list -o csv --timeout 1s"},
};

const NameSource* SourceOf(const TreeOption& option) {
  for (const NameSource& source : kNameSources) {
    if (option.type == source.type) return &source;
  }
  return nullptr;
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// What a word may be.
enum class Kind { kWords, kFile, kDirectory, kName, kUnknown };
Kind KindOf(const TreeOption& option) {
  if (!option.choices.empty()) return Kind::kWords;
  if (option.type == "FILE") return Kind::kFile;
  if (option.type == "DIR") return Kind::kDirectory;
  if (SourceOf(option) != nullptr) return Kind::kName;
  return Kind::kUnknown;
}

// A function of the shell for each source that prints its names, a line each.
std::string NameFunctions(const char* before_noun, const char* after_noun, const char* address,
                          const char* end) {
  std::string functions;
  for (const NameSource& source : kNameSources) {
    absl::StrAppend(&functions, before_noun, source.noun, after_noun, source.command, address,
                    " 2>/dev/null | tail -n +2 | cut -d, -f1\n", end);
  }
  return functions;
}

const TreeOption* Positional(const TreeCommand& command) {
  for (const TreeOption& option : command.options) {
    if (option.positional) return &option;
  }
  return nullptr;
}

std::vector<std::string> Names(const TreeCommand& command) {
  std::vector<std::string> names;
  for (const TreeOption& option : command.options) {
    if (!option.positional) names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

std::vector<std::string> Children(const TreeCommand& command) {
  std::vector<std::string> words;
  for (const auto& child : command.children) words.push_back(child.first);
  return words;
}

// A case label for each command, as "table create", in one alternation.
std::string Paths(const std::vector<TreeCommand>& tree) {
  std::vector<std::string> paths;
  for (const TreeCommand& command : tree) {
    if (!command.words.empty()) paths.push_back(absl::StrCat("\"", command.path(), "\""));
  }
  return absl::StrJoin(paths, "|");
}

// "table list:-o"|"table list:--output"
std::string Labels(const TreeCommand& command, const TreeOption& option) {
  std::vector<std::string> labels;
  for (const std::string& name : option.names)
    labels.push_back(absl::StrCat("\"", command.path(), ":", name, "\""));
  return absl::StrJoin(labels, "|");
}

std::string BashAction(const TreeOption& option) {
  switch (KindOf(option)) {
    case Kind::kWords:
      return absl::StrCat("words=\"", absl::StrJoin(option.choices, " "), "\"");
    case Kind::kFile:
      return "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return";
    case Kind::kDirectory:
      return "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); return";
    case Kind::kName:
      return absl::StrCat("words=$(_rowhouse_", SourceOf(option)->noun, " \"$address\")");
    case Kind::kUnknown:
      break;
  }
  return "return";
}

std::string ZshAction(const TreeOption& option) {
  switch (KindOf(option)) {
    case Kind::kWords:
      return absl::StrCat("compadd -- ", absl::StrJoin(option.choices, " "));
    case Kind::kFile:
      return "_files";
    case Kind::kDirectory:
      return "_files -/";
    case Kind::kName:
      return absl::StrCat("compadd -- ${(f)\"$(_rowhouse_", SourceOf(option)->noun, " \"$address\")\"}");
    case Kind::kUnknown:
      break;
  }
  return "_message 'a value'";
}

std::string FishAction(const TreeOption& option) {
  switch (KindOf(option)) {
    case Kind::kWords:
      return absl::StrCat(" -x -a ", Quoted(absl::StrJoin(option.choices, " ")));
    case Kind::kFile:
      return " -r -F";
    case Kind::kDirectory:
      return " -x -a '(__fish_complete_directories)'";
    case Kind::kName:
      return absl::StrCat(" -x -a '(__rowhouse_", SourceOf(option)->noun, ")'");
    case Kind::kUnknown:
      break;
  }
  return " -x";
}

void AddBashCases(const std::vector<TreeCommand>& tree, std::string* values, std::string* words) {
  for (const TreeCommand& command : tree) {
    for (const TreeOption& option : command.options) {
      if (!option.positional && !option.type.empty())
        absl::StrAppend(values, "    ", Labels(command, option), ") ", BashAction(option), " ;;\n");
    }
    const std::string flags = absl::StrJoin(Names(command), " ");
    const TreeOption* positional = Positional(command);
    absl::StrAppend(words, "    \"", command.path(), "\") if [[ $cur == -* ]]; then words=\"", flags,
                    "\"; else ");
    if (!command.leaf()) {
      absl::StrAppend(words, "words=\"", absl::StrJoin(Children(command), " "), "\"");
    } else {
      absl::StrAppend(
          words, positional != nullptr ? BashAction(*positional) : absl::StrCat("words=\"", flags, "\""));
    }
    absl::StrAppend(words, "; fi ;;\n");
  }
}

}  // namespace

std::string BashCompletion(const std::vector<TreeCommand>& tree) {
  std::string values, words;
  AddBashCases(tree, &values, &words);
  return absl::StrCat(R"(# bash completion for rowhouse; written by: rowhouse completion bash
)",
                      NameFunctions("_rowhouse_", "() {\n  ", R"( ${1:+--address "$1"})", "}\n"),
                      R"(_rowhouse() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at="" next="" address="" words="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ ${COMP_WORDS[i]} == --address ]] && address=${COMP_WORDS[i+1]}
    next="$at${at:+ }${COMP_WORDS[i]}"
    case "$next" in
    )",
                      Paths(tree), R"() at=$next ;;
    esac
  done
  # Bash splits host:port at the colon.
  [[ -n $address ]] && address=$(printf '%s' "$COMP_LINE" | sed -n 's/.*--address[ =]*\([^ ]*\).*/\1/p')
  case "$at:$prev" in
)",
                      values, R"(    *) case "$at" in
)",
                      words, R"(    esac ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _rowhouse rowhouse
)");
}

std::string ZshCompletion(const std::vector<TreeCommand>& tree) {
  std::string values, words;
  const auto described = [](const std::string& word, const std::string& help) {
    return Quoted(absl::StrCat(absl::StrReplaceAll(word, {{":", "\\:"}}), ":", help));
  };
  for (const TreeCommand& command : tree) {
    std::string flags;
    for (const TreeOption& option : command.options) {
      if (option.positional) continue;
      if (!option.type.empty())
        absl::StrAppend(&values, "    ", Labels(command, option), ") ", ZshAction(option), "; return ;;\n");
      for (const std::string& name : option.names) absl::StrAppend(&flags, " ", described(name, option.help));
    }
    std::string children;
    for (const auto& [word, help] : command.children) absl::StrAppend(&children, " ", described(word, help));
    const TreeOption* positional = Positional(command);
    absl::StrAppend(&words, "    \"", command.path(), "\")\n      if [[ $PREFIX == -* ]]; then list=(", flags,
                    "); _describe option list\n      else ");
    if (!command.leaf()) {
      absl::StrAppend(&words, "list=(", children, "); _describe command list");
    } else {
      words += positional != nullptr ? ZshAction(*positional)
                                     : absl::StrCat("list=(", flags, "); _describe option list");
    }
    words += "; fi ;;\n";
  }
  return absl::StrCat(R"(#compdef rowhouse
# zsh completion for rowhouse; written by: rowhouse completion zsh
)",
                      NameFunctions("_rowhouse_", "() {\n  ", R"( ${1:+--address} ${1:+"$1"})", "}\n"),
                      R"(_rowhouse() {
  local at="" next="" address="" i
  local -a list
  for ((i = 2; i < CURRENT; i++)); do
    [[ ${words[i]} == --address ]] && address=${words[i+1]}
    next="$at${at:+ }${words[i]}"
    case "$next" in
    )",
                      Paths(tree), R"() at=$next ;;
    esac
  done
  case "$at:${words[CURRENT-1]}" in
)",
                      values, R"(  esac
  case "$at" in
)",
                      words, R"(  esac
}
if [[ "$funcstack[1]" == _rowhouse ]]; then _rowhouse; else compdef _rowhouse rowhouse; fi
)");
}

std::string FishCompletion(const std::vector<TreeCommand>& tree) {
  std::string lines;
  for (const TreeCommand& command : tree) {
    const std::string start =
        absl::StrCat("complete -c rowhouse -n 'test \"$(__rowhouse_at)\" = \"", command.path(), "\"'");
    for (const auto& [word, help] : command.children)
      absl::StrAppend(&lines, start, " -f -a ", word, " -d ", Quoted(help), "\n");
    for (const TreeOption& option : command.options) {
      absl::StrAppend(&lines, start);
      if (option.positional) {
        const std::string action = FishAction(option);
        // -x and -r are about values of options; a positional's words come with -f or -F.
        absl::StrAppend(&lines, absl::StrReplaceAll(action, {{" -x", " -f"}, {" -r", ""}}), "\n");
        continue;
      }
      for (const std::string& name : option.names)
        absl::StrAppend(&lines, name[1] == '-' ? " -l " : " -s ",
                        absl::StripPrefix(absl::StripPrefix(name, "-"), "-"));
      absl::StrAppend(&lines, option.type.empty() ? " -f" : FishAction(option), " -d ", Quoted(option.help),
                      "\n");
    }
  }
  return absl::StrCat(R"(# fish completion for rowhouse; written by: rowhouse completion fish
function __rowhouse_at
  set -l at
  for word in (commandline -opc)[2..-1]
    set -l next (string join ' ' $at $word)
    if contains -- $next )",
                      absl::StrReplaceAll(Paths(tree), {{"|", " "}}), R"(
      set at $next
    end
  end
  string join ' ' $at
end
function __rowhouse_address
  set -l words (commandline -opc)
  for i in (seq (count $words))
    if test "$words[$i]" = --address
      set -l value (math $i + 1)
      string join \n -- --address $words[$value]
    end
  end
end
)",
                      NameFunctions("function __rowhouse_", "\n  ", " (__rowhouse_address)", "end\n"),
                      R"(complete -c rowhouse -f
)",
                      lines);
}

void AddCompletionCommand(CLI::App& app, Selected* selected) {
  CLI::App* completion = app.add_subcommand("completion", "Print a completion script for a shell");
  completion->require_subcommand(1);
  const CLI::App* root = &app;
  const struct {
    const char *shell, *examples;
    std::string (*write)(const std::vector<TreeCommand>&);
  } shells[] = {
      {"bash",
       "  rowhouse completion bash > ~/.local/share/bash-completion/completions/rowhouse\n  rowhouse "
       "completion bash",
       BashCompletion},
      {"zsh", "  rowhouse completion zsh > ~/.zsh/completions/_rowhouse      # a directory of $fpath",
       ZshCompletion},
      {"fish", "  rowhouse completion fish > ~/.config/fish/completions/rowhouse.fish", FishCompletion}};
  for (const auto& [shell, examples, write] : shells) {
    CLI::App* command = completion->add_subcommand(
        shell, absl::StrCat("Commands, options, words and names of tables and checkpoints for ", shell));
    command->footer(absl::StrCat("Examples:\n", examples));
    OnRun(*command, selected, [root, write = write] {
      return Write(write(ReadCommandTree(*root))) ? absl::OkStatus() : OutputClosed();
    });
  }
}

}  // namespace rowhouse::cli
