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

void ReleaseSent(void* opaque) {
  auto* sent = static_cast<SentBuffer*>(opaque);
  if (sent->ledger != nullptr) sent->ledger->Release(MemoryLine::kRequests, sent->bytes.size());
  delete sent;
}

}  // namespace

ReceivedBytes TakeBytes(grpc::ByteBuffer* message) {
  auto slices = std::make_shared<std::vector<grpc::Slice>>();
  ReceivedBytes out;
  if (message->Valid() && message->Dump(slices.get()).ok()) {
    // Small slices lie in the vector's own elements, which do not move any more.
    for (const grpc::Slice& slice : *slices) out.bytes.Append({slice.begin(), slice.size()});
  }
  message->Clear();
  out.owner = std::move(slices);
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
