// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What the cluster agrees on: keys with revisions, changed only by compare-and-set (etcd's model, so that
// etcd can stand behind it). Keys: table/<name> (EncodeSchema), table_id/<id> (the name), writer/<name> (id),
// counter/table and counter/writer (the highest id ever given); numbers are decimal text.
//
// Implementations: local (a file, replaced durably with each change), remote (asks the owner of partition 0).
// Errors: Unavailable (ask again; a Txn that failed so may have happened: read again before repeating),
// DataLoss (local file damaged), ResourceExhausted (disk). Thread-safe; calls block.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/file_system.h"
#include "common/types.h"

namespace rowhouse::server {

struct MetaKeyValue {
  std::string key;
  std::string value;
  uint64_t mod_revision = 0;
};

struct MetaRange {
  std::vector<MetaKeyValue> kvs;  // ascending by key
  uint64_t revision = 0;          // of the store
  ClusterId cluster = 0;
  HistoryId history = 0;
};

struct MetaCompare {
  std::string key;
  uint64_t mod_revision = 0;  // 0: the key must not exist
};

struct MetaPut {
  std::string key;
  std::string value;
  bool erase = false;
};

struct MetaTxnResult {
  bool succeeded = false;  // false: a comparison failed, nothing was written
  uint64_t revision = 0;
};

class MetaStore {
 public:
  virtual ~MetaStore() = default;
  // All keys that begin with `prefix`.
  virtual absl::StatusOr<MetaRange> Range(std::string_view prefix) = 0;
  // Does all puts when all comparisons hold, else nothing. Durable when it returns.
  virtual absl::StatusOr<MetaTxnResult> Txn(const std::vector<MetaCompare>& compares,
                                            const std::vector<MetaPut>& puts) = 0;
};

// Opens `path`, or creates it for `cluster` and `history`. FailedPrecondition when the file is another
// cluster's.
absl::StatusOr<std::unique_ptr<MetaStore>> OpenLocalMetaStore(FileSystem* fs, const std::string& path,
                                                              ClusterId cluster, HistoryId history);

}  // namespace rowhouse::server
