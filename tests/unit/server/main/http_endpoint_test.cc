// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/http_endpoint.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include "absl/strings/match.h"

namespace rowhouse::server {
namespace {

TEST(HttpEndpoint, AnswersItsThreePathsAndNoOther) {
  std::vector<std::string> failing = {"meta store: not asked yet", "log: stopped"};
  auto endpoint = HttpEndpoint::Start(
      *ParseListenAddress("x", "127.0.0.1:0"),
      {.metrics = [] { return std::string("rowhouse_up 1\n"); }, .failing_checks = [&] { return failing; }});
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const ListenAddress address = *ParseListenAddress("x", (*endpoint)->address());
  EXPECT_GT(address.port, 0);
  httplib::Client client(address.host, address.port);
  EXPECT_EQ(client.Get("/metrics")->body, "rowhouse_up 1\n");
  EXPECT_EQ(client.Get("/livez")->status, 200);
  EXPECT_EQ(client.Get("/readyz")->status, 503);
  EXPECT_EQ(client.Get("/readyz")->body, "meta store: not asked yet\nlog: stopped\n");
  failing.clear();
  EXPECT_EQ(client.Get("/readyz")->status, 200);
  EXPECT_EQ(client.Get("/else")->status, 404);
  EXPECT_EQ(client.Post("/livez")->status, 404);
}

TEST(HttpEndpoint, TakenPortIsTold) {
  const HttpEndpoint::Sources sources{.metrics = [] { return std::string(); },
                                      .failing_checks = [] { return std::vector<std::string>(); }};
  auto first = HttpEndpoint::Start(*ParseListenAddress("x", "127.0.0.1:0"), sources);
  ASSERT_TRUE(first.ok());
  const auto second = HttpEndpoint::Start(*ParseListenAddress("x", (*first)->address()), sources);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(second.status().message(), (*first)->address())) << second.status();
}

}  // namespace
}  // namespace rowhouse::server
