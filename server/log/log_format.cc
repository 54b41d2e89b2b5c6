// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/log_format.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/coding.h"
#include "common/crc32c.h"

namespace rowhouse::server {
namespace {

constexpr char kSegmentMagic[8] = {'R', 'H', 'L', 'O', 'G', 'S', 'E', 'G'};
constexpr std::string_view kPrefix = "segment-";
constexpr std::string_view kSuffix = ".log";
constexpr size_t kNameDigits = 20;
constexpr uint8_t kZeros[8] = {};

// Offsets in a segment header.
constexpr size_t kSegmentCrcAt = 60;
// Offsets in a record header.
constexpr size_t kBodyCrcAt = 124, kHeaderCrcAt = 132;
// Offsets in a footer.
constexpr size_t kFooterCrcAt = 24;

uint32_t RecordSeed(uint32_t segment_seed, LogSequence sequence) {
  uint8_t raw[8];
  StoreLittle<uint64_t>(raw, sequence);
  return Crc32c(raw, sizeof(raw), segment_seed);
}

absl::Status NewerFormat(const char* what, uint32_t version) {
  return absl::FailedPreconditionError(absl::StrCat(what, " has format version ", version,
                                                    ", this program reads up to ", kLogFormatVersion,
                                                    "; start the version that wrote it, or a newer one"));
}

}  // namespace

std::string SegmentName(LogSequence first) { return absl::StrFormat("%s%020d%s", kPrefix, first, kSuffix); }

std::optional<LogSequence> ParseSegmentName(std::string_view name) {
  if (name.size() != kPrefix.size() + kNameDigits + kSuffix.size()) return std::nullopt;
  if (name.substr(0, kPrefix.size()) != kPrefix || name.substr(name.size() - kSuffix.size()) != kSuffix) {
    return std::nullopt;
  }
  const std::string digits(name.substr(kPrefix.size(), kNameDigits));
  uint64_t first = 0;
  // The name must be the one we would give, else two names would mean one segment.
  if (!absl::SimpleAtoi(digits, &first) || SegmentName(first) != name) return std::nullopt;
  return first;
}

std::string SegmentPath(const std::string& directory, LogSequence first) {
  return absl::StrCat(directory, "/", SegmentName(first));
}

uint32_t SegmentSeed(const SegmentHeader& header) {
  uint8_t raw[28];
  StoreLittle<uint64_t>(raw, header.identity.cluster);
  StoreLittle<uint32_t>(raw + 8, header.identity.server);
  StoreLittle<uint64_t>(raw + 12, header.identity.history);
  StoreLittle<uint64_t>(raw + 20, header.first_sequence);
  return Crc32c(raw, sizeof(raw));
}

void EncodeSegmentHeader(const SegmentHeader& header, uint8_t* out) {
  std::memset(out, 0, kSegmentHeaderBytes);
  std::memcpy(out, kSegmentMagic, sizeof(kSegmentMagic));
  StoreLittle<uint32_t>(out + 8, kLogFormatVersion);
  StoreLittle<uint32_t>(out + 12, header.identity.server);
  StoreLittle<uint64_t>(out + 16, header.identity.cluster);
  StoreLittle<uint64_t>(out + 24, header.identity.history);
  StoreLittle<uint64_t>(out + 32, header.first_sequence);
  StoreLittle<uint32_t>(out + kSegmentCrcAt, Crc32c(out, kSegmentCrcAt));
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(absl::Span<const uint8_t> bytes) {
  if (bytes.size() < kSegmentHeaderBytes) {
    return absl::DataLossError(
        absl::StrCat("segment header: ", bytes.size(), " bytes, ", kSegmentHeaderBytes, " needed"));
  }
  if (std::memcmp(bytes.data(), kSegmentMagic, sizeof(kSegmentMagic)) != 0) {
    return absl::DataLossError("segment header: the file does not begin with RHLOGSEG");
  }
  const uint32_t crc = Crc32c(bytes.data(), kSegmentCrcAt);
  const uint32_t stored = LoadLittle<uint32_t>(bytes.data() + kSegmentCrcAt);
  if (crc != stored) {
    return absl::DataLossError(absl::StrFormat("segment header: checksum %08x, stored %08x", crc, stored));
  }
  const uint32_t version = LoadLittle<uint32_t>(bytes.data() + 8);
  if (version != kLogFormatVersion) return NewerFormat("segment", version);
  SegmentHeader header;
  header.identity.server = LoadLittle<uint32_t>(bytes.data() + 12);
  header.identity.cluster = LoadLittle<uint64_t>(bytes.data() + 16);
  header.identity.history = LoadLittle<uint64_t>(bytes.data() + 24);
  header.first_sequence = LoadLittle<uint64_t>(bytes.data() + 32);
  return header;
}

void EncodeRecordHeader(const RecordHeader& header, absl::Span<const uint8_t> body, uint32_t segment_seed,
                        uint8_t* out) {
  const uint64_t total = RecordBytes(body.size());
  const uint32_t seed = RecordSeed(segment_seed, header.sequence);
  StoreLittle<uint32_t>(out, kRecordMagic);
  out[4] = static_cast<uint8_t>(kLogFormatVersion);
  out[5] = static_cast<uint8_t>(header.type);
  out[6] = static_cast<uint8_t>(header.kind);
  out[7] = 0;
  StoreLittle<uint32_t>(out + 8, static_cast<uint32_t>(total));
  StoreLittle<uint32_t>(out + 12, static_cast<uint32_t>(body.size()));
  StoreLittle<uint64_t>(out + 16, header.history);
  StoreLittle<uint64_t>(out + 24, header.sequence);
  StoreLittle<uint32_t>(out + 32, header.partition);
  StoreLittle<uint32_t>(out + 36, header.generation);
  StoreLittle<uint64_t>(out + 40, header.epoch);
  StoreLittle<uint64_t>(out + 48, header.lsn);
  StoreLittle<uint64_t>(out + 56, header.committed_lsn);
  StoreLittle<uint64_t>(out + 64, header.writer);
  StoreLittle<uint64_t>(out + 72, header.seq);
  StoreLittle<uint64_t>(out + 80, header.low);
  StoreLittle<uint32_t>(out + 88, header.part_count);
  StoreLittle<uint32_t>(out + 92, header.fingerprint);
  StoreLittle<uint64_t>(out + 96, header.step);
  StoreLittle<uint32_t>(out + 104, header.group_size);
  StoreLittle<uint32_t>(out + 108, header.rank);
  StoreLittle<int64_t>(out + 112, header.time_unix_micros);
  StoreLittle<uint32_t>(out + 120, header.update_rule_version);
  const uint32_t body_crc = Crc32c(body.data(), body.size(), seed);
  StoreLittle<uint32_t>(out + kBodyCrcAt, Crc32c(kZeros, total - kRecordHeaderBytes - body.size(), body_crc));
  StoreLittle<uint32_t>(out + 128, 0);
  StoreLittle<uint32_t>(out + kHeaderCrcAt, Crc32c(out, kHeaderCrcAt, seed));
}

namespace {

// Fills the fields that follow the lengths.
void LoadRecordFields(const uint8_t* in, RecordHeader* header) {
  header->type = static_cast<RecordType>(in[5]);
  header->kind = static_cast<PushKind>(in[6]);
  header->history = LoadLittle<uint64_t>(in + 16);
  header->sequence = LoadLittle<uint64_t>(in + 24);
  header->partition = LoadLittle<uint32_t>(in + 32);
  header->generation = LoadLittle<uint32_t>(in + 36);
  header->epoch = LoadLittle<uint64_t>(in + 40);
  header->lsn = LoadLittle<uint64_t>(in + 48);
  header->committed_lsn = LoadLittle<uint64_t>(in + 56);
  header->writer = LoadLittle<uint64_t>(in + 64);
  header->seq = LoadLittle<uint64_t>(in + 72);
  header->low = LoadLittle<uint64_t>(in + 80);
  header->part_count = LoadLittle<uint32_t>(in + 88);
  header->fingerprint = LoadLittle<uint32_t>(in + 92);
  header->step = LoadLittle<uint64_t>(in + 96);
  header->group_size = LoadLittle<uint32_t>(in + 104);
  header->rank = LoadLittle<uint32_t>(in + 108);
  header->time_unix_micros = LoadLittle<int64_t>(in + 112);
  header->update_rule_version = LoadLittle<uint32_t>(in + 120);
}

}  // namespace

absl::StatusOr<RecordFrame> DecodeRecordHeader(absl::Span<const uint8_t> bytes, uint32_t segment_seed) {
  if (bytes.size() < kRecordHeaderBytes) {
    return absl::DataLossError(
        absl::StrCat("record header: ", bytes.size(), " bytes, ", kRecordHeaderBytes, " needed"));
  }
  const uint8_t* in = bytes.data();
  if (LoadLittle<uint32_t>(in) != kRecordMagic)
    return absl::DataLossError("record header: does not begin with RHRC");
  const uint32_t seed = RecordSeed(segment_seed, LoadLittle<uint64_t>(in + 24));
  const uint32_t crc = Crc32c(in, kHeaderCrcAt, seed);
  const uint32_t stored = LoadLittle<uint32_t>(in + kHeaderCrcAt);
  if (crc != stored) {
    return absl::DataLossError(absl::StrFormat("record header: checksum %08x, stored %08x", crc, stored));
  }
  if (in[4] != kLogFormatVersion) return NewerFormat("record", in[4]);
  const uint8_t kind = in[6];
  if (in[5] < 1 || in[5] > static_cast<uint8_t>(RecordType::kTruncate) || kind < 1 || kind > 3) {
    return absl::FailedPreconditionError(
        absl::StrCat("record has type ", in[5], " and push kind ", kind,
                     ", which this program does not know; start the version that wrote it"));
  }
  RecordFrame frame;
  LoadRecordFields(in, &frame.header);
  frame.total_bytes = LoadLittle<uint32_t>(in + 8);
  frame.body_bytes = LoadLittle<uint32_t>(in + 12);
  frame.body_crc = LoadLittle<uint32_t>(in + kBodyCrcAt);
  frame.body_seed = seed;
  if (frame.total_bytes != RecordBytes(frame.body_bytes) || frame.total_bytes > limits::kMaxRecordBytes) {
    return absl::DataLossError(absl::StrCat("record header: body of ", frame.body_bytes,
                                            " bytes in a record of ", frame.total_bytes, ", limit ",
                                            limits::kMaxRecordBytes));
  }
  return frame;
}

std::string EncodeFooter(const SegmentFooter& footer, uint32_t segment_seed) {
  ByteWriter writer;
  writer.Fixed<uint32_t>(kFooterMagic);
  writer.Fixed<uint32_t>(kLogFormatVersion);
  writer.Fixed<uint64_t>(footer.entries.size());
  writer.Fixed<uint64_t>(footer.next_sequence);
  writer.Fixed<uint32_t>(0);  // checksum
  writer.Fixed<uint32_t>(0);
  for (const FooterEntry& entry : footer.entries) {
    writer.Fixed<uint32_t>(entry.partition);
    writer.Fixed<uint32_t>(entry.records);
    writer.Fixed<uint64_t>(entry.highest_lsn);
    writer.Fixed<uint64_t>(entry.first_offset);
    writer.Fixed<uint64_t>(entry.last_offset);
  }
  std::string out = writer.Take();
  StoreLittle<uint32_t>(out.data() + kFooterCrcAt, Crc32c(out.data(), out.size(), segment_seed));
  return out;
}

absl::StatusOr<uint64_t> FooterBytes(absl::Span<const uint8_t> bytes) {
  if (bytes.size() < kFooterHeaderBytes || LoadLittle<uint32_t>(bytes.data()) != kFooterMagic) {
    return absl::DataLossError("segment footer: does not begin with RHFT, or is cut short");
  }
  const uint64_t entries = LoadLittle<uint64_t>(bytes.data() + 8);
  if (entries > limits::kMaxPartitions) {
    return absl::DataLossError(
        absl::StrCat("segment footer: ", entries, " partitions, limit ", limits::kMaxPartitions));
  }
  return kFooterHeaderBytes + entries * kFooterEntryBytes;
}

absl::StatusOr<SegmentFooter> DecodeFooter(absl::Span<const uint8_t> bytes, uint32_t segment_seed) {
  absl::StatusOr<uint64_t> size = FooterBytes(bytes);
  if (!size.ok()) return size.status();
  if (*size != bytes.size()) {
    return absl::DataLossError(
        absl::StrCat("segment footer: ", bytes.size(), " bytes, its header says ", *size));
  }
  uint8_t head[kFooterHeaderBytes];
  std::memcpy(head, bytes.data(), kFooterHeaderBytes);
  const uint32_t stored = LoadLittle<uint32_t>(head + kFooterCrcAt);
  StoreLittle<uint32_t>(head + kFooterCrcAt, 0);
  const uint32_t head_crc = Crc32c(head, kFooterHeaderBytes, segment_seed);
  const uint32_t crc = Crc32c(bytes.data() + kFooterHeaderBytes, bytes.size() - kFooterHeaderBytes, head_crc);
  if (crc != stored) {
    return absl::DataLossError(absl::StrFormat("segment footer: checksum %08x, stored %08x", crc, stored));
  }
  const uint32_t version = LoadLittle<uint32_t>(head + 4);
  if (version != kLogFormatVersion) return NewerFormat("segment footer", version);
  SegmentFooter footer;
  footer.next_sequence = LoadLittle<uint64_t>(head + 16);
  for (size_t at = kFooterHeaderBytes; at < bytes.size(); at += kFooterEntryBytes) {
    const uint8_t* in = bytes.data() + at;
    footer.entries.push_back({LoadLittle<uint32_t>(in), LoadLittle<uint32_t>(in + 4),
                              LoadLittle<uint64_t>(in + 8), LoadLittle<uint64_t>(in + 16),
                              LoadLittle<uint64_t>(in + 24)});
  }
  return footer;
}

void NoteRecord(SegmentFooter* footer, const RecordHeader& header, uint64_t offset) {
  auto& entries = footer->entries;
  auto at = std::lower_bound(entries.begin(), entries.end(), header.partition,
                             [](const FooterEntry& e, PartitionId p) { return e.partition < p; });
  if (at == entries.end() || at->partition != header.partition) {
    at = entries.insert(at, FooterEntry{header.partition, 0, 0, offset, offset});
  }
  ++at->records;
  at->highest_lsn = std::max(at->highest_lsn, header.lsn);
  at->last_offset = offset;
  footer->next_sequence = header.sequence + 1;
}

}  // namespace rowhouse::server
