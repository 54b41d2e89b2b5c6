// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/identity.h"

#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/crc32c.h"
#include "common/failpoint.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "server/checkpoint/sealed_json.h"

namespace rowhouse::server {
namespace {

using nlohmann::json;

constexpr uint32_t kFormatVersion = 1;
constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr int kMaxDepth = 2;  // the object, its list
constexpr char kLockName[] = "LOCK";
constexpr char kIdentityName[] = "IDENTITY";
constexpr char kStartedName[] = "STARTED";
constexpr char kGenerationName[] = "GENERATION";
constexpr char kFirstStartName[] = ".restored";  // until a restored directory is served

std::string Hex(uint64_t value) { return absl::StrFormat("%016x", value); }

// The checksum is of the same object without it, in nlohmann's compact form: keys sorted, no spaces.
std::string ChecksumOf(const json& without) {
  const std::string text = without.dump();
  return absl::StrFormat("%08x", Crc32c(text.data(), text.size()));
}

absl::Status Damaged(const std::string& path, const std::string& what) {
  return absl::DataLossError(
      absl::StrCat(path, " is damaged: ", what, "; restore the data directory from a copy"));
}

// Adds the checksum and makes it readable.
std::string Seal(json object) {
  object["checksum"] = ChecksumOf(object);
  return object.dump(2) + "\n";
}

absl::StatusOr<json> Unseal(const std::string& path, const std::string& text) {
  json object = ParseBounded(text, kMaxDepth);
  if (object.is_discarded() || !object.is_object()) return Damaged(path, "it is not a JSON object");
  const auto version = object.find("format_version");
  if (version == object.end() || !version->is_number_unsigned())
    return Damaged(path, "it has no format_version");
  if (version->get<uint64_t>() > kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(path, " has format_version ", version->get<uint64_t>(),
                                                      ", this binary knows ", kFormatVersion,
                                                      ": start the newer binary"));
  }
  const auto checksum = object.find("checksum");
  if (checksum == object.end() || !checksum->is_string()) return Damaged(path, "it has no checksum");
  const std::string stored = checksum->get<std::string>();
  object.erase(checksum);
  if (stored != ChecksumOf(object))
    return Damaged(path, absl::StrCat("its checksum is ", ChecksumOf(object), ", not ", stored));
  return object;
}

absl::StatusOr<uint64_t> NumberOf(const std::string& path, const json& object, const char* key,
                                  uint64_t most = UINT64_MAX) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned() || found->get<uint64_t>() > most)
    return Damaged(path, absl::StrCat(key, " is not a number of 0 to ", most));
  return found->get<uint64_t>();
}

absl::StatusOr<uint64_t> HexOf(const std::string& path, const json& object, const char* key) {
  const auto found = object.find(key);
  uint64_t value = 0;
  if (found == object.end() || !found->is_string() ||
      !absl::SimpleHexAtoi(found->get<std::string>(), &value)) {
    return Damaged(path, absl::StrCat(key, " is not a hexadecimal number"));
  }
  return value;
}

absl::Status CheckSame(const std::string& directory, const char* field, const std::string& is,
                       const std::string& asked) {
  if (is == asked) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("data directory ", directory, " was made with ", field, " ", is, ", this start asks for ",
                   asked, ": that never changes; correct the option or use another directory"));
}

std::string ListText(const std::vector<std::string>& servers) {
  return servers.empty() ? "(a server alone)" : absl::StrJoin(servers, ",");
}

absl::Status CheckRequest(const Identity& identity, const IdentityRequest& request,
                          const std::vector<std::string>& servers) {
  const std::string& directory = request.data_directory;
  RH_RETURN_IF_ERROR(
      CheckSame(directory, "--server-index", absl::StrCat(identity.server), absl::StrCat(request.server)));
  RH_RETURN_IF_ERROR(CheckSame(directory, "--servers", ListText(identity.servers), ListText(servers)));
  RH_RETURN_IF_ERROR(CheckSame(directory, "--partitions", absl::StrCat(identity.partitions),
                               absl::StrCat(request.partitions)));
  return CheckSame(directory, "map version", absl::StrCat(identity.map_version), "1");
}

