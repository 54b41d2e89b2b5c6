// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/spill/rocksdb_spill_store.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "server/spill/rocksdb_options.h"
#include "server/spill/rocksdb_status.h"
#include "server/spill/spill_directory.h"
#include "server/spill/spill_value.h"

namespace rowhouse::server {
namespace {

namespace fs = std::filesystem;

class RocksDbSpillStoreTest : public testing::Test {
 protected:
  RocksDbSpillStoreTest() {
    std::string path = testing::TempDir() + "/spill_unit_XXXXXX";
    directory_ = mkdtemp(path.data());
  }
  ~RocksDbSpillStoreTest() override { fs::remove_all(directory_); }

  SpillOptions Options() const {
    return {.directory = directory_, .memory_bytes = 8 << 20, .write_buffer_bytes = 1 << 20};
  }
  std::unique_ptr<SpillStore> Open(rocksdb::Env* env = nullptr) {
    auto store = RocksDbSpillStore::Open(Options(), env);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  static absl::Status Put(SpillStore* store, uint64_t hash, size_t bytes) {
    const std::vector<uint8_t> payload(bytes, static_cast<uint8_t>(hash));
    const SpillPut put = {{1, 1, 1, hash}, {1, 1, payload}};
    return store->Write({&put, 1});
  }
  static std::vector<uint64_t> Hashes(SpillStore* store) {
    std::vector<uint64_t> hashes;
    EXPECT_TRUE(store
                    ->Scan({0, 0, 0, 0}, {16383, ~0u, ~0u, ~0ull},
                           [&](const SpillKey& key, const SpillValue&) {
                             hashes.push_back(key.hash);
                             return true;
                           })
                    .ok());
    return hashes;
  }
  template <typename Done>
  static bool Eventually(Done done) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (!done()) {
      if (absl::Now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  std::string directory_;
};

TEST_F(RocksDbSpillStoreTest, CreatesItsDirectoryAndSaysWhoseItIs) {
  directory_ += "/deep/er";
  ASSERT_NE(Open(), nullptr);
  std::ifstream file(directory_ + "/" + kSpillFormatFile);
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "rowhouse spill 1");
  directory_.resize(directory_.size() - std::string("/deep/er").size());
}

TEST_F(RocksDbSpillStoreTest, RefusesANewerFormat) {
  ASSERT_NE(Open(), nullptr);
  std::ofstream(directory_ + "/" + kSpillFormatFile) << "rowhouse spill 2\n";
  const absl::Status opened = OpenRocksDbSpillStore(Options()).status();
  EXPECT_EQ(opened.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(opened.message()), testing::HasSubstr("rowhouse spill 2"));
}

TEST_F(RocksDbSpillStoreTest, RefusesAnotherDatabase) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, directory_, &db).ok());
  delete db;
  EXPECT_EQ(OpenRocksDbSpillStore(Options()).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RocksDbSpillStoreTest, AnOpenDirectoryIsUnavailable) {
  const auto store = Open();
  EXPECT_EQ(OpenRocksDbSpillStore(Options()).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(RocksDbSpillStoreTest, OptionsOutOfRangeAreRefused) {
  const auto code = [](const SpillOptions& options) { return MakeRocksDbOptions(options).status().code(); };
  EXPECT_EQ(code(Options()), absl::StatusCode::kOk);
  EXPECT_EQ(code({}), absl::StatusCode::kInvalidArgument);
  SpillOptions options = Options();
  options.memory_bytes = (4 << 20) - 1;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = Options();
  options.write_buffer_bytes = (64 << 10) - 1;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options.write_buffer_bytes = (2 << 20) + 1;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = Options();
  options.background_jobs = 0;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options.background_jobs = 65;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
}

TEST_F(RocksDbSpillStoreTest, OpensWithoutDirectIo) {
  SpillOptions options = Options();
  options.direct_io = false;
  auto store = OpenRocksDbSpillStore(options);
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE(Put(store->get(), 1, 100).ok());
  ASSERT_TRUE((*store)->Flush().ok());
  EXPECT_THAT(Hashes(store->get()), testing::ElementsAre(1));
}

TEST_F(RocksDbSpillStoreTest, TheDirectIoProbeLeavesNothing) {
  SupportsDirectIo(directory_);
  EXPECT_TRUE(fs::is_empty(directory_));
  EXPECT_FALSE(SupportsDirectIo(directory_ + "/missing"));
}

TEST_F(RocksDbSpillStoreTest, ALostFileIsAnErrorNotAnAbsentRow) {
  ASSERT_TRUE(Put(Open().get(), 1, 100).ok());
  int removed = 0;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    if (entry.path().extension() == ".sst") removed += fs::remove(entry.path());
  }
  ASSERT_EQ(removed, 1);
  EXPECT_EQ(OpenRocksDbSpillStore(Options()).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RocksDbSpillStoreTest, DamagedBlocksAreDataLoss) {
  ASSERT_TRUE(Put(Open().get(), 1, 100 << 10).ok());
  for (const auto& entry : fs::directory_iterator(directory_)) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(50 << 10);
    file.put('!');
  }
  const auto store = Open();
  const SpillKey key = {1, 1, 1, 1};
  EXPECT_EQ(store->Read({&key, 1}, [](size_t, const SpillValue&) { ADD_FAILURE() << "found"; }).code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(RocksDbSpillStoreTest, ErasedRangesGiveTheirDiskBack) {
  const auto store = Open();
  for (uint64_t hash = 0; hash < 300; ++hash) ASSERT_TRUE(Put(store.get(), hash, 64 << 10).ok());
  ASSERT_TRUE(store->Flush().ok());
  ASSERT_GT(store->DiskBytes(), 10u << 20);
  ASSERT_TRUE(store->EraseRange({1, 1, 0, 0}, {1, 1, ~0u, ~0ull}).ok());
  ASSERT_TRUE(store->Flush().ok());
  EXPECT_TRUE(Eventually([&] { return store->DiskBytes() < 1 << 20; })) << store->DiskBytes();
  EXPECT_THAT(Hashes(store.get()), testing::IsEmpty());
}

TEST_F(RocksDbSpillStoreTest, ErasedRangesGiveTheirDiskBackWithoutAFlush) {
  const auto store = Open();
  for (uint64_t hash = 0; hash < 300; ++hash) ASSERT_TRUE(Put(store.get(), hash, 64 << 10).ok());
  ASSERT_TRUE(store->Flush().ok());
  ASSERT_TRUE(store->EraseRange({1, 1, 0, 0}, {1, 1, ~0u, ~0ull}).ok());
  store->BeginGivingBack();
  EXPECT_TRUE(Eventually([&] { return store->DiskBytes() < 1 << 20; })) << store->DiskBytes();
}

TEST_F(RocksDbSpillStoreTest, MemoryStaysNearItsShare) {
  const auto store = Open();
  uint64_t peak = 0;
  for (uint64_t hash = 0; hash < 2000; ++hash) {
    ASSERT_TRUE(Put(store.get(), hash * 0x9E3779B97F4A7C15, 16 << 10).ok());
    peak = std::max(peak, store->MemoryBytes());
  }
  EXPECT_THAT(Hashes(store.get()), testing::SizeIs(2000));
  for (uint64_t hash = 0; hash < 2000; ++hash) {
    const SpillKey key = {1, 1, 1, hash * 0x9E3779B97F4A7C15};
    ASSERT_TRUE(store->Read({&key, 1}, [](size_t, const SpillValue&) {}).ok());
    peak = std::max(peak, store->MemoryBytes());
  }
  EXPECT_GT(peak, 1u << 20);
  EXPECT_LE(peak, Options().memory_bytes);
}

// A file system whose disk can be full.
class FullFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FullFile(std::unique_ptr<rocksdb::FSWritableFile> file, const std::atomic<bool>* full)
      : FSWritableFileOwnerWrapper(std::move(file)), full_(full) {}
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
    return *full_ ? NoSpace() : FSWritableFileOwnerWrapper::Append(data, options, context);
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo& info,
                           rocksdb::IODebugContext* context) override {
    return *full_ ? NoSpace() : FSWritableFileOwnerWrapper::Append(data, options, info, context);
  }
  rocksdb::IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset,
                                     const rocksdb::IOOptions& options,
                                     rocksdb::IODebugContext* context) override {
    return *full_ ? NoSpace() : FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, context);
  }
  rocksdb::IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset,
                                     const rocksdb::IOOptions& options,
                                     const rocksdb::DataVerificationInfo& info,
                                     rocksdb::IODebugContext* context) override {
    return *full_ ? NoSpace()
                  : FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, info, context);
  }

 private:
  static rocksdb::IOStatus NoSpace() { return rocksdb::IOStatus::NoSpace("played by the test"); }
  const std::atomic<bool>* full_;
};

