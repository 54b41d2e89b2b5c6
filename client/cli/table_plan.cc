// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse table plan

#include "client/cli/capacity_plan.h"
#include "client/cli/command.h"
#include "client/cli/flag_value.h"
#include "client/cli/render.h"
#include "client/cli/table_text.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::cli {
namespace {

struct PlanFlags {
  CapacityQuestion question;
  std::string optimizer = "sgd", type = "float32", log_segment_bytes = "64MiB", output;
};

absl::Status Plan(const PlanFlags& flags) {
  CapacityQuestion question = flags.question;
  RH_ASSIGN_OR_RETURN(question.optimizer, ParseOptimizer(flags.optimizer));
  RH_ASSIGN_OR_RETURN(question.log_segment_bytes,
                      OfFlag("--log-segment-bytes", ParseBytes(flags.log_segment_bytes)));
  RH_ASSIGN_OR_RETURN(const std::vector<CapacityLine> lines, PlanCapacity(question));
  Listing listing{.columns = {{"name", "WHAT"}, {"bytes", "BYTES", Unit::kBytes}, {"formula", "FORMULA"}}};
  for (const CapacityLine& line : lines) listing.rows.push_back({line.name, line.bytes, line.formula});
  return Show(listing, flags.output) ? absl::OkStatus() : OutputClosed();
}

}  // namespace

void AddTablePlan(CLI::App& table, Selected* selected) {
  CLI::App* command =
      table.add_subcommand("plan", "Compute memory and disk for a table, with formulas; asks no server");
  auto flags = std::make_shared<PlanFlags>();
  CapacityQuestion& question = flags->question;
  command->add_option("--rows", question.rows, "Rows stored, on all servers together")->required();
  command->add_option("--dim", question.dim, "Elements of a row")->required();
  command->add_option("--optimizer", flags->optimizer, "sgd, adagrad or rowwise_adagrad")
      ->capture_default_str();
  command->add_option("--type", flags->type, "Of the weights; float32 is the only one there is")
      ->check(CLI::IsMember({"float32"}))
      ->capture_default_str();
  command->add_flag("--track-last-push-time", question.track_last_push_time,
                    "Count the 4 bytes a row that expiry needs");
  command->add_option("--servers", question.servers, "Servers that share the rows")->capture_default_str();
  command->add_option("--hot-share", question.hot_share, "Share of the rows that memory should hold")
      ->capture_default_str();
  command->add_option("--log-segment-bytes", flags->log_segment_bytes, "As of the servers")
      ->capture_default_str();
  AddOutputFlag(*command, &flags->output);
  command->footer(
      "Everything is for one server unless its name begins with cluster_. A server with several tables needs "
      "the sums of their resident bytes.\n"
      "Examples:\n  rowhouse table plan --rows 1000000000 --dim 64 --optimizer rowwise_adagrad --servers 3\n"
      "  rowhouse table plan --rows 50000000 --dim 16 --optimizer adagrad --hot-share 0.05 -o json");
  OnRun(*command, selected, [=] { return Plan(*flags); });
}

}  // namespace rowhouse::cli