// A directory without an identity must be empty but for what a first start leaves when it is killed before it
// has one.
absl::Status CheckUnused(FileSystem& fs, const std::string& directory) {
  RH_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  for (const std::string& name : names) {
    if (name == kLockName || name == "lost+found" || absl::StartsWith(name, kIdentityName) ||
        absl::StartsWith(name, kGenerationName) || absl::StartsWith(name, ".")) {
      continue;
    }
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", directory, " has no IDENTITY file but has \"", name,
                     "\": it is not a Rowhouse data directory, or a damaged one; name an empty directory, or "
                     "restore the file from a copy"));
  }
  return absl::OkStatus();
}

std::string EncodeGeneration(uint64_t generation) {
  return Seal({{"format_version", kFormatVersion}, {"volatile_generation", generation}});
}

absl::StatusOr<Generation> NextGeneration(FileSystem& fs, const std::string& path, bool keep) {
  RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (!exists) return Damaged(path, "it is missing, and rows of volatile tables could rise again without it");
  RH_ASSIGN_OR_RETURN(const std::string text, ReadFile(fs, path, kMaxFileBytes));
  RH_ASSIGN_OR_RETURN(const json object, Unseal(path, text));
  RH_ASSIGN_OR_RETURN(const uint64_t last, NumberOf(path, object, "volatile_generation", UINT32_MAX));
  if (last < kDurableGeneration) return Damaged(path, "volatile_generation is that of no rows");
  if (keep) return static_cast<Generation>(last);
  if (last == UINT32_MAX) return Damaged(path, "volatile_generation has run out");
  RH_FAILPOINT_RETURN(kMetaGeneration);
  RH_RETURN_IF_ERROR(ReplaceFileDurably(fs, path, EncodeGeneration(last + 1)));
  return static_cast<Generation>(last + 1);
}

// A directory restored for so many servers, whose addresses were not known then, gets them with its first
// start.
absl::Status AdoptServers(FileSystem& fs, const std::string& path, const std::vector<std::string>& servers,
                          Identity* identity) {
  const bool named = std::any_of(identity->servers.begin(), identity->servers.end(),
                                 [](const std::string& server) { return !server.empty(); });
  if (named || identity->servers.empty() || identity->servers.size() != servers.size())
    return absl::OkStatus();
  identity->servers = servers;
  return ReplaceFileDurably(fs, path, EncodeIdentity(*identity));
}

uint64_t DrawId(RandomSource& random) {
  uint64_t id = 0;
  while (id == 0) id = random.Next64();
  return id;
}

absl::Status Explain(const std::string& directory, const absl::Status& status) {
  if (status.ok() || absl::IsFailedPrecondition(status) || absl::IsDataLoss(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat("data directory ", directory, " cannot be used: ", status.message(),
                                   "; the server needs to read and write it"));
}

}  // namespace

absl::Status MakeRestoredIdentity(FileSystem& fs, const IdentityRequest& request,
                                  const ClusterIdentity& ids) {
  const std::string& directory = request.data_directory;
  const Identity identity{
      .cluster = ids.cluster,
      .history = ids.history,
      .server = request.server,
      .servers = request.servers.size() > 1 ? request.servers : std::vector<std::string>(),
      .partitions = request.partitions,
      .map_version = 1};
  RH_RETURN_IF_ERROR(ReplaceFileDurably(fs, absl::StrCat(directory, "/", kGenerationName),
                                        EncodeGeneration(kRestoredVolatileGeneration)));
  RH_RETURN_IF_ERROR(ReplaceFileDurably(fs, absl::StrCat(directory, "/", kFirstStartName), ""));
  return ReplaceFileDurably(fs, absl::StrCat(directory, "/", kIdentityName), EncodeIdentity(identity));
}

