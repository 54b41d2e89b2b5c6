// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/workload.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/bench/presets.h"
#include "client/cli/table_text.h"
#include "common/limits.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::cli::bench {
namespace {

// A flag that is a whole number.
struct Whole {
  const char* flag;
  uint64_t low, high;
};
constexpr Whole kTables{"--tables", 1, limits::kMaxTables};
constexpr Whole kRows{"--rows", 1, 1ull << 48};
constexpr Whole kDim{"--dim", 1, limits::kMaxDim};
constexpr Whole kBatch{"--batch", 1, 1u << 20};
constexpr Whole kPooling{"--pooling", 1, 1u << 16};
constexpr Whole kClients{"--clients", 1, 256};
constexpr Whole kInFlight{"--in-flight", 1, limits::kWriterWindow};
constexpr Whole kSeed{"--seed", 0, UINT64_MAX};

// A flag that is any number, with its bounds in words.
struct Real {
  const char* flag;
  const char* want;
  bool (*allowed)(double);  // false for NaN
};
constexpr Real kZipf{"--zipf", "0 (uniform) to 10", [](double x) { return x >= 0 && x <= 10; }};
constexpr Real kRate{"--rate", "more than 0 and at most 1e7 calls a second",
                     [](double x) { return x > 0 && x <= 1e7; }};
constexpr Real kPushShare{"--push-share",
                          "more than 0 and less than 1 (bench pull and bench push do the ends)",
                          [](double x) { return x > 0 && x < 1; }};

// A flag that is a time.
struct Time {
  const char* flag;
  const char* want;
  absl::Duration low, high;
};
const Time kDuration{"--duration", "100ms to 24h", absl::Milliseconds(100), absl::Hours(24)};
const Time kWarmUp{"--warm-up", "0s to 1h", absl::ZeroDuration(), absl::Hours(1)};

constexpr uint32_t kMaxWorkers = 1024;             // threads
constexpr uint64_t kMaxIdsPerCall = 1ull << 24;    // all tables together
constexpr uint64_t kMaxBufferBytes = 16ull << 30;  // of all threads, in this process

absl::Status Outside(const char* flag, absl::string_view value, absl::string_view want) {
  return absl::InvalidArgumentError(absl::StrCat(flag, " is ", value, ", want ", want));
}

std::string Want(const Whole& range) {
  return absl::StrCat("a whole number from ", range.low, " to ", range.high);
}

absl::Status Check(const Whole& range, uint64_t value) {
  if (value >= range.low && value <= range.high) return absl::OkStatus();
  return Outside(range.flag, absl::StrCat(value), Want(range));
}

absl::Status Check(const Real& range, double value) {
  return range.allowed(value) ? absl::OkStatus() : Outside(range.flag, absl::StrCat(value), range.want);
}

absl::Status Check(const Time& range, absl::Duration value) {
  if (value >= range.low && value <= range.high) return absl::OkStatus();
  return Outside(range.flag, absl::FormatDuration(value), range.want);
}

// Each leaves *out as it is when the flag was not given.
template <typename T>
absl::Status Read(const Whole& range, const std::string& text, T* out) {
  if (text.empty()) return absl::OkStatus();
  uint64_t value = 0;
  if (!absl::SimpleAtoi(text, &value))
    return Outside(range.flag, absl::StrCat("\"", text, "\""), Want(range));
  RH_RETURN_IF_ERROR(Check(range, value));
  *out = static_cast<T>(value);
  return absl::OkStatus();
}

absl::Status Read(const Real& range, const std::string& text, double* out) {
  if (text.empty()) return absl::OkStatus();
  if (!absl::SimpleAtod(text, out)) return Outside(range.flag, absl::StrCat("\"", text, "\""), range.want);
  return Check(range, *out);
}

absl::Status Read(const Time& range, const std::string& text, absl::Duration* out) {
  if (text.empty()) return absl::OkStatus();
  const absl::StatusOr<absl::Duration> value = ParseDuration(text);
  if (!value.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(range.flag, ": ", value.status().message(), "; want ", range.want));
  }
  *out = *value;
  return Check(range, *out);
}

absl::Status ReadTables(const WorkloadFlags& flags, Workload* workload) {
  std::vector<TableShape>& tables = workload->tables;
  uint32_t count = static_cast<uint32_t>(tables.size());
  RH_RETURN_IF_ERROR(Read(kTables, flags.tables, &count));
  if (!flags.preset.empty() && count > tables.size()) {
    return Outside("--tables", absl::StrCat(count),
                   absl::StrCat("1 to ", tables.size(), ": --preset ", flags.preset, " has no more"));
  }
  tables.resize(count);
  for (TableShape& table : tables) {
    RH_RETURN_IF_ERROR(Read(kRows, flags.rows, &table.rows));
    RH_RETURN_IF_ERROR(Read(kPooling, flags.pooling, &table.pooling));
  }
  return absl::OkStatus();
}

// One number where all are the same.
template <typename Member>
Json ForEachTable(const std::vector<TableShape>& tables, Member TableShape::*member) {
  Json list = Json::array();
  for (const TableShape& table : tables) list.push_back(table.*member);
  const bool same = std::all_of(list.begin(), list.end(), [&](const Json& one) { return one == list[0]; });
  return same ? list[0] : list;
}

}  // namespace

const char* OperationText(Operation operation) {
  switch (operation) {
    case Operation::kPull:
      return "pull";
    case Operation::kPush:
      return "push";
    case Operation::kMixed:
      return "mixed";
  }
  return "";
}

