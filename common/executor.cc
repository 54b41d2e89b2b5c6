// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/executor.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/check.h"

namespace rowhouse {
namespace {

class ThreadPool : public Executor {
 public:
  ThreadPool(const std::string& name, int threads) {
    RH_CHECK(threads >= 1);
    threads_.reserve(threads);
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { RunUntilStopped(); });
    const std::string shown = name.substr(0, 15);  // the kernel's limit
    for (std::thread& thread : threads_) pthread_setname_np(thread.native_handle(), shown.c_str());
  }

  ~ThreadPool() override {
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
  }

  void Post(absl::AnyInvocable<void()> work) override {
    absl::MutexLock lock(&mu_);
    queue_.push_back(std::move(work));
  }

  size_t concurrency() const override { return threads_.size(); }

 private:
  bool HasWorkOrStops() const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stopping_ || !queue_.empty(); }

  void RunUntilStopped() {
    while (true) {
      absl::AnyInvocable<void()> work;
      {
        absl::MutexLock lock(&mu_);
        mu_.Await(absl::Condition(this, &ThreadPool::HasWorkOrStops));
        if (queue_.empty()) return;
        work = std::move(queue_.front());
        queue_.pop_front();
      }
      std::move(work)();
    }
  }

  // Fixed after construction.
  std::vector<std::thread> threads_;

  absl::Mutex mu_;
  std::deque<absl::AnyInvocable<void()>> queue_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

class InlineExecutor : public Executor {
 public:
  void Post(absl::AnyInvocable<void()> work) override { std::move(work)(); }
  size_t concurrency() const override { return 0; }
};

// Shared by the caller and its helpers. A helper that starts late finds no index left and does not touch fn.
struct ParallelWork {
  ParallelWork(size_t count, const std::function<void(size_t)>* function) : n(count), fn(function) {}

  void TakePart() {
    size_t ran = 0;
    for (size_t i; (i = next.fetch_add(1)) < n; ++ran) (*fn)(i);
    if (ran > 0 && done.fetch_add(ran) + ran == n) all_done.Notify();
  }

  const size_t n;
  const std::function<void(size_t)>* const fn;
  std::atomic<size_t> next{0};
  std::atomic<size_t> done{0};
  absl::Notification all_done;
};

}  // namespace

std::unique_ptr<Executor> MakeThreadPool(const std::string& name, int threads) {
  return std::make_unique<ThreadPool>(name, threads);
}

std::unique_ptr<Executor> MakeInlineExecutor() { return std::make_unique<InlineExecutor>(); }

void ParallelFor(Executor& executor, size_t n, const std::function<void(size_t)>& fn) {
  const size_t helpers = n == 0 ? 0 : std::min(n - 1, executor.concurrency());
  if (helpers == 0) {
    for (size_t i = 0; i < n; ++i) fn(i);
    return;
  }
  auto work = std::make_shared<ParallelWork>(n, &fn);
  for (size_t i = 0; i < helpers; ++i) executor.Post([work] { work->TakePart(); });
  work->TakePart();
  work->all_done.WaitForNotification();
}

}  // namespace rowhouse
