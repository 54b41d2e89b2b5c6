// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Lets requests in while their bytes fit the ledger's kRequests line: the message, its copies and its answer,
// from receipt to answer. A request that does not fit is refused at once with ResourceExhausted and a hint
// when to try again; nothing queues.
//
// Thread rule: thread-safe. Lifetime: outlives its tickets.

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "common/memory_ledger.h"

namespace rowhouse::server {

class Admission {
 public:
  // Bytes held; gives them back when destroyed. Movable.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept
        : ledger_(std::exchange(other.ledger_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Ticket& operator=(Ticket&& other) noexcept {
      std::swap(ledger_, other.ledger_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Ticket() { Release(); }
    void Release() {
      if (ledger_ != nullptr) ledger_->Release(MemoryLine::kRequests, bytes_);
      ledger_ = nullptr;
      bytes_ = 0;
    }
    uint64_t bytes() const { return bytes_; }

   private:
    friend class Admission;
    Ticket(MemoryLedger* ledger, uint64_t bytes) : ledger_(ledger), bytes_(bytes) {}
    MemoryLedger* ledger_ = nullptr;
    uint64_t bytes_ = 0;
  };

  // `ledger` is not owned.
  explicit Admission(MemoryLedger* ledger) : ledger_(ledger) {}

  // Takes `bytes` for `what` (as in "a pull's answer"). ResourceExhausted with a retry hint while other
  // requests hold the memory; InvalidArgument when it would not fit even alone.
  absl::StatusOr<Ticket> Admit(std::string_view what, uint64_t bytes);
  // Takes them in any case: for small requests that an operator needs most when memory is short.
  Ticket Count(uint64_t bytes);

 private:
  MemoryLedger* const ledger_;
};

}  // namespace rowhouse::server
