// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <ctime>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace rowhouse::cli {

TarGz::TarGz(OutputFile output, archive* handle) : output_(std::move(output)), handle_(handle) {}

absl::StatusOr<std::unique_ptr<TarGz>> TarGz::Create(const std::string& path) {
  RH_ASSIGN_OR_RETURN(OutputFile output, OutputFile::Choose(path));
  archive* handle = archive_write_new();
  if (handle == nullptr) return absl::ResourceExhaustedError("no memory for an archive");
  std::unique_ptr<TarGz> tar(new TarGz(std::move(output), handle));
  if (archive_write_add_filter_gzip(handle) != ARCHIVE_OK ||
      archive_write_set_format_pax_restricted(handle) != ARCHIVE_OK)
    return tar->Failed("begin");
  if (archive_write_open_filename(handle, tar->output_.path().c_str()) != ARCHIVE_OK) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot create ", tar->output_.path(), ": ", archive_error_string(handle)));
  }
  return tar;
}

TarGz::~TarGz() {
  if (handle_ == nullptr) return;
  archive_write_free(handle_);
}

absl::Status TarGz::Failed(const char* doing) const {
  const char* why = archive_error_string(handle_);
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot ", doing, " ", output_.path(), ": ", why == nullptr ? "unknown" : why));
}

absl::Status TarGz::Add(const std::string& name, std::string_view content) {
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                       archive_entry_free);
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0600);
  archive_entry_set_mtime(entry.get(), std::time(nullptr), 0);
  if (archive_write_header(handle_, entry.get()) != ARCHIVE_OK) return Failed("write");
  if (archive_write_data(handle_, content.data(), content.size()) != static_cast<la_ssize_t>(content.size()))
    return Failed("write");
  return absl::OkStatus();
}

absl::Status TarGz::Finish() {
  if (archive_write_close(handle_) != ARCHIVE_OK) return Failed("finish");
  archive_write_free(handle_);
  handle_ = nullptr;
  return output_.Publish();
}

}  // namespace rowhouse::cli
