// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The process's log: spdlog on stderr, as text or as JSON lines. Set up once at start; the macros are
// thread-safe. Text from outside is escaped, so that one message is always one line.

#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "spdlog/formatter.h"
#include "spdlog/spdlog.h"

// RH_LOG_INFO("opened {} in {} ms", path, ms): fmt format strings, checked when compiled. The arguments of a
// level that is off are not evaluated.
#define RH_LOG_AT_(log_level, ...)                                              \
  do {                                                                          \
    if (::spdlog::should_log(log_level)) ::spdlog::log(log_level, __VA_ARGS__); \
  } while (false)
#define RH_LOG_DEBUG(...) RH_LOG_AT_(::spdlog::level::debug, __VA_ARGS__)
#define RH_LOG_INFO(...) RH_LOG_AT_(::spdlog::level::info, __VA_ARGS__)
#define RH_LOG_WARN(...) RH_LOG_AT_(::spdlog::level::warn, __VA_ARGS__)
#define RH_LOG_ERROR(...) RH_LOG_AT_(::spdlog::level::err, __VA_ARGS__)

namespace rowhouse {

// InvalidArgument, naming what is allowed, unless `level` is debug, info, warn or error and `format` text or
// json.
absl::Status ValidateLogging(std::string_view level, std::string_view format);

// Sends what is at least `level` to stderr in `format`: text, or json with ts (RFC 3339, UTC), level and msg.
// What ValidateLogging refuses becomes info and text. Threads: before other threads log.
void InitLogging(std::string_view level, std::string_view format);

// The formatter InitLogging installs, for tests and other sinks.
std::unique_ptr<spdlog::formatter> MakeLogFormatter(std::string_view format);

}  // namespace rowhouse
