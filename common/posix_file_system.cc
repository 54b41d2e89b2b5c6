// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// FileSystem on the machine's files.

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/file_system.h"
#include "common/status_macros.h"

namespace rowhouse {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

const char* Describe(int error) {
  const char* text = strerrordesc_np(error);
  return text == nullptr ? "unknown error" : text;
}

// "operation path: text (errno 5)" with the code of the errno.
absl::Status ErrnoStatus(absl::string_view operation, const std::string& path, int error) {
  const std::string message =
      absl::StrCat(operation, " ", path, ": ", Describe(error), " (errno ", error, ")");
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::InternalError(message);
  }
}

// Calls `call` until a signal does not interrupt it.
template <typename Call>
auto Uninterrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::StatusOr<FileDescriptor> OpenDescriptor(const std::string& path, int flags) {
  const int fd = Uninterrupted([&] { return open(path.c_str(), flags | O_CLOEXEC, kFileMode); });
  if (fd < 0) return ErrnoStatus("open", path, errno);
  return FileDescriptor(fd);
}

absl::StatusOr<uint64_t> SizeOf(const FileDescriptor& fd, const std::string& path) {
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus("stat", path, errno);
  return static_cast<uint64_t>(info.st_size);
}

class PosixWritableFile : public WritableFile {
 public:
  PosixWritableFile(std::string path, FileDescriptor fd, uint64_t size)
      : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

  absl::Status Append(absl::Span<const absl::Span<const uint8_t>> pieces) override {
    RH_RETURN_IF_ERROR(CheckUsable());
    std::vector<iovec> left;
    left.reserve(pieces.size());
    for (absl::Span<const uint8_t> piece : pieces) {
      if (!piece.empty()) left.push_back({const_cast<uint8_t*>(piece.data()), piece.size()});
    }
    size_t first = 0;
    while (first < left.size()) {
      const int count = static_cast<int>(std::min<size_t>(left.size() - first, IOV_MAX));
      const ssize_t wrote =
          Uninterrupted([&] { return pwritev(fd_.get(), &left[first], count, static_cast<off_t>(size_)); });
      if (wrote < 0) return ErrnoStatus("write", path_, errno);
      if (wrote == 0) return absl::InternalError(absl::StrCat("write ", path_, ": no byte was taken"));
      size_ += static_cast<uint64_t>(wrote);
      first = SkipWritten(left, first, static_cast<size_t>(wrote));
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    RH_RETURN_IF_ERROR(CheckUsable());
    if (Uninterrupted([&] { return fdatasync(fd_.get()); }) == 0) return absl::OkStatus();
    sync_failed_ = true;
    return ErrnoStatus("fdatasync", path_, errno);
  }

  absl::Status Truncate(uint64_t size) override {
    RH_RETURN_IF_ERROR(CheckUsable());
    if (size > size_) {
      return absl::InvalidArgumentError(
          absl::StrCat("truncate ", path_, ": to ", size, " bytes, but it has only ", size_));
    }
    if (Uninterrupted([&] { return ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0) {
      return ErrnoStatus("truncate", path_, errno);
    }
    size_ = size;
    return absl::OkStatus();
  }

  absl::Status Preallocate(uint64_t size) override {
    RH_RETURN_IF_ERROR(CheckUsable());
    if (size == 0) return absl::OkStatus();
    const auto reserve = [&] {
      return fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size));
    };
    if (Uninterrupted(reserve) == 0) return absl::OkStatus();
    if (errno == EOPNOTSUPP || errno == ENOSYS) return absl::OkStatus();  // a file system without it
    return ErrnoStatus("fallocate", path_, errno);
  }

  uint64_t size() const override { return size_; }

 private:
  // The kernel drops the dirty mark of pages whose write-back failed, so a second sync would lie.
  absl::Status CheckUsable() const {
    if (!sync_failed_) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": an earlier sync failed; reopen the file and read back what it holds"));
  }

  // Takes `wrote` bytes off the pieces from `first` on; the first piece that is left.
  static size_t SkipWritten(std::vector<iovec>& pieces, size_t first, size_t wrote) {
    while (wrote > 0) {
      iovec& piece = pieces[first];
      const size_t taken = std::min(wrote, piece.iov_len);
      piece.iov_base = static_cast<uint8_t*>(piece.iov_base) + taken;
      piece.iov_len -= taken;
      wrote -= taken;
      if (piece.iov_len == 0) ++first;
    }
    return first;
  }

  const std::string path_;
  const FileDescriptor fd_;
  uint64_t size_;
  bool sync_failed_ = false;
};

