// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/render.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "client/cli/output.h"
#include "common/units.h"

namespace rowhouse::cli {
namespace {

std::string NumberText(const Json& cell, Unit unit) {
  switch (unit) {
    case Unit::kBytes:
      return FormatBytes(cell.get<uint64_t>());
    case Unit::kSeconds:
      return absl::FormatDuration(absl::Seconds(cell.get<double>()));
    case Unit::kRatio:
      return absl::StrFormat("%.2f%%", 100 * cell.get<double>());
    case Unit::kRate:
      return absl::StrFormat("%.0f/s", cell.get<double>());
    case Unit::kNone:
      break;
  }
  return cell.dump();
}

// For people and for CSV.
std::string CellText(const Json& cell, Unit unit, const char* none) {
  if (cell.is_null()) return none;
  if (cell.is_string()) return cell.get<std::string>();
  if (cell.is_number()) return NumberText(cell, unit);
  if (!cell.is_array()) return cell.dump();
  std::string out;
  for (const Json& item : cell) absl::StrAppend(&out, out.empty() ? "" : " ", CellText(item, unit, none));
  return out;
}

std::string WithoutHeader(const std::string& table) { return table.substr(table.find('\n') + 1); }

// Name and value in a line.
std::vector<std::vector<std::string>> FieldsOf(const std::vector<std::string>& names,
                                               const std::vector<std::string>& row) {
  std::vector<std::vector<std::string>> lines;
  for (size_t i = 0; i < row.size(); ++i) lines.push_back({names[i], row[i]});
  return lines;
}

// One line for each cell, an empty one between rows.
std::string Upright(const std::vector<std::string>& header,
                    const std::vector<std::vector<std::string>>& rows) {
  std::string out;
  for (const auto& row : rows) {
    if (!out.empty()) out += '\n';
    out += WithoutHeader(FormatTable({"", ""}, FieldsOf(header, row)));
  }
  return out;
}

// One line for each column, with the cells of all rows.
std::string Transposed(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> lines;
  for (size_t c = 0; c < header.size(); ++c) {
    lines.push_back({header[c]});
    for (const auto& row : rows) lines.back().push_back(row[c]);
  }
  return WithoutHeader(FormatTable(std::vector<std::string>(rows.size() + 1), lines));
}

size_t WidestLine(const std::string& text) {
  size_t widest = 0, start = 0;
  for (size_t end; (end = text.find('\n', start)) != std::string::npos; start = end + 1)
    widest = std::max(widest, end - start);
  return widest;
}

std::string Table(const Listing& listing, bool wide, size_t terminal_columns) {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows(listing.rows.size());
  for (size_t c = 0; c < listing.columns.size(); ++c) {
    const Column& column = listing.columns[c];
    if (column.wide && !wide) continue;
    header.push_back(listing.single ? column.key : column.title);
    for (size_t r = 0; r < rows.size(); ++r)
      rows[r].push_back(CellText(listing.rows[r][c], column.unit,
                                 listing.single && column.unit == Unit::kNone ? "none" : "-"));
  }
  if (listing.single) return FormatTable({"FIELD", "VALUE"}, FieldsOf(header, rows.at(0)));
  std::string text = FormatTable(header, rows);
  if (!listing.header) text.erase(0, text.find('\n') + 1);
  // Lines that the terminal would break are not read as columns any more.
  if (terminal_columns == 0 || rows.empty() || WidestLine(text) <= terminal_columns) return text;
  const std::string transposed = Transposed(header, rows);
  return WidestLine(transposed) <= terminal_columns ? transposed : Upright(header, rows);
}

Json ObjectOf(const Listing& listing, const std::vector<Json>& row) {
  Json object = Json::object();
  for (size_t c = 0; c < listing.columns.size(); ++c) object[listing.columns[c].key] = row[c];
  return object;
}

Json ToJson(const Listing& listing) {
  if (listing.single) return ObjectOf(listing, listing.rows.at(0));
  Json list = Json::array();
  for (const auto& row : listing.rows) list.push_back(ObjectOf(listing, row));
  return list;
}

void EmitYaml(const Json& value, YAML::Emitter& out) {
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      EmitYaml(member, out);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    // Numbers in a row of one line, so that a row of 64 floats is not 64 lines.
    const bool plain =
        std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_number(); });
    if (plain) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const Json& item : value) EmitYaml(item, out);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    out << YAML::DoubleQuoted << value.get<std::string>();  // an id stays a string
  } else if (value.is_null()) {
    out << YAML::Null;
  } else if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    const double number = value.get<double>();
    out << (std::isnan(number) ? ".nan" : number > 0 ? ".inf" : "-.inf");
  } else {
    out << value.dump();
  }
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string Csv(const Listing& listing) {
  std::string out;
  for (size_t c = 0; c < listing.columns.size(); ++c)
    absl::StrAppend(&out, c == 0 ? "" : ",", CsvField(listing.columns[c].key));
  out += "\r\n";
  for (const auto& row : listing.rows) {
    for (size_t c = 0; c < row.size(); ++c)
      absl::StrAppend(&out, c == 0 ? "" : ",", CsvField(CellText(row[c], Unit::kNone, "")));
    out += "\r\n";
  }
  return out;
}

}  // namespace

OutputFormat FormatOf(std::string_view word) {
  if (word == "wide") return OutputFormat::kWide;
  if (word == "json") return OutputFormat::kJson;
  if (word == "yaml") return OutputFormat::kYaml;
  if (word == "csv") return OutputFormat::kCsv;
  return OutputFormat::kTable;
}

std::string Render(const Listing& listing, OutputFormat format, size_t terminal_columns) {
  switch (format) {
    case OutputFormat::kTable:
      return Table(listing, /*wide=*/false, terminal_columns);
    case OutputFormat::kWide:
      return Table(listing, /*wide=*/true, terminal_columns);
    case OutputFormat::kJson:
      return ToJson(listing).dump(2) + "\n";
    case OutputFormat::kYaml: {
      YAML::Emitter out;
      EmitYaml(ToJson(listing), out);
      return std::string(out.c_str()) + "\n";
    }
    case OutputFormat::kCsv:
      return Csv(listing);
  }
  return "";
}

std::string RenderJsonLine(const Listing& listing) { return ToJson(listing).dump() + "\n"; }

size_t TerminalColumns() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

bool Show(const Listing& listing, const std::string& output) {
  return Write(Render(listing, FormatOf(output), TerminalColumns()));
}

}  // namespace rowhouse::cli