absl::Status NoteServing(FileSystem& fs, const std::string& data_directory) {
  const std::string path = absl::StrCat(data_directory, "/", kFirstStartName);
  RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (!exists) return absl::OkStatus();
  RH_FAILPOINT_RETURN(kRestoreServing);
  RH_RETURN_IF_ERROR(fs.Remove(path));
  return fs.SyncDirectory(data_directory);
}

absl::Status NoteStarted(FileSystem& fs, const std::string& data_directory) {
  const std::string path = absl::StrCat(data_directory, "/", kStartedName);
  RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (exists) return absl::OkStatus();
  RH_FAILPOINT_RETURN(kMetaStarted);
  return ReplaceFileDurably(fs, path, Seal({{"format_version", kFormatVersion}}));
}

absl::Status CheckComplete(FileSystem& fs, const IdentityRequest& request, bool keeps_meta) {
  const auto missing = [&](const std::string& what, const std::string& path) {
    return absl::DataLossError(absl::StrCat(what, " is missing: ", path, " of a server that has run before (",
                                            request.data_directory,
                                            "). Its disk is not mounted, or it was removed: put it back; a "
                                            "new start without it would lose rows"));
  };
  if (keeps_meta) {
    const std::string meta = absl::StrCat(request.data_directory, "/META");
    RH_ASSIGN_OR_RETURN(const bool there, fs.Exists(meta));
    if (!there) return missing("the meta store", meta);
  }
  const std::string spill = absl::StrCat(request.data_directory, "/spill");
  RH_ASSIGN_OR_RETURN(const bool has_spill, fs.Exists(spill));
  if (!has_spill) return missing("the spill", spill);
  std::vector<std::string> segments;
  RH_ASSIGN_OR_RETURN(const bool has_log, fs.Exists(request.log_directory));
  if (has_log) {
    RH_ASSIGN_OR_RETURN(segments, fs.List(request.log_directory));
  }
  if (std::none_of(segments.begin(), segments.end(),
                   [](const std::string& name) { return absl::StartsWith(name, "segment-"); }))
    return missing("the push log", request.log_directory);
  return absl::OkStatus();
}

std::string EncodeIdentity(const Identity& identity) {
  return Seal({{"format_version", kFormatVersion},
               {"cluster", Hex(identity.cluster)},
               {"history", Hex(identity.history)},
               {"server", identity.server},
               {"servers", identity.servers},
               {"partitions", identity.partitions},
               {"map_version", identity.map_version}});
}

absl::StatusOr<Identity> DecodeIdentity(const std::string& path, const std::string& text) {
  RH_ASSIGN_OR_RETURN(const json object, Unseal(path, text));
  Identity identity;
  RH_ASSIGN_OR_RETURN(identity.cluster, HexOf(path, object, "cluster"));
  RH_ASSIGN_OR_RETURN(identity.history, HexOf(path, object, "history"));
  RH_ASSIGN_OR_RETURN(const uint64_t server, NumberOf(path, object, "server", UINT32_MAX));
  RH_ASSIGN_OR_RETURN(const uint64_t partitions, NumberOf(path, object, "partitions", UINT32_MAX));
  RH_ASSIGN_OR_RETURN(identity.map_version, NumberOf(path, object, "map_version"));
  identity.server = static_cast<ServerId>(server);
  identity.partitions = static_cast<uint32_t>(partitions);
  const auto servers = object.find("servers");
  if (servers == object.end() || !servers->is_array()) return Damaged(path, "servers is not a list");
  for (const json& address : *servers) {
    if (!address.is_string()) return Damaged(path, "servers is not a list of addresses");
    identity.servers.push_back(address.get<std::string>());
  }
  return identity;
}

absl::Status CheckNotHeld(FileSystem& fs, const std::string& data_directory) {
  const std::string path = absl::StrCat(data_directory, "/", kLockName);
  RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (!exists) return absl::OkStatus();
  return Explain(data_directory, fs.Lock(path).status());
}

