// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The process's log: spdlog on stderr, as text or as JSON lines. Set up once at start; the macros are
// thread-safe. Text from outside is escaped, so that one message is always one line. Without a set-up, as in
// a program that has a server inside by the client library, only warnings and errors are logged. The logger
// is ours: spdlog's default one belongs to the program.
//
// A message belongs to the module of its source file, which is its folder: rpc for server/rpc/x.cc. Each
// module may have a level of its own, and levels may change while the process runs.

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "spdlog/formatter.h"
#include "spdlog/spdlog.h"

// RH_LOG_INFO("opened {} in {} ms", path, ms): fmt format strings, checked when compiled. The arguments of a
// level that is off are not evaluated. Cost when off: one load.
#define RH_LOG_AT_(log_level, ...)                                                                         \
  do {                                                                                                     \
    constexpr int rh_log_module = ::rowhouse::LogModuleOf(__FILE__);                                       \
    if (::rowhouse::IsLogged(rh_log_module, log_level)) {                                                  \
      ::rowhouse::logging_internal::Logger()->log(::spdlog::source_loc{__FILE__, __LINE__, ""}, log_level, \
                                                  __VA_ARGS__);                                            \
    }                                                                                                      \
  } while (false)
#define RH_LOG_DEBUG(...) RH_LOG_AT_(::spdlog::level::debug, __VA_ARGS__)
#define RH_LOG_INFO(...) RH_LOG_AT_(::spdlog::level::info, __VA_ARGS__)
#define RH_LOG_WARN(...) RH_LOG_AT_(::spdlog::level::warn, __VA_ARGS__)
#define RH_LOG_ERROR(...) RH_LOG_AT_(::spdlog::level::err, __VA_ARGS__)

namespace rowhouse {

// Folders whose messages can have a level of their own. The last one is every other file.
inline constexpr std::array<std::string_view, 13> kLogModules = {
    "server", "rpc",    "partition", "table",  "row", "spill", "log",
    "meta",   "common", "schema",    "client", "cli", "other"};

// Place in kLogModules of a source file: of its nearest folder that is there by name.
constexpr int LogModuleOf(std::string_view path) {
  size_t end = path.rfind('/');
  while (end != std::string_view::npos) {
    const size_t slash = end == 0 ? std::string_view::npos : path.rfind('/', end - 1);
    const size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
    for (size_t i = 0; i + 1 < kLogModules.size(); ++i) {
      if (path.substr(begin, end - begin) == kLogModules[i]) return static_cast<int>(i);
    }
    end = slash;
  }
  return static_cast<int>(kLogModules.size()) - 1;
}

namespace logging_internal {
extern std::array<std::atomic<int>, kLogModules.size()> levels;
spdlog::logger* Logger();
}  // namespace logging_internal

inline bool IsLogged(int module, spdlog::level::level_enum level) {
  return level >= logging_internal::levels[module].load(std::memory_order_relaxed);
}

// InvalidArgument, naming what is allowed, unless `level` is debug, info, warn (or warning) or error.
absl::Status ValidateLogLevel(std::string_view level);
// The same for text or json.
absl::Status ValidateLogFormat(std::string_view format);
// The same for "rpc=debug,spill=warn": modules and levels, no module twice; empty: none.
absl::Status ValidateLogModules(std::string_view modules);

// While it lives, what this thread logs is about the request of that id: JSON lines carry it as request_id.
// Of two, the inner one holds. The id must outlive the object; an empty one is none. Threads: the one that
// made it, for the id is that thread's and does not follow the request to another.
class LogRequestScope {
 public:
  explicit LogRequestScope(std::string_view request_id);
  ~LogRequestScope();
  LogRequestScope(const LogRequestScope&) = delete;
  LogRequestScope& operator=(const LogRequestScope&) = delete;

 private:
  const std::string_view before_;
};

// Sends what is at least `level`, or the level that `modules` gives a module, to stderr in `format`: text, or
// json with ts (RFC 3339, UTC), level, module, in a LogRequestScope request_id, and msg. What the checks
// above refuse becomes info, text and no modules. Threads: before other threads log.
void InitLogging(std::string_view level, std::string_view format, std::string_view modules = "");

// Changes the levels of a log that is in use; what the checks refuse is as for InitLogging. Thread-safe; a
// message on its way may still be judged by the level before.
void SetLogLevels(std::string_view level, std::string_view modules);

// What is logged from here on goes to `logger`, whatever its level; the one before is returned. For tests.
// Threads: while no other thread logs.
std::shared_ptr<spdlog::logger> SwapLogger(std::shared_ptr<spdlog::logger> logger);

// The formatter InitLogging installs, for tests and other sinks. It must run on the thread that logs, which
// knows the request: no sink with a queue.
std::unique_ptr<spdlog::formatter> MakeLogFormatter(std::string_view format);

}  // namespace rowhouse
