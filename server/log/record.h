// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// One record of the push log: what the partition's state machine eats, live, in replay and on replicas.
// Bytes: docs/formats/log-record.md.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/bytes.h"
#include "common/schema/table_schema.h"
#include "common/types.h"

namespace rowhouse::server {

enum class RecordType : uint8_t {
  kPush = 1,
  kSchema = 2,       // body: EncodeSchema; creates or alters
  kDrop = 3,         // body: table id, 4 bytes
  kWriterFloor = 4,  // body: EncodeWriterFloor
  kDelete = 5,       // body: as kPush, rows without values
  kExpire = 6,       // body: as kDelete, and a cut-off: rows whose last push is older are deleted
  kEpoch = 7,        // reserved for replication
  kTruncate = 8,     // reserved for replication
};

struct RecordHeader {
  RecordType type = RecordType::kPush;
  PushKind kind = PushKind::kGradient;  // kPush
  HistoryId history = 0;
  LogSequence sequence = 0;  // given by the log
  PartitionId partition = 0;
  Generation generation = 0;
  Epoch epoch = 0;
  Lsn lsn = 0;
  Lsn committed_lsn = 0;  // of the partition when the record was made
  WriterId writer = 0;    // kPush, kDelete; else 0
  PushSeq seq = 0;
  PushSeq low = 0;
  uint32_t part_count = 0;
  uint32_t fingerprint = 0;  // of the part's content as the writer sent it
  uint64_t step = 0;
  uint32_t group_size = 0;
  uint32_t rank = 0;
  int64_t time_unix_micros = 0;  // when the record was made: the only time that Apply knows
  uint32_t update_rule_version = 0;
};

// A record and its body; the body must outlive it.
struct Record {
  RecordHeader header;
  absl::Span<const uint8_t> body;
};

// ---- bodies of kPush, kDelete, kExpire

// Rows of one table in a body. Views into the body's bytes.
struct PushSlice {
  TableId table = 0;
  SchemaVersion schema_version = 0;
  uint32_t dim = 0;                   // floats of a row of values; 0 in kDelete and kExpire
  HyperParameters hyper;              // resolved
  uint32_t cutoff_unix_seconds = 0;   // kExpire
  absl::Span<const Id> ids;           // distinct
  absl::Span<const uint32_t> counts;  // empty, or one for each id
  absl::Span<const float> values;     // ids.size() * dim
};

// Bytes that a body with these slices takes at most (arrays of odd length are padded to 8): table_count
// slices, `rows` rows in all, of which rows_with_counts have counts, with `value_floats` floats in all.
struct PushBodySize {
  size_t table_count = 0, rows = 0, rows_with_counts = 0, value_floats = 0;
  size_t bytes() const;
};

// Lays out a body slice by slice in a buffer; ids, counts and values are then filled in place by the caller,
// aligned to 8 bytes. Not thread-safe.
class PushBodyBuilder {
 public:
  explicit PushBodyBuilder(const PushBodySize& size);
  struct Slots {
    Id* ids;
    uint32_t* counts;  // null without counts
    float* values;
  };
  // Begins the next slice. `slice` gives table, version, dim, hyper and cut-off; its spans are ignored.
  Slots AddSlice(const PushSlice& slice, size_t rows, bool with_counts);
  // The body. The builder is empty afterwards.
  Buffer Finish();

 private:
  Buffer buffer_;
  size_t used_ = 0;
  uint32_t tables_ = 0;
};

// Checks every length against the body's size. DataLoss when they do not fit.
absl::StatusOr<std::vector<PushSlice>> ParsePushBody(absl::Span<const uint8_t> body);

// ---- body of kWriterFloor

// Writers at or below `floor` and those in `dead` are refused.
struct WriterFloor {
  WriterId floor = 0;
  std::vector<WriterId> dead;  // above floor, ascending
};
std::string EncodeWriterFloor(const WriterFloor& floor);
absl::StatusOr<WriterFloor> DecodeWriterFloor(absl::Span<const uint8_t> body);

}  // namespace rowhouse::server
