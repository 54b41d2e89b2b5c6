// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse row get | delete | expire

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/cli/command.h"
#include "client/cli/confirm.h"
#include "client/cli/output.h"
#include "client/cli/table_text.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::cli {
namespace {

struct RowFlags {
  std::string table, output;
  std::vector<std::string> ids;
  bool yes = false;
};

absl::StatusOr<std::vector<uint64_t>> IdsOf(const RowFlags& flags) {
  std::vector<uint64_t> ids;
  for (const std::string& text : flags.ids) {
    RH_ASSIGN_OR_RETURN(const uint64_t id, ParseId(text));
    ids.push_back(id);
  }
  return ids;
}

// CSV has a column for each weight, the others one list.
Listing RowListing(uint32_t dim, OutputFormat format) {
  Listing listing{.columns = {{"id", "ID"}, {"stored", "STORED"}}, .header = false};
  if (format != OutputFormat::kCsv) {
    listing.columns.push_back({"row", "ROW"});
    return listing;
  }
  for (uint32_t column = 0; column < dim; ++column)
    listing.columns.push_back({absl::StrCat("w", column), absl::StrCat("W", column)});
  return listing;
}

absl::Status Get(const ConnectFlags& connect, const RowFlags& flags) {
  RH_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, IdsOf(flags));
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const Table table, client->OpenTable(flags.table));
  std::vector<float> rows(ids.size() * table.dim());
  std::vector<uint8_t> stored(ids.size());
  RH_RETURN_IF_ERROR(client->Pull({{table, ids, absl::MakeSpan(rows), absl::MakeSpan(stored)}}));
  const OutputFormat format = FormatOf(flags.output);
  const bool for_people = IsForPeople(format);
  Listing listing = RowListing(table.dim(), format);
  for (size_t i = 0; i < ids.size(); ++i) {
    std::vector<Json> cells = {absl::StrCat(ids[i]), stored[i] != 0};
    if (for_people) cells[1] = stored[i] != 0 ? "stored" : "initial";
    Json row = Json::array();
    for (uint32_t column = 0; column < table.dim(); ++column) {
      const float weight = rows[i * table.dim() + column];
      // Text keeps what a JSON number cannot say: a NaN, an infinity, the sign of a zero.
      row.push_back(IsNested(format) ? Json(FloatNumber(weight)) : Json(FloatText(weight)));
    }
    if (format == OutputFormat::kCsv) {
      cells.insert(cells.end(), row.begin(), row.end());
    } else {
      cells.push_back(std::move(row));
    }
    listing.rows.push_back(std::move(cells));
  }
  return Show(listing, flags.output) ? absl::OkStatus() : OutputClosed();
}

absl::Status Delete(const ConnectFlags& connect, const RowFlags& flags) {
  RH_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, IdsOf(flags));
  if (ids.size() > 1) {
    RH_RETURN_IF_ERROR(Confirm(
        absl::StrCat("deleting ", ids.size(), " rows of table \"", flags.table, "\" cannot be undone"),
        flags.table, flags.yes));
  }
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const Table table, client->OpenTable(flags.table));
  RH_RETURN_IF_ERROR(client->Delete(table, ids));
  Write(absl::StrCat("table ", flags.table, ": ", ids.size(), ids.size() == 1 ? " id" : " ids",
                     " deleted, stored or not\n"));
  return absl::OkStatus();
}

struct ExpireFlags {
  std::string table, older_than;
  std::optional<uint64_t> before;
  bool yes = false;
};

// Durations as everywhere, and days, which operators think in: "30d".
absl::StatusOr<absl::Duration> ParseAge(absl::string_view text) {
  uint64_t days = 0;
  absl::string_view number = text;
  if (absl::ConsumeSuffix(&number, "d") && absl::SimpleAtoi(number, &days) && days <= 36500)
    return absl::Hours(24 * days);
  const auto age = ParseDuration(std::string_view(text.data(), text.size()));
  if (age.ok()) return age;
  return absl::InvalidArgumentError(absl::StrCat(
      "--older-than is \"", text, "\", want a time with its unit, as 30d (at most 36500d) or 12h"));
}

