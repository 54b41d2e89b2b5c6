// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a checkpoint says of itself: the root manifest (MANIFEST.json) and one for each server's share
// (server-0000/SERVER.json). JSON with a checksum of its own. docs/formats/checkpoint.md. Value types and
// pure functions.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/schema/table_schema.h"
#include "common/types.h"

namespace rowhouse::server {

inline constexpr uint32_t kCheckpointFormatVersion = 1;
inline constexpr uint64_t kMaxManifestBytes = 64ull << 20;  // of one of these files; more is not read
inline constexpr char kManifestName[] = "MANIFEST.json";
inline constexpr char kServerManifestName[] = "SERVER.json";

enum class CheckpointKind : uint8_t {
  kFull = 1,         // all rows
  kIncremental = 2,  // the rows that changed since `base`
  kBarrier = 3,      // no rows: the log since `base`
};
// "full", "incremental", "barrier".
std::string CheckpointKindName(CheckpointKind kind);

// A file as it was written: name relative to the folder of the manifest that lists it.
struct CheckpointFile {
  std::string name;
  uint64_t bytes = 0;
  uint32_t crc32c = 0;  // of all its bytes

  bool operator==(const CheckpointFile&) const = default;
};

// A partition's share: rows as they were at some moment after begin_lsn, and the log of (begin_lsn, cut_lsn].
struct PartitionShare {
  PartitionId partition = 0;
  bool all_rows = false;  // false: rows not newer than the base's cut are the base's
  Lsn begin_lsn = 0;
  Lsn cut_lsn = 0;
  uint64_t rows = 0;  // in the image

  bool operator==(const PartitionShare&) const = default;
};

struct ServerManifest {
  uint64_t checkpoint = 0;  // Manifest::id
  ServerId server = 0;
  std::vector<PartitionShare> partitions;  // ascending
  std::vector<CheckpointFile> images;      // rows-*.img, in order
  std::vector<CheckpointFile> log;         // log/segment-*, in order

  bool operator==(const ServerManifest&) const = default;
};

// How far a writer was at the cut: every push with seq <= complete_seq is in the checkpoint whole.
struct WriterCut {
  std::string name;     // empty: it has none any more
  WriterId writer = 0;  // 0: not registered since the cluster was restored, and as the restore knew it
  PushSeq complete_seq = 0;
  uint64_t step = 0;  // the highest step of its pushes

  bool operator==(const WriterCut&) const = default;
};

// A push of which only some parts are in the checkpoint, for its writer did not send the others in time.
struct IncompletePush {
  WriterId writer = 0;
  PushSeq seq = 0;
  uint32_t part_count = 0;
  uint32_t parts = 0;  // that are in; 0: none, and a later push of the writer is in

  bool operator==(const IncompletePush&) const = default;
};

struct Manifest {
  std::string name;
  uint64_t id = 0;  // random
  CheckpointKind kind = CheckpointKind::kFull;
  std::string base;  // name of the checkpoint that this one needs; empty for kFull
  uint64_t base_id = 0;
  ClusterId cluster = 0;
  HistoryId history = 0;
  uint32_t partitions = 0;
  uint32_t hash_version = 0;
  int64_t begin_unix_micros = 0;
  int64_t cut_unix_micros = 0;
  int64_t hold_micros = 0;              // how long pushes waited at the cut
  std::vector<CheckpointFile> servers;  // server-0000/SERVER.json, ...: one a server, by index
  std::vector<TableSchema> tables;      // ascending by id
  std::vector<WriterCut> writers;       // ascending by id, those with 0 first
  std::vector<IncompletePush> incomplete;
  TableId highest_table = 0;     // ever given
  WriterId highest_writer = 0;   // ever given
  uint64_t rows = 0, bytes = 0;  // of all files

  bool operator==(const Manifest&) const = default;
};

// The files' text, and back. Integers above 2^53 and all ids are strings of decimal or hexadecimal digits. A
// schema is its EncodeSchema bytes in base64, beside readable fields that are not read back. Encode requires
// what Decode checks: names, ranges and orders as above. Decode: DataLoss naming `path` and what is wrong
// (not JSON, a missing field, a value out of range, the checksum); FailedPrecondition when a newer format
// wrote it.
std::string EncodeManifest(const Manifest& manifest);
absl::StatusOr<Manifest> DecodeManifest(const std::string& path, const std::string& text);
std::string EncodeServerManifest(const ServerManifest& manifest);
absl::StatusOr<ServerManifest> DecodeServerManifest(const std::string& path, const std::string& text);

}  // namespace rowhouse::server
