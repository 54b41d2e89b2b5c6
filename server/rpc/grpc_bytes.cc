// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/grpc_bytes.h"

#include <grpcpp/support/slice.h>

#include <utility>
#include <vector>

#include "server/rpc/status_mapping.h"

namespace rowhouse::server {
namespace {

struct SentBuffer {
  Buffer bytes;
  MemoryLedger* ledger;
};

// A message and its pieces. The pieces go first: their last reference must be the message's, for only
// destroying a message gives memory back to gRPC's quota from any thread (grpc_byte_buffer_destroy makes the
// context that gRPC 1.51's grpc_slice_unref lacks).
struct ReceivedMessage {
  grpc::ByteBuffer message;
  std::vector<grpc::Slice> slices;
};

void ReleaseSent(void* opaque) {
  auto* sent = static_cast<SentBuffer*>(opaque);
  if (sent->ledger != nullptr) sent->ledger->Release(MemoryLine::kRequests, sent->bytes.size());
  delete sent;
}

}  // namespace

ReceivedBytes TakeBytes(grpc::ByteBuffer* message) {
  auto received = std::make_shared<ReceivedMessage>();
  received->message.Swap(message);
  ReceivedBytes out;
  if (received->message.Valid() && received->message.Dump(&received->slices).ok()) {
    // Small slices lie in the vector's own elements, which do not move any more.
    for (const grpc::Slice& slice : received->slices) out.bytes.Append({slice.begin(), slice.size()});
  }
  out.owner = std::move(received);
  return out;
}

grpc::ByteBuffer ToByteBuffer(Buffer bytes, MemoryLedger* ledger) {
  if (bytes.size() == 0) {
    const grpc::Slice empty;
    return grpc::ByteBuffer(&empty, 1);
  }
  if (ledger != nullptr) ledger->Reserve(MemoryLine::kRequests, bytes.size());
  auto* sent = new SentBuffer{std::move(bytes), ledger};
  const grpc::Slice slice(sent->bytes.data(), sent->bytes.size(), &ReleaseSent, sent);
  return grpc::ByteBuffer(&slice, 1);
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(WireCode(status)), WireMessage(status));
}

}  // namespace rowhouse::server