class FullDisk final : public rocksdb::FileSystemWrapper {
 public:
  FullDisk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FullDisk"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* context) override {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    rocksdb::IOStatus made = target()->NewWritableFile(name, options, &file, context);
    if (made.ok()) *result = std::make_unique<FullFile>(std::move(file), &full);
    return made;
  }
  std::atomic<bool> full = false;
};

TEST_F(RocksDbSpillStoreTest, AFullDiskIsResourceExhaustedAndPasses) {
  const auto disk = std::make_shared<FullDisk>();
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
  {
    const auto store = Open(env.get());
    ASSERT_TRUE(Put(store.get(), 1, 100).ok());
    ASSERT_TRUE(store->Flush().ok());
    ASSERT_TRUE(Put(store.get(), 2, 100).ok());
    disk->full = true;
    EXPECT_EQ(store->Flush().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(Put(store.get(), 3, 100).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(store->EraseRange({1, 1, 1, 1}, {1, 1, 1, 1}).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(Hashes(store.get()), testing::ElementsAre(1, 2)) << "reads go on";
    disk->full = false;
    EXPECT_TRUE(Eventually([&] { return Put(store.get(), 4, 100).ok(); }));
    EXPECT_TRUE(store->Flush().ok());
  }
  const auto store = Open(env.get());
  EXPECT_THAT(Hashes(store.get()), testing::ElementsAre(1, 2, 4));
}

TEST(RocksDbStatus, EachErrorHasItsCode) {
  using rocksdb::Status;
  const auto code = [](const Status& status) { return FromRocksDb("doing", status).code(); };
  EXPECT_EQ(code(Status::OK()), absl::StatusCode::kOk);
  EXPECT_EQ(code(Status::NoSpace("x")), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(Status::MemoryLimit("x")), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(Status::Corruption("x")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(Status::IOError("x")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(Status::Busy("x")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(Status::TimedOut("x")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(Status::TryAgain("x")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(Status::ShutdownInProgress("x")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(Status::InvalidArgument("x")), absl::StatusCode::kInternal);
  EXPECT_EQ(code(Status::NotFound("x")), absl::StatusCode::kInternal)
      << "absence is never an error that is passed on";
  EXPECT_THAT(std::string(FromRocksDb("flushing /d", Status::IOError("disk", "gone")).message()),
              testing::AllOf(testing::HasSubstr("flushing /d"), testing::HasSubstr("disk: gone")));
}

}  // namespace
}  // namespace rowhouse::server
