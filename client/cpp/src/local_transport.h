// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A transport to a request handler in this process. Thread-safe. The handler must outlive the calls; the
// timer the transport.

#include <memory>

#include "client/cpp/src/timer.h"
#include "client/cpp/src/transport.h"
#include "server/rpc/request_handler.h"

namespace rowhouse::client {

std::shared_ptr<Transport> MakeLocalTransport(server::RequestHandler* handler, Timer* timer);

}  // namespace rowhouse::client
