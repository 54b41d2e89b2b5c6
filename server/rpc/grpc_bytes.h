// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// gRPC's byte buffers as ours and back, without copying the bytes.

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <memory>

#include "absl/status/status.h"
#include "common/bytes.h"
#include "common/memory_ledger.h"

namespace rowhouse::server {

// Bytes in pieces and who keeps them.
struct ReceivedBytes {
  ChunkedBytes bytes;
  std::shared_ptr<void> owner;
};
// Takes the message out of `message`, which is empty afterwards.
ReceivedBytes TakeBytes(grpc::ByteBuffer* message);

// The buffer goes back to its pool when gRPC has sent it; until then it counts in `ledger` (may be null) as
// kRequests.
grpc::ByteBuffer ToByteBuffer(Buffer bytes, MemoryLedger* ledger);

// Code and message as HTTP/2 trailers may carry them.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace rowhouse::server
