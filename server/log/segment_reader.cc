// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/segment_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/coding.h"
#include "common/crc32c.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

constexpr size_t kWindowBytes = 256u << 10;
static_assert(kWindowBytes > kRecordHeaderBytes && kWindowBytes > kSegmentHeaderBytes,
              "headers are read through the window");

std::string Name(const LogIdentity& id) {
  return absl::StrFormat("cluster %d, server %d, history %d", id.cluster, id.server, id.history);
}

}  // namespace

SegmentReader::SegmentReader(std::unique_ptr<ReadableFile> file, std::string path,
                             const SegmentHeader& expected)
    : file_(std::move(file)), path_(std::move(path)), expected_(expected), seed_(SegmentSeed(expected)) {
  window_.resize(kWindowBytes);
}

absl::StatusOr<std::unique_ptr<SegmentReader>> SegmentReader::Open(FileSystem& fs, const std::string& path,
                                                                   const SegmentHeader& expected) {
  RH_ASSIGN_OR_RETURN(auto file, fs.OpenForRead(path));
  RH_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::unique_ptr<SegmentReader> reader(new SegmentReader(std::move(file), path, expected));
  reader->file_bytes_ = size;
  return reader;
}

absl::Status SegmentReader::ReadInto(uint64_t offset, size_t size, uint8_t* out) {
  RH_ASSIGN_OR_RETURN(const size_t got, file_->Read(offset, size, out));
  if (got == size) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("log segment ", path_, ": ", got, " of ", size, " bytes read at offset ", offset,
                   "; the file shrinks while it is read, is another process using it?"));
}

absl::StatusOr<const uint8_t*> SegmentReader::View(uint64_t offset, size_t size) {
  const bool inside = offset >= window_begin_ && offset + size <= window_begin_ + window_size_;
  if (!inside) {
    window_size_ = 0;
    const size_t want = static_cast<size_t>(std::min<uint64_t>(kWindowBytes, file_bytes_ - offset));
    RH_RETURN_IF_ERROR(ReadInto(offset, want, window_.data()));
    window_begin_ = offset;
    window_size_ = want;
  }
  return window_.data() + (offset - window_begin_);
}

bool SegmentReader::Damaged(std::string what) {
  damage_ = std::move(what);
  return false;
}

absl::StatusOr<bool> SegmentReader::CheckHeader() {
  if (file_bytes_ < kSegmentHeaderBytes) {
    return Damaged(absl::StrCat("segment header: ", file_bytes_, " bytes, ", kSegmentHeaderBytes, " needed"));
  }
  RH_ASSIGN_OR_RETURN(const uint8_t* raw, View(0, kSegmentHeaderBytes));
  absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader({raw, kSegmentHeaderBytes});
  if (absl::IsFailedPrecondition(header.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("log segment ", path_, ": ", header.status().message()));
  }
  if (!header.ok()) return Damaged(std::string(header.status().message()));
  const LogIdentity &got = header->identity, &want = expected_.identity;
  if (got.cluster != want.cluster || got.server != want.server || got.history != want.history) {
    return absl::DataLossError(absl::StrCat("log segment ", path_, " belongs to ", Name(got),
                                            ", this log is of ", Name(want),
                                            "; give each server its own log directory"));
  }
  if (header->first_sequence != expected_.first_sequence) {
    return absl::DataLossError(absl::StrCat("log segment ", path_, " begins with sequence ",
                                            header->first_sequence, ", its name says ",
                                            expected_.first_sequence, "; it was renamed or copied"));
  }
  return true;
}

absl::StatusOr<SegmentEnd> SegmentReader::ReadRecords(const Visitor& visit) {
  SegmentEnd end;
  end.next_sequence = expected_.first_sequence;
  end.good_bytes = kSegmentHeaderBytes;
  end.file_bytes = file_bytes_;
  damage_.clear();
  for (;;) {
    RH_ASSIGN_OR_RETURN(const bool more, Step(visit, &end));
    if (!more) break;
  }
  end.damage = damage_;
  for (const FooterEntry& entry : index_.entries)
    end.highest_lsn.emplace_back(entry.partition, entry.highest_lsn);
  return end;
}

absl::StatusOr<bool> SegmentReader::Step(const Visitor& visit, SegmentEnd* end) {
  const uint64_t offset = end->good_bytes;
  if (offset == file_bytes_) return false;
  uint32_t magic = 0;
  if (file_bytes_ - offset >= sizeof(magic)) {
    RH_ASSIGN_OR_RETURN(const uint8_t* raw, View(offset, sizeof(magic)));
    magic = LoadLittle<uint32_t>(raw);
  }
  if (!end->has_footer && magic == kRecordMagic) return StepRecord(visit, end);
  if (!end->has_footer && magic == kFooterMagic) return StepFooter(end);
  RH_ASSIGN_OR_RETURN(const bool zeros, OnlyZeros(offset));
  if (zeros) return false;
  return Damaged(end->has_footer ? "bytes follow the footer" : "neither a record nor the footer begins here");
}

