// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/manifest_file.h"

namespace rowhouse::server {
namespace {

using nlohmann::json;

constexpr size_t kMaxFileName = 256;

}  // namespace

json FilesJson(const std::vector<CheckpointFile>& files) {
  json list = json::array();
  for (const CheckpointFile& file : files) {
    list.push_back({{"name", file.name}, {"bytes", file.bytes}, {"crc32c", HexText32(file.crc32c)}});
  }
  return list;
}

std::vector<CheckpointFile> FilesOf(JsonFields& fields, const char* key, size_t most) {
  std::vector<CheckpointFile> files;
  fields.List(key, most, [&](JsonFields& entry) {
    files.push_back({.name = entry.Text("name", kMaxFileName),
                     .bytes = entry.Number("bytes"),
                     .crc32c = entry.Hex32("crc32c")});
  });
  return files;
}

}  // namespace rowhouse::server
