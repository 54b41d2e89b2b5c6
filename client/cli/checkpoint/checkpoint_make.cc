// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/checkpoint/checkpoint_make.h"

#include <csignal>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/checkpoint/checkpoint_text.h"
#include "client/cli/checkpoint/progress_line.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::cli {
namespace {

constexpr std::chrono::milliseconds kPoll(100);

struct MakeFlags {
  CheckpointOptions options;
  bool incremental = false, no_wait = false;
  std::string output;
};

double SecondsOf(const CheckpointStatus& job) {
  return static_cast<double>(job.ended_unix_micros - job.began_unix_micros) * 1e-6;
}

void Tell(ProgressLine& line, const CheckpointStatus& job, double seconds) {
  const double part =
      job.rows_total == 0 ? 0 : static_cast<double>(job.rows_seen) / static_cast<double>(job.rows_total);
  const double rate = static_cast<double>(job.rows_seen) / (seconds + 1e-9);
  line.Update(PhaseText(job.phase), part,
              absl::StrFormat("%d of %d rows, %s written, %.0f rows/s", job.rows_seen, job.rows_total,
                              FormatBytes(job.bytes_written), rate));
}

// Until the job has ended; a signal gives it up first.
absl::StatusOr<CheckpointStatus> Watch(Client& client, CheckpointStatus job, const Interrupt& interrupt) {
  ProgressLine line(absl::StrCat("checkpoint ", job.name));
  const auto begin = std::chrono::steady_clock::now();
  while (!job.ended()) {
    Tell(line, job, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    interrupt.WaitFor(kPoll);
    auto next = interrupt.came() ? client.CancelCheckpoint(job.id) : client.GetCheckpoint(job.id);
    if (absl::IsNotFound(next.status())) {
      return absl::AbortedError(absl::StrCat("server 0 was started again while checkpoint ", job.name,
                                             " was being made: nothing of it is left"));
    }
    RH_RETURN_IF_ERROR(
        OrMayHaveHappened(next.status(), "the checkpoint may go on: look with `rowhouse checkpoint status`"));
    job = *std::move(next);
  }
  return job;
}

absl::Status ShowJob(const CheckpointStatus& job, const std::string& output) {
  if (!IsForPeople(FormatOf(output)))
    return Show(JobListing(job), output) ? absl::OkStatus() : OutputClosed();
  std::string text = absl::StrCat("checkpoint ", job.name, ": ");
  if (job.ended()) {
    absl::StrAppend(&text, job.rows_written, " rows, ", FormatBytes(job.bytes_written), " in ",
                    absl::StrFormat("%.2fs", SecondsOf(job)), "; pushes were held for ",
                    MicrosText(job.hold_micros), "\n");
  } else {
    absl::StrAppend(&text, "begun; rowhouse checkpoint status tells how far it is\n");
  }
  return Write(text) ? absl::OkStatus() : OutputClosed();
}

// The exit code.
int Make(const ConnectFlags& connect, const MakeFlags& flags) {
  const auto client = Connect(connect);
  if (!client.ok()) return Report(client.status());
  const Interrupt interrupt(kLongestEnd);
  auto job = OrMayHaveHappened((*client)->BeginCheckpoint(flags.options),
                               "it may have begun: look with `rowhouse checkpoint status`");
  if (job.ok() && !flags.no_wait) job = Watch(**client, *std::move(job), interrupt);
  if (!job.ok()) return Report(job.status());
  if (job->phase == CheckpointPhase::kDone || !job->ended()) return Report(ShowJob(*job, flags.output));
  const absl::Status reason = absl::AbortedError(absl::StrCat(
      "checkpoint ", job->name, " was not made, and nothing of it is left: ", job->error.message()));
  const int code = Report(reason);
  return interrupt.came() && job->phase == CheckpointPhase::kCancelled ? kEndedBySignal + interrupt.signal()
                                                                       : code;
}

// What both verbs have.
std::shared_ptr<MakeFlags> AddMakeFlags(CLI::App& command, Selected* selected) {
  const auto connect = AddConnectFlags(command);
  auto flags = std::make_shared<MakeFlags>();
  command.add_option("NAME", flags->options.name,
                     "1 to 128 characters of [A-Za-z0-9_.-]; default its kind and the time");
  command.add_option("--base", flags->options.base, "What it stands on; default the newest that will do")
      ->type_name("CHECKPOINT");
  command.add_flag("--no-wait", flags->no_wait, "Begin it and return");
  AddOutputFlag(command, &flags->output);
  command.callback([=] {
    if (flags->incremental) flags->options.kind = CheckpointKind::kIncremental;
    selected->run = [=] { return Make(*connect, *flags); };
  });
  return flags;
}

}  // namespace

void AddCheckpointCreate(CLI::App& checkpoint, Selected* selected) {
  CLI::App* create = checkpoint.add_subcommand("create", "Make a checkpoint while training goes on");
  const auto flags = AddMakeFlags(*create, selected);
  create->add_flag("--incremental", flags->incremental, "Only the rows that changed since its base");
  create->get_option("--base")->needs(create->get_option("--incremental"));
  create->footer(
      "Ctrl-C gives it up and waits until nothing of it is left: exit code 130.\n"
      "Examples:\n  rowhouse checkpoint create\n  rowhouse checkpoint create monday\n"
      "  rowhouse checkpoint create --incremental\n  rowhouse checkpoint create --no-wait -o json");
}

void AddCheckpointBarrier(CLI::App& checkpoint, Selected* selected) {
  CLI::App* barrier = checkpoint.add_subcommand(
      "barrier", "Note a moment in the log since a checkpoint: no rows are written");
  const auto flags = AddMakeFlags(*barrier, selected);
  flags->options.kind = CheckpointKind::kBarrier;
  barrier->footer(
      "Wants servers with --checkpoint-keep-log. A restore goes to it with --until.\n"
      "Examples:\n  rowhouse checkpoint barrier\n  rowhouse checkpoint barrier noon --base monday");
}

}  // namespace rowhouse::cli
