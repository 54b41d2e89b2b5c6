// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the tests of checkpoints share: rows with known content, images of them, and whole checkpoints in a
// memory file system.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/memory_file_system.h"
#include "server/checkpoint/checkpoint_store.h"
#include "server/checkpoint/row_image.h"
#include "server/checkpoint/row_image_format.h"
#include "tests/unit/server/log/log_test_util.h"

namespace rowhouse::server {

inline constexpr ImageIdentity kImageIdentity{0x0102030405060708, 0x1112131415161718, 0x2122232425262728, 2};
inline constexpr char kStoreDirectory[] = "/checkpoints";

struct TestRow {
  PartitionId partition = 0;
  TableId table = 0;
  uint64_t hash = 0;
  Lsn lsn = 0;
  std::string bytes;

  bool operator==(const TestRow&) const = default;
};

// `count` rows of a table in a partition, each of another content.
inline std::vector<TestRow> RowsOf(PartitionId partition, TableId table, uint32_t row_bytes, size_t count) {
  std::vector<TestRow> rows;
  for (size_t i = 0; i < count; ++i) {
    TestRow row{partition, table, (uint64_t{partition} << 62) + i * 977, 100 + i, ""};
    for (size_t b = 0; b < row_bytes; ++b)
      row.bytes.push_back(static_cast<char>(partition + table + i * 7 + b));
    rows.push_back(std::move(row));
  }
  return rows;
}

inline RowImageOptions ImageOptions(std::string directory = "/image") {
  RowImageOptions options;
  options.directory = std::move(directory);
  return options;
}

// Rows in the order of partition, table and hash.
inline absl::StatusOr<std::vector<CheckpointFile>> WriteRows(FileSystem* fs, const std::vector<TestRow>& rows,
                                                             const RowImageOptions& options = ImageOptions(),
                                                             const ImageIdentity& identity = kImageIdentity) {
  EXPECT_TRUE(fs->CreateDirectories(options.directory).ok());
  RowImageWriter writer(fs, options, identity);
  const TestRow* last = nullptr;
  for (const TestRow& row : rows) {
    if (last == nullptr || last->partition != row.partition || last->table != row.table) {
      writer.BeginTable(row.partition, row.table, static_cast<uint32_t>(row.bytes.size()));
    }
    last = &row;
    const absl::Status status = writer.Add(row.hash, row.lsn, BytesOf(row.bytes));
    if (!status.ok()) return status;
  }
  return writer.Finish();
}

struct ReadBack {
  absl::Status status;
  std::vector<TestRow> rows;
};

inline ReadBack ReadRows(FileSystem& fs, const std::vector<CheckpointFile>& files,
                         const std::string& directory = "/image",
                         const ImageIdentity& identity = kImageIdentity) {
  ReadBack out;
  for (const CheckpointFile& file : files) {
    out.status = ReadRowImage(
        fs, absl::StrCat(directory, "/", file.name), file, identity, [&](const RowImageBlock& block) {
          for (size_t i = 0; i < block.hashes.size(); ++i) {
            const auto image = block.images.subspan(i * block.row_bytes, block.row_bytes);
            out.rows.push_back({block.partition, block.table, block.hashes[i], block.lsns[i],
                                std::string(image.begin(), image.end())});
          }
          return absl::OkStatus();
        });
    if (!out.status.ok()) return out;
  }
  return out;
}

inline CheckpointFile FileOf(std::string name, const std::string& content) {
  return {std::move(name), content.size(), Crc32c(content.data(), content.size())};
}

// The failure has this code and its message all of these words.
inline void ExpectFailure(const absl::Status& status, absl::StatusCode code,
                          const std::vector<std::string>& words) {
  EXPECT_EQ(status.code(), code) << status;
  for (const std::string& word : words) EXPECT_THAT(std::string(status.message()), testing::HasSubstr(word));
}

// ---- whole checkpoints: two servers, four partitions

struct CheckpointSpec {
  std::string name = "full";
  uint64_t id = 1;
  CheckpointKind kind = CheckpointKind::kFull;
  std::string base;
  uint64_t base_id = 0;
  int64_t cut_unix_micros = 1'700'000'000'000'000;
};

// Records 1 to 6, two a segment.
inline std::vector<CheckpointFile> WriteLog(FileSystem* fs, const std::string& directory,
                                            const LogIdentity& identity) {
  LogOptions options = TestOptions(/*segment_bytes=*/500);
  options.directory = directory;
  EXPECT_TRUE(fs->CreateDirectories(directory).ok());
  auto log = OpenLog(fs, SystemClock(), options, identity, LogRecovery{});
  EXPECT_TRUE(log.ok()) << log.status();
  const std::string body = BodyOf(0, 1);
  for (Lsn lsn = 1; lsn <= 6; ++lsn) {
    RecordHeader header = HeaderOf(0, lsn);
    header.history = identity.history;
    (*log)->Append(header, BytesOf(body), Durability::kSync,
                   [](absl::Status s) { EXPECT_TRUE(s.ok()) << s; });
    EXPECT_TRUE((*log)->SyncAll().ok());
  }
  log->reset();
  std::vector<CheckpointFile> files;
  for (const auto& [name, content] : TakeImage(*fs, directory)) {
    files.push_back(FileOf(absl::StrCat("log/", name), content));
  }
  return files;
}

inline ServerManifest WriteShare(FileSystem* fs, const std::string& folder, const Manifest& manifest,
                                 ServerId server) {
  ServerManifest share{.checkpoint = manifest.id, .server = server};
  std::vector<TestRow> rows;
  for (PartitionId partition = 2 * server; partition < 2 * server + 2; ++partition) {
    PartitionShare one{.partition = partition, .all_rows = manifest.kind == CheckpointKind::kFull};
    one.cut_lsn = 6;
    if (manifest.kind != CheckpointKind::kBarrier) {
      for (const TableId table : {1, 7}) {
        const std::vector<TestRow> some = RowsOf(partition, table, 12, 5);
        rows.insert(rows.end(), some.begin(), some.end());
      }
      one.rows = 10;
    }
    share.partitions.push_back(one);
  }
  RowImageOptions options = ImageOptions(folder);
  options.file_bytes = 300;
  options.block_bytes = 100;
  const ImageIdentity identity{manifest.cluster, manifest.history, manifest.id, server};
  auto images = WriteRows(fs, rows, options, identity);
  EXPECT_TRUE(images.ok()) << images.status();
  share.images = *images;
  share.log =
      WriteLog(fs, absl::StrCat(folder, "/log"), LogIdentity{manifest.cluster, server, manifest.history});
  return share;
}

// The root manifest of `spec` without its files.
inline Manifest RootOf(const CheckpointSpec& spec) {
  Manifest manifest;
  manifest.name = spec.name;
  manifest.id = spec.id;
  manifest.kind = spec.kind;
  manifest.base = spec.base;
  manifest.base_id = spec.base_id;
  manifest.cluster = 77;
  manifest.history = 88;
  manifest.partitions = 4;
  manifest.hash_version = 1;
  manifest.cut_unix_micros = spec.cut_unix_micros;
  manifest.rows = spec.kind == CheckpointKind::kBarrier ? 0 : 40;
  return manifest;
}

inline void PutRoot(FileSystem& fs, const Manifest& manifest, const std::string& folder) {
  PutFile(fs, absl::StrCat(folder, "/", kManifestName), EncodeManifest(manifest));
}

// Writes a whole checkpoint to kStoreDirectory; its root manifest.
inline Manifest WriteCheckpoint(FileSystem* fs, const CheckpointSpec& spec = {}) {
  const std::string folder = absl::StrCat(kStoreDirectory, "/", spec.name);
  Manifest manifest = RootOf(spec);
  for (ServerId server = 0; server < 2; ++server) {
    const std::string text = EncodeServerManifest(
        WriteShare(fs, absl::StrCat(folder, "/", ServerFolder(server)), manifest, server));
    const std::string name = absl::StrCat(ServerFolder(server), "/", kServerManifestName);
    PutFile(*fs, absl::StrCat(folder, "/", name), text);
    manifest.servers.push_back(FileOf(name, text));
  }
  PutRoot(*fs, manifest, folder);
  return manifest;
}

// A folder with nothing but a root manifest, which is all that lists and chains look at.
inline Manifest WriteRoot(FileSystem* fs, const CheckpointSpec& spec) {
  Manifest manifest = RootOf(spec);
  manifest.servers.push_back(FileOf("server-0000/SERVER.json", ""));
  const std::string folder = absl::StrCat(kStoreDirectory, "/", spec.name);
  EXPECT_TRUE(fs->CreateDirectories(folder).ok());
  PutRoot(*fs, manifest, folder);
  return manifest;
}

// Every file under `path`, by path.
inline void CollectFiles(FileSystem& fs, const std::string& path, std::vector<std::string>* out) {
  auto names = fs.List(path);
  if (!names.ok()) {
    out->push_back(path);
    return;
  }
  for (const std::string& name : *names) CollectFiles(fs, absl::StrCat(path, "/", name), out);
}
inline std::vector<std::string> FilesUnder(FileSystem& fs, const std::string& path) {
  std::vector<std::string> out;
  CollectFiles(fs, path, &out);
  return out;
}

}  // namespace rowhouse::server