uint64_t Workload::IdsPerCall() const {
  uint64_t ids = 0;
  for (const TableShape& table : tables) ids += uint64_t{batch} * table.pooling;
  return ids;
}

uint64_t Workload::BytesPerCall() const { return IdsPerCall() * dim * sizeof(float); }

absl::Status Workload::Validate() const {
  RH_RETURN_IF_ERROR(Check(kTables, tables.size()));
  for (const TableShape& table : tables) {
    RH_RETURN_IF_ERROR(Check(kRows, table.rows));
    RH_RETURN_IF_ERROR(Check(kPooling, table.pooling));
  }
  RH_RETURN_IF_ERROR(Check(kDim, dim));
  RH_RETURN_IF_ERROR(Check(kBatch, batch));
  RH_RETURN_IF_ERROR(Check(kClients, clients));
  RH_RETURN_IF_ERROR(Check(kInFlight, in_flight));
  RH_RETURN_IF_ERROR(Check(kZipf, zipf));
  RH_RETURN_IF_ERROR(Check(kDuration, duration));
  RH_RETURN_IF_ERROR(Check(kWarmUp, warm_up));
  if (rate != 0) RH_RETURN_IF_ERROR(Check(kRate, rate));
  if (operation == Operation::kMixed) RH_RETURN_IF_ERROR(Check(kPushShare, push_share));
  if (workers() > kMaxWorkers) {
    return Outside("--clients x --in-flight", absl::StrCat(clients, " x ", in_flight),
                   absl::StrCat("at most ", kMaxWorkers, " threads"));
  }
  if (IdsPerCall() > kMaxIdsPerCall) {
    return Outside("--tables x --batch x --pooling", absl::StrCat(IdsPerCall(), " ids a call"),
                   absl::StrCat("at most ", kMaxIdsPerCall));
  }
  const uint64_t copies = operation == Operation::kMixed ? 2 : 1;
  const uint64_t buffers = workers() * (copies * BytesPerCall() + IdsPerCall() * sizeof(uint64_t));
  if (buffers > kMaxBufferBytes) {
    return Outside("--clients x --in-flight x rows of a call",
                   absl::StrCat(FormatBytes(buffers), " of memory here"),
                   absl::StrCat("at most ", FormatBytes(kMaxBufferBytes),
                                ": lower --clients, --in-flight, --batch, --pooling or --dim"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Workload> MakeWorkload(Operation operation, const WorkloadFlags& flags) {
  Workload workload;
  RH_RETURN_IF_ERROR(ApplyPreset(flags.preset, &workload));
  workload.operation = operation;
  RH_RETURN_IF_ERROR(ReadTables(flags, &workload));
  RH_RETURN_IF_ERROR(Read(kDim, flags.dim, &workload.dim));
  RH_RETURN_IF_ERROR(Read(kBatch, flags.batch, &workload.batch));
  RH_RETURN_IF_ERROR(Read(kZipf, flags.zipf, &workload.zipf));
  RH_RETURN_IF_ERROR(Read(kClients, flags.clients, &workload.clients));
  RH_RETURN_IF_ERROR(Read(kInFlight, flags.in_flight, &workload.in_flight));
  RH_RETURN_IF_ERROR(Read(kDuration, flags.duration, &workload.duration));
  RH_RETURN_IF_ERROR(Read(kWarmUp, flags.warm_up, &workload.warm_up));
  RH_RETURN_IF_ERROR(Read(kRate, flags.rate, &workload.rate));
  RH_RETURN_IF_ERROR(Read(kSeed, flags.seed, &workload.seed));
  if (operation != Operation::kMixed && !flags.push_share.empty()) {
    return Outside(
        "--push-share", flags.push_share,
        absl::StrCat("none: bench ", OperationText(operation), " has one kind of call; use bench mixed"));
  }
  RH_RETURN_IF_ERROR(Read(kPushShare, flags.push_share, &workload.push_share));
  if (!flags.optimizer.empty()) {
    RH_ASSIGN_OR_RETURN(workload.optimizer, ParseOptimizer(flags.optimizer));
  }
  if (!flags.durability.empty()) {
    RH_ASSIGN_OR_RETURN(workload.durability, ParseDurability(flags.durability));
  }
  workload.keep = flags.keep;
  workload.fill = flags.fill;
  RH_RETURN_IF_ERROR(workload.Validate());
  return workload;
}

Json WorkloadJson(const Workload& w) {
  Json json = {{"operation", OperationText(w.operation)},
               {"tables", w.tables.size()},
               {"rows", ForEachTable(w.tables, &TableShape::rows)},
               {"dim", w.dim},
               {"batch", w.batch},
               {"pooling", ForEachTable(w.tables, &TableShape::pooling)},
               {"zipf", w.zipf},
               {"clients", w.clients},
               {"in_flight", w.in_flight},
               {"rate", w.rate == 0 ? Json() : Json(w.rate)},
               {"push_share", w.operation == Operation::kMixed ? Json(w.push_share) : Json()},
               {"optimizer", OptimizerText(w.optimizer)},
               {"durability", DurabilityText(w.durability)},
               {"fill", w.fill}};
  return json;
}

Json RunJson(const Workload& w) {
  return {{"preset", w.preset.empty() ? Json() : Json(w.preset)},
          {"duration_seconds", absl::ToDoubleSeconds(w.duration)},
          {"warm_up_seconds", absl::ToDoubleSeconds(w.warm_up)},
          {"seed", absl::StrCat(w.seed)},
          {"keep", w.keep}};
}

}  // namespace rowhouse::cli::bench
