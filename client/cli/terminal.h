// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A screen of its own on the terminal, for a view that is drawn again and again. One thread.

#include <termios.h>

#include <string_view>

namespace rowhouse::cli {

// While it lives, keys are read one by one without echo and the terminal shows a second screen; afterwards it
// is as it was. Requires: stdin and stdout are terminals.
class FullScreen {
 public:
  FullScreen();
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  // In place of what was shown. False once the terminal is gone.
  bool Draw(std::string_view text);
  // Whether q was typed since the last call; false at once when nothing was.
  bool QuitTyped();

  static bool IsPossible();

 private:
  termios before_{};
};

}  // namespace rowhouse::cli
