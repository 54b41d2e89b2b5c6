// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/segment_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/failpoint.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

constexpr uint8_t kPadding[8] = {};

absl::Span<const uint8_t> BytesOf(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

}  // namespace

SegmentWriter::SegmentWriter(FileSystem* fs, const LogOptions& options, const SegmentHeader& header,
                             std::string path)
    : fs_(fs),
      directory_(options.directory),
      segment_bytes_(options.segment_bytes),
      header_(header),
      path_(std::move(path)),
      seed_(SegmentSeed(header)) {
  footer_.next_sequence = header.first_sequence;
}

absl::StatusOr<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(FileSystem* fs,
                                                                     const LogOptions& options,
                                                                     const LogIdentity& identity,
                                                                     LogSequence first, bool replace) {
  std::unique_ptr<SegmentWriter> segment(
      new SegmentWriter(fs, options, SegmentHeader{identity, first}, SegmentPath(options.directory, first)));
  RH_RETURN_IF_ERROR(segment->Open(replace));
  return segment;
}

absl::Status SegmentWriter::Final(const absl::Status& cause, absl::string_view what) const {
  return absl::UnavailableError(
      absl::StrCat("the log has stopped: ", what, " of ", path_, " failed: ", cause.message(),
                   "; check the disk and restart the server, which reads the log again"));
}

absl::Status SegmentWriter::Open(bool replace) {
  auto file = fs_->OpenForAppend(path_);
  if (!file.ok()) {
    return absl::IsResourceExhausted(file.status()) ? file.status() : Final(file.status(), "creation");
  }
  file_ = *std::move(file);
  if (file_->size() != 0) {
    if (!replace) {
      return absl::FailedPreconditionError(
          absl::StrCat("log segment ", path_, " exists with ", file_->size(),
                       " bytes; the log must be recovered before it is opened"));
    }
    if (absl::Status cut = file_->Truncate(0); !cut.ok()) return Final(cut, "truncation");
  }
  absl::Status written = WriteHeader();
  // Only tidiness: what stays behind is cut off or taken over by the next attempt and by recovery. But what
  // recovery found here stays: its name may be all that says how far the log has come.
  if (absl::IsResourceExhausted(written) && replace) {
    file_.reset();
    fs_->Remove(path_).IgnoreError();
  }
  return written;
}

absl::Status SegmentWriter::WriteHeader() {
  // Space asked for in advance keeps fdatasync from writing metadata each time. Too little of it is no error
  // yet.
  absl::Status preallocated = file_->Preallocate(segment_bytes_);
  if (!preallocated.ok() && !absl::IsResourceExhausted(preallocated))
    return Final(preallocated, "preallocation");
  uint8_t raw[kSegmentHeaderBytes];
  EncodeSegmentHeader(header_, raw);
  const absl::Span<const uint8_t> piece(raw);
  RH_RETURN_IF_ERROR(AppendOrCut(absl::MakeConstSpan(&piece, 1)));
  good_bytes_ = sizeof(raw);
  RH_RETURN_IF_ERROR(Sync());
  absl::Status synced = fs_->SyncDirectory(directory_);
  RH_FAILPOINT_FAIL(kLogCreate, synced);
  return synced.ok() ? synced : Final(synced, "sync of the directory");
}

absl::Status SegmentWriter::AppendOrCut(absl::Span<const absl::Span<const uint8_t>> pieces) {
  absl::Status appended = file_->Append(pieces);
  RH_FAILPOINT_FAIL(kLogWritten, appended);
  if (appended.ok()) return appended;
  if (!absl::IsResourceExhausted(appended)) return Final(appended, "write");
  // The cut is synced as well: else a power loss might bring back a record that was refused.
  if (absl::Status cut = file_->Truncate(good_bytes_); !cut.ok()) return Final(cut, "truncation");
  if (absl::Status synced = file_->Sync(); !synced.ok()) return Final(synced, "sync");
  return absl::ResourceExhaustedError(absl::StrCat("no room in the log: ", appended.message(),
                                                   "; free space on the disk of ", directory_, " and retry"));
}

bool SegmentWriter::HasRoomFor(uint64_t bytes) const {
  if (sealed_) return false;
  return good_bytes_ == kSegmentHeaderBytes || good_bytes_ + bytes <= segment_bytes_;
}

absl::Status SegmentWriter::Append(absl::Span<const Entry> entries) {
  headers_.resize(entries.size() * kRecordHeaderBytes);
  pieces_.clear();
  LogSequence sequence = footer_.next_sequence;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    uint8_t* raw = headers_.data() + i * kRecordHeaderBytes;
    entry.header->sequence = sequence++;
    EncodeRecordHeader(*entry.header, entry.body, seed_, raw);
    const size_t padding = RecordBytes(entry.body.size()) - kRecordHeaderBytes - entry.body.size();
    pieces_.push_back({raw, kRecordHeaderBytes});
    if (!entry.body.empty()) pieces_.push_back(entry.body);
    if (padding != 0) pieces_.push_back({kPadding, padding});
  }
  RH_FAILPOINT(kLogWrite);
  RH_RETURN_IF_ERROR(AppendOrCut(pieces_));
  for (const Entry& entry : entries) {
    NoteRecord(&footer_, *entry.header, good_bytes_);
    good_bytes_ += RecordBytes(entry.body.size());
  }
  return absl::OkStatus();
}

absl::Status SegmentWriter::Sync() {
  RH_FAILPOINT(kLogSync);
  absl::Status synced = file_->Sync();
  RH_FAILPOINT_FAIL(kLogSynced, synced);
  return synced.ok() ? synced : Final(synced, "sync");
}

absl::Status SegmentWriter::Seal() {
  if (sealed_) return absl::OkStatus();
  const std::string footer = EncodeFooter(footer_, seed_);
  const absl::Span<const uint8_t> piece = BytesOf(footer);
  absl::Status written = AppendOrCut(absl::MakeConstSpan(&piece, 1));
  if (written.ok()) {
    good_bytes_ += footer.size();
  } else if (!absl::IsResourceExhausted(written)) {
    return written;
  }
  absl::Status cut = file_->Truncate(good_bytes_);
  RH_FAILPOINT_FAIL(kLogSeal, cut);
  if (!cut.ok()) return Final(cut, "truncation");
  RH_RETURN_IF_ERROR(Sync());
  sealed_ = true;
  return absl::OkStatus();
}

LogSegment SegmentWriter::Describe() const {
  LogSegment out;
  out.path = path_;
  out.first_sequence = header_.first_sequence;
  out.bytes = good_bytes_;
  for (const FooterEntry& entry : footer_.entries)
    out.highest_lsn.emplace_back(entry.partition, entry.highest_lsn);
  return out;
}

}  // namespace rowhouse::server