absl::StatusOr<bool> SegmentReader::StepRecord(const Visitor& visit, SegmentEnd* end) {
  const uint64_t offset = end->good_bytes;
  if (file_bytes_ - offset < kRecordHeaderBytes) return Damaged("the record ends inside its header");
  RH_ASSIGN_OR_RETURN(const uint8_t* raw, View(offset, kRecordHeaderBytes));
  absl::StatusOr<RecordFrame> frame = DecodeRecordHeader({raw, kRecordHeaderBytes}, seed_);
  if (absl::IsFailedPrecondition(frame.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("log segment ", path_, ", offset ", offset, ": ", frame.status().message()));
  }
  if (!frame.ok()) return Damaged(std::string(frame.status().message()));
  if (frame->header.sequence != end->next_sequence) {
    return Damaged(
        absl::StrCat("record has sequence ", frame->header.sequence, ", ", end->next_sequence, " expected"));
  }
  RH_ASSIGN_OR_RETURN(const bool whole, LoadBody(offset, *frame));
  if (!whole) return Damaged("the body is cut short or its checksum is wrong");
  NoteRecord(&index_, frame->header, offset);
  RH_RETURN_IF_ERROR(visit(Record{frame->header, absl::MakeConstSpan(body_.data(), frame->body_bytes)}));
  end->good_bytes += frame->total_bytes;
  ++end->next_sequence;
  ++end->records;
  return true;
}

absl::StatusOr<bool> SegmentReader::LoadBody(uint64_t offset, const RecordFrame& frame) {
  if (file_bytes_ - offset < frame.total_bytes) return false;
  const size_t size = frame.total_bytes - kRecordHeaderBytes;
  if (body_.size() < size) body_.resize(size);
  const uint64_t at = offset + kRecordHeaderBytes;
  if (size <= kWindowBytes) {
    RH_ASSIGN_OR_RETURN(const uint8_t* raw, View(at, size));
    std::memcpy(body_.data(), raw, size);
  } else {
    RH_RETURN_IF_ERROR(ReadInto(at, size, body_.data()));
  }
  return Crc32c(body_.data(), size, frame.body_seed) == frame.body_crc;
}

absl::StatusOr<SegmentFooter> SegmentReader::LoadFooter(uint64_t offset) {
  if (file_bytes_ - offset < kFooterHeaderBytes)
    return absl::DataLossError("the footer ends inside its header");
  RH_ASSIGN_OR_RETURN(const uint8_t* raw, View(offset, kFooterHeaderBytes));
  RH_ASSIGN_OR_RETURN(const uint64_t size, FooterBytes({raw, kFooterHeaderBytes}));
  if (file_bytes_ - offset < size) return absl::DataLossError("the footer is cut short");
  std::vector<uint8_t> bytes(size);
  RH_RETURN_IF_ERROR(ReadInto(offset, size, bytes.data()));
  return DecodeFooter(bytes, seed_);
}

absl::StatusOr<bool> SegmentReader::StepFooter(SegmentEnd* end) {
  absl::StatusOr<SegmentFooter> footer = LoadFooter(end->good_bytes);
  if (absl::IsDataLoss(footer.status())) return Damaged(std::string(footer.status().message()));
  if (!footer.ok()) return footer.status();
  index_.next_sequence = end->next_sequence;
  if (*footer != index_) {
    return absl::DataLossError(absl::StrCat("log segment ", path_, ", offset ", end->good_bytes,
                                            ": the footer disagrees with the records before it; put back a "
                                            "copy of this server's data directory"));
  }
  end->good_bytes += kFooterHeaderBytes + footer->entries.size() * kFooterEntryBytes;
  end->has_footer = true;
  return true;
}

absl::StatusOr<bool> SegmentReader::OnlyZeros(uint64_t offset) {
  while (offset < file_bytes_) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(kWindowBytes, file_bytes_ - offset));
    RH_ASSIGN_OR_RETURN(const uint8_t* raw, View(offset, size));
    if (std::any_of(raw, raw + size, [](uint8_t b) { return b != 0; })) return false;
    offset += size;
  }
  return true;
}

absl::StatusOr<bool> SegmentReader::HasBytesBehindHeader() {
  if (file_bytes_ <= kSegmentHeaderBytes) return false;
  RH_ASSIGN_OR_RETURN(const bool zeros, OnlyZeros(kSegmentHeaderBytes));
  return !zeros;
}

absl::StatusOr<std::optional<uint64_t>> SegmentReader::FindLater(uint64_t from, LogSequence sequence) {
  // Records and the footer begin at multiples of 8.
  for (uint64_t at = (from + 7) & ~uint64_t{7}; at + kFooterHeaderBytes <= file_bytes_; at += 8) {
    RH_ASSIGN_OR_RETURN(const uint8_t* raw, View(at, kFooterHeaderBytes));
    const uint32_t magic = LoadLittle<uint32_t>(raw);
    if (magic == kFooterMagic) {
      absl::StatusOr<SegmentFooter> footer = LoadFooter(at);
      if (footer.ok() && footer->next_sequence > sequence) return at;
      if (!footer.ok() && absl::IsInternal(footer.status())) return footer.status();
    } else if (magic == kRecordMagic && at + kRecordHeaderBytes <= file_bytes_) {
      RH_ASSIGN_OR_RETURN(const uint8_t* header, View(at, kRecordHeaderBytes));
      absl::StatusOr<RecordFrame> frame = DecodeRecordHeader({header, kRecordHeaderBytes}, seed_);
      if (!frame.ok() || frame->header.sequence < sequence) continue;
      RH_ASSIGN_OR_RETURN(const bool whole, LoadBody(at, *frame));
      if (whole) return at;
    }
  }
  return std::nullopt;
}

}  // namespace rowhouse::server
