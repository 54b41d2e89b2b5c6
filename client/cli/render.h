// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The one way in which read commands print: columns and rows in; a table for people, or JSON, YAML or CSV for
// programs, out. Pure functions but for Show and TerminalColumns. One thread.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace rowhouse::cli {

// Keeps the order in which members are set.
using Json = nlohmann::ordered_json;

enum class OutputFormat { kTable, kWide, kJson, kYaml, kCsv };
// One of the words of --output, which the parser has checked; anything else is a table.
OutputFormat FormatOf(std::string_view word);
inline constexpr const char* kOutputWords[] = {"table", "wide", "json", "yaml", "csv"};
// JSON and YAML hold lists and mappings in a cell; the others need flat columns.
inline bool IsNested(OutputFormat format) {
  return format == OutputFormat::kJson || format == OutputFormat::kYaml;
}

inline bool IsForPeople(OutputFormat format) {
  return format == OutputFormat::kTable || format == OutputFormat::kWide;
}

// How a number is shown to people. Programs get the number itself.
enum class Unit { kNone, kBytes, kSeconds, kRatio, kRate };

struct Column {
  std::string key;    // of JSON and YAML, and of CSV's header
  std::string title;  // of a table
  Unit unit = Unit::kNone;
  bool wide = false;  // left out of `table`
};

struct Listing {
  std::vector<Column> columns;
  std::vector<std::vector<Json>> rows;  // each as long as columns; null is "no value"
  bool single = false;                  // one thing with fields: an object, and a table of FIELD and VALUE
  bool header = true;                   // of a table
};

// `terminal_columns`: a table that is wider is shown with a line for each of its columns or, where that is
// too wide as well, for each of its cells; 0: any width is right. Nothing is ever cut off. CSV is that of RFC
// 4180. 64-bit identities are the caller's to give as strings.
std::string Render(const Listing& listing, OutputFormat format, size_t terminal_columns);

// The same as JSON in one line: a document of a stream (ndjson).
std::string RenderJsonLine(const Listing& listing);

// Of the terminal that stdout is; 0 when it is none.
size_t TerminalColumns();
// Renders to stdout for the words of --output. False once stdout is closed or full.
bool Show(const Listing& listing, const std::string& output);

}  // namespace rowhouse::cli
