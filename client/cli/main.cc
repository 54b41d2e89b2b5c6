// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/command.h"

int main(int argc, char** argv) { return rowhouse::cli::RunCommandLine(argc, argv); }
