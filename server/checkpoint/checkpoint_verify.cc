// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Verification: every byte of a checkpoint is read, and what its files say of each other compared.

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/status_macros.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/row_image.h"
#include "server/checkpoint/row_image_format.h"
#include "server/checkpoint/sealed_json.h"
#include "server/log/log_format.h"
#include "server/log/segment_reader.h"

namespace rowhouse::server {
namespace {

using Progress = absl::FunctionRef<bool(uint64_t, uint64_t)>;

constexpr size_t kChunkBytes = 1u << 20;

absl::Status Damaged(const std::string& path, const std::string& what) {
  return absl::DataLossError(absl::StrCat("checkpoint file ", path, ": ", what,
                                          "; use another checkpoint, or put back a copy of this one"));
}

uint64_t BytesOf(const std::vector<CheckpointFile>& files) {
  uint64_t bytes = 0;
  for (const CheckpointFile& file : files) bytes += file.bytes;
  return bytes;
}

class Verifier {
 public:
  Verifier(FileSystem& fs, std::string path, const Manifest& manifest, Progress progress)
      : fs_(fs), path_(std::move(path)), manifest_(manifest), progress_(progress) {}

  absl::Status Run(const std::vector<ServerManifest>& shares) {
    total_bytes_ = BytesOf(manifest_.servers);
    for (const ServerManifest& share : shares) total_bytes_ += BytesOf(share.images) + BytesOf(share.log);
    RH_RETURN_IF_ERROR(CheckPartitions(shares));
    RH_RETURN_IF_ERROR(Advance(BytesOf(manifest_.servers)));  // read by the caller
    for (const ServerManifest& share : shares) {
      RH_RETURN_IF_ERROR(CheckImages(share));
      RH_RETURN_IF_ERROR(CheckLog(share));
    }
    return absl::OkStatus();
  }

 private:
  std::string FolderOf(const ServerManifest& share) const {
    return absl::StrCat(path_, "/", ServerFolder(share.server));
  }

  // Tells how far it is, `ahead` beyond what is done.
  absl::Status Tell(uint64_t ahead) {
    const uint64_t read = std::min(done_bytes_ + ahead, total_bytes_);
    if (progress_(read, total_bytes_)) return absl::OkStatus();
    return absl::CancelledError(
        absl::StrCat("checking ", path_, " was stopped after ", read, " of ", total_bytes_, " bytes"));
  }

  absl::Status Advance(uint64_t bytes) {
    done_bytes_ += bytes;
    return Tell(0);
  }

  // Each partition once, and as many rows in all as the root says.
  absl::Status CheckPartitions(const std::vector<ServerManifest>& shares) const {
    std::vector<bool> seen(manifest_.partitions);
    uint64_t rows = 0;
    for (const ServerManifest& share : shares) {
      for (const PartitionShare& partition : share.partitions) {
        if (seen[partition.partition])
          return Damaged(path_,
                         absl::StrCat("partition ", partition.partition, " is in two servers' shares"));
        seen[partition.partition] = true;
        rows += partition.rows;
      }
    }
    const auto missing = std::find(seen.begin(), seen.end(), false);
    if (missing != seen.end())
      return Damaged(path_, absl::StrCat("partition ", missing - seen.begin(), " is in no server's share"));
    if (rows == manifest_.rows) return absl::OkStatus();
    return Damaged(path_, absl::StrCat("the servers' shares have ", rows, " rows, ", kManifestName, " says ",
                                       manifest_.rows));
  }

  absl::Status CheckImages(const ServerManifest& share) {
    const ImageIdentity identity{manifest_.cluster, manifest_.history, manifest_.id, share.server};
    std::vector<uint64_t> rows(manifest_.partitions);
    for (const CheckpointFile& file : share.images) {
      const std::string path = absl::StrCat(FolderOf(share), "/", file.name);
      uint64_t read = 0;
      RH_RETURN_IF_ERROR(ReadRowImage(fs_, path, file, identity, [&](const RowImageBlock& block) {
        if (block.partition >= rows.size())
          return Damaged(path, absl::StrCat("it has rows of partition ", block.partition));
        rows[block.partition] += block.hashes.size();
        read += kRowBlockHeaderBytes + block.hashes.size() * (16 + uint64_t{block.row_bytes});
        return Tell(read);
      }));
      RH_RETURN_IF_ERROR(Advance(file.bytes));
    }
    return CheckRows(share, rows);
  }