int64_t IdentityWrittenUnixMicros(const std::string& data_directory) {
  struct stat file = {};
  if (::stat(absl::StrCat(data_directory, "/", kIdentityName).c_str(), &file) != 0) return 0;
  return int64_t{file.st_mtim.tv_sec} * 1'000'000 + file.st_mtim.tv_nsec / 1000;
}

absl::StatusOr<DataDirectory> OpenDataDirectory(
    FileSystem& fs, RandomSource& random, const IdentityRequest& request,
    const std::function<absl::StatusOr<ClusterIdentity>()>& fetch) {
  const std::string& directory = request.data_directory;
  const std::string identity_path = absl::StrCat(directory, "/", kIdentityName);
  const std::string generation_path = absl::StrCat(directory, "/", kGenerationName);
  // Where a server alone is reached may change; in a cluster the list decides who owns what.
  const std::vector<std::string> servers =
      request.servers.size() > 1 ? request.servers : std::vector<std::string>();
  DataDirectory out;
  RH_RETURN_IF_ERROR(Explain(directory, fs.CreateDirectories(directory)));
  auto lock = fs.Lock(absl::StrCat(directory, "/", kLockName));
  if (!lock.ok()) return Explain(directory, lock.status());
  out.lock = *std::move(lock);
  auto exists = fs.Exists(identity_path);
  if (!exists.ok()) return Explain(directory, exists.status());
  if (*exists) {
    RH_ASSIGN_OR_RETURN(const std::string text, ReadFile(fs, identity_path, kMaxFileBytes));
    RH_ASSIGN_OR_RETURN(out.identity, DecodeIdentity(identity_path, text));
    RH_RETURN_IF_ERROR(AdoptServers(fs, identity_path, servers, &out.identity));
    RH_RETURN_IF_ERROR(CheckRequest(out.identity, request, servers));
    RH_ASSIGN_OR_RETURN(out.started_before, fs.Exists(absl::StrCat(directory, "/", kStartedName)));
  } else {
    RH_RETURN_IF_ERROR(CheckUnused(fs, directory));
    ClusterIdentity ids;
    if (request.server == 0) {
      ids = {.cluster = DrawId(random), .history = DrawId(random)};
    } else {
      RH_ASSIGN_OR_RETURN(ids, fetch());
    }
    out.created = true;
    out.identity = {.cluster = ids.cluster,
                    .history = ids.history,
                    .server = request.server,
                    .servers = servers,
                    .partitions = request.partitions,
                    .map_version = 1};
    // The generation comes first: a directory with an identity always has one.
    RH_RETURN_IF_ERROR(
        Explain(directory, ReplaceFileDurably(fs, generation_path, EncodeGeneration(kDurableGeneration))));
    RH_FAILPOINT_RETURN(kMetaIdentity);
    RH_RETURN_IF_ERROR(
        Explain(directory, ReplaceFileDurably(fs, identity_path, EncodeIdentity(out.identity))));
    RH_LOG_INFO("data directory {} created: cluster {}, history {}, server {}, {} partitions", directory,
                Hex(ids.cluster), Hex(ids.history), request.server, request.partitions);
  }
  RH_ASSIGN_OR_RETURN(out.restored, fs.Exists(absl::StrCat(directory, "/", kFirstStartName)));
  auto generation = NextGeneration(fs, generation_path, /*keep=*/out.restored);
  if (!generation.ok()) return Explain(directory, generation.status());
  out.volatile_generation = *generation;
  const std::string& log = request.log_directory;
  RH_RETURN_IF_ERROR(Explain(log, fs.CreateDirectories(log)));
  if (!absl::StartsWith(log, absl::StrCat(directory, "/"))) {
    auto log_lock = fs.Lock(absl::StrCat(log, "/", kLockName));
    if (!log_lock.ok()) return Explain(log, log_lock.status());
    out.log_lock = *std::move(log_lock);
  }
  return out;
}

}  // namespace rowhouse::server
