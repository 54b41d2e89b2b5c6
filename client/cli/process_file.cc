// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/process_file.h"

// The header of glibc 2.36 does not say so itself.
extern "C" {
#include <sys/pidfd.h>
}
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/proc_text.h"
#include "common/file_system.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

constexpr uint64_t kMaxBytes = 1 << 16;
constexpr size_t kStateField = 0, kStartField = 19;  // of the fields after the name, which are 3 to 52

absl::Status Gone(pid_t pid) { return absl::NotFoundError(absl::StrCat("there is no process ", pid)); }

absl::StatusOr<std::string> BootId() {
  RH_ASSIGN_OR_RETURN(std::string text, ReadProcText("/proc/sys/kernel/random/boot_id"));
  return std::string(absl::StripAsciiWhitespace(text));
}

}  // namespace

absl::StatusOr<uint64_t> ParseStartTicks(std::string_view stat) {
  const size_t name_end = stat.rfind(')');  // the name may hold blanks and parentheses
  if (name_end == std::string_view::npos) return absl::InvalidArgumentError("no line of /proc/PID/stat");
  const std::vector<std::string> fields =
      absl::StrSplit(std::string(stat.substr(name_end + 1)), ' ', absl::SkipWhitespace());
  uint64_t ticks = 0;
  if (fields.size() <= kStartField || !absl::SimpleAtoi(fields[kStartField], &ticks))
    return absl::InvalidArgumentError("no line of /proc/PID/stat");
  if (fields[kStateField] == "Z" || fields[kStateField] == "X") return absl::NotFoundError("it has ended");
  return ticks;
}

absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid) {
  const auto stat = ReadProcText(absl::StrCat("/proc/", pid, "/stat"));
  if (!stat.ok()) return Gone(pid);
  const auto ticks = ParseStartTicks(*stat);
  if (absl::IsNotFound(ticks.status())) return Gone(pid);
  RH_RETURN_IF_ERROR(ticks.status());
  RH_ASSIGN_OR_RETURN(std::string boot, BootId());
  return ProcessIdentity{pid, *ticks, std::move(boot)};
}

absl::Status WriteProcessFile(const std::string& path, const ProcessIdentity& process) {
  return ReplaceFileDurably(*PosixFileSystem(), path,
                            absl::StrCat(process.pid, " ", process.start_ticks, " ", process.boot, "\n"));
}

absl::StatusOr<ProcessIdentity> ReadProcessFile(const std::string& path) {
  RH_ASSIGN_OR_RETURN(const std::string text, ReadFile(*PosixFileSystem(), path, kMaxBytes));
  const std::vector<absl::string_view> words = absl::StrSplit(absl::StripAsciiWhitespace(text), ' ');
  ProcessIdentity process;
  if (words.size() != 3 || !absl::SimpleAtoi(words[0], &process.pid) || process.pid <= 0 ||
      !absl::SimpleAtoi(words[1], &process.start_ticks)) {
    return absl::DataLossError(
        absl::StrCat(path, " does not name a process; remove it when none of its servers runs"));
  }
  process.boot = std::string(words[2]);
  return process;
}

bool IsAlive(const ProcessIdentity& process) {
  const auto now = IdentifyProcess(process.pid);
  return now.ok() && *now == process;
}

absl::Status SignalProcess(const ProcessIdentity& process, int signal) {
  // The descriptor keeps naming the process that had the number when it was opened, which is then compared.
  const int fd = pidfd_open(process.pid, 0);
  if (fd < 0) return Gone(process.pid);
  absl::Status sent = absl::OkStatus();
  if (!IsAlive(process)) {
    sent = Gone(process.pid);
  } else if (pidfd_send_signal(fd, signal, nullptr, 0) != 0) {
    const std::string why = absl::StrCat("cannot signal process ", process.pid, ": ", std::strerror(errno));
    sent = errno == ESRCH ? Gone(process.pid) : absl::PermissionDeniedError(why);
  }
  close(fd);
  return sent;
}

}  // namespace rowhouse::cli
