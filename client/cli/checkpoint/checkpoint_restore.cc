// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/checkpoint/checkpoint_restore.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/checkpoint/checkpoint_text.h"
#include "client/cli/checkpoint/progress_line.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/render.h"
#include "common/random.h"
#include "common/routing/partition_map.h"
#include "common/status_macros.h"
#include "common/units.h"
#include "server/restore_directory.h"

namespace rowhouse::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kPartialName[] = "restoring.partial";

std::string Absolute(const std::string& path) {
  std::string text = fs::absolute(path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// ---- which checkpoint

// The folder that is restored.
absl::StatusOr<std::string> FolderOf(const RestoreFlags& flags) {
  const std::string path = Absolute(flags.path);
  if (flags.until.empty()) return path;
  RH_RETURN_IF_ERROR(server::ValidateCheckpointName(flags.until));
  RH_ASSIGN_OR_RETURN(const server::CheckpointSource from, server::OpenCheckpoint(*PosixFileSystem(), path));
  const std::string folder = absl::StrCat(fs::path(path).parent_path().string(), "/", flags.until);
  RH_ASSIGN_OR_RETURN(const server::CheckpointSource until,
                      server::OpenCheckpoint(*PosixFileSystem(), folder));
  const server::Manifest& barrier = until.chain.back();
  if (barrier.kind != server::CheckpointKind::kBarrier) {
    return absl::InvalidArgumentError(absl::StrCat("--until is ", flags.until, ", which is no barrier but ",
                                                   server::CheckpointKindName(barrier.kind),
                                                   ": give its folder in place of ", flags.path));
  }
  const auto has = [&](const server::Manifest& manifest) { return manifest.id == from.chain.back().id; };
  if (std::any_of(until.chain.begin(), until.chain.end(), has)) return folder;
  return absl::FailedPreconditionError(absl::StrCat(
      "barrier ", flags.until, " does not stand on ", from.chain.back().name, " but on ",
      absl::StrJoin(until.chain.begin(), until.chain.end() - 1, ", ",
                    [](std::string* out, const server::Manifest& manifest) { *out += manifest.name; })));
}

// ---- where to

// What was there before would be mixed with what is restored.
absl::Status CheckFree(FileSystem& files, const std::string& directory) {
  RH_ASSIGN_OR_RETURN(const bool exists, files.Exists(directory));
  if (!exists) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
  for (const std::string& name : names) {
    std::error_code error;
    const std::string path = absl::StrCat(directory, "/", name);
    if (name == kPartialName || fs::is_empty(path, error)) continue;
    if (!absl::StartsWith(name, "server-") && name != "IDENTITY") continue;
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     " is there and not empty: a restore makes new directories; give another --data-dir, "
                     "or move it away"));
  }
  return absl::OkStatus();
}

// The folder in which the servers' directories are made; it goes with the object, and so does --data-dir when
// nothing is in it.
class Workshop {
 public:
  static absl::StatusOr<std::unique_ptr<Workshop>> Open(const std::string& directory) {
    FileSystem& files = *PosixFileSystem();
    const std::string path = absl::StrCat(directory, "/", kPartialName);
    RH_RETURN_IF_ERROR(files.CreateDirectories(path));
    RH_ASSIGN_OR_RETURN(auto lock, files.Lock(absl::StrCat(path, "/LOCK")));
    std::unique_ptr<Workshop> shop(new Workshop(directory, path, std::move(lock)));
    RH_ASSIGN_OR_RETURN(const std::vector<std::string> left, files.List(path));
    for (const std::string& name : left) {
      if (name != "LOCK") RH_RETURN_IF_ERROR(Remove(absl::StrCat(path, "/", name)));
    }
    return shop;
  }
  ~Workshop() {
    const absl::Status removed = Remove(path_);
    if (!removed.ok()) WriteError(absl::StrCat("warning: ", removed.message(), "\n"));
    std::error_code error;
    fs::remove(directory_, error);  // stays unless it is empty
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  std::string In(uint32_t server) const { return absl::StrCat(path_, "/server-", server); }
  // From here to their names.
  absl::Status Publish(uint32_t servers) const {
    FileSystem& files = *PosixFileSystem();
    for (uint32_t server = 0; server < servers; ++server)
      RH_RETURN_IF_ERROR(files.Rename(In(server), absl::StrCat(directory_, "/server-", server)));
    return files.SyncDirectory(directory_);
  }

 private:
  Workshop(std::string directory, std::string path, std::unique_ptr<FileLock> lock)
      : directory_(std::move(directory)), path_(std::move(path)), lock_(std::move(lock)) {}
  static absl::Status Remove(const std::string& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (!error) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("cannot remove ", path, ": ", error.message()));
  }

