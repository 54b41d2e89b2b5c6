// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/synthetic_data.h"

#include <fmt/format.h>
#include <zlib.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "examples/dlrm/metrics.h"

namespace rowhouse::dlrm {
namespace {

constexpr size_t kChunkBytes = 1 << 20;
constexpr uint32_t kMaxFiles = 100;

// One output file, plain or gzip.
class LineFile {
 public:
  LineFile(std::string path, bool gzip)
      : path_(std::move(path)), file_(gzopen(path_.c_str(), gzip ? "wb1" : "wbT")) {}
  ~LineFile() {
    if (file_ != nullptr) gzclose(file_);
  }
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  std::string* buffer() { return &buffer_; }
  absl::Status WriteWhenFull() { return buffer_.size() < kChunkBytes ? absl::OkStatus() : Write(); }
  absl::Status Close() {
    RH_RETURN_IF_ERROR(Write());
    const int code = gzclose(file_);
    file_ = nullptr;
    return code == Z_OK ? absl::OkStatus() : Failed();
  }

 private:
  absl::Status Failed() const { return absl::UnavailableError(absl::StrCat("cannot write ", path_)); }
  absl::Status Write() {
    if (file_ == nullptr) return Failed();
    const auto size = static_cast<unsigned>(buffer_.size());
    const bool written = size == 0 || gzwrite(file_, buffer_.data(), size) == static_cast<int>(size);
    buffer_.clear();
    return written ? absl::OkStatus() : Failed();
  }

  const std::string path_;
  gzFile_s* file_;
  std::string buffer_;
};

// Which ids of each column were seen; the place after the last id is that of the empty field.
class SeenIds {
 public:
  explicit SeenIds(const PlantedModel& model) {
    for (int c = 0; c < kSparseCount; ++c) seen_[c].resize(size_t{model.column_ids(c)} + 1);
  }
  // Counts the ids that are new.
  uint64_t Add(const PlantedSample& sample) {
    uint64_t added = 0;
    for (int c = 0; c < kSparseCount; ++c) {
      const size_t at = sample.index[c] ? *sample.index[c] : seen_[c].size() - 1;
      added += !seen_[c][at];
      seen_[c][at] = true;
    }
    return added;
  }

 private:
  std::array<std::vector<bool>, kSparseCount> seen_;
};

}  // namespace

absl::StatusOr<SyntheticDataReport> WriteSyntheticData(const SyntheticDataOptions& options) {
  RH_RETURN_IF_ERROR(options.model.Validate());
  if (options.train_files < 1 || options.train_files > kMaxFiles - 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--files must be 1 to ", kMaxFiles - 1, ", got ", options.train_files));
  }
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) return absl::UnavailableError(absl::StrCat("--out ", options.directory, ": ", error.message()));
  const PlantedModel model(options.model);
  RandomStream random(Mix64(options.model.seed) + 1);
  SyntheticDataReport report;
  SeenIds seen(model);
  std::vector<float> logits, labels;
  for (uint32_t number = 0; number <= options.train_files; ++number) {
    const bool test = number == options.train_files;
    const uint64_t rows = test ? options.model.test_rows
                               : options.model.rows * (number + 1) / options.train_files -
                                     options.model.rows * number / options.train_files;
    report.files.push_back(
        fmt::format("{}/day_{:02}.tsv{}", options.directory, number, options.gzip ? ".gz" : ""));
    LineFile file(report.files.back(), options.gzip);
    for (uint64_t row = 0; row < rows; ++row) {
      const PlantedSample sample = model.Draw(&random);
      if (test) {
        logits.push_back(sample.logit);
        labels.push_back(sample.label ? 1.0f : 0.0f);
      } else {
        report.train_distinct_ids += seen.Add(sample);
        report.train_lookups += kSparseCount;
      }
      model.AppendLine(sample, file.buffer());
      RH_RETURN_IF_ERROR(file.WriteWhenFull());
    }
    RH_RETURN_IF_ERROR(file.Close());
  }
  const Metrics best = ComputeMetrics(logits, labels);
  report.click_rate = static_cast<double>(best.positives) / static_cast<double>(best.samples);
  report.bayes_auc = best.auc;
  report.bayes_log_loss = best.log_loss;
  return report;
}

}  // namespace rowhouse::dlrm
