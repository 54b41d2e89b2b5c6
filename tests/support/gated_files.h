// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A file system whose writes or syncs of chosen files can be held, or made to fail, by a test. Thread-safe;
// `base` is not owned.

#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "common/memory_file_system.h"

namespace rowhouse {

class GatedFiles {
 public:
  explicit GatedFiles(FileSystem* base)
      : files_(MakeFaultyFileSystem(
            base, [this](FileOperation operation, const std::string&) { return Pass(operation); })) {}
  ~GatedFiles() { Open(); }

  FileSystem* files() { return files_.get(); }
  // Each `operation` waits from now on, until Open.
  void Hold(FileOperation operation) {
    absl::MutexLock lock(&mu_);
    held_ = operation;
    closed_ = true;
  }
  void Open() {
    absl::MutexLock lock(&mu_);
    closed_ = false;
  }
  // Each `operation` fails from now on.
  void Break(FileOperation operation, absl::Status error) {
    absl::MutexLock lock(&mu_);
    broken_ = operation;
    error_ = std::move(error);
  }
  // Waits until an operation is held.
  void AwaitHeld() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&waiting_));
  }

 private:
  absl::Status Pass(FileOperation operation) {
    absl::MutexLock lock(&mu_);
    if (closed_ && operation == held_) {
      waiting_ = true;
      const auto open = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !closed_; };
      mu_.Await(absl::Condition(&open));
      waiting_ = false;
    }
    return operation == broken_ ? error_ : absl::OkStatus();
  }

  absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  bool waiting_ ABSL_GUARDED_BY(mu_) = false;
  FileOperation held_ ABSL_GUARDED_BY(mu_) = FileOperation::kOpen;
  FileOperation broken_ ABSL_GUARDED_BY(mu_) = FileOperation::kOpen;
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  const std::unique_ptr<FileSystem> files_;
};

}  // namespace rowhouse