  const std::string directory_, path_;
  const std::unique_ptr<FileLock> lock_;
};

// ---- what is told

struct Plan {
  std::string folder, data_directory;
  uint32_t servers = 0, partitions = 0;
  const server::Manifest* manifest = nullptr;
  size_t chain = 0;
};

std::string DirectoryOf(const Plan& plan, uint32_t server) {
  return absl::StrCat(plan.data_directory, "/server-", server);
}

std::string CommandOf(const Plan& plan, uint32_t server) {
  std::string command = absl::StrCat("rowhouse server --data-dir ", DirectoryOf(plan, server),
                                     " --partitions ", plan.partitions);
  if (plan.servers > 1) absl::StrAppend(&command, " --servers ADDRESSES --server-index ", server);
  return command;
}

absl::Status ShowPlan(const Plan& plan, const std::string& output) {
  const server::Manifest& manifest = *plan.manifest;
  const Listing listing{.columns = {{"checkpoint", ""},
                                    {"kind", ""},
                                    {"checkpoints_read", ""},
                                    {"cut", ""},
                                    {"rows_in_files", ""},
                                    {"bytes", "", Unit::kBytes},
                                    {"tables", ""},
                                    {"writers", ""},
                                    {"incomplete_pushes", ""},
                                    {"data_directory", ""},
                                    {"servers", ""},
                                    {"partitions", ""}},
                        .rows = {{plan.folder, server::CheckpointKindName(manifest.kind), plan.chain,
                                  MomentText(manifest.cut_unix_micros), manifest.rows, manifest.bytes,
                                  manifest.tables.size(), manifest.writers.size(), manifest.incomplete.size(),
                                  plan.data_directory, plan.servers, plan.partitions}},
                        .single = true};
  if (!Show(listing, output)) return OutputClosed();
  if (!IsForPeople(FormatOf(output))) return absl::OkStatus();
  return Write("every file is whole; nothing was made\n") ? absl::OkStatus() : OutputClosed();
}

absl::Status ShowRestored(const Plan& plan, const std::vector<server::Restored>& restored,
                          const std::string& output) {
  Listing listing{.columns = {{"server", "SERVER"},
                              {"data_directory", "DATA"},
                              {"rows", "ROWS"},
                              {"records", "RECORDS"},
                              {"command", "COMMAND", Unit::kNone, true}}};
  for (uint32_t server = 0; server < plan.servers; ++server)
    listing.rows.push_back({server, DirectoryOf(plan, server), restored[server].rows,
                            restored[server].records, CommandOf(plan, server)});
  if (!Show(listing, output)) return OutputClosed();
  if (!IsForPeople(FormatOf(output))) return absl::OkStatus();
  std::string text = absl::StrCat(
      "\nrestored ", plan.manifest->name, ", the moment ", MomentText(plan.manifest->cut_unix_micros),
      ". Start it with these, and what your servers are given\n"
      "otherwise (--memory-budget, --checkpoint-directory, an address of its own each):\n");
  for (uint32_t server = 0; server < plan.servers; ++server)
    absl::StrAppend(&text, "  ", CommandOf(plan, server), "\n");
  absl::StrAppend(&text, "or, all of them on this machine,\n  rowhouse cluster up --dir ",
                  plan.data_directory, " -n ", plan.servers, " --partitions ", plan.partitions, "\n");
  return Write(text) ? absl::OkStatus() : OutputClosed();
}

// ---- the restore

