// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the time of one request goes, stage after stage. Not thread-safe: it is handed along with the
// request.

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/clock.h"

namespace rowhouse {

class StageTimes {
 public:
  static constexpr size_t kMaxStages = 8;  // further marks add to the last one

  // `clock` is not owned. Begins the first stage.
  explicit StageTimes(Clock* clock) : clock_(clock), begun_(clock->NowMonotonicNanos()), last_(begun_) {}

  // Ends the stage that has run since the last mark. `stage`: a literal.
  void Mark(const char* stage) {
    const int64_t now = clock_->NowMonotonicNanos();
    Stage& to = stages_[count_ < kMaxStages ? count_++ : kMaxStages - 1];
    to.name = stage;
    to.nanos += now - last_;
    last_ = now;
  }

  // Seconds since it was made.
  double TotalSeconds() const { return static_cast<double>(clock_->NowMonotonicNanos() - begun_) * 1e-9; }

  // "decode 0.1 ms, pin 12.3 ms".
  std::string ToText() const {
    std::string text;
    for (size_t i = 0; i < count_; ++i) {
      const auto tenths = (stages_[i].nanos + 50'000) / 100'000;  // of a millisecond, rounded
      absl::StrAppend(&text, i == 0 ? "" : ", ", stages_[i].name, " ", static_cast<double>(tenths) / 10,
                      " ms");
    }
    return text;
  }

 private:
  struct Stage {
    const char* name = "";
    int64_t nanos = 0;
  };
  Clock* const clock_;
  const int64_t begun_;
  int64_t last_;
  std::array<Stage, kMaxStages> stages_{};
  size_t count_ = 0;
};

// For requests that may come without one.
inline void MarkStage(StageTimes* times, const char* stage) {
  if (times != nullptr) times->Mark(stage);
}

}  // namespace rowhouse
