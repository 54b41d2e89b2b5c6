// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse checkpoint list | describe | verify | delete | cancel | status | schedule. create and barrier are
// in checkpoint_make.cc, restore in checkpoint_restore.cc.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/checkpoint/checkpoint_files.h"
#include "client/cli/checkpoint/checkpoint_make.h"
#include "client/cli/checkpoint/checkpoint_restore.h"
#include "client/cli/checkpoint/checkpoint_text.h"
#include "client/cli/command.h"
#include "client/cli/confirm.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::cli {
namespace {

struct NamedFlags {
  CheckpointPlace place;
  std::string name, output;
  bool yes = false;
};

absl::Status Written(bool written) { return written ? absl::OkStatus() : OutputClosed(); }

absl::Status List(const NamedFlags& flags) {
  RH_ASSIGN_OR_RETURN(const auto checkpoints, ListCheckpoints(flags.place));
  return Written(Show(CheckpointsListing(checkpoints, FormatOf(flags.output)), flags.output));
}

absl::Status Describe(const NamedFlags& flags) {
  RH_ASSIGN_OR_RETURN(const server::CheckpointStore store, OpenStore(flags.place));
  RH_ASSIGN_OR_RETURN(const CheckpointDetail detail, ReadDetail(store, flags.name));
  const OutputFormat format = FormatOf(flags.output);
  if (IsForPeople(format))
    return Written(Write(DetailText(detail, format == OutputFormat::kWide, TerminalColumns())));
  return Written(Show(DetailListing(detail), flags.output));
}

absl::Status Verify(const NamedFlags& flags) {
  RH_ASSIGN_OR_RETURN(const server::CheckpointStore store, OpenStore(flags.place));
  RH_ASSIGN_OR_RETURN(const VerifiedCheckpoint verified, VerifyCheckpoint(store, flags.name));
  if (IsForPeople(FormatOf(flags.output))) {
    const std::string others =
        verified.checkpoints == 1 ? "" : absl::StrCat(" with the ", verified.checkpoints - 1, " below it");
    return Written(Write(absl::StrFormat("checkpoint %s is whole%s: %s read in %.2fs\n", flags.name, others,
                                         FormatBytes(verified.bytes), verified.seconds)));
  }
  const Listing listing{.columns = {{"name", ""}, {"checkpoints", ""}, {"bytes", ""}, {"seconds", ""}},
                        .rows = {{flags.name, verified.checkpoints, verified.bytes, verified.seconds}},
                        .single = true};
  return Written(Show(listing, flags.output));
}

absl::Status Delete(const NamedFlags& flags) {
  RH_RETURN_IF_ERROR(
      Confirm(absl::StrCat("deleting checkpoint \"", flags.name, "\" removes its files for good"), flags.name,
              flags.yes));
  RH_RETURN_IF_ERROR(DeleteCheckpoint(flags.place, flags.name));
  return Written(Write(absl::StrCat("checkpoint ", flags.name, " deleted\n")));
}

absl::Status ShowStatus(const ConnectFlags& connect, const std::string& output) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const CheckpointStatus job, client->GetCheckpoint(0));
  return Written(Show(JobListing(job), output));
}

absl::Status Cancel(const ConnectFlags& connect) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  const auto before = client->GetCheckpoint(0);
  if (absl::IsNotFound(before.status()) || (before.ok() && before->ended()))
    return Written(Write("no checkpoint is being made\n"));
  RH_RETURN_IF_ERROR(before.status());
  RH_ASSIGN_OR_RETURN(const CheckpointStatus job, client->CancelCheckpoint(before->id));
  if (job.phase == CheckpointPhase::kDone)
    return Written(
        Write(absl::StrCat("checkpoint ", job.name, " was complete before it could be cancelled\n")));
  return Written(Write(absl::StrCat("checkpoint ", job.name, " cancelled; nothing of it is left\n")));
}

absl::Status Schedule(const ConnectFlags& connect, const std::string& output) {
  RH_ASSIGN_OR_RETURN(const auto client, Connect(connect));
  RH_ASSIGN_OR_RETURN(const CheckpointList list, client->ListCheckpoints());
  std::vector<CheckpointInfo> scheduled;
  for (const CheckpointInfo& one : list.checkpoints) {
    if (absl::StartsWith(one.name, server::kScheduledPrefix)) scheduled.push_back(one);
  }
  const OutputFormat format = FormatOf(output);
  const Listing names = CheckpointsListing(scheduled, format);
  Listing fields{.columns = {{"directory", ""}, {"every_seconds", "", Unit::kSeconds}, {"keep", ""}},
                 .rows = {{list.directory.empty() ? Json() : Json(list.directory),
                           static_cast<double>(list.every.count()) * 1e-3, list.keep}},
                 .single = true};
  if (IsForPeople(format)) {
    std::string text = Render(fields, OutputFormat::kTable, 0);
    if (list.every.count() == 0) absl::StrAppend(&text, "\nNothing is scheduled.");
    if (!scheduled.empty()) absl::StrAppend(&text, "\n", Render(names, format, TerminalColumns()));
    absl::StrAppend(
        &text,
        "\nTo change it: --checkpoint-every and --checkpoint-keep of server 0, or checkpoint.every "
        "and checkpoint.keep in its config file and SIGHUP.\n");
    return Written(Write(text));
  }
  Json list_of_names = Json::array();
  for (const CheckpointInfo& one : scheduled) list_of_names.push_back(one.name);
  fields.columns.push_back({"checkpoints", ""});
  fields.rows[0].push_back(std::move(list_of_names));
  return Written(Show(fields, output));
}

