// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/logging.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace rowhouse {
namespace {

const std::map<std::string_view, spdlog::level::level_enum>& Levels() {
  static const auto* const levels = new std::map<std::string_view, spdlog::level::level_enum>{
      {"debug", spdlog::level::debug},
      {"info", spdlog::level::info},
      {"warn", spdlog::level::warn},
      {"error", spdlog::level::err},
  };
  return *levels;
}

std::string_view LevelName(spdlog::level::level_enum level) {
  for (const auto& [name, value] : Levels()) {
    if (value == level) return name;
  }
  return "info";
}

void Append(std::string_view text, spdlog::memory_buf_t& dest) {
  dest.append(text.data(), text.data() + text.size());
}

// The message as a JSON string, quotes included; bytes that are not UTF-8 become the replacement character.
class JsonMessageFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& dest) override {
    const nlohmann::json text(std::string(message.payload.data(), message.payload.size()));
    Append(text.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), dest);
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

absl::Status ValidateLogging(std::string_view level, std::string_view format) {
  if (Levels().count(level) == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("log level is \"", std::string(level), "\", allowed are debug, info, warn, error"));
  }
  if (format != "text" && format != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("log format is \"", std::string(format), "\", allowed are text, json"));
  }
  return absl::OkStatus();
}

std::unique_ptr<spdlog::formatter> MakeLogFormatter(std::string_view format) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<LevelFlag>('*');
  if (format == "json") {
    formatter->add_flag<JsonMessageFlag>('&');
    formatter->set_pattern(R"({"ts":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%*","msg":%&})");
  } else {
    formatter->add_flag<TextMessageFlag>('&');
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %* %&");
  }
  return formatter;
}

void InitLogging(std::string_view level, std::string_view format) {
  auto logger =
      std::make_shared<spdlog::logger>("rowhouse", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(MakeLogFormatter(format));
  const auto it = Levels().find(level);
  logger->set_level(it == Levels().end() ? spdlog::level::info : it->second);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace rowhouse
