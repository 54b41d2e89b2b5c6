// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/checkpointer.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace rowhouse::dlrm {
namespace {

constexpr uint64_t kLookEvery = 8;  // batches
constexpr std::chrono::milliseconds kPoll{20};

}  // namespace

std::string MlpPath(const std::string& directory, uint64_t step) {
  return absl::StrCat(directory, "/mlp-", step, ".bin");
}

void Checkpointer::Note(const CheckpointStatus& status) {
  if (!status.ended()) return;
  under_way_ = 0;
  if (status.phase == CheckpointPhase::kDone) {
    ++made_;
    return;
  }
  std::fprintf(stderr, "\rdlrm: checkpoint %s was not made: %s\n", status.name.c_str(),
               std::string(status.error.message()).c_str());
}

absl::Status Checkpointer::Cut(Dlrm* model) {
  // What was pushed is applied, and nothing else is sent until the cut is taken: it is between two batches.
  RH_RETURN_IF_ERROR(client_->Flush());
  RH_RETURN_IF_ERROR(model->Save(MlpPath(directory_, model->steps())));
  const auto cut = client_->CutCheckpoint(under_way_);
  cut_taken_ = true;
  if (cut.ok()) {
    Note(*cut);
  } else {
    under_way_ = 0;
    std::fprintf(stderr, "\rdlrm: the checkpoint's cut was not taken: %s\n",
                 std::string(cut.status().message()).c_str());
  }
  return absl::OkStatus();
}

absl::Status Checkpointer::AfterBatch(Dlrm* model) {
  const uint64_t step = model->steps();
  if (under_way_ != 0) {
    if (step < next_look_) return absl::OkStatus();
    next_look_ = step + kLookEvery;
    const auto status = client_->GetCheckpoint(under_way_);
    if (!status.ok()) {
      under_way_ = 0;  // its server was restarted
      return absl::OkStatus();
    }
    if (status->phase == CheckpointPhase::kWaiting && !cut_taken_) return Cut(model);
    Note(*status);
    return absl::OkStatus();
  }
  if (step % every_ != 0) return absl::OkStatus();
  const auto begun =
      client_->BeginCheckpoint({.name = absl::StrCat("dlrm-from-step-", step), .wait_for_cut = true});
  if (!begun.ok()) {
    std::fprintf(stderr, "\rdlrm: no checkpoint at step %llu: %s\n", static_cast<unsigned long long>(step),
                 std::string(begun.status().message()).c_str());
    return absl::OkStatus();
  }
  under_way_ = begun->id;
  cut_taken_ = false;
  next_look_ = step + 1;
  return absl::OkStatus();
}

absl::Status Checkpointer::Finish(Dlrm* model) {
  while (under_way_ != 0) {
    const auto status = client_->GetCheckpoint(under_way_);
    if (!status.ok()) return absl::OkStatus();
    if (status->phase == CheckpointPhase::kWaiting && !cut_taken_) {
      RH_RETURN_IF_ERROR(Cut(model));
      continue;
    }
    Note(*status);
    if (under_way_ != 0) std::this_thread::sleep_for(kPoll);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Resume(Client* client, const std::string& writer_name, const std::string& directory,
                                Dlrm* model) {
  RH_ASSIGN_OR_RETURN(const RestoredWriter restored, client->GetRestoredWriter(writer_name));
  if (restored.step == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--resume: the servers were not restored from a checkpoint that knows the writer ", writer_name,
        ": start them with --restore-from, and the trainer with the same --table-prefix and --rank"));
  }
  const std::string path = MlpPath(directory, restored.step);
  if (!std::filesystem::exists(path)) {
    return absl::NotFoundError(
        absl::StrCat("--resume: the servers are at step ", restored.step, ", and ", path,
                     " is not there: name the directory of --checkpoint-dir that was used"));
  }
  RH_RETURN_IF_ERROR(model->Load(path));
  return restored.step;
}

}  // namespace rowhouse::dlrm
