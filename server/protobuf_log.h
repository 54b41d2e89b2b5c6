// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// protobuf writes a line to stderr for each text in a message that is no UTF-8, which any client may send as
// often as it likes.

namespace rowhouse::server {

// From now on the first of these lines and every thousandth after it go to our log, the others nowhere. Of
// the whole process: for programs, before they have threads.
void ThrottleProtobufLog();

}  // namespace rowhouse::server
