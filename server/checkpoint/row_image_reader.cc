// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The reader of row images. Nothing in a file is believed before its checksum and its limit were looked at.

#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/coding.h"
#include "common/crc32c.h"
#include "common/status_macros.h"
#include "server/checkpoint/row_image.h"
#include "server/checkpoint/row_image_format.h"

namespace rowhouse::server {
namespace {

using Visitor = absl::FunctionRef<absl::Status(const RowImageBlock&)>;

std::string Name(const RowImageHeader& header) {
  const ImageIdentity& id = header.identity;
  return absl::StrFormat("checkpoint %016x, cluster %016x, history %016x, server %d, file %d", id.checkpoint,
                         id.cluster, id.history, id.server, header.number);
}

class ImageReader {
 public:
  ImageReader(std::unique_ptr<ReadableFile> file, std::string path, uint64_t file_bytes,
              const CheckpointFile& expected, const RowImageHeader& header)
      : file_(std::move(file)),
        path_(std::move(path)),
        file_bytes_(file_bytes),
        expected_(expected),
        header_(header),
        seed_(RowImageSeed(header)) {}

  absl::Status Run(Visitor visit) {
    RH_RETURN_IF_ERROR(CheckHeader());
    if (file_bytes_ != expected_.bytes) {
      return Damaged(
          std::min(file_bytes_, expected_.bytes),
          absl::StrCat("the file has ", file_bytes_, " bytes, its manifest says ", expected_.bytes));
    }
    for (;;) {
      const uint64_t begin = offset_;
      if (file_bytes_ - begin < kRowImageFooterBytes) return Damaged(begin, "the file ends without a footer");
      uint8_t raw[kRowImageFooterBytes];
      RH_RETURN_IF_ERROR(Read(sizeof(raw), raw));
      if (LoadLittle<uint32_t>(raw) == kRowImageFooterMagic) return CheckEnd(begin, raw);
      RH_RETURN_IF_ERROR(ReadBlock(begin, raw, visit));
    }
  }

 private:
  absl::Status Damaged(uint64_t offset, std::string_view what) const {
    return absl::DataLossError(absl::StrCat("row image ", path_, ", offset ", offset, ": ",
                                            absl::string_view(what.data(), what.size()),
                                            "; use another checkpoint, or put back a copy of this one"));
  }

  // Names the place in what a decoder found.
  absl::Status At(uint64_t offset, const absl::Status& status) const {
    const std::string_view what(status.message().data(), status.message().size());
    if (absl::IsDataLoss(status)) return Damaged(offset, what);
    return absl::Status(status.code(),
                        absl::StrCat("row image ", path_, ", offset ", offset, ": ", status.message()));
  }

  // The next bytes of the file, which has them.
  absl::Status Read(size_t size, uint8_t* out) {
    RH_ASSIGN_OR_RETURN(const size_t got, file_->Read(offset_, size, out));
    if (got != size) {
      return absl::InternalError(
          absl::StrCat("row image ", path_, ": ", got, " of ", size, " bytes read at offset ", offset_,
                       "; the file shrinks while it is read, is another process removing it?"));
    }
    crc_ = Crc32c(out, size, crc_);
    offset_ += size;
    return absl::OkStatus();
  }

  absl::Status CheckHeader() {
    if (file_bytes_ < kRowImageHeaderBytes) {
      return Damaged(
          0, absl::StrCat("header: the file has ", file_bytes_, " bytes, ", kRowImageHeaderBytes, " needed"));
    }
    uint8_t raw[kRowImageHeaderBytes];
    RH_RETURN_IF_ERROR(Read(sizeof(raw), raw));
    const absl::StatusOr<RowImageHeader> header = DecodeRowImageHeader(raw);
    if (!header.ok()) return At(0, header.status());
    if (header->identity == header_.identity && header->number == header_.number) return absl::OkStatus();
    return Damaged(0, absl::StrCat("the file is of ", Name(*header), "; expected ", Name(header_)));
  }

