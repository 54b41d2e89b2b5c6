// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace rowhouse::dlrm {
namespace {

constexpr int kBarWidth = 28;
constexpr std::chrono::milliseconds kBarInterval(200);

double SecondsSince(std::chrono::steady_clock::time_point start, std::chrono::steady_clock::time_point now) {
  return std::chrono::duration<double>(now - start).count();
}

}  // namespace

std::string FormatDuration(double seconds) {
  const auto whole = static_cast<int64_t>(std::max(0.0, seconds) + 0.5);
  if (whole >= 3600) return fmt::format("{}h {:02}m", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  return fmt::format("{}s", whole);
}

std::string FormatBytes(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit < 4; ++unit) bytes /= 1024;
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, units[unit]);
}

Progress::Progress(std::FILE* out, std::string what, uint64_t lines_every)
    : out_(out),
      what_(std::move(what)),
      lines_every_(lines_every),
      terminal_(isatty(fileno(out)) == 1),
      start_(std::chrono::steady_clock::now()),
      shown_(start_) {
  if (terminal_) return;
  fmt::print(out_, "{}: begins\n", what_);
  std::fflush(out_);
}

Progress::~Progress() { Clear(); }

void Progress::Clear() {
  if (!bar_visible_) return;
  std::fputs("\r\033[K", out_);
  std::fflush(out_);
  bar_visible_ = false;
}

void Progress::Update(uint64_t iteration, double fraction, uint64_t samples, double loss) {
  loss_sum_ += loss;
  ++loss_count_;
  const bool due =
      terminal_ ? std::chrono::steady_clock::now() - shown_ >= kBarInterval : iteration % lines_every_ == 0;
  if (due) Show(iteration, fraction, samples);
}

void Progress::Show(uint64_t iteration, double fraction, uint64_t samples) {
  const auto now = std::chrono::steady_clock::now();
  const double window = std::max(1e-9, SecondsSince(shown_, now));
  const double elapsed = SecondsSince(start_, now);
  const double rate = static_cast<double>(samples - shown_samples_) / window;
  const double loss = loss_sum_ / static_cast<double>(loss_count_);
  const double left = fraction > 0 ? elapsed / fraction - elapsed : 0;
  if (terminal_) {
    const int full = std::clamp(static_cast<int>(fraction * kBarWidth), 0, kBarWidth);
    fmt::print(out_, "\r\033[K{} [{}{}] {:3.0f}%  {:.0f} samples/s  loss {:.4f}  {} left", what_,
               std::string(full, '#'), std::string(kBarWidth - full, '.'), fraction * 100, rate, loss,
               FormatDuration(left));
    bar_visible_ = true;
  } else {
    const double ms = window * 1e3 / static_cast<double>(iteration - shown_iteration_);
    fmt::print(out_, "{}: finished it {} ({:.0f}%), {:.2f} ms/it, loss {:.6f}, {:.0f} samples/s, {} left\n",
               what_, iteration, fraction * 100, ms, loss, rate, FormatDuration(left));
  }
  std::fflush(out_);
  shown_ = now;
  shown_iteration_ = iteration;
  shown_samples_ = samples;
  loss_sum_ = 0;
  loss_count_ = 0;
}

}  // namespace rowhouse::dlrm
