// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/checkpointer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sim/outcome.h"

namespace rowhouse::sim {
namespace {

constexpr int64_t kMilli = 1'000'000;
constexpr uint64_t kMostChecked = 3;

}  // namespace

std::vector<uint64_t> Checkpointer::Acknowledged() const {
  std::vector<uint64_t> changes;
  for (const auto& worker : world_.workers) changes.push_back(worker->model->acknowledged());
  return changes;
}

std::vector<uint64_t> Checkpointer::Begun() const {
  std::vector<uint64_t> changes;
  for (const auto& worker : world_.workers) changes.push_back(worker->model->begun());
  return changes;
}

void Checkpointer::Run() {
  for (int number = 1; !world_.AllDone(); ++number) {
    SleepUntil(Now() + static_cast<int64_t>(RandomBelow(2000 * kMilli)));
    Make(absl::StrCat("c", number));
  }
}

void Checkpointer::Make(const std::string& name) {
  ClientImpl& client = *world_.clients[0]->impl;
  CheckpointOptions options{.name = name, .wait_for_cut = RandomBelow(4) == 0};
  if (RandomBelow(2) == 0)
    options.kind = RandomBelow(2) == 0 ? CheckpointKind::kIncremental : CheckpointKind::kBarrier;
  Window window{.least = Acknowledged(), .most = {}};
  const absl::StatusOr<CheckpointStatus> begun = client.BeginCheckpoint(options);
  Note("checkpoint begun", static_cast<uint64_t>(begun.status().code()));
  bool done = false;
  if (begun.ok()) {
    const bool cut = options.wait_for_cut && TakeCut(client, begun->id, &window);
    done = AwaitEnd(client, begun->id);
    if (!cut) window.most = Begun();
  } else {
    window.most = Begun();
  }
  ++(done ? CurrentOutcome().checkpoints : CurrentOutcome().failed_checkpoints);
  Note("checkpoint ended", done ? 1 : 0);
  windows_[name] = std::move(window);
  if (RandomBelow(4) == 0) DeleteSome(client);
}

bool Checkpointer::AwaitEnd(ClientImpl& client, uint64_t job) {
  while (true) {
    SleepUntil(Now() + 50 * kMilli);
    const absl::StatusOr<CheckpointStatus> status = client.GetCheckpoint(job);
    if (status.ok() && !status->ended()) continue;
    return status.ok() && status->phase == CheckpointPhase::kDone;
  }
}

bool Checkpointer::TakeCut(ClientImpl& client, uint64_t job, Window* window) {
  std::vector<uint64_t> least = Acknowledged();
  const absl::StatusOr<CheckpointStatus> cut = client.CutCheckpoint(job);
  if (!cut.ok() || cut->phase <= CheckpointPhase::kCut || cut->phase > CheckpointPhase::kDone) return false;
  window->least = std::move(least);
  window->most = Begun();
  return true;
}

void Checkpointer::DeleteSome(ClientImpl& client) {
  const absl::StatusOr<CheckpointList> list = client.ListCheckpoints();
  if (!list.ok() || list->checkpoints.empty()) return;
  const std::string name = list->checkpoints[RandomBelow(list->checkpoints.size())].name;
  // Not found: told again because the answer was lost.
  const absl::Status gone = client.DeleteCheckpoint(name);
  Note("checkpoint deleted", static_cast<uint64_t>(gone.code()));
  if (gone.ok() || absl::IsNotFound(gone)) deleted_.insert(name);
}

void Checkpointer::CheckListed() {
  const absl::StatusOr<CheckpointList> list = world_.clients[0]->impl->ListCheckpoints();
  if (!list.ok()) Broken(absl::StrCat("checkpoints cannot be listed: ", list.status().ToString()));
  std::vector<std::string> names;
  for (const CheckpointInfo& info : list->checkpoints) {
    if (!info.error.empty()) Broken(absl::StrCat("checkpoint ", info.name, ": ", info.error));
    if (windows_.count(info.name) == 0)
      Broken(absl::StrCat("checkpoint ", info.name, " was never asked for"));
    if (deleted_.count(info.name) != 0)
      Broken(absl::StrCat("checkpoint ", info.name, " was deleted and is listed"));
    names.push_back(info.name);
  }
  // Some of them, the last one surely.
  while (names.size() > kMostChecked)
    names.erase(names.begin() + static_cast<ptrdiff_t>(RandomBelow(names.size() - 1)));
  for (const std::string& name : names) Check(name, windows_[name]);
}

void Checkpointer::Check(const std::string& name, const Window& window) {
  ++CurrentOutcome().restores;
  const uint32_t servers = static_cast<uint32_t>(1 + RandomBelow(3));
  const uint32_t partitions = uint32_t{4} << RandomBelow(3);
  RestoredCluster restored(world_.plan.shape, &world_.checkpoints, servers, partitions);
  const absl::Status status = restored.Restore(name);
  if (!status.ok()) Broken(absl::StrCat("checkpoint ", name, " cannot be restored: ", status.ToString()));
  CheckWorkers(name, window, restored);
  if (restored.manifest().incomplete.empty()) CheckPairs(name, restored);
}

void Checkpointer::CheckWorkers(const std::string& name, const Window& window, RestoredCluster& restored) {
  std::vector<TableBits> rows;
  for (const TableSchema& schema : world_.schemas) rows.push_back(restored.Rows(schema.table_id));
  for (size_t table = 0; table < rows.size(); ++table) {
    CurrentOutcome().rows_compared += rows[table].size();
    for (const auto& [id, bits] : rows[table]) {
      const bool known =
          std::any_of(world_.workers.begin(), world_.workers.end(),
                      [&, i = id](const auto& worker) { return worker->model->Has(table, i); });
      if (!known) Broken(absl::StrCat("checkpoint ", name, " has a row that nobody pushed, id ", id));
    }
  }
  std::set<std::string> partly;  // clients with a push that is not whole
  for (const server::IncompletePush& push : restored.manifest().incomplete) {
    for (const server::WriterCut& writer : restored.manifest().writers) {
      if (writer.writer == push.writer) partly.insert(writer.name);
    }
  }
  for (size_t i = 0; i < world_.workers.size(); ++i) {
    const WorkerState& worker = *world_.workers[i];
    const std::string error = partly.count(worker.client->name) != 0
                                  ? worker.model->FindVersions(rows, window.least[i], window.most[i])
                                  : worker.model->FindMoment(rows, window.least[i], window.most[i]);
    if (!error.empty()) Broken(absl::StrCat("checkpoint ", name, " is no moment of worker ", i, ": ", error));
  }
}

void Checkpointer::CheckPairs(const std::string& name, RestoredCluster& restored) {
  const TableBits shared = restored.Rows(world_.shared_schema.table_id);
  for (const auto& [id, bits] : shared) {
    const auto twin = shared.find(id ^ 1);
    if (twin == shared.end() || twin->second != bits)
      Broken(absl::StrCat("checkpoint ", name, " has part of a push: shared row ", id,
                          " differs from its twin"));
  }
}

}  // namespace rowhouse::sim
