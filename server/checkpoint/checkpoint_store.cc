// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Names, lists and manifests. What reads all is in checkpoint_verify.cc, what removes in
// checkpoint_remove.cc.
#include "server/checkpoint/checkpoint_store.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/crc32c.h"
#include "common/status_macros.h"
#include "server/checkpoint/sealed_json.h"

namespace rowhouse::server {
namespace {

constexpr size_t kNearestNames = 3;

// The file, which is bounded in size. NotFound when it is not there.
absl::StatusOr<std::string> ReadManifestFile(FileSystem& fs, const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(fs, path, kMaxManifestBytes);
  if (!absl::IsResourceExhausted(text.status())) return text;
  return DamagedManifest(path, std::string(text.status().message()));
}

size_t CommonPrefix(std::string_view a, std::string_view b) {
  return std::mismatch(a.begin(), a.begin() + std::min(a.size(), b.size()), b.begin()).first - a.begin();
}

// Oldest cut first; those without a readable manifest last.
bool Before(const CheckpointStore::Listed& a, const CheckpointStore::Listed& b) {
  if (a.manifest.ok() != b.manifest.ok()) return a.manifest.ok();
  if (a.manifest.ok() && a.manifest->cut_unix_micros != b.manifest->cut_unix_micros)
    return a.manifest->cut_unix_micros < b.manifest->cut_unix_micros;
  return a.name < b.name;
}

// Whether `share` is what `manifest` means by the share of `server`; else what is wrong.
std::string Mismatch(const Manifest& manifest, ServerId server, const ServerManifest& share) {
  if (share.checkpoint != manifest.id) {
    return absl::StrCat("it is of checkpoint ", HexText(share.checkpoint), ", not ", HexText(manifest.id));
  }
  if (share.server != server) return absl::StrCat("it is of server ", share.server, ", not ", server);
  for (const PartitionShare& partition : share.partitions) {
    if (partition.partition >= manifest.partitions) {
      return absl::StrCat("it has partition ", partition.partition, " of ", manifest.partitions);
    }
    if (manifest.kind == CheckpointKind::kFull && !partition.all_rows) {
      return absl::StrCat("partition ", partition.partition, " has not all rows, in a full checkpoint");
    }
  }
  if (manifest.kind == CheckpointKind::kBarrier && !share.images.empty()) return "it has rows, in a barrier";
  return "";
}

// What differs between a checkpoint and the base that it names; empty when nothing does.
std::string BaseMismatch(const Manifest& manifest, const Manifest& base) {
  if (base.id != manifest.base_id) {
    return absl::StrCat("has id ", HexText(base.id), ", not ", HexText(manifest.base_id));
  }
  if (base.cluster != manifest.cluster || base.history != manifest.history) {
    return absl::StrCat("is of cluster ", HexText(base.cluster), ", history ", HexText(base.history),
                        ", not ", HexText(manifest.cluster), ", ", HexText(manifest.history));
  }
  if (base.partitions != manifest.partitions || base.hash_version != manifest.hash_version) {
    return absl::StrCat("has ", base.partitions, " partitions, hash version ", base.hash_version, ", not ",
                        manifest.partitions, ", ", manifest.hash_version);
  }
  return "";
}

}  // namespace

absl::Status ValidateCheckpointName(std::string_view name) {
  RH_RETURN_IF_ERROR(ValidateName("checkpoint name", name));
  const absl::string_view text(name.data(), name.size());
  if (text.front() == '.') {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint name \"", text, "\" begins with a dot; begin it with another character"));
  }
  if (absl::EndsWith(text, kPartialSuffix)) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint name \"", text, "\" ends with ",
                                                   kPartialSuffix,
                                                   ", as only those being written do; choose another name"));
  }
  return absl::OkStatus();
}

std::string ServerFolder(ServerId server) { return absl::StrFormat("server-%04d", server); }

std::string CheckpointStore::PathOf(std::string_view name) const {
  return absl::StrCat(directory_, "/", absl::string_view(name.data(), name.size()));
}

absl::StatusOr<std::vector<std::string>> CheckpointStore::Names() const {
  std::vector<std::string> names;
  RH_ASSIGN_OR_RETURN(const bool there, fs_->Exists(directory_));
  if (!there) return names;
  RH_ASSIGN_OR_RETURN(const std::vector<std::string> entries, fs_->List(directory_));
  for (const std::string& entry : entries) {
    if (!ValidateCheckpointName(entry).ok()) continue;
    RH_ASSIGN_OR_RETURN(const bool complete, fs_->Exists(absl::StrCat(PathOf(entry), "/", kManifestName)));
    if (complete) names.push_back(entry);
  }
  return names;
}

