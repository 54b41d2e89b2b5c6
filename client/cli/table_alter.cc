// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse table alter

#include "absl/strings/str_cat.h"
#include "client/cli/absent_servers.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "client/cli/table_text.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

struct AlterFlags {
  std::string name, durability, frozen, nan, output;
  std::optional<float> learning_rate, epsilon;
};

// `spec` as the flags want it. InvalidArgument when they want nothing.
absl::Status Apply(const AlterFlags& flags, TableSpec* spec) {
  const bool any = flags.learning_rate.has_value() || flags.epsilon.has_value() ||
                   !flags.durability.empty() || !flags.frozen.empty() || !flags.nan.empty();
  if (!any) {
    return absl::InvalidArgumentError(
        "nothing to alter: say at least one of --learning-rate, --epsilon, --durability, --frozen and --nan");
  }
  if (flags.epsilon.has_value() && spec->optimizer.kind == OptimizerConfig::Kind::kSgd) {
    return absl::InvalidArgumentError(
        absl::StrCat("--epsilon: table \"", spec->name, "\" has optimizer sgd, which has no epsilon"));
  }
  spec->optimizer.learning_rate = flags.learning_rate.value_or(spec->optimizer.learning_rate);
  spec->optimizer.epsilon = flags.epsilon.value_or(spec->optimizer.epsilon);
  if (!flags.durability.empty()) {
    RH_ASSIGN_OR_RETURN(spec->durability, ParseDurability(flags.durability));
  }
  if (!flags.frozen.empty()) spec->frozen = flags.frozen == "true";
  if (!flags.nan.empty()) spec->allow_nan = flags.nan == "allow";
  return absl::OkStatus();
}

// Words for people, an empty list for programs.
absl::Status ShowUnchanged(const Table& table, const Listing& none, const std::string& output) {
  const bool written =
      IsForPeople(FormatOf(output))
          ? Write(absl::StrCat("nothing to change: table ", table.name(), " is so already, schema_version ",
                               table.schema_version(), "\n"))
          : Show(none, output);
  return written ? absl::OkStatus() : OutputClosed();
}

// The change is made also where a server that is away keeps AlterTable from saying so: the table is as
// wanted.
absl::StatusOr<Table> AlterOrSeeItDone(Client& client, const TableSpec& spec, const Table& before) {
  const absl::StatusOr<Table> altered = client.AlterTable(spec);
  if (!absl::IsUnavailable(altered.status()) && !absl::IsDeadlineExceeded(altered.status())) return altered;
  const absl::StatusOr<Table> now = client.OpenTable(spec.name);
  const absl::StatusOr<TableSpec> is = client.DescribeTable(spec.name);
  const bool done =
      now.ok() && is.ok() && now->id() == before.id() && SpecCells(*now, *is) == SpecCells(*now, spec);
  return done ? now : altered;
}

absl::Status Alter(const ConnectFlags& connect, const AlterFlags& flags) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const Table before, client->OpenTable(flags.name));
  RH_ASSIGN_OR_RETURN(const TableSpec old_spec, client->DescribeTable(flags.name));
  TableSpec spec = old_spec;
  RH_RETURN_IF_ERROR(Apply(flags, &spec));
  const std::vector<Json> old_cells = SpecCells(before, old_spec);
  Listing listing{.columns = {{"field", "FIELD"}, {"old", "OLD"}, {"new", "NEW"}}};
  // A change to what is there already would be a new schema version, which trainers notice, for nothing.
  if (SpecCells(before, spec) == old_cells) return ShowUnchanged(before, listing, flags.output);
  RH_ASSIGN_OR_RETURN(const Table after, OrMayHaveHappened(AlterOrSeeItDone(*client, spec, before),
                                                           "the change may still be made: look with "
                                                           "`rowhouse table describe`"));
  const std::vector<Column> columns = SpecColumns();
  const std::vector<Json> new_cells = SpecCells(after, spec);
  for (size_t i = 0; i < columns.size(); ++i) {
    if (old_cells[i] != new_cells[i]) listing.rows.push_back({columns[i].key, old_cells[i], new_cells[i]});
  }
  WarnOfAbsentServers(*client);
  return Show(listing, flags.output) ? absl::OkStatus() : OutputClosed();
}

}  // namespace

void AddTableAlter(CLI::App& table, Selected* selected) {
  CLI::App* command = table.add_subcommand("alter", "Change a table while it is used; prints old and new");
  const auto connect = AddConnectFlags(*command);
  auto flags = std::make_shared<AlterFlags>();
  AddTableName(*command, "NAME", &flags->name)->required();
  command->add_option("--learning-rate", flags->learning_rate, "Learning rate of pushes that carry none");
  command->add_option("--epsilon", flags->epsilon, "Of adagrad and rowwise_adagrad");
  command->add_option("--durability", flags->durability, "What an acknowledged push survives")
      ->check(CLI::IsMember({"volatile", "async", "sync"}));
  command->add_option("--frozen", flags->frozen, "Whether pushes are refused")
      ->check(CLI::IsMember({"true", "false"}));
  command->add_option("--nan", flags->nan, "Whether gradients with a NaN or an infinity are applied")
      ->check(CLI::IsMember({"skip", "allow"}));
  AddOutputFlag(*command, &flags->output);
  command->footer(
      "Dim, optimizer, initializer and seed are fixed for a table's life. What is so already is not changed, "
      "and "
      "the schema version stays.\n"
      "Examples:\n  rowhouse table alter user --learning-rate 0.01\n"
      "  rowhouse table alter user --durability sync --frozen true");
  OnRun(*command, selected, [=] { return Alter(*connect, *flags); });
}

}  // namespace rowhouse::cli
