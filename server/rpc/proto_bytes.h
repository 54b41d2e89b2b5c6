// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Generated messages from and to our byte types, for the methods that are not hot.

#include "common/bytes.h"
#include "google/protobuf/message_lite.h"

namespace rowhouse::server {

// False when the bytes are no such message.
bool ParseProto(const ChunkedBytes& bytes, google::protobuf::MessageLite* message);
Buffer SerializeProto(const google::protobuf::MessageLite& message);

}  // namespace rowhouse::server
