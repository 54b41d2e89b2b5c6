// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What every program of ours wants of its flags beyond what CLI11 does. One thread.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace rowhouse {

// Has every number of the app and its subcommands checked: CLI11 takes "-1" for 2^64-1 where a whole number
// is wanted, and "" for none. Call when all flags are there.
void CheckNumbers(CLI::App& app);

// The app's own flags, as --name.
std::vector<std::string> FlagsOf(const CLI::App& app);

// After CLI::ExtrasError: the first word that looks like a flag and is none, with the flag that is nearest to
// it; empty when no word does.
std::string UnknownFlag(const CLI::App& app);

}  // namespace rowhouse
