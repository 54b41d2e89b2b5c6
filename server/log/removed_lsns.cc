// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/log/removed_lsns.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/coding.h"
#include "common/crc32c.h"
#include "common/limits.h"
#include "common/status_macros.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kMagic = 0x0A454E4F47574852;  // "RHWGONE\n"
constexpr uint32_t kFormatVersion = 1;
constexpr uint64_t kEntryBytes = sizeof(uint32_t) + sizeof(uint64_t);
constexpr uint64_t kMaxFileBytes = 64 + limits::kMaxPartitions * kEntryBytes;

std::string PathOf(const std::string& directory) { return absl::StrCat(directory, "/", kRemovedName); }

absl::Span<const uint8_t> BytesOf(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("log file ", path, ": ", what, "; put back a copy of this server's data directory"));
}

}  // namespace

absl::StatusOr<RemovedLsns> ReadRemovedLsns(FileSystem& fs, const std::string& directory,
                                            const LogIdentity& identity) {
  const std::string path = PathOf(directory);
  RH_ASSIGN_OR_RETURN(const bool exists, fs.Exists(path));
  if (!exists) return RemovedLsns();
  const absl::StatusOr<std::string> bytes = ReadFile(fs, path, kMaxFileBytes);
  if (absl::IsResourceExhausted(bytes.status())) return Damaged(path, bytes.status().message());
  if (!bytes.ok()) return bytes.status();
  ByteReader in(BytesOf(*bytes));
  if (in.Fixed<uint64_t>() != kMagic) return Damaged(path, "it does not begin with the magic number");
  const uint32_t version = in.Fixed<uint32_t>();
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat("log file ", path, " has format version ", version,
                                                      ", this binary knows ", kFormatVersion,
                                                      ": start the newer binary"));
  }
  const size_t body = bytes->size() - std::min(bytes->size(), sizeof(uint32_t));
  if (in.remaining() < sizeof(uint32_t) ||
      LoadLittle<uint32_t>(bytes->data() + body) != Crc32c(bytes->data(), body))
    return Damaged(path, "its checksum does not match");
  const LogIdentity got{
      .cluster = in.Fixed<uint64_t>(), .server = in.Fixed<uint32_t>(), .history = in.Fixed<uint64_t>()};
  if (got.cluster != identity.cluster || got.server != identity.server || got.history != identity.history)
    return Damaged(path, "it is another log's");
  RemovedLsns removed;
  const uint32_t count = in.Fixed<uint32_t>();
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    const PartitionId partition = in.Fixed<uint32_t>();
    removed[partition] = in.Fixed<uint64_t>();
  }
  if (!in.ok() || in.remaining() != sizeof(uint32_t) || removed.size() != count)
    return Damaged(path, "its entries do not fill it");
  return removed;
}

absl::Status WriteRemovedLsns(FileSystem& fs, const std::string& directory, const LogIdentity& identity,
                              const RemovedLsns& removed) {
  ByteWriter out;
  out.Fixed<uint64_t>(kMagic);
  out.Fixed<uint32_t>(kFormatVersion);
  out.Fixed<uint64_t>(identity.cluster);
  out.Fixed<uint32_t>(identity.server);
  out.Fixed<uint64_t>(identity.history);
  out.Fixed<uint32_t>(static_cast<uint32_t>(removed.size()));
  for (const auto& [partition, lsn] : removed) {
    out.Fixed<uint32_t>(partition);
    out.Fixed<uint64_t>(lsn);
  }
  out.Fixed<uint32_t>(Crc32c(out.str().data(), out.str().size()));
  return ReplaceFileDurably(fs, PathOf(directory), out.str());
}

}  // namespace rowhouse::server
