// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/report.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "examples/dlrm/progress.h"

namespace rowhouse::dlrm {
namespace {

// 0 for 0 of 0.
double Share(double part, double whole) { return whole > 0 ? part / whole : 0; }

double MsPerIteration(const RunReport& r) {
  return Share(r.train_seconds * 1e3, static_cast<double>(r.iterations));
}

double SamplesPerSecond(const RunReport& r) { return Share(static_cast<double>(r.samples), r.train_seconds); }

double SpillShare(const StorageReport& s) {
  return Share(static_cast<double>(s.spill_read_rows), static_cast<double>(s.pulled_rows));
}

std::string FormatStorage(const StorageReport& s) {
  std::string text = fmt::format("rows              {} stored ({}), {} of them in memory ({})\n",
                                 s.stored_rows, FormatBytes(static_cast<double>(s.stored_bytes)),
                                 s.resident_rows, FormatBytes(static_cast<double>(s.resident_bytes)));
  if (s.servers.empty()) return text;
  text += fmt::format("on disk           spill {}, log {}\n",
                      FormatBytes(static_cast<double>(s.spill_disk_bytes)),
                      FormatBytes(static_cast<double>(s.log_disk_bytes)));
  text += fmt::format("pulled            {} rows since the servers started, {:.2f}% read from spill\n",
                      s.pulled_rows, 100 * SpillShare(s));
  for (const StorageReport::Server& server : s.servers) {
    text += fmt::format("server            {}: peak memory {} of {}\n", server.address,
                        FormatBytes(static_cast<double>(server.peak_resident_bytes)),
                        FormatBytes(static_cast<double>(server.memory_budget_bytes)));
  }
  return text;
}

}  // namespace

std::string FormatReport(const RunReport& r) {
  std::string text = fmt::format("embeddings        {}\n", r.source);
  if (r.iterations > 0) {
    text += fmt::format(
        "trained           {} batches, {} samples in {}: {:.2f} ms/it, {:.0f} samples/s, "
        "{:.1f}% waiting for rows\n"
        "training loss     {:.6f} (mean of the last 100 batches)\n",
        r.iterations, r.samples, FormatDuration(r.train_seconds), MsPerIteration(r), SamplesPerSecond(r),
        100 * Share(r.wait_seconds, r.train_seconds), r.final_loss);
  }
  if (r.tested) {
    text += fmt::format(
        "tested            {} samples, {} clicks\n"
        "auc               {:.6f}\n"
        "log loss          {:.6f}\n"
        "normalised entropy {:.6f}\n"
        "calibration       {:.4f}\n",
        r.test.samples, r.test.positives, r.test.auc, r.test.log_loss, r.test.normalized_entropy,
        r.test.calibration);
  }
  if (r.skipped_lines > 0) {
    text += fmt::format("skipped           {} bad lines, the first: {}\n", r.skipped_lines, r.first_skipped);
  }
  text += FormatStorage(r.storage);
  if (!r.digest.empty()) text += fmt::format("digest            {}\n", r.digest);
  if (r.interrupted) text += "interrupted       what was pushed is kept; not tested\n";
  return text;
}

absl::Status WriteJsonReport(const RunReport& r, const std::string& path) {
  using Json = nlohmann::ordered_json;
  Json json = {{"source", r.source},
               {"interrupted", r.interrupted},
               {"iterations", r.iterations},
               {"samples", r.samples},
               {"train_seconds", r.train_seconds},
               {"wait_seconds", r.wait_seconds},
               {"wait_share", Share(r.wait_seconds, r.train_seconds)},
               {"ms_per_iteration", MsPerIteration(r)},
               {"samples_per_second", SamplesPerSecond(r)},
               {"final_loss", r.final_loss},
               {"test_seconds", r.test_seconds},
               {"skipped_lines", r.skipped_lines},
               {"digest", r.digest}};
  json["test"] = nullptr;
  if (r.tested) {
    json["test"] = Json{{"samples", r.test.samples},
                        {"positives", r.test.positives},
                        {"auc", r.test.auc},
                        {"log_loss", r.test.log_loss},
                        {"normalized_entropy", r.test.normalized_entropy},
                        {"calibration", r.test.calibration}};
  }
  const StorageReport& s = r.storage;
  json["storage"] = Json{{"stored_rows", s.stored_rows},           {"stored_bytes", s.stored_bytes},
                         {"resident_rows", s.resident_rows},       {"resident_bytes", s.resident_bytes},
                         {"spill_disk_bytes", s.spill_disk_bytes}, {"log_disk_bytes", s.log_disk_bytes},
                         {"pulled_rows", s.pulled_rows},           {"spill_read_rows", s.spill_read_rows},
                         {"spill_read_share", SpillShare(s)},      {"retries", s.retries},
                         {"duplicate_parts", s.duplicate_parts},   {"servers", Json::array()}};
  for (const StorageReport::Server& server : s.servers) {
    json["storage"]["servers"].push_back({{"address", server.address},
                                          {"memory_budget_bytes", server.memory_budget_bytes},
                                          {"peak_resident_bytes", server.peak_resident_bytes}});
  }
  std::ofstream file(path);
  file << json.dump(2) << "\n";
  file.flush();
  if (!file) return absl::UnavailableError(absl::StrCat("--json: cannot write ", path));
  return absl::OkStatus();
}

}  // namespace rowhouse::dlrm
