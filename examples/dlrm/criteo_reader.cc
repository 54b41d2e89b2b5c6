// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/criteo_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"

namespace rowhouse::dlrm {
namespace {

constexpr int kColumnCount = 1 + kDenseCount + kSparseCount;
constexpr size_t kBufferBytes = 1 << 20;
constexpr size_t kMaxLineBytes = 64 << 10;
constexpr size_t kShownBytes = 40;  // of a bad field, in messages
constexpr int kProbedLines = 10;    // of a file, to tell samples from other text

absl::Status BadField(absl::string_view what, int column, absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("column ", column + 1, ": ", what, ", got \"", text.substr(0, kShownBytes), "\""));
}

absl::Status ParseDense(absl::string_view text, int column, float* value) {
  *value = 0;
  if (text.empty()) return absl::OkStatus();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return BadField("expected an integer or nothing", column, text);
  }
  if (number > 0) *value = std::log1p(static_cast<float>(number));
  return absl::OkStatus();
}

absl::Status ParseId(absl::string_view text, int column, uint64_t* id) {
  *id = kEmptyFieldId;
  if (text.empty()) return absl::OkStatus();
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size() || text.size() > 8) {
    return BadField("expected 1 to 8 hex digits or nothing", column, text);
  }
  // Each string is an id of its own: "a", "0a" and "A" are three. Criteo's own, eight lower-case digits, are
  // their number.
  uint64_t capitals = 0;
  for (size_t i = 0; i < text.size(); ++i) capitals |= uint64_t{text[i] >= 'A' && text[i] <= 'F'} << i;
  *id = number | uint64_t{8 - text.size()} << 33 | capitals << 40;
  return absl::OkStatus();
}

// True when one of the file's first lines is a sample, and for a file that cannot be read: the reader will
// say why.
bool BeginsWithSamples(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return true;
  std::vector<char> line(kMaxLineBytes);
  bool found = false;
  Sample sample;
  for (int i = 0; i < kProbedLines && !found; ++i) {
    if (gzgets(file, line.data(), static_cast<int>(line.size())) == nullptr) break;
    absl::string_view text(line.data());
    absl::ConsumeSuffix(&text, "\n");
    found = ParseCriteoLine(text, &sample).ok();
  }
  int code = Z_OK;
  gzerror(file, &code);
  gzclose(file);
  return found || (code != Z_OK && code != Z_STREAM_END);
}

}  // namespace

absl::Status ParseCriteoLine(absl::string_view line, Sample* sample) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  int column = 0;
  for (size_t begin = 0; begin <= line.size(); ++column) {
    size_t end = line.find('\t', begin);
    if (end == absl::string_view::npos) end = line.size();
    const absl::string_view text = line.substr(begin, end - begin);
    begin = end + 1;
    if (column == 0) {
      if (text != "0" && text != "1") return BadField("expected the label 0 or 1", column, text);
      sample->label = text == "1" ? 1.0f : 0.0f;
    } else if (column <= kDenseCount) {
      RH_RETURN_IF_ERROR(ParseDense(text, column, &sample->dense[column - 1]));
    } else if (column < kColumnCount) {
      RH_RETURN_IF_ERROR(ParseId(text, column, &sample->ids[column - 1 - kDenseCount]));
    }
  }
  if (column != kColumnCount) {
    return absl::InvalidArgumentError(absl::StrCat("expected ", kColumnCount, " columns, got ", column));
  }
  return absl::OkStatus();
}

CriteoReader::~CriteoReader() { CloseFile(); }

void CriteoReader::CloseFile() {
  if (file_ != nullptr) gzclose(file_);
  file_ = nullptr;
}

absl::Status CriteoReader::OpenNextFile() {
  if (next_path_ == 0) {
    for (const std::string& path : paths_) {
      std::error_code error;
      const uintmax_t size = std::filesystem::file_size(path, error);
      if (error) return absl::NotFoundError(absl::StrCat(path, ": ", error.message()));
      total_bytes_ += size;
    }
  } else {
    std::error_code gone;
    const uintmax_t size = std::filesystem::file_size(paths_[next_path_ - 1], gone);
    if (!gone) finished_bytes_ += size;  // it was read to its end: the figure is for progress only
  }
  CloseFile();
  const std::string& path = paths_[next_path_++];
  file_ = gzopen(path.c_str(), "rb");
  if (file_ == nullptr) return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  gzbuffer(file_, 256 << 10);
  buffer_.resize(kBufferBytes);
  begin_ = end_ = 0;
  line_ = 0;
  end_of_file_ = false;
  return absl::OkStatus();
}

