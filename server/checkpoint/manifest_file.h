// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Lists of files, which both manifests have, as JSON. Pure functions.

#include <vector>

#include "server/checkpoint/manifest.h"
#include "server/checkpoint/sealed_json.h"

namespace rowhouse::server {

nlohmann::json FilesJson(const std::vector<CheckpointFile>& files);
// The list `key` of at most `most` files. Their names are not looked at.
std::vector<CheckpointFile> FilesOf(JsonFields& fields, const char* key, size_t most);

}  // namespace rowhouse::server
