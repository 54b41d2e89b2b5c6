// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/npy_writer.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

constexpr size_t kHeaderBytes = 128;  // a multiple of 64, with room for any shape
constexpr char kMagic[] = "\x93NUMPY\x01\x00";
constexpr size_t kMagicBytes = 8;

}  // namespace

NpyWriter::NpyWriter(OutputFile output, std::string type, size_t columns, std::FILE* file)
    : output_(std::move(output)), type_(std::move(type)), columns_(columns), file_(file) {}

absl::StatusOr<std::unique_ptr<NpyWriter>> NpyWriter::Create(const std::string& path, const std::string& type,
                                                             size_t columns) {
  RH_ASSIGN_OR_RETURN(OutputFile output, OutputFile::Choose(path));
  std::FILE* file = std::fopen(output.path().c_str(), "wb");
  if (file == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot create ", output.path(), ": ", std::strerror(errno)));
  }
  std::unique_ptr<NpyWriter> writer(new NpyWriter(std::move(output), type, columns, file));
  const std::string room(kHeaderBytes, ' ');
  RH_RETURN_IF_ERROR(writer->Append(room.data(), room.size()));
  return writer;
}

NpyWriter::~NpyWriter() {
  if (file_ != nullptr) std::fclose(file_);
}

absl::Status NpyWriter::Failed(const char* doing) const {
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot ", doing, " ", output_.path(), ": ", std::strerror(errno)));
}

absl::Status NpyWriter::Append(const void* data, size_t bytes) {
  if (std::fwrite(data, 1, bytes, file_) != bytes) return Failed("write");
  return absl::OkStatus();
}

absl::Status NpyWriter::Finish(size_t rows) {
  std::string header = absl::StrCat("{'descr': '", type_, "', 'fortran_order': False, 'shape': (", rows, ",",
                                    columns_ == 0 ? "" : absl::StrCat(" ", columns_), "), }");
  header.append(kHeaderBytes - kMagicBytes - 2 - header.size() - 1, ' ');
  header += '\n';
  const uint16_t length = static_cast<uint16_t>(header.size());
  if (std::fseek(file_, 0, SEEK_SET) != 0) return Failed("seek in");
  RH_RETURN_IF_ERROR(Append(kMagic, kMagicBytes));
  RH_RETURN_IF_ERROR(Append(&length, sizeof(length)));
  RH_RETURN_IF_ERROR(Append(header.data(), header.size()));
  if (std::fflush(file_) != 0 || (!output_.is_in_place() && fsync(fileno(file_)) != 0)) return Failed("sync");
  std::fclose(file_);
  file_ = nullptr;
  return absl::OkStatus();
}

}  // namespace rowhouse::cli
