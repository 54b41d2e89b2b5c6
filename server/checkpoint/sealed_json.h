// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// JSON objects with a checksum of their own, and a reader of their fields that remembers the first that is
// wrong. docs/formats/checkpoint.md. What is read may be damaged or hostile: depth, sizes and ranges are
// bounded. Not thread-safe.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rowhouse::server {

inline constexpr uint64_t kMaxJsonNumber = 1ull << 53;  // what every JSON reader keeps exactly

// Text from a disk as JSON; discarded when it is none. What is nested deeper than `max_depth` is left out,
// for functions over JSON call themselves once a level; a checksum of what is left then is another one.
nlohmann::json ParseBounded(const std::string& text, int max_depth);

// "0123456789abcdef", "01234567".
std::string HexText(uint64_t value);
std::string HexText32(uint32_t value);

// The object's text with `format_version` and `checksum`. What is not UTF-8 in a string is replaced.
std::string SealJson(nlohmann::json object, uint32_t format_version);
// The object without its checksum. DataLoss naming `path`: not such an object, or another checksum;
// FailedPrecondition when its format_version is newer.
absl::StatusOr<nlohmann::json> UnsealJson(const std::string& path, const std::string& text,
                                          uint32_t format_version);

// The DataLoss of everything that is wrong in a manifest.
absl::Status DamagedManifest(const std::string& path, const std::string& what);

// Fields of an object by key. After the first that is missing or wrong, status() names it and every call
// gives zero or empty: check once, at the end.
class JsonFields {
 public:
  // `path` is for errors. Both must outlive it.
  JsonFields(const std::string& path, const nlohmann::json& object) : path_(path), object_(object) {}

  // A number of 0 to `most`, which is at most kMaxJsonNumber.
  uint64_t Number(const char* key, uint64_t most = kMaxJsonNumber);
  uint32_t Number32(const char* key, uint32_t most = UINT32_MAX);
  // A number between -kMaxJsonNumber and kMaxJsonNumber.
  int64_t Signed(const char* key);
  // A string of decimal digits, of 16 hexadecimal ones, of 8.
  uint64_t Decimal(const char* key, uint64_t most = UINT64_MAX);
  uint64_t Hex(const char* key);
  uint32_t Hex32(const char* key);
  bool Flag(const char* key);
  // A string of at most `most` bytes.
  std::string Text(const char* key, size_t most);
  // Calls `visit` with the fields of each object of a list of at most `most`. What is wrong in one is named
  // as "key[3].field".
  void List(const char* key, size_t most, absl::FunctionRef<void(JsonFields&)> visit);
  // Fails with `what` unless `holds`.
  void Check(bool holds, const std::string& what);

  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }

 private:
  JsonFields(const std::string& path, const nlohmann::json& object, std::string prefix)
      : path_(path), object_(object), prefix_(std::move(prefix)) {}
  // Null, with status() set unless it is already, when the field is not there.
  const nlohmann::json* Find(const char* key);
  void Wrong(const char* key, const std::string& what);

  const std::string& path_;
  const nlohmann::json& object_;
  const std::string prefix_;  // "writers[3]."
  absl::Status status_;
};

}  // namespace rowhouse::server
