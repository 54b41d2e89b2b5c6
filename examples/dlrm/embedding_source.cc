// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/embedding_source.h"

#include <openssl/evp.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace rowhouse::dlrm {

absl::StatusOr<std::string> DigestRows(EmbeddingSource& source) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (context == nullptr || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return absl::InternalError("SHA-256 is not available in the OpenSSL library");
  }
  for (int c = 0; c < kSparseCount; ++c) {
    const std::string name = absl::StrCat("C", c + 1);
    EVP_DigestUpdate(context.get(), name.c_str(), name.size() + 1);
    uint64_t rows = 0;
    RH_RETURN_IF_ERROR(source.VisitRows(c, [&](uint64_t id, absl::Span<const float> row) {
      const uint64_t floats = row.size();
      EVP_DigestUpdate(context.get(), &id, sizeof(id));
      EVP_DigestUpdate(context.get(), &floats, sizeof(floats));
      EVP_DigestUpdate(context.get(), row.data(), row.size() * sizeof(float));
      ++rows;
    }));
    EVP_DigestUpdate(context.get(), &rows, sizeof(rows));
  }
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(context.get(), hash, &size) != 1) return absl::InternalError("SHA-256 failed");
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash), size));
}

}  // namespace rowhouse::dlrm
