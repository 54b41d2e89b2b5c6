// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/spill_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "rocksdb/env.h"
#include "server/spill/rocksdb_status.h"
#include "server/spill/spill_value.h"

namespace rowhouse::server {
namespace {

absl::Status WriteFormatFile(rocksdb::Env* env, const std::string& directory, const std::string& content) {
  const std::string path = absl::StrCat(directory, "/", kSpillFormatFile);
  const std::string temporary = absl::StrCat(path, ".tmp");
  RH_RETURN_IF_ERROR(FromRocksDb(absl::StrCat("writing ", temporary),
                                 rocksdb::WriteStringToFile(env, content, temporary, /*should_sync=*/true)));
  RH_RETURN_IF_ERROR(FromRocksDb(absl::StrCat("renaming ", temporary), env->RenameFile(temporary, path)));
  std::unique_ptr<rocksdb::Directory> handle;
  RH_RETURN_IF_ERROR(FromRocksDb(absl::StrCat("opening ", directory), env->NewDirectory(directory, &handle)));
  return FromRocksDb(absl::StrCat("syncing ", directory), handle->Fsync());
}

}  // namespace

absl::Status PrepareSpillDirectory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("spill: creating directory ", directory, ": ", error.message()));
  }
  rocksdb::Env* const env = rocksdb::Env::Default();
  const std::string want = absl::StrCat("rowhouse spill ", kSpillFormatVersion, "\n");
  const std::string path = absl::StrCat(directory, "/", kSpillFormatFile);
  const rocksdb::Status exists = env->FileExists(path);
  if (exists.IsNotFound()) {
    if (env->FileExists(absl::StrCat(directory, "/CURRENT")).ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("spill: ", directory, " holds a RocksDB database without ", kSpillFormatFile,
                       ", so not a spill: name another directory"));
    }
    return WriteFormatFile(env, directory, want);
  }
  RH_RETURN_IF_ERROR(FromRocksDb(absl::StrCat("looking for ", path), exists));
  std::string got;
  RH_RETURN_IF_ERROR(FromRocksDb(absl::StrCat("reading ", path), rocksdb::ReadFileToString(env, path, &got)));
  if (got == want) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("spill: ", path, " says \"", got.substr(0, 64),
                                                    "\", want \"", want,
                                                    "\": open it with the version that wrote it"));
}

bool SupportsDirectIo(const std::string& directory) {
  constexpr size_t kBlock = 4096;
  const std::string path = absl::StrCat(directory, "/direct_io_probe.tmp");
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
  const absl::Cleanup remove = [&] {
    if (fd >= 0) ::close(fd);
    ::unlink(path.c_str());
  };
  if (fd < 0) return false;
  const std::unique_ptr<void, decltype(&std::free)> block(std::aligned_alloc(kBlock, kBlock), &std::free);
  if (block == nullptr) return false;
  std::fill_n(static_cast<char*>(block.get()), kBlock, 'x');
  return ::pwrite(fd, block.get(), kBlock, 0) == static_cast<ssize_t>(kBlock) &&
         ::pread(fd, block.get(), kBlock, 0) == static_cast<ssize_t>(kBlock);
}

}  // namespace rowhouse::server