absl::StatusOr<std::vector<CheckpointStore::Listed>> CheckpointStore::List() const {
  RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, Names());
  std::vector<Listed> listed;
  for (const std::string& name : names) listed.push_back({name, Read(name)});
  std::sort(listed.begin(), listed.end(), Before);
  return listed;
}

absl::Status CheckpointStore::NoSuchCheckpoint(std::string_view name) const {
  const std::string what =
      absl::StrCat("no checkpoint ", absl::string_view(name.data(), name.size()), " in ", directory_);
  RH_ASSIGN_OR_RETURN(const bool partial, fs_->Exists(PathOf(name) + kPartialSuffix));
  if (partial) {
    return absl::NotFoundError(absl::StrCat(what, ", only ", PathOf(name), kPartialSuffix,
                                            ", which is being written or removed, or was when its server "
                                            "died; wait for its end, or take it again"));
  }
  RH_ASSIGN_OR_RETURN(std::vector<std::string> names, Names());
  if (names.empty()) return absl::NotFoundError(absl::StrCat(what, ", which has none; is it the directory?"));
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return CommonPrefix(a, name) > CommonPrefix(b, name);
  });
  if (names.size() > kNearestNames) names.resize(kNearestNames);
  return absl::NotFoundError(absl::StrCat(what, "; nearest are ", absl::StrJoin(names, ", ")));
}

absl::StatusOr<Manifest> CheckpointStore::Read(std::string_view name) const {
  RH_RETURN_IF_ERROR(ValidateCheckpointName(name));
  const std::string path = absl::StrCat(PathOf(name), "/", kManifestName);
  const absl::StatusOr<std::string> text = ReadManifestFile(*fs_, path);
  if (absl::IsNotFound(text.status())) return NoSuchCheckpoint(name);
  if (!text.ok()) return text.status();
  RH_ASSIGN_OR_RETURN(Manifest manifest, DecodeManifest(path, *text));
  if (manifest.name == name) return manifest;
  return absl::DataLossError(absl::StrCat(path, " is of checkpoint ", manifest.name,
                                          ", its folder has another name; give the folder that name back"));
}

absl::StatusOr<ServerManifest> CheckpointStore::ReadServer(const Manifest& manifest, ServerId server) const {
  if (server >= manifest.servers.size()) {
    return absl::InvalidArgumentError(absl::StrCat("checkpoint ", manifest.name, " has no server ", server,
                                                   ", it has ", manifest.servers.size(), ", from 0"));
  }
  const CheckpointFile& file = manifest.servers[server];
  const std::string path = absl::StrCat(PathOf(manifest.name), "/", file.name);
  const absl::StatusOr<std::string> text = ReadManifestFile(*fs_, path);
  if (absl::IsNotFound(text.status())) return DamagedManifest(path, "it is missing");
  if (!text.ok()) return text.status();
  const uint32_t crc = Crc32c(text->data(), text->size());
  if (text->size() != file.bytes || crc != file.crc32c) {
    return DamagedManifest(
        path, absl::StrCat(text->size(), " bytes with checksum ", HexText32(crc), ", ", kManifestName,
                           " says ", file.bytes, " and ", HexText32(file.crc32c)));
  }
  RH_ASSIGN_OR_RETURN(ServerManifest share, DecodeServerManifest(path, *text));
  const std::string mismatch = Mismatch(manifest, server, share);
  if (!mismatch.empty()) return DamagedManifest(path, mismatch);
  return share;
}

absl::StatusOr<std::vector<Manifest>> CheckpointStore::Chain(std::string_view name) const {
  RH_ASSIGN_OR_RETURN(Manifest first, Read(name));
  std::vector<Manifest> chain = {std::move(first)};
  std::set<std::string> seen = {chain.back().name};
  while (chain.back().kind != CheckpointKind::kFull) {
    const Manifest& last = chain.back();
    const std::string needs = absl::StrCat("checkpoint ", last.name, " needs ", last.base, " as its base");
    if (!seen.insert(last.base).second) {
      return absl::DataLossError(absl::StrCat(needs, ", which needs it in turn, in ", directory_,
                                              ": none of them can be restored; use another checkpoint"));
    }
    absl::StatusOr<Manifest> base = Read(last.base);
    if (!base.ok()) {
      return absl::Status(base.status().code(), absl::StrCat(needs, ": ", base.status().message()));
    }
    const std::string mismatch = BaseMismatch(last, *base);
    if (!mismatch.empty()) {
      return absl::DataLossError(absl::StrCat(needs, ", but ", PathOf(base->name), " ", mismatch,
                                              ": it is another one of that name; put back the one meant"));
    }
    chain.push_back(*std::move(base));
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

}  // namespace rowhouse::server
