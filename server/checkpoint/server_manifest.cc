// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The manifest of one server's share.

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/limits.h"
#include "common/status_macros.h"
#include "server/checkpoint/manifest.h"
#include "server/checkpoint/manifest_file.h"
#include "server/checkpoint/row_image_format.h"
#include "server/checkpoint/sealed_json.h"
#include "server/log/log_format.h"

namespace rowhouse::server {
namespace {

using nlohmann::json;

constexpr size_t kMaxFiles = 1u << 20;  // of a list; the size of the manifest bounds them first
constexpr char kLogPrefix[] = "log/";

json PartitionJson(const PartitionShare& share) {
  return {{"partition", share.partition},
          {"all_rows", share.all_rows},
          {"begin_lsn", share.begin_lsn},
          {"cut_lsn", share.cut_lsn},
          {"rows", share.rows}};
}

std::vector<PartitionShare> PartitionsOf(JsonFields& fields) {
  std::vector<PartitionShare> shares;
  fields.List("partitions", limits::kMaxPartitions, [&](JsonFields& entry) {
    const bool first = shares.empty();
    const PartitionId last = first ? 0 : shares.back().partition;
    shares.push_back({.partition = entry.Number32("partition", limits::kMaxPartitions - 1),
                      .all_rows = entry.Flag("all_rows"),
                      .begin_lsn = entry.Number("begin_lsn", limits::kMaxLsn),
                      .cut_lsn = entry.Number("cut_lsn", limits::kMaxLsn),
                      .rows = entry.Number("rows")});
    const PartitionShare& share = shares.back();
    entry.Check(first || share.partition > last,
                absl::StrCat("partition is ", share.partition, " after ", last, ", partitions must ascend"));
    entry.Check(share.begin_lsn <= share.cut_lsn,
                absl::StrCat("begin_lsn is ", share.begin_lsn, ", above cut_lsn, which is ", share.cut_lsn));
  });
  return shares;
}

// The names become paths: only those that we give are taken.
void CheckNames(const ServerManifest& manifest, JsonFields& fields) {
  for (size_t i = 0; i < manifest.images.size(); ++i) {
    const std::string expected = RowImageName(static_cast<uint32_t>(i));
    fields.Check(manifest.images[i].name == expected, absl::StrCat("images[", i, "].name is not ", expected));
  }
  LogSequence last = 0;
  for (size_t i = 0; i < manifest.log.size(); ++i) {
    absl::string_view name = manifest.log[i].name;
    std::optional<LogSequence> first;
    if (absl::ConsumePrefix(&name, kLogPrefix)) first = ParseSegmentName({name.data(), name.size()});
    fields.Check(first.has_value() && *first > last, absl::StrCat("log[", i, "].name is not ", kLogPrefix,
                                                                  SegmentName(last + 1), " or a later one"));
    last = first.value_or(last);
  }
}

}  // namespace

std::string EncodeServerManifest(const ServerManifest& manifest) {
  json object = {{"checkpoint", HexText(manifest.checkpoint)},
                 {"server", manifest.server},
                 {"partitions", json::array()},
                 {"images", FilesJson(manifest.images)},
                 {"log", FilesJson(manifest.log)}};
  for (const PartitionShare& share : manifest.partitions)
    object["partitions"].push_back(PartitionJson(share));
  return SealJson(std::move(object), kCheckpointFormatVersion);
}

absl::StatusOr<ServerManifest> DecodeServerManifest(const std::string& path, const std::string& text) {
  RH_ASSIGN_OR_RETURN(const json object, UnsealJson(path, text, kCheckpointFormatVersion));
  JsonFields fields(path, object);
  ServerManifest manifest;
  manifest.checkpoint = fields.Hex("checkpoint");
  manifest.server = fields.Number32("server", limits::kMaxServers - 1);
  manifest.partitions = PartitionsOf(fields);
  manifest.images = FilesOf(fields, "images", kMaxFiles);
  manifest.log = FilesOf(fields, "log", kMaxFiles);
  CheckNames(manifest, fields);
  if (!fields.ok()) return fields.status();
  return manifest;
}

}  // namespace rowhouse::server
