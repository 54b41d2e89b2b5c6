// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse generate prometheus | alerts | compose | systemd

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/compose_files.h"
#include "client/cli/embedded_files.h"
#include "client/cli/output.h"
#include "common/file_system.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

absl::StatusOr<std::string_view> Embedded(const char* path) {
  const EmbeddedFile* file = FindEmbeddedFile(path);
  if (file != nullptr) return file->text;
  return absl::FailedPreconditionError(absl::StrCat("this program was built without ", path,
                                                    ": build it again from a tree that has the file"));
}

absl::Status Generate(const char* path) {
  RH_ASSIGN_OR_RETURN(const std::string_view text, Embedded(path));
  return Write(text) ? absl::OkStatus() : OutputClosed();
}

// The compose file to stdout or, with what it mounts, into a directory.
absl::Status GenerateCompose(const std::string& directory) {
  FileSystem& fs = *PosixFileSystem();
  RH_ASSIGN_OR_RETURN(const std::string_view source, Embedded(kComposePath));
  const std::string compose = StandaloneCompose(source);
  if (directory.empty()) return Write(compose) ? absl::OkStatus() : OutputClosed();
  RH_RETURN_IF_ERROR(fs.CreateDirectories(directory));
  const auto put = [&](const std::string& name, std::string_view text) -> absl::Status {
    const std::string path = absl::StrCat(directory, "/", name);
    RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
    if (exists) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " exists and may have been edited: remove it, or give another --out"));
    }
    RH_RETURN_IF_ERROR(ReplaceFileDurably(fs, path, text));
    return Write(absl::StrCat(path, "\n")) ? absl::OkStatus() : OutputClosed();
  };
  RH_RETURN_IF_ERROR(put("docker-compose.yml", compose));
  for (const ComposeFile& file : kComposeFiles) {
    RH_ASSIGN_OR_RETURN(const std::string_view text, Embedded(file.path));
    RH_RETURN_IF_ERROR(put(file.name, text));
  }
  return absl::OkStatus();
}

void AddCompose(CLI::App& generate, Selected* selected) {
  CLI::App* command = generate.add_subcommand("compose", "A docker-compose file of three servers");
  auto directory = std::make_shared<std::string>();
  command->add_option("--out", *directory, "Write it into this directory, with the files that it mounts")
      ->type_name("DIR");
  command->footer(
      "It needs no checkout: the image of the servers is the one that ROWHOUSE_IMAGE names, and must be "
      "there.\n"
      "Its profile \"monitoring\" mounts prometheus.yml and alerts.yml, which --out writes beside it.\n"
      "Examples:\n  rowhouse generate compose > docker-compose.yml\n  rowhouse generate compose --out "
      "cluster");
  OnRun(*command, selected, [=] { return GenerateCompose(*directory); });
}

}  // namespace

void AddGenerateCommands(CLI::App& app, Selected* selected) {
  CLI::App* generate =
      app.add_subcommand("generate", "Print files that run and watch a cluster, to be edited");
  generate->require_subcommand(1);
  const struct {
    const char *name, *help, *path, *example;
  } files[] = {
      {"prometheus", "A Prometheus configuration that scrapes three local servers",
       "deploy/prometheus/prometheus.yml", "prometheus.yml"},
      {"alerts", "Prometheus alert rules", "deploy/prometheus/alerts.yml", "alerts.yml"},
      {"systemd", "A systemd unit of one server", "deploy/systemd/rowhouse.service", "rowhouse.service"}};
  for (const auto& file : files) {
    CLI::App* command = generate->add_subcommand(file.name, file.help);
    command->footer(absl::StrCat("Examples:\n  rowhouse generate ", file.name, " > ", file.example));
    OnRun(*command, selected, [path = file.path] { return Generate(path); });
  }
  AddCompose(*generate, selected);
}

}  // namespace rowhouse::cli
