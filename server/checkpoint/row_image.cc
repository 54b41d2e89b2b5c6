// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The writer of row images.
#include "server/checkpoint/row_image.h"

#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/crc32c.h"
#include "common/limits.h"
#include "common/status_macros.h"
#include "server/checkpoint/row_image_format.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kMaxBlockOption = 32ull << 20;
constexpr uint8_t kZeros[8] = {};

// A block grows beyond block_bytes by less than one row.
static_assert(kMaxBlockOption + 16 + limits::kMaxRowBytes + 8 + kRowBlockHeaderBytes <= kMaxRowBlockBytes,
              "whatever the options say, a block fits what the reader allows");

template <typename T>
absl::Span<const uint8_t> BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
}

absl::Status OrderError(const std::string& what) {
  return absl::InternalError(absl::StrCat("row image: ", what, "; this is a bug, please report it"));
}

absl::Status Explain(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  const char* way_out = absl::IsResourceExhausted(status) ? "; make room there and take the checkpoint again"
                                                          : "; check the disk and take the checkpoint again";
  return absl::Status(status.code(),
                      absl::StrCat("row image ", path, " cannot be written: ", status.message(), way_out));
}

}  // namespace

RowImageWriter::RowImageWriter(FileSystem* fs, const RowImageOptions& options, const ImageIdentity& identity)
    : fs_(fs), options_(options), identity_(identity) {
  RH_CHECK(options_.block_bytes >= 1 && options_.block_bytes <= kMaxBlockOption);
}

std::string RowImageWriter::Path() const {
  return absl::StrCat(options_.directory, "/", RowImageName(static_cast<uint32_t>(files_.size())));
}

void RowImageWriter::BeginTable(PartitionId partition, TableId table, uint32_t row_bytes) {
  const bool after = !has_table_ || std::tie(table_.partition, table_.table) < std::tie(partition, table);
  const bool bounded =
      partition < limits::kMaxPartitions && row_bytes >= 1 && row_bytes <= limits::kMaxRowBytes;
  if (status_.ok() && !(after && bounded)) {
    status_ = OrderError(absl::StrCat("table ", table, " of partition ", partition, " with rows of ",
                                      row_bytes, " bytes was begun after table ", table_.table,
                                      " of partition ", table_.partition));
  }
  table_ = {partition, table, row_bytes};
  has_table_ = true;
  has_hash_ = false;
}

absl::Status RowImageWriter::Add(uint64_t hash, Lsn lsn, absl::Span<const uint8_t> row) {
  if (status_.ok()) status_ = AddRow(hash, lsn, row);
  return status_;
}

absl::Status RowImageWriter::AddRow(uint64_t hash, Lsn lsn, absl::Span<const uint8_t> row) {
  if (!has_table_ || row.size() != table_.row_bytes || lsn > limits::kMaxLsn) {
    return OrderError(absl::StrCat("a row of ", row.size(), " bytes with LSN ", lsn, " for table ",
                                   table_.table, " with rows of ", table_.row_bytes, " bytes"));
  }
  if (has_hash_ && hash <= last_hash_) {
    return OrderError(absl::StrCat("hash ", hash, " of table ", table_.table, ", partition ",
                                   table_.partition, " comes after ", last_hash_));
  }
  if (!hashes_.empty() && block_ != table_) RH_RETURN_IF_ERROR(EndBlock());
  block_ = table_;
  hashes_.push_back(hash);
  lsns_.push_back(lsn);
  images_.insert(images_.end(), row.begin(), row.end());
  last_hash_ = hash;
  has_hash_ = true;
  ++rows_;
  const uint64_t payload = RowBlockPayloadBytes(static_cast<uint32_t>(hashes_.size()), block_.row_bytes);
  return payload >= options_.block_bytes ? EndBlock() : absl::OkStatus();
}

absl::Status RowImageWriter::EndBlock() {
  if (file_ == nullptr) RH_RETURN_IF_ERROR(BeginFile());
  RH_RETURN_IF_ERROR(WriteBlock());
  return file_->size() >= options_.file_bytes ? EndFile() : absl::OkStatus();
}

