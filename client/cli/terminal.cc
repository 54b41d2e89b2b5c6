// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/terminal.h"

#include <poll.h>
#include <unistd.h>

#include <string>

#include "client/cli/output.h"

namespace rowhouse::cli {
namespace {

constexpr char kEnter[] = "\x1b[?1049h\x1b[?25l";  // second screen, no cursor
constexpr char kLeave[] = "\x1b[?25h\x1b[?1049l";
constexpr char kHomeAndClear[] = "\x1b[H\x1b[J";

}  // namespace

bool FullScreen::IsPossible() { return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0; }

FullScreen::FullScreen() {
  tcgetattr(STDIN_FILENO, &before_);
  termios keys = before_;
  keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  tcsetattr(STDIN_FILENO, TCSANOW, &keys);
  Write(kEnter);
}

FullScreen::~FullScreen() {
  Write(kLeave);
  FlushOutput();
  tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

bool FullScreen::Draw(std::string_view text) {
  Write(kHomeAndClear);
  Write(text);
  return FlushOutput();
}

bool FullScreen::QuitTyped() {
  pollfd fd{STDIN_FILENO, POLLIN, 0};
  bool quit = false;
  char key = 0;
  while (poll(&fd, 1, 0) > 0 && read(STDIN_FILENO, &key, 1) == 1) quit = quit || key == 'q' || key == 'Q';
  return quit || (fd.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace rowhouse::cli
