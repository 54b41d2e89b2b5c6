// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/option_table.h"

#include <algorithm>
#include <limits>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/listen_address.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::server {
namespace {

using Check = std::function<absl::Status(const ServerOptions& options, const std::string& name)>;

absl::Status Anything(const ServerOptions&, const std::string&) { return absl::OkStatus(); }

absl::Status OutOfRange(const std::string& name, const std::string& value, const std::string& range) {
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", want ", range));
}

// The value in the largest unit that shows it exactly.
std::string ExactBytes(uint64_t bytes) {
  for (const auto& [unit, size] : {std::pair("TiB", 1ull << 40), std::pair("GiB", 1ull << 30),
                                   std::pair("MiB", 1ull << 20), std::pair("KiB", 1ull << 10)}) {
    if (bytes >= size && bytes % size == 0) return absl::StrCat(bytes / size, unit);
  }
  return absl::StrCat(bytes, "B");
}

std::string ExactMilliseconds(int64_t milliseconds) {
  return milliseconds == 0 ? "0s" : absl::FormatDuration(absl::Milliseconds(milliseconds));
}

// Adds limits to an entry: the words for people and the check are made of the same numbers.
template <typename T, typename Format>
OptionEntry Within(OptionEntry entry, T ServerOptions::*field, T low, T high, Format format) {
  entry.range = absl::StrCat(format(low), " to ", format(high));
  entry.check = [=, range = entry.range](const ServerOptions& options, const std::string& name) {
    const T value = options.*field;
    return value >= low && value <= high ? absl::OkStatus() : OutOfRange(name, format(value), range);
  };
  return entry;
}

OptionEntry Text(OptionEntry entry, std::string ServerOptions::*field, Check check = Anything) {
  entry.type = OptionType::kText;
  entry.set = [field](const std::string& text, ServerOptions* options) {
    options->*field = text;
    return absl::OkStatus();
  };
  entry.get = [field](const ServerOptions& options) { return options.*field; };
  entry.check = std::move(check);
  return entry;
}

OptionEntry Bytes(OptionEntry entry, uint64_t ServerOptions::*field, uint64_t low, uint64_t high) {
  entry.type = OptionType::kBytes;
  entry.placeholder = "BYTES";
  entry.set = [field](const std::string& text, ServerOptions* options) -> absl::Status {
    RH_ASSIGN_OR_RETURN(options->*field, ParseBytes(text));
    return absl::OkStatus();
  };
  entry.get = [field](const ServerOptions& options) { return ExactBytes(options.*field); };
  return Within(std::move(entry), field, low, high, ExactBytes);
}

template <typename T>
OptionEntry Duration(OptionEntry entry, T ServerOptions::*field, T low_ms, T high_ms) {
  entry.type = OptionType::kDuration;
  entry.placeholder = "DURATION";
  entry.set = [field](const std::string& text, ServerOptions* options) -> absl::Status {
    RH_ASSIGN_OR_RETURN(const absl::Duration duration, ParseDuration(text));
    const int64_t milliseconds = absl::ToInt64Milliseconds(duration);
    if (absl::Milliseconds(milliseconds) != duration) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", text, "\" is no whole number of milliseconds, which are the smallest step here"));
    }
    if (milliseconds > std::numeric_limits<T>::max()) {
      return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is too long"));
    }
    options->*field = static_cast<T>(milliseconds);
    return absl::OkStatus();
  };
  entry.get = [field](const ServerOptions& options) { return ExactMilliseconds(options.*field); };
  return Within(std::move(entry), field, low_ms, high_ms, [](T value) { return ExactMilliseconds(value); });
}

// "off" says 0s.
OptionEntry OrOff(OptionEntry entry) {
  entry.set = [set = std::move(entry.set)](const std::string& text, ServerOptions* options) {
    return set(text == "off" ? "0s" : text, options);
  };
  return entry;
}

template <typename T>
OptionEntry Number(OptionEntry entry, T ServerOptions::*field, T low, T high) {
  entry.type = OptionType::kNumber;
  entry.placeholder = "N";
  entry.set = [field](const std::string& text, ServerOptions* options) {
    T number = 0;
    if (!absl::SimpleAtoi(text, &number)) {
      return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not a whole number",
                                                     std::numeric_limits<T>::is_signed ? "" : " from 0",
                                                     " that fits 32 bits"));
    }
    options->*field = number;
    return absl::OkStatus();
  };
  entry.get = [field](const ServerOptions& options) { return absl::StrCat(options.*field); };
  return Within(std::move(entry), field, low, high, [](T value) { return absl::StrCat(value); });
}

