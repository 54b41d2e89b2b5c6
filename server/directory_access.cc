// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/directory_access.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rowhouse::server {
namespace {

std::string NameOf(uid_t user) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> text{};
  if (getpwuid_r(user, &entry, text.data(), text.size(), &found) != 0 || found == nullptr)
    return absl::StrCat(user);
  return entry.pw_name;
}

std::string UserText(uid_t user) { return absl::StrCat(NameOf(user), " (uid ", user, ")"); }

// The directory itself, or the nearest above it that can be looked at; and what must be allowed there.
struct Obstacle {
  std::filesystem::path path;
  struct stat info {};
  int needed = R_OK | W_OK | X_OK;
};

bool Find(const std::string& directory, Obstacle* out) {
  out->path = std::filesystem::path(directory).lexically_normal();
  while (stat(out->path.c_str(), &out->info) != 0) {
    if (errno != ENOENT && errno != EACCES) return false;
    out->needed = errno == ENOENT ? W_OK | X_OK : X_OK;
    const std::filesystem::path above = out->path.has_parent_path() ? out->path.parent_path() : ".";
    if (above == out->path) return false;
    out->path = above;
  }
  return true;
}

}  // namespace

absl::Status CheckDirectoryAccess(std::string_view flag, const std::string& directory) {
  Obstacle at;
  if (!Find(directory, &at)) return absl::OkStatus();
  if (faccessat(AT_FDCWD, at.path.c_str(), at.needed, AT_EACCESS) == 0 || errno != EACCES)
    return absl::OkStatus();
  const uid_t self = geteuid();
  const std::string path = at.path.string();
  const bool own = at.info.st_uid == self;
  const std::string allow = own ? absl::StrCat("allow it with chmod u+rwx ", path)
                                : absl::StrCat("give it away with chown -R ", NameOf(self), " ", path,
                                               ", run the server as ", NameOf(at.info.st_uid));
  return absl::PermissionDeniedError(
      absl::StrFormat("%s is %s, which this server, run by user %s, may not %s: %s belongs to user %s and "
                      "has mode %04o; %s, or "
                      "name another directory",
                      std::string(flag), directory, UserText(self),
                      (at.needed & R_OK) != 0 ? "read and write" : "make or reach", path,
                      UserText(at.info.st_uid), at.info.st_mode & 07777U, allow));
}

}  // namespace rowhouse::server
