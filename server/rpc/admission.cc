// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/admission.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/rpc/status_mapping.h"

namespace rowhouse::server {

absl::StatusOr<Admission::Ticket> Admission::Admit(std::string_view what, uint64_t bytes) {
  if (ledger_->TryReserve(MemoryLine::kRequests, bytes)) return Ticket(ledger_, bytes);
  const MemoryLedger::Line line = ledger_->Get(MemoryLine::kRequests);
  if (bytes > line.limit_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(what), " needs ", bytes, " bytes, more than the ", line.limit_bytes,
                     " that all requests together may hold: send fewer rows in a request, or "
                     "raise --memory-budget"));
  }
  return WithRetryAfter(
      absl::ResourceExhaustedError(absl::StrCat(
          std::string(what), " needs ", bytes, " bytes; requests under way hold ", line.bytes, " of the ",
          line.limit_bytes, " bytes they may: try again after ", kDefaultRetryAfterMs, " ms")),
      kDefaultRetryAfterMs);
}

Admission::Ticket Admission::Count(uint64_t bytes) {
  ledger_->Reserve(MemoryLine::kRequests, bytes);
  return Ticket(ledger_, bytes);
}

}  // namespace rowhouse::server
