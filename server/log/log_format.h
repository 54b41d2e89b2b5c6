// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes of a segment of the push log: its header, the headers of its records, its footer.
// docs/formats/log-record.md is the table of them. Pure functions over bytes, shared by the writer and the
// reader. Thread-safe.
//
// Checksums begin from a seed made of the log's identity, the segment's first sequence and the record's
// sequence, so that bytes left over from another segment, log or attempt never parse.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/limits.h"
#include "server/log/log_writer.h"
#include "server/log/record.h"

namespace rowhouse::server {

inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 64;
inline constexpr size_t kRecordHeaderBytes = 136;
inline constexpr size_t kFooterHeaderBytes = 32;
inline constexpr size_t kFooterEntryBytes = 32;
inline constexpr uint32_t kRecordMagic = 0x43524852;  // "RHRC"
inline constexpr uint32_t kFooterMagic = 0x54464852;  // "RHFT"

static_assert(kSegmentHeaderBytes % 8 == 0 && kRecordHeaderBytes % 8 == 0,
              "bodies are used in place, aligned to 8");

// ---- files

// Name of the segment that begins with `first`; names sort as sequences do.
std::string SegmentName(LogSequence first);
// The sequence in a segment's name, or nothing when the file is not a segment.
std::optional<LogSequence> ParseSegmentName(std::string_view name);
std::string SegmentPath(const std::string& directory, LogSequence first);

// ---- segment header

struct SegmentHeader {
  LogIdentity identity;
  LogSequence first_sequence = 0;
};

// Where the checksums of a segment's records and footer begin.
uint32_t SegmentSeed(const SegmentHeader& header);
// Writes kSegmentHeaderBytes to `out`.
void EncodeSegmentHeader(const SegmentHeader& header, uint8_t* out);
// DataLoss when the bytes are no segment header; FailedPrecondition when a newer version wrote it.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(absl::Span<const uint8_t> bytes);

// ---- records

// Bytes of a record in the file: header, body, padding to 8.
inline uint64_t RecordBytes(uint64_t body_bytes) {
  return (kRecordHeaderBytes + body_bytes + 7) & ~uint64_t{7};
}

// Writes kRecordHeaderBytes to `out`: the header, with the checksums of itself and of the padded body.
void EncodeRecordHeader(const RecordHeader& header, absl::Span<const uint8_t> body, uint32_t segment_seed,
                        uint8_t* out);

// A record's header as read, and what is needed to check its body.
struct RecordFrame {
  RecordHeader header;
  uint32_t body_bytes = 0;
  uint32_t total_bytes = 0;  // header, body and padding
  uint32_t body_crc = 0;     // of body and padding, begun from body_seed
  uint32_t body_seed = 0;
};

// `bytes`: kRecordHeaderBytes. DataLoss when they are no record header of this segment; FailedPrecondition
// when they are one of a newer version.
absl::StatusOr<RecordFrame> DecodeRecordHeader(absl::Span<const uint8_t> bytes, uint32_t segment_seed);

// ---- footer

// What a segment holds of a partition.
struct FooterEntry {
  PartitionId partition = 0;
  uint32_t records = 0;
  Lsn highest_lsn = 0;
  uint64_t first_offset = 0;  // of the first and last record in the file
  uint64_t last_offset = 0;

  bool operator==(const FooterEntry&) const = default;
};

struct SegmentFooter {
  LogSequence next_sequence = 0;     // of the record that would follow
  std::vector<FooterEntry> entries;  // ascending by partition

  bool operator==(const SegmentFooter&) const = default;
};

std::string EncodeFooter(const SegmentFooter& footer, uint32_t segment_seed);
// Bytes of the footer that begins with `bytes` (kFooterHeaderBytes), by its own word; DataLoss when it begins
// none.
absl::StatusOr<uint64_t> FooterBytes(absl::Span<const uint8_t> bytes);
// `bytes`: all of the footer. DataLoss when it is damaged or another segment's.
absl::StatusOr<SegmentFooter> DecodeFooter(absl::Span<const uint8_t> bytes, uint32_t segment_seed);

// Notes a record in the entries of its segment, which stay sorted.
void NoteRecord(SegmentFooter* footer, const RecordHeader& header, uint64_t offset);

}  // namespace rowhouse::server