// False at the end of the file.
absl::StatusOr<bool> CriteoReader::FillBuffer() {
  if (end_of_file_) return false;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const int got = gzread(file_, buffer_.data() + end_, static_cast<unsigned>(buffer_.size() - end_));
  int code = Z_OK;
  const char* message = gzerror(file_, &code);
  if (got < 0 || code == Z_BUF_ERROR) {
    return absl::DataLossError(absl::StrCat(paths_[next_path_ - 1], ": after line ", line_,
                                            ": the file is damaged or cut short: ", message));
  }
  end_ += static_cast<size_t>(got);
  end_of_file_ = got == 0;
  return got > 0;
}

// False at the end of the last file.
absl::StatusOr<bool> CriteoReader::NextLine(absl::string_view* line) {
  while (true) {
    if (file_ == nullptr || (end_of_file_ && begin_ == end_)) {
      if (next_path_ == paths_.size()) return false;
      RH_RETURN_IF_ERROR(OpenNextFile());
    }
    const char* begin = buffer_.data() + begin_;
    const void* newline = std::memchr(begin, '\n', end_ - begin_);
    if (newline != nullptr) {
      *line = {begin, static_cast<size_t>(static_cast<const char*>(newline) - begin)};
      begin_ += line->size() + 1;
      ++line_;
      return true;
    }
    if (end_ - begin_ > kMaxLineBytes) {
      return absl::InvalidArgumentError(absl::StrCat(paths_[next_path_ - 1], ":", line_ + 1,
                                                     ": a line of more than ", kMaxLineBytes,
                                                     " bytes: this is no Criteo file"));
    }
    RH_ASSIGN_OR_RETURN(const bool more, FillBuffer());
    if (!more && begin_ < end_) {  // the last line lacks its newline
      *line = {buffer_.data() + begin_, end_ - begin_};
      begin_ = end_;
      ++line_;
      return true;
    }
  }
}

absl::StatusOr<bool> CriteoReader::Next(Sample* sample) {
  while (true) {
    absl::string_view line;
    RH_ASSIGN_OR_RETURN(const bool more, NextLine(&line));
    if (!more) return false;
    const absl::Status status = ParseCriteoLine(line, sample);
    if (status.ok()) {
      ++samples_;
      return true;
    }
    const std::string where = absl::StrCat(paths_[next_path_ - 1], ":", line_, ": ", status.message());
    if (strict_) return absl::InvalidArgumentError(where);
    if (skipped_lines_++ == 0) first_skipped_ = where;
  }
}

double CriteoReader::FractionRead() const {
  if (total_bytes_ == 0) return next_path_ == 0 ? 0 : 1;
  if (next_path_ == paths_.size() && end_of_file_ && begin_ == end_) return 1;
  const uint64_t here = file_ == nullptr ? 0 : static_cast<uint64_t>(std::max<z_off_t>(0, gzoffset(file_)));
  return std::min(1.0, static_cast<double>(finished_bytes_ + here) / static_cast<double>(total_bytes_));
}

absl::StatusOr<std::vector<std::string>> ListCriteoFiles(const std::string& directory, size_t minimum,
                                                         std::vector<std::string>* left_out) {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  if (error) return absl::NotFoundError(absl::StrCat(directory, ": ", error.message()));
  std::vector<std::string> files;
  for (const auto& entry : entries) {
    const std::string path = entry.path().string();
    if (absl::EndsWith(path, ".tsv") || absl::EndsWith(path, ".tsv.gz")) {
      (BeginsWithSamples(path) ? &files : left_out)->push_back(path);
    }
  }
  std::sort(files.begin(), files.end());
  std::sort(left_out->begin(), left_out->end());
  if (files.size() < minimum) {
    return absl::NotFoundError(absl::StrCat(directory, ": expected at least ", minimum,
                                            " files ending in .tsv or .tsv.gz with Criteo samples, got ",
                                            files.size()));
  }
  return files;
}

}  // namespace rowhouse::dlrm
