// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// A meta store in one file, written anew with each change. Bytes: docs/formats/data-directory.md.

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "common/coding.h"
#include "common/crc32c.h"
#include "common/failpoint.h"
#include "common/status_macros.h"
#include "server/meta/meta_store.h"

namespace rowhouse::server {
namespace {

constexpr uint64_t kMagic = 0x0A4154454D574852;  // "RHWMETA\n"
constexpr uint32_t kFormatVersion = 1;
constexpr uint64_t kMaxFileBytes = 1ull << 30;

struct Entry {
  std::string value;
  uint64_t mod_revision = 0;
};
using Entries = std::map<std::string, Entry, std::less<>>;

absl::Span<const uint8_t> AsBytes(std::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
std::string AsString(absl::Span<const uint8_t> b) {
  return std::string(reinterpret_cast<const char*>(b.data()), b.size());
}

struct Image {
  ClusterId cluster = 0;
  HistoryId history = 0;
  uint64_t revision = 0;
  Entries entries;
};

std::string Encode(const Image& image) {
  ByteWriter out;
  out.Fixed<uint64_t>(kMagic);
  out.Fixed<uint32_t>(kFormatVersion);
  out.Fixed<uint64_t>(image.cluster);
  out.Fixed<uint64_t>(image.history);
  out.Fixed<uint64_t>(image.revision);
  out.Fixed<uint64_t>(image.entries.size());
  for (const auto& [key, entry] : image.entries) {
    out.LengthPrefixed(AsBytes(key));
    out.LengthPrefixed(AsBytes(entry.value));
    out.Fixed<uint64_t>(entry.mod_revision);
  }
  out.Fixed<uint32_t>(Crc32c(out.str().data(), out.str().size()));
  return out.Take();
}

absl::StatusOr<Image> Decode(const std::string& path, std::string_view bytes) {
  const auto damaged = [&](const std::string& what) {
    return absl::DataLossError(absl::StrCat("meta store file ", path, " is damaged: ", what,
                                            "; restore the data directory from a copy"));
  };
  if (bytes.size() < sizeof(uint64_t) + 2 * sizeof(uint32_t)) {
    return damaged(absl::StrCat("it has ", bytes.size(), " bytes, fewer than its header"));
  }
  const size_t body = bytes.size() - sizeof(uint32_t);
  ByteReader in(AsBytes(bytes.substr(0, body)));
  if (in.Fixed<uint64_t>() != kMagic) return damaged("it does not begin with the magic number");
  const uint32_t version = in.Fixed<uint32_t>();
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat("meta store file ", path, " has format version ",
                                                      version, ", this binary knows ", kFormatVersion,
                                                      ": start the newer binary"));
  }
  if (LoadLittle<uint32_t>(bytes.data() + body) != Crc32c(bytes.data(), body))
    return damaged("its checksum does not match");
  Image image;
  image.cluster = in.Fixed<uint64_t>();
  image.history = in.Fixed<uint64_t>();
  image.revision = in.Fixed<uint64_t>();
  const uint64_t count = in.Fixed<uint64_t>();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    std::string key = AsString(in.LengthPrefixed());
    Entry entry;
    entry.value = AsString(in.LengthPrefixed());
    entry.mod_revision = in.Fixed<uint64_t>();
    image.entries.emplace(std::move(key), std::move(entry));
  }
  if (!in.AtEnd() || image.entries.size() != count) return damaged("its entries do not fill it");
  return image;
}

// Thread-safe. The file is written under the lock: one change at a time is what compare-and-set means.
class LocalMetaStore final : public MetaStore {
 public:
  LocalMetaStore(FileSystem* fs, std::string path, Image image)
      : fs_(fs),
        path_(std::move(path)),
        cluster_(image.cluster),
        history_(image.history),
        image_(std::move(image)) {}

  absl::StatusOr<MetaRange> Range(std::string_view prefix) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    RH_RETURN_IF_ERROR(health_);
    MetaRange range{.revision = image_.revision, .cluster = cluster_, .history = history_};
    for (auto it = image_.entries.lower_bound(prefix); it != image_.entries.end(); ++it) {
      if (it->first.compare(0, prefix.size(), prefix) != 0) break;
      range.kvs.push_back(
          {.key = it->first, .value = it->second.value, .mod_revision = it->second.mod_revision});
    }
    return range;
  }

  absl::StatusOr<MetaTxnResult> Txn(const std::vector<MetaCompare>& compares,
                                    const std::vector<MetaPut>& puts) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    RH_RETURN_IF_ERROR(health_);
    for (const MetaCompare& compare : compares) {
      const auto it = image_.entries.find(compare.key);
      const uint64_t revision = it == image_.entries.end() ? 0 : it->second.mod_revision;
      if (revision != compare.mod_revision)
        return MetaTxnResult{.succeeded = false, .revision = image_.revision};
    }
    RH_FAILPOINT_RETURN(kMetaCompare);
    if (puts.empty()) return MetaTxnResult{.succeeded = true, .revision = image_.revision};
    Image next = image_;
    ++next.revision;
    for (const MetaPut& put : puts) {
      if (put.erase) {
        next.entries.erase(put.key);
      } else {
        next.entries[put.key] = {.value = put.value, .mod_revision = next.revision};
      }
    }
    const std::string bytes = Encode(next);
    if (bytes.size() > kMaxFileBytes) {
      return absl::ResourceExhaustedError(absl::StrCat("the meta store would have ", bytes.size(),
                                                       " bytes, more than ", kMaxFileBytes,
                                                       ": drop tables that are not needed"));
    }
    absl::Status written = ReplaceFileDurably(*fs_, path_, bytes);
    RH_FAILPOINT_FAIL(kMetaWritten, written);
    if (!written.ok()) {
      // Without room the old file is there untouched. After any other failure nobody knows which of the two a
      // crash would leave.
      if (absl::IsResourceExhausted(written)) return written;
      health_ = absl::UnavailableError(
          absl::StrCat("the meta store could not be written and is closed until this server is "
                       "restarted: ",
                       written.message()));
      return health_;
    }
    image_ = std::move(next);
    return MetaTxnResult{.succeeded = true, .revision = image_.revision};
  }

 private:
  FileSystem* const fs_;
  const std::string path_;
  const ClusterId cluster_;
  const HistoryId history_;
  absl::Mutex mu_;
  Image image_ ABSL_GUARDED_BY(mu_);
  absl::Status health_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<MetaStore>> OpenLocalMetaStore(FileSystem* fs, const std::string& path,
                                                              ClusterId cluster, HistoryId history) {
  RH_ASSIGN_OR_RETURN(const bool exists, fs->Exists(path));
  RH_FAILPOINT_RETURN(kMetaOpen);
  Image image{.cluster = cluster, .history = history};
  if (!exists) {
    RH_RETURN_IF_ERROR(ReplaceFileDurably(*fs, path, Encode(image)));
  } else {
    RH_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(*fs, path, kMaxFileBytes));
    RH_ASSIGN_OR_RETURN(image, Decode(path, bytes));
  }
  if (image.cluster != cluster || image.history != history) {
    return absl::FailedPreconditionError(
        absl::StrFormat("meta store file %s is of cluster %016x, history %016x; this server's are %016x, "
                        "%016x: it was copied "
                        "from another cluster's directory",
                        path, image.cluster, image.history, cluster, history));
  }
  return std::make_unique<LocalMetaStore>(fs, path, std::move(image));
}

}  // namespace rowhouse::server
