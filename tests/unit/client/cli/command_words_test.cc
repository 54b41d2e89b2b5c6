// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/command_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/command.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string Words(const absl::Status& status) { return InCommandWords(status.message()); }

TEST(InCommandWords, WhatIsNotOfALibraryStays) {
  EXPECT_EQ(InCommandWords("table \"ListTables\" has retry_timeout"),
            "table \"ListTables\" has retry_timeout");
  EXPECT_EQ(InCommandWords(""), "");
}

TEST(InCommandWords, NamesFlagsInPlaceOfOptions) {
  const auto lost =
      Client::Connect({.address = "127.0.0.1:1", .retry_timeout = std::chrono::milliseconds(50)});
  EXPECT_THAT(Words(lost.status()), AllOf(HasSubstr("; see --timeout)"), Not(HasSubstr("retry_timeout"))));
  const auto far = Client::Connect({.address = "192.0.2.1:7600"});
  EXPECT_THAT(Words(far.status()), AllOf(HasSubstr("give --insecure when"), Not(HasSubstr("insecure ="))));
}

TEST(InCommandWords, NamesCommandsInPlaceOfMethods) {
  const auto client = Client::Connect({.address = "local:", .retry_timeout = std::chrono::seconds(5)});
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_THAT(Words((*client)->OpenTable("absent").status()),
              AllOf(HasSubstr("`rowhouse table list` names"), Not(HasSubstr("ListTables"))));
  TableSpec spec{.name = "t", .dim = 2};
  const auto table = (*client)->CreateTable(spec);
  ASSERT_TRUE(table.ok()) << table.status();
  spec.frozen = true;
  const auto frozen = (*client)->AlterTable(spec);
  ASSERT_TRUE(frozen.ok()) << frozen.status();
  const std::vector<uint64_t> ids = {1};
  const std::vector<float> gradient = {1, 2};
  EXPECT_THAT(Words((*client)->Push({{*frozen, ids, gradient}}).status()),
              AllOf(HasSubstr("`rowhouse table alter NAME --frozen false`"), Not(HasSubstr("AlterTable"))));
  const absl::Status old = (*client)->Push({{*table, ids, gradient}}).status();
  EXPECT_THAT(Words(old), AllOf(HasSubstr("run the command again"), Not(HasSubstr("OpenTable")))) << old;
}

TEST(OrMayHaveHappened, IsSaidWhenTheAnswerWasLostAndNotElse) {
  for (const absl::Status& lost : {absl::UnavailableError("lost"), absl::DeadlineExceededError("lost")}) {
    const absl::Status told = OrMayHaveHappened(lost, "look with x");
    EXPECT_EQ(told.code(), lost.code());
    EXPECT_EQ(told.message(), "lost; look with x");
  }
  for (const absl::Status& known : {absl::OkStatus(), absl::AlreadyExistsError("there")})
    EXPECT_EQ(OrMayHaveHappened(known, "look with x"), known);
  EXPECT_EQ(*OrMayHaveHappened(absl::StatusOr<int>(3), "x"), 3);
  EXPECT_EQ(OrMayHaveHappened(absl::StatusOr<int>(absl::UnavailableError("lost")), "x").status().message(),
            "lost; x");
}

TEST(TimeoutOf, NamesTheFlagAndWhatIsAllowed) {
  const auto timeout = [](const char* text) { return TimeoutOf({.timeout = text}); };
  EXPECT_EQ(*timeout("1ms"), absl::Milliseconds(1));
  EXPECT_EQ(*timeout("24h"), absl::Hours(24)) << "longer than one call may take";
  for (const char* wrong : {"0s", "24h1s", "25h"}) {
    EXPECT_THAT(std::string(timeout(wrong).status().message()),
                AllOf(HasSubstr("--timeout"), HasSubstr(wrong)));
  }
  EXPECT_EQ(timeout("0s").status().message(), "--timeout is 0s, allowed are 1ms to 24h");
  for (const char* wrong : {"5", "-3s", "soon"}) {
    EXPECT_EQ(timeout(wrong).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(timeout(wrong).status().message()), HasSubstr("--timeout: "));
  }
}

}  // namespace
}  // namespace rowhouse::cli
