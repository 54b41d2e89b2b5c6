// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/sealed_json.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/crc32c.h"

namespace rowhouse::server {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 4;  // root, list, entry, its values
constexpr char kVersionKey[] = "format_version";
constexpr char kChecksumKey[] = "checksum";

// Of the object without it, in compact form: keys sorted by bytes, no spaces.
std::string ChecksumOf(const json& without) {
  const std::string text = without.dump(-1, ' ', false, json::error_handler_t::replace);
  return HexText32(Crc32c(text.data(), text.size()));
}

// Only the text that `print` gives is taken: one value has one text.
template <typename T>
bool ParseHex(const json& field, std::string (*print)(T), T* value) {
  if (!field.is_string()) return false;
  const std::string& text = field.get_ref<const std::string&>();
  if (absl::SimpleHexAtoi(text, value) && print(*value) == text) return true;
  *value = 0;
  return false;
}

}  // namespace

json ParseBounded(const std::string& text, int max_depth) {
  const auto keep = [max_depth](int depth, json::parse_event_t event, json&) {
    const bool opens =
        event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    return !opens || depth < max_depth;
  };
  return json::parse(text, keep, /*allow_exceptions=*/false);
}

std::string HexText(uint64_t value) { return absl::StrFormat("%016x", value); }
std::string HexText32(uint32_t value) { return absl::StrFormat("%08x", value); }

absl::Status DamagedManifest(const std::string& path, const std::string& what) {
  return absl::DataLossError(
      absl::StrCat(path, " is damaged: ", what, "; use another checkpoint, or put back a copy of this one"));
}

std::string SealJson(json object, uint32_t format_version) {
  object[kVersionKey] = format_version;
  object[kChecksumKey] = ChecksumOf(object);
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

absl::StatusOr<json> UnsealJson(const std::string& path, const std::string& text, uint32_t format_version) {
  if (text.empty() || text.back() != '\n') return DamagedManifest(path, "it does not end with a newline");
  json object = ParseBounded(text, kMaxDepth);
  if (object.is_discarded() || !object.is_object()) return DamagedManifest(path, "it is not a JSON object");
  const auto checksum = object.find(kChecksumKey);
  if (checksum == object.end() || !checksum->is_string()) return DamagedManifest(path, "it has no checksum");
  const std::string stored = checksum->get<std::string>();
  object.erase(checksum);
  const std::string computed = ChecksumOf(object);
  if (stored != computed) {
    return DamagedManifest(path, absl::StrCat("its checksum is ", computed, ", not ", stored));
  }
  const auto version = object.find(kVersionKey);
  if (version == object.end() || !version->is_number_unsigned() || version->get<uint64_t>() == 0)
    return DamagedManifest(path, "it has no format_version");
  if (version->get<uint64_t>() <= format_version) return object;
  return absl::FailedPreconditionError(absl::StrCat(path, " has format_version ", version->get<uint64_t>(),
                                                    ", this program reads up to ", format_version,
                                                    "; use the version that wrote it, or a newer one"));
}

void JsonFields::Wrong(const char* key, const std::string& what) {
  if (status_.ok()) status_ = DamagedManifest(path_, absl::StrCat(prefix_, key, " ", what));
}

void JsonFields::Check(bool holds, const std::string& what) {
  if (!holds && status_.ok()) status_ = DamagedManifest(path_, absl::StrCat(prefix_, what));
}

const json* JsonFields::Find(const char* key) {
  if (!status_.ok()) return nullptr;
  const auto found = object_.find(key);
  if (found != object_.end()) return &*found;
  Wrong(key, "is missing");
  return nullptr;
}

uint64_t JsonFields::Number(const char* key, uint64_t most) {
  const json* field = Find(key);
  if (field == nullptr) return 0;
  if (field->is_number_unsigned() && field->get<uint64_t>() <= most) return field->get<uint64_t>();
  Wrong(key, absl::StrCat("is not a number of 0 to ", most));
  return 0;
}

uint32_t JsonFields::Number32(const char* key, uint32_t most) {
  return static_cast<uint32_t>(Number(key, most));
}

int64_t JsonFields::Signed(const char* key) {
  const json* field = Find(key);
  if (field == nullptr) return 0;
  constexpr int64_t most = kMaxJsonNumber;
  if (field->is_number_unsigned() && field->get<uint64_t>() <= kMaxJsonNumber) return field->get<int64_t>();
  if (field->is_number_integer() && !field->is_number_unsigned() && field->get<int64_t>() >= -most)
    return field->get<int64_t>();
  Wrong(key, absl::StrCat("is not a whole number of ", -most, " to ", most));
  return 0;
}

uint64_t JsonFields::Decimal(const char* key, uint64_t most) {
  const json* field = Find(key);
  uint64_t value = 0;
  if (field == nullptr) return 0;
  if (field->is_string() && absl::SimpleAtoi(field->get_ref<const std::string&>(), &value) &&
      absl::StrCat(value) == field->get_ref<const std::string&>() && value <= most) {
    return value;
  }
  Wrong(key, absl::StrCat("is not a string of decimal digits, 0 to ", most));
  return 0;
}

uint64_t JsonFields::Hex(const char* key) {
  const json* field = Find(key);
  uint64_t value = 0;
  if (field == nullptr || ParseHex(*field, HexText, &value)) return value;
  Wrong(key, "is not a string of 16 hexadecimal digits");
  return 0;
}

uint32_t JsonFields::Hex32(const char* key) {
  const json* field = Find(key);
  uint32_t value = 0;
  if (field == nullptr || ParseHex(*field, HexText32, &value)) return value;
  Wrong(key, "is not a string of 8 hexadecimal digits");
  return 0;
}

bool JsonFields::Flag(const char* key) {
  const json* field = Find(key);
  if (field == nullptr) return false;
  if (field->is_boolean()) return field->get<bool>();
  Wrong(key, "is neither true nor false");
  return false;
}

std::string JsonFields::Text(const char* key, size_t most) {
  const json* field = Find(key);
  if (field == nullptr) return "";
  if (field->is_string() && field->get_ref<const std::string&>().size() <= most) {
    return field->get<std::string>();
  }
  Wrong(key, absl::StrCat("is not a string of at most ", most, " bytes"));
  return "";
}

void JsonFields::List(const char* key, size_t most, absl::FunctionRef<void(JsonFields&)> visit) {
  const json* list = Find(key);
  if (list == nullptr) return;
  if (!list->is_array() || list->size() > most) {
    return Wrong(key, absl::StrCat("is not a list of at most ", most));
  }
  for (size_t i = 0; i < list->size() && status_.ok(); ++i) {
    const json& entry = (*list)[i];
    if (!entry.is_object()) return Check(false, absl::StrCat(key, "[", i, "] is not an object"));
    JsonFields fields(path_, entry, absl::StrCat(prefix_, key, "[", i, "]."));
    visit(fields);
    status_ = fields.status();
  }
}

}  // namespace rowhouse::server
