// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/protobuf_log.h"

#include <atomic>
#include <cstdint>
#include <string>

#include "common/logging.h"
#include "google/protobuf/stubs/logging.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kToldEvery = 1000;

void Log(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  static std::atomic<uint64_t> lines{0};
  const uint64_t line = lines.fetch_add(1, std::memory_order_relaxed);
  if (line % kToldEvery == 0)
    RH_LOG_WARN("protobuf: {} (line {} of protobuf; one of {} is told)", message, line + 1, kToldEvery);
}

}  // namespace

void ThrottleProtobufLog() { google::protobuf::SetLogHandler(&Log); }

}  // namespace rowhouse::server
