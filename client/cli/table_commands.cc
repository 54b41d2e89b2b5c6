// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse table create | list | describe | drop; the other verbs have files of their own

#include "absl/strings/str_cat.h"
#include "client/cli/absent_servers.h"
#include "client/cli/command.h"
#include "client/cli/confirm.h"
#include "client/cli/flag_value.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "client/cli/table_text.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

struct CreateFlags {
  std::string name, optimizer = "sgd", initializer = "zeros", durability = "async", unseen = "initial",
                    padding_id;
  TableSpec spec;
  std::optional<float> learning_rate, epsilon, initial_accumulator;
  bool if_not_exists = false;
};

absl::StatusOr<TableSpec> SpecOf(const CreateFlags& flags) {
  TableSpec spec = flags.spec;
  spec.name = flags.name;
  RH_ASSIGN_OR_RETURN(const OptimizerConfig::Kind kind, ParseOptimizer(flags.optimizer));
  if (kind == OptimizerConfig::Kind::kSgd &&
      (flags.epsilon.has_value() || flags.initial_accumulator.has_value())) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", flags.epsilon.has_value() ? "epsilon" : "initial-accumulator",
                     " means nothing to --optimizer sgd: leave it out, or take adagrad or rowwise_adagrad"));
  }
  if (kind == OptimizerConfig::Kind::kSgd) spec.optimizer = Sgd();
  if (kind == OptimizerConfig::Kind::kAdagrad) spec.optimizer = Adagrad();
  if (kind == OptimizerConfig::Kind::kRowwiseAdagrad) spec.optimizer = RowwiseAdagrad();
  spec.optimizer.learning_rate = flags.learning_rate.value_or(spec.optimizer.learning_rate);
  spec.optimizer.epsilon = flags.epsilon.value_or(spec.optimizer.epsilon);
  spec.optimizer.initial_accumulator = flags.initial_accumulator.value_or(spec.optimizer.initial_accumulator);
  RH_ASSIGN_OR_RETURN(spec.initializer, ParseInitializer(flags.initializer));
  RH_ASSIGN_OR_RETURN(spec.durability, ParseDurability(flags.durability));
  spec.unseen_reads_zeros = flags.unseen == "zeros";
  if (!flags.padding_id.empty()) {
    RH_ASSIGN_OR_RETURN(spec.padding_id, OfFlag("--padding-id", ParseId(flags.padding_id)));
  }
  return spec;
}

absl::Status Create(const ConnectFlags& connect, const CreateFlags& flags) {
  RH_ASSIGN_OR_RETURN(const TableSpec spec, SpecOf(flags));
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(
      const Table table,
      OrMayHaveHappened(flags.if_not_exists ? client->OpenOrCreateTable(spec) : client->CreateTable(spec),
                        "the table may still come to exist: look with `rowhouse table list`"));
  Write(absl::StrCat("table ", table.name(), ": table_id ", table.id(), ", schema_version ",
                     table.schema_version(), "\n"));
  WarnOfAbsentServers(*client);
  return absl::OkStatus();
}

Listing ListingOf(const std::vector<std::pair<Table, TableSpec>>& tables) {
  Listing listing{.columns = SpecColumns()};
  for (const auto& [table, spec] : tables) listing.rows.push_back(SpecCells(table, spec));
  return listing;
}

absl::Status List(const ConnectFlags& connect, const std::string& output) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const std::vector<Table> tables, client->ListTables());
  std::vector<std::pair<Table, TableSpec>> specs;
  for (const Table& table : tables) {
    auto spec = client->DescribeTable(table.name());
    if (absl::IsNotFound(spec.status())) continue;  // dropped since
    RH_RETURN_IF_ERROR(spec.status());
    specs.emplace_back(table, *std::move(spec));
  }
  return Show(ListingOf(specs), output) ? absl::OkStatus() : OutputClosed();
}

absl::Status Describe(const ConnectFlags& connect, const std::string& name, const std::string& output) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const Table table, client->OpenTable(name));
  RH_ASSIGN_OR_RETURN(const TableSpec spec, client->DescribeTable(name));
  Listing listing = ListingOf({{table, spec}});
  listing.single = true;
  return Show(listing, output) ? absl::OkStatus() : OutputClosed();
}

absl::Status Drop(const ConnectFlags& connect, const std::string& name, bool yes) {
  RH_RETURN_IF_ERROR(Confirm(
      absl::StrCat("dropping table \"", name, "\" deletes its rows on every server for good"), name, yes));
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  const absl::Status dropped = client->DropTable(name);
  // The library's OK means that the table is gone on every server. Here a server that is away is told of.
  if (!IsDroppedButNotEverywhere(dropped)) {
    RH_RETURN_IF_ERROR(
        OrMayHaveHappened(dropped, "the table may still be dropped: look with `rowhouse table list`"));
  }
  Write(absl::StrCat("table ", name, " dropped\n"));
  WarnOfAbsentServers(*client);
  return absl::OkStatus();
}

