// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/config_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "absl/strings/str_split.h"
#include "server/config_file.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

TEST(DefaultConfigYaml, IsAFileThatSetsNothing) {
  ServerOptions options;
  Origins origins;
  const absl::Status status = ParseConfig("f.yaml", DefaultConfigYaml(), &options, &origins);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(origins.empty());
}

TEST(DefaultConfigYaml, WithoutTheCommentSignsSetsEveryKeyToItsDefault) {
  const std::string text = std::regex_replace(DefaultConfigYaml(), std::regex("\n  #([a-z_]+: )"), "\n  $1");
  ServerOptions options;
  Origins origins;
  const absl::Status status = ParseConfig("f.yaml", text, &options, &origins);
  EXPECT_TRUE(status.ok()) << status << text;
  for (const OptionEntry& entry : OptionTable()) {
    EXPECT_EQ(origins.count(entry.key), 1u) << entry.key;
    EXPECT_EQ(entry.get(options), entry.get(ServerOptions())) << entry.key;
  }
}

TEST(DefaultConfigYaml, SaysOfAKeyWhatThereIsToSay) {
  EXPECT_THAT(DefaultConfigYaml(), HasSubstr("  # How long SIGTERM waits for calls under way.\n"
                                             "  # Unit: time, as 200ms, 30s or 5m.\n"
                                             "  # Default: 10s.\n"
                                             "  # Range: 0s to 10m.\n"
                                             "  # Reloads on SIGHUP: yes.\n"
                                             "  #timeout: 10s\n"));
  for (const absl::string_view line : absl::StrSplit(DefaultConfigYaml(), '\n'))
    EXPECT_LE(line.size(), 110u) << line;
}

TEST(ConfigReferenceMarkdown, HasARowForEachOption) {
  const std::string page = ConfigReferenceMarkdown();
  for (const OptionEntry& entry : OptionTable()) {
    EXPECT_THAT(page, HasSubstr("\n| `" + entry.key + "` | " + entry.help + " | "));
    EXPECT_THAT(page, HasSubstr(" | `" + entry.flag() + "` | `" + entry.environment_variable() + "` |\n"));
  }
}

}  // namespace
}  // namespace rowhouse::server