OptionEntry Switch(OptionEntry entry, bool ServerOptions::*field) {
  entry.type = OptionType::kSwitch;
  entry.range = "true, false";
  entry.set = [field](const std::string& text, ServerOptions* options) {
    if (text != "true" && text != "false") {
      return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is neither true nor false"));
    }
    options->*field = text == "true";
    return absl::OkStatus();
  };
  entry.get = [field](const ServerOptions& options) { return options.*field ? "true" : "false"; };
  entry.check = Anything;
  return entry;
}

OptionEntry List(OptionEntry entry, std::vector<std::string> ServerOptions::*field, Check check = Anything) {
  entry.type = OptionType::kList;
  entry.set = [field](const std::string& text, ServerOptions* options) {
    (options->*field).clear();
    if (absl::StripAsciiWhitespace(text).empty()) return absl::OkStatus();
    for (absl::string_view item : absl::StrSplit(text, ',')) {
      item = absl::StripAsciiWhitespace(item);
      if (item.empty())
        return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" has an item that is empty"));
      (options->*field).emplace_back(item);
    }
    return absl::OkStatus();
  };
  entry.get = [field](const ServerOptions& options) { return absl::StrJoin(options.*field, ","); };
  entry.check = std::move(check);
  return entry;
}

// A check of logging.h, which does not know under which name the text was given.
template <typename Validate>
absl::Status Named(const std::string& name, Validate validate, const std::string& value) {
  const absl::Status status = validate(value);
  return status.ok() ? status : absl::InvalidArgumentError(absl::StrCat(name, ": ", status.message()));
}

absl::Status CheckLogLevel(const ServerOptions& options, const std::string& name) {
  return Named(name, ValidateLogLevel, options.log_level);
}
absl::Status CheckLogFormat(const ServerOptions& options, const std::string& name) {
  return Named(name, ValidateLogFormat, options.log_format);
}
absl::Status CheckLogModules(const ServerOptions& options, const std::string& name) {
  return Named(name, ValidateLogModules, absl::StrJoin(options.log_modules, ","));
}

absl::Status CheckGrpcAddress(const ServerOptions& options, const std::string& name) {
  if (options.listen_address.empty()) return absl::OkStatus();
  return ParseListenAddress(name, options.listen_address).status();
}

absl::Status CheckHttpAddress(const ServerOptions& options, const std::string& name) {
  if (options.http_address.empty()) return absl::OkStatus();
  RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(name, options.http_address));
  if (!address.is_unix()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", options.http_address,
                                                 ": a Unix socket is not supported here, want host:port"));
}

absl::Status CheckServerList(const ServerOptions& options, const std::string& name) {
  const size_t count = options.servers.size();
  if (count > limits::kMaxServers) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has ", count, " addresses, the limit is ", limits::kMaxServers));
  }
  std::set<std::string> seen;
  for (const std::string& server : options.servers) {
    RH_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(name, server));
    if (!address.is_unix() && (address.port == 0 || address.is_wildcard())) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " has ", server, ", where nobody can be reached: give each server's own host name and port"));
    }
    if (!seen.insert(server).second)
      return absl::InvalidArgumentError(absl::StrCat(name, " has ", server, " twice"));
  }
  return absl::OkStatus();
}

absl::Status CheckPartitions(const ServerOptions& options, const std::string& name) {
  const uint32_t partitions = options.partitions;
  if (partitions != 0 && partitions <= limits::kMaxPartitions && (partitions & (partitions - 1)) == 0)
    return absl::OkStatus();
  return OutOfRange(name, absl::StrCat(partitions),
                    absl::StrCat("a power of two from 1 to ", limits::kMaxPartitions));
}

std::string LogModuleWords() {
  return absl::StrJoin(kLogModules, ", ", [](std::string* out, std::string_view name) { out->append(name); });
}

OptionEntry Partitions() {
  OptionEntry entry = Number({.key = "cluster.partitions",
                              .flag_name = "partitions",
                              .help = "Partitions of the cluster; fixed once the cluster exists"},
                             &ServerOptions::partitions, 1u, limits::kMaxPartitions);
  entry.range = absl::StrCat("a power of two from 1 to ", limits::kMaxPartitions);
  entry.check = CheckPartitions;
  return entry;
}

