// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The hot messages of proto/rowhouse/v1/embedding_service.proto, written and read by hand: a request is one
// buffer of exact size into which rows are gathered straight from the caller's arrays, and an answer is read
// in the pieces it arrived in. The bytes are those of the generated code. Stateless, thread-safe.

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/bytes.h"
#include "common/types.h"

namespace rowhouse::client {

struct PartitionEpochEntry {
  PartitionId partition = 0;
  Epoch epoch = 0;
};

struct PullHeader {
  HistoryId history = 0;
  uint64_t map_version = 0;
  absl::Span<const PartitionEpochEntry> epochs;
  bool prefetch = false;  // a PrefetchRequest: history and tables only
  bool checksum = false;  // leave its room at the beginning: WriteChecksum, when the rest is there
};

struct PullTableHeader {
  TableId table = 0;
  SchemaVersion version = 0;
  uint32_t dim = 0;
  size_t rows = 0;
};

size_t PullRequestSize(const PullHeader& header, absl::Span<const PullTableHeader> tables);
// `ids`: for each table, where its rows * 8 bytes of ids go; not aligned.
Buffer LayOutPullRequest(const PullHeader& header, absl::Span<const PullTableHeader> tables,
                         std::vector<uint8_t*>* ids);

struct PushHeader {
  bool is_delete = false;  // a DeleteRequest: one table, no values
  bool checksum = false;   // as in PullHeader
  PushKind kind = PushKind::kGradient;
  HistoryId history = 0;
  uint64_t map_version = 0;
  absl::Span<const PartitionEpochEntry> epochs;
  WriterId writer = 0;
  PushSeq seq = 0;
  PushSeq low = 0;
  uint32_t part_count = 0;
  uint64_t step = 0;
  uint32_t group_size = 0;
  uint32_t rank = 0;
};

struct PushTableHeader {
  TableId table = 0;
  SchemaVersion version = 0;
  uint32_t dim = 0;
  std::optional<float> learning_rate;
  size_t rows = 0;
  bool counts = false;
};

// Where the rows of one table lie in a laid-out request; not aligned. counts is null without counts, values
// in a delete.
struct PushTableArea {
  uint8_t* ids = nullptr;
  uint8_t* counts = nullptr;
  uint8_t* values = nullptr;
};

size_t PushRequestSize(const PushHeader& header, absl::Span<const PushTableHeader> tables);
Buffer LayOutPushRequest(const PushHeader& header, absl::Span<const PushTableHeader> tables,
                         std::vector<PushTableArea>* areas);

// Reads bytes that lie in pieces, forward. Every read past the end fails and leaves the cursor where it is.
class ByteCursor {
 public:
  explicit ByteCursor(const ChunkedBytes& bytes) : bytes_(&bytes) { Settle(); }
  size_t offset() const { return base_ + within_; }
  size_t remaining() const { return bytes_->size() - offset(); }
  bool Read(void* out, size_t size);
  bool Skip(size_t size);
  // Of at most `most_bytes` bytes.
  bool Varint(uint64_t* value, int most_bytes = 10);

 private:
  void Settle();  // to a piece that has bytes left, when there is one
  const ChunkedBytes* bytes_;
  size_t chunk_ = 0;
  size_t within_ = 0;
  size_t base_ = 0;
};

struct PartitionFailure {
  PartitionId partition = 0;
  absl::Status status;
  uint32_t retry_after_ms = 0;
};

// A bytes field: where it lies in the answer.
struct Extent {
  size_t offset = 0;
  size_t size = 0;
};

struct PullTableAnswer {
  TableId table = 0;
  uint32_t dtype = 0;
  Extent stored;
  Extent values;
};

struct PullAnswer {
  uint64_t map_version = 0;
  std::vector<PartitionFailure> failures;
  std::vector<PullTableAnswer> tables;
};

struct PushAnswer {
  uint64_t map_version = 0;
  std::vector<PartitionFailure> failures;
  uint64_t duplicate_parts = 0;
  uint64_t skipped_rows = 0;
};

// Internal when the bytes are no such message. Sizes are not compared with the request here.
absl::StatusOr<PullAnswer> DecodePullResponse(const ChunkedBytes& bytes);
absl::StatusOr<PushAnswer> DecodePushResponse(const ChunkedBytes& bytes);
absl::StatusOr<PushAnswer> DecodeDeleteResponse(const ChunkedBytes& bytes);

}  // namespace rowhouse::client