  // Every row is of a partition of the share, which has as many as it says.
  absl::Status CheckRows(const ServerManifest& share, std::vector<uint64_t> rows) const {
    for (const PartitionShare& partition : share.partitions) {
      const uint64_t found = std::exchange(rows[partition.partition], 0);
      if (found != partition.rows) {
        return Damaged(FolderOf(share),
                       absl::StrCat("partition ", partition.partition, " has ", found,
                                    " rows in the images, ", kServerManifestName, " says ", partition.rows));
      }
    }
    const auto extra = std::find_if(rows.begin(), rows.end(), [](uint64_t n) { return n != 0; });
    if (extra == rows.end()) return absl::OkStatus();
    return Damaged(FolderOf(share), absl::StrCat("the images have rows of partition ", extra - rows.begin(),
                                                 ", which ", kServerManifestName, " has not"));
  }

  absl::Status CheckLog(const ServerManifest& share) {
    LogSequence next = 1;
    for (const CheckpointFile& file : share.log) {
      const std::string path = absl::StrCat(FolderOf(share), "/", file.name);
      RH_RETURN_IF_ERROR(CheckBytes(path, file));
      RH_RETURN_IF_ERROR(CheckSegment(path, file, share.server, &next));
    }
    return absl::OkStatus();
  }

  // The whole file against its size and checksum.
  absl::Status CheckBytes(const std::string& path, const CheckpointFile& file) {
    auto opened = fs_.OpenForRead(path);
    if (absl::IsNotFound(opened.status())) return Damaged(path, "it is missing");
    if (!opened.ok()) return opened.status();
    RH_ASSIGN_OR_RETURN(const uint64_t size, (*opened)->Size());
    if (size != file.bytes)
      return Damaged(path, absl::StrCat(size, " bytes, ", kServerManifestName, " says ", file.bytes));
    std::vector<uint8_t> chunk(kChunkBytes);
    uint32_t crc = 0;
    for (uint64_t at = 0; at < size;) {
      RH_ASSIGN_OR_RETURN(const size_t got, (*opened)->Read(at, chunk.size(), chunk.data()));
      if (got == 0) return Damaged(path, absl::StrCat("it ends at ", at, " of ", size, " bytes"));
      crc = Crc32c(chunk.data(), got, crc);
      at += got;
      RH_RETURN_IF_ERROR(Advance(got));
    }
    if (crc == file.crc32c) return absl::OkStatus();
    return Damaged(path, absl::StrCat("checksum ", HexText32(crc), ", ", kServerManifestName, " says ",
                                      HexText32(file.crc32c)));
  }

  // Record by record; *next is the sequence that the segment must begin with, and afterwards the one behind
  // it.
  absl::Status CheckSegment(const std::string& path, const CheckpointFile& file, ServerId server,
                            LogSequence* next) {
    const std::string name = file.name.substr(file.name.rfind('/') + 1);
    if (name != SegmentName(*next)) {
      return Damaged(path, absl::StrCat("the segment ", SegmentName(*next), " is missing before it"));
    }
    const SegmentHeader expected{{manifest_.cluster, server, manifest_.history}, *next};
    RH_ASSIGN_OR_RETURN(const auto reader, SegmentReader::Open(fs_, path, expected));
    RH_ASSIGN_OR_RETURN(const bool header_ok, reader->CheckHeader());
    if (!header_ok) return Damaged(path, reader->damage());
    RH_ASSIGN_OR_RETURN(const SegmentEnd end, reader->ReadRecords([&](const Record&) { return Tell(0); }));
    if (!end.damage.empty()) return Damaged(path, absl::StrCat("offset ", end.good_bytes, ": ", end.damage));
    *next = end.next_sequence;
    return absl::OkStatus();
  }

  FileSystem& fs_;
  const std::string path_;
  const Manifest& manifest_;
  const Progress progress_;
  uint64_t total_bytes_ = 0, done_bytes_ = 0;
};

}  // namespace

absl::Status CheckpointStore::Verify(std::string_view name, Progress progress) const {
  RH_ASSIGN_OR_RETURN(const Manifest manifest, Read(name));
  std::vector<ServerManifest> shares;
  for (ServerId server = 0; server < manifest.servers.size(); ++server) {
    RH_ASSIGN_OR_RETURN(ServerManifest share, ReadServer(manifest, server));
    shares.push_back(std::move(share));
  }
  return Verifier(*fs_, PathOf(name), manifest, progress).Run(shares);
}

}  // namespace rowhouse::server
