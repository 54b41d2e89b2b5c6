// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/config_file.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/file_system.h"
#include "common/nearest_word.h"
#include "common/status_macros.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr char kWantMapping[] = "want a mapping of sections to their keys";

// A sequence becomes its items joined by commas, nothing becomes an empty text.
absl::StatusOr<std::string> TextOf(const OptionEntry& entry, const YAML::Node& value) {
  if (value.IsScalar()) return value.Scalar();
  if (value.IsNull()) return std::string();
  if (!value.IsSequence()) return absl::InvalidArgumentError("want a single value, got a mapping");
  if (!entry.is_list()) return absl::InvalidArgumentError("want a single value, got a list");
  std::string joined;
  for (const YAML::Node& item : value) {
    if (!item.IsScalar() || item.Scalar().empty() || item.Scalar().find(',') != std::string::npos)
      return absl::InvalidArgumentError("want a list of single values");
    absl::StrAppend(&joined, joined.empty() ? "" : ",", item.Scalar());
  }
  return joined;
}

// "did you mean": of a section or of a key written without its section.
std::string NearestName(const std::string& word) {
  if (const OptionEntry* entry = FindOption(word); entry != nullptr) return entry->key;
  std::vector<std::string> candidates = OptionSections();
  for (const OptionEntry& entry : OptionTable()) candidates.push_back(entry.key);
  return NearestWord(word, candidates);
}

std::string NearestKey(const std::string& section, const std::string& name) {
  const std::string key = section + "." + name;
  std::vector<std::string> keys;
  for (const OptionEntry& entry : OptionTable()) {
    if (entry.name() == name) return entry.key;  // right word, wrong section
    if (entry.section() == section) keys.push_back(entry.key);
  }
  return NearestWord(key, keys);
}

// Sees where documents begin, and nothing else of them.
class DocumentStarts final : public YAML::EventHandler {
 public:
  std::vector<YAML::Mark> marks;     // of their markers, where they have one
  std::vector<YAML::Mark> contents;  // of what is in them

  void OnDocumentStart(const YAML::Mark& mark) override { marks.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Note(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { Note(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string&) override {
    Note(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Note(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Note(mark);
  }
  void OnMapEnd() override {}

 private:
  void Note(const YAML::Mark& mark) {
    if (contents.size() < marks.size()) contents.push_back(mark);
  }
};

class Parser {
 public:
  Parser(std::string name, ServerOptions* options, Origins* origins)
      : name_(std::move(name)), options_(options), origins_(origins) {}

  absl::Status Document(const std::string& text) {
    YAML::Node root;
    try {
      RH_RETURN_IF_ERROR(OneDocument(text));
      root = YAML::Load(text);
    } catch (const YAML::Exception& error) {  // yaml-cpp knows no other way to say it
      return At(error.mark, error.msg);
    }
    if (root.IsNull()) return absl::OkStatus();
    if (!root.IsMap()) return At(root.Mark(), kWantMapping);
    const std::vector<std::string> sections = OptionSections();
    std::set<std::string> seen;
    for (const auto& pair : root) {
      RH_RETURN_IF_ERROR(Once(pair.first, "section ", "", &seen));
      const std::string section = pair.first.Scalar();
      if (section.find('.') != std::string::npos) {
        return At(pair.first.Mark(),
                  absl::StrCat("\"", section, "\" is a key with its section in one: write \"",
                               section.substr(0, section.find('.')),
                               ":\" and, on the next "
                               "line and indented, \"",
                               section.substr(section.find('.') + 1), ": ...\""));
      }
      if (std::find(sections.begin(), sections.end(), section) == sections.end()) {
        return At(pair.first.Mark(), absl::StrCat("unknown section \"", section, "\"; did you mean \"",
                                                  NearestName(section), "\"?"));
      }
      RH_RETURN_IF_ERROR(Section(section, pair.first.Mark(), pair.second));
    }
    return absl::OkStatus();
  }

 private:
  // Before a stray comma or bracket yaml-cpp 0.7 sees an empty document, and another, without end.
  absl::Status OneDocument(const std::string& text) const {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    DocumentStarts starts;
    while (starts.marks.size() < 2 && parser.HandleNextDocument(starts)) {
    }
    if (starts.marks.size() < 2) return absl::OkStatus();
    const bool stuck = starts.marks[0].pos == starts.marks[1].pos;
    return At(starts.contents.back(), stuck ? kWantMapping : "a second document: want one");
  }

  absl::Status At(const YAML::Mark& mark, const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ":", mark.line + 1, ": ", what));
  }

  // A plain word that `seen` does not have yet.
  absl::Status Once(const YAML::Node& word, const char* what, const std::string& prefix,
                    std::set<std::string>* seen) const {
    if (!word.IsScalar()) return At(word.Mark(), "the name of a section or key must be a plain word");
    if (seen->insert(word.Scalar()).second) return absl::OkStatus();
    return At(word.Mark(), absl::StrCat(what, prefix, word.Scalar(), " is given twice"));
  }

  absl::Status Section(const std::string& section, const YAML::Mark& mark, const YAML::Node& keys) {
    if (keys.IsNull()) return absl::OkStatus();  // all its keys are comments
    if (!keys.IsMap())
      return At(mark, absl::StrCat("section ", section, ": want a mapping of keys to values"));
    std::set<std::string> seen;
    for (const auto& pair : keys) {
      RH_RETURN_IF_ERROR(Once(pair.first, "", section + ".", &seen));
      RH_RETURN_IF_ERROR(Key(section, pair.first, pair.second));
    }
    return absl::OkStatus();
  }

  absl::Status Key(const std::string& section, const YAML::Node& name, const YAML::Node& value) {
    const std::string key = absl::StrCat(section, ".", name.Scalar());
    const OptionEntry* entry = FindOption(key);
    if (entry == nullptr) {
      return At(name.Mark(), absl::StrCat("unknown key \"", key, "\"; did you mean \"",
                                          NearestKey(section, name.Scalar()), "\"?"));
    }
    const auto text = TextOf(*entry, value);
    const absl::Status set = text.ok() ? entry->set(*text, options_) : text.status();
    if (!set.ok()) return At(name.Mark(), absl::StrCat(key, ": ", set.message()));
    const absl::Status check = entry->check(*options_, key);
    if (!check.ok()) return At(name.Mark(), std::string(check.message()));
    (*origins_)[key] = absl::StrCat(name_, ":", name.Mark().line + 1);
    return absl::OkStatus();
  }

  const std::string name_;
  ServerOptions* const options_;
  Origins* const origins_;
};

}  // namespace

absl::Status ParseConfig(const std::string& name, const std::string& text, ServerOptions* options,
                         Origins* origins) {
  ServerOptions next = *options;
  Origins next_origins = origins == nullptr ? Origins() : *origins;
  RH_RETURN_IF_ERROR(Parser(name, &next, &next_origins).Document(text));
  *options = std::move(next);
  if (origins != nullptr) *origins = std::move(next_origins);
  return absl::OkStatus();
}

absl::Status LoadConfigFile(const std::string& path, ServerOptions* options, Origins* origins) {
  RH_ASSIGN_OR_RETURN(const std::string text, ReadFile(*PosixFileSystem(), path, kMaxConfigBytes));
  return ParseConfig(path, text, options, origins);
}

}  // namespace rowhouse::server
