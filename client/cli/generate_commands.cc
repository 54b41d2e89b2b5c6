// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// rowhouse generate prometheus | alerts | compose | systemd

#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/embedded_files.h"
#include "client/cli/output.h"

namespace rowhouse::cli {
namespace {

absl::Status Generate(const char* path) {
  const EmbeddedFile* file = FindEmbeddedFile(path);
  if (file == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("this program was built without ", path,
                                                      ": build it again from a tree that has the file"));
  }
  return Write(file->text) ? absl::OkStatus() : OutputClosed();
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
      {"compose", "A docker-compose file of three servers", "docker-compose.yml", "docker-compose.yml"},
      {"systemd", "A systemd unit of one server", "deploy/systemd/rowhouse.service", "rowhouse.service"}};
  for (const auto& file : files) {
    CLI::App* command = generate->add_subcommand(file.name, file.help);
    command->footer(absl::StrCat("Examples:\n  rowhouse generate ", file.name, " > ", file.example));
    OnRun(*command, selected, [path = file.path] { return Generate(path); });
  }
}

}  // namespace rowhouse::cli
