// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/table_export.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/command.h"
#include "client/cli/npy_writer.h"
#include "client/cli/output.h"
#include "client/cli/output_file.h"
#include "client/cli/table_text.h"
#include "common/status_macros.h"

namespace rowhouse::cli {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    ok_ = context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
  }
  void Add(const void* data, size_t bytes) {
    ok_ = ok_ && EVP_DigestUpdate(context_.get(), data, bytes) == 1;
  }
  template <typename T>
  void AddNumber(T value) {
    Add(&value, sizeof(value));  // little-endian machines only: the build refuses others
  }
  absl::StatusOr<std::string> Finish() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    ok_ = ok_ && EVP_DigestFinal_ex(context_.get(), digest, &size) == 1;
    if (!ok_) return absl::InternalError("OpenSSL has no SHA-256");
    return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
  bool ok_ = false;
};

absl::StatusOr<uint64_t> AddTable(Client& client, const Table& table, Sha256& sha) {
  RH_ASSIGN_OR_RETURN(const TableSpec spec, client.DescribeTable(table.name()));
  const uint32_t state_floats = spec.optimizer.kind == OptimizerConfig::Kind::kAdagrad          ? spec.dim
                                : spec.optimizer.kind == OptimizerConfig::Kind::kRowwiseAdagrad ? 1
                                                                                                : 0;
  sha.AddNumber(static_cast<uint32_t>(table.name().size()));
  sha.Add(table.name().data(), table.name().size());
  sha.AddNumber(spec.dim);
  sha.AddNumber(state_floats);
  uint64_t rows = 0;
  RH_RETURN_IF_ERROR(client.Scan(table, /*with_state=*/true, [&](const ScanPage& page) {
    if (!page.ids.empty() && page.state_floats != state_floats) {
      return absl::InternalError(absl::StrCat("table \"", table.name(), "\" was scanned with ",
                                              page.state_floats, " floats of state a row, want ",
                                              state_floats));
    }
    for (size_t i = 0; i < page.ids.size(); ++i) {
      sha.AddNumber(page.ids[i]);
      sha.Add(page.rows.data() + i * spec.dim, spec.dim * sizeof(float));
      sha.Add(page.state.data() + i * state_floats, state_floats * sizeof(float));
    }
    rows += page.ids.size();
    return absl::OkStatus();
  }));
  sha.AddNumber(rows);
  return rows;
}

}  // namespace

absl::StatusOr<TableDigest> DigestTables(Client& client, std::vector<std::string> names) {
  if (names.empty()) {
    RH_ASSIGN_OR_RETURN(const std::vector<Table> tables, client.ListTables());
    for (const Table& table : tables) names.push_back(table.name());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  Sha256 sha;
  TableDigest digest;
  for (const std::string& name : names) {
    RH_ASSIGN_OR_RETURN(const Table table, client.OpenTable(name));
    RH_ASSIGN_OR_RETURN(const uint64_t rows, AddTable(client, table, sha));
    digest.rows += rows;
    ++digest.tables;
  }
  RH_ASSIGN_OR_RETURN(digest.sha256, sha.Finish());
  return digest;
}

absl::StatusOr<DumpedTable> DumpTableToNpy(Client& client, const std::string& name, const std::string& file) {
  const std::string base(absl::StripSuffix(file, ".npy"));
  DumpedTable out{.ids_path = base + ".ids.npy", .rows_path = base + ".rows.npy"};
  RH_ASSIGN_OR_RETURN(const Table table, client.OpenTable(name));
  RH_ASSIGN_OR_RETURN(const auto ids, NpyWriter::Create(out.ids_path, "<u8", 0));
  RH_ASSIGN_OR_RETURN(const auto rows, NpyWriter::Create(out.rows_path, "<f4", table.dim()));
  RH_RETURN_IF_ERROR(client.Scan(table, /*with_state=*/false, [&](const ScanPage& page) -> absl::Status {
    RH_RETURN_IF_ERROR(ids->Append(page.ids.data(), page.ids.size() * sizeof(uint64_t)));
    RH_RETURN_IF_ERROR(rows->Append(page.rows.data(), page.rows.size() * sizeof(float)));
    out.rows += page.ids.size();
    return absl::OkStatus();
  }));
  RH_RETURN_IF_ERROR(ids->Finish(out.rows));
  RH_RETURN_IF_ERROR(rows->Finish(out.rows));
  RH_RETURN_IF_ERROR(ids->Publish());
  RH_RETURN_IF_ERROR(rows->Publish());
  return out;
}

namespace {

// The header line, then a line for each row, to `write`.
absl::Status WriteCsv(Client& client, const Table& table,
                      const std::function<absl::Status(const std::string&)>& write) {
  std::string text = "id";
  for (uint32_t column = 0; column < table.dim(); ++column) absl::StrAppend(&text, ",w", column);
  RH_RETURN_IF_ERROR(write(text + "\r\n"));
  return client.Scan(table, /*with_state=*/false, [&](const ScanPage& page) -> absl::Status {
    text.clear();
    for (size_t i = 0; i < page.ids.size(); ++i) {
      absl::StrAppend(&text, page.ids[i]);
      for (uint32_t c = 0; c < table.dim(); ++c)
        absl::StrAppend(&text, ",", FloatText(page.rows[i * table.dim() + c]));
      text += "\r\n";
    }
    return write(text);
  });
}

}  // namespace

absl::Status DumpTableToCsv(Client& client, const std::string& name, const std::string& file) {
  RH_ASSIGN_OR_RETURN(const Table table, client.OpenTable(name));
  if (file.empty()) {
    return WriteCsv(client, table,
                    [](const std::string& text) { return Write(text) ? absl::OkStatus() : OutputClosed(); });
  }
  RH_ASSIGN_OR_RETURN(OutputFile output, OutputFile::Choose(file));
  const auto failed = [&output](const char* doing) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot ", doing, " ", output.path(), ": ", std::strerror(errno)));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(output.path().c_str(), "wb"),
                                                            std::fclose);
  if (out == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot create ", output.path(), ": ", std::strerror(errno)));
  }
  RH_RETURN_IF_ERROR(WriteCsv(client, table, [&](const std::string& text) {
    return std::fwrite(text.data(), 1, text.size(), out.get()) == text.size() ? absl::OkStatus()
                                                                              : failed("write");
  }));
  if (std::fflush(out.get()) != 0 || (!output.is_in_place() && fsync(fileno(out.get())) != 0))
    return failed("sync");
  return output.Publish();
}

}  // namespace rowhouse::cli
