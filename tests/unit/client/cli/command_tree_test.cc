// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/command_tree.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "client/cli/command.h"
#include "client/cli/embedded_files.h"

namespace rowhouse::cli {
namespace {

class CommandTreeTest : public testing::Test {
 protected:
  CommandTreeTest() {
    BuildCommandTree(app_, &selected_);
    tree_ = ReadCommandTree(app_);
  }
  const TreeCommand& Find(const std::string& path) const {
    for (const TreeCommand& command : tree_) {
      if (command.path() == path) return command;
    }
    ADD_FAILURE() << "no command " << path;
    return tree_.front();
  }

  CLI::App app_;
  Selected selected_;
  std::vector<TreeCommand> tree_;
};

TEST_F(CommandTreeTest, OptionsAreReadWhole) {
  const TreeCommand& list = Find("table list");
  bool found = false;
  for (const TreeOption& option : list.options) {
    if (option.names != std::vector<std::string>{"-o", "--output"}) continue;
    found = true;
    std::vector<std::string> choices = option.choices;
    std::sort(choices.begin(), choices.end());
    EXPECT_EQ(choices, (std::vector<std::string>{"csv", "json", "table", "wide", "yaml"}));
    EXPECT_EQ(option.standard, "table");
  }
  EXPECT_TRUE(found);
  const TreeCommand& get = Find("row get");
  ASSERT_FALSE(get.options.empty());
  bool table = false, ids = false;
  for (const TreeOption& option : get.options) {
    table = table || (option.positional && option.type == "TABLE" && option.required && !option.repeated);
    ids = ids || (option.positional && option.names[0] == "ID" && option.repeated);
  }
  EXPECT_TRUE(table && ids);
}

TEST_F(CommandTreeTest, HiddenCommandsAreLeftOut) {
  for (const TreeCommand& command : tree_) EXPECT_NE(command.path(), "reference");
}

TEST_F(CommandTreeTest, EveryLeafIsInPageAndScripts) {
  const std::string page = ReferencePage(tree_), bash = BashCompletion(tree_), zsh = ZshCompletion(tree_),
                    fish = FishCompletion(tree_);
  for (const TreeCommand& command : tree_) {
    if (command.words.empty()) continue;
    if (command.leaf()) {
      EXPECT_TRUE(absl::StrContains(page, "### rowhouse " + command.path() + "\n")) << command.path();
    }
    for (const std::string* script : {&bash, &zsh, &fish})
      EXPECT_TRUE(absl::StrContains(*script, "\"" + command.path() + "\"")) << command.path();
  }
}

TEST(FindEmbeddedFile, UnknownPathsAreNull) {
  EXPECT_EQ(FindEmbeddedFile("deploy/nothing"), nullptr);
  EXPECT_EQ(FindEmbeddedFile(""), nullptr);
}

}  // namespace
}  // namespace rowhouse::cli