absl::StatusOr<std::vector<server::Restored>> MakeServers(const Plan& plan, const Workshop& shop,
                                                          const Interrupt& interrupt) {
  // One cluster, one history; every server of it is told the same.
  const server::RestoredCluster cluster{
      .ids = {.cluster = SystemRandom()->Next64() | 1, .history = SystemRandom()->Next64() | 1}};
  ProgressLine line("restore");
  std::vector<server::Restored> restored;
  for (uint32_t server = 0; server < plan.servers; ++server) {
    const server::RestoreDirectoryRequest request{
        .checkpoint = plan.folder,
        .identity = {.data_directory = shop.In(server),
                     .log_directory = shop.In(server) + "/log",
                     .server = server,
                     .servers = std::vector<std::string>(plan.servers),
                     .partitions = plan.partitions},
        .verified = true};
    const auto progress = [&](uint64_t done, uint64_t total) {
      line.Update(absl::StrCat("server ", server), static_cast<double>(done) / static_cast<double>(total + 1),
                  absl::StrCat(FormatBytes(done), " of ", FormatBytes(total)));
      return !interrupt.came();
    };
    RH_ASSIGN_OR_RETURN(const server::Restored one,
                        server::RestoreDirectory(
                            *PosixFileSystem(), request,
                            [&] { return absl::StatusOr<server::RestoredCluster>(cluster); }, progress));
    restored.push_back(one);
  }
  return restored;
}

absl::Status VerifyAll(const server::CheckpointSource& source, const Interrupt& interrupt) {
  ProgressLine line("restore");
  return server::VerifyChain(source.store, source.chain, [&](uint64_t done, uint64_t total) {
    line.Update("verifying", static_cast<double>(done) / static_cast<double>(total + 1),
                absl::StrCat(FormatBytes(done), " of ", FormatBytes(total)));
    return !interrupt.came();
  });
}

absl::Status Restore(const RestoreFlags& flags, const Interrupt& interrupt) {
  FileSystem& files = *PosixFileSystem();
  Plan plan{.data_directory = Absolute(flags.data_directory), .servers = flags.servers};
  RH_ASSIGN_OR_RETURN(plan.folder, FolderOf(flags));
  RH_ASSIGN_OR_RETURN(const server::CheckpointSource source, server::OpenCheckpoint(files, plan.folder));
  plan.manifest = &source.chain.back();
  plan.chain = source.chain.size();
  plan.partitions = flags.partitions == 0 ? plan.manifest->partitions : flags.partitions;
  RH_RETURN_IF_ERROR(PartitionMap::Fixed(plan.partitions, std::vector<std::string>(plan.servers)).status());
  RH_RETURN_IF_ERROR(CheckFree(files, plan.data_directory));
  RH_RETURN_IF_ERROR(VerifyAll(source, interrupt));
  if (flags.dry_run) return ShowPlan(plan, flags.output);
  std::vector<server::Restored> restored;
  {
    RH_ASSIGN_OR_RETURN(const auto shop, Workshop::Open(plan.data_directory));
    RH_ASSIGN_OR_RETURN(restored, MakeServers(plan, *shop, interrupt));
    RH_RETURN_IF_ERROR(shop->Publish(plan.servers));
  }
  return ShowRestored(plan, restored, flags.output);
}

}  // namespace

absl::Status RestoreOffline(const RestoreFlags& flags) {
  const Interrupt interrupt;
  absl::Status status = Restore(flags, interrupt);
  if (!interrupt.came() || status.ok()) return status;
  return absl::CancelledError("interrupted: nothing was made");
}

void AddCheckpointRestore(CLI::App& checkpoint, Selected* selected) {
  CLI::App* restore = checkpoint.add_subcommand(
      "restore", "Make the data directories of a new cluster from a checkpoint, without a server");
  auto flags = std::make_shared<RestoreFlags>();
  restore->add_option("PATH", flags->path, "Folder of a checkpoint or barrier")->type_name("DIR")->required();
  restore->add_option("--data-dir", flags->data_directory, "Gets server-0, server-1, ...")
      ->type_name("DIR")
      ->required();
  restore->add_option("--servers", flags->servers, "Of the new cluster; any number")->capture_default_str();
  restore
      ->add_option("--partitions", flags->partitions,
                   "Of the new cluster; a power of two, 0: as many as the checkpoint has")
      ->capture_default_str();
  restore->add_option("--until", flags->until,
                      "Go on to this barrier, which is beside PATH and stands on it");
  restore->add_flag("--dry-run", flags->dry_run, "Verify every file, say what would be made, make nothing");
  AddOutputFlag(*restore, &flags->output);
  restore->footer(
      "The new cluster has a history of its own: trainers register anew and ask how far they were.\n"
      "Examples:\n"
      "  rowhouse checkpoint restore /var/lib/rowhouse/checkpoints/monday --data-dir restored --dry-run\n"
      "  rowhouse checkpoint restore /var/lib/rowhouse/checkpoints/monday --data-dir restored --servers 5");
  OnRun(*restore, selected, [=] { return RestoreOffline(*flags); });
}

}  // namespace rowhouse::cli