class PosixReadableFile : public ReadableFile {
 public:
  PosixReadableFile(std::string path, FileDescriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  absl::StatusOr<size_t> Read(uint64_t offset, size_t size, uint8_t* out) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t got = Uninterrupted(
          [&] { return pread(fd_.get(), out + done, size - done, static_cast<off_t>(offset + done)); });
      if (got < 0) return ErrnoStatus("read", path_, errno);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  absl::StatusOr<uint64_t> Size() override { return SizeOf(fd_, path_); }

 private:
  const std::string path_;
  const FileDescriptor fd_;
};

// The kernel lets go of the lock when the descriptor is closed, also when the process dies. The file stays:
// removing it would let two processes lock two files of one name.
class PosixFileLock : public FileLock {
 public:
  explicit PosixFileLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  // The file says who holds the lock: nobody, from here on. The process id may soon be a stranger's.
  ~PosixFileLock() override { [[maybe_unused]] const int emptied = ftruncate(fd_.get(), 0); }

 private:
  const FileDescriptor fd_;
};

absl::Status LockedError(const std::string& path, const FileDescriptor& fd) {
  char text[32];
  const ssize_t got = Uninterrupted([&] { return pread(fd.get(), text, sizeof(text), 0); });
  const absl::string_view line(text, got > 0 ? static_cast<size_t>(got) : 0);
  uint64_t pid = 0;
  const bool known = absl::SimpleAtoi(line.substr(0, line.find('\n')), &pid);
  return absl::FailedPreconditionError(absl::StrCat(path, " is locked by ",
                                                    known ? absl::StrCat("process ", pid) : "another process",
                                                    "; stop it, or use another directory"));
}

class PosixFiles : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> OpenForAppend(const std::string& path) override {
    RH_ASSIGN_OR_RETURN(FileDescriptor fd, OpenDescriptor(path, O_WRONLY | O_CREAT));
    RH_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(fd, path));
    return std::make_unique<PosixWritableFile>(path, std::move(fd), size);
  }

  absl::StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    RH_ASSIGN_OR_RETURN(FileDescriptor fd, OpenDescriptor(path, O_RDONLY));
    return std::make_unique<PosixReadableFile>(path, std::move(fd));
  }

  absl::Status CreateDirectories(const std::string& path) override {
    for (size_t end = path.find_first_not_of('/'); end != std::string::npos;) {
      end = path.find('/', end);
      RH_RETURN_IF_ERROR(CreateDirectory(path.substr(0, end)));
      if (end != std::string::npos) end = path.find_first_not_of('/', end);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
    if (directory == nullptr) return ErrnoStatus("list", path, errno);
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      const dirent* entry = readdir(directory.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return ErrnoStatus("list", path, errno);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<bool> Exists(const std::string& path) override {
    struct stat info;
    if (stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return ErrnoStatus("stat", path, errno);
  }

  absl::Status Remove(const std::string& path) override {
    return ::remove(path.c_str()) == 0 ? absl::OkStatus() : ErrnoStatus("remove", path, errno);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return ErrnoStatus("rename", absl::StrCat(from, " to ", to), errno);
  }

  absl::Status SyncDirectory(const std::string& path) override {
    RH_ASSIGN_OR_RETURN(FileDescriptor fd, OpenDescriptor(path, O_RDONLY | O_DIRECTORY));
    if (Uninterrupted([&] { return fsync(fd.get()); }) != 0) return ErrnoStatus("fsync", path, errno);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    RH_ASSIGN_OR_RETURN(FileDescriptor fd, OpenDescriptor(path, O_RDWR | O_CREAT));
    if (Uninterrupted([&] { return flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
      return errno == EWOULDBLOCK ? LockedError(path, fd) : ErrnoStatus("lock", path, errno);
    }
    const std::string line = absl::StrCat(getpid(), "\n");
    if (ftruncate(fd.get(), 0) != 0 ||
        Uninterrupted([&] { return pwrite(fd.get(), line.data(), line.size(), 0); }) < 0) {
      return ErrnoStatus("write the process id to", path, errno);
    }
    return std::make_unique<PosixFileLock>(std::move(fd));
  }

  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs info;
    if (Uninterrupted([&] { return statvfs(path.c_str(), &info); }) != 0)
      return ErrnoStatus("statvfs", path, errno);
    return uint64_t{info.f_bavail} * info.f_frsize;
  }

 private:
  // One level; a new one is made durable in its parent.
  absl::Status CreateDirectory(const std::string& path) {
    if (mkdir(path.c_str(), kDirectoryMode) == 0) {
      const size_t slash = path.rfind('/');
      return SyncDirectory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
    }
    const int error = errno;
    struct stat info;
    if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return absl::OkStatus();
    return ErrnoStatus("create directory", path, error);
  }
};

}  // namespace

FileSystem* PosixFileSystem() {
  static FileSystem* const files = new PosixFiles;
  return files;
}

}  // namespace rowhouse
