// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/file_system.h"

#include "absl/strings/str_cat.h"
#include "common/failpoint.h"
#include "common/status_macros.h"

namespace rowhouse {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteSynced(FileSystem& fs, const std::string& path, std::string_view content) {
  RH_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, fs.OpenForAppend(path));
  if (file->size() > 0) RH_RETURN_IF_ERROR(file->Truncate(0));  // left by a crash
  const absl::Span<const uint8_t> piece(reinterpret_cast<const uint8_t*>(content.data()), content.size());
  RH_RETURN_IF_ERROR(file->Append({&piece, 1}));
  return file->Sync();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(FileSystem& fs, const std::string& path, uint64_t max_bytes) {
  RH_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, fs.OpenForRead(path));
  RH_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, " has ", size, " bytes, at most ", max_bytes, " are read"));
  }
  std::string content(size, '\0');
  RH_ASSIGN_OR_RETURN(const size_t got, file->Read(0, size, reinterpret_cast<uint8_t*>(content.data())));
  content.resize(got);
  return content;
}

absl::Status ReplaceFileDurably(FileSystem& fs, const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  absl::Status status = WriteSynced(fs, temporary, content);
  RH_FAILPOINT_FAIL(kMetaTemporary, status);
  if (status.ok()) status = fs.Rename(temporary, path);
  if (!status.ok()) {
    fs.Remove(temporary)
        .IgnoreError();  // the first failure is the one to tell; the next try truncates what is left
    return status;
  }
  RH_FAILPOINT_RETURN(kMetaDirectory);
  return fs.SyncDirectory(DirectoryOf(path));
}

}  // namespace rowhouse
