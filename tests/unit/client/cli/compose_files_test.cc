// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/compose_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "client/cli/embedded_files.h"

namespace rowhouse::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(StandaloneCompose, NamesNothingOfACheckout) {
  const EmbeddedFile* source = FindEmbeddedFile(kComposePath);
  ASSERT_NE(source, nullptr);
  const std::string text = StandaloneCompose(source->text);
  EXPECT_THAT(text, Not(HasSubstr("deploy/")));
  EXPECT_THAT(text, Not(HasSubstr("target:")));
  const YAML::Node compose = YAML::Load(text);
  EXPECT_FALSE(compose["services"]["server-0"]["build"]);
  EXPECT_TRUE(compose["services"]["server-0"]["image"] || compose["x-image"]["image"]);
  EXPECT_FALSE(compose["x-image"]["build"]);
  EXPECT_EQ(compose["services"]["prometheus"]["build"]["context"].as<std::string>(), ".");
}

TEST(StandaloneCompose, EveryFileOfThisDirectoryThatItNamesIsWritten) {
  const std::string text = StandaloneCompose(FindEmbeddedFile(kComposePath)->text);
  for (const ComposeFile& file : kComposeFiles) {
    EXPECT_NE(FindEmbeddedFile(file.path), nullptr) << file.path;
    EXPECT_THAT(text, HasSubstr(file.name));
  }
  for (const YAML::Node& service : {YAML::Load(text)["services"]["prometheus"]}) {
    for (const YAML::Node& volume : service["volumes"]) {
      const std::string mount = volume.as<std::string>();
      if (mount.rfind("./", 0) != 0) continue;
      const std::string name = mount.substr(2, mount.find(':') - 2);
      bool written = false;
      for (const ComposeFile& file : kComposeFiles) written = written || name == file.name;
      EXPECT_TRUE(written) << name;
    }
  }
}

}  // namespace
}  // namespace rowhouse::cli