absl::StatusOr<uint64_t> CutoffOf(const ExpireFlags& flags) {
  const auto now = static_cast<uint64_t>(absl::ToUnixSeconds(absl::Now()));
  if (flags.older_than.empty() != flags.before.has_value()) {
    return absl::InvalidArgumentError("say one of --older-than AGE and --before UNIX_SECONDS");
  }
  if (flags.before.has_value()) {
    if (*flags.before <= now) return *flags.before;
    return absl::InvalidArgumentError(
        absl::StrCat("--before is ", *flags.before, ", which is in the future (now is ", now, ")"));
  }
  RH_ASSIGN_OR_RETURN(const absl::Duration age, ParseAge(flags.older_than));
  const auto seconds = static_cast<uint64_t>(absl::ToInt64Seconds(age));
  if (seconds > now) {
    return absl::InvalidArgumentError(
        absl::StrCat("--older-than ", flags.older_than, " is before 1970; at most ", now, "s"));
  }
  return now - seconds;
}

absl::Status Expire(const ConnectFlags& connect, const ExpireFlags& flags) {
  RH_ASSIGN_OR_RETURN(const uint64_t cutoff, CutoffOf(flags));
  const std::string when =
      absl::FormatTime(absl::RFC3339_sec, absl::FromUnixSeconds(cutoff), absl::UTCTimeZone());
  RH_RETURN_IF_ERROR(Confirm(absl::StrCat("deleting the rows of table \"", flags.table,
                                          "\" that were last pushed before ", when, " cannot be undone"),
                             flags.table, flags.yes));
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const Table table, client->OpenTable(flags.table));
  RH_ASSIGN_OR_RETURN(const uint64_t rows, client->Expire(table, cutoff));
  Write(absl::StrCat("table ", flags.table, ": ", rows, " rows last pushed before ", when, " deleted\n"));
  return absl::OkStatus();
}

}  // namespace

void AddRowCommands(CLI::App& app, Selected* selected) {
  CLI::App* row = app.add_subcommand("row", "Look at and delete rows");
  row->require_subcommand(1);

  CLI::App* get = row->add_subcommand("get", "Print rows; \"initial\" marks ids that were never pushed");
  const auto get_connect = AddConnectFlags(*get);
  auto get_flags = std::make_shared<RowFlags>();
  AddTableName(*get, "TABLE", &get_flags->table)->required();
  get->add_option("ID", get_flags->ids, "Ids; a negative one is the signed form of the same 64 bits")
      ->required();
  AddOutputFlag(*get, &get_flags->output);
  get->footer(
      "Ids are printed as 0 to 18446744073709551615, as -1 is.\n"
      "Examples:\n  rowhouse row get user 17 42\n  rowhouse row get user 17 -o json\n  rowhouse row get user "
      "-1");
  OnRun(*get, selected, [=] { return Get(*get_connect, *get_flags); });

  CLI::App* remove = row->add_subcommand("delete", "Delete rows; they read as never pushed from then on");
  const auto delete_connect = AddConnectFlags(*remove);
  auto delete_flags = std::make_shared<RowFlags>();
  AddTableName(*remove, "TABLE", &delete_flags->table)->required();
  remove->add_option("ID", delete_flags->ids, "Ids; a negative one is the signed form of the same 64 bits")
      ->required();
  remove->add_flag("--yes", delete_flags->yes, "Do not ask; one id is deleted without a question");
  remove->footer("Examples:\n  rowhouse row delete user 17\n  rowhouse row delete user 17 42 --yes");
  OnRun(*remove, selected, [=] { return Delete(*delete_connect, *delete_flags); });

  CLI::App* expire = row->add_subcommand(
      "expire", "Delete rows by the time of their last push (tables made with --track-last-push-time)");
  const auto connect = AddConnectFlags(*expire);
  auto flags = std::make_shared<ExpireFlags>();
  AddTableName(*expire, "TABLE", &flags->table)->required();
  expire->add_option("--older-than", flags->older_than, "Last pushed longer ago than this, as 30d or 12h")
      ->type_name("AGE");
  expire->add_option("--before", flags->before, "Last pushed before this second since 1970")
      ->type_name("UNIX_SECONDS");
  expire->add_flag("--yes", flags->yes, "Do not ask");
  expire->footer(
      "Examples:\n  rowhouse row expire session --older-than 30d --yes\n"
      "  rowhouse row expire session --before 1700000000 --yes");
  OnRun(*expire, selected, [=] { return Expire(*connect, *flags); });
}

}  // namespace rowhouse::cli
