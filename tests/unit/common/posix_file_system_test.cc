// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// What only the machine's files do.

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "common/file_system.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rowhouse {
namespace {

using testing::HasSubstr;

absl::Status AppendText(WritableFile& file, const std::string& text) {
  const absl::Span<const uint8_t> piece(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return file.Append({&piece, 1});
}

TEST(PosixFileSystem, AFullDiskIsResourceExhaustedAndNamed) {
  auto file = PosixFileSystem()->OpenForAppend("/dev/full");
  ASSERT_TRUE(file.ok()) << file.status();
  const absl::Status status = AppendText(**file, "x");
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/full"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("errno 28"));
  EXPECT_EQ((*file)->size(), 0u);
}

TEST(PosixFileSystem, AFileIsFinalAfterAFailedSync) {
  // A character device cannot be synced: EINVAL.
  auto file = PosixFileSystem()->OpenForAppend("/dev/null");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(absl::IsInternal((*file)->Sync()));
  EXPECT_TRUE(absl::IsFailedPrecondition((*file)->Sync()));
  EXPECT_TRUE(absl::IsFailedPrecondition(AppendText(**file, "x")));
  EXPECT_TRUE(absl::IsFailedPrecondition((*file)->Truncate(0)));
  EXPECT_TRUE(absl::IsFailedPrecondition((*file)->Preallocate(10)));
}

TEST(PosixFileSystem, OtherErrorsAreInternalWithTheirErrno) {
  const auto file = PosixFileSystem()->OpenForAppend("/dev");
  EXPECT_TRUE(absl::IsInternal(file.status())) << file.status();
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("errno 21"));  // EISDIR
  const std::string long_name(5000, 'x');  // longer than a path may be, whatever the file system
  EXPECT_TRUE(absl::IsInternal(PosixFileSystem()->Exists(long_name).status()));
}

TEST(PosixFileSystem, ALockHeldByAnotherProcessNamesIt) {
  std::string directory = (std::filesystem::temp_directory_path() / "rowhouse_lock_XXXXXX").string();
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/LOCK";
  int ready[2];
  int quit[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(quit), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(quit[1]);
    auto lock = PosixFileSystem()->Lock(path);
    char byte = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1) _exit(2);
    _exit(read(quit[0], &byte, 1) >= 0 ? 0 : 1);
  }
  close(quit[0]);
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  const auto taken = PosixFileSystem()->Lock(path);
  EXPECT_TRUE(absl::IsFailedPrecondition(taken.status())) << taken.status();
  EXPECT_THAT(std::string(taken.status().message()), HasSubstr("process " + std::to_string(child) + ";"));
  close(quit[1]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(PosixFileSystem()->Lock(path).ok());  // its death let go
  close(ready[0]);
  close(ready[1]);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace rowhouse
