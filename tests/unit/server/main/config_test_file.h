// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A config file in a folder of its own, which goes with it. One thread.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace rowhouse::server {

class ConfigTestFile {
 public:
  explicit ConfigTestFile(const std::string& text) {
    char pattern[] = "/tmp/rowhouse-config-XXXXXX";
    folder_ = mkdtemp(pattern);
    Write(text);
  }
  ~ConfigTestFile() { std::filesystem::remove_all(folder_); }
  ConfigTestFile(const ConfigTestFile&) = delete;
  ConfigTestFile& operator=(const ConfigTestFile&) = delete;

  void Write(const std::string& text) const { std::ofstream(path()) << text; }
  void Remove() const { std::filesystem::remove(path()); }
  std::string path() const { return folder_ + "/rowhouse.yaml"; }

 private:
  std::string folder_;
};

}  // namespace rowhouse::server
