// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/option_table.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::server {
namespace {

OptionEntry Text(const char* key, const char* placeholder, const char* help,
                 std::string ServerOptions::*field) {
  return {.key = key,
          .placeholder = placeholder,
          .help = help,
          .set =
              [field](const std::string& text, ServerOptions* options) {
                options->*field = text;
                return absl::OkStatus();
              },
          .get = [field](const ServerOptions& options) { return options.*field; }};
}

OptionEntry Bytes(const char* key, const char* help, uint64_t ServerOptions::*field) {
  return {.key = key,
          .placeholder = "BYTES",
          .help = help,
          .set = [field](const std::string& text, ServerOptions* options) -> absl::Status {
            RH_ASSIGN_OR_RETURN(options->*field, ParseBytes(text));
            return absl::OkStatus();
          },
          .get = [field](const ServerOptions& options) { return FormatBytes(options.*field); }};
}

template <typename T>
OptionEntry Milliseconds(const char* key, const char* help, T ServerOptions::*field) {
  return {.key = key,
          .placeholder = "DURATION",
          .help = help,
          .set = [field](const std::string& text, ServerOptions* options) -> absl::Status {
            RH_ASSIGN_OR_RETURN(const absl::Duration duration, ParseDuration(text));
            const int64_t milliseconds = absl::ToInt64Milliseconds(duration);
            if (milliseconds > std::numeric_limits<T>::max()) {
              return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is too long"));
            }
            options->*field = static_cast<T>(milliseconds);
            return absl::OkStatus();
          },
          .get = [field](const ServerOptions& options) { return absl::StrCat(options.*field, "ms"); }};
}

template <typename T>
OptionEntry Number(const char* key, const char* help, T ServerOptions::*field) {
  return {.key = key,
          .placeholder = "N",
          .help = help,
          .set =
              [field](const std::string& text, ServerOptions* options) {
                T number = 0;
                if (!absl::SimpleAtoi(text, &number)) {
                  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not a whole number"));
                }
                options->*field = number;
                return absl::OkStatus();
              },
          .get = [field](const ServerOptions& options) { return absl::StrCat(options.*field); }};
}

OptionEntry Switch(const char* key, const char* help, bool ServerOptions::*field) {
  return {.key = key,
          .help = help,
          .set =
              [field](const std::string& text, ServerOptions* options) {
                if (text != "true" && text != "false") {
                  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is neither true nor false"));
                }
                options->*field = text == "true";
                return absl::OkStatus();
              },
          .get = [field](const ServerOptions& options) { return options.*field ? "true" : "false"; }};
}

OptionEntry List(const char* key, const char* placeholder, const char* help,
                 std::vector<std::string> ServerOptions::*field) {
  return {.key = key,
          .placeholder = placeholder,
          .help = help,
          .is_list = true,
          .set =
              [field](const std::string& text, ServerOptions* options) {
                (options->*field).clear();
                for (absl::string_view item : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
                  (options->*field).emplace_back(absl::StripAsciiWhitespace(item));
                }
                return absl::OkStatus();
              },
          .get = [field](const ServerOptions& options) { return absl::StrJoin(options.*field, ","); }};
}

std::vector<OptionEntry> MakeTable() {
  return {
      Text("data_dir", "DIR", "Directory of this server's rows, log and identity",
           &ServerOptions::data_directory),
      Text("log_dir", "DIR", "Directory of the push log, best on a disk of its own; default DATA_DIR/log",
           &ServerOptions::log_directory),
      Text("listen", "ADDRESS", "host:port or unix:/path of the gRPC service",
           &ServerOptions::listen_address),
      Text("http_listen", "ADDRESS", "host:port of /metrics, /livez and /readyz; empty: none",
           &ServerOptions::http_address),
      Switch("insecure_listen", "Allow addresses that other machines can reach; traffic is not encrypted",
             &ServerOptions::insecure_listen),
      Bytes("memory_budget", "Most resident memory of the process, everything included; at least 128MiB",
            &ServerOptions::memory_budget_bytes),
      Number("partitions", "Partitions of the cluster, a power of two; fixed once the cluster exists",
             &ServerOptions::partitions),
      List("servers", "A,B,...", "All servers of the cluster, in order, as the others and clients reach them",
           &ServerOptions::servers),
      Number("server_index", "This server's place in --servers, from 0", &ServerOptions::server_index),
      Milliseconds("log_sync_interval", "Pushes of async tables are on disk at the latest after this",
                   &ServerOptions::log_sync_interval_ms),
      Bytes("log_segment_bytes", "Size of a file of the push log", &ServerOptions::log_segment_bytes),
      Bytes("disk_low_water", "Pushes are refused while a disk has less free than this",
            &ServerOptions::disk_low_water_bytes),
      Number("worker_threads", "Threads that apply pushes; 0: as many as the CPU quota",
             &ServerOptions::worker_threads),
      Number("io_threads", "Cold rows read at the same time", &ServerOptions::io_threads),
      Milliseconds("drain_timeout", "How long SIGTERM waits for calls under way",
                   &ServerOptions::drain_timeout_ms),
      Text("log_level", "LEVEL", "debug, info, warn or error", &ServerOptions::log_level),
      Text("log_format", "FORMAT", "text or json", &ServerOptions::log_format),
  };
}

// Fewest insertions, deletions and substitutions between two words.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string OptionEntry::flag() const { return absl::StrCat("--", absl::StrReplaceAll(key, {{"_", "-"}})); }

std::string OptionEntry::environment_variable() const {
  return absl::StrCat("ROWHOUSE_", absl::AsciiStrToUpper(key));
}

const std::vector<OptionEntry>& OptionTable() {
  static const std::vector<OptionEntry>* const table = new std::vector<OptionEntry>(MakeTable());
  return *table;
}

const OptionEntry* FindOption(std::string_view key) {
  for (const OptionEntry& entry : OptionTable()) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string NearestOption(std::string_view key) {
  const auto& table = OptionTable();
  return std::min_element(table.begin(), table.end(),
                          [&](const OptionEntry& a, const OptionEntry& b) {
                            return EditDistance(key, a.key) < EditDistance(key, b.key);
                          })
      ->key;
}

}  // namespace rowhouse::server