void AddCreate(CLI::App& table, Selected* selected) {
  CLI::App* command = table.add_subcommand("create", "Create a table");
  const auto connect = AddConnectFlags(*command);
  auto flags = std::make_shared<CreateFlags>();
  command->add_option("NAME", flags->name, "1 to 128 characters of [A-Za-z0-9_.-]")->required();
  command->add_option("--dim", flags->spec.dim, "Elements of a row")->required();
  command->add_option("--optimizer", flags->optimizer, "sgd, adagrad or rowwise_adagrad")
      ->capture_default_str();
  command->add_option("--learning-rate", flags->learning_rate,
                      "Learning rate of pushes that carry none; 0.01 where not given");
  command->add_option("--epsilon", flags->epsilon,
                      "Of adagrad and rowwise_adagrad; their own where not given");
  command->add_option("--initial-accumulator", flags->initial_accumulator,
                      "Of adagrad and rowwise_adagrad; 0 where not given");
  command
      ->add_option("--initializer", flags->initializer,
                   "zeros, constant:VALUE, uniform:LOW,HIGH or inverse_sqrt_dim")
      ->capture_default_str();
  command->add_option("--seed", flags->spec.seed, "Seed of initial rows")->capture_default_str();
  command->add_option("--durability", flags->durability, "volatile, async or sync")->capture_default_str();
  command->add_option("--num-rows", flags->spec.num_rows, "Ids are below this; 0: any 64-bit id")
      ->capture_default_str();
  command->add_option(
      "--padding-id", flags->padding_id,
      "Id whose gradients are dropped; a negative one is the signed form of the same 64 bits");
  command->add_option("--unseen", flags->unseen, "What ids never pushed read as: initial or zeros")
      ->check(CLI::IsMember({"initial", "zeros"}))
      ->capture_default_str();
  command->add_flag("--allow-nan", flags->spec.allow_nan, "Apply gradients that have a NaN or an infinity");
  command->add_flag("--track-last-push-time", flags->spec.track_last_push_time,
                    "Keep the time that Expire needs, 4 bytes a row");
  command->add_flag("--if-not-exists", flags->if_not_exists, "Succeed when the same table is there");
  command->footer(
      "Examples:\n  rowhouse table create user --dim 16 --optimizer adagrad --learning-rate 0.05\n"
      "  rowhouse table create item --dim 64 --initializer uniform:-0.05,0.05 --seed 7 --durability sync");
  OnRun(*command, selected, [=] { return Create(*connect, *flags); });
}

void AddLookups(CLI::App& table, Selected* selected) {
  CLI::App* list = table.add_subcommand("list", "List all tables by name");
  const auto list_connect = AddConnectFlags(*list);
  auto list_output = std::make_shared<std::string>();
  AddOutputFlag(*list, list_output.get());
  list->footer("Examples:\n  rowhouse table list\n  rowhouse table list -o json");
  OnRun(*list, selected, [=] { return List(*list_connect, *list_output); });

  CLI::App* describe = table.add_subcommand("describe", "Show a table's schema");
  const auto connect = AddConnectFlags(*describe);
  auto name = std::make_shared<std::string>(), output = std::make_shared<std::string>();
  AddTableName(*describe, "NAME", name.get())->required();
  AddOutputFlag(*describe, output.get());
  describe->footer("Examples:\n  rowhouse table describe user\n  rowhouse table describe user -o json");
  OnRun(*describe, selected, [=] { return Describe(*connect, *name, *output); });
}

void AddDrop(CLI::App& table, Selected* selected) {
  CLI::App* command = table.add_subcommand("drop", "Drop a table and its rows on every server");
  const auto connect = AddConnectFlags(*command);
  auto name = std::make_shared<std::string>();
  auto yes = std::make_shared<bool>(false);
  AddTableName(*command, "NAME", name.get())->required();
  command->add_flag("--yes", *yes, "Do not ask");
  command->footer("Examples:\n  rowhouse table drop user --yes");
  OnRun(*command, selected, [=] { return Drop(*connect, *name, *yes); });
}

}  // namespace

void AddTableCommands(CLI::App& app, Selected* selected) {
  CLI::App* table = app.add_subcommand("table", "Create, look at, change and export tables");
  table->require_subcommand(1);
  AddCreate(*table, selected);
  AddLookups(*table, selected);
  AddDrop(*table, selected);
  AddTableAlter(*table, selected);
  AddTableStats(*table, selected);
  AddTablePlan(*table, selected);
  AddTableExports(*table, selected);
}

}  // namespace rowhouse::cli
