// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/rpc/proto_bytes.h"

#include <limits>

namespace rowhouse::server {

bool ParseProto(const ChunkedBytes& bytes, google::protobuf::MessageLite* message) {
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) return false;
  Buffer scratch;
  if (bytes.chunk_count() > 1) scratch = Buffer::Allocate(bytes.size());
  return message->ParseFromArray(bytes.At(0, bytes.size(), scratch.data()), static_cast<int>(bytes.size()));
}

Buffer SerializeProto(const google::protobuf::MessageLite& message) {
  Buffer out = Buffer::Allocate(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(out.data());
  return out;
}

}  // namespace rowhouse::server
