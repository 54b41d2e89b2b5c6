// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/logging.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace rowhouse {

namespace logging_internal {
// Warnings, until SetLogLevels says otherwise.
std::array<std::atomic<int>, kLogModules.size()> levels = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
static_assert(spdlog::level::warn == 3);
}  // namespace logging_internal

namespace {

const std::map<std::string_view, spdlog::level::level_enum>& Levels() {
  static const auto* const levels = new std::map<std::string_view, spdlog::level::level_enum>{
      {"debug", spdlog::level::debug},  {"info", spdlog::level::info}, {"warn", spdlog::level::warn},
      {"warning", spdlog::level::warn}, {"error", spdlog::level::err},
  };
  return *levels;
}

std::string_view LevelName(spdlog::level::level_enum level) {
  for (const auto& [name, value] : Levels()) {
    if (value == level) return name;
  }
  return "info";
}

using ModuleLevels = std::map<std::string_view, spdlog::level::level_enum>;

absl::StatusOr<ModuleLevels> ParseModules(std::string_view text) {
  ModuleLevels out;
  for (absl::string_view item :
       absl::StrSplit(absl::string_view(text.data(), text.size()), ',', absl::SkipWhitespace())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(item, absl::MaxSplits('=', 1));
    const std::string name(absl::StripAsciiWhitespace(pair.first));
    const std::string level(absl::StripAsciiWhitespace(pair.second));
    if (!absl::StrContains(item, '=')) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", name, "\" has no level, want MODULE=LEVEL such as rpc=debug"));
    }
    const auto* const module = std::find(kLogModules.begin(), kLogModules.end(), name);
    if (module == kLogModules.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", name, "\" is no module of the log, allowed are ",
                       absl::StrJoin(kLogModules, ", ",
                                     [](std::string* out, std::string_view name) { out->append(name); })));
    }
    RH_RETURN_IF_ERROR(ValidateLogLevel(level));
    if (!out.emplace(*module, Levels().at(level)).second)
      return absl::InvalidArgumentError(absl::StrCat("module ", name, " is given twice"));
  }
  return out;
}

thread_local std::string_view current_request_id;

void Append(std::string_view text, spdlog::memory_buf_t& dest) {
  dest.append(text.data(), text.data() + text.size());
}

// Quotes included; bytes that are not UTF-8 become the replacement character.
void AppendJsonString(std::string_view text, spdlog::memory_buf_t& dest) {
  Append(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), dest);
}

std::string_view ModuleOf(const spdlog::details::log_msg& message) {
  // Null where the macros were not used.
  const char* const path = message.source.filename;
  return kLogModules[LogModuleOf(path == nullptr ? "" : path)];
}

class ModuleFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& dest) override {
    Append(ModuleOf(message), dest);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<ModuleFlag>(); }
};

// The last members of the object: the request's id, which comes from outside, when there is one; the message.
class JsonMessageFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& dest) override {
    if (!current_request_id.empty()) {
      Append("\"request_id\":", dest);
      AppendJsonString(current_request_id, dest);
      dest.push_back(',');
    }
    Append("\"msg\":", dest);
    AppendJsonString({message.payload.data(), message.payload.size()}, dest);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessageFlag>();
  }
};

// The message with control characters escaped, so that no message can pretend to be two.
class TextMessageFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& dest) override {
    for (const char c : message.payload) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '\n') {
        Append("\\n", dest);
      } else if (byte < 0x20 || byte == 0x7F) {
        Append(absl::StrCat("\\x", absl::Hex(byte, absl::kZeroPad2)), dest);
      } else {
        dest.push_back(c);
      }
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<TextMessageFlag>();
  }
};

class LevelFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& dest) override {
    Append(LevelName(message.level), dest);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelFlag>(); }
};

}  // namespace

absl::Status ValidateLogLevel(std::string_view level) {
  if (Levels().count(level) != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("log level is \"", std::string(level), "\", allowed are debug, info, warn, error"));
}

absl::Status ValidateLogFormat(std::string_view format) {
  if (format == "text" || format == "json") return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("log format is \"", std::string(format), "\", allowed are text, json"));
}

absl::Status ValidateLogModules(std::string_view modules) { return ParseModules(modules).status(); }

std::unique_ptr<spdlog::formatter> MakeLogFormatter(std::string_view format) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<LevelFlag>('*').add_flag<ModuleFlag>('?');
  if (format == "json") {
    formatter->add_flag<JsonMessageFlag>('&');
    formatter->set_pattern(R"({"ts":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%*","module":"%?",%&})");
  } else {
    formatter->add_flag<TextMessageFlag>('&');
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %* [%?] %&");
  }
  return formatter;
}

LogRequestScope::LogRequestScope(std::string_view request_id) : before_(current_request_id) {
  current_request_id = request_id;
}

LogRequestScope::~LogRequestScope() { current_request_id = before_; }

namespace {

std::shared_ptr<spdlog::logger> MakeLogger(std::string_view format) {
  auto logger =
      std::make_shared<spdlog::logger>("rowhouse", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(MakeLogFormatter(format));
  logger->flush_on(spdlog::level::debug);
  logger->set_level(spdlog::level::debug);  // the macros have asked for the module's level
  return logger;
}

// Never destroyed: threads may log until the process ends.
std::shared_ptr<spdlog::logger>& Slot() {
  static auto* const slot = new std::shared_ptr<spdlog::logger>(MakeLogger("text"));
  return *slot;
}

}  // namespace

spdlog::logger* logging_internal::Logger() { return Slot().get(); }

std::shared_ptr<spdlog::logger> SwapLogger(std::shared_ptr<spdlog::logger> logger) {
  logger->set_level(spdlog::level::debug);
  return std::exchange(Slot(), std::move(logger));
}

void InitLogging(std::string_view level, std::string_view format, std::string_view modules) {
  SwapLogger(MakeLogger(format));
  SetLogLevels(level, modules);
}

void SetLogLevels(std::string_view level, std::string_view modules) {
  const auto found = Levels().find(level);
  const spdlog::level::level_enum common = found == Levels().end() ? spdlog::level::info : found->second;
  const auto own = ParseModules(modules);
  for (size_t i = 0; i < kLogModules.size(); ++i) {
    spdlog::level::level_enum mine = common;
    if (own.ok() && own->count(kLogModules[i]) != 0) mine = own->at(kLogModules[i]);
    logging_internal::levels[i].store(mine, std::memory_order_relaxed);
  }
}

}  // namespace rowhouse