// A verb about checkpoints in a directory, by way of a server or not.
std::shared_ptr<NamedFlags> AddPlaceVerb(CLI::App& checkpoint, Selected* selected, CLI::App** command,
                                         const char* name, const char* help,
                                         absl::Status (*run)(const NamedFlags&)) {
  *command = checkpoint.add_subcommand(name, help);
  auto flags = std::make_shared<NamedFlags>();
  flags->place.connect = AddConnectFlags(**command);
  (*command)
      ->add_option("--directory", flags->place.directory,
                   "Directory of checkpoints on this machine: no server is asked")
      ->type_name("DIR");
  OnRun(**command, selected, [=] { return run(*flags); });
  return flags;
}

void AddPlaceVerbs(CLI::App& checkpoint, Selected* selected) {
  CLI::App* list = nullptr;
  auto flags =
      AddPlaceVerb(checkpoint, selected, &list, "list", "List the complete checkpoints, oldest first", List);
  AddOutputFlag(*list, &flags->output);
  list->footer(
      "Examples:\n  rowhouse checkpoint list\n"
      "  rowhouse checkpoint list --directory /var/lib/rowhouse/checkpoints -o json");

  CLI::App* describe = nullptr;
  flags = AddPlaceVerb(checkpoint, selected, &describe, "describe",
                       "Show all that a checkpoint's manifest says", Describe);
  describe->add_option("NAME", flags->name, "Checkpoint")->type_name("CHECKPOINT")->required();
  AddOutputFlag(*describe, &flags->output);
  describe->footer(
      "Tables, how far each writer was, pushes that are in it only in part, what it stands on; wide also has "
      "every partition.\n"
      "Examples:\n  rowhouse checkpoint describe monday\n  rowhouse checkpoint describe monday -o yaml");

  CLI::App* verify = nullptr;
  flags = AddPlaceVerb(checkpoint, selected, &verify, "verify",
                       "Read every byte of a checkpoint and of what it stands on", Verify);
  verify->add_option("NAME", flags->name, "Checkpoint")->type_name("CHECKPOINT")->required();
  AddOutputFlag(*verify, &flags->output);
  verify->footer(
      "Exit code 1 when something is damaged or missing; the error names the file.\n"
      "Examples:\n  rowhouse checkpoint verify monday\n"
      "  rowhouse checkpoint verify monday --directory /var/lib/rowhouse/checkpoints");

  CLI::App* remove = nullptr;
  flags = AddPlaceVerb(checkpoint, selected, &remove, "delete", "Remove a checkpoint that no other stands on",
                       Delete);
  remove->add_option("NAME", flags->name, "Checkpoint")->type_name("CHECKPOINT")->required();
  remove->add_flag("--yes", flags->yes, "Do not ask");
  remove->footer("Examples:\n  rowhouse checkpoint delete monday --yes");
}

void AddJobVerbs(CLI::App& checkpoint, Selected* selected) {
  CLI::App* cancel = checkpoint.add_subcommand("cancel", "Give up the checkpoint that is being made");
  const auto cancel_connect = AddConnectFlags(*cancel);
  cancel->footer("Examples:\n  rowhouse checkpoint cancel");
  OnRun(*cancel, selected, [=] { return Cancel(*cancel_connect); });

  CLI::App* status =
      checkpoint.add_subcommand("status", "Show the checkpoint that is being made, or the last one");
  const auto status_connect = AddConnectFlags(*status);
  auto output = std::make_shared<std::string>();
  AddOutputFlag(*status, output.get());
  status->footer("Examples:\n  rowhouse checkpoint status\n  rowhouse checkpoint status -o json");
  OnRun(*status, selected, [=] { return ShowStatus(*status_connect, *output); });

  CLI::App* schedule =
      checkpoint.add_subcommand("schedule", "Show how often server 0 makes one, and which are there");
  const auto connect = AddConnectFlags(*schedule);
  auto format = std::make_shared<std::string>();
  AddOutputFlag(*schedule, format.get());
  schedule->footer(
      "It is set with --checkpoint-every and --checkpoint-keep of server 0, or in its config file, which "
      "SIGHUP "
      "reads again.\n"
      "Examples:\n  rowhouse checkpoint schedule");
  OnRun(*schedule, selected, [=] { return Schedule(*connect, *format); });
}

}  // namespace

void AddCheckpointCommands(CLI::App& app, Selected* selected) {
  CLI::App* checkpoint =
      app.add_subcommand("checkpoint", "Make, look at, restore and remove checkpoints of a whole cluster");
  checkpoint->require_subcommand(1);
  AddCheckpointCreate(*checkpoint, selected);
  AddCheckpointBarrier(*checkpoint, selected);
  AddPlaceVerbs(*checkpoint, selected);
  AddJobVerbs(*checkpoint, selected);
  AddCheckpointRestore(*checkpoint, selected);
}

}  // namespace rowhouse::cli