absl::Status RowImageWriter::WriteBlock() {
  const uint32_t seed = RowBlockSeed(file_seed_, file_blocks_);
  RowBlockHeader header;
  header.partition = block_.partition;
  header.table = block_.table;
  header.row_bytes = block_.row_bytes;
  header.rows = static_cast<uint32_t>(hashes_.size());
  header.payload_bytes = static_cast<uint32_t>(RowBlockPayloadBytes(header.rows, header.row_bytes));
  const size_t zeros = header.payload_bytes - hashes_.size() * (16 + size_t{header.row_bytes});
  uint8_t raw[kRowBlockHeaderBytes];
  const absl::Span<const uint8_t> pieces[] = {
      raw, BytesOf(hashes_), BytesOf(lsns_), images_, {kZeros, zeros}};
  header.payload_crc = seed;
  for (const absl::Span<const uint8_t> piece : absl::MakeConstSpan(pieces).subspan(1)) {
    header.payload_crc = Crc32c(piece.data(), piece.size(), header.payload_crc);
  }
  EncodeRowBlockHeader(header, seed, raw);
  RH_RETURN_IF_ERROR(Append(pieces));
  ++file_blocks_;
  file_rows_ += header.rows;
  hashes_.clear();
  lsns_.clear();
  images_.clear();
  if (unsynced_bytes_ < options_.sync_every_bytes) return absl::OkStatus();
  unsynced_bytes_ = 0;
  return Explain(Path(), file_->Sync());
}

absl::Status RowImageWriter::Append(absl::Span<const absl::Span<const uint8_t>> pieces) {
  RH_RETURN_IF_ERROR(Explain(Path(), file_->Append(pieces)));
  for (const absl::Span<const uint8_t> piece : pieces) {
    file_crc_ = Crc32c(piece.data(), piece.size(), file_crc_);
    unsynced_bytes_ += piece.size();
    bytes_ += piece.size();
  }
  return absl::OkStatus();
}

absl::Status RowImageWriter::BeginFile() {
  const std::string path = Path();
  auto file = fs_->OpenForAppend(path);
  if (!file.ok()) return Explain(path, file.status());
  if ((*file)->size() != 0) {
    return absl::AlreadyExistsError(absl::StrCat("row image ", path, " is there already, with ",
                                                 (*file)->size(),
                                                 " bytes; remove that folder and take the checkpoint again"));
  }
  file_ = *std::move(file);
  file_crc_ = 0;
  file_rows_ = file_blocks_ = unsynced_bytes_ = 0;
  const RowImageHeader header{identity_, static_cast<uint32_t>(files_.size())};
  file_seed_ = RowImageSeed(header);
  uint8_t raw[kRowImageHeaderBytes];
  EncodeRowImageHeader(header, raw);
  const absl::Span<const uint8_t> piece = raw;
  return Append({&piece, 1});
}

absl::Status RowImageWriter::EndFile() {
  uint8_t raw[kRowImageFooterBytes];
  EncodeRowImageFooter({file_rows_, file_blocks_}, file_seed_, raw);
  const absl::Span<const uint8_t> piece = raw;
  RH_RETURN_IF_ERROR(Append({&piece, 1}));
  RH_RETURN_IF_ERROR(Explain(Path(), file_->Sync()));
  files_.push_back({RowImageName(static_cast<uint32_t>(files_.size())), file_->size(), file_crc_});
  file_.reset();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CheckpointFile>> RowImageWriter::Finish() {
  if (status_.ok() && !hashes_.empty()) status_ = EndBlock();
  if (status_.ok() && file_ != nullptr) status_ = EndFile();
  if (status_.ok() && !files_.empty()) {
    status_ = Explain(options_.directory, fs_->SyncDirectory(options_.directory));
  }
  if (!status_.ok()) return status_;
  return files_;
}

}  // namespace rowhouse::server
