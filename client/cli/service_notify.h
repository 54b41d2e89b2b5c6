// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Tells the service manager that started this process how it is: the datagrams of sd_notify(3), which are a
// few bytes to a socket named by NOTIFY_SOCKET and need no library. Without that variable, every method does
// nothing.
//
//   ServiceNotifier notifier;
//   notifier.Ready([&] { return server->state(); });   // READY=1, then STATUS and WATCHDOG
//   ...
//   notifier.Stopping();                               // before the drain: the state is not asked any more
//
// Watchdog: a thread asks for the state each half of WATCHDOG_USEC (once a second at least) and pings only
// with the answer in hand, so a server whose locks are stuck is ended by its manager. Failure: a datagram
// that cannot be sent is logged once and is otherwise no error, for the server is worth more than the
// message. Threads: from one thread. Lifetime: what `state` looks at must live until Stopping or the
// destructor.

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace rowhouse::cli {

// One datagram to `socket`: an absolute path, or an abstract name after '@'. InvalidArgument for a name that
// is neither or too long; Unavailable when nobody takes it.
absl::Status NotifyService(absl::string_view socket, absl::string_view message);

class ServiceNotifier {
 public:
  // Looks at NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
  ServiceNotifier();
  // Ends the thread; without Stopping, says nothing.
  ~ServiceNotifier() ABSL_LOCKS_EXCLUDED(mu_);
  ServiceNotifier(const ServiceNotifier&) = delete;
  ServiceNotifier& operator=(const ServiceNotifier&) = delete;

  // Whether somebody listens.
  bool enabled() const { return !socket_.empty(); }
  // Says that the process serves, and from here on what `state` returns. `state` is called from another
  // thread and must not call this object. At most once.
  void Ready(std::function<std::string()> state) ABSL_LOCKS_EXCLUDED(mu_);
  // Says that the process stops. On return `state` is not called any more; pings go on until the destructor.
  void Stopping() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  void Send(const std::string& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string socket_;                  // empty: nobody listens
  const std::chrono::microseconds watchdog_;  // zero: no pings
  absl::Mutex mu_;
  std::function<std::string()> state_ ABSL_GUARDED_BY(mu_);
  std::string told_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  bool failed_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace rowhouse::cli