void AddPlaces(std::vector<OptionEntry>* table) {
  table->push_back(Text({.key = "data.dir",
                         .flag_name = "data-dir",
                         .placeholder = "DIR",
                         .help = "Directory of this server's rows, log and identity; every server needs one"},
                        &ServerOptions::data_directory));
  table->push_back(Text({.key = "listen.grpc",
                         .flag_name = "listen",
                         .placeholder = "ADDRESS",
                         .help = "Address of the gRPC service",
                         .range = "host:port or unix:/path"},
                        &ServerOptions::listen_address, CheckGrpcAddress));
  table->push_back(Text({.key = "listen.http",
                         .flag_name = "http-listen",
                         .placeholder = "ADDRESS",
                         .help = "Address of /metrics, /livez and /readyz; empty: none",
                         .range = "host:port"},
                        &ServerOptions::http_address, CheckHttpAddress));
  table->push_back(Switch({.key = "listen.insecure",
                           .flag_name = "insecure-listen",
                           .help = "Allow addresses that other machines can reach; traffic is not encrypted"},
                          &ServerOptions::insecure_listen));
  table->push_back(Bytes({.key = "memory.budget",
                          .flag_name = "memory-budget",
                          .help = "Most resident memory of the process, everything included"},
                         &ServerOptions::memory_budget_bytes, limits::kMinMemoryBudgetBytes, 1ull << 46));
  table->push_back(
      List({.key = "cluster.servers",
            .flag_name = "servers",
            .placeholder = "A,B,...",
            .help = "All servers of the cluster, in order, as the others and clients reach them; empty: "
                    "this one alone",
            .range = absl::StrCat("at most ", limits::kMaxServers, " addresses, each once")},
           &ServerOptions::servers, CheckServerList));
  table->push_back(Number({.key = "cluster.server_index",
                           .flag_name = "server-index",
                           .help = "This server's place in the list of servers, from 0"},
                          &ServerOptions::server_index, ServerId{0}, ServerId{limits::kMaxServers - 1}));
  table->push_back(Partitions());
}