  absl::Status ReadBlock(uint64_t begin, absl::Span<const uint8_t> raw, Visitor visit) {
    const uint32_t seed = RowBlockSeed(seed_, blocks_);
    const absl::StatusOr<RowBlockHeader> header = DecodeRowBlockHeader(raw, seed);
    if (!header.ok()) return At(begin, header.status());
    if (file_bytes_ - offset_ < header->payload_bytes + kRowImageFooterBytes) {
      return Damaged(begin, absl::StrCat("block of ", header->payload_bytes, " bytes, ",
                                         file_bytes_ - offset_, " are left in the file"));
    }
    if (payload_.size() < header->payload_bytes / 8) payload_.resize(header->payload_bytes / 8);
    uint8_t* const bytes = reinterpret_cast<uint8_t*>(payload_.data());
    RH_RETURN_IF_ERROR(Read(header->payload_bytes, bytes));
    const uint32_t crc = Crc32c(bytes, header->payload_bytes, seed);
    if (crc != header->payload_crc) {
      return Damaged(
          begin, absl::StrFormat("block: checksum of the rows %08x, stored %08x", crc, header->payload_crc));
    }
    RowImageBlock block;
    block.partition = header->partition;
    block.table = header->table;
    block.row_bytes = header->row_bytes;
    block.hashes = absl::MakeConstSpan(payload_.data(), header->rows);
    block.lsns = absl::MakeConstSpan(payload_.data() + header->rows, header->rows);
    block.images =
        absl::MakeConstSpan(bytes + size_t{16} * header->rows, size_t{header->rows} * header->row_bytes);
    RH_RETURN_IF_ERROR(CheckOrder(begin, block));
    ++blocks_;
    rows_ += header->rows;
    return visit(block);
  }

  // A checksum says that the bytes are those written; this, that a sane program wrote them.
  absl::Status CheckOrder(uint64_t begin, const RowImageBlock& block) {
    const bool same = blocks_ > 0 && std::tie(block.partition, block.table, block.row_bytes) ==
                                         std::tie(last_.partition, last_.table, last_.row_bytes);
    if (blocks_ > 0 && !same &&
        std::tie(block.partition, block.table) <= std::tie(last_.partition, last_.table)) {
      return Damaged(begin,
                     absl::StrCat("block of table ", block.table, ", partition ", block.partition,
                                  " after one of table ", last_.table, ", partition ", last_.partition));
    }
    for (size_t i = 0; i < block.hashes.size(); ++i) {
      if ((i > 0 && block.hashes[i] <= block.hashes[i - 1]) ||
          (i == 0 && same && block.hashes[0] <= last_hash_))
        return Damaged(begin, absl::StrCat("block: the hash of row ", i, " is not above the one before it"));
      if (block.lsns[i] > limits::kMaxLsn) {
        return Damaged(begin, absl::StrCat("block: the LSN of row ", i, " is ", block.lsns[i], ", limit ",
                                           limits::kMaxLsn));
      }
    }
    last_ = {block.partition, block.table, block.row_bytes, {}, {}, {}};
    last_hash_ = block.hashes.back();
    return absl::OkStatus();
  }

  absl::Status CheckEnd(uint64_t begin, absl::Span<const uint8_t> raw) const {
    const absl::StatusOr<RowImageFooter> footer = DecodeRowImageFooter(raw, seed_);
    if (!footer.ok()) return At(begin, footer.status());
    if (footer->rows != rows_ || footer->blocks != blocks_) {
      return Damaged(begin, absl::StrCat("footer: ", footer->rows, " rows in ", footer->blocks,
                                         " blocks, the file has ", rows_, " in ", blocks_));
    }
    if (offset_ != file_bytes_) return Damaged(offset_, "bytes follow the footer");
    if (crc_ == expected_.crc32c) return absl::OkStatus();
    return Damaged(
        0, absl::StrFormat("the file has checksum %08x, its manifest says %08x", crc_, expected_.crc32c));
  }

  const std::unique_ptr<ReadableFile> file_;
  const std::string path_;
  const uint64_t file_bytes_;
  const CheckpointFile expected_;
  const RowImageHeader header_;
  const uint32_t seed_;
  uint64_t offset_ = 0;
  uint32_t crc_ = 0;  // of the bytes before offset_
  uint64_t rows_ = 0, blocks_ = 0;
  RowImageBlock last_;  // without its rows
  uint64_t last_hash_ = 0;
  std::vector<uint64_t> payload_;
};

}  // namespace

absl::Status ReadRowImage(FileSystem& fs, const std::string& path, const CheckpointFile& expected,
                          const ImageIdentity& identity,
                          absl::FunctionRef<absl::Status(const RowImageBlock&)> visit) {
  const std::optional<uint32_t> number = ParseRowImageName(expected.name);
  if (!number.has_value()) {
    return absl::DataLossError(absl::StrCat("row image ", path, ": \"", expected.name,
                                            "\" is no name of one, ", RowImageName(0),
                                            " would be; use another checkpoint"));
  }
  auto file = fs.OpenForRead(path);
  if (absl::IsNotFound(file.status())) {
    return absl::DataLossError(absl::StrCat(
        "row image ", path, " is missing; use another checkpoint, or put back a copy of this one"));
  }
  if (!file.ok()) return file.status();
  RH_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
  ImageReader reader(*std::move(file), path, size, expected, RowImageHeader{identity, *number});
  return reader.Run(visit);
}

}  // namespace rowhouse::server
