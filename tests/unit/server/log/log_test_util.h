// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the tests of the log share: records with known content, a log to append them to, and images of its
// files.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/coding.h"
#include "common/memory_file_system.h"
#include "server/log/log_format.h"
#include "server/log/log_writer.h"

namespace rowhouse::server {

inline constexpr LogIdentity kIdentity{0x1122334455667788, 3, 0x99};

inline LogOptions TestOptions(uint64_t segment_bytes = 1u << 20) {
  LogOptions options;
  options.directory = "/data/log";
  options.segment_bytes = segment_bytes;
  options.sync_interval_micros = 3'600'000'000;  // never by itself
  options.low_water_free_bytes = 0;
  return options;
}

// Header of the record with `lsn` of `partition`: every field differs from its neighbours.
inline RecordHeader HeaderOf(PartitionId partition, Lsn lsn, RecordType type = RecordType::kPush) {
  RecordHeader h;
  h.type = type;
  h.kind = PushKind::kDelta;
  h.history = kIdentity.history;
  h.partition = partition;
  h.generation = 5;
  h.epoch = 6;
  h.lsn = lsn;
  h.committed_lsn = lsn - 1;
  h.writer = 7;
  h.seq = lsn + 100;
  h.low = lsn + 90;
  h.part_count = 8;
  h.fingerprint = 0xABCD0000u + static_cast<uint32_t>(lsn);
  h.step = 1ull << 40;
  h.group_size = 9;
  h.rank = 10;
  h.time_unix_micros = 1'700'000'000'000'000 + static_cast<int64_t>(lsn);
  h.update_rule_version = 11;
  return h;
}

inline std::string BodyOf(PartitionId partition, Lsn lsn, size_t size = 29) {
  std::string body = absl::StrCat("p", partition, "/", lsn, ":");
  while (body.size() < size) body.push_back(static_cast<char>('a' + body.size() % 26));
  return body;
}

inline absl::Span<const uint8_t> BytesOf(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

inline void ExpectSameHeader(const RecordHeader& a, const RecordHeader& b) {
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.history, b.history);
  EXPECT_EQ(a.partition, b.partition);
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.lsn, b.lsn);
  EXPECT_EQ(a.committed_lsn, b.committed_lsn);
  EXPECT_EQ(a.writer, b.writer);
  EXPECT_EQ(a.seq, b.seq);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.part_count, b.part_count);
  EXPECT_EQ(a.fingerprint, b.fingerprint);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.group_size, b.group_size);
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.time_unix_micros, b.time_unix_micros);
  EXPECT_EQ(a.update_rule_version, b.update_rule_version);
}

// A record as recovery gave it.
struct SeenRecord {
  RecordHeader header;
  std::string body;
};

struct Recovered {
  absl::Status status;
  LogRecovery log;
  std::vector<SeenRecord> records;

  std::vector<Lsn> lsns() const {
    std::vector<Lsn> out;
    for (const SeenRecord& r : records) out.push_back(r.header.lsn);
    return out;
  }
};

inline Recovered Recover(FileSystem& fs, const LogOptions& options = TestOptions(),
                         const LogIdentity& identity = kIdentity) {
  Recovered out;
  auto log = RecoverLog(fs, options, identity, [&](const Record& record) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(record.body.data()) % 8, 0u);
    out.records.push_back({record.header, std::string(record.body.begin(), record.body.end())});
    return absl::OkStatus();
  });
  out.status = log.status();
  if (log.ok()) out.log = *std::move(log);
  return out;
}

// Owns bodies until they are committed and notes how each record ended, in the order of the callbacks.
class Appender {
 public:
  explicit Appender(LogWriter* log) : log_(log) {}