void AddLog(std::vector<OptionEntry>* table) {
  table->push_back(Text({.key = "log.dir",
                         .flag_name = "log-dir",
                         .placeholder = "DIR",
                         .help = "Directory of the push log, best on a disk of its own; empty: log in the "
                                 "data directory"},
                        &ServerOptions::log_directory));
  table->push_back(Duration<int64_t>({.key = "log.sync_interval",
                                      .flag_name = "log-sync-interval",
                                      .help = "Pushes of async tables are on disk at the latest after this"},
                                     &ServerOptions::log_sync_interval_ms, 1, 60'000));
  table->push_back(Bytes({.key = "log.segment_bytes",
                          .flag_name = "log-segment-bytes",
                          .help = "Size of a file of the push log"},
                         &ServerOptions::log_segment_bytes, limits::kMinSegmentBytes,
                         limits::kMaxSegmentBytes));
  table->push_back(
      Duration<int64_t>({.key = "log.restart_target",
                         .flag_name = "log-restart-target",
                         .help = "Changed rows go to spill often enough for a restart to replay the log "
                                 "within this"},
                        &ServerOptions::log_restart_target_ms, 1000, 3600'000));
  table->push_back(Bytes({.key = "disk.low_water",
                          .flag_name = "disk-low-water",
                          .help = "Pushes are refused while a disk has less free than this"},
                         &ServerOptions::disk_low_water_bytes, 0, 1ull << 46));
}

void AddWork(std::vector<OptionEntry>* table) {
  table->push_back(
      Text({.key = "checkpoint.directory",
            .flag_name = "checkpoint-directory",
            .placeholder = "DIR",
            .help = "Directory of checkpoints, one that all servers reach; empty: none can be made"},
           &ServerOptions::checkpoint_directory));
  table->push_back(OrOff(Duration<int64_t>(
      {.key = "checkpoint.every",
       .flag_name = "checkpoint-every",
       .help = "Where there is a directory, server 0 makes a checkpoint so often; 0s or off: only when asked",
       .reloads = true},
      &ServerOptions::checkpoint_every_ms, 0, 30ll * 24 * 3600 * 1000)));
  table->push_back(Number({.key = "checkpoint.keep",
                           .flag_name = "checkpoint-keep",
                           .help = "Scheduled checkpoints that stay; older ones are removed",
                           .reloads = true},
                          &ServerOptions::checkpoint_keep, 1u, 10'000u));
  table->push_back(
      Switch({.key = "checkpoint.keep_log",
              .flag_name = "checkpoint-keep-log",
              .help = "Keep the log since the newest checkpoint, which barriers need; costs disk"},
             &ServerOptions::checkpoint_keep_log));
  table->push_back(
      Duration<int64_t>({.key = "writers.idle_expiry",
                         .flag_name = "writer-idle-expiry",
                         .help = "Writers that no server has heard from for so long are ended; 0s: never"},
                        &ServerOptions::writer_idle_expiry_ms, 0, 365ll * 24 * 3600 * 1000));
  table->push_back(Text({.key = "restore.from",
                         .flag_name = "restore-from",
                         .placeholder = "PATH",
                         .help = "Folder of the checkpoint or barrier that the first start on an empty data "
                                 "directory begins with; later starts leave it alone"},
                        &ServerOptions::restore_from));
  table->push_back(Number({.key = "threads.workers",
                           .flag_name = "worker-threads",
                           .help = "Threads that apply pushes; 0: as many as the CPU quota"},
                          &ServerOptions::worker_threads, 0, 1024));
  table->push_back(
      Number({.key = "threads.io", .flag_name = "io-threads", .help = "Cold rows read at the same time"},
             &ServerOptions::io_threads, 1, 256));
  table->push_back(Duration({.key = "drain.timeout",
                             .flag_name = "drain-timeout",
                             .help = "How long SIGTERM waits for calls under way",
                             .reloads = true},
                            &ServerOptions::drain_timeout_ms, 0, 600'000));
}

void AddLogging(std::vector<OptionEntry>* table) {
  table->push_back(Text({.key = "logging.level",
                         .flag_name = "log-level",
                         .placeholder = "LEVEL",
                         .help = "Messages on stderr from this level on",
                         .range = "debug, info, warn or error",
                         .reloads = true},
                        &ServerOptions::log_level, CheckLogLevel));
  table->push_back(Text({.key = "logging.format",
                         .flag_name = "log-format",
                         .placeholder = "FORMAT",
                         .help = "Form of a message on stderr",
                         .range = "text or json"},
                        &ServerOptions::log_format, CheckLogFormat));
  table->push_back(
      List({.key = "logging.modules",
            .flag_name = "log-modules",
            .placeholder = "MODULE=LEVEL,...",
            .help = "Modules with a level of their own, such as rpc=debug,spill=warn",
            .range = absl::StrCat("modules ", LogModuleWords(), "; levels debug, info, warn, error"),
            .reloads = true},
           &ServerOptions::log_modules, CheckLogModules));
  table->push_back(
      Duration<int64_t>({.key = "logging.slow_request",
                         .flag_name = "log-slow-request",
                         .help = "Requests that take as long are logged with their stages; 0s: none",
                         .reloads = true},
                        &ServerOptions::slow_request_ms, 0, 3'600'000));
}

std::vector<OptionEntry> MakeTable() {
  std::vector<OptionEntry> table;
  AddPlaces(&table);
  AddLog(&table);
  AddWork(&table);
  AddLogging(&table);
  return table;
}

}  // namespace

std::string OptionEntry::section() const { return key.substr(0, key.find('.')); }
std::string OptionEntry::name() const { return key.substr(key.find('.') + 1); }
std::string OptionEntry::flag() const { return absl::StrCat("--", flag_name); }

std::string OptionEntry::environment_variable() const {
  return absl::StrCat("ROWHOUSE__", absl::AsciiStrToUpper(absl::StrReplaceAll(key, {{".", "__"}})));
}

std::string OptionEntry::full_help() const {
  return absl::StrCat(help, range.empty() || is_switch() ? "" : absl::StrCat("; ", range),
                      reloads ? "; SIGHUP reloads it" : "");
}

const std::vector<OptionEntry>& OptionTable() {
  static const std::vector<OptionEntry>* const table = new std::vector<OptionEntry>(MakeTable());
  return *table;
}

const OptionEntry* FindOption(std::string_view name) {
  const std::string flag = absl::StrReplaceAll(std::string(name), {{"_", "-"}});
  for (const OptionEntry& entry : OptionTable()) {
    if (entry.key == name || entry.flag_name == flag) return &entry;
  }
  return nullptr;
}

std::vector<std::string> OptionSections() {
  std::vector<std::string> sections;
  for (const OptionEntry& entry : OptionTable()) {
    if (sections.empty() || sections.back() != entry.section()) sections.push_back(entry.section());
  }
  return sections;
}

std::string SectionHelp(std::string_view section) {
  static const auto* const texts = new std::vector<std::pair<std::string_view, const char*>>{
      {"data", "Where this server keeps what it has."},
      {"listen", "Where it is reached."},
      {"memory", "What it may take."},
      {"cluster", "Which servers there are: the same on all of them, but for server_index."},
      {"log", "The push log, which keeps acknowledged pushes. Not the messages on stderr: see logging."},
      {"disk", "What it leaves free."},
      {"checkpoint", "Images of the whole cluster at one moment."},
      {"writers", "What trainers leave behind."},
      {"restore", "What a first start begins with."},
      {"threads", "How much it does at the same time."},
      {"drain", "How it stops."},
      {"logging",
       "What it says on stderr. A message's module is the part of the server, or folder of its sources, that "
       "says it."},
  };
  for (const auto& [name, text] : *texts) {
    if (name == section) return text;
  }
  return "";
}

}  // namespace rowhouse::server
