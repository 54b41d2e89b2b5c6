// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The hot messages of rowhouse.v1 read and written by hand: a generated parser would copy every `bytes` field
// into a string. Requests become views into the bytes they came in; answers are laid out in one buffer of
// exact size, into which rows are gathered in place. Other languages keep using the .proto; a test compares
// both with the generated code.
//
// Thread rule: free functions are pure; PullResponseBuilder is not thread-safe.

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/bytes.h"
#include "common/types.h"
#include "server/partition/requests.h"

namespace rowhouse::server {

// ---- requests, decoded but not trusted: views into the request's bytes

// PullTable, PushTable, or the table fields of a DeleteRequest.
struct TableMessage {
  TableId table_id = 0;
  SchemaVersion schema_version = 0;
  uint32_t dim = 0;
  std::optional<float> learning_rate;
  ChunkedBytes ids;
  ChunkedBytes counts;
  ChunkedBytes values;
};

struct PullMessage {
  std::optional<uint32_t> checksum;  // that its bytes have
  HistoryId history = 0;
  uint64_t map_version = 0;
  std::vector<PartitionPosition> epochs;
  bool allow_forward = false;
  int32_t reply_dtype = 0;
  std::vector<PartitionPosition> min_lsn;
  std::vector<TableMessage> tables;
};

struct PushMessage {
  std::optional<uint32_t> checksum;  // that its bytes have
  HistoryId history = 0;
  uint64_t map_version = 0;
  std::vector<PartitionPosition> epochs;
  bool allow_forward = false;
  WriterId writer = 0;
  PushSeq seq = 0;
  PushSeq low = 0;
  uint32_t part_count = 0;
  uint64_t step = 0;
  uint32_t group_size = 0;
  uint32_t rank = 0;
  int32_t kind = 0;
  bool want_lsn = false;
  std::vector<TableMessage> tables;
};

struct PrefetchMessage {
  HistoryId history = 0;
  std::vector<TableMessage> tables;
};

struct DeleteMessage {
  std::optional<uint32_t> checksum;  // that its bytes have
  HistoryId history = 0;
  uint64_t map_version = 0;
  std::vector<PartitionPosition> epochs;
  bool allow_forward = false;
  WriterId writer = 0;
  PushSeq seq = 0;
  PushSeq low = 0;
  uint32_t part_count = 0;
  uint64_t step = 0;
  TableMessage table;  // table_id, schema_version, ids
};

// InvalidArgument when the bytes are no such message, saying where, or name more tables or partitions than
// limits.h allows (so that what is built here stays small beside the message); Unavailable when they have
// another checksum than the message begins with, for they were damaged on their way. The request's bytes must
// outlive what is returned. No payload is copied; one with a checksum is read once.
absl::StatusOr<PullMessage> DecodePull(const ChunkedBytes& request);
absl::StatusOr<PushMessage> DecodePush(const ChunkedBytes& request);
absl::StatusOr<PrefetchMessage> DecodePrefetch(const ChunkedBytes& request);
absl::StatusOr<DeleteMessage> DecodeDelete(const ChunkedBytes& request);

// ---- answers

// PullResponse in one buffer. Rows are gathered straight into it: values of each table begin at a multiple of
// 4 bytes. What makes room for that are singular fields sent twice, of which proto3 has every reader keep the
// last.
class PullResponseBuilder {
 public:
  struct Table {
    TableId table = 0;
    uint32_t dim = 0;
    size_t rows = 0;
  };

  // Bytes of an answer without failures. Requires: sizes were validated (no sum overflows).
  static uint64_t SizeOf(uint64_t map_version, absl::Span<const Table> tables, bool checksum = false);

  // Lays out the answer to a request with this checksum, if any. Stored bits are 0, values uninitialised.
  PullResponseBuilder(uint64_t map_version, absl::Span<const Table> tables,
                      std::optional<uint32_t> request_checksum = std::nullopt);

  // Where the rows of table i go.
  const ReadTarget& target(size_t i) const { return targets_[i]; }

  // The message, with a checksum when the request had one. With failures it is copied once, to append them.
  Buffer Finish(absl::Span<const PartitionFailure> failures);

 private:
  const std::optional<uint32_t> request_checksum_;
  Buffer buffer_;
  std::vector<ReadTarget> targets_;
};

// With a checksum when the request had one, `request_checksum`.
Buffer EncodePushResponse(uint64_t map_version, const PushOutcome& outcome, bool want_lsn,
                          std::optional<uint32_t> request_checksum = std::nullopt);
Buffer EncodeDeleteResponse(const PushOutcome& outcome,
                            std::optional<uint32_t> request_checksum = std::nullopt);

}  // namespace rowhouse::server