  void Append(PartitionId partition, Lsn lsn, Durability durability, size_t body_size = 29) {
    const std::string* body;
    {
      absl::MutexLock lock(&mu_);
      bodies_.push_back(BodyOf(partition, lsn, body_size));
      body = &bodies_.back();
      ++appended_;
    }
    log_->Append(HeaderOf(partition, lsn), BytesOf(*body), durability, [this, lsn](absl::Status status) {
      absl::MutexLock lock(&mu_);
      ended_.emplace_back(lsn, status);
    });
  }
  // Waits until every record has ended.
  void Wait() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(
        +[](Appender* self) ABSL_NO_THREAD_SAFETY_ANALYSIS { return self->ended_.size() == self->appended_; },
        this));
  }
  absl::Status AppendAndWait(PartitionId partition, Lsn lsn, Durability durability, size_t body_size = 29) {
    Append(partition, lsn, durability, body_size);
    Wait();
    absl::MutexLock lock(&mu_);
    return ended_.back().second;
  }
  std::vector<std::pair<Lsn, absl::Status>> ended() const {
    absl::MutexLock lock(&mu_);
    return ended_;
  }
  std::vector<Lsn> acknowledged() const {
    std::vector<Lsn> out;
    for (const auto& [lsn, status] : ended()) {
      if (status.ok()) out.push_back(lsn);
    }
    return out;
  }

 private:
  LogWriter* const log_;
  mutable absl::Mutex mu_;
  std::deque<std::string> bodies_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<Lsn, absl::Status>> ended_ ABSL_GUARDED_BY(mu_);
  size_t appended_ ABSL_GUARDED_BY(mu_) = 0;
};

// Recovers and opens.
inline absl::StatusOr<std::unique_ptr<LogWriter>> OpenRecovered(FileSystem* fs,
                                                                const LogOptions& options = TestOptions()) {
  absl::StatusOr<LogRecovery> recovered =
      RecoverLog(*fs, options, kIdentity, [](const Record&) { return absl::OkStatus(); });
  if (!recovered.ok()) return recovered.status();
  return OpenLog(fs, SystemClock(), options, kIdentity, *recovered);
}

// Files of the log by name.
using Image = std::map<std::string, std::string>;

inline Image TakeImage(FileSystem& fs, const std::string& directory = "/data/log") {
  Image image;
  auto names = fs.List(directory);
  EXPECT_TRUE(names.ok()) << names.status();
  for (const std::string& name : *names) {
    image[name] = *ReadFile(fs, absl::StrCat(directory, "/", name), 1u << 30);
  }
  return image;
}

inline void PutFile(FileSystem& fs, const std::string& path, const std::string& bytes) {
  auto file = fs.OpenForAppend(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Truncate(0).ok());
  const absl::Span<const uint8_t> piece = BytesOf(bytes);
  ASSERT_TRUE((*file)->Append(absl::MakeConstSpan(&piece, 1)).ok());
  ASSERT_TRUE((*file)->Sync().ok());
}

inline std::unique_ptr<MemoryFileSystem> FromImage(const Image& image,
                                                   const std::string& directory = "/data/log") {
  auto fs = MakeMemoryFileSystem();
  EXPECT_TRUE(fs->CreateDirectories(directory).ok());
  for (const auto& [name, bytes] : image) PutFile(*fs, absl::StrCat(directory, "/", name), bytes);
  EXPECT_TRUE(fs->SyncDirectory(directory).ok());
  return fs;
}

// The files of a log with records 1..n of partition 0, as a crash leaves them (no footer) or as closing does.
inline Image LogImage(Lsn n, bool closed, const LogOptions& options = TestOptions(), size_t body_size = 29) {
  auto fs = MakeMemoryFileSystem();
  auto log = OpenRecovered(fs.get(), options);
  EXPECT_TRUE(log.ok()) << log.status();
  Appender appender(log->get());
  for (Lsn lsn = 1; lsn <= n; ++lsn) appender.Append(0, lsn, Durability::kSync, body_size);
  appender.Wait();
  if (!closed) return TakeImage(*fs, options.directory);
  log->reset();
  return TakeImage(*fs, options.directory);
}

}  // namespace rowhouse::server
